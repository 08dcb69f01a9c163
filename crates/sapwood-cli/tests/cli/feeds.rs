//! What was committed, as commands: feeds, exports, and applying them.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Outcome, run};

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for value in ["1", "2", "3"] {
            world.json("db", &["set", "a", value]);
        }
        world.json("db", &["delete", "a"]);
        world
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn on(&self, db: &str, arguments: &[&str]) -> Outcome {
        run([arguments, &["--json", "--db", &self.path(db)]].concat())
    }

    fn json(&self, db: &str, arguments: &[&str]) -> Value {
        self.on(db, arguments).ok().json()
    }

    fn kind(&self, db: &str, arguments: &[&str]) -> String {
        let outcome = self.on(db, arguments);
        assert_ne!(outcome.code, 0, "{outcome:?}");
        outcome.json()["error"]["kind"].as_str().unwrap().to_owned()
    }

    /// Timestamps, keys and values of commits, and the position behind them.
    fn changes(&self, db: &str, arguments: &[&str]) -> Value {
        let answer = self.json(db, &[&["changes"], arguments].concat());
        let commits = answer["commits"].as_array().unwrap().iter();
        let commits = commits.map(|commit| json!([commit["timestamp"], commit["changes"]]));
        json!([commits.collect::<Vec<_>>(), answer["position"]])
    }
}

#[test]
fn changes_are_printed_from_anywhere() {
    let world = World::new();
    let set = |value| json!([{ "key": "a", "new": value }]);
    let all = [
        json!([1, set("1")]),
        json!([2, set("2")]),
        json!([3, set("3")]),
    ];
    let deleted = json!([4, [{ "key": "a", "new": null }]]);
    let expected = [&all[..], std::slice::from_ref(&deleted)].concat();
    assert_eq!(world.changes("db", &[]), json!([expected, "4@0"]));
    let two = json!([all[1..3], "3@0"]);
    assert_eq!(world.changes("db", &["--from", "1", "--limit", "2"]), two);
    assert_eq!(world.changes("db", &["--from", "1@0", "--limit", "2"]), two);
    let old = json!([[[4, [{ "key": "a", "old": "3", "new": null }]]], "4@0"]);
    assert_eq!(world.changes("db", &["--from", "3", "--old"]), old);
    assert_eq!(world.changes("db", &["--from", "4"]), json!([[], "4@0"]));
    assert_eq!(world.kind("db", &["changes", "--from", "5"]), "not_yet");
    assert_eq!(world.kind("db", &["changes", "--from", "3@1"]), "invalid");
    world.json("db", &["rollback-to", "2"]);
    assert_eq!(world.kind("db", &["changes", "--from", "3@0"]), "too_old");
    assert_eq!(world.changes("db", &["--from", "2@0"]), json!([[], "2@0"]));
    let people = run(["changes", "--db", &world.path("db")]).ok();
    assert!(
        people
            .stdout
            .contains("2 commits; the position behind them is 2@1"),
        "{people:?}"
    );
    assert_eq!(
        run(["changes", "--from", "3@", "--db", &world.path("db")]).code,
        2
    );
}

