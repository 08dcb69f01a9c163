//! [`Frame`]: what one thread keeps of the keys that its transactions touch, and of the run at hand.
//!
//! A key is hashed and compared once an access; everything else about it lies in its slot: what the run
//! has read and written, and what lies below. A run ends by counting on: slots of an older run are as
//! good as untouched.

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{
    counter::Allowed,
    hash::{KeyHash, KeyHasher, Place},
};
use crate::{
    arena::Arena,
    error::{Error, Result},
    limits::{BATCH_MAX_BYTES, BATCH_MAX_WRITES},
    storage::{Key, Value},
};

/// No number, where there could be one.
pub(super) const NONE: u32 = u32::MAX;

/// A thread's own copies of keys and small values: threads that count who shares a value wait for each
/// other whenever they read it.
pub(super) type Copies = Arena<{ 8 << 10 }>;

/// A key, in its slot where it is not long: comparing it then needs no other memory.
pub(super) type SlotKey = SmallVec<[u8; 32]>;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: SlotKey,
    /// The run that touched it last; `read` and `own` are that run's.
    run: u32,
    /// Its number among the run's reads.
    read: u32,
    /// The number of the run's newest write to it.
    own: u32,
    /// Whether `current` is filled.
    pub(super) is_known: bool,
    /// One by one: the value that the next transaction sees. In parallel: the base's value.
    pub(super) current: Option<Value>,
    /// One by one: the transaction that wrote it last.
    pub(super) writer: u32,
    /// In parallel: its number in the shared memory.
    pub(super) location: u32,
}

/// What a run has written to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Value(Option<Value>),
    /// The sum of what lies below, which the run did not read, and what it added.
    Added(Sum),
    /// To be added to whatever lies below.
    Delta(Sum),
}

/// A sum in bytes: aligned as a number it would make all writes larger, and there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum([u8; 16]);

impl Sum {
    pub(super) const ZERO: Self = Self([0; 16]);

    pub(super) fn get(self) -> i128 {
        i128::from_ne_bytes(self.0)
    }
}

impl From<i128> for Sum {
    fn from(number: i128) -> Self {
        Self(number.to_ne_bytes())
    }
}

impl Own {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.as_ref().map_or(0, Value::len),
            Self::Added(_) | Self::Delta(_) => 16,
        }
    }
}

#[derive(Debug)]
struct OwnWrite {
    slot: u32,
    /// The write that this one covers.
    previous: u32,
    own: Own,
}

/// Which write a read saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) txn: u32,
    pub(super) incarnation: u32,
}

impl Seen {
    /// No write: the base's value.
    pub(super) const BASE: Self = Self::special(NONE);
    /// A sum of several: known by its value only.
    pub(super) const FOLDED: Self = Self::special(NONE - 1);
    /// Only answers about the value were given: see the run's bounds.
    pub(super) const BOUNDED: Self = Self::special(NONE - 2);

    const fn special(txn: u32) -> Self {
        Self {
            txn,
            incarnation: 0,
        }
    }
}

/// What a run read of a key in parallel: the first read counts for all.
#[derive(Clone, Debug)]
pub(super) struct Captured {
    pub(super) seen: Seen,
    pub(super) value: Option<Value>,
    /// The base could not be read: there is no value.
    pub(super) is_failed: bool,
}

impl Captured {
    /// The base's value, which the slot has.
    pub(super) const BASE: Self = Self {
        seen: Seen::BASE,
        value: None,
        is_failed: false,
    };

    /// The base was asked, and could not be read.
    pub(super) const FAILED: Self = Self {
        seen: Seen::BASE,
        value: None,
        is_failed: true,
    };

    /// Only answers about the value were given.
    pub(super) const BOUNDED: Self = Self {
        seen: Seen::BOUNDED,
        value: None,
        is_failed: false,
    };
}

/// What the run was told of an integer cell that it did not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded {
    pub(super) slot: u32,
    /// The value, if the run was told anything that depends on it.
    pub(super) value: Option<i128>,
    pub(super) allowed: Allowed,
}

/// A state of a run's writes.
#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    writes: usize,
    write_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Frame {
    hasher: KeyHasher,
    table: HashTable<Place>,
    slots: Vec<Slot>,
    arena: Copies,
    run: u32,
    /// The slots that the run has read, each once, in order.
    pub(super) reads: Vec<u32>,
    /// In parallel: what each of them was.
    pub(super) captured: Vec<Captured>,
    pub(super) bounds: Vec<Bounded>,
    writes: Vec<OwnWrite>,
    write_bytes: usize,
    savepoints: Vec<Mark>,
    next_savepoint: u64,
}

