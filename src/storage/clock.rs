//! The clock of commits: how far the store can be read, and in which epoch.
//!
//! An epoch lasts from one rollback to the next. Reads are not locked out by a rollback; each looks at the era
//! before and after, and is made again where a rollback came between ([`Store::in_one_epoch`]). While a
//! rollback changes rows, reads wait for its end.
//!
//! **Invariant:** every commit at or below `visible` can be read wholly, and within an epoch it never moves
//! back.
//!
//! [`Store::in_one_epoch`]: super::store::Store::in_one_epoch

use crate::{
    error::{Error, Result},
    sync::{AtomicU64, Mutex, MutexGuard, Ordering},
    timestamp::Timestamp,
};

#[derive(Debug)]
pub(crate) struct Clock {
    visible: AtomicU64,
    /// Twice the epoch, and one more while a rollback that ends it changes rows.
    era: AtomicU64,
    /// Held by a rollback from before the first row that it changes until after the last.
    rolling_back: Mutex<()>,
}

/// The last epoch: an era has a bit less.
pub(crate) const EPOCH_MAX: u64 = u64::MAX >> 1;

/// A moment in which no rollback changes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// A rollback that changes rows. Where it is dropped before it has ended, nothing can be read any more.
#[derive(Debug)]
pub(crate) struct RollingBack<'c> {
    clock: &'c Clock,
    _waited_for: MutexGuard<'c, ()>,
}

impl Clock {
    pub(crate) fn new(last_commit: Timestamp, epoch: u64) -> Self {
        Self {
            visible: AtomicU64::new(last_commit.get()),
            era: AtomicU64::new(epoch << 1),
            rolling_back: Mutex::default(),
        }
    }

    /// The newest timestamp at and below which every commit can be read.
    pub(crate) fn visible(&self) -> Timestamp {
        Timestamp::new(self.visible.load(Ordering::SeqCst))
    }

    /// How often the store was rolled back.
    pub(crate) fn epoch(&self) -> u64 {
        self.era.load(Ordering::SeqCst) >> 1
    }

    /// To be called, by the holder of the turn, after the commit was written and its versions can be found.
    pub(crate) fn publish(&self, timestamp: Timestamp) {
        debug_assert!(timestamp > self.visible(), "commits are published in order");
        self.visible.store(timestamp.get(), Ordering::SeqCst);
    }

    /// The era to read in. Waits while a rollback changes rows.
    ///
    /// # Errors
    /// `Io` after a rollback that has failed half-way.
    pub(crate) fn era(&self) -> Result<Era> {
        let settled = |era: u64| (era & 1 == 0).then_some(Era(era));
        if let Some(era) = settled(self.era.load(Ordering::SeqCst)) {
            return Ok(era);
        }
        let _ended = self.rolling_back.lock();
        settled(self.era.load(Ordering::SeqCst)).ok_or_else(Error::rollback_failed)
    }

    /// Whether no rollback has changed rows since. To be asked after the read.
    pub(crate) fn is_still(&self, era: Era) -> bool {
        self.era.load(Ordering::SeqCst) == era.0
    }

    /// Begins to change rows: from now on reads wait, and those under way will be made again.
    pub(crate) fn begin_rollback(&self) -> RollingBack<'_> {
        let waited_for = self.rolling_back.lock();
        self.era.fetch_or(1, Ordering::SeqCst);
        RollingBack {
            clock: self,
            _waited_for: waited_for,
        }
    }

    /// Moves back, in a rollback, once the rows are those of `target`.
    pub(crate) fn rewind(&self, target: Timestamp) {
        self.visible.store(target.get(), Ordering::SeqCst);
    }
}

impl RollingBack<'_> {
    /// The next epoch begins.
    pub(crate) fn end(self) {
        self.clock.era.fetch_add(1, Ordering::SeqCst);
    }
}
