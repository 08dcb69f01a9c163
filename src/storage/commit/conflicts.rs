//! [`Conflicts`]: which keys were committed lately, for as long as a transaction may ask.
//!
//! A transaction that read at `s` and is about to commit is checked against the commits above `s`: no
//! key that it read or writes, and no key in a range that it read, may be among them. Backward
//! validation of this kind is that of Haerder ("Observations on optimistic concurrency control
//! schemes", 1984); keys of ranges are compared as in `FoundationDB`.
//!
//! Two structures say the same: `points` has the last commit of each recent key, so that a key is
//! checked in constant time; `log` has the keys of each recent commit in order, so that ranges are
//! checked by binary searches in each commit above `s`.
//!
//! One lock holds them, the registry of transactions that will be checked, and the moment at which the
//! visible timestamp moves. So
//! - a transaction begins at the visible timestamp and is registered at it in one step: no commit
//!   above its snapshot is forgotten in between;
//! - records and the visible timestamp are published together.
//!
//! **Memory.** Records at or below the oldest registered snapshot are let go with each commit, all of
//! them where no transaction is open. Above [`Conflicts::new`]'s limit the oldest go all the same, and
//! a transaction that would need them is too old.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    storage::{Key, KeyRange, clock::Clock},
    sync::{Arc, Mutex},
    timestamp::Timestamp,
};

/// What a key in the records takes beyond its bytes, in both structures, about.
const KEY_OVERHEAD_BYTES: usize = 128;

/// The recent commits of a store.
#[derive(Debug)]
pub(crate) struct Conflicts {
    recent: Mutex<Recent>,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Recent {
    /// The snapshots of the open transactions that will be checked, and how many there are of each.
    open: BTreeMap<Timestamp, usize>,
    points: HashMap<Key, Timestamp>,
    log: VecDeque<Record>,
    bytes: usize,
    /// Every commit above this is in the records.
    kept_since: Timestamp,
}

/// One commit: its keys, in order.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) timestamp: Timestamp,
    pub(crate) keys: Vec<Key>,
}

/// What a transaction relies on.
#[derive(Debug)]
pub(crate) struct Reliance {
    /// Its registration, with the timestamp that it read at.
    pub(crate) open: OpenTransaction,
    /// Keys that it read.
    pub(crate) points: Vec<Key>,
    /// Ranges that it read, as far as it did; in order and disjoint.
    pub(crate) ranges: Vec<KeyRange>,
}

/// Why a transaction cannot be committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A key that it relies on was committed since.
    Conflict { key: Key, committed: Timestamp },
    /// Commits above its snapshot are no longer in the records.
    TooOld { kept_since: Timestamp },
}

/// How much is kept, for [`Stats`](crate::Stats).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) transactions: usize,
    pub(crate) keys: usize,
    pub(crate) bytes: usize,
}

/// An open transaction that will be checked: the records above its snapshot are kept.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    conflicts: Arc<Conflicts>,
    snapshot: Timestamp,
}

impl OpenTransaction {
    pub(crate) fn snapshot(&self) -> Timestamp {
        self.snapshot
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        self.conflicts.recent.lock().close(self.snapshot);
    }
}

impl Record {
    /// A key of the commit that lies in one of the ranges, which are in order and disjoint. The shorter
    /// of the two lists is walked, the longer one searched.
    fn key_in(&self, ranges: &[KeyRange]) -> Option<&Key> {
        if self.keys.len() < ranges.len() {
            return self.keys.iter().find(|key| {
                let behind = ranges.partition_point(|range| range.start.as_slice() <= key.as_ref());
                let last = behind.checked_sub(1).and_then(|last| ranges.get(last));
                last.is_some_and(|range| range.contains(key))
            });
        }
        ranges.iter().find_map(|range| {
            let start = range.start.as_slice();
            let from = self.keys.partition_point(|key| key.as_ref() < start);
            self.keys.get(from).filter(|key| range.contains(key))
        })
    }
}

