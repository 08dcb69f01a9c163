//! [`Engine`]: the front door.

mod compact;
mod export;
mod feed;
mod metrics;
mod options;

use std::ops::{ControlFlow, RangeBounds};
#[cfg(feature = "rocksdb-storage")]
use std::path::Path;

mod retention;
mod sizes;

#[cfg(feature = "metrics")]
pub use self::metrics::EngineMetrics;

#[cfg(feature = "rocksdb-storage")]
use crate::{
    config::RocksDBConfig,
    storage::{Checkpoint, RocksDBStorage},
};
use crate::{
    error::{Error, Result},
    read_view::ReadView,
    snapshot::Snapshot,
    storage::{
        Batch, CommitInfo, CommitOptions, Diff, History, Iter, KeyRange, MemoryStorage, Pin,
        PinOptions, PruneReport, RollbackReport, Stats, Status, Storage, Value, VerifyReport,
        store::Store,
    },
    sync::Arc,
    timestamp::Timestamp,
    transaction::{self, Isolation, Transacted, Transaction, TransactionOptions},
};

/// A versioned state engine: the newest state, every retained past one, and what changed between.
///
/// Handles are cheap to clone, and all clones are the same engine; so are the handles of the
/// [`Storage`] that it was put over. Every method may be called from any thread at any time.
///
/// # Errors
/// As every call of [`Storage`].
///
/// # Examples
/// ```
/// use sapwood::{Engine, PinOptions, ReadView, Timestamp};
///
/// let engine = Engine::in_memory(); // Engine::open("state")? keeps it on disk
/// for height in 1..=100u64 {
///     engine.set(b"height", height.to_string())?;
/// }
/// let past = engine.at(Timestamp::new(42))?;
/// assert_eq!(past.get(b"height")?.as_deref(), Some(&b"42"[..]));
/// drop(past);
///
/// engine.pin("release", Timestamp::new(10), PinOptions::default())?;
/// engine.prune_before(Timestamp::new(90))?;
/// assert!(engine.at(Timestamp::new(42)).is_err());
/// let pinned = engine.at(Timestamp::new(10))?;
/// assert_eq!(pinned.get(b"height")?.as_deref(), Some(&b"10"[..]));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    store: Arc<Store>,
}

