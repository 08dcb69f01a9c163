//! Transactions of the shell, as programs, scripts and people meet them. What each command answers is
//! in `tests/sessions/transactions_*.txt`.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::support::{command, run, run_with, shell};

/// The answers of a shell in memory, as they were written.
fn answers(lines: &str) -> Vec<String> {
    let outcome = run_with(["shell", "--json"], lines.as_bytes()).ok();
    outcome.stdout.lines().map(str::to_owned).collect()
}

/// A shell that another program drives: line by line, each answer read before the next.
struct Driven {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Driven {
    fn start() -> Self {
        let mut child = command()
            .args(["shell", "--memory", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn answers_have_the_shape_of_the_table() {
    let found = answers(
        "set a 1\nbegin t\nt get a\nt get b\nt scan\nt set a 2\nt delete b\nt savepoint s\n\
         t rollback-to s\nt commit\nbegin t\nt commit\nbegin t\nt rollback\n",
    );
    let expected = [
        r#"{"ok":true,"timestamp":1}"#,
        r#"{"ok":true,"snapshot":1}"#,
        r#"{"ok":true,"value":"1"}"#,
        r#"{"ok":true,"value":null}"#,
        r#"{"ok":true,"rows":[["a","1"]]}"#,
        r#"{"ok":true}"#,
        r#"{"ok":true}"#,
        r#"{"ok":true}"#,
        r#"{"ok":true}"#,
        r#"{"ok":true,"timestamp":2}"#,
        r#"{"ok":true,"snapshot":2}"#,
        r#"{"ok":true,"timestamp":null}"#,
        r#"{"ok":true,"snapshot":2}"#,
        r#"{"ok":true}"#,
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_conflict_names_its_key_and_nothing_of_it_stays() {
    let found = answers("begin t\nt set a\\xff 1\nt set b 1\nset a\\xff 2\nt commit\nscan\n");
    let conflict: Value = serde_json::from_str(&found[4]).unwrap();
    assert_eq!(conflict["ok"], false);
    assert_eq!(conflict["error"]["kind"], "conflict");
    let fields = conflict["error"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["kind", "message"]);
    let message = fields["message"].as_str().unwrap();
    assert!(message.contains(r"a\xff"), "{message}");
    assert_eq!(found[5], r#"{"ok":true,"rows":[["a\\xff","2"]]}"#);
}

#[test]
fn a_program_begins_again_where_it_conflicts() {
    let mut shell = Driven::start();
    shell.ask("set count 0");
    let mut conflicts = 0;
    for round in 0..20 {
        // Two that count at once: the first always gets through, the second begins again.
        let mut open = vec!["t1", "t2"];
        for name in &open {
            shell.ask(&format!("begin {name}"));
        }
        while let Some(name) = open.first().copied() {
            let read = shell.ask(&format!("{name} get count"));
            let count: u64 = read["value"].as_str().unwrap().parse().unwrap();
            shell.ask(&format!("{name} set count {}", count + 1));
            let end = shell.ask(&format!("{name} commit"));
            if end["ok"] == true {
                open.remove(0);
            } else {
                assert_eq!(end["error"]["kind"], "conflict", "round {round}");
                conflicts += 1;
                assert_eq!(shell.ask(&format!("begin {name}"))["ok"], true);
            }
        }
    }
    assert_eq!(shell.ask("get count")["value"], "40");
    assert_eq!(conflicts, 20);
    shell.end();
}

#[test]
fn strict_ends_at_a_conflict() {
    let input = b"begin t\nt set a 1\nset a 2\nt commit\nset a 3\n";
    let strict = run_with(["shell", "--json", "--strict"], input);
    assert_eq!((strict.code, strict.stdout.lines().count()), (1, 4));
    assert!(strict.stdout.contains(r#""kind":"conflict""#));
    let lenient = run_with(["shell", "--json"], input).ok();
    assert_eq!(lenient.stdout.lines().count(), 5);
    for failing in [
        "t get a",
        "begin set",
        "begin t ts=1",
        "begin t\nbegin t",
        "t",
    ] {
        let strict = run_with(["shell", "--strict"], failing.as_bytes());
        assert_eq!(strict.code, 1, "{failing}");
    }
}

#[test]
fn what_is_open_at_the_end_is_rolled_back() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    let begun = shell(
        &db,
        "set a 1\nbegin t\nt set a 2\nt set b 2\nbegin r read-only\nt get a",
    );
    assert_eq!(begun[5]["value"], "2");
    let found = shell(&db, "status\nscan\nt commit\nprune 1\n");
    assert_eq!(found[0]["visible"], 1);
    assert_eq!(found[0]["oldest_snapshot"], Value::Null);
    assert_eq!(found[1]["rows"], json!([["a", "1"]]));
    assert_eq!(found[2]["error"]["kind"], "not_found");
    assert_eq!(found[3]["floor"], 1);
    // The same where a failed line ends it.
    let arguments = ["shell", "--strict", "--db", db.to_str().unwrap()];
    let strict = run_with(arguments, b"begin t\nt set a 9\nt nonsense\nt commit\n");
    assert_eq!(strict.code, 1);
    assert_eq!(shell(&db, "get a")[0]["value"], "1");
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    shell(
        &db,
        "begin t\nt set a 1\nt set b 1\nt commit\nbegin t\nt delete a\nt commit\n",
    );
    let found = shell(&db, "scan\nhistory a\nbegin t\nt set c 1\nt commit\n");
    assert_eq!(found[0]["rows"], json!([["b", "1"]]));
    let versions = json!([{ "start": 1, "end": 2, "value": "1" }]);
    assert_eq!(found[1]["versions"], versions);
    assert_eq!(
        (&found[2]["snapshot"], &found[4]["timestamp"]),
        (&json!(2), &json!(3))
    );
}

#[test]
fn a_key_that_is_too_large_is_refused_and_ends_nothing() {
    let key = "k".repeat((64 << 10) + 1);
    let found = answers(&format!(
        "begin t\nt set a 1\nt set {key} 1\nt delete {key}\nt commit\nscan\n"
    ));
    for refused in &found[2..4] {
        assert!(refused.contains(r#""kind":"too_large""#), "{refused}");
    }
    assert_eq!(found[4], r#"{"ok":true,"timestamp":1}"#);
    assert_eq!(found[5], r#"{"ok":true,"rows":[["a","1"]]}"#);
}

#[test]
fn many_are_open_at_once() {
    let begun =
        (0..200).map(|number| format!("begin t{number}\nt{number} set key{number:03} {number}\n"));
    let ended = (0..200).rev().map(|number| format!("t{number} commit\n"));
    let rest = ["scan prefix=key\nstatus\n".to_owned()];
    let lines: String = begun.chain(ended).chain(rest).collect();
    let found = answers(&lines);
    assert!(
        found
            .iter()
            .all(|answer| answer.starts_with(r#"{"ok":true"#))
    );
    let rows: Value = serde_json::from_str(&found[found.len() - 2]).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 200);
    let status: Value = serde_json::from_str(found.last().unwrap()).unwrap();
    assert_eq!(
        (&status["visible"], &status["oldest_snapshot"]),
        (&json!(200), &Value::Null)
    );
}

#[test]
fn people_are_told_in_words() {
    let input = b"begin t\nt get a\nt set a 1\nt get a\nt commit\nbegin t\nt commit\nt commit\n\
        begin u\nbegin u\nu set a 2\nset a 3\nu commit\nbegin r read-only\nr set a 1\nnonsense\n";
    let told = run_with(["shell"], input).ok();
    let told: Vec<_> = told.stdout.lines().collect();
    for (line, words) in told.iter().zip([
        "reads the state at 0",
        "(no value)",
        "done",
        "1",
        "committed at 1",
        "reads the state at 1",
        "nothing was written",
        "(not_found)",
        "reads the state at 1",
        "(invalid)",
        "done",
        "committed at 2",
        "(conflict)",
        "reads the state at 2",
        "(read_only)",
        "rollback-to",
    ]) {
        assert!(line.contains(words), "no {words:?} in {told:#?}");
    }
    assert_eq!(told.len(), 16, "{told:#?}");
}

#[test]
fn the_command_line_has_no_transactions() {
    assert_eq!(run(["begin", "t"]).code, 2);
    assert_eq!(run(["commit"]).code, 2);
    let help = run(["shell", "--help"]).ok().stdout;
    assert!(
        help.contains("begin t1") && help.contains("t1 commit"),
        "{help}"
    );
}
