//! Transactions: many reads and writes that take effect together or not at all.
//!
//! A [`Transaction`] reads one unchanging state, that of its snapshot, with its own writes over it, and
//! keeps those writes to itself until it commits. It holds no locks: what it relies on is checked when
//! it commits, and where another commit has changed that, it fails and nothing of it is left
//! (optimistic concurrency control; Kung and Robinson, "On Optimistic Methods for Concurrency Control",
//! 1981).
//!
//! ```text
//! timestamp      40        41        42        43
//! A          begin@40  get x . . . . . set x  commit? no: x was committed at 42, above 40
//! B             begin@40  set x  commit@42
//! C                                            begin@42  get x   sees B's
//! ```
//!
//! The serial order of transactions is the order of their commit timestamps: at
//! [`Isolation::Serializable`] each reads exactly what was committed below its own timestamp. So where all
//! that write are serializable, every past timestamp is a state that a serial execution left, which
//! systems that let transactions commit "into the past" of others cannot say. A transaction that wrote
//! nothing has its place at its snapshot, needs no check, and cannot lose.
//!
//! | module | owns |
//! |---|---|
//! | `options` | levels of isolation, and how a transaction is begun |
//! | `read_set` | what was read, to be checked |
//! | `iter` | the snapshot's rows and the own writes, merged from both ends |
//! | `retry` | running a closure until it wins |
//!
//! Locks on keys are deliberately absent, and so are deadlocks.

mod iter;
#[cfg(all(test, loom))]
mod loom_tests;
mod options;
mod read_set;
mod retry;

pub use iter::TransactionIter;
pub use options::{Isolation, TransactionOptions};
pub use retry::Transacted;
pub(crate) use retry::transact;

use std::ops::RangeBounds;

use imbl::OrdMap;

use self::read_set::Reads;
use crate::{
    error::{Error, Result},
    limits::{BATCH_MAX_BYTES, BATCH_MAX_WRITES},
    read_view::ReadView,
    storage::{
        CommitInfo, CommitOptions, Guard, Key, KeyRange, Value, check_key, check_value,
        commit::{CommitTurn, OpenTransaction, Reliance},
        store::{Store, was_overtaken},
    },
    sync::{Arc, Weak},
    timestamp::Timestamp,
};

/// The own writes, in key order; `None` deletes. Cheap to copy: copies share what they have in common.
type WriteSet = OrdMap<Key, Option<Value>>;

/// Reads and writes that take effect together or not at all.
///
/// Begun by [`Engine::begin`](crate::Engine::begin) or run by
/// [`Engine::transact`](crate::Engine::transact), which also begins it anew where it loses. Reading is
/// [`ReadView`]. Dropping it takes everything back. While it or an iterator of it lives, it holds back
/// pruning.
///
/// It cannot be used after it has ended:
/// ```compile_fail
/// # let engine = sapwood::Engine::in_memory();
/// let mut tx = engine.begin(sapwood::Isolation::Serializable)?;
/// tx.commit()?;
/// tx.set(b"key", b"value")?;
/// # Ok::<(), sapwood::Error>(())
/// ```
///
/// # Errors
/// As every call of [`Storage`](crate::Storage); [`TooOld`](crate::ErrorKind::TooOld) for one past the store's
/// age limit; [`TooLarge`](crate::ErrorKind::TooLarge) where it has read more than it can
/// [remember](crate::limits::TRANSACTION_READS_MAX_BYTES).
///
/// # Examples
/// ```
/// use sapwood::{Engine, ErrorKind, Isolation, ReadView};
///
/// let engine = Engine::in_memory();
/// engine.set(b"stock", b"1")?;
///
/// let mut ours = engine.begin(Isolation::Serializable)?;
/// let mut theirs = engine.begin(Isolation::Serializable)?;
/// for tx in [&mut ours, &mut theirs] {
///     assert_eq!(tx.get(b"stock")?.as_deref(), Some(&b"1"[..]));
///     tx.set(b"stock", b"0")?;
/// }
/// let commit = ours.commit()?;
/// let error = theirs.commit().unwrap_err();
/// assert!(error.is_retryable());
/// assert!(matches!(error.kind(), ErrorKind::Conflict { committed, .. }
///     if *committed == commit.timestamp));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
pub struct Transaction {
    store: Arc<Store>,
    guard: Arc<Guard>,
    /// Its registration for the check; absent where it only reads.
    open: Option<OpenTransaction>,
    writes: WriteSet,
    write_bytes: usize,
    reads: Reads,
    savepoints: Vec<u64>,
    next_savepoint: u64,
}

