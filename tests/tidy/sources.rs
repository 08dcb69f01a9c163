//! The library's sources, parsed.

use quote::ToTokens;
use syn::{Attribute, Expr, Item, Lit, Meta};

use super::files;

/// The files of the library, and of the crate for contracts, without tests: paths, and what they hold.
pub(crate) fn sources() -> Vec<(String, Vec<Item>)> {
    let files = files(".rs").into_iter();
    let ours = files.filter(|(path, _)| {
        let is_ours = path.starts_with("src/") || path.starts_with("crates/sapwood-wasm/src/");
        is_ours && !path.contains("test") && path != "src/documents.rs"
    });
    ours.map(|(path, text)| {
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let items = file.items.into_iter();
        (path, items.filter(|item| !is_for_tests(item)).collect())
    })
    .collect()
}

/// The documents that `src/documents.rs` includes, by their paths from the root.
pub(crate) fn included() -> Vec<String> {
    let files = files(".rs").into_iter();
    let documents = files.filter(|(path, _)| path == "src/documents.rs");
    let texts = documents.map(|(_, text)| text).collect::<String>();
    let included = texts.split("include_str!(\"../").skip(1);
    let paths = included.filter_map(|rest| rest.split('"').next());
    paths.map(str::to_owned).collect()
}

/// Whether an item is there for tests only.
fn is_for_tests(item: &Item) -> bool {
    let Item::Mod(module) = item else {
        return false;
    };
    module.attrs.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string();
        attribute.path().is_ident("cfg") && text.contains("test")
    })
}

/// The text of a documentation comment, line by line, without the space before each.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else {
            return None;
        };
        let Expr::Lit(value) = &pair.value else {
            return None;
        };
        let Lit::Str(text) = &value.lit else {
            return None;
        };
        let text = text.value();
        let line = text.strip_prefix(' ').unwrap_or(&text).trim_end();
        pair.path.is_ident("doc").then(|| line.to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The tokens of something, as one line.
pub(crate) fn line(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (wide, narrow) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" : ", ": "),
        (" ?", "?"),
        ("[ ", "["),
        (" ]", "]"),
    ] {
        line = line.replace(wide, narrow);
    }
    line
}
