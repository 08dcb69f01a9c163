//! [`Ended`]: how many bytes of `history` ended when, as a histogram of bounded size.

use std::collections::BTreeMap;

use super::{Keyspace, depths::Depths};
use crate::{
    codec::{HistoryRow, key},
    prune_rule::PruneRule,
    timestamp::Timestamp,
};

/// The most ends that are told apart. Past it, neighbours are counted together, under the last of them: a sum up to a
/// timestamp is then too small by at most one part.
const MOST_ENDS: usize = if cfg!(test) { 16 } else { 1024 };
/// As how many ends bytes count of which only the whole is known.
const SPREAD: u64 = 16;

/// Bytes of rows of `history` by when their versions ended: keys and values, before compression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    by_end: BTreeMap<Timestamp, u64>,
    total: u64,
    /// From the first to the second, both included, an end counts under the next one that is there.
    together: Option<(Timestamp, Timestamp)>,
}

impl Ended {
    /// Counts a row.
    pub(crate) fn add(&mut self, end: Timestamp, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        let mut end = end;
        if let Some((first, last)) = self.together
            && (first..=last).contains(&end)
        {
            let next = self.by_end.range(end..).next();
            end = next.map_or(last, |(next, _)| *next);
        }
        let sum = self.by_end.entry(end).or_default();
        *sum = sum.saturating_add(bytes);
        if self.by_end.len() > MOST_ENDS {
            self.halve();
        }
    }

    /// Counts neighbours together that make no large part: of two that are left beside each other, both together
    /// would, so about half as many are left.
    fn halve(&mut self) {
        let large = self.total / (MOST_ENDS as u64 / 4);
        let mut parts: Vec<(Timestamp, u64)> = Vec::new();
        let first = self.by_end.first_key_value().map(|(first, _)| *first);
        for (end, bytes) in std::mem::take(&mut self.by_end) {
            match parts.last_mut() {
                Some((last, sum)) if sum.saturating_add(bytes) <= large => {
                    (*last, *sum) = (end, sum.saturating_add(bytes));
                }
                _ => parts.push((end, bytes)),
            }
        }
        if let (Some(first), Some((last, _))) = (first, parts.last()) {
            let before = self.together.map_or(first, |(before, _)| before);
            self.together = Some((first.min(before), *last));
        }
        self.by_end = parts.into_iter().collect();
    }

    /// Counts what another one has counted.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (end, bytes) in &other.by_end {
            self.add(*end, *bytes);
        }
    }

    /// Counts bytes that ended at unknown times above `from` and up to `to`, as if evenly.
    pub(crate) fn spread(&mut self, bytes: u64, from: Timestamp, to: Timestamp) {
        let width = to.get().saturating_sub(from.get());
        let parts = SPREAD.min(width).max(1);
        for part in 1..=parts {
            let share = |part: u64| (u128::from(bytes) * u128::from(part)) / u128::from(parts);
            let share = share(part) - share(part - 1);
            let step = (u128::from(width) * u128::from(part)) / u128::from(parts);
            let end = from.get() + u64::try_from(step).unwrap_or(width);
            self.add(Timestamp::new(end), u64::try_from(share).unwrap_or(0));
        }
    }

    /// Bytes that ended at or before a timestamp.
    pub(crate) fn up_to(&self, end: Timestamp) -> u64 {
        let bytes = self.by_end.range(..=end).map(|(_, bytes)| bytes);
        bytes.sum()
    }

    /// All bytes.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The first timestamp up to which so many bytes have ended; `None` where there are not so many.
    pub(crate) fn reaching(&self, bytes: u64) -> Option<Timestamp> {
        let mut sum = 0_u64;
        let mut ends = self.by_end.iter();
        let reached = ends.find(|(_, more)| {
            sum = sum.saturating_add(**more);
            sum >= bytes
        });
        reached.map(|(end, _)| *end)
    }

    /// Forgets what ended above a timestamp.
    pub(crate) fn forget_above(&mut self, end: Timestamp) {
        self.by_end.retain(|at, _| *at <= end);
        self.total = self.by_end.values().sum();
        self.together = self.together.map(|(first, last)| (first, last.min(end)));
    }
}

/// What a prune has found in `history` and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What ended above the floor.
    pub(crate) ended: Ended,
    /// Bytes that ended at or below it, and are pinned.
    pub(crate) pinned_bytes: u64,
    /// How deep its versions lie.
    pub(crate) depths: Depths,
}

