//! Databases of this format, of a newer one, and of others.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};
use sapwood::{Engine, PinOptions, ReadView, Timestamp};

use crate::support::{contents, error, fixture, kind, open};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn text(value: Option<sapwood::Value>) -> Option<String> {
    value.map(|value| value.escape_ascii().to_string())
}

/// The whole of the state at a timestamp.
fn state(engine: &Engine, timestamp: u64) -> Vec<String> {
    let snapshot = engine.at(at(timestamp)).expect("at");
    let show = |row: sapwood::Result<(sapwood::Key, sapwood::Value)>| {
        let (key, mut value) = row.expect("a row");
        value.truncate(20);
        format!("{}={}", key.escape_ascii(), value.escape_ascii())
    };
    snapshot.range(..).map(show).collect()
}

fn check_states(engine: &Engine) {
    let first = "=the empty key";
    let cherry = "cherry=cccccccccccccccccccc";
    let zero = "zero\\x00byte=\\x00\\xff";
    assert_eq!(engine.floor(), at(4));
    assert_eq!(state(engine, 2), [first, "apple=red", "banana=", zero]);
    assert_eq!(kind(engine.at(at(3))), "pruned");
    assert_eq!(state(engine, 4), [first, "apple=golden", "banana=", zero]);
    assert_eq!(
        state(engine, 5),
        [first, "apple=golden", "banana=yellow", zero]
    );
    assert_eq!(state(engine, 6), [first, "apple=golden", "banana=yellow"]);
    assert_eq!(state(engine, 99), state(engine, 6));
    assert_eq!(state(engine, 100), [first, "apple=golden", cherry]);
    assert_eq!(state(engine, 101), [first, "apple=brown", cherry]);
}

#[test]
fn a_database_of_format_1_is_read_right_for_ever() {
    let (_directory, path) = fixture("format_1");
    let engine = open(&path).expect("open");
    check_states(&engine);
    let report = engine.verify().expect("verify");
    assert!(report.is_clean(), "{report:?}");
    let versions = engine
        .history("apple", ..)
        .expect("history")
        .map(|version| {
            let version = version.expect("a version");
            (
                version.start.get(),
                version.end.map(Timestamp::get),
                text(Some(version.value)),
            )
        });
    let wanted = [
        (101, None, "brown"),
        (4, Some(101), "golden"),
        (2, Some(3), "red"),
    ];
    let wanted = wanted.map(|(start, end, value)| (start, end, Some(value.to_owned())));
    assert_eq!(versions.collect::<Vec<_>>(), wanted);
    let changes = engine.diff(at(4), at(100)).expect("diff").map(|change| {
        let change = change.expect("a change");
        (
            text(Some(change.key)),
            change.old.is_some(),
            change.new.is_some(),
        )
    });
    let key = |key: &str| Some(key.to_owned());
    let wanted = [
        (key("banana"), true, false),
        (key("cherry"), false, true),
        (key("zero\\x00byte"), true, false),
    ];
    assert_eq!(changes.collect::<Vec<_>>(), wanted);
    assert_eq!(engine.visible(), at(101));
    let pins: Vec<_> = engine.pins().expect("pins").into_iter().collect();
    let pins: Vec<_> = pins
        .iter()
        .map(|pin| (pin.name.as_str(), pin.timestamp, pin.expires))
        .collect();
    assert_eq!(pins, [("harvest", at(2), None), ("now", at(101), None)]);
    engine.compact().expect("compact");
    check_states(&engine);
}

#[test]
fn a_database_of_format_1_can_be_written_on() {
    let (_directory, path) = fixture("format_1");
    let engine = open(&path).expect("open");
    assert_eq!(engine.set("apple", "pale").expect("set"), at(102));
    engine
        .pin("later", at(102), PinOptions::default())
        .expect("pin");
    check_states(&reopened(engine, &path));
    let engine = open(&path).expect("open");
    engine.unpin("harvest").expect("unpin");
    engine.prune_before(at(101)).expect("prune");
    let engine = reopened(engine, &path);
    assert_eq!(kind(engine.at(at(2))), "pruned");
    assert_eq!(
        text(engine.get("apple").expect("get")).as_deref(),
        Some("pale")
    );
    assert_eq!(state(&engine, 101).len(), 3);
}

fn reopened(engine: Engine, path: &Path) -> Engine {
    engine.close().expect("close");
    drop(engine);
    open(path).expect("open again")
}

#[test]
fn a_newer_format_is_refused() {
    let (_directory, path) = fixture("format_2");
    for _ in 0..2 {
        let refused = error(open(&path));
        assert_eq!(refused.kind().name(), "unsupported");
        let message = refused.to_string();
        assert!(
            message.contains("format 2") && message.contains("newer"),
            "{message}"
        );
    }
    let (_again, untouched) = fixture("format_2");
    assert_eq!(rows(&path), rows(&untouched), "its data is as it was");
}

/// A keyspace, a key and what is stored for it.
type Row = (String, Box<[u8]>, Box<[u8]>);

/// Every row that RocksDB finds in a database. Not its files: RocksDB writes those anew that are older than a day, whoever
/// opens them.
fn rows(path: &Path) -> Vec<Row> {
    let options = Options::default();
    let names = DB::list_cf(&options, path).expect("keyspaces");
    let db = DB::open_cf_for_read_only(&options, path, &names, false).expect("a database");
    let mut rows = Vec::new();
    for name in names {
        let keyspace = db.cf_handle(&name).expect("a keyspace");
        for row in db.iterator_cf(keyspace, IteratorMode::Start) {
            let (key, value) = row.expect("a row");
            rows.push((name.clone(), key, value));
        }
    }
    assert!(rows.len() >= 4, "{rows:?}");
    rows
}

#[test]
fn a_rocksdb_that_is_not_ours_is_refused_and_not_a_byte_of_it_changed() {
    let (_directory, path) = fixture("plain_rocksdb");
    let before = contents(&path);
    for _ in 0..2 {
        let refused = error(open(&path));
        assert_eq!(refused.kind().name(), "unsupported");
        assert!(refused.to_string().contains("not Sapwood's"), "{refused}");
        let names = |contents: &std::collections::BTreeMap<String, Vec<u8>>| -> Vec<String> {
            contents.keys().cloned().collect()
        };
        assert_eq!(names(&contents(&path)), names(&before));
        assert!(contents(&path) == before);
    }
}
