//! [`RocksDBStorage`]: versioned storage on disk.

use std::path::Path;

use super::{
    Storage,
    checkpoint::{self, Checkpoint, manifest::Manifest},
    handle::sealed::{Handle, StoreHandle},
    store::{Store, StoreOptions},
};
use crate::{
    backend::rocksdb::RocksDBBackend,
    config::RocksDBConfig,
    error::{Error, Result},
    trace,
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
        let path = Path::new(&config.path);
        let span = trace::open(path).entered();
        checkpoint::check_known(path)?;
        let backend = RocksDBBackend::open(&config)?;
        // Nobody else can have it open by now.
        let is_copy = checkpoint::take_over(path)?;
        let storage = Self::over(backend, &config)?;
        if is_copy {
            storage.0.0.begin_branch()?;
            checkpoint::taken_over(path)?;
        }
        let store = &storage.0.0;
        span.record("visible", store.clock.visible().get());
        span.record("floor", store.floor().get());
        span.record("recent_versions", store.recent.held().0);
        Ok(storage)
    }

    fn over(backend: RocksDBBackend, config: &RocksDBConfig) -> Result<Self> {
        let store = Store::open(Box::new(backend), Self::options(config))?;
        Ok(Self(StoreHandle(store)))
    }

    pub(super) fn options(config: &RocksDBConfig) -> StoreOptions {
        StoreOptions {
            durability: config.durability,
            timestamps: config.timestamps,
            max_snapshot_age: config.max_snapshot_age,
            conflict_log_size: config.conflict_log_size,
            recent_versions_size: config.recent_versions_size,
        }
    }

    /// Opens a checkpoint to read. Every write is refused; no file of it is changed and none is added, so it stays
    /// one, may lie on a medium that cannot be written, and may be open many times.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no checkpoint,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where a file of it is missing or damaged,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one of a newer build,
    /// [`Io`](crate::ErrorKind::Io).
    #[expect(clippy::needless_pass_by_value, reason = "as RocksDBStorage::new")]
    pub fn open_read_only(config: RocksDBConfig) -> Result<Self> {
        let path = Path::new(&config.path);
        let manifest = checkpoint::load(path)?;
        checkpoint::check_files(path, &manifest)?;
        Self::open_copy(&config, &manifest)
    }

    /// Opens a database to read while another process has it open, as it is now: what is committed or pruned
    /// afterwards does not show. Every write is refused; no file of it is changed and none is added. The files that it
    /// reads stay on the disk while it is open, also where that process has removed them.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no database,
    /// [`Locked`](crate::ErrorKind::Locked) where its files change too quickly to be opened,
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) where it is just being rolled back, or such a rollback has to be
    /// finished; otherwise as [`RocksDBStorage::new`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, ReadView, RocksDBConfig, RocksDBStorage};
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("state");
    /// let engine = Engine::open(&path)?; // in another process, say
    /// engine.set(b"key", b"one")?;
    /// let config = RocksDBConfig::at(path.to_str().unwrap());
    /// let beside = Engine::new(&RocksDBStorage::open_beside(config)?);
    /// engine.set(b"key", b"two")?;
    /// assert_eq!(beside.get(b"key")?.as_deref(), Some(&b"one"[..]));
    /// assert!(beside.set(b"key", b"three").is_err());
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as RocksDBStorage::new")]
    pub fn open_beside(config: RocksDBConfig) -> Result<Self> {
        Self::over(RocksDBBackend::open_beside(&config)?, &config)
    }

    /// Opens to read what a manifest speaks of.
    pub(super) fn open_copy(config: &RocksDBConfig, manifest: &Manifest) -> Result<Self> {
        let storage = Self::over(RocksDBBackend::open_read_only(config)?, config)?;
        checkpoint::check_state(&storage.0.0, Path::new(&config.path), manifest)?;
        Ok(storage)
    }

    /// Makes a database of a checkpoint, at the configuration's path, where nothing may be yet, and opens it.
    /// Files are copied, not linked; the checkpoint is only read. Timestamps go on above those of the checkpoint,
    /// in its epoch. A crash leaves the whole database, or nothing that could be taken for one.
    ///
    /// # Errors
    /// As [`RocksDBStorage::open_read_only`]; [`Invalid`](crate::ErrorKind::Invalid) where the path exists, or
    /// lies in the checkpoint.
    pub fn restore(checkpoint: impl AsRef<Path>, config: RocksDBConfig) -> Result<Self> {
        let (from, to) = (checkpoint.as_ref(), Path::new(&config.path));
        checkpoint::restore(from, to, |copy, manifest| {
            Self::check_copy(copy, &config, manifest)
        })?;
        Self::new(config)
    }

    /// Whether a copy can be opened, and is what its manifest says.
    pub(super) fn check_copy(
        copy: &Path,
        config: &RocksDBConfig,
        manifest: &Manifest,
    ) -> Result<()> {
        let path = copy
            .to_str()
            .ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8", copy.display())))?;
        let config = RocksDBConfig {
            path: path.to_owned(),
            ..config.clone()
        };
        Self::open_copy(&config, manifest)?;
        Ok(())
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

    /// Writes a copy of the state at the visible timestamp, with its history and its pins, to a new directory, by
    /// hard links: quick, and small until the two drift apart. Directories above it are created. Commits wait for
    /// the last part of it; prunes and reads do not. It is durable when this returns; what fails or crashes before
    /// leaves nothing that could be taken for a checkpoint.
    ///
    /// It is [opened to read](Self::open_read_only), or [restored](Self::restore) to another path. It can also be
    /// opened as a database where it is, and is no checkpoint any more then.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the path exists, [`Io`](crate::ErrorKind::Io) where it is on
    /// another file system, and as every call of [`Storage`].
    ///
    /// # Examples
    /// See [`Checkpoint`].
    pub fn create_checkpoint(&self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        self.0.0.create_checkpoint(path.as_ref())
    }
}

impl Handle for RocksDBStorage {
    fn store(&self) -> &StoreHandle {
        &self.0
    }
}

impl Storage for RocksDBStorage {}
