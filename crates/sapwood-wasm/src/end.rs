//! [`End`]: why something did not come to its end. It keeps apart what is an outcome of the transaction, the
//! same wherever it is executed, from what says nothing of the transaction and must be handed on.

use sapwood::{Error, ErrorKind};

use crate::{fuel, receipt::Failure};

#[derive(Debug)]
pub(crate) enum End {
    /// An outcome.
    Failed(Failure),
    /// An error of the context or the store, or of this machine: no outcome.
    Stopped(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Stopped(error)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl End {
    /// What is stored cannot be right.
    pub(crate) fn corrupt(at: impl Into<String>, what: &str) -> Self {
        let at = at.into();
        let message = format!("{at} is corrupt: {what}; restore it from a checkpoint or a backup");
        Self::Stopped(Error::of_machine(ErrorKind::Corrupt { at }, message))
    }

    /// Another machine with more memory would have gone on.
    pub(crate) fn out_of_memory() -> Self {
        let message =
            "the system has no memory for a contract: free some, or lower max_memory_pages";
        Self::Stopped(Error::of_machine(ErrorKind::Io, message))
    }
}

/// The fuel of a transaction.
#[derive(Debug)]
pub(crate) struct Tank {
    pub(crate) brought: u64,
    pub(crate) left: u64,
}

impl Tank {
    pub(crate) fn new(brought: u64) -> Self {
        Self {
            brought,
            left: brought,
        }
    }

    pub(crate) fn take(&mut self, units: u64) -> Result<(), End> {
        self.left = self.left.checked_sub(units).ok_or(Failure::OutOfFuel)?;
        Ok(())
    }

    pub(crate) fn take_pages(&mut self, pages: u64) -> Result<(), End> {
        self.take(fuel::PAGE.saturating_mul(pages))
    }
}
