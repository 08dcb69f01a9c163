//! [`Memory`]: what the transactions of a block have written, version by version, over the base.
//!
//! A key gets a location when it is first touched; from then on it is known by a number. A location holds
//! the base's value, which all workers share, and a chain of what transactions wrote, each seen by those
//! above it only.
//!
//! **Invariants:**
//! - a location never moves and never goes; full keys are compared, hashes only find the place;
//! - once ranges are read, a key that a run has written is in the index before the run counts as finished: a
//!   range that is looked at when everything below is committed has met every row, or is found to have missed
//!   one.

mod chain;
#[cfg(all(test, loom))]
mod loom_tests;
mod table;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use std::{
    collections::BTreeMap,
    ops::{Bound, Deref, Range},
    sync::OnceLock,
};

use hashbrown::{HashTable, hash_table::Entry};

use self::{
    chain::{Chain, Found},
    table::Table,
};
use super::{
    base::BlockBase,
    counter::{Allowed, decode_cell, encode_cell},
    frame::{Captured, Copies, NONE, Own, Seen, Slot, SlotKey},
    hash::{KeyHash, KeyHasher, Place},
    kept::Kept,
    merge::End,
    ranges::{RangeRead, SeenRow},
    run::without_panic,
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    storage::{Key, KeyRange, Value},
    sync::{Arc, AtomicBool, CachePadded, Mutex, Ordering, RwLock, fence},
};

/// Locks of the table of keys.
const SHARDS: usize = 64;

pub(super) struct Memory {
    pub(super) base: Arc<dyn BlockBase>,
    tables: Lent,
    /// The keys that were written, in order, once a range was asked for.
    index: RwLock<Option<BTreeMap<Key, u32>>>,
    /// Whether there is one, or one is being made.
    has_index: AtomicBool,
}

/// The keys and their locations.
pub(super) struct Tables {
    hasher: KeyHasher,
    shards: Box<[CachePadded<Mutex<HashTable<Place>>>]>,
    locations: Table<Location>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            hasher: KeyHasher::default(),
            shards: std::iter::repeat_with(CachePadded::default)
                .take(SHARDS)
                .collect(),
            locations: Table::new(),
        }
    }
}

impl Tables {
    pub(super) fn len(&self) -> usize {
        self.locations.len() as usize
    }

    /// Forgets all keys; its memory stays.
    pub(super) fn clear(&mut self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
        self.locations.clear();
    }
}

/// Tables that go back to where they are kept. That takes a while: the base is let go of before.
struct Lent {
    tables: Tables,
    kept: Arc<Kept>,
}

impl Deref for Lent {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.kept.keep_tables(std::mem::take(&mut self.tables));
    }
}

struct Location {
    key: SlotKey,
    base: OnceLock<Option<Value>>,
    /// Set before the first entry is put in: mostly there is none.
    is_written: AtomicBool,
    is_indexed: AtomicBool,
    chain: RwLock<Chain>,
}

/// What a run relies on, and where it wrote.
#[derive(Debug, Default)]
pub(super) struct Reliance {
    pub(super) points: Vec<(u32, Captured)>,
    pub(super) bounds: Vec<(u32, Allowed)>,
    pub(super) ranges: Vec<RangeRead>,
    /// Every location that it wrote, in order of first touch.
    pub(super) written: Vec<u32>,
    /// Those of them that it only added to.
    pub(super) deltas: Vec<u32>,
}

impl Reliance {
    /// Empties it; its memory stays.
    pub(super) fn clear(&mut self) {
        let Self {
            points,
            bounds,
            ranges,
            written,
            deltas,
        } = self;
        points.clear();
        bounds.clear();
        ranges.clear();
        written.clear();
        deltas.clear();
    }
}

/// What one run sees of the memory.
pub(super) struct View<'a> {
    pub(super) memory: &'a Arc<Memory>,
    pub(super) txn: u32,
    /// Whether everything below it is committed.
    pub(super) is_exact: bool,
}

impl View<'_> {
    /// Reads what lies below the run.
    pub(super) fn read(&self, slot: &mut Slot, arena: &mut Copies) -> Result<Captured, Stop> {
        let copy = |value: &Value| arena.keep(value);
        if let Some(captured) = self.memory.read(slot.location, self.txn, copy)? {
            return Ok(captured);
        }
        if !slot.is_known {
            let base = self.memory.base_of(slot.location)?;
            slot.current = base.as_ref().map(|value| arena.keep(value));
            slot.is_known = true;
        }
        Ok(Captured::BASE)
    }
}

/// What was changed, and the keys by the numbers of their locations.
pub(super) struct Changes {
    pub(super) rows: Vec<(Key, Option<Value>)>,
    pub(super) keys: Vec<Key>,
}

