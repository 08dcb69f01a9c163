//! The clock of commits: how far the store can be read, and how far it is being written.
//!
//! **Invariant:** `visible <= started`. Every commit at or below `visible` can be read wholly; no
//! row of a commit above `started` is in the backend.

use crate::{
    sync::{AtomicU64, Ordering},
    timestamp::Timestamp,
};

#[derive(Debug)]
pub(crate) struct Clock {
    visible: AtomicU64,
    started: AtomicU64,
}

impl Clock {
    pub(crate) fn new(last_commit: Timestamp) -> Self {
        Self {
            visible: AtomicU64::new(last_commit.get()),
            started: AtomicU64::new(last_commit.get()),
        }
    }

    /// The newest timestamp at and below which every commit can be read.
    pub(crate) fn visible(&self) -> Timestamp {
        Timestamp::new(self.visible.load(Ordering::SeqCst))
    }

    /// The newest commit that has begun to be written.
    pub(crate) fn started(&self) -> Timestamp {
        Timestamp::new(self.started.load(Ordering::SeqCst))
    }

    /// To be called, by the holder of the turn, before the first row of the commit is written.
    pub(crate) fn start(&self, timestamp: Timestamp) {
        debug_assert!(timestamp > self.started(), "commits start in order");
        self.started.store(timestamp.get(), Ordering::SeqCst);
    }

    /// To be called, by the holder of the turn, after the commit was written.
    pub(crate) fn publish(&self, timestamp: Timestamp) {
        debug_assert!(timestamp > self.visible() && timestamp <= self.started());
        self.visible.store(timestamp.get(), Ordering::SeqCst);
    }
}
