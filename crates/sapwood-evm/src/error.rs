//! [`EvmError`]: what can go wrong, and what to do about it.

use std::convert::Infallible;

use revm::{context::result::EVMError, database_interface::DBErrorMarker};

/// Why a block was refused, or a state could not be read. A block that is refused leaves the chain as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvmError {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] sapwood::Error),
    /// A block, a transaction or a file of tests cannot be read.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// What was read.
        what: String,
        /// Where it stops making sense.
        why: String,
    },
    /// A block does not follow the one that the chain ends with.
    #[error("block {number} does not fit the block before it: {why}")]
    Unfit {
        /// The number that it gives itself.
        number: u64,
        /// What does not fit.
        why: String,
    },
    /// A transaction of a block may not stand where it stands.
    #[error("transaction {index} of block {number} is not valid there: {why}")]
    InvalidTransaction {
        /// The block.
        number: u64,
        /// Its position in the block, from 0.
        index: usize,
        /// The rule that it breaks.
        why: String,
    },
    /// A block was executed, and its header says something else came of it.
    #[error("block {number} has another {what} than its header says: {got} instead of {expected}")]
    Mismatch {
        /// The block.
        number: u64,
        /// The header's field.
        what: &'static str,
        /// As the header has it.
        expected: String,
        /// As it was executed.
        got: String,
    },
    /// The state at a height was pruned.
    #[error("the state at height {height} was pruned: the oldest that is kept is at {oldest}")]
    Pruned {
        /// The height that was asked for.
        height: u64,
        /// The oldest that can be.
        oldest: u64,
    },
    /// There is no block of this height yet.
    #[error("there is no block {height} yet: the newest is {newest}")]
    NotYet {
        /// The height that was asked for.
        height: u64,
        /// The newest that can be.
        newest: u64,
    },
    /// The store has no chain, or another one than was asked for.
    #[error("{0}")]
    Chain(String),
    /// A block failed in a way that is not its transactions'.
    #[error("block {number} could not be executed: {why}")]
    Failed {
        /// The block.
        number: u64,
        /// Why.
        why: String,
    },
}

impl EvmError {
    #[expect(clippy::needless_pass_by_value, reason = "errors, as they come")]
    pub(crate) fn malformed(what: impl Into<String>, why: impl ToString) -> Self {
        let (what, why) = (what.into(), why.to_string());
        Self::Malformed { what, why }
    }
}

/// Sapwood's error, where revm asks for one of a state that is read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StateError(pub sapwood::Error);

impl DBErrorMarker for StateError {}

impl From<sapwood::Error> for StateError {
    fn from(error: sapwood::Error) -> Self {
        Self(error)
    }
}

impl From<Infallible> for StateError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What ended a transaction that has no result.
pub(crate) enum Stopped {
    /// The transaction breaks a rule.
    Invalid(String),
    /// The state could not be read.
    Store(sapwood::Error),
}

impl From<sapwood::Error> for Stopped {
    fn from(error: sapwood::Error) -> Self {
        Self::Store(error)
    }
}

impl From<EVMError<StateError>> for Stopped {
    fn from(error: EVMError<StateError>) -> Self {
        match error {
            EVMError::Database(StateError(error)) => Self::Store(error),
            other => Self::Invalid(other.to_string()),
        }
    }
}