/// A state of a transaction's writes, to go back to.
///
/// # Examples
/// See [`Transaction::savepoint`].
#[derive(Clone, Debug)]
pub struct Savepoint {
    /// Tells whose it is, and holds nothing.
    transaction: Weak<Guard>,
    number: u64,
    writes: WriteSet,
    write_bytes: usize,
}

impl Transaction {
    pub(crate) fn begin(store: &Arc<Store>, options: &TransactionOptions) -> Result<Self> {
        let (open, guard) = if let Some(at) = options.at {
            (None, store.admit(at)?)
        } else if options.read_only {
            (None, store.admit_latest()?)
        } else {
            let (open, guard) = register(store)?;
            (Some(open), guard)
        };
        let is_tracked = open.is_some() && options.isolation == Isolation::Serializable;
        Ok(Self {
            store: Arc::clone(store),
            guard: Arc::new(guard),
            open,
            writes: WriteSet::new(),
            write_bytes: 0,
            reads: Reads::new(is_tracked),
            savepoints: Vec::new(),
            next_savepoint: 0,
        })
    }

    /// The timestamp whose state it reads.
    pub fn timestamp(&self) -> Timestamp {
        self.guard.at()
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) where the transaction only reads;
    /// [`TooLarge`](crate::ErrorKind::TooLarge) over a [limit](crate::limits). The transaction stays as it
    /// was.
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        check_value(key.as_ref(), value.as_ref())?;
        self.write(key.as_ref(), Some(Value::copy_from_slice(value.as_ref())))
    }

    /// Deletes a key; one that is not there stays so.
    ///
    /// # Errors
    /// As [`Transaction::set`].
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(key.as_ref(), None)
    }

    fn write(&mut self, key: &[u8], value: Option<Value>) -> Result<()> {
        if self.open.is_none() {
            return Err(Error::read_only(
                "this transaction only reads; begin one without read_only and without a timestamp",
            ));
        }
        check_key(key)?;
        let before = self.writes.get(key);
        let is_new = before.is_none();
        let freed = before.map_or(0, |old| size_of(key, old.as_ref()));
        let write_bytes = self.write_bytes - freed + size_of(key, value.as_ref());
        if write_bytes > BATCH_MAX_BYTES || is_new && self.writes.len() == BATCH_MAX_WRITES {
            return Err(Error::too_large(format!(
                "the transaction would write more than {BATCH_MAX_BYTES} bytes or \
                 {BATCH_MAX_WRITES} keys: commit it in parts"
            )));
        }
        self.writes.insert(Key::copy_from_slice(key), value);
        self.write_bytes = write_bytes;
        Ok(())
    }

    /// The value of a key, as [`get`](ReadView::get), that is not checked when the transaction commits:
    /// for what may have changed meanwhile without harm.
    ///
    /// # Errors
    /// See [`Transaction`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Isolation};
    ///
    /// let engine = Engine::in_memory();
    /// engine.set(b"motto", b"grow")?;
    /// let mut tx = engine.begin(Isolation::Serializable)?;
    /// let motto = tx.get_untracked(b"motto")?.unwrap();
    /// tx.set(b"banner", motto)?;
    /// engine.set(b"motto", b"branch out")?;
    /// tx.commit()?;
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn get_untracked(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.read(key.as_ref(), false)
    }

    fn read(&self, key: &[u8], relied_on: bool) -> Result<Option<Value>> {
        if let Some(value) = self.writes.get(key) {
            return Ok(value.clone());
        }
        let value = self.store.get_guarded(key, &self.guard)?;
        if relied_on {
            self.reads.note(|reads| reads.add(key))?;
        }
        Ok(value)
    }

    /// Marks a state of the writes, to go back to.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Isolation, ReadView};
    ///
    /// let engine = Engine::in_memory();
    /// let mut tx = engine.begin(Isolation::Serializable)?;
    /// tx.set(b"kept", b"1")?;
    /// let savepoint = tx.savepoint();
    /// tx.set(b"dropped", b"2")?;
    /// tx.rollback_to(&savepoint)?;
    /// assert!(tx.contains(b"kept")? && !tx.contains(b"dropped")?);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn savepoint(&mut self) -> Savepoint {
        let number = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(number);
        Savepoint {
            transaction: Arc::downgrade(&self.guard),
            number,
            writes: self.writes.clone(),
            write_bytes: self.write_bytes,
        }
    }

    /// Takes back what was written since a savepoint; the savepoint stays, later ones go. What was read
    /// since is checked all the same: the caller knows it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a savepoint of another transaction, or of a state that was
    /// taken back.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        let is_own = savepoint.transaction.ptr_eq(&Arc::downgrade(&self.guard));
        let position = self.savepoints.binary_search(&savepoint.number);
        let (Ok(position), true) = (position, is_own) else {
            return Err(Error::not_found(
                "the savepoint belongs to another transaction, or was taken back with what was before \
                 it",
            ));
        };
        self.savepoints.truncate(position + 1);
        self.writes = savepoint.writes.clone();
        self.write_bytes = savepoint.write_bytes;
        Ok(())
    }

    /// Takes effect: every read at or above the timestamp that is returned sees all of it. A transaction
    /// that wrote nothing takes none.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) where another commit changed what it relies on,
    /// [`TooOld`](crate::ErrorKind::TooOld) where that cannot be told any more, or the store was rolled back below
    /// its snapshot: begin it anew. And as
    /// [`Storage::commit_at`](crate::Storage::commit_at). Whatever the error, nothing of it is left; but
    /// where the backend failed to write it ([`Io`](crate::ErrorKind::Io)), it is unknown whether it took
    /// effect until the store is opened again.
    pub fn commit(self) -> Result<CommitInfo> {
        self.commit_with(CommitOptions::default())
    }

    /// The same, as the options say: at a block's height, say, or synced.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{CommitOptions, Durability, Engine, Isolation};
    ///
    /// let engine = Engine::in_memory();
    /// let mut tx = engine.begin(Isolation::Serializable)?;
    /// tx.set(b"key", b"value")?;
    /// let commit = tx.commit_with(CommitOptions::default().durability(Durability::Sync))?;
    /// assert_eq!(commit.writes, 1);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn commit_with(self, options: CommitOptions) -> Result<CommitInfo> {
        self.finish(options, None)
    }

    /// Takes everything back, as dropping does.
    pub fn rollback(self) {}

    fn finish(self, options: CommitOptions, turn: Option<&CommitTurn<'_>>) -> Result<CommitInfo> {
        let (Some(open), false) = (self.open, self.writes.is_empty()) else {
            self.store.check_open()?;
            // What it has read must be of this past.
            self.guard.check_epoch()?;
            return Ok(CommitInfo {
                timestamp: self.guard.at(),
                writes: 0,
            });
        };
        if let Err(error) = self.guard.check() {
            let is_rolled_back = self.guard.check_epoch().is_err();
            self.store.note_refused(is_rolled_back);
            return Err(error);
        }
        let Some(reads) = self.reads.end() else {
            return Err(Error::invalid("the transaction has ended"));
        };
        let (points, ranges) = reads.into_relied_on(|key| self.writes.contains_key(key));
        let reliance = Reliance::new(open, points, ranges);
        let writes = self.writes.into_iter().collect();
        self.store
            .commit_transaction(writes, reliance, options, turn)
    }
}

