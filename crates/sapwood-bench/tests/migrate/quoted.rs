//! The page quotes what runs.

use std::{fs, path::Path};

/// The blocks of a page that its doctests leave out, because other engines are in them.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in page.lines() {
        match &mut block {
            None if line == "```rust,ignore" => block = Some(Vec::new()),
            Some(lines) if line == "```" => {
                found.push(lines.join("\n"));
                block = None;
            }
            Some(lines) => lines.push(line),
            None => {}
        }
    }
    found
}

#[test]
fn what_the_page_quotes_is_what_runs_here() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/migration.md")).unwrap();
    let sources: Vec<_> = fs::read_dir(here.join("tests/migrate"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 7, "loading, and one for each way");
    for block in blocks {
        let is_there = sources.iter().any(|source| source.contains(&block));
        assert!(is_there, "nothing under tests/migrate has:\n{block}");
    }
}
