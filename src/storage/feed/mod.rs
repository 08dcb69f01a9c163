//! Change feeds: the commits above a position, whole, in the order of their timestamps.
//!
//! A feed reads the records of commits. As long as a record has its values (until its versions are merged) these
//! are given out; the values of others are read from the state at the commit's timestamp.
//!
//! | module | owns |
//! |---|---|
//! | `reader` | [`Changes`]: what a caller reads from |
//! | `record` | records of commits, read whole, with their values |
//! | `holds` | where each feed has come, and what that holds |
//! | `named` | how named feeds are made, acknowledged, dropped and let go |
//! | `wake` | how a feed waits for a commit |
//!
//! **What a feed holds.** Everything above its position: the prune floor does not pass it, so neither records nor
//! versions above it go (a record goes at or below the floor only). A guard would not do: one that a prune
//! overlooks keeps what its one timestamp sees, and no record. So holds are entered under the lock of floor and
//! pins, where no prune can be between looking at them and moving the floor. They only move up, each in one step
//! under one lock, so a prune that looks meanwhile sees the one place or the other. The floor is looked at again
//! after each read all the same: what a feed that was let go has missed is never passed over in silence.
//!
//! **How far.** A feed that nobody reads would hold history for ever. A prune lets go of those that are further
//! behind than they may be, named ones durably, before it moves the floor; their next read says so.
//!
//! **Rollback.** A position is a timestamp and an epoch. One that a rollback went below is refused; the hold of
//! its feed lies at the rollback's target from then on ([`Epochs`](super::epochs::Epochs) tells), so that whoever
//! goes back there can go on from there.
//!
//! **Invariants:**
//! - What is given out is a commit that was visible, wholly, in the epoch that it names.
//! - Above the position where it began a feed gives every commit of that epoch, once; or an error.
//! - A named feed in memory is durable in `meta`, or follows from it: an acknowledgement lies in the log before any
//!   floor that relies on it.

mod holds;
#[cfg(all(test, loom))]
mod loom_tests;
mod named;
mod reader;
mod record;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod wake;

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

pub use reader::Changes;
pub(super) use {holds::Feeds, wake::Wake};

use super::diff::Change;
use crate::{
    error::{Error, Result},
    timestamp::Timestamp,
};

/// A place in the history of a store: behind the commit at a timestamp, as it was in an epoch.
///
/// It stands for what was seen, also when timestamps were given again after a rollback. It is written as
/// `TIMESTAMP@EPOCH`.
///
/// # Examples
/// ```
/// use sapwood::{Position, Timestamp};
///
/// let position = Position::new(Timestamp::new(42), 3);
/// assert_eq!(position.to_string(), "42@3");
/// assert_eq!("42@3".parse::<Position>()?, position);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// The last commit that was seen; 0 for none.
    pub timestamp: Timestamp,
    /// How often the store had been rolled back.
    pub epoch: u64,
}

impl Position {
    /// Before every commit.
    pub const START: Self = Self::new(Timestamp::ZERO, 0);

    /// Behind the commit at a timestamp, in an epoch.
    pub const fn new(timestamp: Timestamp, epoch: u64) -> Self {
        Self { timestamp, epoch }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.timestamp, self.epoch)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| digits.parse::<u64>().ok()).flatten()
        };
        text.split_once('@')
            .and_then(|(at, epoch)| {
                let at = number(at).filter(|at| *at <= Timestamp::MAX.get())?;
                Some(Self::new(Timestamp::new(at), number(epoch)?))
            })
            .ok_or_else(|| {
                Error::invalid(format!(
                    "a position is written as TIMESTAMP@EPOCH, such as 42@0; {text:?} is none"
                ))
            })
    }
}

/// A commit, as a feed gives it out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitRecord {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The epoch in which it was read.
    pub epoch: u64,
    /// The time of day of the commit; it orders nothing.
    pub time: SystemTime,
    /// What it changed, in key order. A delete of a key that did not exist is not among them. The old values are
    /// there where they were asked for; else they are `None`.
    pub changes: Vec<Change>,
}

impl CommitRecord {
    /// The place behind it, to go on from.
    pub fn position(&self) -> Position {
        Position::new(self.timestamp, self.epoch)
    }
}

/// How far a named feed may hold back pruning.
///
/// Without a bound a feed that nobody reads holds history until it is dropped. The bounds are looked at by each
/// prune, and by nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedOptions {
    /// How far behind the newest commit its acknowledged position may be. One that is further behind is let go by the next
    /// prune.
    ///
    /// Unit: timestamps. Default: `None`, any distance.
    pub max_lag: Option<u64>,
    /// For how long it may leave a commit unacknowledged, by the commit's time and not before the last
    /// acknowledgement. One that takes longer is let go by the next prune.
    ///
    /// Unit: a duration. Default: `None`, for ever.
    pub max_age: Option<Duration>,
}

impl FeedOptions {
    /// Lets it be so many timestamps behind.
    #[must_use]
    pub fn max_lag(mut self, timestamps: u64) -> Self {
        self.max_lag = Some(timestamps);
        self
    }

    /// Lets it leave a commit unacknowledged for this long.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }
}

/// A named feed, as [`Engine::feeds`](crate::Engine::feeds) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// What was acknowledged last.
    pub position: Position,
    /// When that was.
    pub acknowledged: SystemTime,
    /// How far it may hold back pruning.
    pub options: FeedOptions,
    /// Whether it fell further behind and was let go: it holds nothing, and reading from it fails.
    pub is_let_go: bool,
}

/// What a feed holds the prune floor at, for whoever asks why it does not move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedHold {
    /// The name of the feed; `None` for one that lives as long as its reader.
    pub name: Option<String>,
    /// The floor does not pass this.
    pub timestamp: Timestamp,
    /// For how long it has not moved.
    pub age: Duration,
}
