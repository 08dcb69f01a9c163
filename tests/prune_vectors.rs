//! Prune cases restated from the tests of other engines, each named by its source.
//!
//! The cases are listed in `prune_vectors.txt` of the test data. Those of range tombstones, of
//! trimming the future and of "discard earlier" marks concern other layers; their reads are
//! restated here where this layer has them.

mod data;

use sapwood::{Batch, Engine, ErrorKind, ReadView, Timestamp};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

/// An engine with versions of one key: timestamp and value, `x` for a delete.
fn engine_with(key: &str, versions: &[(u64, &str)]) -> Engine {
    let engine = Engine::in_memory();
    for (timestamp, value) in versions {
        let mut batch = Batch::new();
        match *value {
            "x" => batch.delete(key),
            value => batch.set(key, value),
        };
        engine.commit_at(at(*timestamp), batch).unwrap();
    }
    engine
}

/// Takes empty commits up to a timestamp, so that it can be read.
fn advance(engine: &Engine, timestamp: u64) {
    if engine.visible() < at(timestamp) {
        engine.commit_at(at(timestamp), Batch::new()).unwrap();
    }
}

fn read(engine: &Engine, key: &str, timestamp: u64) -> Option<String> {
    let value = engine.at(at(timestamp)).unwrap().get(key).unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// The starts of all readable versions of a key, oldest first.
fn starts(engine: &Engine, key: &str) -> Vec<u64> {
    engine
        .history(key, ..)
        .unwrap()
        .rev()
        .map(|version| version.unwrap().start.get())
        .collect()
}

#[test]
fn the_file_of_vectors_is_the_one_restated_here() {
    let Some(path) = data::path("prune_vectors.txt") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let sources = text.lines().filter(|line| {
        line.starts_with("## ")
            && [
                "TiKV",
                "etcd",
                "CockroachDB",
                "RocksDB",
                "TrimHistoryTest",
                "Badger",
            ]
            .iter()
            .any(|source| line.contains(source))
    });
    // One more or less, and this file is out of date.
    assert_eq!(sources.count(), 10);
}

#[test]
fn tikv_test_gc() {
    let engine = engine_with("k", &[(10, "v1"), (20, "v2"), (30, "x"), (40, "v3")]);
    advance(&engine, 62);
    for (floor, reads) in [
        (12, &[(12, Some("v1"))][..]),
        (22, &[(22, Some("v2"))]),
        (32, &[(35, None)]),
        (60, &[(62, Some("v3"))]),
    ] {
        engine.prune_before(at(floor)).unwrap();
        for (timestamp, value) in reads {
            assert_eq!(
                read(&engine, "k", *timestamp).as_deref(),
                *value,
                "prune {floor}"
            );
        }
        // What lies below the floor is refused, where TiKV leaves that to its caller.
        let below = engine.at(at(floor - 1)).unwrap_err();
        assert!(matches!(below.kind(), ErrorKind::Pruned { .. }));
    }
}

#[test]
fn etcd_compact_reserves_the_last_value() {
    for (floor, value) in [
        (1, Some("bar0")),
        (2, Some("bar1")),
        (3, None),
        (4, Some("bar2")),
    ] {
        let engine = engine_with("foo", &[(2, "bar0"), (3, "bar1"), (4, "x"), (5, "bar2")]);
        engine.prune_before(at(floor)).unwrap();
        assert_eq!(
            read(&engine, "foo", floor + 1).as_deref(),
            value,
            "prune {floor}"
        );
    }
}

#[test]
fn etcd_compact_bad() {
    let engine = engine_with("foo", &[(2, "bar0"), (3, "bar1"), (4, "bar2")]);
    for fine in [0, 1, 1, 4] {
        engine.prune_before(at(fine)).unwrap();
    }
    for future in [5, 100] {
        let error = engine.prune_before(at(future)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotYet { visible, .. } if *visible == at(4)));
    }
    assert_eq!(engine.floor(), at(4));
}