fn location_of(slots: &[Slot], number: u32) -> u32 {
    slots
        .get(number as usize)
        .map_or(NONE, |slot| slot.location)
}

/// A number that no slot has: a mistake of the executor's own.
fn no_slot() -> Error {
    Error::corrupt("the executor's memory", "a slot is missing")
}

impl Frame {
    /// Begins a run: nothing is read or written.
    pub(super) fn begin(&mut self) {
        if self.run == NONE {
            // Once in four thousand million runs.
            self.slots.iter_mut().for_each(|slot| slot.run = 0);
            self.run = 0;
        }
        self.run += 1;
        self.reads.clear();
        self.captured.clear();
        self.bounds.clear();
        self.writes.clear();
        self.write_bytes = 0;
        self.savepoints.clear();
        self.next_savepoint = 0;
    }

    /// Hashes as others do. No key is in it yet.
    pub(super) fn set_hasher(&mut self, hasher: KeyHasher) {
        self.hasher = hasher;
    }

    /// The slot of a key. Where there is none, one is made, with the location that `locate` finds by
    /// the key's hash.
    pub(super) fn slot_of(&mut self, key: &[u8], locate: impl FnOnce(KeyHash) -> u32) -> u32 {
        let hash = KeyHash::of(&self.hasher, key);
        let slot_at = |place: &Place| self.slots.get(place.number as usize);
        let is_it = |place: &Place| {
            place.hash == hash && slot_at(place).is_some_and(|slot| *slot.key == *key)
        };
        if let Some(place) = self.table.find(hash.spread(), is_it) {
            return place.number;
        }
        let number = u32::try_from(self.slots.len()).unwrap_or(NONE);
        self.slots.push(Slot {
            key: SlotKey::from_slice(key),
            run: 0,
            read: NONE,
            own: NONE,
            is_known: false,
            current: None,
            writer: NONE,
            location: locate(hash),
        });
        let place = Place { hash, number };
        self.table
            .insert_unique(hash.spread(), place, |place| place.spread());
        number
    }

    pub(super) fn slot(&self, number: u32) -> Result<&Slot> {
        self.slots.get(number as usize).ok_or_else(no_slot)
    }

    pub(super) fn slot_mut(&mut self, number: u32) -> Result<&mut Slot> {
        self.slots.get_mut(number as usize).ok_or_else(no_slot)
    }

    /// A slot, and where to copy what belongs into it.
    pub(super) fn slot_and_arena(&mut self, number: u32) -> Result<(&mut Slot, &mut Copies)> {
        let slot = self.slots.get_mut(number as usize).ok_or_else(no_slot)?;
        Ok((slot, &mut self.arena))
    }

    /// This thread's own copy of a value.
    pub(super) fn copy(&mut self, value: &[u8]) -> Value {
        self.arena.copy(value)
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// One by one: the keys of all slots, in order, and what was written. The slots go.
    pub(super) fn take_rows(&mut self) -> (Vec<Key>, Vec<(Key, Option<Value>)>) {
        let mut keys = Vec::with_capacity(self.slots.len());
        let mut rows = Vec::with_capacity(self.slots.len());
        for slot in self.slots.drain(..) {
            let key = self.arena.copy(&slot.key);
            if slot.writer != NONE {
                rows.push((key.clone(), slot.current));
            }
            keys.push(key);
        }
        self.table.clear();
        (keys, rows)
    }

    /// Forgets all keys; its memory stays.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.slots.clear();
        self.reads.clear();
        self.captured.clear();
        self.writes.clear();
    }

    /// How many keys it has memory for.
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// The number of a slot's read in this run.
    pub(super) fn read_of(&self, number: u32) -> Option<usize> {
        let slot = self.slots.get(number as usize)?;
        (slot.run == self.run && slot.read != NONE).then_some(slot.read as usize)
    }

    /// Notes that the run has read a slot. Returns whether this is the first time.
    pub(super) fn note_read(&mut self, number: u32) -> Result<bool> {
        let position = u32::try_from(self.reads.len()).unwrap_or(NONE);
        let slot = Self::touch(&mut self.slots, self.run, number)?;
        if slot.read != NONE {
            return Ok(false);
        }
        slot.read = position;
        self.reads.push(number);
        Ok(true)
    }

