//! The prune rule: which rows no legal read can need any more. Pure, and decided from the row
//! alone.
//!
//! A read is legal at every timestamp at or above the prune floor, and at every pinned one. A
//! version alive over `[start, end)` is seen by exactly the timestamps in that interval. So it may
//! go if `end <= floor` (no timestamp at or above the floor sees it) and no pin lies in
//! `[start, end)`. Nothing in the rule speaks of neighbours, levels or files, which is why a
//! compaction filter may apply it to any row at any time.
//!
//! The newest version at or below the floor has `end > floor`, or is current: it always stays.

use std::sync::Arc;

use crate::timestamp::Timestamp;

/// A prune floor and the pins below or above it, as one immutable value. Filters take it once and
/// keep it for a whole compaction: a floor and pins from two moments would not go together.
///
/// # Examples
/// ```
/// use sapwood::{PruneRule, Timestamp};
///
/// let at = Timestamp::new;
/// let rule = PruneRule::new(at(10), [at(4)]);
/// assert!(rule.drops_history(at(5), at(10)), "ended at the floor");
/// assert!(!rule.drops_history(at(5), at(11)), "seen at the floor");
/// assert!(!rule.drops_history(at(4), at(6)), "seen by the pin");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneRule {
    floor: Timestamp,
    /// Sorted, without repetition.
    pins: Arc<[Timestamp]>,
}

impl PruneRule {
    /// The rule for a floor and pins, in any order.
    pub fn new(floor: Timestamp, pins: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut pins: Vec<_> = pins.into_iter().collect();
        pins.sort_unstable();
        pins.dedup();
        Self {
            floor,
            pins: pins.into(),
        }
    }

    /// The rule that drops nothing, for filters that run before the floor is known.
    pub fn keep_all() -> Self {
        Self::default()
    }

    /// The floor.
    pub fn floor(&self) -> Timestamp {
        self.floor
    }

    /// The pins, in order.
    pub fn pins(&self) -> &[Timestamp] {
        &self.pins
    }

    /// Whether a version alive over `[start, end)` may go.
    pub fn drops_history(&self, start: Timestamp, end: Timestamp) -> bool {
        end <= self.floor && !self.is_pinned(start, end)
    }

    /// Whether the row that says "deleted at `timestamp`" may go: nothing at or above the floor
    /// asks for what was before it, and neither does a pin.
    pub fn drops_deleted(&self, timestamp: Timestamp) -> bool {
        timestamp <= self.floor && !self.is_pinned(Timestamp::ZERO, timestamp)
    }

    /// Whether the list of keys of the commit at `timestamp` may go. A difference that begins at
    /// the floor needs only the commits above it.
    pub fn drops_commit(&self, timestamp: Timestamp) -> bool {
        timestamp <= self.floor
    }

    /// Whether a row's `previous_end` still speaks of a version that should be there.
    pub fn counts_previous_end(&self, previous_end: Timestamp) -> bool {
        previous_end > self.floor || self.is_pinned(Timestamp::ZERO, previous_end)
    }

    /// Whether a pin lies in `[start, end)`.
    fn is_pinned(&self, start: Timestamp, end: Timestamp) -> bool {
        let first = self.pins.partition_point(|pin| *pin < start);
        self.pins.get(first).is_some_and(|pin| *pin < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The rule restated as what it stands for: a version may go exactly when no legal
        /// timestamp sees it.
        #[test]
        fn a_version_goes_exactly_when_no_legal_read_sees_it(
            floor in 0..20u64, pins in proptest::collection::vec(0..20u64, 0..4),
            start in 1..20u64, length in 1..20u64,
        ) {
            let rule = PruneRule::new(
                Timestamp::new(floor), pins.iter().copied().map(Timestamp::new));
            let end = start + length;
            let seen = (start..end).any(|at| at >= floor || pins.contains(&at));
            prop_assert_eq!(
                rule.drops_history(Timestamp::new(start), Timestamp::new(end)), !seen);
        }

        #[test]
        fn a_delete_goes_exactly_when_no_legal_read_lies_below_it(
            floor in 0..20u64, pins in proptest::collection::vec(0..20u64, 0..4), deleted in 1..20u64,
        ) {
            let rule = PruneRule::new(
                Timestamp::new(floor), pins.iter().copied().map(Timestamp::new));
            let asked = (0..deleted).any(|at| at >= floor || pins.contains(&at));
            prop_assert_eq!(rule.drops_deleted(Timestamp::new(deleted)), !asked);
        }
    }
}
