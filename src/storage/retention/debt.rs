//! Retention debt: bytes of history that are stored and kept for nobody, estimated; and who holds the floor.
//!
//! **What is counted** are keys and values of rows of `history`, before compression, by when their versions
//! ended. Each full pass of a prune reads every row, so after it all is known; the merge counts what it moves to
//! `history` from then on. What was there when the store was opened is known by its size on disk only: until the
//! first pass it counts as if it had ended evenly between the floor and the newest commit. Rows that are merged
//! while a pass opens its view may count twice until the next one; rows that `RocksDB`'s own compactions have
//! dropped count until the next pass. Versions that are in memory still are not rows yet, and do not count.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    backend::{
        depths::{DEPTHS, Depths},
        ended::{Ended, Kept},
    },
    error::Result,
    storage::{FeedHold, Pin, RetentionPolicy, store::Store},
    timestamp::Timestamp,
};

/// What is known of `history`.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// What ended when, but for what is in `pinned_bytes`.
    pub(super) ended: Ended,
    /// What was merged since a pass has begun that is under way.
    since: Option<Ended>,
    /// What had ended by the floor of the last pass, and was pinned.
    pub(super) pinned_bytes: u64,
    /// How deep the versions lay that the last walk over all of them has found.
    pub(super) depths: Depths,
    /// Whether pins were removed since.
    pub(super) is_unpinned: bool,
    /// Whether no pass has counted it all yet.
    is_estimate: bool,
    /// When the last full pass ended; how many there were.
    last_pass: Option<Instant>,
    passes: u64,
    /// Where the policy would have the floor, when it was asked last.
    pub(super) wanted: Timestamp,
    /// Why the thread could not do its work when it tried last.
    pub(super) failure: Option<String>,
}

impl Figures {
    /// A store was opened that holds so many bytes of history, which ended above `floor` and by `last`.
    pub(super) fn recall(&mut self, bytes: u64, floor: Timestamp, last: Timestamp) {
        self.is_estimate = bytes > 0;
        if bytes > 0 {
            self.ended.spread(bytes, floor, last);
        }
    }

    pub(super) fn add(&mut self, ended: &Ended) {
        self.ended.add_all(ended);
        if let Some(since) = &mut self.since {
            since.add_all(ended);
        }
    }

    pub(super) fn rewind(&mut self, target: Timestamp) {
        self.ended.forget_above(target);
        if let Some(since) = &mut self.since {
            since.forget_above(target);
        }
        self.wanted = self.wanted.min(target);
    }

    pub(super) fn unpinned(&mut self) {
        self.is_unpinned = self.pinned_bytes > 0;
    }

    pub(super) fn begin_pass(&mut self) {
        self.since = Some(Ended::default());
        self.is_unpinned = false;
    }

    pub(super) fn end_pass(&mut self, kept: Option<Kept>) {
        let since = self.since.take().unwrap_or_default();
        let Some(kept) = kept else { return };
        self.ended = kept.ended;
        self.ended.add_all(&since);
        self.pinned_bytes = kept.pinned_bytes;
        self.depths = kept.depths;
        self.is_estimate = false;
        self.last_pass = now();
        self.passes += 1;
    }

    /// Bytes that a prune with this floor would let go, about.
    pub(super) fn below(&self, floor: Timestamp) -> u64 {
        let unpinned = if self.is_unpinned {
            self.pinned_bytes
        } else {
            0
        };
        self.ended.up_to(floor).saturating_add(unpinned)
    }
}

/// The model checkers have no time.
fn now() -> Option<Instant> {
    (!cfg!(any(loom, shuttle))).then(Instant::now)
}

/// What keeps the floor lower than the policy would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FloorHold {
    /// A snapshot, a transaction or an iterator.
    Snapshot {
        /// The timestamp that it reads at.
        timestamp: Timestamp,
        /// For how long it has been held.
        age: Duration,
    },
    /// A change feed whose changes have not been acknowledged.
    Feed {
        /// Its name; `None` for one that lives as long as its reader.
        name: Option<String>,
        /// What was acknowledged last.
        timestamp: Timestamp,
        /// For how long that has not moved.
        age: Duration,
    },
}

