//! [`BlockCounts`]: what the blocks of a store took since it was opened.

use crate::sync::AtomicU64;

/// Sums over blocks.
#[derive(Debug, Default)]
pub(crate) struct BlockCounts {
    pub(crate) committed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) parallel: AtomicU64,
    pub(crate) serial: AtomicU64,
    pub(crate) incarnations: AtomicU64,
    pub(crate) aborts: AtomicU64,
    pub(crate) dependencies: AtomicU64,
    /// Time from the beginning of blocks to their ends, and that of the runs that count.
    pub(crate) microseconds: AtomicU64,
    pub(crate) run_microseconds: AtomicU64,
    /// The same of the last block, in nanoseconds.
    pub(crate) last_nanoseconds: AtomicU64,
    pub(crate) last_run_nanoseconds: AtomicU64,
}
