//! Where the policy would have the floor: the oldest timestamp that each limit keeps, found by walking the
//! records of commits.
//!
//! Each limit remembers how far it had come, so that a record is walked over once when it is new and once when
//! it is past keeping, however often is asked. What it remembers counts for one policy, one epoch and one floor
//! at or below it; otherwise it starts again from the floor.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::RetentionPolicy;
use crate::{
    backend::{Access, Backend, Keyspace, Scope},
    codec::commit,
    error::{Error, Result},
    storage::lookup,
    timestamp::Timestamp,
};

/// Where the limits had come to.
#[derive(Debug, Default)]
pub(super) struct Search {
    epoch: u64,
    kept: Option<LastCommits>,
    at_least: Option<LastCommits>,
    aged: Option<Aged>,
}

/// The last so many commits.
#[derive(Clone, Copy, Debug)]
struct LastCommits {
    commits: u64,
    /// The oldest of them, or the floor, where there are not more.
    oldest: Timestamp,
    /// The commits above it, up to `seen`.
    above: u64,
    seen: Timestamp,
}

/// The commits that are past an age.
#[derive(Clone, Copy, Debug)]
struct Aged {
    /// Commits made after this are young, in milliseconds since 1970.
    cutoff_ms: u64,
    /// The last before the first young one.
    last: Timestamp,
}

/// What a search looks at: the commits above the floor that are visible, within one epoch.
pub(super) struct Commits<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) epoch: u64,
    pub(super) floor: Timestamp,
    pub(super) visible: Timestamp,
}

impl Search {
    /// The floor that a policy's commits and age ask for, and the one that it may not pass.
    pub(super) fn run(
        &mut self,
        commits: &Commits<'_>,
        policy: &RetentionPolicy,
        now: SystemTime,
    ) -> Result<Wanted> {
        if self.epoch != commits.epoch {
            *self = Self {
                epoch: commits.epoch,
                ..Self::default()
            };
        }
        let last = |place: &mut Option<LastCommits>, number: Option<u64>| {
            number.map(|number| LastCommits::find(place, number, commits))
        };
        let by_commits = last(&mut self.kept, policy.commits).transpose()?;
        let at_most = last(&mut self.at_least, policy.at_least_commits).transpose()?;
        let by_age = match policy.age {
            Some(age) => Some(Aged::find(&mut self.aged, age, now, commits)?),
            None => None,
        };
        Ok(Wanted {
            floor: by_commits.max(by_age).unwrap_or(commits.floor),
            at_most: at_most.unwrap_or(commits.visible),
        })
    }
}

/// What a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where the limits would have the floor. Not below the present one.
    pub(super) floor: Timestamp,
    /// What the promise keeps is at or above this.
    pub(super) at_most: Timestamp,
}

impl LastCommits {
    /// The oldest of the last so many commits; the floor where there are not more above it.
    fn find(place: &mut Option<Self>, number: u64, commits: &Commits<'_>) -> Result<Timestamp> {
        let Commits { floor, visible, .. } = *commits;
        let fits = |last: &Self| last.commits == number && last.oldest >= floor;
        let mut last = place.filter(fits).unwrap_or(Self {
            commits: number,
            oldest: floor,
            above: 0,
            seen: floor,
        });
        // Each commit has a timestamp of its own.
        if visible.get().saturating_sub(last.oldest.get()) < number {
            return Ok(last.oldest);
        }
        let mut above = last.above;
        commits.walk(last.seen, |_, _| {
            above += 1;
            true
        })?;
        (last.above, last.seen) = (above, visible);
        if let Some(more) = last.above.checked_sub(number) {
            let mut left = more + 1;
            let mut oldest = last.oldest;
            commits.walk(last.oldest, |timestamp, _| {
                oldest = timestamp;
                left -= 1;
                left > 0
            })?;
            (last.oldest, last.above) = (oldest, number - 1);
        }
        *place = Some(last);
        Ok(last.oldest)
    }
}

impl Aged {
    /// The last commit that, with all before it above the floor, was made at or before an age ago: the state
    /// after it was the newest then. The floor where the first is younger.
    fn find(
        place: &mut Option<Self>,
        age: Duration,
        now: SystemTime,
        commits: &Commits<'_>,
    ) -> Result<Timestamp> {
        let Some(newest_ms) = commits.newest_ms()? else {
            return Ok(commits.floor);
        };
        let now_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now_ms.as_millis()).unwrap_or(u64::MAX);
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        // Nothing is that old, not even what has no time.
        let Some(cutoff_ms) = newest_ms.min(now_ms).checked_sub(age_ms) else {
            return Ok(commits.floor);
        };
        let fits = |aged: &Self| aged.cutoff_ms <= cutoff_ms && aged.last >= commits.floor;
        let mut last = place.filter(fits).map_or(commits.floor, |aged| aged.last);
        commits.walk(last, |timestamp, time_ms| {
            let is_old = time_ms <= cutoff_ms;
            if is_old {
                last = timestamp;
            }
            is_old
        })?;
        *place = Some(Self { cutoff_ms, last });
        Ok(last)
    }
}

impl Commits<'_> {
    /// When the newest commit above the floor was made, where there is one.
    fn newest_ms(&self) -> Result<Option<u64>> {
        let mut cursor =
            self.backend
                .cursor(Keyspace::Commits, self.scope(self.floor), Access::Scan)?;
        cursor.seek_to_last()?;
        let Some((row_key, _)) = cursor.row() else {
            return Ok(None);
        };
        let corrupt = |row_key: &[u8], error| {
            Error::corrupt(lookup::place(Keyspace::Commits, row_key), error)
        };
        let (newest, _) = commit::decode_key(row_key).map_err(|error| corrupt(row_key, error))?;
        let first = commit::encode_key(newest, 0);
        let value = self.backend.get(Keyspace::Commits, &first)?;
        let time = value.map(|value| commit::peek(&value).map_err(|error| corrupt(&first, error)));
        Ok(time.transpose()?.map(|(time_ms, _)| time_ms))
    }

    fn scope(&self, above: Timestamp) -> Scope {
        Scope {
            start: commit::encode_key(above, u32::MAX).to_vec(),
            end: Some(commit::encode_key(self.visible, u32::MAX).to_vec()),
        }
    }

    /// Walks the visible commits above a timestamp, in order, as long as `visit` says so: their timestamps, and when
    /// they were made.
    fn walk(&self, above: Timestamp, mut visit: impl FnMut(Timestamp, u64) -> bool) -> Result<()> {
        let mut cursor =
            self.backend
                .cursor(Keyspace::Commits, self.scope(above), Access::Sweep)?;
        cursor.seek_to_first()?;
        while let Some((row_key, value)) = cursor.row() {
            let corrupt = |error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error);
            let (timestamp, _) = commit::decode_key(row_key).map_err(corrupt)?;
            let (time_ms, is_one) = commit::peek(value).map_err(corrupt)?;
            if !visit(timestamp, time_ms) {
                return Ok(());
            }
            if is_one {
                cursor.next()?;
            } else {
                cursor.seek(&commit::encode_key(timestamp, u32::MAX))?;
            }
        }
        Ok(())
    }
}
