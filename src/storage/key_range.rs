//! Ranges of user keys, normalised once to "from, included, to, excluded".

use std::ops::{Bound, RangeBounds};

use crate::{backend::Scope, codec::key};

/// A range of user keys: from `start`, included, to `end`, excluded; `None` is the end of all keys.
///
/// # Examples
/// ```
/// use sapwood::storage::KeyRange;
///
/// let range = KeyRange::new(b"a".to_vec()..=b"b".to_vec());
/// assert!(range.contains(b"b") && !range.contains(b"ba"));
/// let prefix = KeyRange::prefix(b"a\xFF");
/// assert!(prefix.contains(b"a\xFF\xFF") && !prefix.contains(b"b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The keys inside the bounds. Where the end lies before the start, none.
    pub fn new(bounds: impl RangeBounds<Vec<u8>>) -> Self {
        let start = match bounds.start_bound() {
            Bound::Included(key) => key.clone(),
            Bound::Excluded(key) => successor(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match bounds.end_bound() {
            Bound::Included(key) => Some(successor(key)),
            Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        Self { start, end }
    }

    /// All keys.
    pub fn all() -> Self {
        Self {
            start: Vec::new(),
            end: None,
        }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key behind the prefix: its last byte that can grow, grown.
        let kept = prefix.iter().rposition(|byte| *byte != 0xFF);
        let end = kept.and_then(|last| {
            let mut end = prefix.get(..=last)?.to_vec();
            *end.last_mut()? += 1;
            Some(end)
        });
        Self {
            start: prefix.to_vec(),
            end,
        }
    }

    /// The keys in this range and in the other.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let end = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            start: self.start.max(other.start),
            end,
        }
    }

    /// The same keys as those of all the ranges, in order, with no two that touch.
    pub(crate) fn union(mut ranges: Vec<Self>) -> Vec<Self> {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by(|a, b| a.start.cmp(&b.start));
        ranges.dedup_by(|next, range| {
            let touches = range.end.as_ref().is_none_or(|end| next.start <= *end);
            if touches {
                range.end = match (range.end.take(), next.end.take()) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    _ => None,
                };
            }
            touches
        });
        ranges
    }

    /// Whether `user_key` lies in the range.
    pub fn contains(&self, user_key: &[u8]) -> bool {
        user_key >= self.start.as_slice()
            && self
                .end
                .as_ref()
                .is_none_or(|end| user_key < end.as_slice())
    }

    /// Whether no key lies in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// The same range over encoded user keys, as they lie in `current` and `deleted`.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            start: key::encode(&self.start).to_vec(),
            end: self.end.as_ref().map(|end| key::encode(end).to_vec()),
        }
    }
}

impl RangeBounds<Vec<u8>> for KeyRange {
    fn start_bound(&self) -> Bound<&Vec<u8>> {
        Bound::Included(&self.start)
    }

    fn end_bound(&self) -> Bound<&Vec<u8>> {
        self.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)
    }
}

/// The first key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn short_key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF)], 0..5)
    }

    #[test]
    fn a_union_reaches_as_far_as_the_longest() {
        let range = |start: &[u8], end: &[u8]| KeyRange::new(start.to_vec()..end.to_vec());
        let ranges = vec![range(b"b", b"c"), range(b"a", b"x"), range(b"y", b"z")];
        assert_eq!(
            KeyRange::union(ranges),
            [range(b"a", b"x"), range(b"y", b"z")]
        );
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_what_begins_with_it(prefix in short_key(), key in short_key()) {
            prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
        }

        #[test]
        fn a_union_holds_what_its_ranges_hold(
            bounds in proptest::collection::vec((short_key(), proptest::option::of(short_key())), 0..6),
            key in short_key(),
        ) {
            let ranges: Vec<_> =
                bounds.into_iter().map(|(start, end)| KeyRange { start, end }).collect();
            let union = KeyRange::union(ranges.clone());
            let holds = |ranges: &[KeyRange]| ranges.iter().any(|range| range.contains(&key));
            prop_assert_eq!(holds(&union), holds(&ranges));
            let apart = |pair: &[KeyRange]| pair[0].end.as_ref().is_some_and(|end| *end < pair[1].start);
            prop_assert!(union.windows(2).all(apart));
        }

        #[test]
        fn bounds_mean_what_they_mean(
            start in short_key(), end in short_key(), key in short_key(), kind in 0..9,
        ) {
            let bound = |kind, key: &Vec<u8>| match kind {
                0 => Bound::Included(key.clone()),
                1 => Bound::Excluded(key.clone()),
                _ => Bound::Unbounded,
            };
            let bounds = (bound(kind % 3, &start), bound(kind / 3, &end));
            prop_assert_eq!(KeyRange::new(bounds.clone()).contains(&key), bounds.contains(&key));
        }
    }
}
