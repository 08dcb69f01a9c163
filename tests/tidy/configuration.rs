//! The page of all options, made from what the sources say of them.
//!
//! ```text
//! SAPWOOD_NEW_CONFIGURATION=1 cargo test -p sapwood --test tidy configuration
//! ```
//!
//! writes `docs/configuration.md` anew. Every option has a last paragraph `Unit: .... Default: ....`; without it the
//! test fails, and where the default is another than the code's, too.

use std::{env, fmt::Write, fs};

use sapwood::{
    ApplyOptions, BlockExecutorConfig, CommitOptions, FeedOptions, MemoryConfig, OnlineOptions,
    PinOptions, RetentionPolicy, RuntimeConfig, TransactionOptions,
};
use syn::{Field, Item, ItemEnum, ItemStruct, Visibility};

use super::{
    assert_none, root,
    sources::{documentation, line, sources},
};

const PAGE: &str = "docs/configuration.md";

/// The types of the page, in its order: what they are for, and their names.
const PARTS: &[(&str, &str)] = &[
    (
        "Stores",
        "RocksDBConfig Compressions MemoryConfig OnlineOptions",
    ),
    (
        "Commits, transactions, pins, feeds",
        "CommitOptions TransactionOptions PinOptions FeedOptions",
    ),
    (
        "What is kept",
        "RetentionPolicy CheckpointPolicy ApplyOptions",
    ),
    (
        "Blocks and runtimes",
        "BlockExecutorConfig RuntimeConfig WasmConfig",
    ),
];

/// The types of which an option is one value.
const CHOICES: &str = "Durability TimestampSource Compression Isolation Mode Keep";

/// An option.
struct Choice {
    name: String,
    kind: String,
    unit: String,
    default: String,
    effect: String,
}

/// What the sources say of a type with options, its fields, or what is missing.
fn options(item: &ItemStruct) -> (Vec<Choice>, Vec<String>) {
    let (mut options, mut missing) = (Vec::new(), Vec::new());
    for field in item.fields.iter().filter(|field| is_public(&field.vis)) {
        match option(field) {
            Some(option) => options.push(option),
            None => missing.push(format!(
                "{}.{}: its last paragraph is not `Unit: .... Default: ....`",
                item.ident,
                field
                    .ident
                    .as_ref()
                    .map_or(String::new(), ToString::to_string)
            )),
        }
    }
    (options, missing)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn option(field: &Field) -> Option<Choice> {
    let text = documentation(&field.attrs);
    let (effect, last) = text.rsplit_once("\n\n")?;
    let last = last.replace('\n', " ");
    let (unit, default) = last.strip_prefix("Unit: ")?.split_once(". Default: ")?;
    let default = default.strip_suffix('.')?;
    let effect = effect.replace("\n\n", " ").replace('\n', " ");
    Some(Choice {
        name: field.ident.as_ref()?.to_string(),
        kind: line(&field.ty),
        unit: unit.to_owned(),
        default: without_links(default),
        effect: without_links(&effect),
    })
}

/// Text without the links of rustdoc, which lead nowhere on a page; other links stay.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((name, behind)) = behind.split_once(']') else {
            plain.push('[');
            rest = behind;
            continue;
        };
        let target = behind
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'));
        match target {
            Some((target, _)) if target.contains(".md") || target.contains("://") => {
                let _ = write!(plain, "[{name}]");
                rest = behind;
            }
            Some((_, after)) => {
                plain.push_str(name);
                rest = after;
            }
            None => {
                plain.push_str(name);
                rest = behind;
            }
        }
    }
    plain + rest
}

/// The first paragraph of a documentation comment, as one line.
fn first_paragraph(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    without_links(&first.replace('\n', " "))
}

/// What stands before the examples, paragraph by paragraph.
fn before_examples(text: &str) -> String {
    let text = text.split("# Examples").next().unwrap_or_default().trim();
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "));
    without_links(&paragraphs.collect::<Vec<_>>().join("\n\n"))
}

