//! One transaction of a real store, and the note of what it did.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeBounds},
};

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{ReadView, Result, Savepoint, Transaction, TransactionIter};

use crate::history::{self, Event, Id, Key, Level, Outcome, Range, Version};

/// Few keys, so that transactions meet.
const KEYS: usize = 10;

pub(crate) fn key(random: &mut ChaCha8Rng) -> Key {
    format!("k{}", random.random_range(0..KEYS))
}

/// A value says which version it is; values differ in length.
pub(crate) fn value(id: Id, nth: usize, random: &mut ChaCha8Rng) -> String {
    let length = random.random_range(0..80);
    format!("{}.{nth} {}", id.0, "-".repeat(length))
}

/// The version that a value says it is.
pub(crate) fn version(value: Option<&[u8]>) -> Version {
    let Some(value) = value else {
        return Version::Missing;
    };
    let text = std::str::from_utf8(value).expect("a value of ours");
    let (by, rest) = text.split_once('.').expect("a transaction");
    let (nth, _) = rest.split_once(' ').expect("a write");
    Version::Written(Id(by.parse().unwrap()), nth.parse().unwrap())
}

fn bytes(bound: &Bound<Key>) -> Bound<Vec<u8>> {
    bound.as_ref().map(|key| key.clone().into_bytes())
}

/// The same range for the store.
pub(crate) fn range_of(range: &Range) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    (bytes(&range.0), bytes(&range.1))
}

/// Any range, also one that nothing lies in.
pub(crate) fn range(random: &mut ChaCha8Rng) -> Range {
    let mut ends = [key(random), key(random)];
    ends.sort_unstable();
    let mut end = |key: Key| match random.random_range(0..4) {
        0 => Bound::Unbounded,
        1 => Bound::Excluded(key),
        _ => Bound::Included(key),
    };
    let [start, stop] = ends;
    (end(start), end(stop))
}

/// A range that holds nothing.
fn nothing() -> Range {
    (Bound::Excluded(Key::new()), Bound::Excluded(Key::new()))
}

/// An iterator that is walked a little at a time, between other reads and writes.
struct Walk {
    iter: TransactionIter,
    range: Range,
    /// Where in the events it was made: what it shows are the writes up to there.
    place: usize,
    front: Vec<(Key, Version)>,
    back: Vec<(Key, Version)>,
    is_whole: bool,
}

impl Walk {
    /// Takes one row from an end.
    fn step(&mut self, is_front: bool) -> Result<()> {
        let row = if is_front {
            self.iter.next()
        } else {
            self.iter.next_back()
        };
        let Some(row) = row else {
            self.is_whole = true;
            return Ok(());
        };
        let (key, value) = row?;
        let key = Key::from_utf8(key.to_vec()).unwrap();
        assert!(
            self.range.contains(&key),
            "{key} is not in {:?}",
            self.range
        );
        let before = self.front.last().map(|row| &row.0);
        let after = self.back.last().map(|row| &row.0);
        assert!(
            before.is_none_or(|before| *before < key),
            "{key} came out of order"
        );
        assert!(
            after.is_none_or(|after| key < *after),
            "{key} came out of order"
        );
        let rows = if is_front {
            &mut self.front
        } else {
            &mut self.back
        };
        rows.push((key, version(Some(&value))));
        Ok(())
    }

    /// What it has seen, as two scans.
    fn events(self) -> [Event; 2] {
        let Self {
            range,
            front,
            back,
            is_whole,
            ..
        } = self;
        if is_whole {
            let rows = front.into_iter().chain(back).collect();
            let rest = Event::Scan {
                range: nothing(),
                rows: BTreeMap::new(),
            };
            return [Event::Scan { range, rows }, rest];
        }
        let to_last =
            |rows: &[(Key, Version)]| rows.last().map(|row| Bound::Included(row.0.clone()));
        let first = to_last(&front).map_or(nothing(), |end| (range.0, end));
        let last = to_last(&back).map_or(nothing(), |start| (start, range.1));
        let scan = |range: Range, rows: Vec<(Key, Version)>| {
            let rows = rows.into_iter().collect();
            Event::Scan { range, rows }
        };
        [scan(first, front), scan(last, back)]
    }
}

pub(crate) struct Note {
    pub(crate) id: Id,
    pub(crate) done: history::Transaction,
    /// Absent where it need not see what had ended before.
    began: Option<u64>,
    writes: usize,
    savepoints: Vec<Savepoint>,
    walks: Vec<Walk>,
}

