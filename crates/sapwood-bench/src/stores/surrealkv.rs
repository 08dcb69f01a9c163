//! `SurrealKV` 1, whose commits are awaited: a background task writes them in groups.
//!
//! | option | value |
//! |---|---|
//! | runtime | tokio, as many workers as the row has threads; what a thread of the row does is a task |
//! | block cache, memtable, file size | the config's block cache, write buffer and file size |
//! | block size | 8 KiB, as for the others; 64 KiB is its default |
//! | compression | none, its default; it has no LZ4 |
//! | filter | bloom, 10 bits a key: its default |
//! | versions, value log | not kept; not used: its defaults |
//! | a commit | written to the system before it returns (`Durability::Eventual`) |
//!
//! Its transactions are of snapshot isolation. Reads are `get_for_update`, which has them checked at
//! the commit as well. Threads that block on each commit make less than half as many as tasks do on
//! the same cores, and more workers than the row has threads make no more.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use sapwood::RocksDBConfig;
use surrealkv::{Error, Options, Tree, TreeBuilder};
use tokio::runtime::{Builder, Runtime};

use super::counters::{Counters, Pair, Part, incremented};
use crate::{convert::count, data::Key};

const BLOCK_BYTES: usize = 8 << 10;

pub(crate) struct SurrealKv {
    runtime: Runtime,
    tree: Arc<Tree>,
}

impl SurrealKv {
    /// Opens a store for a number of threads.
    pub(crate) fn open(path: &Path, config: &RocksDBConfig, threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()?;
        let options = Options::new()
            .with_path(path.to_owned())
            .with_max_memtable_size(config.write_buffer_size)
            .with_target_file_size(config.target_file_size)
            .with_block_cache_capacity(count(config.block_cache_size))
            .with_block_size(BLOCK_BYTES)
            .with_flush_on_close(false);
        // Opening starts the background tasks.
        let entered = runtime.enter();
        let tree = Arc::new(TreeBuilder::with_options(options).build()?);
        drop(entered);
        Ok(Self { runtime, tree })
    }

    /// Writes rows.
    pub(crate) fn load<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut transaction = self.tree.begin()?;
        for (key, value) in rows {
            transaction.set(key, value)?;
        }
        Ok(self.runtime.block_on(transaction.commit())?)
    }
}

impl Drop for SurrealKv {
    fn drop(&mut self) {
        // What it says at its end changes no figure any more.
        let _ = self.runtime.block_on(self.tree.close());
    }
}

impl Counters for SurrealKv {
    fn try_increment(&self, pair: &Pair) -> Result<bool> {
        self.runtime.block_on(try_increment(&self.tree, pair))
    }

    fn increment(&self, part: &Part) -> Result<u64> {
        let (tree, part) = (Arc::clone(&self.tree), Arc::clone(part));
        let task = self.runtime.spawn(async move {
            let mut conflicts = 0;
            for pair in part.iter() {
                while !try_increment(&tree, pair).await? {
                    conflicts += 1;
                }
            }
            Ok(conflicts)
        });
        self.runtime.block_on(task).context("a task panicked")?
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self.tree.begin()?.get(key)?)
    }
}

async fn try_increment(tree: &Tree, pair: &Pair) -> Result<bool> {
    let mut transaction = tree.begin()?;
    let [a, b] = pair;
    let new_a = incremented(transaction.get_for_update(a)?.as_deref())?;
    let new_b = incremented(transaction.get_for_update(b)?.as_deref())?;
    transaction.set(a, new_a)?;
    transaction.set(b, new_b)?;
    match transaction.commit().await {
        Ok(()) => Ok(true),
        Err(Error::TransactionWriteConflict | Error::TransactionRetry) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
