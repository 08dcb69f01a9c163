//! [`Changes`]: a reader of commits, one after the other.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{CommitRecord, Position, holds::Holder};
use crate::{
    error::{Error, ErrorKind, Result},
    storage::{clock::Era, store::Store},
    sync::Arc,
    timestamp::Timestamp,
};

/// The commits above a position, in the order of their timestamps, each whole; those that come as well.
///
/// As an iterator it waits for the next commit, and ends when the store is closed: whoever lets it wait closes
/// the engine in the end ([`Engine::close`](crate::Engine::close)). [`poll`](Self::poll) does not wait, and
/// [`wait`](Self::wait) no longer than it is told. After an error an iterator ends.
///
/// It keeps all commits above what it gave out last; one of a named feed ([`Engine::feed`](crate::Engine::feed)),
/// those above what was acknowledged last.
///
/// Where a rollback goes below a commit that was given out, the next call says so with
/// [`TooOld`](crate::ErrorKind::TooOld): undo what lies above [`Engine::last_common`](crate::Engine::last_common),
/// and begin anew from there.
///
/// # Examples
/// ```
/// use sapwood::{Engine, Position};
///
/// let engine = Engine::in_memory();
/// let mut changes = engine.changes(Position::START)?;
/// assert!(changes.poll()?.is_none());
/// engine.set(b"key", b"one")?;
/// engine.delete(b"key")?;
/// let first = changes.poll()?.unwrap();
/// assert_eq!(first.changes[0].new.as_deref(), Some(&b"one"[..]));
/// let deleted = changes.next().unwrap()?; // would wait
/// assert_eq!(deleted.changes[0].new, None);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a feed does nothing until it is asked"]
pub struct Changes {
    store: Arc<Store>,
    holder: Holder,
    /// Behind the last commit that was given out.
    position: Position,
    /// Read ahead, in the epoch that they name.
    ahead: VecDeque<CommitRecord>,
    /// Up to here nothing is left that was not read.
    seen: Timestamp,
    until: Timestamp,
    with_old: bool,
    is_done: bool,
}

impl Changes {
    pub(super) fn new(store: &Arc<Store>, holder: Holder, position: Position) -> Self {
        Self {
            store: Arc::clone(store),
            holder,
            position,
            ahead: VecDeque::new(),
            seen: position.timestamp,
            until: Timestamp::MAX,
            with_old: false,
            is_done: false,
        }
    }

    /// Gives the old value of each key too: a look-up more for each.
    pub fn with_old_values(mut self) -> Self {
        self.with_old = true;
        self
    }

    /// Gives no commit above a timestamp.
    pub(crate) fn until(mut self, until: Timestamp) -> Self {
        self.until = until;
        self
    }

    /// The place behind the last commit that was given out.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next commit, if there is one by now.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) once the store was closed;
    /// [`TooOld`](crate::ErrorKind::TooOld) where a rollback went below the position, or where the feed was further
    /// behind than it may be and a prune let it go;
    /// [`NotFound`](crate::ErrorKind::NotFound) where the named feed was dropped;
    /// [`Pruned`](crate::ErrorKind::Pruned) where what follows is gone: above what was acknowledged it cannot be.
    /// Otherwise as every call of [`Storage`](crate::Storage).
    pub fn poll(&mut self) -> Result<Option<CommitRecord>> {
        loop {
            self.store.check_open()?;
            // What was read ahead of a rollback may be no more.
            let epoch = self.store.clock.epoch();
            if self.ahead.front().is_some_and(|next| next.epoch != epoch) {
                self.ahead.clear();
            }
            if let Some(next) = self.ahead.pop_front() {
                self.position = next.position();
                self.store.feeds.lock().advance(&self.holder, self.position);
                return Ok(Some(next));
            }
            if !self.read_ahead()? {
                return Ok(None);
            }
        }
    }

    /// The next commit; waits for it no longer than so long.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<CommitRecord>> {
        // Longer than the clock can tell is for ever.
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<CommitRecord>> {
        loop {
            let era = self.store.clock.era()?;
            if let Some(next) = self.poll()? {
                return Ok(Some(next));
            }
            if !self.await_commit(era, deadline) {
                return Ok(None);
            }
        }
    }

    /// Waits for a commit above what was seen, a rollback, or the end. Returns whether there was one.
    fn await_commit(&self, era: Era, deadline: Option<Instant>) -> bool {
        let store = &self.store;
        store.wake.wait(deadline, || {
            store.clock.visible() > self.seen
                || !store.clock.is_still(era)
                || store.check_open().is_err()
                || store.check_held(&self.holder).is_err()
        })
    }

    /// Reads the next commits. Returns whether there are any.
    fn read_ahead(&mut self) -> Result<bool> {
        let store = Arc::clone(&self.store);
        let (records, seen) = store.in_one_epoch(|| self.read_once())?;
        self.seen = seen;
        self.ahead.extend(records);
        Ok(!self.ahead.is_empty())
    }

    fn read_once(&self) -> Result<(Vec<CommitRecord>, Timestamp)> {
        let Position { timestamp, epoch } = self.position;
        let store = &self.store;
        store.check_position(timestamp, epoch)?;
        store.check_held(&self.holder)?;
        let seen = store.clock.visible();
        let records = if seen > timestamp {
            store.read_commits(timestamp, seen.min(self.until), self.with_old)
        } else {
            Ok(Vec::new())
        };
        // Only now it can be told what an error was, or whether records are missing: a prune may have let it go.
        let floor = store.floor();
        if floor > timestamp {
            store.check_held(&self.holder)?;
            return Err(Error::pruned(timestamp, floor));
        }
        Ok((records?, seen))
    }
}

impl Iterator for Changes {
    type Item = Result<CommitRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_until(None).transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next.filter(|next| !matches!(next, Err(error) if error.kind() == &ErrorKind::Closed))
    }
}

impl std::iter::FusedIterator for Changes {}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Holder::Reader(_) = self.holder {
            self.store.feeds.lock().remove(&self.holder);
        }
    }
}