/// All types that carry options: by their names, so that none is forgotten.
fn is_of_options(item: &ItemStruct) -> bool {
    let name = item.ident.to_string();
    let endings = ["Config", "Options", "Policy", "Compressions"];
    is_public(&item.vis)
        && endings.iter().any(|ending| name.ends_with(ending))
        && item.fields.iter().any(|field| is_public(&field.vis))
}

fn structs_and_enums() -> (Vec<ItemStruct>, Vec<ItemEnum>) {
    let (mut structs, mut enums) = (Vec::new(), Vec::new());
    for item in sources().into_iter().flat_map(|(_, items)| items) {
        match item {
            Item::Struct(item) if is_of_options(&item) => structs.push(item),
            Item::Enum(item) if is_public(&item.vis) => enums.push(item),
            _ => {}
        }
    }
    (structs, enums)
}

const HEAD: &str = "\
# Configuration

<!-- Made from the sources by `SAPWOOD_NEW_CONFIGURATION=1 cargo test -p sapwood --test tidy configuration`; mend what it says there. -->

Every option: what it does, its unit, its default. This page is made from the documentation of the code, and a test compares the two. Which
option serves which load is told in [tuning.md](tuning.md), with figures.

Options are plain data and are checked where they are used; one that cannot be is refused with an error that says what to do. All but `RocksDBConfig` and
`Compressions` are `#[non_exhaustive]`: make one by `default()` (or its constructor) and change what you want, so that your code compiles when an
option is added. For `RocksDBConfig` write `..Default::default()`.
";

/// The page, and what the sources lack.
fn page() -> (String, Vec<String>) {
    let (structs, enums) = structs_and_enums();
    let (mut page, mut missing) = (HEAD.to_owned(), Vec::new());
    let listed: Vec<_> = PARTS
        .iter()
        .flat_map(|(_, names)| names.split(' '))
        .collect();
    for item in &structs {
        if !listed.contains(&item.ident.to_string().as_str()) {
            missing.push(format!("{}: PARTS of this test lacks it", item.ident));
        }
    }
    for (title, names) in PARTS {
        let _ = write!(page, "\n# {title}\n");
        for name in names.split(' ') {
            let Some(item) = structs.iter().find(|item| item.ident == name) else {
                missing.push(format!("{name}: there is no such type"));
                continue;
            };
            let (options, lacks) = options(item);
            missing.extend(lacks);
            let what = before_examples(&documentation(&item.attrs));
            let _ = write!(page, "\n## {name}\n\n{what}\n\n");
            for option in options {
                let Choice {
                    name,
                    kind,
                    unit,
                    default,
                    effect,
                } = option;
                let _ = writeln!(
                    page,
                    "- **`{name}`** (`{kind}`; unit: {unit}; default: {default}). {effect}"
                );
            }
        }
    }
    page.push_str("\n# Choices\n");
    for name in CHOICES.split(' ') {
        let Some(item) = enums.iter().find(|item| item.ident == name) else {
            missing.push(format!("{name}: there is no such type"));
            continue;
        };
        let what = first_paragraph(&documentation(&item.attrs));
        let _ = write!(
            page,
            "\n## {name}\n\n{what}\n\n| choice | what it is |\n|---|---|\n"
        );
        for variant in &item.variants {
            let is_default = variant.attrs.iter().any(|it| it.path().is_ident("default"));
            let default = if is_default { " (default)" } else { "" };
            let what = first_paragraph(&documentation(&variant.attrs));
            let _ = writeln!(page, "| `{}`{default} | {what} |", variant.ident);
        }
    }
    (page, missing)
}