impl FloorHold {
    /// The floor does not pass this.
    pub fn timestamp(&self) -> Timestamp {
        match self {
            Self::Snapshot { timestamp, .. } | Self::Feed { timestamp, .. } => *timestamp,
        }
    }
}

impl From<FeedHold> for FloorHold {
    fn from(hold: FeedHold) -> Self {
        Self::Feed {
            name: hold.name,
            timestamp: hold.timestamp,
            age: hold.age,
        }
    }
}

impl fmt::Display for FloorHold {
    /// Who holds it, at which timestamp, and for how long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (timestamp, age) = match self {
            Self::Snapshot { timestamp, age } => {
                write!(f, "a snapshot")?;
                (timestamp, age)
            }
            Self::Feed {
                name: Some(name),
                timestamp,
                age,
            } => {
                write!(f, "the feed {name:?}")?;
                (timestamp, age)
            }
            Self::Feed {
                name: None,
                timestamp,
                age,
            } => {
                write!(f, "a reader of changes")?;
                (timestamp, age)
            }
        };
        write!(f, " at {timestamp}, held for {} s", age.as_secs())
    }
}

/// What is kept, what is kept for nobody, and why.
///
/// Bytes are keys and values of ended versions, before compression, and an estimate: exact after each full pass of
/// a prune, and from then on but for what happens beside one; see [`is_estimate`](Self::is_estimate) for what
/// was there when the store was opened. Versions that are still in memory do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionStatus {
    /// The policy.
    pub policy: RetentionPolicy,
    /// The lowest timestamp that can be read without a pin.
    pub floor: Timestamp,
    /// Where the policy would have the floor.
    pub wanted: Timestamp,
    /// The retention debt: bytes that ended at or below `wanted` (or the floor, if that is higher) and are still
    /// stored, though no pin holds them.
    pub debt_bytes: u64,
    /// The part of it that lies below the floor: the next prune gives it back.
    pub below_floor_bytes: u64,
    /// Bytes of history that the last full pass found below the floor and left there for pins.
    pub pinned_bytes: u64,
    /// Bytes of all history, pinned ones included.
    pub history_bytes: u64,
    /// Whether some of it was there when the store was opened and no prune has read it since: it counts with its
    /// size on disk, as if it had ended evenly over time.
    pub is_estimate: bool,
    /// What holds the floor lower than the policy would have it.
    pub held_by: Option<FloorHold>,
    /// The oldest timestamp that a snapshot, a transaction or an iterator holds, and for how long.
    pub oldest_snapshot: Option<(Timestamp, Duration)>,
    /// The pin that holds the oldest timestamp.
    pub oldest_pin: Option<Pin>,
    /// For how long that pin has been set, where it is known.
    pub oldest_pin_age: Option<Duration>,
    /// The time since the last full pass of a prune, where there was one since the store was opened.
    pub last_full_pass: Option<Duration>,
    /// Full passes since the store was opened.
    pub full_passes: u64,
    /// Whether writers wait for the debt to become smaller.
    pub writers_wait: bool,
    /// Why the policy could not be kept to in the background when that was tried last.
    pub failure: Option<String>,
}

/// What is known of `history` without looking anything up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetentionFigures {
    pub(crate) wanted: Timestamp,
    pub(crate) debt_bytes: u64,
    pub(crate) below_floor_bytes: u64,
    pub(crate) pinned_bytes: u64,
    pub(crate) history_bytes: u64,
    pub(crate) full_passes: u64,
    pub(crate) writers_wait: bool,
    pub(crate) depths: [u64; DEPTHS],
}

