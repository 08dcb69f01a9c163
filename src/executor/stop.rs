//! [`Stop`]: why a run cannot go on, whatever its code makes of the error that it gets.

use super::outcome::TxnIndex;
use crate::error::Error;

#[derive(Debug)]
pub(super) enum Stop {
    /// What it reads is about to be written anew by this transaction, below it.
    Blocked(TxnIndex),
    /// What it reads cannot be; with everything below committed it will be another.
    Stale,
    /// The block has ended, or failed.
    Halted,
    OutOfOperations,
    /// The state below the block could not be read.
    Storage(Error),
}

impl Stop {
    /// What the transaction's code is told.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Blocked(_) | Self::Stale | Self::Halted => Error::too_old(
                "this run of the transaction was given up: whatever it returns does not count",
            ),
            Self::OutOfOperations => Error::too_large(
                "the transaction made more calls than operations_limit allows: its writes are dropped",
            ),
            Self::Storage(error) => error.again(),
        }
    }

    /// The same for another.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Blocked(on) => Self::Blocked(*on),
            Self::Stale => Self::Stale,
            Self::Halted => Self::Halted,
            Self::OutOfOperations => Self::OutOfOperations,
            Self::Storage(error) => Self::Storage(error.again()),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}
