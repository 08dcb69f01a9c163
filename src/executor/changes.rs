//! [`ChangeSet`]: what a block changes.

use std::{fmt, sync::OnceLock};

use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use crate::{
    error::Result,
    storage::{Key, KeyRange, Value},
};

/// What a block changes: the last value of each key that it wrote, in key order; `None` deletes.
///
/// It is put in order, and digested, when that is first asked for: both take as long as executing cheap
/// transactions does.
#[derive(Default)]
pub struct ChangeSet {
    /// As they were collected: putting them side by side would take as long.
    parts: Vec<Vec<ChangedRow>>,
    order: OnceLock<Vec<Place>>,
    digest: OnceLock<[u8; 32]>,
}

/// The last value of a key.
type ChangedRow = (Key, Option<Value>);

/// A row's first bytes, which mostly tell it from others, and where it lies.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    part: u32,
    row: u32,
}

/// The first bytes of a key as a number: of two keys that differ there, the lower has the lower.
fn start_of(key: &[u8]) -> u64 {
    let mut start = [0; 8];
    for (to, from) in start.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(start)
}

impl ChangeSet {
    /// From rows of different keys, in any order, in any parts.
    pub(super) fn new(parts: Vec<Vec<ChangedRow>>) -> Self {
        Self {
            parts,
            ..Self::default()
        }
    }

    fn row_at(&self, place: Place) -> Option<&ChangedRow> {
        let part = self.parts.get(place.part as usize)?;
        part.get(place.row as usize)
    }

    fn key_of(&self, place: Place) -> Option<&Key> {
        self.row_at(place).map(|(key, _)| key)
    }

    fn order(&self) -> &[Place] {
        self.order.get_or_init(|| {
            let mut places = Vec::with_capacity(self.len());
            for (part, rows) in (0..).zip(&self.parts) {
                places.extend((0..).zip(rows).map(|(row, (key, _))| Place {
                    start: start_of(key),
                    part,
                    row,
                }));
            }
            places.sort_unstable_by(|a, b| {
                let starts = a.start.cmp(&b.start);
                starts.then_with(|| self.key_of(*a).cmp(&self.key_of(*b)))
            });
            places
        })
    }

    /// How many keys were written.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Vec::is_empty)
    }

    /// The changes in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, Option<&Value>)> + '_ {
        self.order().iter().filter_map(|place| {
            let (key, value) = self.row_at(*place)?;
            Some((key, value.as_ref()))
        })
    }

    /// What the block does to a key: `None` where it was not written, `Some(None)` where it was deleted.
    pub fn get(&self, key: &[u8]) -> Option<Option<&Value>> {
        let start = start_of(key);
        let order = self.order();
        let found = order.binary_search_by(|place| {
            let starts = place.start.cmp(&start);
            starts.then_with(|| self.key_of(*place).map(|key| &**key).cmp(&Some(key)))
        });
        let place = order.get(found.ok()?)?;
        let (_, value) = self.row_at(*place)?;
        Some(value.as_ref())
    }

    /// The changes of a range, in key order.
    pub(super) fn range(&self, range: &KeyRange) -> Vec<(Key, Option<Value>)> {
        let order = self.order();
        let is_before = |place: &Place| self.key_of(*place).is_some_and(|key| **key < *range.start);
        let rows = order.get(order.partition_point(is_before)..);
        let rows = rows.unwrap_or_default().iter();
        rows.filter_map(|place| self.row_at(*place))
            .take_while(|(key, _)| range.contains(key))
            .cloned()
            .collect()
    }

    /// SHA-256 over the changes in key order, each as: the key's length (8 bytes, big-endian), the key,
    /// then `00` for a delete, or `01`, the value's length (8 bytes, big-endian) and the value. Equal
    /// for equal changes, wherever they were executed; its definition does not change.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            for (key, value) in self.iter() {
                hash.update((key.len() as u64).to_be_bytes());
                hash.update(key);
                match value {
                    None => hash.update([0]),
                    Some(value) => {
                        hash.update([1]);
                        hash.update((value.len() as u64).to_be_bytes());
                        hash.update(value);
                    }
                }
            }
            hash.finalize().into()
        })
    }

    /// These changes, then others.
    pub(super) fn with(&self, later: Self) -> Self {
        let mut rows: HashMap<_, _> = self.parts.iter().flatten().cloned().collect();
        rows.extend(later.parts.into_iter().flatten());
        Self::new(vec![rows.into_iter().collect()])
    }
}

impl IntoIterator for ChangeSet {
    type Item = (Key, Option<Value>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    /// The changes in key order.
    fn into_iter(self) -> Self::IntoIter {
        self.order();
        let (mut parts, order) = (self.parts, self.order.into_inner().unwrap_or_default());
        let take = |place: Place| {
            let row = parts
                .get_mut(place.part as usize)?
                .get_mut(place.row as usize);
            row.map(std::mem::take)
        };
        let rows: Vec<_> = order.into_iter().filter_map(take).collect();
        rows.into_iter()
    }
}

impl PartialEq for ChangeSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for ChangeSet {}

impl Clone for ChangeSet {
    fn clone(&self) -> Self {
        Self::new(self.parts.clone())
    }
}

impl fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A row as a base gives it.
pub(super) type Row = Result<(Key, Value)>;

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(rows: &[(&'static [u8], Option<&'static [u8]>)]) -> ChangeSet {
        let row = |(key, value): &(&'static [u8], Option<&'static [u8]>)| {
            (Key::from_static(key), value.map(Value::from_static))
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        ChangeSet::new(rows.chunks(2).map(<[_]>::to_vec).collect())
    }

    #[test]
    fn order_does_not_depend_on_how_rows_came() {
        let one = changes(&[
            (b"b", Some(b"1")),
            (b"a\0\0\0\0\0\0\0\0", None),
            (b"a", Some(b"")),
        ]);
        let other = changes(&[
            (b"a", Some(b"")),
            (b"a\0\0\0\0\0\0\0\0", None),
            (b"b", Some(b"1")),
        ]);
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
        let keys: Vec<_> = one.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, [&b"a"[..], b"a\0\0\0\0\0\0\0\0", b"b"]);
        assert_eq!(
            one.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            keys
        );
    }

    #[test]
    fn a_digest_tells_a_delete_from_an_empty_value_and_a_key_from_a_value() {
        let digests = [
            changes(&[]),
            changes(&[(b"a", None)]),
            changes(&[(b"a", Some(b""))]),
            changes(&[(b"a\x01", None)]),
            changes(&[(b"a", Some(b"b"))]),
            changes(&[(b"ab", Some(b""))]),
        ]
        .map(|changes| changes.digest());
        for (place, digest) in digests.iter().enumerate() {
            assert!(!digests[..place].contains(digest), "{place}");
        }
    }

    #[test]
    fn a_key_is_found_by_all_of_its_bytes() {
        let changes = changes(&[(b"same-start-1", Some(b"1")), (b"same-start-2", None)]);
        assert_eq!(
            changes.get(b"same-start-1"),
            Some(Some(&Value::from_static(b"1")))
        );
        assert_eq!(changes.get(b"same-start-2"), Some(None));
        assert_eq!(changes.get(b"same-start"), None);
    }
}
