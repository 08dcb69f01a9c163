//! Databases of each released format, and what they hold: every later build must read the same in them.
//!
//! A folder of `tests/fixtures` that has a `listing.txt` holds a database, `db`, and the listing that the build that wrote
//! it made of it. To make one, with a build that is to be released:
//!
//! ```text
//! SAPWOOD_NEW_FIXTURE=format_2_release_1.3 cargo test -p sapwood --test formats
//! ```

#![cfg(feature = "rocksdb-storage")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use sapwood::{
    Batch, CommitOptions, Engine, PinOptions, ReadView, Result, RocksDBConfig, Timestamp,
};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn open(path: &Path) -> Engine {
    let config = RocksDBConfig {
        write_buffer_size: 64 << 10,
        block_cache_size: 1 << 20,
        ..RocksDBConfig::at(path.to_str().expect("a UTF-8 path"))
    };
    Engine::open_with(config).expect("a database")
}

/// Everything that can be seen of a database, as lines.
fn listing(engine: &Engine) -> String {
    let mut lines = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| writeln!(lines, "{line}").expect("a line");
    let (visible, floor) = (engine.visible(), engine.floor());
    say(format_args!(
        "visible {visible} floor {floor} epoch {}",
        engine.epoch()
    ));
    let mut timestamps: Vec<_> = (floor.get()..=visible.get()).collect();
    for pin in engine.pins().expect("pins") {
        let expires = pin
            .expires
            .map(|expires| expires.duration_since(UNIX_EPOCH));
        let expires = expires.map(|since| since.expect("a time").as_secs());
        say(format_args!(
            "pin {} at {} until {expires:?}",
            pin.name, pin.timestamp
        ));
        timestamps.push(pin.timestamp.get());
    }
    timestamps.sort_unstable();
    timestamps.dedup();
    let mut keys = Vec::new();
    for timestamp in timestamps {
        let snapshot = engine.at(at(timestamp)).expect("a snapshot");
        for row in snapshot.range(..) {
            let (key, value) = row.expect("a row");
            say(format_args!(
                "{timestamp} {}={}",
                key.escape_ascii(),
                value.escape_ascii()
            ));
            keys.push(key);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        for version in engine.history(&key, ..).expect("history") {
            let version = version.expect("a version");
            let key = key.escape_ascii();
            say(format_args!(
                "version of {key} from {} to {:?}",
                version.start, version.end
            ));
        }
    }
    for change in engine.diff(floor, visible).expect("a difference") {
        let change = change.expect("a change");
        let is_there = [change.old.is_some(), change.new.is_some()];
        say(format_args!(
            "change of {} {is_there:?}",
            change.key.escape_ascii()
        ));
    }
    for epoch in 0..=engine.epoch() {
        let right = |number: &u64| engine.check_position(at(*number), epoch).is_ok();
        let right: Vec<_> = (0..=visible.get()).filter(right).collect();
        say(format_args!("positions of epoch {epoch}: {right:?}"));
    }
    lines
}

/// A short life with everything in it that the format has: rows of all keyspaces in tables, records with and without
/// values, the last of them in the log alone; keys of one record that begin alike; deletes, keys that are back, a floor,
/// pins, two rollbacks, a gap.
fn live(path: &Path) -> Result<()> {
    let engine = open(path);
    let set = |key: &str, value: &str| engine.set(key, value);
    let mut batch = Batch::new();
    batch
        .set("", "the empty key")
        .set("apple", "green")
        .set(b"zero\0byte", b"\0\xFF");
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    engine.commit(batch, CommitOptions::default().time(time))?;
    for round in 2..=9 {
        let mut batch = Batch::new();
        batch
            .set("apple", format!("apple {round}"))
            .set("apple pie", format!("pie {round}"));
        if round > 5 {
            batch.delete("apple juice").set("apple tart", "");
        } else {
            batch.set("apple juice", "");
        }
        engine.commit(batch, CommitOptions::default())?;
        if round % 3 == 0 {
            engine.delete("pear")?;
        } else {
            set("pear", &format!("pear {round}"))?;
        }
    }
    engine.pin("early", at(4), PinOptions::default())?;
    let centuries = PinOptions::default().ttl(Duration::from_secs(200 * 365 * 86_400));
    engine.pin("late", at(12), centuries)?;
    engine.prune_before(at(7))?;
    engine.rollback_to(at(14))?;
    set("apple", "of another future")?;
    engine.compact()?;
    engine.rollback_to(at(13))?;
    engine.flush()?;
    // From here on in the log only.
    let mut batch = Batch::new();
    batch
        .set("fig", "f".repeat(100))
        .delete("apple")
        .delete("absent");
    engine.commit(batch, CommitOptions::default().at(at(20)))?;
    set("apple", "back")?;
    engine.close()
}

/// The files of a database, without those that RocksDB does without.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if !["LOG", "LOCK", "OPTIONS"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            // Anew, not copied: what is read-only there is not here.
            let bytes = fs::read(entry.path()).expect("a file");
            fs::write(to.join(name), bytes).expect("a file");
        }
    }
}

/// Opens a copy of a database and compares it with its listing, before and after all of it is written anew.
fn check(db: &Path, wanted: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("db");
    copy(db, &path);
    let name = db.display();
    let engine = open(&path);
    assert_eq!(listing(&engine), wanted, "{name}");
    let report = engine.verify().expect("verified");
    assert!(report.is_clean(), "{name}: {:?}", report.violations);
    engine.compact().expect("compacted");
    assert_eq!(listing(&engine), wanted, "{name}, compacted");
    let next = engine.set("apple", "of a later build").expect("a commit");
    engine.close().expect("closed");
    drop(engine);
    let engine = open(&path);
    assert_eq!(engine.visible(), next, "{name}, written on");
    engine.rollback_to(at(next.get() - 1)).expect("rolled back");
    let same = listing(&engine)
        .lines()
        .filter(|line| wanted.contains(line))
        .count();
    // But for the epoch and its positions.
    assert_eq!(
        same + 1,
        wanted.lines().count(),
        "{name}: {}",
        listing(&engine)
    );
}

#[test]
fn databases_of_each_released_format_are_read_right_for_ever() {
    let mut checked = 0;
    for entry in fs::read_dir(fixtures()).expect("fixtures") {
        let folder = entry.expect("an entry").path();
        if let Ok(wanted) = fs::read_to_string(folder.join("listing.txt")) {
            check(&folder.join("db"), &wanted);
            checked += 1;
        }
    }
    assert!(checked > 0, "no fixture has a listing");
}

/// A fixture is made, and what it is made of is checked as those of former builds are.
#[test]
fn a_fixture_of_this_build_is_what_its_listing_says() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("db");
    live(&path).expect("a database");
    // As it was left, with its end in the log.
    let left = directory.path().join("left");
    copy(&path, &left);
    let wanted = listing(&open(&path));
    assert!(
        wanted.starts_with("visible 21 floor 7 epoch 2\n"),
        "{wanted}"
    );
    check(&left, &wanted);
    if let Ok(name) = env::var("SAPWOOD_NEW_FIXTURE") {
        let folder = fixtures().join(name);
        assert!(
            !folder.exists(),
            "{} is there: a fixture is never written anew",
            folder.display()
        );
        copy(&left, &folder.join("db"));
        fs::write(folder.join("listing.txt"), wanted).expect("a listing");
    }
}
