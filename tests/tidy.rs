//! Keeps the tree tidy: which module may name what, and what no file may hold.
//!
//! Each test collects all violations and names them, so that one run shows them all.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "tidy/configuration.rs"]
mod configuration;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/licences.rs"]
mod licences;
#[path = "tidy/package.rs"]
mod package;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/surface.rs"]
mod surface;

use std::{fs, path::Path, process::Command};

/// What may lie at the root of the tree.
const ROOT: &str = ".gitignore Cargo.toml Cargo.lock README.md DESIGN.md CHANGELOG.md \
    CONTRIBUTING.md LICENSE-MIT LICENSE-APACHE Makefile rustfmt.toml clippy.toml deny.toml";

/// Whether a rule applies to a path.
type Applies = fn(&str) -> bool;

/// Words, the files whose code may not hold them, and why. A `~` keeps a word from being found here.
const FORBIDDEN: &[(&str, Applies, &str)] = &[
    (
        "rock~sdb::",
        not_backend,
        "only src/backend/rocksdb names the crate",
    ),
    (
        "std::fs std::io std::net std::time std::thread crate::sync crate::backend rand:: \
         SystemTime Instant Mutex RwLock Atomic",
        |path| path.starts_with("src/codec/") || is_rule(path),
        "the codec and the rules are pure",
    ),
    (
        "parking_lot loom:: shuttle:: std::sync::atomic std::sync::Mutex std::sync::RwLock crossbeam",
        |path| {
            let model = path.ends_with("loom_tests.rs") || path.ends_with("shuttle_tests.rs");
            is_outside(path, &["src/sync.rs"]) && !model
        },
        "locks and atomics come from src/sync.rs, so that loom can take their place",
    ),
    (
        "TO~DO FIX~ME dbg~!( todo~!( unimplemented~!( #[ig~nore",
        |_| true,
        "what is left to do is an issue, not a remark",
    ),
    (
        "sl~eep( sl~eep_ms( ::sl~eep",
        is_test,
        "a test waits for what it tests, not for a time",
    ),
    (
        "unsafe~ { unsafe~ fn unsafe~ impl",
        |path| !path.starts_with("crates/sapwood-bench/"),
        "it is forbidden, but for a peer of the bench",
    ),
];

/// Whether a file of the library lies elsewhere.
fn is_outside(path: &str, places: &[&str]) -> bool {
    path.starts_with("src/") && !places.iter().any(|place| path.starts_with(place))
}

fn not_backend(path: &str) -> bool {
    // src/storage has a module of that name.
    is_outside(path, &["src/backend/rocksdb/", "src/storage/mod.rs"])
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/")
}

fn is_rule(path: &str) -> bool {
    ["src/storage/visibility.rs", "src/prune_rule.rs"].contains(&path)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files and manifests of the tree, by their paths from its root, in order.
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["src", "crates", "benches", "examples", "tests"] {
        collect(folder, ending, &mut found);
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending}");
    found
}

fn collect(folder: &str, ending: &str, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return; // Not every tree has benches and examples.
    };
    for entry in entries {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&path, ending, found);
        } else if path.ends_with(ending) {
            let text = fs::read_to_string(entry.path());
            found.push((path, text.expect("a text")));
        }
    }
}

fn assert_none(what: &str, violations: &[String]) {
    let list = violations.join("\n  ");
    assert!(list.is_empty(), "{what}:\n  {list}");
}

/// The words of a list; a `~` joins what follows a space.
fn words(list: &str) -> Vec<String> {
    let list = list.replace("~ ", "\0");
    let words = list.split(' ').filter(|word| !word.is_empty());
    let plain = |word: &str| word.replace('~', "").replace('\0', " ");
    words.map(plain).collect()
}

#[test]
fn words_stand_only_where_they_may() {
    let files = files(".rs");
    let pure = files.iter().filter(|(path, _)| is_rule(path)).count();
    assert_eq!(pure, 2, "the rules were moved");
    let mut violations = Vec::new();
    for (list, applies, why) in FORBIDDEN {
        let words = words(list);
        for (path, text) in files.iter().filter(|(path, _)| applies(path)) {
            // The library's own unit tests may use what its code may not.
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
            let lines = lines.enumerate().filter(|(_, line)| !is_document(line));
            for (number, line) in lines {
                let word = words.iter().find(|word| holds(line, word));
                violations.extend(word.map(|word| format!("{path}:{}: {word}: {why}", number + 1)));
            }
        }
    }
    assert_none("words where they may not stand", &violations);
}

/// Documents may speak of anything; remarks may not.
fn is_document(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//!")
}

/// Whether a word stands in a line, and not as the end of a longer path.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        word.starts_with("::")
            || !before.ends_with("::")
                && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn files_are_small_ascii_and_say_what_they_are_for() {
    let mut violations = Vec::new();
    for (path, text) in files(".rs") {
        if text.lines().count() > 700 && !path.starts_with("tests/") {
            violations.push(format!("{path}: it is long; a file has one concept"));
        }
        if !text.starts_with("//!") && text.lines().count() > 1 {
            violations.push(format!("{path}: it does not begin with what it is (//!)"));
        }
    }
    for (path, text) in files(".rs").into_iter().chain(files(".toml")) {
        let odd = text.lines().position(|line| !line.is_ascii());
        violations.extend(odd.map(|line| format!("{path}:{}: not ASCII", line + 1)));
    }
    assert_none("files", &violations);
}

#[test]
fn the_root_holds_what_belongs_there() {
    let git = Command::new("git")
        .arg("ls-files")
        .current_dir(root())
        .output();
    // Without git this is a package of its own, not a clone.
    let listed = git.map_or(Vec::new(), |output| output.stdout);
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let allowed = words(ROOT);
    let odd = listed
        .lines()
        .map(str::to_owned)
        .filter(|path| !path.contains('/'));
    let odd: Vec<_> = odd.filter(|path| !allowed.contains(path)).collect();
    assert_none("files at the root that belong elsewhere", &odd);
}

#[test]
fn unsafe_code_is_forbidden() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    let mut violations = Vec::new();
    let mut manifests = files("Cargo.toml");
    manifests.push(("Cargo.toml".to_owned(), workspace));
    for (path, text) in manifests {
        if !text.contains("[lints]\nworkspace = true") && !path.contains("-bench/") {
            violations.push(path);
        }
    }
    assert_none("manifests without the workspace's lints", &violations);
}

/// What nobody is told of is not run by anybody.
#[test]
fn benches_and_examples_are_spoken_of() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let mut violations = Vec::new();
    for (path, text) in files(".rs") {
        let name = path.strip_prefix("benches/");
        let name = name.or_else(|| path.strip_prefix("examples/"));
        // What several of them share is no benchmark of its own.
        let name = name.filter(|name| !name.contains('/'));
        let name = name.and_then(|name| name.strip_suffix(".rs"));
        if name.is_some_and(|name| !readme.contains(name) && !text.contains("//! cargo ")) {
            violations.push(path);
        }
    }
    assert_none("neither README.md nor its head has them", &violations);
}