impl Note {
    /// Of a transaction that is about to begin.
    pub(crate) fn new(id: Id, began: u64, level: Level) -> Self {
        Self {
            id,
            done: history::Transaction::new(level),
            began: Some(began),
            writes: 0,
            savepoints: Vec::new(),
            walks: Vec::new(),
        }
    }

    /// It reads the past on purpose.
    pub(crate) fn forget_when_it_began(&mut self) {
        self.began = None;
    }

    /// Has the transaction do something, and notes it.
    pub(crate) fn step(&mut self, tx: &mut Transaction, random: &mut ChaCha8Rng) -> Result<()> {
        let key = key(random);
        match random.random_range(0..100) {
            0..=21 => self.set(tx, key, random)?,
            22..=28 => {
                tx.delete(&key)?;
                self.note_delete(key);
            }
            29..=49 => {
                let value = tx.get(&key)?;
                self.read(key, value.as_deref(), true);
            }
            50..=53 => {
                let keys = [key, self::key(random), self::key(random)];
                let values = tx.multi_get(&keys)?;
                for (key, value) in keys.into_iter().zip(values) {
                    self.read(key, value.as_deref(), true);
                }
            }
            54..=58 => {
                let value = tx.get_untracked(&key)?;
                self.read(key, value.as_deref(), false);
            }
            59..=78 => {
                self.begin_walk(tx, random);
                let mut walk = self.walks.pop().unwrap();
                let limit = random.random_range(1..=2 * KEYS);
                let direction = random.random_range(0..4);
                for _ in 0..limit {
                    let is_front = direction < 2 || direction == 2 && random.random_bool(0.5);
                    if !walk.is_whole {
                        walk.step(is_front)?;
                    }
                }
                self.end_walk(walk);
            }
            79..=82 => self.begin_walk(tx, random),
            83..=92 => {
                let is_front = random.random_bool(0.5);
                if let Some(walk) = self.walks.iter_mut().find(|walk| !walk.is_whole) {
                    walk.step(is_front)?;
                }
            }
            93..=95 => {
                self.savepoints.push(tx.savepoint());
                self.event(Event::Savepoint);
            }
            _ => {
                let numbers: Vec<_> = (0..self.savepoints.len()).collect();
                if let Some(number) = numbers.choose(random) {
                    tx.rollback_to(&self.savepoints[*number])?;
                    self.savepoints.truncate(number + 1);
                    self.event(Event::RollbackTo(*number));
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        self.done.events.push(event);
    }

    fn set(&mut self, tx: &mut Transaction, key: Key, random: &mut ChaCha8Rng) -> Result<()> {
        tx.set(&key, value(self.id, self.writes, random))?;
        self.note_set(key);
        Ok(())
    }

    /// Notes a write that was made elsewhere.
    pub(crate) fn note_set(&mut self, key: Key) {
        self.writes += 1;
        self.event(Event::Write { key, live: true });
    }

    pub(crate) fn note_delete(&mut self, key: Key) {
        self.writes += 1;
        self.event(Event::Write { key, live: false });
    }

    pub(crate) fn read(&mut self, key: Key, value: Option<&[u8]>, tracked: bool) {
        let saw = version(value);
        self.event(Event::Read { key, saw, tracked });
    }

    fn begin_walk(&mut self, tx: &Transaction, random: &mut ChaCha8Rng) {
        let range = range(random);
        let iter = tx.range(range_of(&range));
        let place = self.done.events.len();
        for _ in 0..2 {
            let rows = BTreeMap::new();
            self.event(Event::Scan {
                range: nothing(),
                rows,
            });
        }
        self.walks.push(Walk {
            iter,
            range,
            place,
            front: Vec::new(),
            back: Vec::new(),
            is_whole: false,
        });
    }

    fn end_walk(&mut self, walk: Walk) {
        let place = walk.place;
        self.done.events.splice(place..place + 2, walk.events());
    }

    /// Ends the note of a transaction that is about to end.
    pub(crate) fn ending(&mut self) {
        for walk in std::mem::take(&mut self.walks) {
            self.end_walk(walk);
        }
    }

    /// How it ended.
    pub(crate) fn ended(mut self, now: u64, outcome: Outcome) -> (Id, history::Transaction) {
        self.ending();
        self.done.span = self.began.map(|began| (began, now));
        self.done.outcome = outcome;
        (self.id, self.done)
    }
}
