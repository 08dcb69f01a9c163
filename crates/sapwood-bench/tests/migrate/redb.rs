//! From redb.

use std::path::Path;

use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use sapwood::{Engine, Timestamp};

use crate::{
    load::load,
    rows::{assert_holds, rows},
};

/// The table, with the types that it was made with.
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");

/// Copies one table of a redb database, as of one moment.
fn from_redb(path: &Path, engine: &Engine) -> Result<Timestamp> {
    let database = Database::open(path)?;
    let table = database.begin_read()?.open_table(TABLE)?;
    let rows = table.iter()?.map(|row| {
        let (key, value) = row?;
        Ok((key.value().to_vec(), value.value().to_vec()))
    });
    load(engine, rows)
}

#[test]
fn a_table_of_redb_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("redb"),
        directory.path().join("state"),
    );
    let rows = rows();
    {
        let database = Database::create(&from).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for (key, value) in &rows {
                table.insert(key.as_slice(), value.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    let engine = Engine::open(to).unwrap();
    let whole = from_redb(&from, &engine).unwrap();
    assert_holds(&engine, whole, &rows);
}
