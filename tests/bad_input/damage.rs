//! Damaged files: reported where they are met, and never read around.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sapwood::{Engine, ReadView, Result, RocksDBConfig, Timestamp};
use tempfile::TempDir;

use crate::support::{config, contents, directory, error, is_table, kind, open};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn value(key: u64, round: u64) -> String {
    format!("{key:0100} {round:0100}")
}

const KEYS: u64 = 200;
const ROUNDS: u64 = 5;

/// A database of which one table file, the largest, was damaged in its middle. With one round that
/// is the file of `current`, with several that of `history`.
fn damaged(rounds: u64) -> (TempDir, PathBuf) {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = plain(&path).expect("open");
    for round in 1..=rounds {
        let writes: Vec<_> = (0..KEYS)
            .map(|key| (key_of(key), Some(value(key, round).into_bytes())))
            .collect();
        engine.commit_at(at(round), writes.into()).expect("commit");
    }
    engine.compact().expect("compact");
    engine.close().expect("close");
    drop(engine);
    let tables = contents(&path)
        .into_iter()
        .filter(|(name, _)| is_table(name));
    let (name, mut bytes) = tables
        .max_by_key(|(_, bytes)| bytes.len())
        .expect("a table");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path.join(name), bytes).expect("write");
    (directory, path)
}

/// Without compression, so that the middle of a file is the middle of its rows.
fn plain(path: &Path) -> Result<Engine> {
    let uncompressed = RocksDBConfig {
        enable_compression: false,
        write_buffer_size: 8 << 20,
        ..config(path)
    };
    Engine::open_with(uncompressed)
}

fn key_of(key: u64) -> Vec<u8> {
    format!("key{key:05}").into_bytes()
}

/// How many reads were right, and how many reported damage; any other outcome is a failure.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    right: usize,
    corrupt: usize,
}

impl Tally {
    fn count(&mut self, result: Result<Option<sapwood::Value>>, wanted: &str) {
        match result {
            Ok(value) => {
                assert_eq!(value.as_deref(), Some(wanted.as_bytes()));
                self.right += 1;
            }
            Err(error) => {
                assert_eq!(error.kind().name(), "corrupt", "{error}");
                self.corrupt += 1;
            }
        }
    }

    fn is_mixed(&self) -> bool {
        self.right > 0 && self.corrupt > 0
    }
}

#[test]
fn a_damaged_block_of_current_is_reported_by_every_read_that_meets_it() {
    let (_directory, path) = damaged(1);
    let engine = plain(&path).expect("open");
    let (mut latest, mut past) = (Tally::default(), Tally::default());
    for key in 0..KEYS {
        latest.count(engine.get(key_of(key)), &value(key, 1));
        past.count(
            engine.at(at(1)).expect("at").get(key_of(key)),
            &value(key, 1),
        );
    }
    assert!(latest.is_mixed() && latest == past, "{latest:?} {past:?}");
    let keys: Vec<_> = (0..KEYS).map(key_of).collect();
    assert_eq!(kind(engine.multi_get(&keys)), "corrupt");
    check_scan(engine.range(..), 1, latest.corrupt);
    check_scan(engine.at(at(1)).expect("at").range(..), 1, latest.corrupt);
    assert_eq!(
        kind(engine.range(..).rev().collect::<Result<Vec<_>>>()),
        "corrupt"
    );
    assert_eq!(kind(engine.status()), "corrupt");
    assert_eq!(
        kind(engine.delete_range(..)),
        "corrupt",
        "it would miss what it cannot read"
    );
    assert_eq!(engine.visible(), at(1));
    engine
        .set("new", "v")
        .expect("a commit that does not meet the damage");
}

#[test]
fn a_damaged_block_of_history_is_reported_by_every_read_that_meets_it() {
    let (_directory, path) = damaged(ROUNDS);
    let engine = plain(&path).expect("open");
    let mut past = Tally::default();
    let mut lists = Tally::default();
    for key in 0..KEYS {
        assert_eq!(
            engine.get(key_of(key)).expect("get").as_deref(),
            Some(value(key, ROUNDS).as_bytes())
        );
        for round in 1..ROUNDS {
            let snapshot = engine.at(at(round)).expect("at");
            past.count(snapshot.get(key_of(key)), &value(key, round));
        }
        let history: Result<Vec<_>> = engine.history(key_of(key), ..).expect("history").collect();
        match history {
            Ok(versions) => {
                assert_eq!(versions.len() as u64, ROUNDS);
                lists.right += 1;
            }
            Err(error) => {
                assert_eq!(error.kind().name(), "corrupt", "{error}");
                lists.corrupt += 1;
            }
        }
    }
    assert!(past.is_mixed() && lists.is_mixed(), "{past:?} {lists:?}");
    check_scan(engine.range(..), ROUNDS, 0);
    check_scan(engine.at(at(2)).expect("at").range(..), 2, past.corrupt);
    assert_eq!(
        kind(
            engine
                .at(at(2))
                .expect("at")
                .range(..)
                .rev()
                .collect::<Result<Vec<_>>>()
        ),
        "corrupt"
    );
    assert_eq!(
        kind(
            engine
                .diff(at(1), at(2))
                .expect("diff")
                .collect::<Result<Vec<_>>>()
        ),
        "corrupt"
    );
    assert_eq!(kind(engine.status()), "corrupt");
    assert_eq!(kind(engine.prune_before(at(ROUNDS))), "corrupt");
    assert_eq!(kind(engine.compact()), "corrupt");
    let newest = engine.snapshot().expect("snapshot");
    assert_eq!(
        newest.range(..).count() as u64,
        KEYS,
        "what is not damaged is still read"
    );
}