impl Store {
    /// What is known of `history`.
    pub(crate) fn retention_figures(&self) -> RetentionFigures {
        let floor = self.floor();
        let figures = self.keeping.figures.lock();
        let wanted = figures.wanted.max(floor);
        RetentionFigures {
            wanted,
            debt_bytes: figures.below(wanted),
            below_floor_bytes: figures.below(floor),
            pinned_bytes: figures.pinned_bytes,
            history_bytes: figures.ended.total().saturating_add(figures.pinned_bytes),
            full_passes: figures.passes,
            writers_wait: self.keeping.gate.is_shut(),
            depths: figures.depths.counts(),
        }
    }

    /// A full pass begins.
    pub(in crate::storage) fn begin_pass(&self) {
        self.keeping.figures.lock().begin_pass();
    }

    /// It has ended, and found this, or failed.
    pub(in crate::storage) fn end_pass(&self, kept: Option<Kept>) {
        self.keeping.figures.lock().end_pass(kept);
        self.weigh_debt();
    }

    /// The debt now, of which so much below the floor.
    pub(in crate::storage) fn debt(&self) -> (u64, u64) {
        let floor = self.floor();
        let figures = self.keeping.figures.lock();
        (
            figures.below(figures.wanted.max(floor)),
            figures.below(floor),
        )
    }

    /// The time since the last full pass.
    pub(in crate::storage) fn last_full_pass(&self) -> Option<Duration> {
        let last = self.keeping.figures.lock().last_pass;
        last.map(|last| last.elapsed())
    }

    /// Lets writers wait, or go on.
    pub(super) fn weigh_debt(&self) {
        let is_over = |limit| self.debt().0 > limit;
        let limit = self.keeping.policy().debt_limit_bytes;
        self.keeping.gate.set(limit.is_some_and(is_over));
    }

    /// What holds the floor lower than `before`. It is what `prune_before` would be held by.
    pub(super) fn floor_hold(&self, before: Timestamp) -> Option<FloorHold> {
        let floor = self.floor();
        let snapshot = self.guards.held_from(floor);
        let snapshot = snapshot.map(|(timestamp, age)| FloorHold::Snapshot { timestamp, age });
        let feeds = self.feed_holds().into_iter();
        let feed = feeds
            .map(FloorHold::from)
            .find(|hold| hold.timestamp() >= floor);
        let holds = snapshot.into_iter().chain(feed);
        let first = holds.min_by_key(FloorHold::timestamp);
        first.filter(|hold| hold.timestamp() < before)
    }

    pub(crate) fn retention_status(&self) -> Result<RetentionStatus> {
        self.check_open()?;
        self.wanted()?;
        let floor = self.floor();
        let (debt_bytes, below_floor_bytes) = self.debt();
        let oldest_pin = self.oldest_pin();
        let pinned_since = oldest_pin.as_ref().and_then(|pin| pin.created);
        let figures = self.keeping.figures.lock();
        let (wanted, failure) = (figures.wanted.max(floor), figures.failure.clone());
        let (last_full_pass, full_passes) = (figures.last_pass, figures.passes);
        let (pinned_bytes, is_estimate) = (figures.pinned_bytes, figures.is_estimate);
        let history_bytes = figures.ended.total().saturating_add(pinned_bytes);
        drop(figures);
        Ok(RetentionStatus {
            policy: self.keeping.policy(),
            floor,
            wanted,
            debt_bytes,
            below_floor_bytes,
            pinned_bytes,
            history_bytes,
            is_estimate,
            held_by: self.floor_hold(wanted),
            oldest_snapshot: self.guards.oldest(),
            oldest_pin_age: pinned_since
                .and_then(|since| SystemTime::now().duration_since(since).ok()),
            oldest_pin,
            last_full_pass: last_full_pass.map(|last| last.elapsed()),
            full_passes,
            writers_wait: self.keeping.gate.is_shut(),
            failure,
        })
    }

    fn oldest_pin(&self) -> Option<Pin> {
        let pins = self.pins.read();
        pins.iter().min_by_key(|pin| pin.timestamp).cloned()
    }
}
