//! [`CommitLog`]: when each commit was made and how much it changed, from both ends.
//!
//! It reads the records of commits and nothing else, so it costs the keys that they name and no look-up. What a commit
//! changed is told by a [feed](super::feed).
//!
//! **Invariant:** what is given out is a commit that was visible, and above the prune floor, when the log was asked
//! for: whether the record of one at or below the floor is still stored is nobody's business.

use std::{
    ops::{Bound, RangeBounds},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{lookup, store::Store};
use crate::{
    backend::{Access, Cursor, Keyspace, Scope},
    codec::commit::{self, Operation},
    error::{Error, Result},
    timestamp::Timestamp,
};

/// A commit, as the log lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitSummary {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The time of day of the commit; it orders nothing.
    pub time: SystemTime,
    /// How many keys it set.
    pub sets: u64,
    /// How many keys it deleted, of those that existed.
    pub deletes: u64,
}

/// The commits of a range of timestamps, oldest first, from both ends. Those at or below the prune floor are not among
/// them, whether or not they are still stored.
///
/// They are listed as of the moment in which the log was asked for. It holds back nothing.
///
/// # Examples
/// ```
/// use sapwood::{Batch, Engine, Timestamp};
///
/// let engine = Engine::in_memory();
/// let mut batch = Batch::new();
/// batch.set(b"alice", b"100").set(b"bob", b"0");
/// engine.commit_at(Timestamp::new(10), batch)?;
/// engine.delete(b"bob")?;
/// let mut log = engine.commit_log(..)?;
/// let first = log.next().unwrap()?;
/// assert_eq!((first.timestamp, first.sets, first.deletes), (Timestamp::new(10), 2, 0));
/// let last = log.next_back().unwrap()?;
/// assert_eq!((last.timestamp, last.sets, last.deletes), (Timestamp::new(11), 0, 1));
/// assert!(log.next().is_none());
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct CommitLog {
    front: End,
    back: End,
    /// Commits above this and up to `until` have not been given out.
    after: Timestamp,
    until: Timestamp,
    done: bool,
}

/// A view of the records for one end, opened with the other and placed when it is first asked.
#[derive(Debug)]
struct End {
    cursor: Box<dyn Cursor>,
    is_placed: bool,
}

impl Store {
    /// The commits of a range, as their records tell of them.
    pub(crate) fn commit_log(&self, range: &impl RangeBounds<Timestamp>) -> Result<CommitLog> {
        self.check_open()?;
        self.in_one_epoch(|| self.open_log(range))
    }

    fn open_log(&self, range: &impl RangeBounds<Timestamp>) -> Result<CommitLog> {
        let visible = self.clock.visible();
        let (after, until) = limits(range);
        let until = until.min(visible);
        let view = || -> Result<End> {
            let scope = Scope {
                start: commit::encode_key(after, u32::MAX).to_vec(),
                end: Some(commit::encode_key(until.max(after), u32::MAX).to_vec()),
            };
            let cursor = self
                .backend
                .cursor(Keyspace::Commits, scope, Access::Scan)?;
            Ok(End {
                cursor,
                is_placed: false,
            })
        };
        let (front, back) = (view()?, view()?);
        // After the views: what a prune had taken out of them lies at or below this.
        let floor = self.floor();
        Ok(CommitLog {
            front,
            back,
            after: after.max(floor),
            until,
            done: false,
        })
    }
}

/// The timestamp that lies before a range, and the last one in it. The commits have timestamps from 1 on.
fn limits(range: &impl RangeBounds<Timestamp>) -> (Timestamp, Timestamp) {
    let before = |timestamp: Timestamp| Timestamp::new(timestamp.get().saturating_sub(1));
    let after = match range.start_bound() {
        Bound::Included(start) => before(*start),
        Bound::Excluded(start) => *start,
        Bound::Unbounded => Timestamp::ZERO,
    };
    let until = match range.end_bound() {
        Bound::Included(end) => *end,
        Bound::Excluded(end) => before(*end),
        Bound::Unbounded => Timestamp::MAX,
    };
    (after, until)
}

