//! What the library shows to others: listed in `tests/tidy/surface.txt`, so that no change of it goes unnoticed.
//!
//! The compiler's lint `unreachable_pub` sees to it that what is `pub` can be reached, so that the list is of all that
//! is `pub`.
//!
//! ```text
//! SAPWOOD_NEW_SURFACE=1 cargo test -p sapwood --test tidy surface
//! ```
//!
//! writes the list anew. A line that goes or changes is a breaking change, and needs its line in CHANGELOG.md.

use std::{collections::BTreeSet, env, fs};

use syn::{Fields, ImplItem, Item, Signature, TraitItem, Visibility};

use super::{
    root,
    sources::{line, sources},
};

const LIST: &str = "tests/tidy/surface.txt";

#[test]
fn the_surface_is_what_it_was() {
    let lines = surface();
    let text = lines.join("\n") + "\n";
    let path = root().join(LIST);
    if env::var_os("SAPWOOD_NEW_SURFACE").is_some() {
        fs::write(&path, &text).expect("the list is written");
    }
    let known = fs::read_to_string(&path).expect("the list");
    let known: BTreeSet<_> = known.lines().collect();
    let now: BTreeSet<_> = text.lines().collect();
    let gone = known.difference(&now).map(|line| format!("- {line}"));
    let new = now.difference(&known).map(|line| format!("+ {line}"));
    let changes: Vec<_> = gone.chain(new).collect();
    assert!(
        changes.is_empty(),
        "the surface has changed. Where that is meant, write it anew (SAPWOOD_NEW_SURFACE=1), and tell users of \
         what is gone in CHANGELOG.md:\n{}",
        changes.join("\n")
    );
    assert!(
        now.len() > 500,
        "{} lines only: sources are not found",
        now.len()
    );
}

/// All that is public, one line each, in order.
fn surface() -> Vec<String> {
    let sources = sources();
    let public: BTreeSet<String> = sources
        .iter()
        .flat_map(|(_, items)| items.iter().filter_map(public_type))
        .collect();
    let mut lines = BTreeSet::new();
    for (path, items) in &sources {
        let package = if path.starts_with("src/") {
            "sapwood"
        } else {
            "sapwood_wasm"
        };
        for item in items {
            describe(item, &public, &mut |text| {
                lines.insert(format!("{package} {text}"));
            });
        }
    }
    lines.into_iter().collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name of a public type.
fn public_type(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    is_public(visibility).then(|| name.to_string())
}

/// What an item shows, one line for each thing that somebody may rely on.
fn describe(item: &Item, public: &BTreeSet<String>, tell: &mut impl FnMut(String)) {
    match item {
        Item::Struct(item) if is_public(&item.vis) => {
            let name = &item.ident;
            tell(format!("struct {name}{}", line(&item.generics)));
            for (number, field) in item.fields.iter().enumerate() {
                if is_public(&field.vis) {
                    let number = number.to_string();
                    let field_name = field.ident.as_ref().map_or(number, ToString::to_string);
                    tell(format!("{name}.{field_name}: {}", line(&field.ty)));
                }
            }
        }
        Item::Enum(item) if is_public(&item.vis) => {
            let name = &item.ident;
            tell(format!("enum {name}{}", line(&item.generics)));
            for variant in &item.variants {
                let fields = match &variant.fields {
                    Fields::Unit => String::new(),
                    fields => {
                        let fields = fields.iter().map(|field| {
                            let name = field.ident.as_ref().map(|name| format!("{name}: "));
                            name.unwrap_or_default() + &line(&field.ty)
                        });
                        format!("({})", fields.collect::<Vec<_>>().join(", "))
                    }
                };
                tell(format!("{name}::{}{fields}", variant.ident));
            }
        }
        Item::Trait(item) if is_public(&item.vis) => {
            let name = &item.ident;
            tell(format!("trait {name}: {}", line(&item.supertraits)));
            for member in &item.items {
                match member {
                    TraitItem::Fn(call) => {
                        let given = if call.default.is_some() {
                            " (given)"
                        } else {
                            ""
                        };
                        tell(format!("{name}: {}{given}", line(&call.sig)));
                    }
                    TraitItem::Type(kind) => tell(format!("{name}: type {}", kind.ident)),
                    _ => {}
                }
            }
        }
        Item::Fn(item) if is_public(&item.vis) => tell(line(&item.sig)),
        Item::Const(item) if is_public(&item.vis) => {
            tell(format!("const {}: {}", item.ident, line(&item.ty)));
        }
        Item::Type(item) if is_public(&item.vis) => {
            tell(format!("type {} = {}", item.ident, line(&item.ty)));
        }
        Item::Use(item) if is_public(&item.vis) => tell(format!("use {}", line(&item.tree))),
        Item::Mod(item) if is_public(&item.vis) => tell(format!("mod {}", item.ident)),
        Item::Impl(item) => {
            let of = line(&item.self_ty);
            let bare = of.split('<').next().unwrap_or_default();
            if !public.contains(bare) {
                return;
            }
            if let Some((_, name, _)) = &item.trait_ {
                tell(format!("impl {} for {of}", line(name)));
                return;
            }
            for member in &item.items {
                match member {
                    ImplItem::Fn(call) if is_public(&call.vis) => {
                        tell(format!("{of}: {}", signature(&call.sig)));
                    }
                    ImplItem::Const(value) if is_public(&value.vis) => {
                        tell(format!("{of}: const {}: {}", value.ident, line(&value.ty)));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// A signature without what only the inside sees: whether arguments are `mut`.
fn signature(signature: &Signature) -> String {
    line(signature)
        .replace("(mut ", "(")
        .replace(", mut ", ", ")
}

#[test]
fn a_change_of_the_surface_is_seen() {
    let public = BTreeSet::from(["A".to_owned()]);
    let list = |text: &str| {
        let mut lines = Vec::new();
        for item in syn::parse_file(text).expect("Rust").items {
            describe(&item, &public, &mut |line| lines.push(line));
        }
        lines
    };
    assert_eq!(
        list(
            "pub struct A { pub a: u8, b: u8 } impl A { pub fn f(mut self, x: &[u8]) -> u8 { 1 } fn g() {} }"
        ),
        ["struct A", "A.a: u8", "A: fn f(self, x: &[u8]) -> u8"]
    );
    assert_eq!(
        list(
            "pub enum A { X, Y { z: u8 } } impl Clone for A {} impl Clone for B {} struct C; pub(crate) fn h() {}"
        ),
        ["enum A", "A::X", "A::Y(z: u8)", "impl Clone for A"]
    );
}
