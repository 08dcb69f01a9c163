//! From fjall.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use sapwood::{Engine, Timestamp};

use crate::{
    load::load,
    rows::{assert_holds, rows},
};

/// Copies one keyspace of a fjall database, as of one moment.
fn from_fjall(path: &Path, keyspace: &str, engine: &Engine) -> Result<Timestamp> {
    let database = Database::builder(path).open()?;
    let keyspace = database.keyspace(keyspace, KeyspaceCreateOptions::default)?;
    let rows = keyspace.iter().map(|row| {
        let (key, value) = row.into_inner()?;
        Ok((key.to_vec(), value.to_vec()))
    });
    load(engine, rows)
}

#[test]
fn a_keyspace_of_fjall_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("fjall"),
        directory.path().join("state"),
    );
    let rows = rows();
    {
        let database = Database::builder(&from).open().unwrap();
        let keyspace = database
            .keyspace("items", KeyspaceCreateOptions::default)
            .unwrap();
        for (key, value) in &rows {
            keyspace.insert(key, value).unwrap();
        }
        database.persist(PersistMode::SyncAll).unwrap();
    }
    let engine = Engine::open(to).unwrap();
    let whole = from_fjall(&from, "items", &engine).unwrap();
    assert_holds(&engine, whole, &rows);
}
