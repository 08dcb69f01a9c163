//! The commands about what is kept.

use serde_json::{Value, json};

use crate::support::{Outcome, run};

struct World(tempfile::TempDir);

impl World {
    fn on(&self, arguments: &[&str]) -> Outcome {
        let db = self.0.path().join("db");
        run([arguments, &["--json", "--db", db.to_str().unwrap()]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.on(arguments).ok().json()
    }
}

fn world() -> World {
    let world = World(tempfile::tempdir().unwrap());
    for value in 1..=6 {
        world.json(&["set", "a", &value.to_string()]);
    }
    world
}

#[test]
fn a_policy_is_set_shown_and_kept_to() {
    let world = world();
    let shown = world.json(&["retention", "show"]);
    assert_eq!(shown["policy"]["commits"], Value::Null);
    let set = ["--commits", "2", "--age", "60", "--at-least-commits", "3"];
    let set = world.json(&[&["retention", "set"][..], &set].concat());
    assert_eq!(set["policy"]["commits"], 2);
    assert_eq!(
        (&set["policy"]["age_ms"], &set["floor"]),
        (&json!(60_000), &json!(0))
    );
    assert_eq!(world.json(&["retention", "apply"])["floor"], 4);
    world.json(&["pin", "release", "5"]);
    let stats = world.json(&["status"]);
    assert_eq!(
        (&stats["floor"], &stats["retention"]["wanted"]),
        (&json!(4), &json!(4))
    );
    let pin = &stats["retention"]["oldest_pin"];
    assert_eq!(
        (&pin["name"], &pin["timestamp"]),
        (&json!("release"), &json!(5))
    );
    assert!(pin["age_ms"].is_u64());
    let all = world.json(&["retention", "set", "--keep-all"]);
    assert_eq!(all["policy"]["commits"], Value::Null);
    assert_eq!(world.json(&["retention", "apply"])["floor"], 4);
}

#[test]
fn what_is_no_policy_is_refused() {
    let world = world();
    for set in [
        &["retention", "set"][..],
        &["retention", "set", "--keep-all", "--commits", "3"],
        &["retention", "set", "--debt-wait-ms", "3"],
        &["retention", "set", "--age", "yesterday"],
    ] {
        assert_eq!(world.on(set).code, 2, "{set:?}");
    }
    let none = world.on(&["retention", "set", "--commits", "0"]);
    assert_eq!(
        (none.code, &none.json()["error"]["kind"]),
        (1, &json!("invalid"))
    );
    let nowhere = run(["retention", "show", "--db", "/nowhere/at/all"]);
    assert_eq!(nowhere.code, 2);
}

#[test]
fn what_holds_the_floor_is_named() {
    let world = world();
    world.on(&["feed", "create", "index", "--from", "1"]).ok();
    world.on(&["retention", "set", "--commits", "1"]).ok();
    world.on(&["retention", "apply"]).ok();
    let held = &world.on(&["retention", "show"]).json()["held_by"];
    let named = (&held["kind"], &held["name"], &held["timestamp"]);
    assert_eq!(named, (&json!("feed"), &json!("index"), &json!(1)));
    let db = world.0.path().join("db");
    let told = run(["retention", "show", "--db", db.to_str().unwrap()]);
    assert!(told.ok().stdout.contains("the feed \"index\" at 1"));
}

#[test]
fn people_are_told_in_words() {
    let world = world();
    let db = world.0.path().join("db");
    let db = db.to_str().unwrap();
    let set = [
        "retention",
        "set",
        "--db",
        db,
        "--commits",
        "2",
        "--history-bytes",
        "1024",
    ];
    let rest = ["--at-least-commits", "1", "--debt-limit-bytes", "2048"];
    let told = run(set.into_iter().chain(rest));
    let told = told.ok().stdout;
    for word in [
        "the last 2 commits",
        "1.00 KiB of history",
        "at least",
        "2.00 KiB of debt",
    ] {
        assert!(told.contains(word), "{word:?} is missing in\n{told}");
    }
}
