//! The engine against a reference: random operations on both storages, every answer compared.
//!
//! Files, memtables and blocks are tiny, so that the versions of a key spread over files and
//! levels. `SEEDS` says how many schedules each storage runs (`make model SEEDS=1000`), `SEED` runs
//! just one; a failure names its seed.

#[path = "model/schedule.rs"]
mod schedule;

#[path = "model/reference.rs"]
mod reference;

#[path = "model/transactions.rs"]
mod transactions;

use std::env;

use sapwood::{Engine, MemoryStorage};

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

#[test]
fn memory_agrees_with_the_reference() {
    println!("seeds {:?}", seeds());
    for seed in seeds() {
        let engine = Engine::new(&MemoryStorage::new());
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
        let open = move || {
            let config = RocksDBConfig {
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
