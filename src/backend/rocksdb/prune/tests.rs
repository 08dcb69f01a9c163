//! What a prune writes, and what it leaves alone. That it drops what the rule lets go is tested for every backend.

use std::{collections::BTreeMap, path::Path};

use rocksdb::LiveFile;
use tempfile::TempDir;

use super::*;
use crate::{
    backend::WriteBatch,
    codec::{HistoryRow, commit, key},
    config::{Durability, RocksDBConfig},
    prune_rule::PruneRule,
    sync::Arc,
    timestamp::Timestamp,
};

/// Larger than a block, and than a file is to be: RocksDB cuts files behind at most two of them.
const LARGE: usize = 20 << 10;
/// The timestamp in the keys of rows that no filter can read. Each filter that passes one counts it, so they tell how often
/// rows are written.
const UNREADABLE: u64 = 1000;

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn opened() -> (TempDir, RocksDBBackend) {
    let directory = tempfile::tempdir().unwrap();
    let backend = open(directory.path());
    (directory, backend)
}

fn open(path: &Path) -> RocksDBBackend {
    RocksDBBackend::open(&RocksDBConfig {
        target_file_size: 1 << 10,
        enable_compression: false,
        ..RocksDBConfig::at(path.to_str().unwrap())
    })
    .unwrap()
}

fn put(backend: &RocksDBBackend, keyspace: Keyspace, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::default();
    batch.put(keyspace, &[key], &[value]);
    backend.write(batch, Durability::Buffered).unwrap();
}

/// A large version of a key, alive over `[start, end)`.
fn put_version(backend: &RocksDBBackend, name: &[u8], start: u64, end: u64) {
    let row = HistoryRow {
        end: at(end),
        previous_end: at(0),
        value: &vec![b'v'; LARGE],
    };
    let key = key::encode_version(name, at(start));
    put(backend, Keyspace::History, &key, &row.encode());
}

fn put_unreadable(backend: &RocksDBBackend, name: &[u8]) {
    let key = key::encode_version(name, at(UNREADABLE));
    put(backend, Keyspace::History, &key, b"x");
}

fn put_record(backend: &RocksDBBackend, timestamp: u64, bytes: usize) {
    let key = commit::encode_key(at(timestamp), 0);
    put(backend, Keyspace::Commits, &key, &vec![b'r'; bytes]);
}

fn arm(backend: &RocksDBBackend, floor: u64) {
    backend.arm(Arc::new(PruneRule::new(at(floor), [])));
}

fn pruned(backend: &RocksDBBackend) -> Reclaimed {
    prune(backend, &mut |_, _| {}).unwrap()
}

/// How often filters have passed rows of `history` that they could not read.
fn passed(backend: &RocksDBBackend) -> u64 {
    backend.filters.counts(Keyspace::History).1
}

fn settle_down(backend: &RocksDBBackend, keyspace: Keyspace) {
    backend
        .compact(keyspace, &Scope::default(), &mut |_| {})
        .unwrap();
}

/// The files of a keyspace, by their first keys.
fn live(backend: &RocksDBBackend, keyspace: Keyspace) -> BTreeMap<Vec<u8>, LiveFile> {
    let mut files = backend.database.db().live_files().unwrap();
    files.retain(|file| file.column_family_name == keyspace.name());
    let files = files.into_iter();
    files
        .map(|file| (file.start_key.clone().unwrap(), file))
        .collect()
}

/// What comes down from level 0 has met the filter: to compact the last level again would write all that is kept
/// twice.
#[test]
fn what_is_kept_is_written_once() {
    let (_directory, backend) = opened();
    put_version(&backend, b"a", 1, 2);
    put_unreadable(&backend, b"b");
    put_version(&backend, b"c", 1, 2);
    settle_down(&backend, Keyspace::History);
    put_unreadable(&backend, b"a");
    put_version(&backend, b"b", 1, 2);
    put_unreadable(&backend, b"c");
    backend.flush().unwrap();
    arm(&backend, 2);
    let before = passed(&backend);
    let reclaimed = pruned(&backend);
    assert_eq!((reclaimed.rows_before, reclaimed.rows_dropped), (6, 3));
    assert_eq!(passed(&backend) - before, 3);
    assert_eq!(
        (reclaimed.undecodable_rows, pruned(&backend).rows_before),
        (3, 3)
    );
}

