//! RocksDB's `OptimisticTransactionDB`, with the options of the raw peer.
//!
//! Reads are `get_for_update`: a plain read is not checked at the commit, and loses updates. The
//! transactions take no snapshot. Without one, a key is checked from the moment that it was read
//! on, which is all that a serial order of those that commit needs, and cheaper; what a snapshot
//! would add, that a transaction which is going to fail does not see two states at once, Sapwood
//! gives and this peer is not asked for. Commits are checked in parallel, which is the default, and
//! against the memtables: the crate keeps as much history of them as RocksDB thinks fit.

use std::path::Path;

use anyhow::Result;
use rocksdb::{
    ErrorKind, OptimisticTransactionDB, OptimisticTransactionOptions, WriteBatchWithTransaction,
    WriteOptions,
};
use sapwood::{Durability, RocksDBConfig};

use super::{
    counters::{Counters, Pair, incremented},
    peer_options, raw, settle, wal,
};
use crate::data::Key;

pub(crate) struct Otdb {
    db: OptimisticTransactionDB,
    writing: WriteOptions,
    transaction: OptimisticTransactionOptions,
}

impl Otdb {
    /// Opens a store whose commits are as durable as the configuration says.
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let db = OptimisticTransactionDB::open(&peer_options::plain(config), path)?;
        let mut writing = WriteOptions::default();
        writing.set_sync(config.durability == Durability::Sync);
        Ok(Self {
            db,
            writing,
            transaction: OptimisticTransactionOptions::default(),
        })
    }

    /// Writes rows, and brings them into their most compact form.
    pub(crate) fn load<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut batch = WriteBatchWithTransaction::<true>::default();
        for (key, value) in rows {
            batch.put(key, value);
        }
        self.db.write(batch)?;
        self.db
            .compact_range_opt(None::<&[u8]>, None::<&[u8]>, &raw::rewriting_all());
        self.db.flush()?;
        settle::wait(|property| Ok(self.db.property_int_value(property)?))
    }

    /// What RocksDB says of its log.
    pub(crate) fn wal(&self) -> Result<wal::Counts> {
        wal::counts(self.db.property_value(wal::PROPERTY)?)
    }
}

impl Counters for Otdb {
    fn try_increment(&self, pair: &Pair) -> Result<bool> {
        let transaction = self.db.transaction_opt(&self.writing, &self.transaction);
        let [a, b] = pair;
        let new_a = incremented(transaction.get_pinned_for_update(a, true)?.as_deref())?;
        let new_b = incremented(transaction.get_pinned_for_update(b, true)?.as_deref())?;
        transaction.put(a, new_a)?;
        transaction.put(b, new_b)?;
        match transaction.commit() {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::TryAgain) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self.db.get(key)?)
    }
}