#[test]
fn the_page_says_what_the_code_says() {
    let (page, missing) = page();
    assert_none("options that are not told of", &missing);
    let path = root().join(PAGE);
    if env::var_os("SAPWOOD_NEW_CONFIGURATION").is_some() {
        fs::write(&path, &page).expect("the page is written");
    }
    let there = fs::read_to_string(&path).expect("the page");
    let differing = page
        .lines()
        .zip(there.lines())
        .find(|(now, there)| now != there);
    assert!(
        page == there,
        "{PAGE} is not what the sources say; write it anew with SAPWOOD_NEW_CONFIGURATION=1: {differing:?}"
    );
}

/// A default as `Debug` prints it: `None` from "`None`, for ever", 67108864 from "64 MiB".
fn as_debug(default: &str) -> Option<String> {
    let word = default.split(',').next().unwrap_or_default();
    let number = default.replace(',', "");
    let mut parts = number.split(' ');
    if let Some(Ok(count)) = parts.next().map(str::parse::<u64>) {
        let shift = match parts.next() {
            None => 0,
            Some("KiB") => 10,
            Some("MiB") => 20,
            Some(_) => return None,
        };
        return Some((count << shift).to_string());
    }
    let name = word.strip_prefix('`')?.strip_suffix('`')?;
    Some(name.rsplit("::").next().unwrap_or(name).to_owned())
}

/// The options of a value, as `Debug` prints them.
fn printed(value: &impl std::fmt::Debug) -> Vec<(String, String)> {
    let text = format!("{value:#?}");
    let fields = text.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?.strip_suffix([',', '('])?;
        let (name, value) = line.split_once(": ")?;
        let is_outer = !name.starts_with(' ');
        is_outer.then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
    });
    fields.collect()
}

#[test]
fn defaults_are_what_they_are_said_to_be() {
    let mut values = vec![
        ("MemoryConfig", printed(&MemoryConfig::default())),
        ("OnlineOptions", printed(&OnlineOptions::default())),
        ("CommitOptions", printed(&CommitOptions::default())),
        (
            "TransactionOptions",
            printed(&TransactionOptions::default()),
        ),
        ("PinOptions", printed(&PinOptions::default())),
        ("FeedOptions", printed(&FeedOptions::default())),
        ("RetentionPolicy", printed(&RetentionPolicy::default())),
        ("ApplyOptions", printed(&ApplyOptions::default())),
        (
            "BlockExecutorConfig",
            printed(&BlockExecutorConfig::default()),
        ),
        ("RuntimeConfig", printed(&RuntimeConfig::default())),
        ("RocksDBConfig", printed(&sapwood::RocksDBConfig::default())),
        ("Compressions", printed(&sapwood::Compressions::default())),
    ];
    values.sort();
    let (structs, _) = structs_and_enums();
    let (mut compared, mut violations) = (0, Vec::new());
    for (name, values) in values {
        let item = structs.iter().find(|item| item.ident == name);
        for option in options(item.expect("a type")).0 {
            let value = values.iter().find(|(field, _)| *field == option.name);
            let Some((said, (_, is))) = as_debug(&option.default).zip(value) else {
                continue; // "as many as cores" and the like
            };
            compared += 1;
            let is_so = *is == said || (is.starts_with("Some") && said != "None");
            if !is_so {
                violations.push(format!("{name}.{}: said {said}, is {is}", option.name));
            }
        }
    }
    assert_none("defaults", &violations);
    assert!(compared > 40, "{compared} only: they are not found");
}

#[test]
fn what_is_said_of_a_default_is_understood() {
    for (said, is) in [
        ("64 MiB", "67108864"),
        ("10,000", "10000"),
        ("`None`, for ever", "None"),
        ("`Durability::Buffered`", "Buffered"),
        ("`true`", "true"),
        ("`./data`", "./data"),
    ] {
        assert_eq!(as_debug(said).as_deref(), Some(is));
    }
    assert_eq!(as_debug("as many as cores, at least 2"), None);
    assert_eq!(
        without_links("as [`a`](crate::a), [b](c.md) and [`Self::d`]"),
        "as `a`, [b](c.md) and `Self::d`"
    );
}
