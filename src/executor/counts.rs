//! [`Counts`]: what one worker counts, where others can read it.

use super::outcome::BlockStats;
use crate::sync::{AtomicU64, CachePadded, Ordering};

/// Each worker has its own: a line of memory that all write to makes them wait for each other.
pub(super) type WorkerCounts = CachePadded<Counts>;

#[derive(Default)]
pub(super) struct Counts {
    pub(super) executions: Count,
    pub(super) aborts: Count,
    pub(super) validations: Count,
    pub(super) dependencies: Count,
    pub(super) head_runs: Count,
    pub(super) prefetched: Count,
}

impl Counts {
    pub(super) fn add_to(&self, stats: &mut BlockStats) {
        stats.executions += self.executions.get();
        stats.aborts += self.aborts.get();
        stats.validations += self.validations.get();
        stats.dependencies += self.dependencies.get();
        stats.head_runs += self.head_runs.get();
        stats.prefetched += self.prefetched.get();
    }
}

#[derive(Debug)]
pub(super) struct Count(AtomicU64);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Count {
    /// By its worker alone. Returns what there was before.
    pub(super) fn add(&self, count: u64) -> u64 {
        let before = self.get();
        self.0.store(before + count, Ordering::Relaxed);
        before
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
