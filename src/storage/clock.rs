//! The clock of commits: how far the store can be read.
//!
//! **Invariant:** every commit at or below `visible` can be read wholly, and it never moves back.

use crate::{
    sync::{AtomicU64, Ordering},
    timestamp::Timestamp,
};

#[derive(Debug)]
pub(crate) struct Clock {
    visible: AtomicU64,
}

impl Clock {
    pub(crate) fn new(last_commit: Timestamp) -> Self {
        Self {
            visible: AtomicU64::new(last_commit.get()),
        }
    }

    /// The newest timestamp at and below which every commit can be read.
    pub(crate) fn visible(&self) -> Timestamp {
        Timestamp::new(self.visible.load(Ordering::SeqCst))
    }

    /// To be called, by the holder of the turn, after the commit was written and its versions can be found.
    pub(crate) fn publish(&self, timestamp: Timestamp) {
        debug_assert!(timestamp > self.visible(), "commits are published in order");
        self.visible.store(timestamp.get(), Ordering::SeqCst);
    }
}
