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
//! A transaction is checked twice. [`Conflicts::precheck`] runs in its own thread, before it waits for
//! the turn, and gives the lock back every now and then: it may have read much. [`Conflicts::check`] runs in
//! the turn and looks at the commits that came meanwhile.
//!
//! One lock holds them, the registry of transactions that will be checked, and the moment at which the
//! visible timestamp moves. So
//! - a transaction begins at the visible timestamp and is registered at it in one step: no commit
//!   above its snapshot is forgotten in between;
//! - records and the visible timestamp are published together.
//!
//! **Rollback.** Records above its target go, with the registrations above it, in one step with the visible
//! timestamp. A transaction above the target is refused: it is not registered any more. One at or below it may
//! go on, unless the rollback comes between its two checks: what the first has seen is not what the second
//! begins from. Generations tell.
//!
//! **Memory.** Records at or below the oldest registered snapshot are let go with each commit, all of
//! them where no transaction is open. Above [`Conflicts::new`]'s limit the oldest go all the same, and
//! a transaction that would need them is too old.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    storage::{Key, KeyRange, batch::Write, clock::Clock},
    sync::{Arc, Mutex},
    timestamp::Timestamp,
};

/// What a key in the records takes beyond its bytes, in both structures, about.
const KEY_OVERHEAD_BYTES: usize = 128;
/// How much is checked before others get the lock.
const KEYS_AT_ONCE: usize = 1024;
const RECORDS_AT_ONCE: usize = 256;
/// The memory of records is given back where so many times as much would fit.
const SPARSE: usize = 16;

/// The recent commits of a store.
#[derive(Debug)]
pub(crate) struct Conflicts {
    recent: Mutex<Recent>,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Recent {
    /// The snapshots of the open transactions that will be checked, and how many there are of each.
    open: BTreeMap<Registration, usize>,
    points: HashMap<Key, Timestamp>,
    log: VecDeque<Record>,
    bytes: usize,
    /// Every commit above this is in the records.
    kept_since: Timestamp,
    /// How many rollbacks there were since the store was opened.
    generation: u64,
}

/// The snapshot of a transaction, and the generation in which it was taken: its timestamp alone may be given
/// again.
type Registration = (Timestamp, u64);

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
    open: OpenTransaction,
    /// Keys that it read, in order.
    points: Vec<Key>,
    /// Ranges that it read, as far as it did; in order and disjoint.
    ranges: Vec<KeyRange>,
    /// The commits up to this were checked already,
    checked_to: Timestamp,
    /// in this generation.
    generation: u64,
}

impl Reliance {
    pub(crate) fn new(open: OpenTransaction, mut points: Vec<Key>, ranges: Vec<KeyRange>) -> Self {
        points.sort_unstable();
        Self {
            checked_to: open.snapshot,
            generation: open.generation,
            open,
            points,
            ranges: KeyRange::union(ranges),
        }
    }

    pub(crate) fn snapshot(&self) -> Timestamp {
        self.open.snapshot
    }

    /// Whether a commit wrote a key that is relied on, or one of `writes`.
    pub(crate) fn check_against<'r>(
        &self,
        writes: &[Write],
        records: impl Iterator<Item = &'r Record>,
    ) -> Result<(), Refusal> {
        for record in records {
            let written = record.key_among(writes, |(key, _)| key);
            let clash = written.map(|key| (key, Clash::Write)).or_else(|| {
                let read = record.key_among(&self.points, |key| key);
                let read = read.map(|key| (key, Clash::Read));
                read.or_else(|| Some((record.key_in(&self.ranges)?, Clash::Range)))
            });
            if let Some((key, clash)) = clash {
                return Err(record.refusal(key, clash));
            }
        }
        Ok(())
    }
}

/// Why a transaction cannot be committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A key that it relies on was committed since.
    Conflict {
        key: Key,
        committed: Timestamp,
        clash: Clash,
    },
    /// Commits above its snapshot are no longer in the records.
    TooOld { kept_since: Timestamp },
    /// A rollback has ended what it relies on, or came between its checks.
    RolledBack,
}

