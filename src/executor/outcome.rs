//! What comes of a transaction, and of a block.

use std::{fmt, time::Duration};

use super::{access::AccessSets, changes::ChangeSet};
use crate::error::{Error, ErrorKind};

/// The position of a transaction in its block, from 0.
pub type TxnIndex = u32;

/// What a transaction says of itself when it ends; `O` is its output, a receipt for example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionStatus<O> {
    /// Its writes are kept.
    Success(O),
    /// Its writes are dropped, and the block goes on.
    Skip(O),
    /// Its writes are kept, and the block ends with it.
    SkipRest(O),
    /// The block is refused.
    Abort(O),
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TxnOutcome<O> {
    /// Its writes are in the block's changes.
    Success(O),
    /// It had its writes dropped.
    Skipped(O),
    /// It made more calls than [`operations_limit`](super::BlockExecutorConfig::operations_limit) allows:
    /// its writes were dropped.
    OutOfOperations,
    /// The block ended before it.
    NotExecuted,
}

impl<O> TxnOutcome<O> {
    /// What the transaction left, if it came to its end.
    pub fn output(&self) -> Option<&O> {
        match self {
            Self::Success(output) | Self::Skipped(output) => Some(output),
            Self::OutOfOperations | Self::NotExecuted => None,
        }
    }
}

/// Where a block ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockEnd {
    /// With its last transaction.
    #[default]
    Complete,
    /// With this transaction, which said so.
    SkipRest(TxnIndex),
    /// Before this transaction, which would have gone beyond the block's limit.
    Limit(TxnIndex),
}

/// A block that was executed.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlockOutput<O> {
    /// One for each transaction, in order.
    pub outcomes: Vec<TxnOutcome<O>>,
    /// What the block changes.
    pub changes: ChangeSet,
    /// What each transaction read and wrote.
    pub access: AccessSets,
    /// Where it ended.
    pub end: BlockEnd,
    /// What its transactions charged.
    pub charged: u64,
    /// How it was run. The one thing that differs from run to run.
    pub stats: BlockStats,
}

impl<O> BlockOutput<O> {
    pub(super) fn empty() -> Self {
        Self {
            outcomes: Vec::new(),
            changes: ChangeSet::default(),
            access: AccessSets::default(),
            end: BlockEnd::Complete,
            charged: 0,
            stats: BlockStats::default(),
        }
    }

    /// The digest of the changes: see [`ChangeSet::digest`].
    pub fn digest(&self) -> [u8; 32] {
        self.changes.digest()
    }
}

/// How a block was run: for measuring, and for tests that must know that something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockStats {
    /// Transactions whose outcome is decided.
    pub committed: u64,
    /// Those of them that were committed by the parallel path.
    pub parallel: u64,
    /// Those of them that were run one by one.
    pub serial: u64,
    /// Runs of transactions, the ones in vain included.
    pub executions: u64,
    /// Runs that were found stale: something below them had changed what they read.
    pub aborts: u64,
    /// Times that what a run had read was looked at again.
    pub validations: u64,
    /// Runs that met a value about to change, and waited for whoever changes it.
    pub dependencies: u64,
    /// Runs at the commit head, where nothing below can change any more.
    pub head_runs: u64,
    /// Times that the executor went from one by one to parallel or back.
    pub switches: u64,
    /// Base values that were fetched ahead.
    pub prefetched: u64,
    /// Workers that took part.
    pub workers: u64,
    /// The smallest window of the parallel path.
    pub smallest_window: u64,
    /// The time from the beginning of the block to its end.
    pub took: Duration,
    /// The time that the runs that count took, of all workers together. An estimate: of the parallel path, some of
    /// the runs are timed.
    pub run_time: Duration,
}

impl BlockStats {
    /// How many times as fast as one by one the block was run, about: the time of the runs that count over the time
    /// from the beginning to the end. 1 for a block that took no time.
    ///
    /// It is too high, as a run takes longer in parallel than one by one: a little, and much where more threads want to
    /// run than there are cores, since a run that waits for its core is not over.
    pub fn speedup(&self) -> f64 {
        if self.took.is_zero() {
            return 1.0;
        }
        self.run_time.as_secs_f64() / self.took.as_secs_f64()
    }
}

/// Why a block was not executed to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockFailure<O> {
    /// A transaction refused the block.
    Aborted {
        /// The first that did.
        index: TxnIndex,
        /// What it left.
        output: O,
    },
    /// A transaction panicked.
    Panicked {
        /// The first that did.
        index: TxnIndex,
        /// The panic's message.
        message: String,
    },
    /// A transaction returned an error, or the state below the block could not be read for it.
    Failed {
        /// The first.
        index: TxnIndex,
        /// The error.
        error: Error,
    },
    /// The block took longer than [`deadline`](super::BlockExecutorConfig::deadline).
    Deadline,
    /// In [`Mode::Verify`](super::Mode::Verify): the two runs differ.
    Diverged {
        /// In what.
        what: String,
    },
    /// The block was not begun.
    Refused(Error),
}

/// A block that failed. Nothing of it may be committed, unless the caller wants the prefix.
///
/// See [`BlockError::into_error`] for callers that need not tell one from another.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlockError<O> {
    /// Why.
    pub failure: Box<BlockFailure<O>>,
    /// The transactions before the one that failed, exactly as if the block had ended before it. Empty
    /// where no transaction is to blame.
    pub committed: Box<BlockOutput<O>>,
}

impl<O> BlockError<O> {
    pub(super) fn new(failure: BlockFailure<O>, committed: BlockOutput<O>) -> Self {
        Self {
            failure: Box::new(failure),
            committed: Box::new(committed),
        }
    }

    pub(crate) fn refused(error: Error) -> Self {
        Self::new(BlockFailure::Refused(error), BlockOutput::empty())
    }

    /// The same for callers that need not tell one failure from another. (No `From`: with a second
    /// one for [`Error`], `?` in closures would need its type written out.)
    pub fn into_error(self) -> Error {
        let message = self.to_string();
        match *self.failure {
            BlockFailure::Failed { error, .. } => Error::new(error.kind().clone(), message),
            BlockFailure::Refused(error) => error,
            BlockFailure::Diverged { .. } => {
                let at = "the block's result".to_owned();
                Error::new(ErrorKind::Corrupt { at }, message)
            }
            _ => Error::invalid(message),
        }
    }

    /// The transaction that is to blame, if one is.
    pub fn index(&self) -> Option<TxnIndex> {
        match &*self.failure {
            BlockFailure::Aborted { index, .. }
            | BlockFailure::Panicked { index, .. }
            | BlockFailure::Failed { index, .. } => Some(*index),
            _ => None,
        }
    }
}

impl<O> fmt::Display for BlockError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.failure {
            BlockFailure::Aborted { index, .. } => {
                write!(f, "transaction {index} refused the block")
            }
            BlockFailure::Panicked { index, message } => {
                write!(f, "transaction {index} panicked: {message}")
            }
            BlockFailure::Failed { index, error } => {
                write!(f, "transaction {index} failed: {error}")
            }
            BlockFailure::Deadline => {
                f.write_str("the block took longer than its deadline: raise it, or split the block")
            }
            BlockFailure::Diverged { what } => write!(
                f,
                "run one by one the block has another {what}: a transaction depends on more than what \
                 it reads through its context"
            ),
            BlockFailure::Refused(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<O: fmt::Debug> std::error::Error for BlockError<O> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.failure {
            BlockFailure::Failed { error, .. } | BlockFailure::Refused(error) => Some(error),
            _ => None,
        }
    }
}
