//! [`RecentCursor`]: the keys of all segments at one timestamp, in one direction.

use std::{cmp::Ordering, collections::VecDeque, ops::Bound};

use super::segment::{RecentKey, Segment};
use crate::{
    backend::Scope,
    storage::{iter::Value, walk::Direction},
    sync::Arc,
    timestamp::Timestamp,
};

/// How many keys are taken from a segment under its lock: few at first, for a short scan, then more.
const FIRST_KEYS: usize = if cfg!(test) { 1 } else { 4 };
const MOST_KEYS: usize = if cfg!(test) { 3 } else { 256 };

/// What is read does not change: versions above the timestamp are passed over, and those at or below it
/// were all there when the cursor was made.
#[derive(Debug)]
pub(crate) struct RecentCursor {
    /// Newest first.
    parts: Vec<Part>,
    at: Timestamp,
    direction: Direction,
}

/// What is left of one segment.
#[derive(Debug)]
struct Part {
    segment: Arc<Segment>,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// Taken from it already.
    taken: VecDeque<(RecentKey, Option<Value>)>,
    /// How many to take next; 0 once nothing is left.
    next_keys: usize,
}

impl RecentCursor {
    pub(super) fn new(
        segments: impl Iterator<Item = Arc<Segment>>,
        scope: &Scope,
        at: Timestamp,
        direction: Direction,
    ) -> Self {
        let part = |segment| Part {
            segment,
            start: Bound::Included(scope.start.clone()),
            end: scope.end.clone().map_or(Bound::Unbounded, Bound::Excluded),
            taken: VecDeque::new(),
            next_keys: FIRST_KEYS,
        };
        let mut cursor = Self {
            parts: segments.map(part).collect(),
            at,
            direction,
        };
        cursor.fill();
        cursor
    }

    /// The next key, encoded.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.nearest().map(|(_, key)| key)
    }

    /// The next key and its value, `None` where it was deleted; goes on behind it.
    pub(crate) fn take(&mut self) -> Option<(RecentKey, Option<Value>)> {
        let (newest, _) = self.nearest()?;
        let taken = self.parts.get_mut(newest)?.taken.pop_front()?;
        // The same key in older segments is of older versions.
        for part in &mut self.parts {
            if part.taken.front().is_some_and(|(key, _)| *key == taken.0) {
                part.taken.pop_front();
            }
        }
        self.fill();
        Some(taken)
    }

    /// The newest part among those that stand on the nearest key, and that key.
    fn nearest(&self) -> Option<(usize, &[u8])> {
        let mut nearest: Option<(usize, &[u8])> = None;
        for (index, part) in self.parts.iter().enumerate() {
            let Some((key, _)) = part.taken.front() else {
                continue;
            };
            let is_nearer = nearest
                .is_none_or(|(_, other)| self.direction.compare(key, other) == Ordering::Less);
            if is_nearer {
                nearest = Some((index, key));
            }
        }
        nearest
    }

    fn fill(&mut self) {
        for part in &mut self.parts {
            if part.taken.is_empty() && part.next_keys > 0 {
                part.fill(self.at, self.direction);
            }
        }
    }
}

impl Part {
    fn fill(&mut self, at: Timestamp, direction: Direction) {
        let part = (
            self.start.as_ref().map(Vec::as_slice),
            self.end.as_ref().map(Vec::as_slice),
        );
        let rows = self
            .segment
            .next_values(part, at, direction, self.next_keys);
        let is_last = rows.len() < self.next_keys;
        if let Some((key, _)) = rows.last() {
            let passed = Bound::Excluded(key.to_vec());
            match direction {
                Direction::Forward => self.start = passed,
                Direction::Backward => self.end = passed,
            }
        }
        self.next_keys = if is_last {
            0
        } else {
            (self.next_keys * 4).min(MOST_KEYS)
        };
        self.taken.extend(rows);
    }
}
