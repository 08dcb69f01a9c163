//! Options of the executor: plain data, checked where an executor is made.

use std::time::Duration;

use crate::{
    error::{Error, Result},
    limits::{EXECUTOR_MAX_WORKERS, EXECUTOR_MIN_STACK_BYTES},
};

/// How a block is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// On all workers, and one by one where that is better: see
    /// [`adaptive`](BlockExecutorConfig::adaptive).
    #[default]
    Parallel,
    /// One by one.
    Serial,
    /// On all workers, then one by one, and the two are compared: a block whose transactions depend on
    /// anything but what they read through their context fails with
    /// [`BlockFailure::Diverged`](super::BlockFailure::Diverged).
    Verify,
}

/// How a [`BlockExecutor`](super::BlockExecutor) is made.
///
/// # Examples
/// ```
/// use sapwood::{BlockExecutor, BlockExecutorConfig};
///
/// let mut config = BlockExecutorConfig::default();
/// config.workers = 2;
/// let executor = BlockExecutor::new(config)?;
/// # let _ = executor;
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockExecutorConfig {
    /// The threads that run transactions. No block gets more than it has transactions. More than there are
    /// cores help where the base is slow to read.
    ///
    /// Unit: threads, 1 to 4,096. Default: as many as cores.
    pub workers: usize,
    /// How far ahead of the last committed transaction others may be run, at most. It shrinks and grows
    /// below that with the share of runs that were in vain.
    ///
    /// Unit: transactions, at least 1. Default: 1,024.
    pub window: usize,
    /// Blocks of fewer transactions are run one by one.
    ///
    /// Unit: transactions. Default: 32.
    pub min_parallel_txns: usize,
    /// Whether transactions are run one by one where they are too cheap to be shared out, or mostly wait
    /// for each other, as measured in this block and the ones before. Without it every block of
    /// [`min_parallel_txns`](Self::min_parallel_txns) is run in parallel to its end: for tests and
    /// measurements.
    ///
    /// Unit: yes or no. Default: `true`.
    pub adaptive: bool,
    /// The stack of each worker: how deep transactions may recurse, in every mode.
    ///
    /// Unit: bytes, at least 64 KiB. Default: 8 MiB.
    pub stack_size_bytes: usize,
    /// The calls of its context that a transaction may make; each key of a multi-get and each row of a
    /// range counts. One that makes more has its writes dropped, and the block goes on.
    ///
    /// Unit: calls, at least 1. Default: 16,777,216.
    pub operations_limit: u64,
    /// How long a block may take. Past it the block fails, with nothing committed; a thread that is still
    /// inside a transaction is left to itself and replaced.
    ///
    /// Unit: a duration. Default: `None`, for ever.
    pub deadline: Option<Duration>,
    /// What the transactions of a block may [charge](super::BlockContext::charge) in all. The first that
    /// would go beyond it is not executed, and the block ends before it.
    ///
    /// Unit: what transactions charge. Default: `None`, no limit.
    pub block_limit: Option<u64>,
    /// How a block is run.
    ///
    /// Unit: a choice. Default: [`Mode::Parallel`].
    pub mode: Mode,
}

impl Default for BlockExecutorConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            window: 1_024,
            min_parallel_txns: 32,
            adaptive: true,
            stack_size_bytes: 8 << 20,
            operations_limit: 1 << 24,
            deadline: None,
            block_limit: None,
            mode: Mode::default(),
        }
    }
}

impl BlockExecutorConfig {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::invalid(what.to_owned()));
        if self.workers == 0 {
            return refuse("an executor without workers runs nothing: set workers to 1 or more");
        }
        if self.workers > EXECUTOR_MAX_WORKERS {
            return refuse("an executor has at most 4,096 workers: set workers to fewer");
        }
        if self.window == 0 {
            return refuse("nothing may run in a window of 0: set window to 1 or more");
        }
        if self.stack_size_bytes < EXECUTOR_MIN_STACK_BYTES {
            return refuse("a worker needs a stack of at least 64 KiB: set stack_size_bytes");
        }
        if self.operations_limit == 0 {
            return refuse(
                "a transaction that may call nothing does nothing: set operations_limit to 1 or more",
            );
        }
        Ok(())
    }
}
