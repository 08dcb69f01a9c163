//! Commands of the command line: the same answers as the shell's, exit codes for scripts.

use serde_json::{Value, json};

use crate::support::{Outcome, run, shell};

struct Database(tempfile::TempDir);

impl Database {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let db = self.0.path().join("db");
        run([arguments, &["--db", db.to_str().unwrap()]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }
}

#[test]
fn each_command_answers_as_in_the_shell() {
    let db = Database::new();
    assert_eq!(
        db.json(&["set", "a", "1"]),
        json!({ "ok": true, "timestamp": 1 })
    );
    assert_eq!(
        db.json(&["set", "b\\xff", "2", "--ts", "5"])["timestamp"],
        5
    );
    assert_eq!(db.json(&["delete", "a"])["timestamp"], 6);
    assert_eq!(db.json(&["get", "a"]), json!({ "ok": true, "value": null }));
    assert_eq!(db.json(&["get", "a", "--ts", "5"])["value"], "1");
    assert_eq!(
        db.json(&["scan", "--ts", "5"])["rows"],
        json!([["a", "1"], ["b\\xff", "2"]])
    );
    assert_eq!(
        db.json(&["scan", "--ts=5", "--reverse", "--limit=1"])["rows"][0][1],
        "2"
    );
    assert_eq!(
        db.json(&["scan", "b", "c"])["rows"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(db.json(&["scan", "--prefix", "a"])["rows"], json!([]));
    let versions = json!([{ "start": 1, "end": 6, "value": "1" }]);
    assert_eq!(db.json(&["history", "a"])["versions"], versions);
    let changes = json!([{ "key": "a", "old": "1", "new": null }]);
    assert_eq!(db.json(&["diff", "5", "6"])["changes"], changes);
    assert_eq!(
        db.json(&["pin", "p", "1"])["pins"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let pin = json!({ "name": "p", "timestamp": 1, "expires": null });
    assert_eq!(db.json(&["pins"])["pins"], json!([pin]));
    let expires = &db.json(&["pin", "q", "--ts", "5", "--ttl", "3600"])["pins"][1]["expires"];
    assert!(expires.as_str().unwrap().ends_with('Z'));
    let pruned = db.json(&["prune", "--before", "6"]);
    assert_eq!(
        (&pruned["floor"], &pruned["rows_dropped"]),
        (&json!(6), &json!(0))
    );
    assert_eq!(
        db.json(&["unpin", "p"])["pins"].as_array().unwrap().len(),
        1
    );
    assert_eq!(db.json(&["unpin", "q"])["pins"], json!([]));
    assert_eq!(db.json(&["prune", "6"])["rows_dropped"], 1);
    assert_eq!(
        db.json(&["get", "a", "--ts", "5"])["error"]["kind"],
        "pruned"
    );
    assert_eq!(db.json(&["flush"]), json!({ "ok": true }));
    assert_eq!(db.json(&["compact"]), json!({ "ok": true }));
    let stats = db.json(&["stats"]);
    assert_eq!((&stats["visible"], &stats["floor"]), (&json!(6), &json!(6)));
    assert_eq!((&stats["keys"], &stats["versions"]), (&json!(1), &json!(1)));
    assert!(stats["sizes_bytes"]["history"].is_u64() && stats["pins"] == json!([]));
    let copy = db.0.path().join("copy");
    assert_eq!(
        db.json(&["checkpoint", copy.to_str().unwrap()])["timestamp"],
        6
    );
    let copied = run(["get", "b\\xff", "--json", "--db", copy.to_str().unwrap()]).json();
    assert_eq!(copied["value"], "2");
    assert_eq!(db.json(&["set", "a", "9"])["timestamp"], 7);
    assert_eq!(
        db.json(&["rollback-to", "6"]),
        json!({ "ok": true, "visible": 6, "epoch": 1 })
    );
    assert_eq!(db.json(&["get", "a"])["value"], Value::Null);
    assert_eq!(db.json(&["rollback-to", "5"])["error"]["kind"], "pruned");
}

#[test]
fn verify_names_a_damaged_block_and_exits_with_1() {
    let db = Database::new();
    let path = db.0.path().join("db");
    let lines: String = (0..20_000u64)
        .map(|number| format!("set key{number:05} {} ; ", number * 7_777_777))
        .collect();
    shell(
        &path,
        &format!("batch {}\n", lines.trim_end_matches([' ', ';'])),
    );
    db.run(&["compact"]).ok();
    let clean = db.run(&["verify"]).ok();
    assert!(clean.stdout.contains("nothing is wrong"), "{clean:?}");
    assert_eq!(
        db.json(&["verify"]),
        json!({ "ok": true, "violations": [] })
    );
    let tables = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let tables = tables.filter(|path| path.extension().is_some_and(|ending| ending == "sst"));
    let largest = tables
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let damaged = db.run(&["verify", "--json"]);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    let answer = damaged.json();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(answer["violations"][0]["rule"], "unreadable", "{answer}");
    let fields = answer["violations"][0].as_object().unwrap();
    assert!(
        ["key", "message", "rule"]
            .iter()
            .all(|name| fields.contains_key(*name))
    );
    db.run(&["verify"]).failed(1, "");
    let in_shell = shell(&path, "verify\n");
    assert_eq!(in_shell[0]["ok"], true);
}

#[test]
fn failures_have_exit_codes() {
    let db = Database::new();
    db.run(&["set", "a", "1"]).ok();
    db.run(&["get", "a", "--ts", "2"])
        .failed(1, "not there yet");
    db.run(&["set", "a", "1", "--ts", "1"])
        .failed(1, "not above the last");
    db.run(&["diff", "1", "0"]).failed(1, "");
    db.run(&["unpin", "p"]).failed(1, "there is no pin");
    db.run(&["prune", "2"]).failed(1, "not there yet");
    let message = db.run(&["get", "a", "--ts", "2", "--json"]);
    assert_eq!((message.code, message.stderr.as_str()), (1, ""));
    assert_eq!(message.json()["error"]["kind"], "not_yet");
    for wrong in [
        &["get"][..],
        &["get", "a", "b"],
        &["get", "a", "--ts", "x"],
        &["get", "a", "--ts", "-1"],
        &["get", "bad\\escape"],
        &["get", "a", "--ts", "1", "--ts", "1"],
        &["pin", "p"],
        &["pin", "p", "1", "--ts", "1"],
        &["prune"],
        &["nonsense"],
        &[],
    ] {
        assert_eq!(db.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_missing_value_prints_nothing() {
    let db = Database::new();
    db.run(&["set", "a", "one\\nline"]).ok();
    assert_eq!(db.run(&["get", "a"]).ok().stdout, "one\\nline\n");
    assert_eq!(db.run(&["get", "b"]).ok().stdout, "");
}

#[test]
fn help_and_completions_are_there() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "scan"],
        &["import", "git", "--help"],
        &["shell", "--help"],
        &["demo", "--help"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
    ] {
        assert!(!run(arguments).ok().stdout.is_empty(), "{arguments:?}");
    }
}
