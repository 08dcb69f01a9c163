//! Transactions over files that are locked, or that hold rows which cannot be right.

use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};
use sapwood::{Engine, Isolation, ReadView, RocksDBConfig};
use tempfile::TempDir;

use crate::support::{config, directory, error, kind, open};

#[test]
fn a_second_engine_is_refused_while_a_transaction_is_open() {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    engine.set("k", "1").expect("set");
    let mut tx = engine.begin(Isolation::Serializable).expect("begin");
    tx.set("k", "2").expect("set");
    assert_eq!(kind(open(&path)), "locked");
    drop(engine);
    assert_eq!(kind(open(&path)), "locked", "it keeps the files");
    let iter = tx.range(..);
    tx.commit().expect("it can still be committed");
    assert_eq!(kind(open(&path)), "locked", "an iterator keeps them too");
    drop(iter);
    let engine = open(&path).expect("all was let go");
    assert_eq!(engine.get("k").expect("get").as_deref(), Some(&b"2"[..]));
    let tx = engine.begin(Isolation::Snapshot).expect("begin");
    engine.close().expect("close");
    drop(engine);
    assert_eq!(kind(open(&path)), "locked", "closed, and still held");
    drop(tx);
    open(&path).expect("open");
}

/// Cuts off the row of a key in `current`, as no crash would.
fn spoil(path: &Path, key: &str) {
    let keyspaces = [
        "default", "current", "history", "deleted", "commits", "meta",
    ];
    let db = DB::open_cf(&Options::default(), path, keyspaces).expect("open below the engine");
    let current = db.cf_handle("current").expect("a keyspace");
    let encoded = sapwood::codec::key::encode(key.as_bytes());
    let row = db
        .get_cf(current, &encoded)
        .expect("get")
        .expect("it is live");
    db.put_cf(current, &encoded, &row[..5]).expect("put");
}

/// A store of three keys, the row of one of which was cut off.
fn with_a_spoilt_row() -> (TempDir, PathBuf) {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    for key in ["good", "spoilt", "zest"] {
        engine.set(key, "1").expect("set");
    }
    engine.compact().expect("compact");
    engine.close().expect("close");
    drop(engine);
    spoil(&path, "spoilt");
    (directory, path)
}

/// A commit that has to read a row which cannot be read fails alone: those beside it are made, and nothing of
/// it is among them.
#[test]
fn a_comparison_with_a_spoilt_row_fails_alone() {
    let (_directory, path) = with_a_spoilt_row();
    let engine = &open(&path).expect("open");
    let before = engine.visible().get();
    let mut timestamps: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    let mut timestamps = Vec::new();
                    for number in (0..200).map(|number| number * 4 + thread) {
                        let refused = error(engine.compare_and_set("spoilt", Some(b"1"), None));
                        assert_eq!(refused.kind().name(), "corrupt");
                        assert!(refused.to_string().contains("spoilt"), "{refused}");
                        let beside = engine.set(format!("beside/{number}"), "");
                        timestamps.push(beside.expect("set").get());
                    }
                    timestamps
                })
            })
            .collect();
        let timestamps = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        timestamps
            .flat_map(|of_one| of_one.expect("a thread"))
            .collect()
    });
    timestamps.sort_unstable();
    let wanted: Vec<_> = (before + 1..=before + 800).collect();
    assert_eq!(timestamps, wanted, "what failed took no timestamp");
    assert_eq!(engine.scan("beside/").count(), 800);
}

/// A version that cannot be merged, because the row below it cannot be read, stays in memory and in its record;
/// and once the memory is full, commits are refused, not dropped.
#[test]
fn a_version_over_a_spoilt_row_waits_for_the_row() {
    let (_directory, path) = with_a_spoilt_row();
    let full = RocksDBConfig {
        recent_versions_size: 0,
        ..config(&path)
    };
    for number in 0..3 {
        let engine = Engine::open_with(full.clone()).expect("open");
        if number == 0 {
            engine.set("spoilt", "2").expect("one in memory");
            engine.set("good", "2").expect("and one that waits for it");
        }
        let refused = error(engine.set("more", "2"));
        assert_eq!(refused.kind().name(), "corrupt");
        assert!(refused.to_string().contains("spoilt"), "{refused}");
        for refused in [error(engine.compact()), error(engine.status())] {
            assert_eq!(refused.kind().name(), "corrupt");
        }
        let rows = engine.range(..).map(|row| row.expect("a row"));
        let rows: Vec<_> = rows.collect();
        let row = |key: &'static str, value: &'static str| (key.into(), value.into());
        assert_eq!(
            rows,
            [row("good", "2"), row("spoilt", "2"), row("zest", "1")]
        );
        engine.close().expect("close");
    }
}
