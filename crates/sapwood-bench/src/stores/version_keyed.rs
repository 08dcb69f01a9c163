//! The layout that Sapwood did not take: `current` keyed by `key || inverted_timestamp`, as
//! `history` is. An update deletes the row of the version before, moves it to `history`, and writes
//! the new row under another key.
//!
//! Keys here are 32 bytes long, so they need no escape. The options are those that Sapwood gives
//! its own `history`: a filter on the key without its timestamp, since the whole key of the newest
//! version is what a reader does not know.

use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, Options, ReadOptions, SliceTransform, WriteBatch,
};
use sapwood::{RocksDBConfig, Timestamp};

use super::{Seen, peer_options, settle};

const CURRENT: &str = "current";
const HISTORY: &str = "history";
const TIMESTAMP_BYTES: usize = 8;

#[derive(Debug)]
pub(crate) struct VersionKeyed {
    db: DB,
}

impl VersionKeyed {
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_background_jobs(config.max_background_jobs);
        let mut family = peer_options::by_prefix(config);
        family.set_prefix_extractor(SliceTransform::create(
            "key",
            |key| {
                let end = key.len().saturating_sub(TIMESTAMP_BYTES);
                key.get(..end).unwrap_or(key)
            },
            Some(|key| key.len() > TIMESTAMP_BYTES),
        ));
        family.set_memtable_prefix_bloom_ratio(0.05);
        let families =
            [CURRENT, HISTORY].map(|name| ColumnFamilyDescriptor::new(name, family.clone()));
        Ok(Self {
            db: DB::open_cf_descriptors(&options, path, families)?,
        })
    }

    fn family(&self, name: &str) -> Result<&ColumnFamily> {
        self.db.cf_handle(name).context("no column family")
    }

    /// Writes a batch at a timestamp: each old row is sought, moved and deleted.
    pub(crate) fn write<'a>(
        &self,
        at: Timestamp,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<()> {
        let (current, history) = (self.family(CURRENT)?, self.family(HISTORY)?);
        let mut old = self.db.raw_iterator_cf_opt(current, of_one_key());
        let mut batch = WriteBatch::default();
        for (key, value) in rows {
            old.seek(newest(key));
            if let Some((version_key, old_value)) = old.item() {
                batch.put_cf(
                    history,
                    version_key,
                    [&at.get().to_be_bytes(), old_value].concat(),
                );
                batch.delete_cf(current, version_key);
            }
            old.status()?;
            batch.put_cf(current, [key, &(!at.get()).to_be_bytes()].concat(), value);
        }
        Ok(self.db.write(batch)?)
    }

    /// Reads the newest value of a key: the first version of it. An iterator is a view of the
    /// moment it was made, so a reader of the newest state needs one of its own.
    pub(crate) fn get<T>(&self, key: &[u8], read: impl FnOnce(Option<&[u8]>) -> T) -> Result<T> {
        let mut rows = self
            .db
            .raw_iterator_cf_opt(self.family(CURRENT)?, of_one_key());
        rows.seek(newest(key));
        let answer = read(rows.value());
        rows.status()?;
        Ok(answer)
    }

    /// Reads every row of the newest state.
    pub(crate) fn scan(&self) -> Result<Seen> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        let mut seen = Seen::default();
        let mut rows = self.db.raw_iterator_cf_opt(self.family(CURRENT)?, options);
        rows.seek_to_first();
        while let Some((_, value)) = rows.item() {
            seen.see(value);
            rows.next();
        }
        rows.status()?;
        Ok(seen)
    }

    /// Waits until every flush and compaction that is due is done.
    pub(crate) fn settle(&self) -> Result<()> {
        for name in [CURRENT, HISTORY] {
            self.db.flush_cf(self.family(name)?)?;
        }
        settle::wait(|property| {
            let mut sum = 0;
            for name in [CURRENT, HISTORY] {
                let value = self
                    .db
                    .property_int_value_cf(self.family(name)?, property)?;
                sum += value.unwrap_or(0);
            }
            Ok(Some(sum))
        })
    }
}

/// Where the newest version of a key would lie at the earliest.
fn newest(key: &[u8]) -> Vec<u8> {
    [key, &[0; TIMESTAMP_BYTES]].concat()
}

fn of_one_key() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_prefix_same_as_start(true);
    options
}