impl Engine {
    /// Opens the database in a directory, or creates it there, with the default configuration.
    ///
    /// # Errors
    /// As [`RocksDBStorage::new`].
    #[cfg(feature = "rocksdb-storage")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(RocksDBConfig::at(utf8(path.as_ref())?))
    }

    /// Opens the database that a configuration names.
    ///
    /// # Errors
    /// As [`RocksDBStorage::new`].
    #[cfg(feature = "rocksdb-storage")]
    pub fn open_with(config: RocksDBConfig) -> Result<Self> {
        Ok(Self::new(&RocksDBStorage::new(config)?))
    }

    /// Opens a checkpoint to read. No file of it is changed, so it stays one. See
    /// [`RocksDBStorage::open_read_only`].
    ///
    /// # Errors
    /// As [`RocksDBStorage::open_read_only`].
    ///
    /// # Examples
    /// See [`Checkpoint`].
    #[cfg(feature = "rocksdb-storage")]
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let config = RocksDBConfig::at(utf8(path.as_ref())?);
        Ok(Self::new(&RocksDBStorage::open_read_only(config)?))
    }

    /// Makes a database of a checkpoint, in a new directory, and opens it. The checkpoint is only read. See
    /// [`RocksDBStorage::restore`].
    ///
    /// # Errors
    /// As [`RocksDBStorage::restore`].
    ///
    /// # Examples
    /// See [`Checkpoint`].
    #[cfg(feature = "rocksdb-storage")]
    pub fn restore(checkpoint: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<Self> {
        let config = RocksDBConfig::at(utf8(path.as_ref())?);
        Ok(Self::new(&RocksDBStorage::restore(checkpoint, config)?))
    }

    /// An engine whose state lives in memory only.
    pub fn in_memory() -> Self {
        Self::new(&MemoryStorage::new())
    }

    /// The engine over a storage. Both are the same store.
    pub fn new(storage: &impl Storage) -> Self {
        Self {
            store: Arc::clone(&storage.store().0),
        }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The newest timestamp that can be read.
    pub fn visible(&self) -> Timestamp {
        self.store.clock.visible()
    }

    /// The lowest timestamp that can be read without a pin.
    pub fn floor(&self) -> Timestamp {
        self.store.floor()
    }

    /// A view of the newest state.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(
            Arc::clone(&self.store),
            self.store.admit_latest()?,
        ))
    }

    /// A view of the state at a timestamp.
    ///
    /// # Errors
    /// [`NotYet`](crate::ErrorKind::NotYet) above the visible timestamp,
    /// [`Pruned`](crate::ErrorKind::Pruned) below the floor where no pin holds it.
    pub fn at(&self, timestamp: Timestamp) -> Result<Snapshot> {
        Ok(Snapshot::new(
            Arc::clone(&self.store),
            self.store.admit(timestamp)?,
        ))
    }

    /// Sets a key, as one commit.
    ///
    /// # Errors
    /// As [`Storage::set`].
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Timestamp> {
        let mut batch = Batch::new();
        batch.set(key, value);
        Ok(self.commit(batch, CommitOptions::default())?.timestamp)
    }

    /// Deletes a key, as one commit.
    ///
    /// # Errors
    /// As [`Storage::set`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<Timestamp> {
        let mut batch = Batch::new();
        batch.delete(key);
        Ok(self.commit(batch, CommitOptions::default())?.timestamp)
    }

    /// Applies a batch as one commit.
    ///
    /// # Errors
    /// As [`Storage::commit_at`].
    pub fn commit(&self, batch: Batch, options: CommitOptions) -> Result<CommitInfo> {
        self.store.commit(batch, options)
    }

    /// Applies a batch as one commit at `timestamp`, which must be above the last: a block's
    /// height.
    ///
    /// # Errors
    /// As [`Storage::commit_at`].
    pub fn commit_at(&self, timestamp: Timestamp, batch: Batch) -> Result<CommitInfo> {
        self.commit(batch, CommitOptions::default().at(timestamp))
    }

    /// Deletes every key of a range, as one commit.
    ///
    /// # Errors
    /// As [`Storage::delete_range`].
    pub fn delete_range(&self, range: impl RangeBounds<Vec<u8>>) -> Result<CommitInfo> {
        self.store
            .delete_range(&KeyRange::new(range), CommitOptions::default())
    }

    /// The same, as the options say: at a block's height, say.
    ///
    /// # Errors
    /// As [`Storage::delete_range`] and [`Storage::commit_at`].
    pub fn delete_range_with(
        &self,
        range: impl RangeBounds<Vec<u8>>,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        self.store.delete_range(&KeyRange::new(range), options)
    }

    /// Sets a key to `new` (`None` deletes), if its newest value is `expected` (`None`: it does not
    /// exist).
    ///
    /// # Errors
    /// As [`Storage::compare_and_set`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, ErrorKind};
    ///
    /// let engine = Engine::in_memory();
    /// engine.compare_and_set(b"owner", None, Some(b"alice"))?;
    /// let error = engine.compare_and_set(b"owner", None, Some(b"bob")).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Conflict { .. }) && error.is_retryable());
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn compare_and_set(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<CommitInfo> {
        self.store
            .compare_and_set(key.as_ref(), expected, new, CommitOptions::default())
    }

    /// The same, as the options say: at a block's height, say.
    ///
    /// # Errors
    /// As [`Storage::compare_and_set`] and [`Storage::commit_at`].
    pub fn compare_and_set_with(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        self.store
            .compare_and_set(key.as_ref(), expected, new, options)
    }

    /// The versions of a key that were alive at some time in `range`, newest first.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// engine.set(b"key", b"a")?;
    /// engine.delete(b"key")?;
    /// engine.set(b"key", b"b")?;
    /// let ends: Vec<_> =
    ///     engine.history(b"key", ..)?.map(|v| v.map(|v| v.end)).collect::<Result<_, _>>()?;
    /// assert_eq!(ends, [None, Some(Timestamp::new(2))]);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn history(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<Timestamp>,
    ) -> Result<History> {
        self.store.history(key.as_ref(), &range)
    }

    /// What differs between the states at two timestamps, in key order.
    ///
    /// # Errors
    /// As every call of [`Storage`]; [`Invalid`](crate::ErrorKind::Invalid) where the first is after
    /// the second.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// let before = engine.set(b"key", b"a")?;
    /// let after = engine.set(b"key", b"b")?;
    /// for change in engine.diff(before, after)? {
    ///     let change = change?;
    ///     assert_eq!((change.old.unwrap(), change.new.unwrap()), ("a".into(), "b".into()));
    /// }
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn diff(&self, old: Timestamp, new: Timestamp) -> Result<Diff> {
        self.store.diff(old, new)
    }

    /// Begins a transaction, to be committed by hand.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    ///
    /// # Examples
    /// See [`Transaction`].
    pub fn begin(&self, isolation: Isolation) -> Result<Transaction> {
        self.begin_with(TransactionOptions::default().isolation(isolation))
    }

    /// The same, as the options say: one that only reads, say, or reads the past.
    ///
    /// # Errors
    /// As [`Engine::at`].
    pub fn begin_with(&self, options: TransactionOptions) -> Result<Transaction> {
        if !options.only_reads() {
            self.store.wait_for_debt()?;
        }
        Transaction::begin(&self.store, &options)
    }

    /// Runs a closure as a transaction and commits it. Where it loses against another commit, it is run
    /// anew, on the newest state; after some attempts in a turn in which nobody else can commit, so that
    /// it cannot lose any more. The closure may run often: all that it does should be done through the
    /// transaction. In that turn a commit by any other way is refused to this thread, and others wait: the
    /// closure must not wait for them.
    ///
    /// Where the closure returns an error or panics, everything is taken back. One that only reads, or is
    /// refused for its age, does not take such a turn.
    ///
    /// # Errors
    /// The closure's; and as [`Transaction::commit`], but for conflicts.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Isolation, ReadView};
    ///
    /// let engine = Engine::in_memory();
    /// let timestamp = engine
    ///     .transact(Isolation::Serializable, |tx| {
    ///         let visits: u64 = tx
    ///             .get(b"visits")?
    ///             .map_or(0, |v| String::from_utf8_lossy(&v).parse().unwrap_or(0));
    ///         tx.set(b"visits", (visits + 1).to_string())?;
    ///         Ok(())
    ///     })?
    ///     .timestamp;
    /// assert_eq!(engine.at(timestamp)?.get(b"visits")?.as_deref(), Some(&b"1"[..]));
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn transact<T>(
        &self,
        isolation: Isolation,
        work: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<Transacted<T>> {
        let options = TransactionOptions::default().isolation(isolation);
        self.transact_with(options, CommitOptions::default(), work)
    }

    /// The same, as the options say, with errors of the caller's own.
    ///
    /// # Errors
    /// As [`Engine::transact`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{CommitOptions, Engine, ReadView, TransactionOptions};
    ///
    /// #[derive(Debug)]
    /// enum Refused {
    ///     SoldOut,
    ///     Engine(sapwood::Error),
    /// }
    /// impl From<sapwood::Error> for Refused {
    ///     fn from(error: sapwood::Error) -> Self {
    ///         Self::Engine(error)
    ///     }
    /// }
    ///
    /// let engine = Engine::in_memory();
    /// let outcome = engine.transact_with(
    ///     TransactionOptions::default(),
    ///     CommitOptions::default(),
    ///     |tx| {
    ///         tx.set(b"order", b"1")?;
    ///         if tx.contains(b"stock")? { Ok(()) } else { Err(Refused::SoldOut) }
    ///     },
    /// );
    /// assert!(matches!(outcome, Err(Refused::SoldOut)));
    /// assert!(!engine.contains(b"order")?);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn transact_with<T, E: From<Error>>(
        &self,
        options: TransactionOptions,
        commit: CommitOptions,
        work: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<Transacted<T>, E> {
        transaction::transact(&self.store, &options, commit, work)
    }

    /// What is going on: commits, conflicts, open transactions, the oldest snapshot. Costs nothing.
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Holds the state at a timestamp under a name, however far pruning goes. The hold is durable
    /// when this returns.
    ///
    /// # Errors
    /// As [`Storage::pin`].
    pub fn pin(&self, name: &str, at: Timestamp, options: PinOptions) -> Result<Pin> {
        self.store.pin(name, at, options)
    }

    /// Removes a pin. Snapshots that read at it keep what they see.
    ///
    /// # Errors
    /// As [`Storage::unpin`].
    pub fn unpin(&self, name: &str) -> Result<()> {
        self.store.unpin(name)
    }

    /// The pins, by name.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn pins(&self) -> Result<Vec<Pin>> {
        self.store.pins()
    }

    /// Moves the prune floor up to a timestamp and gives back the space of what is below it: the
    /// state at the floor stays readable, and all above it. A snapshot holds the floor; a pin does
    /// not, and keeps what it sees.
    ///
    /// At or below the present floor nothing moves; what unpinning has freed since is given back.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn prune_before(&self, before: Timestamp) -> Result<PruneReport> {
        self.prune_with(before, |_, _| {})
    }

    /// The same, telling how far it has come: a part of 1, and what it works on. What it tells must not
    /// prune in its turn.
    ///
    /// # Errors
    /// As [`Engine::prune_before`].
    pub fn prune_with(
        &self,
        before: Timestamp,
        mut progress: impl FnMut(f64, &str),
    ) -> Result<PruneReport> {
        self.store.prune_before(before, &mut progress)
    }

    /// Makes the state what it was at a timestamp, for good: a chain has abandoned its last blocks, say. The next
    /// commit may take the timestamp after it, and an [epoch](Self::epoch) begins. Snapshots, iterators and
    /// transactions above it fail from now on with [`TooOld`](crate::ErrorKind::TooOld); those at or below it go
    /// on. It waits for commits and blocks under way; commits and reads wait for it, for about as long as it takes
    /// to write what has changed since.
    ///
    /// It is durable when this returns. Once it has begun, a crash does not undo it: it is finished when the store
    /// is opened again. To the newest timestamp there is nothing to do, and no epoch begins.
    ///
    /// # Errors
    /// [`NotYet`](crate::ErrorKind::NotYet) above the visible timestamp,
    /// [`Pruned`](crate::ErrorKind::Pruned) below the floor, also where a pin holds it;
    /// [`Invalid`](crate::ErrorKind::Invalid) where a pin holds a timestamp above it, and where this thread has the
    /// turn to commit: in the last attempt of a transaction, or between blocks; [`Corrupt`](crate::ErrorKind::Corrupt) where what is needed is lost. Then nothing was changed.
    /// [`Io`](crate::ErrorKind::Io) where the backend fails half-way: nothing can be read or written until the
    /// store is opened again.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, ReadView, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// engine.set(b"block", b"41a")?;
    /// let last_common = engine.set(b"block", b"42a")?;
    /// engine.set(b"block", b"43a")?;
    /// let report = engine.rollback_to(last_common)?;
    /// assert_eq!((report.visible, report.epoch), (last_common, 1));
    /// assert_eq!(engine.get(b"block")?.as_deref(), Some(&b"42a"[..]));
    /// assert_eq!(engine.set(b"block", b"43b")?, Timestamp::new(3));
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn rollback_to(&self, target: Timestamp) -> Result<RollbackReport> {
        self.store.rollback_to(target)
    }

    /// How often the store was rolled back, since it was made. What is kept outside of the store and names a
    /// timestamp should name the epoch too: see [`check_position`](Self::check_position). Ask for the epoch first and
    /// read then: after a rollback in between the position is refused for nothing, and never believed wrongly.
    pub fn epoch(&self) -> u64 {
        self.store.clock.epoch()
    }

    /// Whether what was seen at a timestamp, in an epoch, is still what can be seen there: no later rollback went
    /// below it.
    ///
    /// # Errors
    /// [`TooOld`](crate::ErrorKind::TooOld) where a rollback has abandoned it;
    /// [`NotYet`](crate::ErrorKind::NotYet) above the visible timestamp;
    /// [`Invalid`](crate::ErrorKind::Invalid) for an epoch that has not begun; [`Io`](crate::ErrorKind::Io) after a
    /// rollback that has failed half-way.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// for block in [b"1", b"2", b"3"] {
    ///     engine.set(b"block", block)?;
    /// }
    /// let epoch = engine.epoch();
    /// engine.rollback_to(Timestamp::new(2))?;
    /// engine.set(b"block", b"another 3")?;
    /// assert!(engine.check_position(Timestamp::new(2), epoch).is_ok());
    /// assert!(engine.check_position(Timestamp::new(3), epoch).is_err());
    /// assert!(engine.check_position(Timestamp::new(3), engine.epoch()).is_ok());
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn check_position(&self, at: Timestamp, epoch: u64) -> Result<()> {
        self.store.check_position(at, epoch)
    }

    /// Counts what the store holds. Reads all of it.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn status(&self) -> Result<Status> {
        self.store.status()
    }

    /// Walks everything that is stored, as it is at one moment, and reports whatever breaks one of the
    /// [rules](crate::Rule): of rows and keys, of the versions of each key, of the records of commits, of marks and
    /// pins. Nothing is changed, but that recent commits are merged first. Reads, commits and prunes go on; commits
    /// wait only for the moment in which the view is taken, and that waits for blocks under way.
    ///
    /// All of it is read, where there are files with the checksums of their blocks; what the cache holds is not
    /// read from the disk again, so a store that was just opened is verified best. What cannot be read is a
    /// violation, and the walk goes on behind it.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the backend fails in another way than by damage, and after a failed write
    /// until the store is opened again; [`Invalid`](crate::ErrorKind::Invalid) where this thread has the turn to
    /// commit: in the last attempt of a transaction, or between blocks.
    ///
    /// # Examples
    /// ```
    /// use sapwood::Engine;
    ///
    /// let engine = Engine::in_memory();
    /// engine.set(b"key", b"one")?;
    /// engine.set(b"key", b"two")?;
    /// let report = engine.verify()?;
    /// assert!(report.is_clean(), "{:?}", report.violations);
    /// for read in &report.rows {
    ///     println!("{}: {} rows", read.keyspace, read.rows); // current: 1, history: 1, ...
    /// }
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(|_, _| {})
    }

    /// The same, telling how far it has come: a part of 1, about, and what it works on.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub fn verify_with(&self, mut progress: impl FnMut(f64, &str)) -> Result<VerifyReport> {
        self.store.verify(&mut progress)
    }

    /// Moves what is in memory to files, where there are files.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn flush(&self) -> Result<()> {
        self.store.check_open()?;
        self.store.check_not_read_only()?;
        self.store.backend.flush()
    }

    /// Rewrites the files into their most compact form, where there are files.
    ///
    /// # Errors
    /// As every call of [`Storage`].
    pub fn compact(&self) -> Result<()> {
        self.compact_with(|_, _| {}).map(|_| ())
    }

    /// Writes a copy of the state at the visible timestamp to a new directory, by hard links. See
    /// [`RocksDBStorage::create_checkpoint`].
    ///
    /// # Errors
    /// As [`RocksDBStorage::create_checkpoint`]; [`Invalid`](crate::ErrorKind::Invalid) for an engine in
    /// memory, which has no files.
    ///
    /// # Examples
    /// See [`Checkpoint`].
    #[cfg(feature = "rocksdb-storage")]
    pub fn create_checkpoint(&self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        self.store.create_checkpoint(path.as_ref())
    }

    /// Makes every commit survive the machine and ends all work: from now on every call of every
    /// handle fails, and the files are let go with the last handle, snapshot or iterator.
    ///
    /// Dropping all handles closes too, without waiting for the disk.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the disk refuses.
    pub fn close(&self) -> Result<()> {
        self.store.close()
    }
}

#[cfg(feature = "rocksdb-storage")]
fn utf8(path: &Path) -> Result<&str> {
    let text = path.to_str();
    text.ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8", path.display())))
}

impl ReadView for Engine {
    type Iter = Iter;

    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.store.get_latest(key.as_ref())
    }

    fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let keys: Vec<_> = keys.iter().map(AsRef::as_ref).collect();
        self.store.multi_get_latest(&keys)
    }

    fn range(&self, range: impl RangeBounds<Vec<u8>>) -> Iter {
        self.store.range_latest(KeyRange::new(range))
    }

    fn visit<B>(
        &self,
        range: impl RangeBounds<Vec<u8>>,
        see: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        self.range(range).visit(see)
    }
}
