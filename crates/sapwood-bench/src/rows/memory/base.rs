//! The children that measure a store: one loads and compacts it, another opens it; both read it, and say what it takes.

use std::{fmt, path::Path};

use anyhow::{Context, Result};
use sapwood::{ReadView, RocksDBConfig, Storage};
use serde::{Deserialize, Serialize};

use super::{MEGA, growth, resident::Resident};
use crate::{
    convert::{count, float},
    data::{Data, Writes},
    dataset::{BATCH_KEYS, VERSIONS, at},
    rows::{VALUE_BYTES, reading::is_stamped, writing::expected},
    stores::{Ours, Raw, Seen},
    zipf,
};

/// Less than the current rows of any run.
const CACHE_BYTES: usize = 8 << 20;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// Memtables count what they have asked for, an eighth of this at a time, whether or not it is in use.
const SMALL_WRITE_BUFFER_BYTES: usize = 1 << 20;
/// Keys that are updated before it is measured.
const UPDATED: u32 = 1_000;
/// Random reads before it is measured.
const READS: usize = 50_000;
const CACHE: &str = "rocksdb.block-cache-usage";
const MEMTABLES: &str = "rocksdb.size-all-mem-tables";

/// What to measure.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Base {
    pub(super) side: Side,
    pub(super) stage: Stage,
    pub(super) keys: u32,
    pub(super) path: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Side {
    Ours,
    Raw,
}

impl Side {
    /// Where its store lies.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "memory-ours",
            Self::Raw => "memory-raw",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// There is nothing yet.
    Load,
    /// Another process has loaded it, and others have opened it as often.
    Open(u32),
}

impl Stage {
    /// The version that a few keys get before it is measured: the memtables are in use then, as they mostly are.
    fn version(self) -> u32 {
        match self {
            Self::Load => VERSIONS,
            Self::Open(before) => VERSIONS + 1 + before,
        }
    }
}

/// What the process takes, in bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Taken {
    before: Resident,
    after: Resident,
    cache: u64,
    /// What the cache for single rows may take: full, as the other is.
    rows: u64,
    memtables: u64,
    recent: u64,
    pub(super) is_right: bool,
}

impl Taken {
    /// Beyond caches and memtables.
    pub(super) fn beyond(&self) -> f64 {
        let known = self.cache + self.rows + self.memtables + self.recent;
        growth(self.after.all, self.before.all) - float(known)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mega = |bytes: u64| float(bytes) / MEGA;
        let pages = |resident: Resident| resident.all - resident.anonymous;
        write!(
            f,
            "{:.1} MB (resident {:.1} more than before, cache {:.1}, rows {:.1}, memtables {:.1}, recent versions {:.1}; of what is \
             left {:.1} pages of the program)",
            self.beyond() / MEGA,
            growth(self.after.all, self.before.all) / MEGA,
            mega(self.cache),
            mega(self.rows),
            mega(self.memtables),
            mega(self.recent),
            growth(pages(self.after), pages(self.before)) / MEGA,
        )
    }
}

impl Base {
    pub(super) fn measure(&self) -> Result<Taken> {
        let data = Data::new(self.keys, VALUE_BYTES);
        let ids = zipf::uniform(data.len(), READS, 17);
        let config = RocksDBConfig {
            block_cache_size: CACHE_BYTES,
            write_buffer_size: match self.stage {
                Stage::Load => WRITE_BUFFER_BYTES,
                Stage::Open(_) => SMALL_WRITE_BUFFER_BYTES,
            },
            ..RocksDBConfig::default()
        };
        let path = Path::new(&self.path);
        let before = Resident::now()?;
        let taken = match self.side {
            Side::Ours => self.ours(&data, &ids, path, &config),
            Side::Raw => self.raw(&data, &ids, path, &config),
        };
        Ok(Taken { before, ..taken? })
    }

    /// The newest version of a key.
    fn newest(&self, id: u32) -> u32 {
        if id < UPDATED {
            self.stage.version()
        } else {
            VERSIONS - 1
        }
    }

    fn expected(&self) -> Seen {
        let versions: Vec<_> = (0..self.keys).map(|id| self.newest(id)).collect();
        expected(&versions)
    }

    fn ours(&self, data: &Data, ids: &[u32], path: &Path, config: &RocksDBConfig) -> Result<Taken> {
        let ours = Ours::open(path, config)?;
        if self.stage == Stage::Load {
            sweeps(data, |writes| ours.write(data.rows(writes)).map(drop))?;
            ours.engine.compact()?;
            ours.settle()?;
        }
        ours.write(data.rows(&data.writes(0..UPDATED, self.stage.version())))?;
        // Merges it: the memtables are in use then.
        let versions = ours.engine.status()?.versions;
        let batches = data.len().div_ceil(BATCH_KEYS);
        let updates = self.stage.version() - VERSIONS + 1;
        let all = data.len() * VERSIONS + UPDATED * updates;
        let mut is_right = versions == u64::from(all);
        for id in ids {
            let key = data.key(*id);
            is_right &= is_stamped(ours.engine.get(key)?.as_deref(), *id, self.newest(*id));
            let version = id % VERSIONS;
            let past = ours.storage.get_at(key, at((version + 1) * batches))?;
            is_right &= is_stamped(past.as_deref(), *id, version);
        }
        is_right &= ours.scan()? == self.expected();
        let number = |name: &str| -> Result<u64> {
            let value = ours.storage.get_property(name)?;
            Ok(value.context("RocksDB does not tell it")?.parse()?)
        };
        // The keyspaces share one cache, and each tells its use.
        let keyspaces = count(ours.engine.sizes()?.len());
        let taken = Taken {
            after: Resident::now()?,
            cache: number(CACHE)? / keyspaces.max(1),
            // At most an eighth of the whole.
            rows: count(config.row_cache_size.min(config.block_cache_size / 8)),
            memtables: number(MEMTABLES)?,
            recent: ours.engine.stats().recent_bytes,
            ..Taken::default()
        };
        let middle = VERSIONS / 2;
        let past = expected(&vec![middle; data.keys.len()]);
        is_right &= ours.scan_at(at((middle + 1) * batches))? == past;
        Ok(Taken { is_right, ..taken })
    }

    fn raw(&self, data: &Data, ids: &[u32], path: &Path, config: &RocksDBConfig) -> Result<Taken> {
        let raw = Raw::open(path, config)?;
        if self.stage == Stage::Load {
            sweeps(data, |writes| raw.write(data.rows(writes)))?;
            raw.compact()?;
        }
        raw.write(data.rows(&data.writes(0..UPDATED, self.stage.version())))?;
        let mut is_right = true;
        for id in ids {
            let value = raw.db.get(data.key(*id))?;
            is_right &= is_stamped(value.as_deref(), *id, self.newest(*id));
        }
        is_right &= raw.scan()? == self.expected();
        let number = |name: &str| -> Result<u64> {
            let value = raw.db.property_int_value(name)?;
            value.context("RocksDB does not tell it")
        };
        Ok(Taken {
            after: Resident::now()?,
            cache: number(CACHE)?,
            memtables: number(MEMTABLES)?,
            is_right,
            ..Taken::default()
        })
    }
}

fn sweeps(data: &Data, mut write: impl FnMut(&Writes) -> Result<()>) -> Result<()> {
    for version in 0..VERSIONS {
        for first in (0..data.len()).step_by(BATCH_KEYS as usize) {
            let ids = first..data.len().min(first + BATCH_KEYS);
            write(&data.writes(ids, version))?;
        }
    }
    Ok(())
}
