//! `doctor`: real directories, and what is said of them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use crate::support::{command, run};

/// What is said of one check, and the process's end.
fn look(db: &Path, check: &str, more: &[&str]) -> (Value, i32) {
    let db = db.to_str().unwrap();
    let outcome = run([&["doctor", "--json", "--db", db][..], more].concat());
    let answer = outcome.json();
    let levels = ["fine", "warning", "error"];
    let level = levels.iter().position(|level| answer["level"] == *level);
    assert_eq!(level, usize::try_from(outcome.code).ok(), "{outcome:?}");
    let findings = answer["findings"].as_array().unwrap();
    for finding in findings {
        let is_fine = finding["level"] == "fine";
        assert_eq!(
            finding["advice"].is_null(),
            is_fine,
            "what to do? {finding}"
        );
    }
    let found = findings.iter().find(|finding| finding["check"] == check);
    (found.cloned().unwrap_or_default(), outcome.code)
}

fn database(path: &Path) {
    run(["set", "a", "1", "--db", path.to_str().unwrap()]).ok();
}

#[test]
fn a_place_is_looked_at_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("above/new");
    let (found, _) = look(&new, "database", &[]);
    assert_eq!(found["level"], "fine");
    assert!(!new.exists() && !directory.path().join("above").exists());

    let db = directory.path().join("db");
    database(&db);
    let (found, _) = look(&db, "format", &[]);
    assert_eq!(
        found["found"],
        "it opens: the newest timestamp is 1, the floor 0"
    );
    let (found, _) = look(&db, "database", &[]);
    assert!(
        found["found"]
            .as_str()
            .unwrap()
            .contains(db.to_str().unwrap())
    );
    run(["get", "a", "--db", db.to_str().unwrap()]).ok();
}

#[test]
fn what_is_no_database_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "text").unwrap();
    let (found, code) = look(&file, "database", &[]);
    assert_eq!((&found["level"], code), (&"error".into(), 2));
    let (found, code) = look(directory.path(), "database", &[]);
    assert_eq!((&found["level"], code), (&"error".into(), 2));
}

#[test]
fn a_damaged_database_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    database(&db);
    fs::write(db.join("CURRENT"), "MANIFEST-999999\n").unwrap();
    let (found, code) = look(&db, "format", &[]);
    assert_eq!((&found["level"], code), (&"error".into(), 2), "{found}");
}

#[cfg(target_os = "linux")]
#[test]
fn who_has_it_open_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    database(&db);
    let mut shell = command()
        .args(["shell", "--json", "--db", db.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has answered, it has the lock.
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(b"get a\n").unwrap();
    stdin.flush().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (found, code) = look(&db, "lock", &[]);
    let text = found["found"].as_str().unwrap();
    assert!(text.contains(&shell.id().to_string()), "{text}");
    assert!(text.contains("sapwood"), "{text}");
    assert_eq!((&found["level"], code >= 1), (&"warning".into(), true));
    // Looking has not taken the lock away from it.
    run(["get", "a", "--db", db.to_str().unwrap()]).failed(2, "open elsewhere");
    drop(stdin);
    shell.wait().unwrap();
    assert_eq!(look(&db, "lock", &[]).0["level"], "fine");
}

#[cfg(target_os = "linux")]
#[test]
fn options_that_are_too_large_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    let too_large = ["--block-cache-size", "9000000000000000000"];
    let (found, code) = look(&db, "memory", &too_large);
    assert_eq!((&found["level"], code), (&"error".into(), 2));
    let (found, _) = look(&db, "open_files", &["--max-open-files", "2147483647"]);
    assert_ne!(found, Value::Null);
    let (found, _) = look(&db, "open_files", &["--max-open-files", "16"]);
    assert_eq!(found["level"], "fine", "{found}");
    let (found, _) = look(&db, "cores", &["--max-background-jobs", "100000"]);
    assert_eq!(found["level"], "warning");
}

#[test]
fn what_copies_have_left_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    database(&db);
    fs::create_dir(directory.path().join("db.sapwood-partial")).unwrap();
    let (found, code) = look(&db, "leftovers", &[]);
    assert!(
        found["found"]
            .as_str()
            .unwrap()
            .contains("db.sapwood-partial")
    );
    assert_eq!((&found["level"], code >= 1), (&"warning".into(), true));
}

#[test]
fn people_are_told_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = run([
        "doctor",
        "--db",
        directory.path().join("no").to_str().unwrap(),
        "--max-background-jobs",
        "100000",
    ]);
    assert!(outcome.code >= 1);
    assert!(
        outcome.stdout.contains("cores: set max_background_jobs"),
        "{outcome:?}"
    );
}
