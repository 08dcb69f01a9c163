//! [`AccessSets`]: what each transaction of a block read and wrote.

use std::fmt;

use super::{keys::Keys, outcome::TxnIndex};
use crate::storage::{Key, KeyRange};

/// What each transaction of a block read and wrote: for access lists, and to fetch ahead what a similar
/// block will read.
///
/// Equal for equal blocks, however they were run. For each transaction its keys stand in the order in
/// which it first came to them. Reading a key that the transaction had written itself is no read.
#[derive(Default)]
pub struct AccessSets {
    parts: Vec<Part>,
}

/// A run of transactions that share a table of keys.
#[derive(Default)]
pub(super) struct Part {
    keys: Keys,
    /// The keys read and written, by their number, of all transactions of the part.
    points: Vec<u32>,
    ends: Vec<Ends>,
    ranges: Vec<KeyRange>,
}

/// Where the entries of one transaction end.
#[derive(Clone, Copy)]
struct Ends {
    reads: usize,
    writes: usize,
    ranges: usize,
}

impl Part {
    /// For so many transactions.
    pub(super) fn with_capacity(txns: usize) -> Self {
        Self {
            ends: Vec::with_capacity(txns),
            ..Self::default()
        }
    }

    pub(super) fn push(
        &mut self,
        reads: impl IntoIterator<Item = u32>,
        writes: impl IntoIterator<Item = u32>,
        ranges: Vec<KeyRange>,
    ) {
        self.points.extend(reads);
        let ends_of_reads = self.points.len();
        self.points.extend(writes);
        self.ranges.extend(ranges);
        self.ends.push(Ends {
            reads: ends_of_reads,
            writes: self.points.len(),
            ranges: self.ranges.len(),
        });
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    fn get(&self, index: usize) -> Option<TxnAccess<'_>> {
        let ends = self.ends.get(index)?;
        let before = index.checked_sub(1).and_then(|index| self.ends.get(index));
        let (points_start, ranges_start) = before.map_or((0, 0), |ends| (ends.writes, ends.ranges));
        Some(TxnAccess {
            keys: &self.keys,
            reads: self.points.get(points_start..ends.reads)?,
            writes: self.points.get(ends.reads..ends.writes)?,
            ranges: self.ranges.get(ranges_start..ends.ranges)?,
        })
    }
}

impl AccessSets {
    pub(super) fn push(&mut self, part: Part) {
        if !part.ends.is_empty() {
            self.parts.push(part);
        }
    }

    /// What a transaction read and wrote; `None` for one that was not executed.
    pub fn get(&self, index: TxnIndex) -> Option<TxnAccess<'_>> {
        let mut index = index as usize;
        for part in &self.parts {
            if let Some(found) = part.get(index) {
                return Some(found);
            }
            index = index.checked_sub(part.ends.len())?;
        }
        None
    }

    /// That of all transactions that were executed, in order.
    pub fn iter(&self) -> impl Iterator<Item = TxnAccess<'_>> {
        self.parts
            .iter()
            .flat_map(|part| (0..part.ends.len()).filter_map(|index| part.get(index)))
    }

    /// How many transactions were executed.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.ends.len()).sum()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Every key that was read, once: what a similar block should
    /// [fetch ahead](super::BlockExecutor::execute_with).
    pub fn keys_read(&self) -> Vec<Key> {
        let mut found = Vec::new();
        for part in &self.parts {
            let mut is_read = vec![false; part.keys.len()];
            for access in (0..part.ends.len()).filter_map(|index| part.get(index)) {
                for number in access.reads {
                    if let Some(is_read) = is_read.get_mut(*number as usize) {
                        *is_read = true;
                    }
                }
            }
            let keys = part.keys.iter().zip(is_read);
            found.extend(
                keys.filter(|(_, is_read)| *is_read)
                    .map(|(key, _)| key.clone()),
            );
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl PartialEq for AccessSets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for AccessSets {}

impl fmt::Debug for AccessSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What one transaction read and wrote.
#[derive(Clone, Copy)]
pub struct TxnAccess<'a> {
    keys: &'a Keys,
    reads: &'a [u32],
    writes: &'a [u32],
    ranges: &'a [KeyRange],
}

impl<'a> TxnAccess<'a> {
    /// The keys that it read, missing ones included; those of [`try_add`](super::BlockContext::try_add)
    /// too. Rows of ranges are not among them.
    pub fn reads(&self) -> impl Iterator<Item = &'a Key> + use<'a> {
        let keys = self.keys;
        self.reads.iter().filter_map(|number| keys.get(*number))
    }

    /// The keys that it wrote, or added to; none where its writes were dropped.
    pub fn writes(&self) -> impl Iterator<Item = &'a Key> + use<'a> {
        let keys = self.keys;
        self.writes.iter().filter_map(|number| keys.get(*number))
    }

    /// The ranges that it read, as far as it read them.
    pub fn ranges(&self) -> &'a [KeyRange] {
        self.ranges
    }
}

impl PartialEq for TxnAccess<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.reads().eq(other.reads())
            && self.writes().eq(other.writes())
            && self.ranges == other.ranges
    }
}

impl Eq for TxnAccess<'_> {}

impl fmt::Debug for TxnAccess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxnAccess")
            .field("reads", &self.reads().collect::<Vec<_>>())
            .field("writes", &self.writes().collect::<Vec<_>>())
            .field("ranges", &self.ranges)
            .finish()
    }
}
