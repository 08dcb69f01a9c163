//! [`Storage`]: what a runtime sees, and [`MemoryStorage`].

use super::{
    batch::{Batch, CommitInfo, CommitOptions},
    diff::Diff,
    history::History,
    iter::Iter,
    key_range::KeyRange,
    pins::{Pin, PinOptions},
    prune::PruneReport,
    rollback::RollbackReport,
    store::{Store, StoreOptions},
    verify::VerifyReport,
};
use crate::{
    backend::memory::MemoryBackend,
    config::{Durability, MemoryConfig},
    error::Result,
    sync::Arc,
    timestamp::Timestamp,
};

pub(crate) mod sealed {
    use super::{Arc, Store};

    /// Gives the engine the store behind a handle; keeps the trait closed to other crates.
    pub trait Handle: std::fmt::Debug + Send + Sync {
        #[doc(hidden)]
        fn store(&self) -> &StoreHandle;
    }

    /// The inner that all handles of a store share.
    #[derive(Clone, Debug)]
    pub struct StoreHandle(pub(crate) Arc<Store>);
}

use sealed::{Handle, StoreHandle};

/// Versioned key-value storage: the newest state, and every retained past one.
///
/// Every write is a commit of its own, with its own timestamp; a failed one changes nothing, but for
/// one that the backend failed to write: whether it took effect is known when the store is opened again.
/// [`MemoryStorage`] and [`RocksDBStorage`](crate::RocksDBStorage) implement it, with the same
/// results; an [`Engine`](crate::Engine) can be put over either. Handles are cheap to clone, and
/// all clones are the same store.
///
/// Keys are ordered by their bytes. Any bytes are legal, the empty key and the empty value too.
///
/// # Errors
/// Every call: [`Closed`](crate::ErrorKind::Closed) after [`close`](crate::Engine::close),
/// [`Corrupt`](crate::ErrorKind::Corrupt) for stored bytes that cannot be right,
/// [`Io`](crate::ErrorKind::Io) where the backend fails. Every call with a key:
/// [`TooLarge`](crate::ErrorKind::TooLarge) over its [limit](crate::limits). Every call with a
/// timestamp: [`NotYet`](crate::ErrorKind::NotYet) above the visible one,
/// [`Pruned`](crate::ErrorKind::Pruned) below the floor where no pin holds it.
///
/// # Examples
/// ```
/// use sapwood::{MemoryStorage, Storage};
///
/// let storage = MemoryStorage::new();
/// let first = storage.set(b"key", b"one")?;
/// storage.set(b"key", b"two")?;
/// assert_eq!(storage.get(b"key")?.as_deref(), Some(&b"two"[..]));
/// assert_eq!(storage.get_at(b"key", first)?.as_deref(), Some(&b"one"[..]));
/// # Ok::<(), sapwood::Error>(())
/// ```
pub trait Storage: Handle {
    /// The newest value of a key.
    ///
    /// # Errors
    /// See [`Storage`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.store().0.get_latest(key)?.map(Vec::from))
    }

    /// The newest values of some keys, in the order asked for, all as of one timestamp.
    ///
    /// # Errors
    /// See [`Storage`].
    fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let values = self.store().0.multi_get_latest(keys)?;
        Ok(values
            .into_iter()
            .map(|value| value.map(Vec::from))
            .collect())
    }

    /// Whether a key exists now.
    ///
    /// # Errors
    /// See [`Storage`].
    fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.store().0.get_latest(key)?.is_some())
    }

    /// The keys that begin with `prefix` and their newest values, in key order.
    ///
    /// # Errors
    /// See [`Storage`].
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        collect(self.store().0.range_latest(KeyRange::prefix(prefix)))
    }

    /// The newest rows of a range, as an iterator from both ends.
    fn range(&self, range: KeyRange) -> Iter {
        self.store().0.range_latest(range)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// See [`Storage`]; [`Invalid`](crate::ErrorKind::Invalid) where the store's commits are
    /// numbered by their caller.
    fn set(&self, key: &[u8], value: &[u8]) -> Result<Timestamp> {
        self.write_batch(vec![(key.to_vec(), Some(value.to_vec()))])
    }

    /// Deletes a key. One that does not exist stays so, and the commit takes its timestamp.
    ///
    /// # Errors
    /// As [`Storage::set`].
    fn delete(&self, key: &[u8]) -> Result<Timestamp> {
        self.write_batch(vec![(key.to_vec(), None)])
    }

    /// Applies some writes as one commit at the next timestamp; `None` deletes.
    ///
    /// # Errors
    /// As [`Storage::set`].
    fn write_batch(&self, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<Timestamp> {
        Ok(self
            .commit(writes.into(), CommitOptions::default())?
            .timestamp)
    }

    /// Applies some writes as one commit at `timestamp`, which must be above the last: a block's
    /// height. Gaps are fine.
    ///
    /// # Errors
    /// As [`Storage::set`]; [`Invalid`](crate::ErrorKind::Invalid) where the timestamp is not above
    /// the last, or above [`Timestamp::MAX`].
    fn commit_at(
        &self,
        timestamp: Timestamp,
        writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<Timestamp> {
        Ok(self
            .commit(writes.into(), CommitOptions::default().at(timestamp))?
            .timestamp)
    }

    /// Applies a batch as one commit.
    ///
    /// # Errors
    /// As [`Storage::commit_at`].
    fn commit(&self, batch: Batch, options: CommitOptions) -> Result<CommitInfo> {
        self.store().0.commit(batch, options)
    }

    /// Deletes every key of a range, as one commit.
    ///
    /// # Errors
    /// As [`Storage::set`]; [`TooLarge`](crate::ErrorKind::TooLarge) where the range holds more keys
    /// than a batch may.
    fn delete_range(&self, range: &KeyRange) -> Result<Timestamp> {
        Ok(self
            .store()
            .0
            .delete_range(range, CommitOptions::default())?
            .timestamp)
    }

    /// Sets a key to `new` (`None` deletes), if its newest value is `expected` (`None`: it does not
    /// exist).
    ///
    /// # Errors
    /// As [`Storage::set`]; [`Conflict`](crate::ErrorKind::Conflict) where the value is another, and
    /// then nothing is written.
    fn compare_and_set(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<Timestamp> {
        let options = CommitOptions::default();
        Ok(self
            .store()
            .0
            .compare_and_set(key, expected, new, options)?
            .timestamp)
    }

    /// The value of a key at a timestamp.
    ///
    /// # Errors
    /// See [`Storage`].
    fn get_at(&self, key: &[u8], at: Timestamp) -> Result<Option<Vec<u8>>> {
        Ok(self.store().0.get_at(key, at)?.map(Vec::from))
    }

    /// The values of some keys at a timestamp, in the order asked for.
    ///
    /// # Errors
    /// See [`Storage`].
    fn multi_get_at(&self, keys: &[&[u8]], at: Timestamp) -> Result<Vec<Option<Vec<u8>>>> {
        let guard = self.store().0.admit(at)?;
        let values = self.store().0.multi_get_guarded(keys, &guard)?;
        Ok(values
            .into_iter()
            .map(|value| value.map(Vec::from))
            .collect())
    }

    /// Whether a key existed at a timestamp.
    ///
    /// # Errors
    /// See [`Storage`].
    fn contains_at(&self, key: &[u8], at: Timestamp) -> Result<bool> {
        Ok(self.store().0.get_at(key, at)?.is_some())
    }

    /// The keys that began with `prefix` at a timestamp and their values, in key order.
    ///
    /// # Errors
    /// See [`Storage`].
    fn scan_at(&self, prefix: &[u8], at: Timestamp) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        collect(self.store().0.range_at(KeyRange::prefix(prefix), at))
    }

    /// The rows of a range at a timestamp, as an iterator from both ends.
    fn range_at(&self, range: KeyRange, at: Timestamp) -> Iter {
        self.store().0.range_at(range, at)
    }

    /// The versions of a key that were alive at some time in `[from, to)`, newest first.
    ///
    /// # Errors
    /// See [`Storage`].
    fn history(&self, key: &[u8], from: Timestamp, to: Timestamp) -> Result<History> {
        self.store().0.history(key, &(from..to))
    }

    /// What differs between the states at two timestamps, in key order.
    ///
    /// # Errors
    /// See [`Storage`]; [`Invalid`](crate::ErrorKind::Invalid) where the first is after the second.
    fn diff(&self, old: Timestamp, new: Timestamp) -> Result<Diff> {
        self.store().0.diff(old, new)
    }

    /// Holds the state at a timestamp under a name, however far pruning goes.
    ///
    /// # Errors
    /// See [`Storage`]; [`Invalid`](crate::ErrorKind::Invalid) where the name is taken.
    fn pin(&self, name: &str, at: Timestamp, options: PinOptions) -> Result<Pin> {
        self.store().0.pin(name, at, options)
    }

    /// Removes a pin. Snapshots that read at it keep what they see.
    ///
    /// # Errors
    /// See [`Storage`]; [`NotFound`](crate::ErrorKind::NotFound) where there is none of that name.
    fn unpin(&self, name: &str) -> Result<()> {
        self.store().0.unpin(name)
    }

    /// Moves the prune floor up to a timestamp and gives the space back of what is below it.
    ///
    /// # Errors
    /// See [`Storage`].
    fn prune_before(&self, before: Timestamp) -> Result<PruneReport> {
        self.store().0.prune_before(before, &mut |_, _| {})
    }

    /// Makes the state what it was at a timestamp, for good. The next commit may take the timestamp after it.
    ///
    /// # Errors
    /// As [`Engine::rollback_to`](crate::Engine::rollback_to).
    fn rollback_to(&self, target: Timestamp) -> Result<RollbackReport> {
        self.store().0.rollback_to(target)
    }

    /// Walks everything that is stored, and reports what breaks one of the [rules](crate::Rule).
    ///
    /// # Errors
    /// As [`Engine::verify`](crate::Engine::verify).
    fn verify(&self) -> Result<VerifyReport> {
        self.store().0.verify(&mut |_, _| {})
    }

    /// How often the store was rolled back.
    fn epoch(&self) -> u64 {
        self.store().0.clock.epoch()
    }

    /// The newest timestamp that can be read.
    fn visible(&self) -> Timestamp {
        self.store().0.clock.visible()
    }

    /// The lowest timestamp that can be read without a pin.
    fn floor(&self) -> Timestamp {
        self.store().0.floor()
    }
}

fn collect(rows: Iter) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    rows.map(|row| row.map(|(key, value)| (key.into(), value.into())))
        .collect()
}

/// Versioned storage in memory, for tests, examples and state that need not outlive the process.
///
/// # Examples
/// ```
/// use sapwood::{KeyRange, MemoryStorage, Storage};
///
/// let storage = MemoryStorage::new();
/// storage.set(b"a", b"1")?;
/// let same = storage.clone();
/// assert!(same.contains(b"a")?);
/// same.delete_range(&KeyRange::all())?;
/// assert!(!storage.contains(b"a")?);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStorage(StoreHandle);

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_config(MemoryConfig::default())
    }

    /// An empty store with these options.
    pub fn with_config(config: MemoryConfig) -> Self {
        Self(StoreHandle(Store::new(
            Box::new(MemoryBackend::new()),
            options(config),
        )))
    }

    /// A store in memory with all versions, pins and epochs of another, and its floor, as of one moment.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where the source cannot be read; as every call of [`Storage`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{MemoryConfig, MemoryStorage, Storage};
    ///
    /// let storage = MemoryStorage::new();
    /// let first = storage.set(b"key", b"old")?;
    /// storage.set(b"key", b"new")?;
    /// let copy = MemoryStorage::copy_of(&storage, MemoryConfig::default())?;
    /// copy.delete(b"key")?;
    /// assert_eq!(copy.get_at(b"key", first)?.as_deref(), Some(&b"old"[..]));
    /// assert!(storage.contains(b"key")?);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn copy_of(source: &impl Storage, config: MemoryConfig) -> Result<Self> {
        let target = Box::new(MemoryBackend::new());
        let copy = source.store().0.copied_to(target, options(config))?;
        Ok(Self(StoreHandle(copy)))
    }
}

fn options(config: MemoryConfig) -> StoreOptions {
    StoreOptions {
        durability: Durability::default(),
        timestamps: config.timestamps,
        max_snapshot_age: config.max_snapshot_age,
        conflict_log_size: config.conflict_log_size,
        recent_versions_size: config.recent_versions_size,
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Handle for MemoryStorage {
    fn store(&self) -> &StoreHandle {
        &self.0
    }
}

impl Storage for MemoryStorage {}