/// The first run takes the file of level 0 down with all that it covers; that is written for the second one, too.
#[test]
fn runs_under_one_file_are_written_once() {
    let (_directory, backend) = opened();
    for name in [b"a", b"m", b"z"] {
        put_version(&backend, name, 1, if name == b"m" { 9 } else { 2 });
        put_unreadable(&backend, name);
    }
    settle_down(&backend, Keyspace::History);
    assert_eq!(live(&backend, Keyspace::History).len(), 3);
    put_unreadable(&backend, b"Z");
    put_unreadable(&backend, b"zz");
    backend.flush().unwrap();
    arm(&backend, 2);
    let before = passed(&backend);
    let reclaimed = pruned(&backend);
    assert_eq!((reclaimed.rows_before, reclaimed.rows_dropped), (8, 2));
    assert_eq!(passed(&backend) - before, 5);
}

/// A compaction that began by an older rule may put rows into the last level that the new one lets go. Where there may be
/// one, all that may hold such rows is written again.
#[test]
fn where_files_may_be_older_than_the_rule_all_are_written_again() {
    for is_quiet in [true, false] {
        let (_directory, backend) = opened();
        put_version(&backend, b"a", 1, 2);
        put_version(&backend, b"c", 1, 9);
        settle_down(&backend, Keyspace::History);
        put_unreadable(&backend, b"b");
        backend.flush().unwrap();
        arm(&backend, 2);
        let mut survey = survey(&backend, Keyspace::History, &mut Kept::default()).unwrap();
        assert_ne!(survey.files, Older::default());
        if !is_quiet {
            survey.files = Older::default();
        }
        compact(&backend, Keyspace::History, &survey, &mut |_| {}).unwrap();
        let times = if is_quiet { 1 } else { 2 };
        assert_eq!(backend.filters.counts(Keyspace::History), (1, times));
    }
}

#[test]
fn files_without_droppable_rows_are_left_alone() {
    let (_directory, backend) = opened();
    for timestamp in 1..=8 {
        put_record(&backend, timestamp, LARGE);
        let name = [u8::try_from(timestamp).unwrap()];
        put_version(&backend, &name, 1, 1 + timestamp);
    }
    for keyspace in [Keyspace::Commits, Keyspace::History] {
        settle_down(&backend, keyspace);
        assert_eq!(live(&backend, keyspace).len(), 4);
    }
    arm(&backend, 4);
    let names = |keyspace: Keyspace| -> Vec<String> {
        let files = live(&backend, keyspace).into_values();
        files.map(|file| file.name).collect()
    };
    let [commits, history] = [Keyspace::Commits, Keyspace::History].map(names);
    let reclaimed = pruned(&backend);
    let dropped = (reclaimed.rows_dropped, reclaimed.bookkeeping_rows_dropped);
    assert_eq!(dropped, (3, 4));
    assert_eq!(names(Keyspace::Commits), commits[2..]);
    assert_eq!(names(Keyspace::History)[1..], history[2..]);
}

/// Trimmed records are small, and hide large ones.
#[test]
fn values_that_trimmed_records_hide_are_given_back() {
    let (_directory, backend) = opened();
    for timestamp in 1..=8 {
        put_record(&backend, timestamp, LARGE);
    }
    settle_down(&backend, Keyspace::Commits);
    for timestamp in 3..=8 {
        put_record(&backend, timestamp, 10);
    }
    backend.flush().unwrap();
    // Nothing is below the floor: then nothing is written either.
    let files = live(&backend, Keyspace::Commits).len();
    arm(&backend, 0);
    pruned(&backend);
    assert_eq!(live(&backend, Keyspace::Commits).len(), files);
    arm(&backend, 2);
    let reclaimed = pruned(&backend);
    assert_eq!(reclaimed.bookkeeping_rows_dropped, 2);
    let files = live(&backend, Keyspace::Commits).into_values();
    let (entries, bytes) = files.fold((0, 0), |(entries, bytes), file| {
        (entries + file.num_entries, bytes + file.size)
    });
    assert_eq!(entries, 6);
    assert!(bytes < LARGE, "{bytes}");
}

#[test]
fn segments_beside_each_other_are_compacted_together() {
    let segment = |(index, droppable): (u8, &u64)| Segment {
        start: if index == 0 { Vec::new() } else { vec![index] },
        rows: 5,
        droppable: *droppable,
    };
    let survey = |droppable: &[u64]| Survey {
        segments: (0..).zip(droppable).map(segment).collect(),
        ..Survey::default()
    };
    assert!(survey(&[0, 0, 0]).runs().is_empty());
    assert_eq!(survey(&[1, 2, 0, 0, 1]).runs(), [0..2, 4..5]);
    assert_eq!(survey(&[0, 1, 0, 1]).runs(), [1..2, 3..4]);
    let one = survey(&[0, 1, 0]);
    assert!(one.may_drop(&[1], &[1]) && one.may_drop(&[0], &[2]));
    assert!(!one.may_drop(&[0], &[0, 7]) && !one.may_drop(&[2], &[3]));
}
