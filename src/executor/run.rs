//! One run of a transaction: calling its code, and what it ended with.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    context::{BlockContext, Left},
    outcome::ExecutionStatus,
    stop::Stop,
};
use crate::error::{Error, Result};

/// How a run ended. Whether it counts is for the committer to say.
#[derive(Debug)]
pub(super) enum Ending<O> {
    Success(O),
    Skip(O),
    SkipRest(O),
    Abort(O),
    OutOfOperations,
    Failed(Error),
    Panicked(String),
}

impl<O> Ending<O> {
    /// Whether what it wrote may be seen by others.
    pub(super) fn keeps_writes(&self) -> bool {
        matches!(self, Self::Success(_) | Self::SkipRest(_))
    }
}

/// A run that came to an end of its own, or why it was given up.
pub(super) type Ran<O> = std::result::Result<Ending<O>, Stop>;

/// Calls the code of a transaction.
pub(super) fn run<T, O, F>(mut ctx: BlockContext<'_>, txn: &T, f: &F) -> (Ran<O>, Left)
where
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>>,
{
    // What its code left half done dies with the run: only the context comes back, and that is whole.
    let returned = catch_unwind(AssertUnwindSafe(|| f(&mut ctx, txn))).map_err(message_of);
    let mut left = ctx.end();
    let ran = match (left.stop.take(), returned) {
        (Some(Stop::OutOfOperations), _) => Ok(Ending::OutOfOperations),
        (Some(Stop::Storage(error)), _) | (None, Ok(Err(error))) => Ok(Ending::Failed(error)),
        (Some(stop), _) => Err(stop),
        (None, Err(message)) => Ok(Ending::Panicked(message)),
        (None, Ok(Ok(status))) => Ok(match status {
            ExecutionStatus::Success(output) => Ending::Success(output),
            ExecutionStatus::Skip(output) => Ending::Skip(output),
            ExecutionStatus::SkipRest(output) => Ending::SkipRest(output),
            ExecutionStatus::Abort(output) => Ending::Abort(output),
        }),
    };
    (ran, left)
}

/// Does something outside of a transaction's code that asks the base. Where that panics, so it will for the
/// transaction that needs it, where it counts.
pub(super) fn without_panic<R>(work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(message_of)
        .ok()
}

/// What a panic says.
pub(super) fn message_of(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    // A payload may panic again when it is dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    text.unwrap_or_else(|| "(a panic without a text)".to_owned())
}
