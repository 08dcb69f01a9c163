//! Checkpoints, backups and restoring, as commands.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Outcome, run, shell};

struct World(tempfile::TempDir);

impl World {
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command on a database.
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

fn world() -> World {
    let world = World(tempfile::tempdir().unwrap());
    for value in ["1", "2", "3"] {
        world.json("db", &["set", "a", value]);
    }
    world
}

fn listing(path: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(path).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_checkpoint_is_read_and_restored() {
    let world = world();
    let copy = world.path("copy");
    let answer = world.json("db", &["checkpoint", &copy]);
    assert_eq!(answer, json!({ "ok": true, "timestamp": 3 }));
    assert_eq!(world.kind("db", &["checkpoint", &copy]), "invalid");
    let files = listing(&copy);
    world.json("db", &["set", "a", "4"]);
    // Reading leaves it as it is.
    assert_eq!(world.json("copy", &["get", "a"])["value"], "3");
    assert_eq!(world.json("copy", &["stats"])["versions"], 3);
    assert_eq!(world.kind("copy", &["compact"]), "read_only");
    assert_eq!(listing(&copy), files);

    let answer = world.json("new", &["restore", &copy]);
    assert_eq!(answer, json!({ "ok": true, "timestamp": 3, "epoch": 0 }));
    assert_eq!(world.json("new", &["set", "a", "x"])["timestamp"], 4);
    assert_eq!(world.json("db", &["get", "a"])["value"], "4");
    assert_eq!(listing(&copy), files);
    assert_eq!(world.kind("db", &["restore", &copy]), "invalid");
    assert_eq!(
        world.kind("new2", &["restore", &world.path("nothing")]),
        "not_found"
    );
    assert!(!Path::new(&world.path("new2")).exists());
    fs::write(
        Path::new(&copy).join("CHECKPOINT"),
        "sapwood checkpoint 1\n",
    )
    .unwrap();
    assert_eq!(world.kind("new2", &["restore", &copy]), "corrupt");
}

#[test]
fn the_shell_makes_checkpoints() {
    let world = world();
    let copy = world.path("a copy");
    let lines = format!("checkpoint \"{copy}\"\ncheckpoint \"{copy}\"\nset a 4\n");
    let answers = shell(Path::new(&world.path("db")), &lines);
    assert_eq!(answers[0], json!({ "ok": true, "timestamp": 3 }));
    assert_eq!(answers[1]["error"]["kind"], "invalid");
    assert_eq!(answers[2]["timestamp"], 4);
    assert_eq!(world.json("a copy", &["get", "a"])["value"], "3");
}

#[test]
fn backups_are_made_listed_checked_purged_and_restored() {
    let world = world();
    let backups = world.path("backups");
    assert_eq!(world.kind("db", &["backup", "list", &backups]), "not_found");
    let first = world.json("db", &["backup", "create", &backups]);
    assert_eq!((&first["id"], &first["timestamp"]), (&json!(1), &json!(3)));
    world.json("db", &["set", "a", "4"]);
    world.json("db", &["backup", "create", &backups]);
    world.json("db", &["rollback-to", "3"]);
    world.json("db", &["backup", "create", &backups]);
    let listed = world.json("db", &["backup", "list", &backups]);
    let fields = |name: &str| -> Vec<Value> {
        let all = listed["backups"].as_array().unwrap();
        all.iter().map(|backup| backup[name].clone()).collect()
    };
    assert_eq!(fields("timestamp"), [3, 4, 3]);
    assert_eq!(fields("epoch"), [0, 0, 1]);
    assert_eq!(fields("whole"), [true, true, true]);
    assert!(fields("created")[0].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        world.json("db", &["backup", "verify", &backups])["verified"],
        json!([1, 2, 3])
    );
    assert_eq!(
        world.json("db", &["backup", "verify", &backups, "2"])["verified"],
        json!([2])
    );
    assert_eq!(
        world.kind("db", &["backup", "verify", &backups, "9"]),
        "not_found"
    );
    let restored = world.json("old", &["backup", "restore", &backups, "2"]);
    assert_eq!(restored, json!({ "ok": true, "timestamp": 4, "epoch": 0 }));
    assert_eq!(world.json("old", &["get", "a"])["value"], "4");
    let newest = world.json("new", &["backup", "restore", &backups]);
    assert_eq!(newest["epoch"], 1);
    assert_eq!(
        world.kind("new", &["backup", "restore", &backups]),
        "invalid"
    );
    let purged = world.json("db", &["backup", "purge", &backups, "--keep", "1"]);
    assert_eq!(purged, json!({ "ok": true, "purged": [1, 2] }));
    assert_eq!(
        world.kind("db", &["backup", "purge", &backups, "--keep", "0"]),
        "invalid"
    );
    assert_eq!(
        world.kind("old2", &["backup", "restore", &backups, "1"]),
        "not_found"
    );
    // A damaged one is found.
    let tables = Path::new(&backups).join("files/shared_checksum");
    let table = fs::read_dir(tables)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&table).unwrap();
    bytes[9] ^= 1;
    fs::write(&table, bytes).unwrap();
    assert_eq!(world.kind("db", &["backup", "verify", &backups]), "corrupt");
    assert_eq!(
        world.kind("old2", &["backup", "restore", &backups]),
        "corrupt"
    );
    assert!(!Path::new(&world.path("old2")).exists());
    // Which others are is told as well: the table is one that the next backup shares.
    world.json("db", &["backup", "create", &backups]);
    let told = world.on("db", &["backup", "verify", &backups]).json();
    let message = told["error"]["message"].as_str().unwrap();
    for part in ["2 of 2 backups", "backup 3: ", "backup 4: "] {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
}

#[test]
fn a_checkpoint_stays_one_whatever_is_asked_of_it() {
    let world = world();
    let copy = world.path("copy");
    world.json("db", &["checkpoint", &copy]);
    let manifest = Path::new(&copy).join("CHECKPOINT");
    for write in [
        &["set", "a", "9"][..],
        &["prune", "2"],
        &["backup", "create", &world.path("backups")],
        &["retention", "set", "--commits", "1"],
        &["feed", "create", "index"],
    ] {
        assert_eq!(world.kind("copy", write), "read_only", "{write:?}");
        assert!(manifest.exists(), "{write:?}");
    }
    let told = shell(Path::new(&copy), "get a\nset a 9\n");
    assert_eq!(told[0]["value"], "3");
    assert_eq!(told[1]["error"]["kind"], "read_only");
    assert!(manifest.exists());
    // One of which is not known what it is, is not made a database by reading it.
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen('1', "7", 1)).unwrap();
    for ask in [&["get", "a"][..], &["status"], &["set", "a", "9"]] {
        let kind = world.kind("copy", ask);
        assert!(
            ["corrupt", "unsupported"].contains(&kind.as_str()),
            "{kind}"
        );
        assert!(manifest.exists(), "{ask:?}");
    }
}

#[test]
fn wrong_usage_is_told() {
    let world = world();
    for wrong in [
        &["restore"][..],
        &["restore", "a", "b"],
        &["backup"],
        &["backup", "create"],
        &["backup", "purge", "x"],
        &["backup", "purge", "x", "--keep", "-1"],
        &["backup", "verify", "x", "y"],
        &["backup", "nonsense", "x"],
    ] {
        assert_eq!(world.on("db", wrong).code, 2, "{wrong:?}");
    }
    let backups = world.path("backups");
    let missing = world.on("nothing", &["backup", "create", &backups]);
    assert_eq!(
        (missing.code, &missing.json()["error"]["kind"]),
        (2, &json!("not_found"))
    );
    assert!(!Path::new(&backups).exists());
    for help in [
        &["restore", "--help"][..],
        &["backup", "--help"],
        &["backup", "purge", "--help"],
    ] {
        assert!(!run(help).ok().stdout.is_empty(), "{help:?}");
    }
}
