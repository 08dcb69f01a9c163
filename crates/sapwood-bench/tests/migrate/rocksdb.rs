//! From a plain RocksDB.

use std::path::Path;

use anyhow::{Context, Result};
use sapwood::{Engine, ReadView, RocksDBConfig, RocksDBStorage, Timestamp};

use crate::rows::{assert_holds, rows};

/// Makes a database of one column family of a plain RocksDB: each of its keys becomes version 1.
fn from_rocksdb(path: &Path, column_family: &str, to: &Path) -> Result<Engine> {
    let config = RocksDBConfig::at(to.to_str().context("a path in UTF-8")?);
    // The last argument is told a part of 1, and what is copied: for a bar of progress.
    let storage = RocksDBStorage::migrate_rocksdb(path, column_family, config, |_, _| {})?;
    Ok(Engine::new(&storage))
}

#[test]
fn a_plain_rocksdb_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("plain"),
        directory.path().join("state"),
    );
    let rows = rows();
    {
        let database = rocksdb::DB::open_default(&from).unwrap();
        for (key, value) in &rows {
            database.put(key, value).unwrap();
        }
        database.flush().unwrap();
    }
    let engine = from_rocksdb(&from, "default", &to).unwrap();
    assert!(engine.contains(b"a\0b").unwrap());
    assert_holds(&engine, Timestamp::new(1), &rows);
}