#[test]
fn a_feed_holds_what_it_has_not_acknowledged() {
    let world = World::new();
    assert_eq!(
        world.json("db", &["feeds"]),
        json!({ "ok": true, "feeds": [] })
    );
    let made = world.json(
        "db",
        &["feed", "create", "index", "--from", "1", "--max-lag", "5"],
    );
    let feed = &made["feeds"][0];
    assert_eq!(
        (&feed["name"], &feed["position"]),
        (&json!("index"), &json!("1@0"))
    );
    assert_eq!(
        (&feed["max_lag"], &feed["max_age_seconds"]),
        (&json!(5), &Value::Null)
    );
    assert_eq!(world.json("db", &["prune", "3"])["floor"], 1);
    assert_eq!(world.json("db", &["status"])["oldest_feed"], 1);
    let first = world.changes("db", &["--feed", "index", "--limit", "1"]);
    assert_eq!(first[1], "2@0");
    // Nothing was acknowledged by that.
    let again = world.changes("db", &["--feed", "index", "--limit", "1", "--ack"]);
    assert_eq!(again, first);
    assert_eq!(world.json("db", &["feeds"])["feeds"][0]["position"], "2@0");
    assert_eq!(world.json("db", &["prune", "3"])["floor"], 2);
    world.json("db", &["feed", "ack", "index", "3"]);
    assert_eq!(
        world.kind("db", &["feed", "ack", "index", "2@0"]),
        "invalid"
    );
    assert_eq!(world.kind("db", &["feed", "create", "index"]), "invalid");
    (0..6).for_each(|_| drop(world.json("db", &["set", "a", "x"])));
    assert_eq!(world.json("db", &["prune", "9"])["floor"], 9);
    assert_eq!(world.json("db", &["feeds"])["feeds"][0]["let_go"], true);
    assert_eq!(world.kind("db", &["changes", "--feed", "index"]), "too_old");
    assert_eq!(
        world.json("db", &["feed", "drop", "index"])["feeds"],
        json!([])
    );
    assert_eq!(world.kind("db", &["feed", "drop", "index"]), "not_found");
    assert_eq!(world.kind("nothing", &["feeds"]), "not_found");
    assert!(!Path::new(&world.path("nothing")).exists());
}

#[test]
fn an_export_is_applied_elsewhere() {
    let world = World::new();
    let (first, second) = (world.path("first"), world.path("second"));
    let answer = world.json("db", &["export", &first, "--from", "0", "--to", "3"]);
    let expected =
        json!({ "ok": true, "after": 0, "until": 3, "epoch": 0, "commits": 3, "changes": 3 });
    assert_eq!(answer, expected);
    assert_eq!(
        world.kind("db", &["export", &first, "--from", "3"]),
        "invalid"
    );
    assert_eq!(
        world.json("db", &["export", &second, "--from", "3"])["until"],
        4
    );
    let answer = world.json("new", &["apply", &first, "--up-to", "2"]);
    assert_eq!(
        answer,
        json!({ "ok": true, "commits": 2, "skipped": 0, "visible": 2 })
    );
    assert_eq!(world.kind("new", &["apply", &second]), "invalid");
    let answer = world.json("new", &["apply", &first]);
    assert_eq!(
        answer,
        json!({ "ok": true, "commits": 1, "skipped": 2, "visible": 3 })
    );
    assert_eq!(world.kind("new", &["apply", &first]), "invalid");
    world.json("new", &["apply", &second]);
    assert_eq!(world.changes("new", &[]), world.changes("db", &[]));
    assert_eq!(world.json("new", &["verify"])["violations"], json!([]));
    // What cannot be applied makes no database.
    let mut bytes = fs::read(&first).unwrap();
    bytes.pop();
    fs::write(&first, bytes).unwrap();
    assert_eq!(world.kind("newer", &["apply", &first]), "corrupt");
    assert!(!Path::new(&world.path("newer")).exists());
    // Nor does what begins where there is none.
    assert_eq!(world.kind("newer", &["apply", &second]), "not_found");
    assert!(!Path::new(&world.path("newer")).exists());
}

#[test]
fn a_checkpoint_is_read_and_stays_one() {
    let world = World::new();
    let copy = world.path("copy");
    world.json("db", &["checkpoint", &copy]);
    assert_eq!(world.changes("copy", &[]), world.changes("db", &[]));
    assert_eq!(world.json("copy", &["feeds"])["feeds"], json!([]));
    world.json("copy", &["export", &world.path("all"), "--from", "0"]);
    assert!(Path::new(&copy).join("CHECKPOINT").exists());
    world.json("db", &["set", "a", "more"]);
    world.json("db", &["export", &world.path("more"), "--from", "4"]);
    world.json("restored", &["restore", &copy]);
    world.json("restored", &["apply", &world.path("more")]);
    assert_eq!(world.changes("restored", &[]), world.changes("db", &[]));
}
