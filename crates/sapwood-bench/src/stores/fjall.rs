//! fjall 3, with its transactions of a single writer: each holds a lock from its beginning to its end,
//! so that they are serial. Its optimistic transactions, which check what they read, commit less than
//! half as many of this size on two cores.
//!
//! | option | value |
//! |---|---|
//! | block cache, memtable, workers | the config's block cache, write buffer and background jobs |
//! | open files | the config's |
//! | compression | LZ4, from the third level on, and filters: fjall's defaults |
//! | block size | 8 KiB, the upper end of what fjall advises for point reads |
//! | a commit | written to the system before it returns (`PersistMode::Buffer`) |
//!
//! A write of one row that reads nothing does without a transaction, which is cheaper.

use std::path::Path;

use anyhow::Result;
use fjall::{
    KeyspaceCreateOptions, Readable, SingleWriterTxDatabase, SingleWriterTxKeyspace,
    config::BlockSizePolicy,
};
use sapwood::RocksDBConfig;

use super::{
    counters::{Counters, Pair, incremented},
    latest_state::LatestState,
};
use crate::{
    convert::count,
    data::{Key, stamp_of},
};

const BLOCK_BYTES: u32 = 8 << 10;

pub(crate) struct Fjall {
    db: SingleWriterTxDatabase,
    rows: SingleWriterTxKeyspace,
}

impl Fjall {
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let db = SingleWriterTxDatabase::builder(path)
            .cache_size(count(config.block_cache_size))
            .worker_threads(usize::try_from(config.max_background_jobs)?)
            .max_cached_files(usize::try_from(config.max_open_files).ok())
            .max_journaling_size(count(config.write_buffer_size) * 4)
            .open()?;
        let rows = db.keyspace("rows", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(count(config.write_buffer_size))
                .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
        })?;
        Ok(Self { db, rows })
    }

    /// Writes rows, and brings them into their most compact form.
    pub(crate) fn load<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut batch = self.db.inner().batch();
        for (key, value) in rows {
            batch.insert(self.rows.inner(), key, value);
        }
        batch.commit()?;
        self.rows.inner().rotate_memtable_and_wait()?;
        Ok(self.rows.inner().major_compact()?)
    }
}

impl Counters for Fjall {
    fn try_increment(&self, pair: &Pair) -> Result<bool> {
        let mut transaction = self.db.write_tx();
        let [a, b] = pair;
        let new_a = incremented(transaction.get(&self.rows, a)?.as_deref())?;
        let new_b = incremented(transaction.get(&self.rows, b)?.as_deref())?;
        transaction.insert(&self.rows, a.as_slice(), new_a);
        transaction.insert(&self.rows, b.as_slice(), new_b);
        transaction.commit()?;
        Ok(true)
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self.rows.get(key)?.map(|value| value.to_vec()))
    }
}

impl LatestState for Fjall {
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
        self.load(rows.map(|(key, value)| (key.as_slice(), value)))
    }

    fn read(&self, key: &Key) -> Result<Option<u64>> {
        Ok(self.rows.get(key)?.map(|value| stamp_of(&value)))
    }

    fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.rows.inner().insert(key.as_slice(), value)?)
    }

    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
        let mut transaction = self.db.write_tx();
        let read = transaction.get(&self.rows, key)?;
        transaction.insert(&self.rows, key.as_slice(), value);
        transaction.commit()?;
        Ok(read.map(|value| stamp_of(&value)))
    }

    fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for row in self.rows.inner().range::<&Key, _>(from..).take(rows) {
            let (key, value) = row.into_inner()?;
            see(&key, &value);
        }
        Ok(())
    }
}
