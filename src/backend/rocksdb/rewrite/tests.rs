//! How often rows are written when all of a keyspace, or a part of it, is compacted; pruning has its own.

use tempfile::TempDir;

use super::*;
use crate::{
    backend::{Backend, Scope, WriteBatch},
    config::{Durability, RocksDBConfig},
};

/// Larger than a block, and than a file is to be: RocksDB cuts files behind at most two of them.
const LARGE: usize = 20 << 10;

fn opened() -> (TempDir, RocksDBBackend) {
    let directory = tempfile::tempdir().unwrap();
    let backend = RocksDBBackend::open(&RocksDBConfig {
        target_file_size: 1 << 10,
        enable_compression: false,
        ..RocksDBConfig::at(directory.path().to_str().unwrap())
    });
    (directory, backend.unwrap())
}

/// Rows that no filter can read. Each filter that passes one counts it, so they tell how often rows are written.
fn put(backend: &RocksDBBackend, names: impl IntoIterator<Item = u8>) {
    for name in names {
        let mut batch = WriteBatch::default();
        let key = [&[name][..], &[0; 12]].concat();
        batch.put(Keyspace::History, &[&key], &[&vec![b'x'; LARGE]]);
        backend.write(batch, Durability::Buffered).unwrap();
    }
}

/// How many rows of `history` were written by compactions so far.
fn written(backend: &RocksDBBackend) -> u64 {
    backend.filters.counts(Keyspace::History).1
}

fn compact(backend: &RocksDBBackend, start: &[u8], end: Option<&[u8]>) -> u64 {
    let before = written(backend);
    let scope = Scope {
        start: start.to_vec(),
        end: end.map(<[u8]>::to_vec),
    };
    let mut told = Vec::new();
    let mut tell = |part: f64| told.push(part);
    backend
        .compact(Keyspace::History, &scope, &mut tell)
        .unwrap();
    assert!(told.is_sorted() && told.last() == Some(&1.0), "{told:?}");
    written(backend) - before
}

#[test]
fn what_comes_down_is_written_once() {
    let (_directory, backend) = opened();
    put(&backend, 0..20);
    assert_eq!(compact(&backend, b"", None), 20);
    let files = files(&backend, Keyspace::History).unwrap();
    // Several pieces.
    assert!(files.len() > 5, "{}", files.len());
    // Over all of them, as what comes from memory mostly lies.
    put(&backend, [0, 5, 10, 30]);
    assert_eq!(compact(&backend, b"", None), 21);
    // Over some of them: the others are written all the same.
    put(&backend, [0, 1]);
    assert_eq!(compact(&backend, b"", None), 21);
    // From several files of level 0.
    for name in [7, 9, 8] {
        put(&backend, [name]);
        backend.flush().unwrap();
    }
    assert_eq!(compact(&backend, b"", None), 21);
    assert_eq!(compact(&backend, b"", None), 21);
}

#[test]
fn of_a_range_only_its_files_are_written() {
    let (_directory, backend) = opened();
    put(&backend, 0..20);
    compact(&backend, b"", None);
    let rows = compact(&backend, &[8], Some(&[12]));
    assert!((4..=8).contains(&rows), "{rows}");
    put(&backend, [9]);
    assert_eq!(compact(&backend, &[8], Some(&[12])), rows);
}

#[test]
fn files_that_may_be_older_are_written_again() {
    let (_directory, backend) = opened();
    put(&backend, 0..4);
    for (is_known, times) in [(true, 1), (false, 2)] {
        put(&backend, [0, 3]);
        let (mut older, _) = Older::see(&backend, Keyspace::History).unwrap();
        assert_ne!(older, Older::default());
        if !is_known {
            older = Older::default();
        }
        let before = written(&backend);
        let all = [(None, None)];
        older
            .rewrite(&backend, Keyspace::History, &all, |_, _| true, &mut |_| {})
            .unwrap();
        assert_eq!(written(&backend) - before, 4 * times);
    }
}

#[test]
fn neighbours_are_written_together() {
    let file = |name: &str, first: u8, last: u8| LiveFile {
        column_family_name: String::new(),
        name: name.to_owned(),
        size: 0,
        level: 6,
        start_key: Some(vec![first]),
        end_key: Some(vec![first.max(last), 7]),
        num_entries: 0,
        num_deletions: 0,
    };
    let files = [
        file("a", 0, 0),
        file("b", 1, 1),
        file("new", 2, 3),
        file("c", 4, 4),
        file("d", 5, 6),
    ];
    let left = |names: Option<&[&str]>, meant: &[u8]| -> Vec<(u8, u8)> {
        let names = names.map(|names| names.iter().map(ToString::to_string).collect());
        let is_meant =
            |first: &[u8], last: &[u8]| meant.iter().any(|key| (first[0]..=last[0]).contains(key));
        let left = Older { names }.left(&files, is_meant).into_iter();
        left.map(|(first, last)| (first[0], last[0])).collect()
    };
    let names: &[&str] = &["a", "b", "c", "d"];
    let all = [0, 1, 2, 3, 4, 5, 6];
    assert_eq!(left(Some(names), &all), [(0, 1), (4, 6)]);
    assert_eq!(left(None, &all), [(0, 6)]);
    assert_eq!(left(Some(names), &[0, 2, 4, 6]), [(0, 0), (4, 6)]);
    assert_eq!(left(Some(names), &[1, 2, 3]), [(1, 1)]);
}