#[test]
fn etcd_key_index_keeps_the_newest_live_version() {
    let puts = [
        (2, "a"),
        (4, "b"),
        (6, "x"),
        (8, "c"),
        (10, "d"),
        (12, "x"),
        (14, "e"),
        (15, "f"),
        (16, "g"),
    ];
    let kept = [
        (1, None),
        (2, Some(2)),
        (3, Some(2)),
        (4, Some(4)),
        (5, Some(4)),
        (6, None),
        (7, None),
        (8, Some(8)),
        (9, Some(8)),
        (10, Some(10)),
        (11, Some(10)),
        (12, None),
        (13, None),
        (14, Some(14)),
        (15, Some(15)),
        (16, Some(16)),
    ];
    for (floor, newest_below) in kept {
        let engine = engine_with("foo", &puts);
        engine.prune_before(at(floor)).unwrap();
        let expected: Vec<_> = newest_below
            .into_iter()
            .chain(
                puts.iter()
                    .filter(|(start, value)| *start > floor && *value != "x")
                    .map(|p| p.0),
            )
            .collect();
        assert_eq!(starts(&engine, "foo"), expected, "prune {floor}");
    }
}

#[test]
fn cockroach_garbage_collect() {
    let engine = Engine::in_memory();
    for (timestamp, sets, deletes) in [
        (1, &["a", "a-del", "b", "b-del"][..], &[][..]),
        (2, &["a", "b", "b-del"], &["a-del"]),
        (3, &["b"], &["b-del"]),
    ] {
        let mut batch = Batch::new();
        for key in sets {
            batch.set(key, timestamp.to_string());
        }
        for key in deletes {
            batch.delete(key);
        }
        engine.commit_at(at(timestamp), batch).unwrap();
    }
    // One floor for all keys, where CockroachDB gives each its own: at 2 the same rows go.
    engine.prune_before(at(2)).unwrap();
    assert_eq!(starts(&engine, "a"), [2]);
    assert_eq!(starts(&engine, "a-del"), [0; 0]);
    assert_eq!(starts(&engine, "b"), [2, 3]);
    assert_eq!(starts(&engine, "b-del"), [2]);
    assert_eq!(starts(&engine, "unknown"), [0; 0]);
}

#[test]
fn rocksdb_keeps_the_latest_version_below_the_low_mark() {
    let engine = Engine::in_memory();
    let mut batch = Batch::new();
    batch.set("k1", "v1").set("k2", "v2").set("k3", "v3");
    engine.commit_at(at(1), batch).unwrap();
    engine.delete("k3").unwrap();
    engine.commit_at(at(3), Batch::new()).unwrap();
    let mut batch = Batch::new();
    batch.set("k1", "v5");
    engine.commit_at(at(4), batch).unwrap();
    engine.delete_range(b"k0".to_vec()..b"k9".to_vec()).unwrap();
    engine.prune_before(at(3)).unwrap();
    assert_eq!(read(&engine, "k1", 3).as_deref(), Some("v1"));
    assert_eq!(read(&engine, "k3", 3), None);
    assert_eq!(read(&engine, "k2", 5), None);
    assert_eq!(read(&engine, "k2", 4).as_deref(), Some("v2"));
}

#[test]
fn badger_discards_all_but_the_last_version() {
    let engine = engine_with("k", &[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]);
    engine.prune_before(at(5)).unwrap();
    assert_eq!(starts(&engine, "k"), [5]);
}

#[test]
fn badger_versions_since_a_timestamp() {
    let engine = engine_with("k", &[(1, "a"), (2, "b"), (3, "c")]);
    let versions = engine.history("k", at(2)..).unwrap();
    let starts: Vec<_> = versions
        .map(|version| version.unwrap().start.get())
        .collect();
    assert_eq!(starts, [3, 2]);
}
