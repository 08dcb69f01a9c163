//! The scripts of `hermitage` beside the collection that they were taken from.
//!
//! The cases are listed in `isolation/hermitage.txt` of the test data, each with whether a level must
//! prevent it (`P`) or may allow it (`A`).

use std::{collections::BTreeMap, fs, path::Path};

use crate::data;

/// At snapshot isolation both may commit, says the collection; at serializable at most one. So the
/// levels part, although what the case is named after is prevented at both.
const PARTS_ANYWAY: &str = "G1c";

/// The scripts, by their names.
fn scripts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isolation/scripts/hermitage");
    let mut scripts = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        scripts.insert(name, fs::read_to_string(entry.path()).unwrap());
    }
    scripts
}

/// What the collection says of a case at one level, if it does.
fn verdict(case: &str, level: &str) -> Option<char> {
    let (_, rest) = case.split_once(&format!("{level}="))?;
    rest.chars().next()
}

#[test]
fn each_case_of_hermitage_has_a_script_and_its_levels_part_where_they_must() {
    let Some(path) = data::path("isolation/hermitage.txt") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut scripts = scripts();
    let mut cases = 0;
    for case in text.lines().filter_map(|line| line.strip_prefix("CASE ")) {
        cases += 1;
        let name = case.split_whitespace().next().unwrap();
        let file = name.to_lowercase().replace('-', "_");
        let script = scripts.remove(&file);
        let script = script.unwrap_or_else(|| panic!("{name} has no script {file}"));
        let head = script.lines().next().unwrap();
        assert!(head.starts_with(&format!("# {name}: ")), "{file}: {head}");
        let parts = script.contains("serializable: ");
        match (verdict(case, "SI"), verdict(case, "SER")) {
            (Some('P'), Some('P')) => assert_eq!(parts, name == PARTS_ANYWAY, "{name}"),
            (Some('A'), Some('P')) => assert!(parts, "{name}"),
            // The collection speaks of one level, and the script says what it sees.
            (None, None) => {}
            odd => panic!("{name}: {odd:?}"),
        }
    }
    assert_eq!(cases, 18, "cases");
    assert!(scripts.is_empty(), "of no case: {:?}", scripts.keys());
}
