//! [`Timeline`]: the commits of the whole history counted, over timestamps and over the time of day.
//!
//! It is counted once and then followed, a bounded number of commits for each request. A rollback begins it anew. What
//! falls below the floor is forgotten bucket by bucket: the one that the floor lies in still counts all of its commits.

use std::ops::Bound;

use parking_lot::Mutex;
use sapwood::{Engine, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{At, milliseconds},
    buckets::{Bucket, Buckets},
    failure::Result,
    page,
};

/// Commits that one request counts at most, and keys of theirs.
const COMMITS_AT_ONCE: u64 = 100_000;
const KEYS_AT_ONCE: u64 = 4_000_000;
/// Buckets in memory, in an answer unless it says otherwise, and in an answer at most.
const BUCKETS_KEPT: usize = 8192;
const BUCKETS: usize = 512;
const BUCKETS_MAX: usize = 4096;

/// What a timeline is laid over.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Axis {
    /// Timestamps.
    #[default]
    Timestamp,
    /// The time of day of commits, in milliseconds since 1970.
    Time,
}

/// How the timeline is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimelineQuery {
    #[serde(default)]
    by: Axis,
    buckets: Option<usize>,
}

/// The timeline, as it is answered.
#[derive(Debug, Serialize)]
pub(crate) struct TimelineAnswer {
    by: Axis,
    /// Of each bucket, in timestamps or milliseconds.
    width: String,
    floor: At,
    visible: At,
    /// Up to here all commits are counted.
    counted: At,
    complete: bool,
    commits: u64,
    buckets: Vec<BucketRow>,
}

#[derive(Debug, Serialize)]
struct BucketRow {
    start: String,
    commits: u64,
    sets: u64,
    deletes: u64,
    first: At,
    last: At,
    first_ms: u64,
    last_ms: u64,
}

impl BucketRow {
    fn new((start, bucket): (u64, &Bucket)) -> Self {
        Self {
            start: start.to_string(),
            commits: bucket.commits,
            sets: bucket.sets,
            deletes: bucket.deletes,
            first: At(bucket.first),
            last: At(bucket.last),
            first_ms: bucket.first_ms,
            last_ms: bucket.last_ms,
        }
    }
}

/// The commits of an engine, counted so far.
#[derive(Debug, Default)]
pub(crate) struct Timeline(Mutex<Option<Counted>>);

#[derive(Clone, Debug)]
struct Counted {
    epoch: u64,
    floor: Timestamp,
    seen: Timestamp,
    by_timestamp: Buckets,
    by_time: Buckets,
}

impl Counted {
    fn new(epoch: u64, floor: Timestamp) -> Self {
        Self {
            epoch,
            floor,
            seen: floor,
            by_timestamp: Buckets::new(BUCKETS_KEPT),
            by_time: Buckets::new(BUCKETS_KEPT),
        }
    }

    /// Counts the next commits, up to a bound. Returns whether none is left up to `visible`.
    fn go_on(&mut self, engine: &Engine, visible: Timestamp, most: (u64, u64)) -> Result<bool> {
        let (mut commits, mut keys) = (0, 0);
        let above = (Bound::Excluded(self.seen), Bound::Included(visible));
        for commit in engine.commit_log(above)? {
            if commits >= most.0 || keys >= most.1 {
                return Ok(false);
            }
            let commit = commit?;
            commits += 1;
            keys += commit.sets + commit.deletes;
            self.by_timestamp.add(commit.timestamp.get(), &commit);
            self.by_time.add(milliseconds(commit.time), &commit);
            self.seen = commit.timestamp;
        }
        self.seen = self.seen.max(visible);
        Ok(true)
    }

    fn raise_floor(&mut self, floor: Timestamp) {
        if floor > self.floor {
            self.floor = floor;
            self.seen = self.seen.max(floor);
            self.by_timestamp.forget(floor);
            self.by_time.forget(floor);
        }
    }
}

impl Timeline {
    /// The timeline, after counting what is new.
    pub(crate) fn answer(&self, engine: &Engine, query: &TimelineQuery) -> Result<TimelineAnswer> {
        self.answer_within(engine, query, (COMMITS_AT_ONCE, KEYS_AT_ONCE))
    }

    fn answer_within(
        &self,
        engine: &Engine,
        query: &TimelineQuery,
        most: (u64, u64),
    ) -> Result<TimelineAnswer> {
        let most_buckets = page::bounded("buckets", query.buckets, BUCKETS, 1..=BUCKETS_MAX)?;
        let mut kept = self.0.lock();
        // The epoch first: what a later rollback undoes is then counted in an epoch that has ended.
        let (epoch, floor, visible) = (engine.epoch(), engine.floor(), engine.visible());
        let mut counted = match kept.take() {
            Some(counted) if counted.epoch == epoch => counted,
            _ => Counted::new(epoch, floor),
        };
        counted.raise_floor(floor);
        let complete = counted.go_on(engine, visible, most)?;
        let buckets = match query.by {
            Axis::Timestamp => &counted.by_timestamp,
            Axis::Time => &counted.by_time,
        }
        .at_most(most_buckets);
        let answer = TimelineAnswer {
            by: query.by,
            width: buckets.width().to_string(),
            floor: At(floor),
            visible: At(visible),
            counted: At(counted.seen),
            complete,
            commits: buckets.iter().map(|(_, bucket)| bucket.commits).sum(),
            buckets: buckets.iter().map(BucketRow::new).collect(),
        };
        *kept = Some(counted);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> TimelineQuery {
        TimelineQuery {
            by: Axis::Timestamp,
            buckets: None,
        }
    }

    #[test]
    fn it_is_counted_in_steps_and_then_followed() {
        let engine = Engine::in_memory();
        let timeline = Timeline::default();
        for number in 0..10 {
            engine.set("key", number.to_string()).unwrap();
        }
        let mut answers = Vec::new();
        for _ in 0..4 {
            let answer = timeline.answer_within(&engine, &query(), (4, 100)).unwrap();
            answers.push((answer.commits, answer.complete, answer.counted.0.get()));
        }
        let expected = [(4, false, 4), (8, false, 8), (10, true, 10), (10, true, 10)];
        assert_eq!(answers, expected);
        engine.set("key", "new").unwrap();
        let answer = timeline.answer(&engine, &query()).unwrap();
        assert_eq!((answer.commits, answer.complete), (11, true));
    }

    #[test]
    fn a_rollback_begins_it_anew_and_a_prune_cuts_it() {
        let engine = Engine::in_memory();
        let timeline = Timeline::default();
        for number in 0..10 {
            engine.set("key", number.to_string()).unwrap();
        }
        let commits = || timeline.answer(&engine, &query()).unwrap().commits;
        assert_eq!(commits(), 10);
        engine.rollback_to(Timestamp::new(6)).unwrap();
        assert_eq!(commits(), 6);
        engine.set("key", "another 7").unwrap();
        assert_eq!(commits(), 7);
        engine.prune_before(Timestamp::new(5)).unwrap();
        assert_eq!(commits(), 2);
    }
}
