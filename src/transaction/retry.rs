//! Running a closure as a transaction until it wins.
//!
//! A transaction that lost is begun anew at once, then after pauses that grow and differ by chance, so
//! that those that met do not meet again. After a number of attempts it waits for the turn to commit and
//! runs while nobody else can commit: that attempt cannot lose. So the work is bounded, and no
//! transaction starves, however long it is and however short its rivals are.

use std::time::Duration;

use super::{Transaction, TransactionOptions};
use crate::{
    error::{Error, Result},
    storage::{CommitInfo, CommitOptions, store::Store},
    sync::{self, Arc},
    timestamp::Timestamp,
};

/// The first pause lasts at most this long; each later one twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A transaction that was run and committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transacted<T> {
    /// What the closure returned.
    pub value: T,
    /// The commit's timestamp: every read at or above it sees the transaction. Where it wrote nothing,
    /// the timestamp that it read at.
    pub timestamp: Timestamp,
    /// How many keys it wrote.
    pub writes: usize,
    /// How often it lost before.
    pub retries: u32,
}

/// Runs a closure until it wins.
pub(crate) fn transact<T, E: From<Error>>(
    store: &Arc<Store>,
    options: &TransactionOptions,
    commit: CommitOptions,
    mut work: impl FnMut(&mut Transaction) -> Result<T, E>,
) -> Result<Transacted<T>, E> {
    for retries in 0..options.attempts {
        pause(retries);
        let mut tx = Transaction::begin(store, options)?;
        let value = match work(&mut tx) {
            Ok(value) => value,
            // It asked in vain, too late; what it made of that does not count.
            Err(_) if tx.guard.check().is_err() => continue,
            Err(error) => return Err(error),
        };
        match tx.commit_with(commit) {
            Ok(info) => return Ok(transacted(value, info, retries)),
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let turn = store.commit_turn()?;
    let mut tx = Transaction::begin(store, options)?;
    let value = work(&mut tx)?;
    let info = tx.finish(commit, Some(&turn))?;
    Ok(transacted(value, info, options.attempts))
}

fn transacted<T>(value: T, info: CommitInfo, retries: u32) -> Transacted<T> {
    Transacted {
        value,
        timestamp: info.timestamp,
        writes: info.writes,
        retries,
    }
}

/// Lets others go by: not before the first attempt and the first retry, for a while before later ones.
fn pause(retries: u32) {
    if retries < 2 {
        return;
    }
    let longest = FIRST_PAUSE
        .saturating_mul(1 << (retries - 2).min(16))
        .min(LONGEST_PAUSE);
    sync::pause(longest.mul_f64(fastrand::f64()));
}
