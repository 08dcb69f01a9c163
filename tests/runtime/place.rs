//! Where a chain's state is kept while the runtime over it comes and goes.

#[cfg(feature = "rocksdb-storage")]
use std::cell::Cell;

use sapwood::{MemoryConfig, MemoryStorage, Runtime, RuntimeConfig};

use crate::ledger::Ledger;

/// A storage that is opened again and again.
pub(crate) trait Place {
    fn open(&self, config: RuntimeConfig) -> Runtime<Ledger>;
}

/// How much is kept in memory until it is merged: all, nothing but the last commits, or a little of both.
fn recent_versions_size(number: usize) -> usize {
    match number % 3 {
        0 => 64 << 20,
        1 => 0,
        _ => 2 << 10,
    }
}

/// Memory: what survives a runtime is the storage's handle.
pub(crate) struct InMemory(MemoryStorage);

impl InMemory {
    pub(crate) fn new(number: usize) -> Self {
        let mut config = MemoryConfig::default();
        config.recent_versions_size = recent_versions_size(number);
        Self(MemoryStorage::with_config(config))
    }
}

impl Place for InMemory {
    fn open(&self, config: RuntimeConfig) -> Runtime<Ledger> {
        Runtime::new(&self.0, Ledger, config).unwrap()
    }
}

/// A database with tiny files, closed and opened again.
#[cfg(feature = "rocksdb-storage")]
pub(crate) struct OnDisk {
    directory: tempfile::TempDir,
    opened: Cell<usize>,
}

#[cfg(feature = "rocksdb-storage")]
impl OnDisk {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            opened: Cell::new(number),
        }
    }
}

#[cfg(feature = "rocksdb-storage")]
impl Place for OnDisk {
    fn open(&self, config: RuntimeConfig) -> Runtime<Ledger> {
        let number = self.opened.replace(self.opened.get() + 1);
        let path = self.directory.path().join("chain");
        let storage = sapwood::RocksDBStorage::new(sapwood::RocksDBConfig {
            recent_versions_size: recent_versions_size(number),
            write_buffer_size: 64 << 10,
            target_file_size: 4 << 10,
            block_cache_size: 1 << 20,
            ..sapwood::RocksDBConfig::at(path.to_str().unwrap())
        });
        Runtime::new(&storage.unwrap(), Ledger, config).unwrap()
    }
}
