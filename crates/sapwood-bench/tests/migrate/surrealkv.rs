//! From `SurrealKV`: the newest state, or every version with its timestamp.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use sapwood::{Batch, Engine, ReadView, Timestamp};
use surrealkv::{HistoryOptions, LSMIterator, ReadOptions, TreeBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::{
    load::load,
    rows::{assert_holds, rows},
};

/// Copies the newest state of a `SurrealKV` store, as of one moment.
async fn from_surrealkv(path: &Path, engine: &Engine) -> Result<Timestamp> {
    let tree = TreeBuilder::new().with_path(path.to_owned()).build()?;
    let whole = {
        let transaction = tree.begin()?;
        let mut cursor = transaction.range_with_options(&ReadOptions::default())?;
        cursor.seek_first()?;
        let rows = std::iter::from_fn(|| {
            cursor.valid().then(|| {
                let row = (cursor.key().user_key().to_vec(), cursor.value()?);
                cursor.next()?;
                Ok(row)
            })
        });
        load(engine, rows)?
    };
    tree.close().await?;
    Ok(whole)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

#[test]
fn a_store_of_surrealkv_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (
        directory.path().join("surrealkv"),
        directory.path().join("state"),
    );
    let rows = rows();
    let engine = Engine::open(to).unwrap();
    let whole = runtime().block_on(async {
        let tree = TreeBuilder::new().with_path(from.clone()).build().unwrap();
        let mut transaction = tree.begin().unwrap();
        for (key, value) in &rows {
            transaction.set(key.as_slice(), value.as_slice()).unwrap();
        }
        transaction.commit().await.unwrap();
        tree.close().await.unwrap();
        from_surrealkv(&from, &engine).await.unwrap()
    });
    assert_holds(&engine, whole, &rows);
}

/// Copies every version that a `SurrealKV` store with versions keeps: its timestamps become Sapwood's.
async fn versions_from_surrealkv(path: &Path, engine: &Engine) -> Result<()> {
    let tree = TreeBuilder::new()
        .with_path(path.to_owned())
        .with_versioning(true, 0)
        .build()?;
    // Versions come key by key, and commits go timestamp by timestamp: this holds all of them in memory.
    let mut commits = BTreeMap::<u64, Batch>::new();
    {
        let transaction = tree.begin()?;
        let options = HistoryOptions::new().with_tombstones(true);
        let mut versions = transaction.history_with_options(&b""[..], &[0xff; 64][..], &options)?;
        versions.seek_first()?;
        while versions.valid() {
            let key = versions.key();
            let batch = commits.entry(key.timestamp()).or_default();
            if key.is_tombstone() {
                batch.delete(key.user_key());
            } else {
                batch.set(key.user_key(), versions.value()?);
            }
            versions.next()?;
        }
    }
    for (timestamp, batch) in commits {
        engine.commit_at(Timestamp::new(timestamp), batch)?;
    }
    tree.close().await?;
    Ok(())
}

#[test]
fn versions_of_surrealkv_keep_their_timestamps() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("surrealkv");
    let engine = Engine::open(directory.path().join("state")).unwrap();
    runtime().block_on(async {
        let tree = TreeBuilder::new()
            .with_path(from.clone())
            .with_versioning(true, 0)
            .build()
            .unwrap();
        for timestamp in 1..=100_u64 {
            let mut transaction = tree.begin().unwrap();
            let number = timestamp.to_string();
            transaction
                .set_at(&b"height"[..], number.as_bytes(), timestamp)
                .unwrap();
            transaction
                .set_at(
                    format!("block/{timestamp:03}").as_bytes(),
                    &b"x"[..],
                    timestamp,
                )
                .unwrap();
            transaction.commit().await.unwrap();
        }
        let mut transaction = tree.begin().unwrap();
        // `delete` would take its versions away.
        transaction.soft_delete(&b"height"[..]).unwrap();
        transaction.commit().await.unwrap();
        tree.close().await.unwrap();
        versions_from_surrealkv(&from, &engine).await.unwrap();
    });
    for timestamp in 1..=100_u64 {
        let state = engine.at(Timestamp::new(timestamp)).unwrap();
        let number = timestamp.to_string();
        assert_eq!(
            state.get("height").unwrap().as_deref(),
            Some(number.as_bytes())
        );
        assert_eq!(
            state.scan("block/").count(),
            usize::try_from(timestamp).unwrap()
        );
    }
    assert_eq!(engine.history("height", ..).unwrap().count(), 100);
    assert!(!engine.contains("height").unwrap(), "it was deleted last");
}
