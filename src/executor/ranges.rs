//! [`Ranges`]: the ranges that a run has read, shared with its iterators, which own all that they need.

use super::{merge::End, stop::Stop};
use crate::{
    storage::{Key, KeyRange},
    sync::{Arc, Mutex},
};

/// What a run and its iterators share.
pub(super) type SharedRanges = Arc<Mutex<Ranges>>;

#[derive(Debug)]
pub(super) struct Ranges {
    /// Absent once the run has ended: its iterators can do nothing any more.
    pub(super) run: Option<Run>,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) reads: Vec<RangeRead>,
    /// The calls that are left to the run, its iterators included.
    pub(super) operations_left: u64,
    pub(super) stop: Option<Stop>,
}

/// What of a range an iterator has given out, from either end.
#[derive(Debug)]
pub(super) struct RangeRead {
    pub(super) range: KeyRange,
    first: Option<Key>,
    last: Option<Key>,
    is_whole: bool,
    /// The rows above the base that it met.
    pub(super) front: Vec<SeenRow>,
    pub(super) back: Vec<SeenRow>,
}

/// A row above the base, as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenRow {
    pub(super) location: u32,
    pub(super) seen: super::frame::Seen,
    pub(super) value: Option<crate::storage::Value>,
}

impl SeenRow {
    /// Whether a transaction that met the one would do the same with the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same_write = self.seen == other.seen && self.seen != super::frame::Seen::FOLDED;
        self.location == other.location && (is_same_write || self.value == other.value)
    }
}

impl RangeRead {
    pub(super) fn new(range: KeyRange) -> Self {
        Self {
            range,
            first: None,
            last: None,
            is_whole: false,
            front: Vec::new(),
            back: Vec::new(),
        }
    }

    /// One end has come to this row, or to its end, and met rows above the base.
    pub(super) fn extend(&mut self, row: Option<&Key>, end: End, seen: Vec<SeenRow>) {
        match end {
            End::Front => self.front.extend(seen),
            End::Back => self.back.extend(seen),
        }
        match (row, end) {
            (Some(key), End::Front) => self.first = Some(key.clone()),
            (Some(key), End::Back) => self.last = Some(key.clone()),
            // Each end has come as far as the other.
            (None, _) => self.is_whole = true,
        }
    }

    /// Whether all of the range was read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The part that was read from the front, and that from the back; the first is all where the ends
    /// have met.
    pub(super) fn consumed(&self) -> [Option<KeyRange>; 2] {
        if self.is_whole {
            return [Some(self.range.clone()), None];
        }
        let front = self
            .first
            .as_ref()
            .map(|first| KeyRange::new(self.range.start.clone()..=first.to_vec()));
        let back = self.last.as_ref().map(|last| KeyRange {
            start: last.to_vec(),
            end: self.range.end.clone(),
        });
        [front, back]
    }
}

/// The ranges that were read, as far as they were.
pub(super) fn consumed(reads: &[RangeRead]) -> Vec<KeyRange> {
    reads
        .iter()
        .flat_map(RangeRead::consumed)
        .flatten()
        .collect()
}