/// What a transaction does with a key that another has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// It writes it.
    Write,
    /// It has read it.
    Read,
    /// It has read a range in which it lies.
    Range,
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
    generation: u64,
}

impl OpenTransaction {
    pub(crate) fn snapshot(&self) -> Timestamp {
        self.snapshot
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        let registration = (self.snapshot, self.generation);
        self.conflicts.recent.lock().close(registration);
    }
}

impl Record {
    /// A key of the commit that is among others, which are in order. The shorter of the two lists is
    /// walked, the longer one searched.
    fn key_among<T>(&self, others: &[T], key_of: impl Fn(&T) -> &Key) -> Option<&Key> {
        if self.keys.len() < others.len() {
            return self.keys.iter().find(|key| {
                others
                    .binary_search_by(|other| key_of(other).cmp(key))
                    .is_ok()
            });
        }
        others.iter().find_map(|other| {
            let found = self.keys.binary_search(key_of(other)).ok()?;
            self.keys.get(found)
        })
    }

    /// A key of the commit that lies in one of the ranges, which are in order and disjoint.
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

    fn refusal(&self, key: &Key, clash: Clash) -> Refusal {
        Refusal::Conflict {
            key: key.clone(),
            committed: self.timestamp,
            clash,
        }
    }

    fn size_bytes(&self) -> usize {
        let keys = self.keys.iter().map(|key| key.len() + KEY_OVERHEAD_BYTES);
        keys.sum::<usize>() + KEY_OVERHEAD_BYTES
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
                generation: 0,
            }),
            limit_bytes,
        })
    }

    /// Registers a transaction at the visible timestamp.
    pub(crate) fn open(self: &Arc<Self>, clock: &Clock) -> OpenTransaction {
        let mut recent = self.recent.lock();
        let (snapshot, generation) = (clock.visible(), recent.generation);
        *recent.open.entry((snapshot, generation)).or_default() += 1;
        OpenTransaction {
            conflicts: Arc::clone(self),
            snapshot,
            generation,
        }
    }

    /// Checks a transaction against the commits that are published by now, and notes how far.
    pub(crate) fn precheck(
        &self,
        reliance: &mut Reliance,
        writes: &[Write],
    ) -> Result<(), Refusal> {
        let snapshot = reliance.snapshot();
        let newest = {
            let recent = self.recent.lock();
            recent.check_registered(&reliance.open)?;
            reliance.generation = recent.generation;
            recent.newest()
        };
        let written = writes.iter().map(|(key, _)| (key, Clash::Write));
        let read = reliance.points.iter().map(|key| (key, Clash::Read));
        let mut keys = written.chain(read).peekable();
        while keys.peek().is_some() {
            let recent = self.recent.lock();
            recent.check_age(snapshot)?;
            if recent.points.is_empty() {
                break;
            }
            for (key, clash) in keys.by_ref().take(KEYS_AT_ONCE) {
                match recent.points.get(key) {
                    Some(committed) if *committed > snapshot => {
                        return Err(Refusal::Conflict {
                            key: key.clone(),
                            committed: *committed,
                            clash,
                        });
                    }
                    _ => {}
                }
            }
        }
        let mut checked_to = snapshot;
        while !reliance.ranges.is_empty() && checked_to < newest {
            let recent = self.recent.lock();
            recent.check_age(checked_to)?;
            let records = recent.since(checked_to).take(RECORDS_AT_ONCE);
            checked_to = newest;
            for (count, record) in records.enumerate() {
                if let Some(key) = record.key_in(&reliance.ranges) {
                    return Err(record.refusal(key, Clash::Range));
                }
                if count + 1 == RECORDS_AT_ONCE {
                    checked_to = record.timestamp;
                }
            }
        }
        reliance.checked_to = snapshot.max(newest);
        Ok(())
    }

    /// Checks a transaction against the commits that were published since it was prechecked.
    pub(crate) fn check(&self, reliance: &Reliance, writes: &[Write]) -> Result<(), Refusal> {
        let recent = self.recent.lock();
        if recent.generation != reliance.generation {
            return Err(Refusal::RolledBack);
        }
        recent.check_age(reliance.checked_to)?;
        reliance.check_against(writes, recent.since(reliance.checked_to))
    }

    /// Records commits, which were written, and makes them visible.
    pub(crate) fn publish(&self, records: Vec<Record>, clock: &Clock) {
        let mut recent = self.recent.lock();
        let Some(newest) = records.last().map(|record| record.timestamp) else {
            return;
        };
        if recent.oldest().is_none() {
            recent.forget_all(newest);
        } else {
            for record in records {
                recent.add(record, self.limit_bytes);
            }
            recent.forget();
        }
        clock.publish(newest);
    }

    /// Forgets what was above the target of a rollback, and moves the visible timestamp there.
    pub(crate) fn rewind(&self, target: Timestamp, clock: &Clock) {
        let mut recent = self.recent.lock();
        recent.rewind(target);
        clock.rewind(target);
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
    /// The oldest snapshot whose transaction can still be checked.
    fn oldest(&self) -> Option<Timestamp> {
        let mut open = self.open.range((self.kept_since, 0)..);
        open.next().map(|((at, _), _)| *at)
    }

    /// Whether no rollback has ended a transaction.
    fn check_registered(&self, open: &OpenTransaction) -> Result<(), Refusal> {
        if self.open.contains_key(&(open.snapshot, open.generation)) {
            return Ok(());
        }
        Err(Refusal::RolledBack)
    }

    fn rewind(&mut self, target: Timestamp) {
        self.generation += 1;
        if let Some(above) = target.next() {
            self.open.split_off(&(above, 0));
        }
        while self.log.back().is_some_and(|last| last.timestamp > target) {
            self.log.pop_back();
        }
        // What a record that went was the last for has another last commit now.
        let last = self.log.iter().flat_map(|record| {
            let keys = record.keys.iter().cloned();
            keys.map(|key| (key, record.timestamp))
        });
        self.points = last.collect();
        self.bytes = self.log.iter().map(Record::size_bytes).sum();
        // There is no commit above the target.
        self.kept_since = self.kept_since.min(target);
        self.forget();
    }

    /// The newest commit.
    fn newest(&self) -> Timestamp {
        let newest = self.log.back().map(|record| record.timestamp);
        newest.unwrap_or(self.kept_since)
    }

    /// The commits above a timestamp, oldest first.
    fn since(&self, timestamp: Timestamp) -> impl Iterator<Item = &Record> {
        let first = self
            .log
            .partition_point(|record| record.timestamp <= timestamp);
        self.log.range(first..)
    }

    /// Whether all commits above a timestamp are on record.
    fn check_age(&self, timestamp: Timestamp) -> Result<(), Refusal> {
        let kept_since = self.kept_since;
        if timestamp < kept_since {
            return Err(Refusal::TooOld { kept_since });
        }
        Ok(())
    }

    /// Ends a transaction, if no rollback did.
    fn close(&mut self, registration: Registration) {
        if let Some(count) = self.open.get_mut(&registration) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&registration);
                self.forget();
            }
        }
    }

    /// Adds a commit, and lets the oldest go that do not fit beside it; itself too, if it fits
    /// nowhere.
    fn add(&mut self, record: Record, limit_bytes: usize) {
        let size_bytes = record.size_bytes();
        if size_bytes > limit_bytes {
            self.forget_all(record.timestamp);
            return;
        }
        while self.bytes + size_bytes > limit_bytes && self.forget_first() {}
        let keys = record.keys.iter().cloned();
        self.points.extend(keys.map(|key| (key, record.timestamp)));
        self.bytes += size_bytes;
        self.log.push_back(record);
    }

    /// Lets the records go that no open transaction will ask for.
    fn forget(&mut self) {
        let Some(oldest) = self.oldest() else {
            self.forget_all(self.newest());
            return;
        };
        while self
            .log
            .front()
            .is_some_and(|record| record.timestamp <= oldest)
        {
            self.forget_first();
        }
        self.kept_since = self.kept_since.max(oldest);
        // The memory of a burst is given back.
        if self.points.capacity() > SPARSE * self.points.len().max(KEYS_AT_ONCE) {
            self.points.shrink_to_fit();
            self.log.shrink_to_fit();
        }
    }

    /// Lets the oldest record go, if there is one.
    fn forget_first(&mut self) -> bool {
        let Some(record) = self.log.pop_front() else {
            return false;
        };
        for key in &record.keys {
            if self.points.get(key) == Some(&record.timestamp) {
                self.points.remove(key);
            }
        }
        self.bytes -= record.size_bytes();
        self.kept_since = self.kept_since.max(record.timestamp);
        true
    }

    /// Lets all records go: nobody can ask for a commit at or below `newest`.
    fn forget_all(&mut self, newest: Timestamp) {
        if !self.log.is_empty() {
            // New ones, so that their memory is given back.
            self.points = HashMap::new();
            self.log = VecDeque::new();
            self.bytes = 0;
        }
        self.kept_since = newest;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(timestamp: u64, keys: impl IntoIterator<Item = u32>) -> Record {
        let key = |key: u32| Key::copy_from_slice(&key.to_be_bytes());
        Record {
            timestamp: Timestamp::new(timestamp),
            keys: keys.into_iter().map(key).collect(),
        }
    }

    fn publish(conflicts: &Conflicts, clock: &Clock, record: Record) {
        conflicts.publish(vec![record], clock);
    }

    #[test]
    fn records_stay_within_their_limit_and_give_memory_back() {
        let (clock, limit) = (Clock::new(Timestamp::ZERO, 0), 1 << 20);
        let conflicts = Conflicts::new(Timestamp::ZERO, limit);
        let mut first = Reliance::new(conflicts.open(&clock), Vec::new(), Vec::new());
        publish(&conflicts, &clock, record(1, 0..10));
        assert_eq!(conflicts.precheck(&mut first, &[]), Ok(()));
        // One that would still be checked, if there were room.
        let younger = conflicts.open(&clock);
        publish(&conflicts, &clock, record(2, 0..1_000_000));
        let kept_since = Timestamp::new(2);
        assert_eq!(
            conflicts.check(&first, &[]),
            Err(Refusal::TooOld { kept_since })
        );
        let recent = conflicts.recent.lock();
        assert_eq!((recent.bytes, recent.points.capacity()), (0, 0));
        drop(recent);
        drop(younger);

        // What nobody can ask for any more is not kept either.
        let second = conflicts.open(&clock);
        for timestamp in 3..100 {
            publish(&conflicts, &clock, record(timestamp, 0..100));
            assert!(conflicts.kept().bytes <= limit);
        }
        drop(second);
        assert_eq!((conflicts.kept().keys, conflicts.kept().bytes), (0, 0));
        assert_eq!(conflicts.kept().transactions, 1);
    }

    #[test]
    fn a_long_check_misses_nothing() {
        let clock = Clock::new(Timestamp::ZERO, 0);
        let conflicts = Conflicts::new(Timestamp::ZERO, 64 << 20);
        let all = KeyRange::new(5_000u32.to_be_bytes().to_vec()..);
        let mut reliances: Vec<_> = (0..3)
            .map(|_| Reliance::new(conflicts.open(&clock), Vec::new(), vec![all.clone()]))
            .collect();
        let points: Vec<_> = record(1, 5_000..10_000).keys;
        reliances.push(Reliance::new(conflicts.open(&clock), points, Vec::new()));
        for timestamp in 1..=1_000 {
            publish(
                &conflicts,
                &clock,
                record(timestamp, [u32::try_from(timestamp).unwrap()]),
            );
        }
        for reliance in &mut reliances {
            assert_eq!(conflicts.precheck(reliance, &[]), Ok(()));
        }
        publish(&conflicts, &clock, record(1_001, [9_999]));
        for reliance in &mut reliances {
            assert!(conflicts.check(reliance, &[]).is_err(), "in the turn");
            reliance.checked_to = reliance.snapshot();
            assert!(conflicts.precheck(reliance, &[]).is_err(), "before it");
        }
    }

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
