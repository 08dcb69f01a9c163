//! [`Buckets`]: commits counted over an axis, in bounded memory, exactly.
//!
//! An axis is cut into buckets of one width, a power of two. Only those that hold a commit are kept. When there are too
//! many of them the width is doubled, so nothing need be known of the axis beforehand, and no commit is counted twice.

use std::collections::BTreeMap;

use sapwood::{CommitSummary, Timestamp};

use crate::answer::milliseconds;

/// Commits that lie in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) commits: u64,
    pub(crate) sets: u64,
    pub(crate) deletes: u64,
    /// The first and the last of them, by their timestamps, and when these were made.
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
}

impl Bucket {
    fn of(commit: &CommitSummary) -> Self {
        let ms = milliseconds(commit.time);
        Self {
            commits: 1,
            sets: commit.sets,
            deletes: commit.deletes,
            first: commit.timestamp,
            last: commit.timestamp,
            first_ms: ms,
            last_ms: ms,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.commits += other.commits;
        self.sets += other.sets;
        self.deletes += other.deletes;
        if other.first < self.first {
            (self.first, self.first_ms) = (other.first, other.first_ms);
        }
        if other.last > self.last {
            (self.last, self.last_ms) = (other.last, other.last_ms);
        }
    }
}

/// Commits over an axis.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    /// The width is two to the power of this.
    shift: u32,
    most: usize,
    /// By their starts, divided by the width.
    filled: BTreeMap<u64, Bucket>,
}

impl Buckets {
    /// No commits yet, and at most so many buckets at any time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            shift: 0,
            most: most.max(1),
            filled: BTreeMap::new(),
        }
    }

    /// Counts a commit at its place on the axis.
    pub(crate) fn add(&mut self, place: u64, commit: &CommitSummary) {
        self.put(
            place.checked_shr(self.shift).unwrap_or(0),
            &Bucket::of(commit),
        );
        while self.filled.len() > self.most {
            *self = self.widened(self.shift + 1);
        }
    }

    fn put(&mut self, index: u64, bucket: &Bucket) {
        self.filled
            .entry(index)
            .and_modify(|filled| filled.merge(bucket))
            .or_insert(*bucket);
    }

    /// The same commits in wider buckets.
    fn widened(&self, shift: u32) -> Self {
        let mut wide = Self {
            shift,
            ..Self::new(self.most)
        };
        for (index, bucket) in &self.filled {
            let by = shift.saturating_sub(self.shift);
            wide.put(index.checked_shr(by).unwrap_or(0), bucket);
        }
        wide
    }

    /// The same commits in at most so many buckets.
    pub(crate) fn at_most(&self, most: usize) -> Self {
        let mut buckets = self.clone();
        while buckets.filled.len() > most.max(1) {
            buckets = buckets.widened(buckets.shift + 1);
        }
        buckets
    }

    /// Forgets the buckets of which every commit lies at or below a floor.
    pub(crate) fn forget(&mut self, floor: Timestamp) {
        self.filled.retain(|_, bucket| bucket.last > floor);
    }

    /// The width of each bucket.
    pub(crate) fn width(&self) -> u64 {
        1u64.checked_shl(self.shift).unwrap_or(u64::MAX)
    }

    /// The starts of the buckets that are not empty, in order, and what they hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Bucket)> {
        let shift = self.shift;
        self.filled
            .iter()
            .map(move |(index, bucket)| (index.checked_shl(shift).unwrap_or(0), bucket))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use sapwood::{Batch, CommitOptions, Engine};

    use super::*;

    /// Commits at these timestamps, of one key each.
    fn commits(timestamps: impl IntoIterator<Item = u64>) -> Vec<CommitSummary> {
        let engine = Engine::in_memory();
        for timestamp in timestamps {
            let mut batch = Batch::new();
            batch.set("key", "value");
            let options = CommitOptions::default().at(Timestamp::new(timestamp));
            engine.commit(batch, options).unwrap();
        }
        let all = (Bound::<Timestamp>::Unbounded, Bound::Unbounded);
        let log = engine.commit_log(all).unwrap();
        log.map(|commit| commit.unwrap()).collect()
    }

    #[test]
    fn every_commit_is_in_one_bucket_of_its_place() {
        let commits = commits((1..=100).chain([1000, 5000, 1 << 40, Timestamp::MAX.get()]));
        for most in [1, 2, 3, 16, 103, 104, 1000] {
            let mut buckets = Buckets::new(most);
            for commit in &commits {
                buckets.add(commit.timestamp.get(), commit);
            }
            let filled: Vec<_> = buckets.iter().collect();
            assert!(filled.len() <= most);
            let total: u64 = filled.iter().map(|(_, bucket)| bucket.commits).sum();
            assert_eq!(total, commits.len() as u64);
            for (start, bucket) in filled {
                let inside = |commit: &&CommitSummary| {
                    commit.timestamp.get() - start.min(commit.timestamp.get()) < buckets.width()
                        && commit.timestamp.get() >= start
                };
                let inside: Vec<_> = commits.iter().filter(inside).collect();
                assert_eq!(inside.len() as u64, bucket.commits, "{most}");
                assert_eq!(inside[0].timestamp, bucket.first);
                assert_eq!(inside[inside.len() - 1].timestamp, bucket.last);
            }
        }
    }

    #[test]
    fn few_commits_lie_in_buckets_of_their_own() {
        let mut buckets = Buckets::new(10);
        for commit in commits([3, 1 << 50]) {
            buckets.add(commit.timestamp.get(), &commit);
        }
        assert_eq!(buckets.width(), 1);
        let starts: Vec<_> = buckets.iter().map(|(start, _)| start).collect();
        assert_eq!(starts, [3, 1 << 50]);
        assert_eq!(buckets.at_most(1).iter().count(), 1);
    }

    #[test]
    fn what_lies_below_a_floor_is_forgotten() {
        let mut buckets = Buckets::new(100);
        for commit in commits(1..=10) {
            buckets.add(commit.timestamp.get(), &commit);
        }
        buckets.forget(Timestamp::new(4));
        assert_eq!(buckets.iter().next().unwrap().0, 5);
    }
}
