//! Raw RocksDB: one column family that holds live rows and nothing else. It cannot read the past;
//! what it does is the limit of what a layout on RocksDB can do.

use std::path::Path;

use anyhow::Result;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, ReadOptions, WriteBatch};
use sapwood::RocksDBConfig;

use super::{Seen, peer_options, settle};

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