/// A row above the base.
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) seen: SeenRow,
}

fn no_location() -> Error {
    Error::corrupt("the executor's memory", "a location is missing")
}

impl Memory {
    pub(super) fn new(base: Arc<dyn BlockBase>, kept: &Arc<Kept>) -> Self {
        Self {
            base,
            tables: Lent {
                tables: kept.take_tables(),
                kept: Arc::clone(kept),
            },
            index: RwLock::default(),
            has_index: AtomicBool::new(false),
        }
    }

    pub(super) fn hasher(&self) -> KeyHasher {
        self.tables.hasher.clone()
    }

    fn location(&self, number: u32) -> Result<&Location, Stop> {
        self.tables
            .locations
            .get(number)
            .ok_or_else(|| Stop::Storage(no_location()))
    }

    /// The location of a key, made where there is none.
    pub(super) fn locate(&self, hash: KeyHash, key: &[u8]) -> u32 {
        debug_assert_eq!(
            hash,
            KeyHash::of(&self.tables.hasher, key),
            "frames hash as the memory does"
        );
        let Some(shard) = self.tables.shards.get(hash.part(SHARDS)) else {
            return NONE;
        };
        let mut places = shard.lock();
        let is_it = |place: &Place| place.hash == hash && self.is_key(place.number, key);
        match places.entry(hash.spread(), is_it, |place| place.spread()) {
            Entry::Occupied(found) => found.get().number,
            Entry::Vacant(vacant) => {
                let pushed = self.tables.locations.push(Location {
                    key: SlotKey::from_slice(key),
                    base: OnceLock::new(),
                    is_written: AtomicBool::new(false),
                    is_indexed: AtomicBool::new(false),
                    chain: RwLock::default(),
                });
                let Some(number) = pushed else { return NONE };
                vacant.insert(Place { hash, number });
                number
            }
        }
    }

    /// Whether a location is that of a key.
    fn is_key(&self, number: u32, key: &[u8]) -> bool {
        self.tables
            .locations
            .get(number)
            .is_some_and(|location| *location.key == *key)
    }

    /// The base's value.
    pub(super) fn base_of(&self, number: u32) -> Result<&Option<Value>, Stop> {
        let location = self.location(number)?;
        if let Some(value) = location.base.get() {
            return Ok(value);
        }
        // Two workers may both read it; nobody waits for the other.
        let value = self.base.get(&location.key)?;
        Ok(location.base.get_or_init(|| value))
    }

