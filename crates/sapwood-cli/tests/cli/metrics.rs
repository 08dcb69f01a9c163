//! Metrics: of a database that is opened for it, and of a process that has one open.

#![expect(clippy::float_cmp, reason = "whole numbers, which are exact")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::Value;

use crate::support::{Outcome, command, run};

/// A shell that serves metrics.
struct Serving {
    child: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl Serving {
    fn start(db: &str) -> Self {
        let mut child = command()
            .args(["shell", "--json", "--db", db, "--metrics", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut told).unwrap();
        let url = told.trim().strip_prefix("metrics at ");
        Self {
            input: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            url: url.unwrap_or_else(|| panic!("{told}")).to_owned(),
            child,
        }
    }

    /// Has a line answered.
    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn stats(&self) -> Outcome {
        run(["stats", "--url", &self.url, "--json"])
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

/// The value of a metric without labels but for the store's.
fn value(stats: &Value, name: &str) -> f64 {
    let metrics = stats["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|one| one["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {stats}"));
    found["value"].as_f64().unwrap()
}

#[test]
fn a_shell_serves_the_metrics_of_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db, with \"odd\" name");
    let db = db.to_str().unwrap();
    let mut shell = Serving::start(db);
    for number in 0..10 {
        shell.ask(&format!("set key {number}"));
    }
    let stats = shell.stats().ok().json();
    assert_eq!(value(&stats, "sapwood_commits_total"), 10.0);
    let store = &stats["metrics"][0]["labels"]["store"];
    assert_eq!(store.as_str().unwrap(), db);
    // What RocksDB counts, and the histograms, are there.
    assert!(value(&stats, "sapwood_rocksdb_wal_syncs_total") >= 0.0);
    let whole = stats["metrics"].as_array().unwrap().iter().find(|one| {
        one["name"] == "sapwood_commit_seconds_count" && one["labels"]["stage"] == "whole"
    });
    assert_eq!(whole.unwrap()["value"], 10);
    // It goes on, and each look sees what is so then.
    shell.ask("set key more");
    let stats = shell.stats().ok().json();
    assert_eq!(value(&stats, "sapwood_commits_total"), 11.0);

    // The database is open there; its metrics are to be had all the same.
    run(["stats", "--db", db]).failed(2, "open elsewhere");
    let shown = run(["top", "--once", "--url", &shell.url]).ok();
    for words in ["sapwood top", "Commits 0/s", "visible", "11", "Levels"] {
        assert!(
            shown.stdout.contains(words),
            "no {words:?} in {}",
            shown.stdout
        );
    }
    let missing = ["top", "--once", "--url", &shell.url, "--store", "other"];
    run(missing).failed(2, "there is no store \"other\"");
    run(["top", "--url", &shell.url]).failed(2, "needs a terminal");

    let url = shell.url.replace("/metrics", "/elsewhere");
    run(["stats", "--url", &url]).failed(2, "does not answer");
    let url = shell.url.clone();
    shell.end();
    run(["stats", "--url", &url]).failed(2, "does not answer");
}

#[test]
fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(["shell", "--memory", "--metrics", &address]);
    refused.failed(2, "metrics cannot be served");
}

#[test]
fn stats_have_all_metrics_and_say_what_they_mean() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    let db = db.to_str().unwrap();
    run(["set", "key", "value", "--db", db]).ok();
    let stats = run(["stats", "--db", db, "--json"]).ok().json();
    assert_eq!(value(&stats, "sapwood_visible_timestamp"), 1.0);
    assert!(stats["metrics"][0]["meaning"].is_null());
    let stats = run(["stats", "--db", db, "--json", "--explain"])
        .ok()
        .json();
    let first = &stats["metrics"][0];
    assert_eq!(first["name"], "sapwood_commits_total");
    assert_eq!(
        (&first["kind"], &first["unit"]),
        (&"counter".into(), &"count".into())
    );
    assert_eq!(first["meaning"], "Commits that were made.");

    let shown = run(["stats", "--db", db]).ok().stdout;
    assert!(
        shown.contains("sapwood_visible_timestamp") && !shown.contains("sapwood_commits_total")
    );
    assert!(shown.contains("metrics are 0 and are not shown"));
    let shown = run(["stats", "--db", db, "--explain"]).ok().stdout;
    assert!(shown.contains("sapwood_commits_total") && shown.contains("Commits that were made."));
    run(["stats", "--db", db, "--url", "http://127.0.0.1:1/metrics"]).failed(2, "exclude");
    run(["top", "--db", db]).failed(2, "open in one process at a time");
}
