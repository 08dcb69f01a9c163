//! [`RocksDBStorage`]: versioned storage on disk.

use std::path::Path;

use super::{
    Storage,
    handle::sealed::{Handle, StoreHandle},
    store::{Store, StoreOptions},
};
use crate::{
    backend::rocksdb::RocksDBBackend, config::RocksDBConfig, error::Result, timestamp::Timestamp,
};

/// Versioned storage on RocksDB.
///
/// # Examples
/// ```standalone_crate
/// # let directory = tempfile::tempdir().unwrap();
/// # std::env::set_current_dir(directory.path()).unwrap();
/// use sapwood::{RocksDBConfig, RocksDBStorage, Storage};
/// let storage = RocksDBStorage::new(RocksDBConfig {
///     path: "./data/state".to_string(),
///     max_open_files: 10000,
///     write_buffer_size: 256 * 1024 * 1024,   // bytes
///     block_cache_size: 1024 * 1024 * 1024,   // bytes
///     enable_compression: true,               // LZ4
///     max_background_jobs: 8,
///     ..Default::default()
/// })?;
/// storage.set(b"key", b"value")?;                                   // one commit, one version
/// storage.write_batch(vec![(b"k1".to_vec(), Some(b"v1".to_vec())),
///                          (b"k2".to_vec(), None)])?;               // atomic; None deletes
/// storage.create_checkpoint("./snapshots/checkpoint_001")?;
/// # let copy = RocksDBStorage::new(RocksDBConfig::at("./snapshots/checkpoint_001"))?;
/// # assert_eq!(copy.get(b"k1")?, Some(b"v1".to_vec()));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RocksDBStorage(StoreHandle);

impl RocksDBStorage {
    /// Opens a database; creates it, and the directories above it, where there is none.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a path that is a file or a directory of other
    /// things, [`Locked`](crate::ErrorKind::Locked) where it is open elsewhere,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a newer format or a RocksDB database that
    /// is not Sapwood's, [`Corrupt`](crate::ErrorKind::Corrupt), [`Io`](crate::ErrorKind::Io).
    #[expect(clippy::needless_pass_by_value, reason = "the seed plan's signature")]
    pub fn new(config: RocksDBConfig) -> Result<Self> {
        let options = StoreOptions {
            durability: config.durability,
            timestamps: config.timestamps,
            max_snapshot_age: config.max_snapshot_age,
            conflict_log_size: config.conflict_log_size,
            recent_versions_size: config.recent_versions_size,
        };
        let backend = RocksDBBackend::open(&config)?;
        Ok(Self(StoreHandle(Store::open(Box::new(backend), options)?)))
    }

    /// Opens `./data` with the default configuration.
    ///
    /// # Errors
    /// As [`RocksDBStorage::new`].
    pub fn new_default() -> Result<Self> {
        Self::new(RocksDBConfig::default())
    }

    /// The value of one of RocksDB's own properties, such as `rocksdb.estimate-num-keys`; numbers
    /// are summed over the keyspaces, texts joined. `None` for a name that RocksDB does not know.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn get_property(&self, name: &str) -> Result<Option<String>> {
        self.0.0.check_open()?;
        self.0.0.backend.property(name)
    }

    /// Writes a copy of the store to a new directory, by hard links: quick, and small until the two
    /// drift apart. Directories above it are created. The copy opens as a store of its own. Commits
    /// wait meanwhile; the timestamp of the copied state is returned.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the path exists, and as every call of
    /// [`Storage`].
    pub fn create_checkpoint(&self, path: impl AsRef<Path>) -> Result<Timestamp> {
        self.0.0.create_checkpoint(path.as_ref())
    }
}

impl Handle for RocksDBStorage {
    fn store(&self) -> &StoreHandle {
        &self.0
    }
}

impl Storage for RocksDBStorage {}
