//! Whole sessions: `tests/sessions/*.txt` holds lines of the shell (behind `> `) and the answers.
//!
//! Of a failure only the kind is compared, so that messages can be bettered; bytes that were
//! reclaimed are written as 0. `UPDATE_SESSIONS=1` writes the files anew. Each session runs in
//! memory and on disk, with the same answers.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::run_with;

#[test]
fn sessions_answer_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut sessions = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let found = answered(&text, &["--memory"]);
        let scratch = tempfile::tempdir().unwrap();
        let db = scratch.path().join("db");
        let on_disk = answered(&text, &["--db", db.to_str().unwrap()]);
        assert_eq!(found, on_disk, "{}: memory and disk differ", path.display());
        if std::env::var_os("UPDATE_SESSIONS").is_some() {
            fs::write(&path, found).unwrap();
        } else {
            assert_eq!(text, found, "{}", path.display());
        }
        sessions += 1;
    }
    assert!(sessions >= 20);
}

/// The session with the answers that the shell gives.
fn answered(text: &str, database: &[&str]) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('{')).collect();
    let commands = lines.iter().filter_map(|line| line.strip_prefix("> "));
    let input: String = commands.map(|command| format!("{command}\n")).collect();
    let outcome = run_with([&["shell", "--json"], database].concat(), input.as_bytes()).ok();
    let mut answers = outcome.stdout.lines();
    let mut session = String::new();
    for line in lines {
        session.push_str(line);
        session.push('\n');
        let command = line
            .strip_prefix("> ")
            .unwrap_or("")
            .trim_start_matches(' ');
        if !command.is_empty() && !command.starts_with('#') {
            let answer = answers
                .next()
                .unwrap_or_else(|| panic!("no answer to {command}"));
            session.push_str(&normal(answer));
            session.push('\n');
        }
    }
    assert_eq!(answers.next(), None, "more answers than lines");
    session
}

fn normal(answer: &str) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    if let Some(error) = answer.get_mut("error") {
        assert!(!error["message"].as_str().unwrap().is_empty());
        *error = json!({ "kind": error["kind"] });
    }
    if let Some(bytes) = answer.get_mut("bytes_reclaimed") {
        assert!(bytes.is_u64());
        *bytes = 0.into();
    }
    answer.to_string()
}