#[test]
fn inv_63_a_damaged_block_is_named_by_verify_and_all_else_is_still_read() {
    for (rounds, keyspace) in [(1, "current"), (ROUNDS, "history")] {
        let (_directory, path) = damaged(rounds);
        let engine = plain(&path).expect("open");
        let report = engine.verify().expect("verify");
        let found: Vec<_> = report
            .violations
            .iter()
            .map(|found| (found.rule.name(), found.keyspace))
            .collect();
        assert_eq!(
            found,
            [("unreadable", keyspace)],
            "{:#?}",
            report.violations
        );
        let message = &report.violations.first().expect("one").message;
        assert!(message.contains(".sst"), "which file: {message}");
        let read = report.rows.iter().find(|read| read.keyspace == keyspace);
        let read = read.expect("its rows").rows;
        let all = KEYS * (rounds - 1).max(1);
        assert!(read < all && read > all / 2, "{read} of {all}");
        assert_eq!(engine.verify().expect("again"), report);
        // Commits that would have to be merged over it.
        for key in 0..KEYS {
            engine.set(key_of(key), "v").expect("set");
        }
        let report = engine.verify().expect("verify");
        assert!(
            report
                .violations
                .iter()
                .all(|found| ["unreadable", "merge"].contains(&found.rule.name())),
            "{:#?}",
            report.violations
        );
    }
}

/// Rows come right and in order up to the first error, which is the last item.
fn check_scan(iter: sapwood::Iter, round: u64, damaged: usize) {
    let mut items: Vec<_> = iter.collect();
    if damaged > 0 {
        assert_eq!(kind(items.pop().expect("an item")), "corrupt");
    } else {
        assert_eq!(items.len() as u64, KEYS);
    }
    for (key, item) in (0..).zip(items) {
        let (found, read) = item.expect("rows before the damage");
        assert_eq!(
            (found.to_vec(), read.to_vec()),
            (key_of(key), value(key, round).into_bytes())
        );
    }
}

/// Opening must not take a damaged database for a new one and lose what is in it.
#[test]
fn a_database_that_lost_a_file_of_its_own_is_refused_and_nothing_more_is_lost() {
    for lost in ["CURRENT", "MANIFEST-", ".sst"] {
        let directory = directory();
        let path = directory.path().join("db");
        let engine = open(&path).expect("open");
        for number in 0..100u64 {
            engine.set(key_of(number), "v").expect("set");
        }
        engine.compact().expect("compact");
        engine.close().expect("close");
        drop(engine);
        let files = contents(&path);
        let name = files
            .keys()
            .find(|name| name.contains(lost))
            .expect("such a file");
        fs::remove_file(path.join(name)).expect("remove");
        match open(&path) {
            Ok(engine) => panic!("without {name} it was opened, at {}", engine.visible()),
            Err(error) => assert!(
                ["corrupt", "io", "invalid"].contains(&error.kind().name()),
                "{error}"
            ),
        }
        fs::write(path.join(name), &files[name]).expect("put it back");
        let engine = open(&path).expect("it is whole again");
        assert_eq!(
            (engine.visible(), engine.range(..).count()),
            (at(100), 100),
            "without {name}"
        );
    }
}

#[test]
fn a_file_that_is_cut_off_or_overwritten_is_corrupt() {
    for lost in ["CURRENT", "MANIFEST-"] {
        let directory = directory();
        let path = directory.path().join("db");
        open(&path).expect("open").set("k", "v").expect("set");
        let files = contents(&path);
        let name = files
            .keys()
            .find(|name| name.contains(lost))
            .expect("such a file");
        fs::write(path.join(name), "nonsense").expect("write");
        let refused = error(open(&path));
        assert!(
            ["corrupt", "io"].contains(&refused.kind().name()),
            "{name}: {refused}"
        );
    }
}
