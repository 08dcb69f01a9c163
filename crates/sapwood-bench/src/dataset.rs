//! The stores that the read rows share: the same keys, each with eight versions.
//!
//! Versions are written in sweeps: batch `b` of sweep `v` sets its thousand keys at timestamp
//! `v * batches + b + 1`, so which version is alive when can be told without asking anyone. The
//! plain store gets the last version only. All is compacted and read once before it is measured.
//! A store is made when the first row asks for it.

use std::cell::OnceCell;

use anyhow::Result;
use sapwood::{RocksDBConfig, Timestamp};

use crate::{
    convert::count,
    data::{Data, Writes, stamp},
    harness::Bench,
    stores::{Ours, Raw, Seen, Udt},
};

/// Keys of one batch.
pub(crate) const BATCH_KEYS: u32 = 1_000;
/// Versions of each key.
pub(crate) const VERSIONS: u32 = 8;

pub(crate) struct Dataset<'a> {
    bench: &'a Bench,
    pub(crate) data: Data,
    ours: OnceCell<Ours>,
    raw: OnceCell<Raw>,
    udt: OnceCell<Udt>,
}

impl<'a> Dataset<'a> {
    pub(crate) fn new(bench: &'a Bench, value_bytes: usize) -> Self {
        Self {
            bench,
            data: Data::new(bench.size.keys, value_bytes),
            ours: OnceCell::new(),
            raw: OnceCell::new(),
            udt: OnceCell::new(),
        }
    }

    /// Timestamps that one sweep takes.
    pub(crate) fn batches(&self) -> u32 {
        self.data.len().div_ceil(BATCH_KEYS)
    }

    /// The newest timestamp.
    pub(crate) fn last(&self) -> u32 {
        self.batches() * VERSIONS
    }

    /// The version of a key that is alive at a timestamp from the end of the first sweep on.
    pub(crate) fn version_at(&self, id: u32, at: u32) -> u32 {
        at.saturating_sub(id / BATCH_KEYS + 1) / self.batches()
    }

    /// What a scan at such a timestamp must see.
    pub(crate) fn expected_at(&self, at: u32) -> Seen {
        let stamps = (0..self.data.len())
            .map(|id| stamp(id, self.version_at(id, at)))
            .fold(0, u64::wrapping_add);
        Seen {
            rows: u64::from(self.data.len()),
            stamps,
        }
    }

    /// What a scan of the newest state must see.
    pub(crate) fn expected(&self) -> Seen {
        self.expected_at(self.last())
    }

    pub(crate) fn ours(&self) -> Result<&Ours> {
        get(&self.ours, || {
            self.bench.say("loading Sapwood");
            let ours = Ours::open(&self.bench.path("ours"), &RocksDBConfig::default())?;
            for version in 0..VERSIONS {
                self.sweep(version, |_, writes| {
                    ours.write(self.data.rows(writes)).map(drop)
                })?;
            }
            ours.engine.compact()?;
            ours.scan()?;
            ours.scan_at(at(self.batches()))?;
            Ok(ours)
        })
    }

    pub(crate) fn raw(&self) -> Result<&Raw> {
        get(&self.raw, || {
            self.bench.say("loading raw RocksDB");
            let raw = Raw::open(&self.bench.path("raw"), &RocksDBConfig::default())?;
            self.sweep(VERSIONS - 1, |_, writes| raw.write(self.data.rows(writes)))?;
            raw.compact()?;
            raw.scan()?;
            Ok(raw)
        })
    }

    pub(crate) fn udt(&self) -> Result<&Udt> {
        get(&self.udt, || {
            self.bench.say("loading RocksDB with timestamps");
            let udt = Udt::open(&self.bench.path("udt"), &RocksDBConfig::default())?;
            for version in 0..VERSIONS {
                self.sweep(version, |at, writes| udt.write(at, self.data.rows(writes)))?;
            }
            udt.compact()?;
            udt.scan_at(at(self.last()))?;
            Ok(udt)
        })
    }

    /// Hands one version of all keys to `write`, batch by batch, with each batch's timestamp.
    fn sweep(
        &self,
        version: u32,
        mut write: impl FnMut(Timestamp, &Writes) -> Result<()>,
    ) -> Result<()> {
        for batch in 0..self.batches() {
            let first = batch * BATCH_KEYS;
            let ids = first..self.data.len().min(first + BATCH_KEYS);
            let writes = self.data.writes(ids, version);
            write(at(version * self.batches() + batch + 1), &writes)?;
        }
        Ok(())
    }

    /// Bytes that a scan of all rows returns.
    pub(crate) fn scan_bytes(&self) -> u64 {
        count(self.data.keys.len()) * self.data.row_bytes()
    }
}

/// A timestamp of the data set.
pub(crate) fn at(number: u32) -> Timestamp {
    Timestamp::new(u64::from(number))
}

fn get<S>(cell: &OnceCell<S>, make: impl FnOnce() -> Result<S>) -> Result<&S> {
    if let Some(store) = cell.get() {
        return Ok(store);
    }
    let store = make()?;
    Ok(cell.get_or_init(|| store))
}