    /// Notes what the run has read of a slot: later reads get the same.
    pub(super) fn capture(&mut self, number: u32, captured: Captured) -> Result<()> {
        if self.note_read(number)? {
            self.captured.push(captured);
        } else if let Some(position) = self.read_of(number)
            && let Some(before) = self.captured.get_mut(position)
        {
            *before = captured;
        }
        Ok(())
    }

    pub(super) fn captured(&self, number: u32) -> Option<&Captured> {
        self.captured.get(self.read_of(number)?)
    }

    fn touch(slots: &mut [Slot], run: u32, number: u32) -> Result<&mut Slot> {
        let slot = slots.get_mut(number as usize).ok_or_else(no_slot)?;
        if slot.run != run {
            slot.run = run;
            slot.read = NONE;
            slot.own = NONE;
        }
        Ok(slot)
    }

    /// What the run has written to a slot.
    pub(super) fn own(&self, number: u32) -> Option<&Own> {
        let slot = self.slots.get(number as usize)?;
        if slot.run != self.run || slot.own == NONE {
            return None;
        }
        self.writes.get(slot.own as usize).map(|write| &write.own)
    }

    /// Writes to a slot.
    ///
    /// # Errors
    /// `TooLarge` where a transaction writes more than a commit may hold. Nothing is changed then.
    pub(super) fn write(&mut self, number: u32, own: Own) -> Result<()> {
        let slot = Self::touch(&mut self.slots, self.run, number)?;
        let size = slot.key.len() + own.size_bytes();
        let kept = self.savepoints.last().map_or(0, |mark| mark.writes);
        let count = self.writes.len();
        let covered = self.writes.get_mut(slot.own as usize);
        // What lies before a savepoint has to stay.
        let covered = covered.filter(|_| slot.own as usize >= kept);
        let freed = covered
            .as_ref()
            .map_or(0, |write| slot.key.len() + write.own.size_bytes());
        let write_bytes = self.write_bytes - freed + size;
        let is_full = covered.is_none() && count >= BATCH_MAX_WRITES;
        if write_bytes > BATCH_MAX_BYTES || is_full {
            return Err(Error::too_large(format!(
                "the transaction would write more than {BATCH_MAX_BYTES} bytes or \
                 {BATCH_MAX_WRITES} keys"
            )));
        }
        self.write_bytes = write_bytes;
        if let Some(write) = covered {
            write.own = own;
            return Ok(());
        }
        let previous = slot.own;
        slot.own = u32::try_from(count).unwrap_or(NONE);
        self.writes.push(OwnWrite {
            slot: number,
            previous,
            own,
        });
        Ok(())
    }

    /// Marks a state of the writes.
    pub(super) fn savepoint(&mut self) -> u64 {
        let number = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(Mark {
            number,
            writes: self.writes.len(),
            write_bytes: self.write_bytes,
        });
        number
    }

    /// Goes back to a marked state; later ones go. Returns whether it is still there.
    pub(super) fn rollback_to(&mut self, number: u64) -> bool {
        let position = self
            .savepoints
            .binary_search_by_key(&number, |mark| mark.number);
        let mark = position
            .ok()
            .and_then(|position| self.savepoints.get(position).copied());
        let (Ok(position), Some(mark)) = (position, mark) else {
            return false;
        };
        self.savepoints.truncate(position + 1);
        self.take_back(mark.writes);
        self.write_bytes = mark.write_bytes;
        true
    }

    /// Drops what the run has written.
    pub(super) fn drop_writes(&mut self) {
        self.savepoints.clear();
        self.take_back(0);
        self.write_bytes = 0;
    }

    fn take_back(&mut self, kept: usize) {
        for write in self.writes.drain(kept..).rev() {
            if let Some(slot) = self.slots.get_mut(write.slot as usize) {
                slot.own = write.previous;
            }
        }
    }

