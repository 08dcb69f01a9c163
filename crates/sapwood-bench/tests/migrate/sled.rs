//! From sled.

use std::path::Path;

use anyhow::Result;
use sapwood::{Engine, Timestamp};

use crate::{
    load::load,
    rows::{assert_holds, rows},
};

/// Copies one tree of a sled database, to which nobody should write meanwhile.
fn from_sled(path: &Path, tree: &str, engine: &Engine) -> Result<Timestamp> {
    let tree = sled::open(path)?.open_tree(tree)?;
    let rows = tree.iter().map(|row| {
        let (key, value) = row?;
        Ok((key.to_vec(), value.to_vec()))
    });
    load(engine, rows)
}

#[test]
fn a_tree_of_sled_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("sled"),
        directory.path().join("state"),
    );
    let rows = rows();
    {
        let database = sled::open(&from).unwrap();
        let tree = database.open_tree("items").unwrap();
        for (key, value) in &rows {
            tree.insert(key, value.as_slice()).unwrap();
        }
        database.flush().unwrap();
    }
    let engine = Engine::open(to).unwrap();
    let whole = from_sled(&from, "items", &engine).unwrap();
    assert_holds(&engine, whole, &rows);
}
