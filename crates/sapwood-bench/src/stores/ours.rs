//! Sapwood itself, through its public API only.

use std::{ops::ControlFlow, path::Path};

use anyhow::{Context, Result};
use sapwood::{
    Batch, CommitOptions, Engine, Isolation, ReadView, RocksDBConfig, RocksDBStorage, Timestamp,
};

use super::{
    Seen,
    counters::{Counters, Pair, incremented},
    latest_state::LatestState,
    settle, wal,
};
use crate::{
    data::{Key, stamp_of},
    dataset::BATCH_KEYS,
};

/// A store of ours: the engine, and the handle that tells RocksDB's properties.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) engine: Engine,
    pub(crate) storage: RocksDBStorage,
}

impl Ours {
    /// Opens a store with a configuration whose path is replaced.
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let path = path.to_str().context("the path is not UTF-8")?.to_owned();
        let config = RocksDBConfig {
            path,
            ..config.clone()
        };
        let storage = RocksDBStorage::new(config)?;
        let engine = Engine::new(&storage);
        Ok(Self { engine, storage })
    }

    /// Writes a batch as one commit.
    pub(crate) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Timestamp> {
        let mut batch = Batch::new();
        for (key, value) in rows {
            batch.set(key, value);
        }
        Ok(self
            .engine
            .commit(batch, CommitOptions::default())?
            .timestamp)
    }

    /// Waits until every flush and compaction that is due is done.
    pub(crate) fn settle(&self) -> Result<()> {
        self.engine.flush()?;
        settle::wait(|property| {
            let value = self.storage.get_property(property)?;
            Ok(value.and_then(|value| value.parse().ok()))
        })
    }

    /// Writes rows in batches, and brings them into their most compact form.
    pub(crate) fn load<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            self.write(rows.by_ref().take(BATCH_KEYS as usize))?;
        }
        self.engine.compact()?;
        self.settle()
    }

    /// What RocksDB says of its log.
    pub(crate) fn wal(&self) -> Result<wal::Counts> {
        wal::counts(self.storage.get_property(wal::PROPERTY)?)
    }

    /// Reads every row of the newest state.
    pub(crate) fn scan(&self) -> Result<Seen> {
        count(&self.engine)
    }

    /// Reads every row of a past state.
    pub(crate) fn scan_at(&self, at: Timestamp) -> Result<Seen> {
        count(&self.engine.at(at)?)
    }
}

/// Serializable transactions, the default.
impl Counters for Ours {
    fn try_increment(&self, pair: &Pair) -> Result<bool> {
        let mut transaction = self.engine.begin(Isolation::Serializable)?;
        let [a, b] = pair;
        let new_a = incremented(transaction.get(a)?.as_deref())?;
        let new_b = incremented(transaction.get(b)?.as_deref())?;
        transaction.set(a, new_a)?;
        transaction.set(b, new_b)?;
        match transaction.commit() {
            Ok(_) => Ok(true),
            Err(error) if error.is_retryable() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self.engine.get(key)?.map(Vec::from))
    }
}

/// A modification is a serializable transaction; a write that reads nothing needs none.
impl LatestState for Ours {
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
        self.load(rows.map(|(key, value)| (key.as_slice(), value)))
    }

    fn read(&self, key: &Key) -> Result<Option<u64>> {
        Ok(self.engine.get(key)?.map(|value| stamp_of(&value)))
    }

    fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
        self.engine.set(key, value)?;
        Ok(())
    }

    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
        let mut transaction = self.engine.begin(Isolation::Serializable)?;
        let read = transaction.get(key)?;
        transaction.set(key, value)?;
        transaction.commit()?;
        Ok(read.map(|value| stamp_of(&value)))
    }

    fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut left = rows;
        self.engine.visit(from.to_vec().., |key, value| {
            see(key, value);
            left -= 1;
            if left == 0 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }
}

/// Rows are looked at where they lie, as the peers do it.
fn count(view: &impl ReadView) -> Result<Seen> {
    let mut seen = Seen::default();
    view.visit(.., |_, value| {
        seen.see(value);
        ControlFlow::<()>::Continue(())
    })?;
    Ok(seen)
}
