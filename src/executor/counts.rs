//! [`Counts`]: what one worker counts, where others can read it.

use std::time::Duration;

use super::outcome::BlockStats;
use crate::sync::{Arc, AtomicU64, CachePadded, Ordering};

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
    /// Runs that were timed, and the nanoseconds that they took.
    pub(super) timed: Count,
    pub(super) timed_nanoseconds: Count,
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

    /// A run was timed.
    pub(super) fn note_time(&self, took: Duration) {
        self.timed.add(1);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.timed_nanoseconds.add(nanoseconds);
    }
}

/// The time that a run took on average. Those of a worker that were timed stand for all of its runs: the first is
/// always timed, so a worker that had few would count for too much otherwise.
pub(super) fn mean_time(workers: &[Arc<WorkerCounts>]) -> Duration {
    let (mut nanoseconds, mut runs) = (0_u128, 0_u128);
    for counts in workers {
        let of_worker = u128::from(counts.executions.get());
        let timed = u128::from(counts.timed_nanoseconds.get()) * of_worker;
        if let Some(all) = timed.checked_div(u128::from(counts.timed.get())) {
            nanoseconds += all;
            runs += of_worker;
        }
    }
    let mean = nanoseconds.checked_div(runs).unwrap_or(0);
    Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
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