/// Registers a transaction that may write, at the visible timestamp: for the check, and for pruning.
fn register(store: &Arc<Store>) -> Result<(OpenTransaction, Guard)> {
    loop {
        let open = store.conflicts.open(&store.clock);
        match store.admit(open.snapshot()) {
            Err(error) if was_overtaken(&error) => {}
            admitted => return Ok((open, admitted?)),
        }
    }
}

fn size_of(key: &[u8], value: Option<&Value>) -> usize {
    key.len() + value.map_or(0, Value::len)
}

impl ReadView for Transaction {
    type Iter = TransactionIter;

    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.read(key.as_ref(), true)
    }

    fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let stored: Vec<_> = keys
            .iter()
            .map(AsRef::as_ref)
            .filter(|key| !self.writes.contains_key(*key))
            .collect();
        let values = self.store.multi_get_guarded(&stored, &self.guard)?;
        self.reads
            .note(|reads| stored.iter().try_for_each(|key| reads.add(key)))?;
        let mut values = values.into_iter();
        let value_of = |key: &K| match self.writes.get(key.as_ref()) {
            Some(written) => written.clone(),
            None => values.next().flatten(),
        };
        Ok(keys.iter().map(value_of).collect())
    }

    fn range(&self, range: impl RangeBounds<Vec<u8>>) -> TransactionIter {
        let range = KeyRange::new(range);
        let stored = self.store.range_guarded(range.clone(), &self.guard);
        TransactionIter::new(stored, self.writes.clone(), &range, self.reads.share())
    }
}
