//! What RocksDB tells of itself, as samples: files by level, properties, tickers.

use std::collections::BTreeMap;

use super::{RocksDBBackend, convert};
use crate::{
    backend::Keyspace,
    error::Result,
    metrics::{Metric, Sample, rows},
};

/// Properties of each keyspace.
const OF_KEYSPACES: [(&Metric, &str); 2] = [
    (&rows::MEMTABLE_BYTES, "rocksdb.cur-size-all-mem-tables"),
    (&rows::ESTIMATED_ROWS, "rocksdb.estimate-num-keys"),
];

/// Properties of keyspaces whose sums tell enough.
const SUMS: [(&Metric, &str); 2] = [
    (
        &rows::IMMUTABLE_MEMTABLES,
        "rocksdb.num-immutable-mem-table",
    ),
    (
        &rows::PENDING_COMPACTION,
        "rocksdb.estimate-pending-compaction-bytes",
    ),
];

/// Properties of the database; the value of the label, if there is one.
const OF_DATABASE: [(&Metric, &str, &str); 4] = [
    (&rows::RUNNING_JOBS, "flush", "rocksdb.num-running-flushes"),
    (
        &rows::RUNNING_JOBS,
        "compaction",
        "rocksdb.num-running-compactions",
    ),
    (&rows::BACKGROUND_ERRORS, "", "rocksdb.background-errors"),
    (&rows::WRITE_STOPPED, "", "rocksdb.is-write-stopped"),
];

/// Properties of the cache, which all keyspaces share.
const OF_CACHE: [(&str, &str); 3] = [
    ("used", "rocksdb.block-cache-usage"),
    ("pinned", "rocksdb.block-cache-pinned-usage"),
    ("capacity", "rocksdb.block-cache-capacity"),
];

/// RocksDB's own default, which is not changed.
const LEVELS: i32 = 7;

pub(super) fn sample(backend: &RocksDBBackend, samples: &mut Vec<Sample>) -> Result<()> {
    let db = backend.database.db();
    let of_keyspace = |keyspace: Keyspace, property: &str| -> Result<u64> {
        let handle = backend.database.handle(keyspace);
        let value = db.property_int_value_cf(handle, property);
        Ok(value.map_err(|e| convert(&e))?.unwrap_or(0))
    };
    for keyspace in Keyspace::ALL {
        for (metric, property) in OF_KEYSPACES {
            let value = of_keyspace(keyspace, property)?;
            samples.push(Sample::gauge(metric, value).with(keyspace.name()));
        }
    }
    for (metric, property) in SUMS {
        let values = Keyspace::ALL.into_iter();
        let sum: Result<u64> = values.map(|keyspace| of_keyspace(keyspace, property)).sum();
        samples.push(Sample::gauge(metric, sum?));
    }
    for (metric, label, property) in OF_DATABASE {
        // They are kept with the column family that is always there.
        let value = db.property_int_value(property).map_err(|e| convert(&e))?;
        samples.push(Sample::gauge(metric, value.unwrap_or(0)).with(label));
    }
    for (part, property) in OF_CACHE {
        let value = of_keyspace(Keyspace::Current, property)?;
        samples.push(Sample::gauge(&rows::BLOCK_CACHE_BYTES, value).with(part));
    }
    sample_levels(backend, samples)?;
    backend.statistics.sample(samples);
    Ok(())
}

/// Files and bytes of each level.
fn sample_levels(backend: &RocksDBBackend, samples: &mut Vec<Sample>) -> Result<()> {
    let files = backend.database.db().live_files();
    let mut levels: BTreeMap<(usize, i32), (u64, u64)> = BTreeMap::new();
    for file in files.map_err(|e| convert(&e))? {
        let name = file.column_family_name.as_str();
        let Some(keyspace) = Keyspace::ALL.iter().position(|one| one.name() == name) else {
            continue;
        };
        let (count, bytes) = levels.entry((keyspace, file.level)).or_default();
        *count += 1;
        *bytes += file.size as u64;
    }
    for (index, keyspace) in Keyspace::ALL.iter().enumerate() {
        // Empty ones too: a level that is left must not keep its last value.
        for level in 0..LEVELS {
            let (count, bytes) = levels.get(&(index, level)).copied().unwrap_or_default();
            let of = |metric, value| {
                let sample = Sample::gauge(metric, value);
                sample.with(keyspace.name()).with(level.to_string())
            };
            samples.push(of(&rows::LEVEL_FILES, count));
            samples.push(of(&rows::LEVEL_BYTES, bytes));
        }
    }
    Ok(())
}
