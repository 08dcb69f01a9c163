//! RocksDB with user-defined timestamps: its own way to keep versions.

use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::{ColumnFamilyDescriptor, DB, ReadOptions, WriteBatch};
use sapwood::{RocksDBConfig, Timestamp};

use super::{Seen, peer_options, raw, settle};

const COLUMN_FAMILY: &str = "default";

#[derive(Debug)]
pub(crate) struct Udt {
    pub(crate) db: DB,
}

impl Udt {
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let options = peer_options::with_timestamps(config)?;
        // The batch's call with a timestamp wants the column family by its handle.
        let family = ColumnFamilyDescriptor::new(COLUMN_FAMILY, options.clone());
        let db = DB::open_cf_descriptors(&options, path, [family])?;
        Ok(Self { db })
    }

    /// Writes a batch at a timestamp.
    pub(crate) fn write<'a>(
        &self,
        at: Timestamp,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<()> {
        let family = self
            .db
            .cf_handle(COLUMN_FAMILY)
            .context("no column family")?;
        let mut batch = WriteBatch::default();
        for (key, value) in rows {
            batch.put_cf_with_ts(family, key, encode(at), value);
        }
        Ok(self.db.write(batch)?)
    }

    /// Rewrites all of it into its most compact form; every version stays.
    pub(crate) fn compact(&self) -> Result<()> {
        raw::compact(&self.db);
        self.settle()
    }

    /// Waits until every flush and compaction that is due is done.
    pub(crate) fn settle(&self) -> Result<()> {
        self.db.flush()?;
        settle::wait(|property| Ok(self.db.property_int_value(property)?))
    }

    /// Lets go of what only timestamps below a floor see, and rewrites all of it.
    pub(crate) fn prune_before(&self, floor: Timestamp) {
        let mut options = raw::rewriting_all();
        options.set_full_history_ts_low(encode(floor));
        self.db
            .compact_range_opt(None::<&[u8]>, None::<&[u8]>, &options);
    }

    /// Reads every row of the state at a timestamp.
    pub(crate) fn scan_at(&self, at: Timestamp) -> Result<Seen> {
        raw::scan(&self.db, Self::reading_at(at))
    }

    /// Options of reads at a timestamp. They are made once and used again: making them costs an
    /// allocation or two.
    pub(crate) fn reading_at(at: Timestamp) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_timestamp(encode(at));
        options
    }
}

/// The comparator wants its numbers little-endian.
fn encode(at: Timestamp) -> [u8; 8] {
    at.get().to_le_bytes()
}