impl Kept {
    /// Counts a row that the rule keeps. What is no row of `history`, or cannot be read, counts for nothing.
    pub(crate) fn see(&mut self, rule: &PruneRule, keyspace: Keyspace, key: &[u8], value: &[u8]) {
        if keyspace != Keyspace::History {
            return;
        }
        let row = key::split_version(key).and_then(|(encoded, start)| {
            let row = HistoryRow::peek(start, value)?;
            Ok((encoded, row))
        });
        let Ok((encoded, row)) = row else {
            return;
        };
        self.depths.see(encoded);
        let bytes = (key.len() + value.len()) as u64;
        if row.end > rule.floor() {
            self.ended.add(row.end, bytes);
        } else {
            self.pinned_bytes = self.pinned_bytes.saturating_add(bytes);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(number: u64) -> Timestamp {
        Timestamp::new(number)
    }

    proptest! {
        #[test]
        fn sums_are_right_or_too_small_by_one_part(
            rows in proptest::collection::vec((1..200u64, 0..50u64), 0..200), asked in 0..200u64,
        ) {
            let mut ended = Ended::default();
            rows.iter().for_each(|(end, bytes)| ended.add(at(*end), *bytes));
            let total: u64 = rows.iter().map(|(_, bytes)| bytes).sum();
            let sum: u64 = rows.iter().filter(|(end, _)| *end <= asked).map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(ended.total(), total);
            prop_assert!(ended.by_end.len() <= MOST_ENDS);
            prop_assert!(ended.up_to(at(asked)) <= sum);
            let next = ended.by_end.range(at(asked + 1)..).next();
            let part = next.map_or(0, |(_, bytes)| *bytes);
            prop_assert!(sum - ended.up_to(at(asked)) <= part);
            prop_assert_eq!(ended.up_to(Timestamp::MAX), total);
        }

        #[test]
        fn what_is_spread_is_all_there_and_nowhere_else(
            bytes in 0..10_000u64, from in 0..1000u64, width in 1..1000u64,
        ) {
            let mut ended = Ended::default();
            ended.spread(bytes, at(from), at(from + width));
            prop_assert_eq!(ended.total(), bytes);
            prop_assert_eq!(ended.up_to(at(from)), 0);
            prop_assert_eq!(ended.up_to(at(from + width)), bytes);
            let half = ended.up_to(at(from + width / 2));
            prop_assert!(half <= bytes / 2 + 1, "{} of {}", half, bytes);
        }
    }

    #[test]
    fn the_past_is_told_apart_as_well_as_what_came_last() {
        let largest = |ends: &mut dyn Iterator<Item = u64>| {
            let mut ended = Ended::default();
            ends.for_each(|end| ended.add(at(end), 10));
            ended.by_end.values().max().copied()
        };
        let (rising, falling) = (largest(&mut (1..=1000)), largest(&mut (1..=1000).rev()));
        assert!(
            rising <= Some(2500) && falling <= Some(2500),
            "{rising:?} {falling:?} of 10000"
        );
    }

    #[test]
    fn the_first_end_that_reaches_a_sum_is_found() {
        let mut ended = Ended::default();
        ended.add(at(3), 10);
        ended.add(at(5), 20);
        let found = [1, 10, 11, 30, 31].map(|bytes| ended.reaching(bytes));
        let expected = [Some(3), Some(3), Some(5), Some(5), None];
        assert_eq!(found, expected.map(|end| end.map(at)));
        ended.forget_above(at(4));
        assert_eq!((ended.total(), ended.up_to(at(9))), (10, 10));
        assert_eq!(ended.reaching(11), None);
    }

    /// What ended at the floor is gone with it; where it is there, a pin holds it, and it is no debt.
    #[test]
    fn what_a_pin_holds_at_the_floor_is_pinned() {
        let rule = PruneRule::new(at(5), [at(3)]);
        let mut kept = Kept::default();
        let mut see = |start: u64, end: u64| {
            let row = HistoryRow {
                end: at(end),
                previous_end: at(0),
                value: b"v",
            };
            let key = key::encode_version(b"k", at(start));
            let value = row.encode();
            kept.see(&rule, Keyspace::History, &key, &value);
            kept.see(&rule, Keyspace::Current, &key, &value);
            (key.len() + value.len()) as u64
        };
        let (pinned, above) = (see(2, 5), see(5, 6));
        assert_eq!((kept.pinned_bytes, kept.ended.total()), (pinned, above));
        assert_eq!(kept.ended.up_to(at(5)), 0);
    }
}