    /// The slots that the run has written, in the order in which it first came to them.
    pub(super) fn written(&self) -> impl Iterator<Item = u32> + '_ {
        let first = self.writes.iter().filter(|write| write.previous == NONE);
        first.map(|write| write.slot)
    }

    pub(super) fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Gives out what the run leaves of each slot that it has written, in the order in which it first came
    /// to them.
    pub(super) fn settle(&mut self, mut with: impl FnMut(&mut Slot, Own)) {
        for position in 0..self.writes.len() {
            let write = self.writes.get(position);
            let first = write.filter(|write| write.previous == NONE);
            let slot = first.and_then(|write| self.slots.get_mut(write.slot as usize));
            let Some(slot) = slot else { continue };
            if let Some(last) = self.writes.get_mut(slot.own as usize) {
                with(
                    slot,
                    std::mem::replace(&mut last.own, Own::Delta(Sum::ZERO)),
                );
            }
        }
    }

    /// In parallel: the locations that the run has read, and what they were. They are handed over.
    pub(super) fn take_reads(&mut self) -> impl Iterator<Item = (u32, Captured)> + '_ {
        let slots = &self.slots;
        let reads = self.reads.iter().zip(self.captured.drain(..));
        reads.map(|(number, captured)| (location_of(slots, *number), captured))
    }

    /// In parallel: the locations of cells of which the run was told something, and what that allows.
    pub(super) fn bounds(&self) -> impl Iterator<Item = (u32, Allowed)> + '_ {
        let bounds = self.bounds.iter();
        bounds.map(|bounded| (location_of(&self.slots, bounded.slot), bounded.allowed))
    }

    /// What the run was told of a cell that it did not read.
    pub(super) fn bounded(&self, number: u32) -> Option<&Bounded> {
        self.bounds.iter().find(|bounded| bounded.slot == number)
    }

    /// The same, to be narrowed.
    pub(super) fn bounded_mut(&mut self, number: u32) -> Option<&mut Bounded> {
        let found = self
            .bounds
            .iter()
            .position(|bounded| bounded.slot == number);
        let position = found.unwrap_or_else(|| {
            self.bounds.push(Bounded {
                slot: number,
                value: None,
                allowed: Allowed::ANY,
            });
            self.bounds.len() - 1
        });
        self.bounds.get_mut(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn slot(frame: &mut Frame, key: u8) -> u32 {
        frame.slot_of(&[key], |_| 0)
    }

    fn value(byte: u8) -> Own {
        Own::Value(Some(Value::copy_from_slice(&[byte])))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(u8, u8),
        Save,
        Back(usize),
        Begin,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u8..4, any::<u8>()).prop_map(|(key, byte)| Step::Write(key, byte)),
            2 => Just(Step::Save),
            2 => (0usize..4).prop_map(Step::Back),
            1 => Just(Step::Begin),
        ]
    }

    proptest! {
        #[test]
        fn savepoints_bring_back_exactly_what_was_written(
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut frame = Frame::default();
            frame.begin();
            let mut model: HashMap<u8, u8> = HashMap::new();
            let mut saved: Vec<(u64, HashMap<u8, u8>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(key, byte) => {
                        let number = slot(&mut frame, key);
                        frame.write(number, value(byte)).unwrap();
                        model.insert(key, byte);
                    }
                    Step::Save => saved.push((frame.savepoint(), model.clone())),
                    Step::Back(place) if place < saved.len() => {
                        saved.truncate(place + 1);
                        prop_assert!(frame.rollback_to(saved[place].0));
                        model = saved[place].1.clone();
                    }
                    Step::Back(place) => prop_assert!(!frame.rollback_to(place as u64 + 1_000)),
                    Step::Begin => {
                        frame.begin();
                        model.clear();
                        saved.clear();
                    }
                }
                let mut bytes = 0;
                for key in 0u8..4 {
                    let number = slot(&mut frame, key);
                    prop_assert_eq!(frame.own(number).cloned(), model.get(&key).map(|b| value(*b)));
                    bytes += if model.contains_key(&key) { 2 } else { 0 };
                }
                prop_assert_eq!(frame.written().count(), model.len());
                prop_assert!(frame.write_bytes >= bytes);
            }
        }
    }

    #[test]
    fn runs_are_told_apart_when_their_numbers_begin_anew() {
        let mut frame = Frame::default();
        frame.begin();
        let number = slot(&mut frame, 1);
        frame.capture(number, Captured::BASE).unwrap();
        frame.write(number, value(1)).unwrap();
        frame.run = NONE;
        frame.begin();
        assert_eq!((frame.read_of(number), frame.own(number)), (None, None));
    }

    #[test]
    fn a_read_counts_once_a_run() {
        let mut frame = Frame::default();
        frame.begin();
        let number = slot(&mut frame, 1);
        assert!(frame.note_read(number).unwrap());
        assert!(!frame.note_read(number).unwrap());
        frame.begin();
        assert_eq!(frame.read_of(number), None);
        assert!(frame.note_read(number).unwrap());
    }
}
