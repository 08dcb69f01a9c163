//! Raw RocksDB: one column family that holds live rows and nothing else. It cannot read the past;
//! what it does is the limit of what a layout on RocksDB can do.

use std::path::Path;

use anyhow::Result;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, ReadOptions, WriteBatch};
use sapwood::RocksDBConfig;

use super::{Seen, latest_state::LatestState, peer_options, settle};
use crate::{
    data::{Key, stamp_of},
    dataset::BATCH_KEYS,
};

#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) db: DB,
}

impl Raw {
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let db = DB::open(&peer_options::plain(config), path)?;
        Ok(Self { db })
    }

    /// Writes a batch.
    pub(crate) fn write<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in rows {
            batch.put(key, value);
        }
        Ok(self.db.write(batch)?)
    }

    /// Waits until every flush and compaction that is due is done.
    pub(crate) fn settle(&self) -> Result<()> {
        self.db.flush()?;
        settle::wait(|property| Ok(self.db.property_int_value(property)?))
    }

    /// Rewrites all of it into its most compact form.
    pub(crate) fn compact(&self) -> Result<()> {
        compact(&self.db);
        self.settle()
    }

    /// Reads every row.
    pub(crate) fn scan(&self) -> Result<Seen> {
        scan(&self.db, ReadOptions::default())
    }
}

/// It has no transactions: a modification is a read and then a write.
impl LatestState for Raw {
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
        let mut rows = rows.map(|(key, value)| (key.as_slice(), value)).peekable();
        while rows.peek().is_some() {
            self.write(rows.by_ref().take(BATCH_KEYS as usize))?;
        }
        self.compact()
    }

    fn read(&self, key: &Key) -> Result<Option<u64>> {
        Ok(self.db.get_pinned(key)?.map(|value| stamp_of(&value)))
    }

    fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.db.put(key, value)?)
    }

    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
        let read = self.read(key)?;
        self.db.put(key, value)?;
        Ok(read)
    }

    fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut iterator = self.db.raw_iterator();
        iterator.seek(from);
        for row in 0..rows {
            if row > 0 {
                iterator.next();
            }
            let Some((key, value)) = iterator.item() else {
                break;
            };
            see(key, value);
        }
        Ok(iterator.status()?)
    }
}

pub(super) fn compact(db: &DB) {
    db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &rewriting_all());
}

/// Options of a compaction that rewrites the last level too.
pub(super) fn rewriting_all() -> CompactOptions {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options
}

pub(super) fn scan(db: &DB, options: ReadOptions) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut rows = db.raw_iterator_opt(options);
    rows.seek_to_first();
    while let Some((_, value)) = rows.item() {
        seen.see(value);
        rows.next();
    }
    rows.status()?;
    Ok(seen)
}