    /// Fetches base values that nobody has read yet. What cannot be read is left to whoever needs it.
    /// Returns how many.
    pub(super) fn prefetch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        let numbers = keys.map(|key| self.locate(KeyHash::of(&self.tables.hasher, key), key));
        let numbers: Vec<_> = numbers.collect();
        self.fetch(&numbers)
    }

    /// The same for locations.
    pub(super) fn fetch(&self, numbers: &[u32]) -> u64 {
        let locations = numbers
            .iter()
            .filter_map(|number| self.tables.locations.get(*number));
        let missing: Vec<_> = locations
            .filter(|location| location.base.get().is_none())
            .collect();
        if missing.is_empty() {
            return 0;
        }
        let keys: Vec<&[u8]> = missing.iter().map(|location| &*location.key).collect();
        let Some(Ok(values)) = without_panic(|| self.base.multi_get(&keys)) else {
            return 0;
        };
        for (location, value) in missing.iter().zip(values) {
            let _ = location.base.set(value);
        }
        missing.len() as u64
    }

    /// What a transaction sees of a location; `copy` makes what it keeps of a value. `None` for the base's
    /// value.
    pub(super) fn read(
        &self,
        number: u32,
        txn: u32,
        copy: impl FnOnce(&Value) -> Value,
    ) -> Result<Option<Captured>, Stop> {
        let location = self.location(number)?;
        if !location.is_written.load(Ordering::Acquire) {
            return Ok(None);
        }
        let chain = location.chain.read();
        let (value, sum) = match chain.below(txn) {
            Found::Base { sum: None } => return Ok(None),
            Found::Value {
                seen,
                value,
                sum: None,
            } => {
                return Ok(Some(Captured {
                    seen,
                    value: value.map(copy),
                    is_failed: false,
                }));
            }
            Found::Estimate(on) => return Err(Stop::Blocked(on)),
            Found::Nonsense => return Err(Stop::Stale),
            Found::Base { sum: Some(sum) } => (None, sum),
            Found::Value {
                value,
                sum: Some(sum),
                ..
            } => (Some(value.cloned()), sum),
        };
        drop(chain);
        let value = match &value {
            Some(value) => value,
            None => self.base_of(number)?,
        };
        let total = decode_cell(value.as_deref()).ok();
        let total = total
            .and_then(|value| value.checked_add(sum))
            .ok_or(Stop::Stale)?;
        Ok(Some(Captured {
            seen: Seen::FOLDED,
            value: Some(encode_cell(total)),
            is_failed: false,
        }))
    }

    /// Puts in what a run wrote, and takes out what only its previous one did. Everything below `committed`
    /// is committed.
    pub(super) fn publish(
        &self,
        (txn, incarnation): (u32, u32),
        committed: u32,
        writes: impl Iterator<Item = (u32, Own)>,
        written: &[u32],
        previous: &[u32],
    ) {
        for (number, own) in writes {
            if let Some(location) = self.tables.locations.get(number) {
                if !location.is_written.load(Ordering::Acquire) {
                    location.is_written.store(true, Ordering::Release);
                }
                let mut chain = location.chain.write();
                chain.forget_below(committed);
                chain.put(txn, incarnation, own);
            }
        }
        // Who makes the index says so first and looks for written keys second; here it is the other way
        // round. So one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.has_index.load(Ordering::Relaxed) {
            self.enter_in_index(written);
        }
        for number in previous.iter().filter(|number| !written.contains(number)) {
            if let Some(location) = self.tables.locations.get(*number) {
                location.chain.write().remove(txn);
            }
        }
    }

    fn enter_in_index(&self, written: &[u32]) {
        let locations = written
            .iter()
            .filter_map(|number| Some((*number, self.tables.locations.get(*number)?)));
        let new = locations.filter(|(_, location)| !location.is_indexed.load(Ordering::Acquire));
        let new: Vec<_> = new.collect();
        if new.is_empty() {
            return;
        }
        if let Some(index) = &mut *self.index.write() {
            for (number, location) in new {
                index.insert(Key::copy_from_slice(&location.key), number);
                location.is_indexed.store(true, Ordering::Release);
            }
        }
    }

    /// Makes the index, if there is none: a range is going to be read.
    pub(super) fn open_index(&self) {
        if self.index.read().is_some() {
            return;
        }
        let mut index = self.index.write();
        if index.is_none() {
            self.has_index.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let mut keys = BTreeMap::new();
            for (number, location) in (0..).zip(self.tables.locations.iter()) {
                let Some(location) = location else { continue };
                if location.is_written.load(Ordering::Acquire) {
                    keys.insert(Key::copy_from_slice(&location.key), number);
                    location.is_indexed.store(true, Ordering::Release);
                }
            }
            *index = Some(keys);
        }
    }

    /// The first, or last, row that a transaction sees above the base, between two bounds.
    pub(super) fn next_row(
        &self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
        txn: u32,
    ) -> Result<Option<Row>, Stop> {
        let index = self.index.read();
        let Some(index) = &*index else {
            return Err(Stop::Storage(no_location()));
        };
        let mut keys = index.range::<Key, _>(between);
        loop {
            let next = match end {
                End::Front => keys.next(),
                End::Back => keys.next_back(),
            };
            let Some((key, number)) = next else {
                return Ok(None);
            };
            if let Some(captured) = self.read(*number, txn, Value::clone)? {
                return Ok(Some(Row {
                    key: key.clone(),
                    seen: SeenRow {
                        location: *number,
                        seen: captured.seen,
                        value: captured.value,
                    },
                }));
            }
        }
    }

    /// Whether all that a run relied on is still so. `Ok(false)`: it would be told something else now; `Err(Blocked)`: it would
    /// wait.
    ///
    /// # Errors
    /// Where that cannot be told before more is finished or committed: otherwise than `Blocked`, running it again might give
    /// the same.
    pub(super) fn still_holds(&self, reliance: &Reliance, txn: u32) -> Result<bool, Stop> {
        for (number, captured) in &reliance.points {
            if !self.point_holds(*number, captured, txn)? {
                return Ok(false);
            }
        }
        for (number, allowed) in &reliance.bounds {
            let holds = self.bound_holds(*number, *allowed, txn);
            let is_it =
                |(point, read): &(u32, Captured)| point == number && read.seen == Seen::BOUNDED;
            match holds {
                Ok(true) => {}
                holds if reliance.points.iter().any(is_it) => return holds,
                // Who adds blindly is told nothing, and waits for nobody.
                _ => return Err(Stop::Stale),
            }
        }
        for read in &reliance.ranges {
            if !self.range_holds(read, txn)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a run would read the same again.
    pub(super) fn point_holds(
        &self,
        number: u32,
        captured: &Captured,
        txn: u32,
    ) -> Result<bool, Stop> {
        let location = self.location(number)?;
        if captured.seen == Seen::BOUNDED {
            return Ok(true);
        }
        if !location.is_written.load(Ordering::Acquire) {
            return Ok(captured.seen == Seen::BASE);
        }
        let chain = location.chain.read();
        match chain.below(txn) {
            Found::Base { sum: None } if captured.seen == Seen::BASE => return Ok(true),
            Found::Value {
                seen, sum: None, ..
            } if seen == captured.seen => return Ok(true),
            Found::Estimate(on) => return Err(Stop::Blocked(on)),
            Found::Nonsense => return Err(Stop::Stale),
            _ => {}
        }
        drop(chain);
        if captured.is_failed {
            return Ok(false);
        }
        // Another version of the same value is as good.
        let then = match captured.seen {
            Seen::BASE => match location.base.get() {
                Some(value) => value,
                None => return Ok(false),
            },
            _ => &captured.value,
        };
        Ok(match self.read(number, txn, Value::clone)? {
            Some(now) => now.value == *then,
            None => self.base_of(number)? == then,
        })
    }

    /// Whether a run would get the same answers again.
    pub(super) fn bound_holds(
        &self,
        number: u32,
        allowed: Allowed,
        txn: u32,
    ) -> Result<bool, Stop> {
        let value = match self.read(number, txn, Value::clone)? {
            Some(captured) => decode_cell(captured.value.as_deref()),
            None => decode_cell(self.base_of(number)?.as_deref()),
        };
        Ok(allowed.contains(value.map_err(|_| Stop::Stale)?))
    }

    fn range_holds(&self, read: &RangeRead, txn: u32) -> Result<bool, Stop> {
        let [front, back] = read.consumed();
        let is_whole = read.is_whole();
        let rows_back = read.back.iter().rev();
        if is_whole {
            let rows = read.front.iter().chain(rows_back);
            return front.map_or(Ok(true), |range| self.rows_hold(&range, rows, txn));
        }
        let front_holds = front.map_or(Ok(true), |range| {
            self.rows_hold(&range, read.front.iter(), txn)
        })?;
        Ok(front_holds && back.map_or(Ok(true), |range| self.rows_hold(&range, rows_back, txn))?)
    }

    fn rows_hold<'r>(
        &self,
        range: &KeyRange,
        mut rows: impl Iterator<Item = &'r SeenRow>,
        txn: u32,
    ) -> Result<bool, Stop> {
        if range.is_empty() {
            return Ok(rows.next().is_none());
        }
        let mut from = Bound::Included(Key::copy_from_slice(&range.start));
        let to = range.end.as_ref().map_or(Bound::Unbounded, |end| {
            Bound::Excluded(Key::copy_from_slice(end))
        });
        loop {
            let now = self.next_row((from.as_ref(), to.as_ref()), End::Front, txn)?;
            match (now, rows.next()) {
                (None, None) => return Ok(true),
                (Some(now), Some(then)) if now.seen.is_same(then) => {
                    from = Bound::Excluded(now.key);
                }
                _ => return Ok(false),
            }
        }
    }

    /// Those above wait for a transaction instead of reading what it wrote.
    pub(super) fn mark_estimates(&self, txn: u32, written: &[u32]) {
        for location in written
            .iter()
            .filter_map(|number| self.tables.locations.get(*number))
        {
            location.chain.write().mark_estimate(txn);
        }
    }

    /// Puts numbers in place of what a transaction added, as it is committed. Returns whether that was
    /// possible.
    pub(super) fn settle(&self, txn: u32, deltas: &[u32]) -> Result<bool, Stop> {
        for number in deltas {
            let base = self.base_of(*number)?;
            if !self
                .location(*number)?
                .chain
                .write()
                .settle(txn, base.as_deref())
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many locations there are.
    pub(super) fn len(&self) -> u32 {
        self.tables.locations.len()
    }

    /// What the transactions before `txn`, all of them committed, leave at some locations.
    pub(super) fn changes(&self, numbers: Range<u32>, txn: u32) -> Changes {
        let mut arena = Copies::default();
        let mut changes = Changes {
            rows: Vec::with_capacity(numbers.len()),
            keys: Vec::with_capacity(numbers.len()),
        };
        for number in numbers {
            let Some(location) = self.tables.locations.get(number) else {
                changes.keys.push(Key::new());
                continue;
            };
            let key = arena.copy(&location.key);
            changes.keys.push(key.clone());
            if location.is_written.load(Ordering::Acquire)
                && let Found::Value { value, .. } = location.chain.read().below(txn)
            {
                changes.rows.push((key, value.cloned()));
            }
        }
        changes
    }
}