impl Conflicts {
    /// No records yet; all commits up to `last` are forgotten. `limit_bytes` bounds the records.
    pub(crate) fn new(last: Timestamp, limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            recent: Mutex::new(Recent {
                open: BTreeMap::new(),
                points: HashMap::new(),
                log: VecDeque::new(),
                bytes: 0,
                kept_since: last,
            }),
            limit_bytes,
        })
    }

    /// Registers a transaction at the visible timestamp.
    pub(crate) fn open(self: &Arc<Self>, clock: &Clock) -> OpenTransaction {
        let mut recent = self.recent.lock();
        let snapshot = clock.visible();
        *recent.open.entry(snapshot).or_default() += 1;
        OpenTransaction {
            conflicts: Arc::clone(self),
            snapshot,
        }
    }

    /// Checks what a transaction relies on, and the keys that it writes, against published commits.
    pub(crate) fn check<'a>(
        &self,
        reliance: &'a Reliance,
        written: impl Iterator<Item = &'a Key>,
    ) -> Result<(), Refusal> {
        let snapshot = reliance.open.snapshot;
        let recent = self.recent.lock();
        if snapshot < recent.kept_since {
            return Err(Refusal::TooOld {
                kept_since: recent.kept_since,
            });
        }
        if recent.points.is_empty() {
            return Ok(());
        }
        for key in written.chain(&reliance.points) {
            match recent.points.get(key) {
                Some(committed) if *committed > snapshot => {
                    return Err(Refusal::Conflict {
                        key: key.clone(),
                        committed: *committed,
                    });
                }
                _ => {}
            }
        }
        let first = recent
            .log
            .partition_point(|record| record.timestamp <= snapshot);
        check_ranges(&reliance.ranges, recent.log.range(first..))
    }

    /// Records commits, which were written, and makes them visible.
    pub(crate) fn publish(&self, records: Vec<Record>, clock: &Clock) {
        let mut recent = self.recent.lock();
        let Some(newest) = records.last().map(|record| record.timestamp) else {
            return;
        };
        match recent.oldest() {
            None => recent.forget_all(newest),
            Some(oldest) => {
                records.into_iter().for_each(|record| recent.add(record));
                recent.forget_to(oldest);
                while recent.bytes > self.limit_bytes && recent.forget_first() {}
            }
        }
        clock.publish(newest);
    }

    pub(crate) fn kept(&self) -> Kept {
        let recent = self.recent.lock();
        Kept {
            transactions: recent.open.values().sum(),
            keys: recent.points.len(),
            bytes: recent.bytes,
        }
    }
}

impl Recent {
    fn oldest(&self) -> Option<Timestamp> {
        self.open.keys().next().copied()
    }

    fn close(&mut self, snapshot: Timestamp) {
        if let Some(count) = self.open.get_mut(&snapshot) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&snapshot);
                self.forget();
            }
        }
    }

    /// Lets the records go that no open transaction will ask for.
    fn forget(&mut self) {
        match (self.oldest(), self.log.back()) {
            (Some(oldest), _) => self.forget_to(oldest),
            (None, Some(newest)) => self.forget_all(newest.timestamp),
            (None, None) => {}
        }
    }

    fn add(&mut self, record: Record) {
        for key in &record.keys {
            self.bytes += key.len() + KEY_OVERHEAD_BYTES;
            self.points.insert(key.clone(), record.timestamp);
        }
        self.bytes += KEY_OVERHEAD_BYTES;
        self.log.push_back(record);
    }

    /// Lets the records at or below `oldest` go.
    fn forget_to(&mut self, oldest: Timestamp) {
        while self
            .log
            .front()
            .is_some_and(|record| record.timestamp <= oldest)
        {
            self.forget_first();
        }
        self.kept_since = self.kept_since.max(oldest);
    }

    /// Lets the oldest record go, if there is one.
    fn forget_first(&mut self) -> bool {
        let Some(record) = self.log.pop_front() else {
            return false;
        };
        for key in &record.keys {
            self.bytes -= key.len() + KEY_OVERHEAD_BYTES;
            if self.points.get(key) == Some(&record.timestamp) {
                self.points.remove(key);
            }
        }
        self.bytes -= KEY_OVERHEAD_BYTES;
        self.kept_since = self.kept_since.max(record.timestamp);
        true
    }

    /// Lets all records go: nobody will ask for a commit at or below `newest`.
    fn forget_all(&mut self, newest: Timestamp) {
        if !self.log.is_empty() {
            // New ones, so that the memory of a burst is given back.
            self.points = HashMap::new();
            self.log = VecDeque::new();
            self.bytes = 0;
        }
        self.kept_since = newest;
    }
}

/// Whether any of the commits wrote a key of one of the ranges, which are in order and disjoint.
pub(crate) fn check_ranges<'a>(
    ranges: &[KeyRange],
    records: impl Iterator<Item = &'a Record>,
) -> Result<(), Refusal> {
    if ranges.is_empty() {
        return Ok(());
    }
    for record in records {
        if let Some(key) = record.key_in(ranges) {
            return Err(Refusal::Conflict {
                key: key.clone(),
                committed: record.timestamp,
            });
        }
    }
    Ok(())
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_in_a_range_is_found_whichever_list_is_longer(
            keys in proptest::collection::btree_set(0u8..40, 0..12),
            bounds in proptest::collection::btree_set(0u8..40, 0..16),
        ) {
            let bounds: Vec<_> = bounds.into_iter().collect();
            let pairs = bounds.chunks_exact(2);
            let ranges: Vec<_> = pairs.map(|pair| KeyRange::new(vec![pair[0]]..vec![pair[1]])).collect();
            let record = Record {
                timestamp: Timestamp::new(1),
                keys: keys.into_iter().map(|key| Key::from(vec![key])).collect(),
            };
            let is_in = |key: &&Key| ranges.iter().any(|range| range.contains(key));
            prop_assert_eq!(record.key_in(&ranges), record.keys.iter().find(is_in));
        }
    }
}
