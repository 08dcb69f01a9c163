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

/// The lines of the file, or none where there is no data.
fn lines() -> Vec<String> {
    let Some(path) = data::path("prune_vectors.txt") else {
        return Vec::new();
    };
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The versions that a line lists, as `10:v1 20:v2 30:x`.
fn versions(line: &str) -> Vec<(u64, &str)> {
    let version = |word: &'_ str| -> Option<(u64, usize)> {
        let (number, value) = word.split_once(':')?;
        Some((number.parse().ok()?, value.len()))
    };
    line.split([' ', ';'])
        .filter_map(|word| {
            version(word).map(|(number, length)| (number, &word[word.len() - length..]))
        })
        .collect()
}

/// The cases of TiKV's `test_gc_imp` and etcd's `TestKVCompactReserveLastValue`, read from the file:
/// a line of versions, then lines of `prune T -> get@T = value ; ...`.
#[test]
fn reads_after_pruning_are_those_of_the_file() {
    let mut history = Vec::new();
    let mut reads = 0;
    let lines = lines();
    for line in &lines {
        if line.starts_with("## write:") || line.starts_with("## revisions:") {
            history = versions(line);
        }
        let Some((prune, cases)) = line.split_once(" -> ") else {
            continue;
        };
        let Some(floor) = prune
            .strip_prefix("prune ")
            .and_then(|floor| floor.parse().ok())
        else {
            continue;
        };
        let engine = engine_with("k", &history);
        advance(&engine, 62);
        engine.prune_before(at(floor)).unwrap();
        for case in cases.split('(').next().unwrap().split(';') {
            let (_, read_at) = case.split_once('@').unwrap();
            let (timestamp, value) = read_at.split_once(" = ").unwrap();
            let timestamp: u64 = timestamp.parse().unwrap();
            reads += 1;
            if timestamp < floor {
                // Where the others leave reads below the floor to their caller, here they fail.
                assert_eq!(
                    engine.at(at(timestamp)).unwrap_err().kind().name(),
                    "pruned",
                    "{line}"
                );
                continue;
            }
            let expected = Some(value.trim()).filter(|value| *value != "none");
            assert_eq!(read(&engine, "k", timestamp).as_deref(), expected, "{line}");
        }
    }
    assert!(lines.is_empty() || reads == 10, "{reads} reads");
}

/// etcd's `TestKeyIndexCompactAndKeep`, read from the file: which version a prune to T keeps below.
/// A delete that lies exactly at T is kept by etcd for one revision longer; here it goes at T.
#[test]
fn etcd_key_index_keeps_the_newest_live_version() {
    let puts = [2, 4, 8, 10, 14, 15, 16];
    let mut changes: Vec<_> = puts.iter().map(|start| (*start, "value")).collect();
    changes.extend([(6, "x"), (12, "x")]);
    changes.sort_unstable();
    let lines = lines();
    let mut cases = 0;
    for case in lines
        .iter()
        .filter(|line| line.starts_with("T="))
        .flat_map(|line| line.split(';'))
    {
        let (floor, kept) = case.trim().split_once(" keep ").unwrap();
        let floor: u64 = floor.strip_prefix("T=").unwrap().parse().unwrap();
        let kept: Option<u64> = kept.trim_matches(['{', '}']).parse().ok();
        let engine = engine_with("foo", &changes);
        engine.prune_before(at(floor)).unwrap();
        let above = puts.iter().copied().filter(|start| *start > floor);
        let expected: Vec<_> = kept.into_iter().chain(above).collect();
        assert_eq!(starts(&engine, "foo"), expected, "{case}");
        cases += 1;
    }
    assert!(lines.is_empty() || cases == 16, "{cases} cases");
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
