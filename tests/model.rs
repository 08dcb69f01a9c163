//! The engine against a reference: random operations on both storages, every answer compared.
//!
//! Files, memtables and blocks are tiny, so that the versions of a key spread over files and
//! levels. `SEEDS` says how many schedules each storage runs (`make model SEEDS=1000`), `SEED` runs
//! just one; a failure names its seed. A third of them merges each commit at once, a third merges soon.

#[path = "model/schedule.rs"]
mod schedule;

#[path = "model/reference.rs"]
mod reference;

#[path = "model/rollback.rs"]
mod rollback;

#[path = "model/transactions.rs"]
mod transactions;

use std::env;

use sapwood::{Engine, MemoryConfig, MemoryStorage};

use schedule::Schedule;

/// Schedules that `make test` runs on each storage.
const SEEDS: u64 = 40;
/// Operations of one schedule.
const OPERATIONS: usize = 250;

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    }
}

/// How much is kept in memory until it is merged, by seed and by how often the store was opened.
fn recent_versions_size(number: u64) -> usize {
    match number % 3 {
        0 => 64 << 20,
        1 => 0,
        _ => 2 << 10,
    }
}

#[test]
fn memory_agrees_with_the_reference() {
    println!("seeds {:?}", seeds());
    for seed in seeds() {
        let mut config = MemoryConfig::default();
        config.recent_versions_size = recent_versions_size(seed);
        let engine = Engine::new(&MemoryStorage::with_config(config));
        Schedule::new(seed, engine, None).run(OPERATIONS);
    }
}

#[cfg(feature = "rocksdb-storage")]
#[test]
fn rocksdb_agrees_with_the_reference() {
    use sapwood::{RocksDBConfig, RocksDBStorage};

    println!("seeds {:?}", seeds());
    for seed in seeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state").to_str().unwrap().to_owned();
        let opened = std::cell::Cell::new(seed);
        let open = move || {
            opened.set(opened.get() + 1);
            let config = RocksDBConfig {
                recent_versions_size: recent_versions_size(opened.get()),
                write_buffer_size: 64 << 10,
                target_file_size: 1 << 10,
                block_cache_size: 1 << 20,
                ..RocksDBConfig::at(path.clone())
            };
            Engine::new(&RocksDBStorage::new(config).unwrap())
        };
        Schedule::new(seed, open(), Some(Box::new(open))).run(OPERATIONS);
    }
}