/// What one part of a commit tells.
struct Told {
    timestamp: Timestamp,
    number: u32,
    time_ms: Option<u64>,
    is_last: bool,
    sets: u64,
    deletes: u64,
}

fn told(cursor: &dyn Cursor) -> Result<Option<Told>> {
    let Some((row_key, value)) = cursor.row() else {
        return Ok(None);
    };
    let corrupt = |error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error);
    let (timestamp, number) = commit::decode_key(row_key).map_err(corrupt)?;
    let part = commit::decode_part(number, value).map_err(corrupt)?;
    let (mut sets, mut deletes) = (0, 0);
    for changed in part.changes() {
        match changed.operation {
            Operation::Set => sets += 1,
            Operation::Delete => deletes += 1,
        }
    }
    Ok(Some(Told {
        timestamp,
        number,
        time_ms: part.time_ms,
        is_last: part.last,
        sets,
        deletes,
    }))
}

impl CommitSummary {
    /// One of which no part was read.
    fn of(timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            time: UNIX_EPOCH,
            sets: 0,
            deletes: 0,
        }
    }

    fn add(&mut self, part: &Told) {
        self.sets += part.sets;
        self.deletes += part.deletes;
        if let Some(ms) = part.time_ms {
            let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
            self.time = time.unwrap_or(UNIX_EPOCH);
        }
    }
}

fn missing(timestamp: Timestamp) -> Error {
    Error::corrupt(
        format!("the commit {timestamp} in commits"),
        "a part of it is missing",
    )
}

impl CommitLog {
    /// The oldest commit that has not been given out.
    fn step_front(&mut self) -> Result<Option<CommitSummary>> {
        let cursor = self.front.cursor.as_mut();
        if !self.front.is_placed {
            self.front.is_placed = true;
            cursor.seek(&commit::encode_key(self.after, u32::MAX))?;
            // A part of that number is none of the commits above.
            while told(cursor)?.is_some_and(|part| part.timestamp <= self.after) {
                cursor.next()?;
            }
        }
        let Some(first) = told(cursor)?.filter(|part| part.timestamp <= self.until) else {
            return Ok(None);
        };
        if first.number != 0 {
            return Err(missing(first.timestamp));
        }
        let mut summary = CommitSummary::of(first.timestamp);
        let mut part = first;
        loop {
            summary.add(&part);
            cursor.next()?;
            if part.is_last {
                self.after = summary.timestamp;
                return Ok(Some(summary));
            }
            let next = told(cursor)?.filter(|next| {
                next.timestamp == part.timestamp && Some(next.number) == part.number.checked_add(1)
            });
            part = next.ok_or_else(|| missing(part.timestamp))?;
        }
    }

    /// The newest commit that has not been given out.
    fn step_back(&mut self) -> Result<Option<CommitSummary>> {
        let cursor = self.back.cursor.as_mut();
        if !self.back.is_placed {
            self.back.is_placed = true;
            cursor.seek_to_last()?;
            while told(cursor)?.is_some_and(|part| part.timestamp > self.until) {
                cursor.prev()?;
            }
        }
        let Some(last) = told(cursor)?.filter(|part| part.timestamp > self.after) else {
            return Ok(None);
        };
        if !last.is_last {
            return Err(missing(last.timestamp));
        }
        let mut summary = CommitSummary::of(last.timestamp);
        let mut part = last;
        loop {
            summary.add(&part);
            cursor.prev()?;
            if part.number == 0 {
                self.until = Timestamp::new(summary.timestamp.get().saturating_sub(1));
                return Ok(Some(summary));
            }
            let before = told(cursor)?.filter(|before| {
                before.timestamp == part.timestamp && before.number + 1 == part.number
            });
            part = before.ok_or_else(|| missing(part.timestamp))?;
        }
    }

    fn finish(&mut self, result: Result<Option<CommitSummary>>) -> Option<Result<CommitSummary>> {
        let item = result.transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Iterator for CommitLog {
    type Item = Result<CommitSummary>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let result = self.step_front();
        self.finish(result)
    }
}

impl DoubleEndedIterator for CommitLog {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let result = self.step_back();
        self.finish(result)
    }
}

impl std::iter::FusedIterator for CommitLog {}
