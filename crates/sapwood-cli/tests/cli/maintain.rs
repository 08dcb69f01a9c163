//! Compacting, migrating and repairing, as commands.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Outcome, run};

struct World(tempfile::TempDir);

impl World {
    /// A database with three versions of a key, one of them pinned.
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for value in ["1", "2", "3"] {
            world.json("db", &["set", "a", value]);
        }
        world.json("db", &["set", "b", "4"]);
        world.json("db", &["pin", "p", "2"]);
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
}

#[test]
fn files_are_compacted_all_or_of_some_keys_and_with_another_compression() {
    let world = World::new();
    for arguments in [
        &["compact"][..],
        &["compact", "a"],
        &["compact", "a", "b"],
        &["compact", "--prefix", "a"],
        &["compact", "--compression", "zstd"],
        &["compact", "--compression", "none", "b"],
    ] {
        assert_eq!(
            world.json("db", arguments),
            json!({ "ok": true }),
            "{arguments:?}"
        );
        assert_eq!(world.json("db", &["get", "a", "--ts", "2"])["value"], "2");
    }
    run(["compact", "--compression", "zip", "--db", &world.path("db")]).failed(2, "no compression");
}

#[test]
fn a_database_is_migrated_with_all_that_it_has() {
    let world = World::new();
    let answer = world.json(
        "new",
        &[
            "migrate",
            "sapwood",
            &world.path("db"),
            "--compression",
            "zstd",
        ],
    );
    assert_eq!(
        (&answer["visible"], &answer["versions"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(world.json("new", &["get", "a", "--ts", "1"])["value"], "1");
    assert_eq!(world.json("new", &["pins"])["pins"][0]["name"], "p");
    assert_eq!(world.json("new", &["set", "a", "5"])["timestamp"], 5);
    assert_eq!(world.json("db", &["get", "a"])["value"], "3");
    // A place that is taken; a source that is not there, or is no database.
    let from = world.path("db");
    assert_eq!(world.kind("new", &["migrate", "sapwood", &from]), "invalid");
    assert_eq!(
        world.kind("new2", &["migrate", "sapwood", "/nowhere"]),
        "not_found"
    );
    assert_eq!(
        world.kind("new2", &["migrate", "rocksdb", &from]),
        "invalid"
    );
    assert!(!Path::new(&world.path("new2")).exists());
    // A checkpoint stays one.
    let copy = world.path("copy");
    world.json("db", &["checkpoint", &copy]);
    let answer = world.json("new3", &["migrate", "sapwood", &copy]);
    assert_eq!(answer["visible"], 4);
    assert!(Path::new(&copy).join("CHECKPOINT").exists());
}

#[test]
fn a_plain_rocksdb_is_migrated() {
    let world = World::new();
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/plain_rocksdb/db");
    let plain = world.path("plain");
    fs::create_dir(&plain).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), Path::new(&plain).join(entry.file_name())).unwrap();
    }
    let answer = world.json("new", &["migrate", "rocksdb", &plain]);
    assert_eq!(
        (&answer["visible"], &answer["floor"], &answer["keys"]),
        (&json!(1), &json!(1), &json!(101))
    );
    let other = ["migrate", "rocksdb", &plain, "--column-family", "other"];
    assert_eq!(world.kind("new2", &other), "not_found");
    let opened = world.on("plain", &["get", "key1"]);
    assert_eq!(opened.code, 2, "{opened:?}");
    assert_eq!(opened.json()["error"]["kind"], "unsupported");
}

#[test]
fn what_can_be_read_of_a_damaged_database_is_saved() {
    let world = World::new();
    // Nothing is wrong with it.
    let answer = world.json("db", &["repair", &world.path("whole")]);
    assert_eq!(
        answer,
        json!({
            "ok": true, "rows_dropped": 0, "parts_dropped": 0, "deletes_added": 0, "floor": 0,
            "violations": []
        })
    );
    assert_eq!(
        world.json("whole", &["get", "a", "--ts", "1"])["value"],
        "1"
    );
    world.json("db", &["compact"]);
    // Where the value of the newest `b` lies, uncompressed as small blocks are.
    let mut damaged = 0;
    for entry in fs::read_dir(world.path("db")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let is_table = path.extension().is_some_and(|ending| ending == "sst");
        if is_table && bytes.windows(4).any(|four| four == b"b\0\x01\0") {
            bytes[8] ^= 0x55;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no table has it");
    let repaired = world.on("db", &["repair", &world.path("saved")]);
    assert_eq!(repaired.code, 1, "something is missing");
    let answer = repaired.json();
    assert!(answer["parts_dropped"].as_u64().unwrap() > 0, "{answer}");
    let list = fs::read_to_string(Path::new(&world.path("saved")).join("DROPPED")).unwrap();
    assert!(list.contains("part current "), "{list}");
    assert_eq!(world.json("saved", &["get", "b"])["value"], Value::Null);
    assert_eq!(
        world.json("saved", &["get", "a", "--ts", "1"])["value"],
        "1"
    );
    assert_eq!(
        world.kind("db", &["repair", &world.path("saved")]),
        "invalid"
    );
    assert_eq!(
        world.kind("nowhere", &["repair", &world.path("saved2")]),
        "not_found"
    );
}
