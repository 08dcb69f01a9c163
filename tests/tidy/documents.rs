//! The documents: every page is in the book, every link leads somewhere, every program is a doctest.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Component, Path, PathBuf},
};

use super::{assert_none, root};

/// Documents outside of the book, which link as well.
const OUTSIDE: &str = "README.md DESIGN.md CONTRIBUTING.md CHANGELOG.md tests/mutants.md";

/// The one page whose programs need crates that the library does not depend on: `sapwood-bench` runs them.
const ELSEWHERE: &str = "docs/migration.md";

/// The page whose programs are doctests of another crate.
const ETHEREUM: &str = "docs/ethereum.md";

/// The pages of the book, by their paths from the root, but for its table of contents.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).expect("docs");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| format!("docs/{}", name.to_string_lossy()));
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    pages.retain(|name| name != "docs/SUMMARY.md");
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A line of a document: inside a block of code, or not.
struct Line<'a> {
    number: usize,
    text: &'a str,
    /// What stands behind the fence that opened the block.
    block: Option<&'a str>,
    /// Whether the line is that fence.
    opens: bool,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut block = None;
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        let fence = text.trim_start().strip_prefix("```");
        let opens = fence.is_some() && block.is_none();
        if opens {
            block = fence;
        }
        lines.push(Line {
            number,
            text,
            block,
            opens,
        });
        if fence.is_some() && !opens {
            block = None;
        }
    }
    lines
}

/// What a line links to, images included. Code in the line links to nothing.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_code = false;
    for part in text.split('`') {
        if !is_code {
            let targets = part.split("](").skip(1);
            found.extend(targets.filter_map(|rest| rest.split(')').next()));
        }
        is_code = !is_code;
    }
    found
}

/// The anchors of a document's headings, as forges and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut met = HashMap::<String, usize>::new();
    for line in lines(text) {
        let title = line.text.trim_start_matches('#');
        if line.block.is_some() || title.len() == line.text.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
        let name: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| kept(*c))
            .collect();
        let name = name.replace(' ', "-");
        let times = met.entry(name.clone()).or_default();
        anchors.insert(match *times {
            0 => name,
            times => format!("{name}-{times}"),
        });
        *times += 1;
    }
    anchors
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with a link of a document.
fn wrong(from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let path = if file.is_empty() {
        PathBuf::from(from)
    } else {
        plain(&folder.join(file))
    };
    if !root().join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    let text = || fs::read_to_string(root().join(&path)).unwrap_or_default();
    let is_there = anchor.is_empty() || anchors(&text()).contains(anchor);
    (!is_there).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn every_page_is_in_the_book_once() {
    let summary = read("docs/SUMMARY.md");
    let listed: Vec<_> = summary.lines().flat_map(links).map(str::to_owned).collect();
    let pages = pages();
    let mut violations = Vec::new();
    for page in &pages {
        let name = page.strip_prefix("docs/").unwrap_or(page);
        let times = listed.iter().filter(|listed| *listed == name).count();
        if times != 1 {
            violations.push(format!("{page}: {times} times"));
        }
    }
    assert_none("pages that are not in docs/SUMMARY.md once", &violations);
    assert_eq!(listed.len(), pages.len(), "it lists what is no page");
}

#[test]
fn links_lead_somewhere() {
    let (mut tried, mut violations) = (0, Vec::new());
    let outside = OUTSIDE.split_whitespace().map(str::to_owned);
    let summary = "docs/SUMMARY.md".to_owned();
    for page in pages().into_iter().chain(outside).chain([summary]) {
        let text = read(&page);
        for line in lines(&text).iter().filter(|line| line.block.is_none()) {
            for target in links(line.text) {
                tried += 1;
                let wrong = wrong(&page, target);
                violations.extend(wrong.map(|wrong| format!("{page}:{}: {wrong}", line.number)));
            }
        }
    }
    assert_none("links", &violations);
    assert!(tried > 100, "{tried} only: they are not found");
}

/// What rustdoc takes a block for is a doctest; so every block says what it is in.
#[test]
fn programs_of_pages_are_doctests() {
    let doctests = read("src/documents.rs");
    let (mut programs, mut violations) = (0, Vec::new());
    for page in pages().into_iter().chain(["README.md".to_owned()]) {
        let text = read(&page);
        let mut has_programs = false;
        for line in lines(&text).iter().filter(|line| line.opens) {
            let language = line.block.unwrap_or_default();
            let mut say = |what: &str| violations.push(format!("{page}:{}: {what}", line.number));
            match language {
                "" => say("a block without a language is a program to rustdoc: say text"),
                "rust" | "rust,no_run" => {
                    programs += 1;
                    has_programs = true;
                }
                "rust,ignore" if page == ELSEWHERE => {}
                other if other.starts_with("rust") => say("a program that nobody runs"),
                _ => {}
            }
        }
        if page == ETHEREUM {
            let library = read("crates/sapwood-evm/src/lib.rs");
            assert!(library.contains("include_str!(\"../../../docs/ethereum.md\")"));
            continue;
        }
        let include = format!("include_str!(\"../{page}\")");
        if has_programs != doctests.contains(&include) && page != "README.md" {
            violations.push(format!(
                "{page}: src/documents.rs has it, or it has programs, but not both"
            ));
        }
    }
    assert_none("blocks of code", &violations);
    assert!(programs >= 25, "{programs} only: they are not found");
    assert!(doctests.contains("include_str!(\"../README.md\")"));
}

#[test]
fn features_are_told_of() {
    let manifest = read("Cargo.toml");
    let features = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
    let features = features.split("\n[").next().unwrap_or_default();
    let names = features.lines().filter_map(|line| line.split_once(" = ["));
    let names: Vec<_> = names
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
        .collect();
    assert!(names.contains(&"rocksdb-storage"), "{names:?}");
    let (readme, library) = (read("README.md"), read("src/lib.rs"));
    let mut violations = Vec::new();
    for name in names {
        if !readme.contains(&format!("\n| `{name}` | ")) {
            violations.push(format!("README.md, Features: {name}"));
        }
        if !library.contains(&format!("\n//! - `{name}`")) {
            violations.push(format!("src/lib.rs, Features: {name}"));
        }
    }
    assert_none("features that nobody is told of", &violations);
}

#[test]
fn what_is_wrong_is_found() {
    let text = "# One `two`: three_four\n```text\n# no heading ](no link)\n```\n# A\n# A\n[x](y.md#z) `](no)` ![p](q.svg)";
    let anchors: Vec<_> = anchors(text).into_iter().collect();
    assert_eq!(anchors, ["a", "a-1", "one-two-three_four"]);
    let found: Vec<_> = lines(text)
        .iter()
        .filter(|line| line.block.is_none())
        .flat_map(|line| links(line.text))
        .collect();
    assert_eq!(found, ["y.md#z", "q.svg"]);
    assert_eq!(links("[`code`](there.md)"), ["there.md"]);
    assert!(wrong("docs/faq.md", "nowhere.md").is_some());
    assert!(wrong("docs/faq.md", "concepts.md#nothing-of-the-kind").is_some());
    assert!(wrong("docs/faq.md", "../README.md#try-it").is_none());
}
