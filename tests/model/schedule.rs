//! A random schedule: operations on the engine and the reference, answers compared.

use std::ops::{Bound, ControlFlow};

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Batch, CommitOptions, Durability, Engine, ErrorKind, Iter, KeyRange, PinOptions, ReadView,
    Snapshot, Timestamp,
};

use crate::{
    reference::{Key, Reference, Value},
    transactions::Open as OpenTransaction,
};

type Open = Box<dyn Fn() -> Engine>;

pub(crate) struct Schedule {
    seed: u64,
    pub(crate) random: ChaCha8Rng,
    /// `None` only while it is being reopened.
    engine: Option<Engine>,
    open: Option<Open>,
    pub(crate) reference: Reference,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) transactions: Vec<OpenTransaction>,
    /// Iterators that are walked a little at a time, with the rows they must still give.
    pub(crate) iterators: Vec<(Iter, Vec<(Key, Value)>)>,
    /// Timestamps with the epochs in which they were the newest.
    pub(crate) positions: Vec<(u64, u64)>,
    trace: Vec<String>,
}

pub(crate) fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

impl Schedule {
    pub(crate) fn new(seed: u64, engine: Engine, open: Option<Open>) -> Self {
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            engine: Some(engine),
            open,
            reference: Reference::default(),
            snapshots: Vec::new(),
            transactions: Vec::new(),
            iterators: Vec::new(),
            positions: Vec::new(),
            trace: Vec::new(),
        }
    }

    pub(crate) fn run(mut self, operations: usize) {
        for _ in 0..operations {
            self.step();
        }
        self.check_everything();
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn note(&mut self, what: String) {
        self.trace.push(what);
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "calls read better")]
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(&self, found: T, expected: T, what: &str) {
        if found != expected {
            let trace = self.trace.join("\n");
            panic!(
                "seed {}: {what}\n found    {found:?}\n expected {expected:?}\n{trace}",
                self.seed
            );
        }
    }

    fn step(&mut self) {
        match self.random.random_range(0..163) {
            160.. => self.roll_back(),
            100.. => self.transact(),
            0..=29 => self.commit(),
            30..=32 => self.delete_range(),
            33..=36 => self.compare_and_set(),
            37..=39 => self.pin(),
            40..=41 => self.unpin(),
            42..=46 => self.prune(),
            47..=49 => self.engine().flush().unwrap(),
            50 => self.engine().compact().unwrap(),
            51..=52 => self.reopen(),
            53..=55 => self.take_snapshot(),
            56..=58 => self.drop_snapshot(),
            59..=61 => self.begin_iterator(),
            62..=66 => self.walk_iterator(),
            67..=72 => self.read_snapshot(),
            73..=82 => self.read_point(),
            83..=88 => self.read_range(),
            89..=92 => self.read_history(),
            93..=96 => self.read_diff(),
            97..=98 => self.refused(),
            _ => self.check_status(),
        }
    }

    /// Keys that make trouble, and few enough to meet again.
    pub(crate) fn key(&mut self) -> Key {
        const KEYS: [&[u8]; 12] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0\xFF",
            b"\0\x01",
            b"a",
            b"a\0",
            b"a\0b",
            b"ab",
            b"b",
            b"\xFF",
            b"\xFF\xFF",
        ];
        if self.random.random_bool(0.2) {
            // A tail that looks like an inverted timestamp.
            let number = self.random.random_range(0..4u64);
            return [b"a".as_slice(), &(!number).to_be_bytes()].concat();
        }
        KEYS.choose(&mut self.random).unwrap().to_vec()
    }

    pub(crate) fn value(&mut self) -> Value {
        let length = *[0, 1, 3, 20, 200].choose(&mut self.random).unwrap();
        let tag = self.random.random::<u8>();
        vec![tag; length]
    }

    fn timestamp(&mut self) -> u64 {
        self.random.random_range(0..=self.reference.visible)
    }

    /// A timestamp that can be read: mostly above the floor, sometimes a pinned one.
    pub(crate) fn readable(&mut self) -> u64 {
        let pins: Vec<_> = self.reference.pins.values().copied().collect();
        match pins.choose(&mut self.random) {
            Some(pin) if self.random.random_bool(0.4) => *pin,
            _ => self
                .random
                .random_range(self.reference.floor..=self.reference.visible),
        }
    }

    pub(crate) fn range(&mut self) -> KeyRange {
        match self.random.random_range(0..4) {
            0 => KeyRange::all(),
            1 => KeyRange::prefix(&self.key()),
            _ => {
                let mut bound = |unbounded: f64| {
                    let key = self.key();
                    if self.random.random_bool(unbounded) {
                        Bound::Unbounded
                    } else if self.random.random() {
                        Bound::Included(key)
                    } else {
                        Bound::Excluded(key)
                    }
                };
                KeyRange::new((bound(0.2), bound(0.2)))
            }
        }
    }

    fn writes(&mut self) -> Vec<(Key, Option<Value>)> {
        let count = self.random.random_range(0..6);
        (0..count)
            .map(|_| {
                let key = self.key();
                let value = self.value();
                (key, self.random.random_bool(0.65).then_some(value))
            })
            .collect()
    }

    fn commit(&mut self) {
        let writes = self.writes();
        let mut options = CommitOptions::default();
        if self.random.random_bool(0.2) {
            options = options.durability(Durability::Sync);
        }
        let mut expected = self.reference.visible + 1;
        if self.random.random_bool(0.2) {
            expected += self.random.random_range(0..5);
            options = options.at(at(expected));
        }
        self.note(format!("commit at {expected}: {writes:?}"));
        let done = self
            .engine()
            .commit(Batch::from(writes.clone()), options)
            .unwrap();
        self.same(done.timestamp.get(), expected, "the commit's timestamp");
        self.reference.commit(expected, &writes);
    }

    fn delete_range(&mut self) {
        let range = self.range();
        self.note(format!("delete {range:?}"));
        let done = self
            .engine()
            .delete_range(range.clone())
            .unwrap()
            .timestamp
            .get();
        let keys = self.reference.state(self.reference.visible).into_keys();
        let writes: Vec<_> = keys
            .filter(|key| range.contains(key))
            .map(|key| (key, None))
            .collect();
        self.reference.commit(done, &writes);
    }

    fn compare_and_set(&mut self) {
        let (key, value) = (self.key(), self.value());
        let new = self.random.random_bool(0.7).then_some(value);
        let right = self.reference.get(&key, self.reference.visible);
        let expected = if self.random.random() {
            right.clone()
        } else {
            Some(self.value())
        };
        self.note(format!("compare {key:?} with {expected:?} and set {new:?}"));
        let done = self
            .engine()
            .compare_and_set(&key, expected.as_deref(), new.as_deref());
        match done {
            Ok(info) => {
                self.same(
                    &expected,
                    &right,
                    "compare_and_set took another value for the right one",
                );
                self.reference.commit(info.timestamp.get(), &[(key, new)]);
            }
            Err(error) => {
                let conflict = matches!(error.kind(), ErrorKind::Conflict { .. });
                self.same(
                    (conflict, expected == right),
                    (true, false),
                    "compare_and_set failed",
                );
            }
        }
    }

    fn pin(&mut self) {
        let name = format!("pin{}", self.random.random_range(0..4));
        let timestamp = self.timestamp();
        self.note(format!("pin {name} at {timestamp}"));
        let done = self
            .engine()
            .pin(&name, at(timestamp), PinOptions::default());
        let legal =
            self.reference.is_readable(timestamp) && !self.reference.pins.contains_key(&name);
        self.same(done.is_ok(), legal, "pin");
        if legal {
            self.reference.pins.insert(name, timestamp);
        }
    }

    fn unpin(&mut self) {
        let name = format!("pin{}", self.random.random_range(0..4));
        self.note(format!("unpin {name}"));
        let done = self.engine().unpin(&name).is_ok();
        let expected = self.reference.pins.remove(&name).is_some();
        self.same(done, expected, "unpin");
    }

    /// The timestamps that iterators, snapshots and transactions hold.
    fn held(&self) -> Vec<u64> {
        let iterators = self
            .iterators
            .iter()
            .filter_map(|(iter, _)| iter.timestamp());
        let snapshots = self.snapshots.iter().map(Snapshot::timestamp);
        let transactions = self.transactions.iter().map(OpenTransaction::timestamp);
        let held = iterators.chain(snapshots).map(Timestamp::get);
        held.chain(transactions).collect()
    }

    fn prune(&mut self) {
        let before = self.timestamp();
        self.note(format!("prune before {before}"));
        let report = self.engine().prune_before(at(before)).unwrap();
        let floor = self.reference.floor;
        if before > floor {
            let oldest = self.held().into_iter().filter(|held| *held >= floor).min();
            self.reference.floor = oldest.map_or(before, |oldest| oldest.min(before));
        }
        self.same(report.floor.get(), self.reference.floor, "the floor");
        self.check_status();
    }

    fn reopen(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.note("reopen".to_owned());
        self.snapshots.clear();
        self.transactions.clear();
        self.iterators.clear();
        self.engine = None;
        let engine = open();
        self.open = Some(open);
        self.engine = Some(engine);
        self.same(
            self.engine().visible().get(),
            self.reference.visible,
            "visible after reopening",
        );
        self.same(
            self.engine().floor().get(),
            self.reference.floor,
            "the floor after reopening",
        );
        let epoch = self.reference.epoch();
        self.same(self.engine().epoch(), epoch, "the epoch after reopening");
        self.check_positions();
    }

    fn take_snapshot(&mut self) {
        let timestamp = self.readable();
        self.note(format!("snapshot at {timestamp}"));
        self.snapshots
            .push(self.engine().at(at(timestamp)).unwrap());
    }

    fn drop_snapshot(&mut self) {
        if !self.snapshots.is_empty() {
            let index = self.random.random_range(0..self.snapshots.len());
            self.snapshots.swap_remove(index);
        }
    }

    fn rows(&self, range: &KeyRange, timestamp: u64) -> Vec<(Key, Value)> {
        let state = self.reference.state(timestamp);
        state
            .into_iter()
            .filter(|(key, _)| range.contains(key))
            .collect()
    }

    fn begin_iterator(&mut self) {
        let (timestamp, range) = (self.readable(), self.range());
        let rows = self.rows(&range, timestamp);
        self.note(format!("iterate {range:?} at {timestamp}"));
        let iter = self.engine().at(at(timestamp)).unwrap().range(range);
        self.iterators.push((iter, rows));
    }

    /// Takes some rows of a held iterator from either end.
    fn walk_iterator(&mut self) {
        if self.iterators.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.iterators.len());
        let (mut iter, mut rows) = self.iterators.swap_remove(index);
        for _ in 0..self.random.random_range(1..6) {
            let (found, expected) = if self.random.random() {
                (iter.next(), (!rows.is_empty()).then(|| rows.remove(0)))
            } else {
                (iter.next_back(), rows.pop())
            };
            let found = found.map(|row| {
                let (key, value) = row.unwrap();
                (key.to_vec(), value.to_vec())
            });
            let ended = found.is_none();
            self.same(found, expected, "a row of a held iterator");
            if ended {
                return;
            }
        }
        self.iterators.push((iter, rows));
    }

    fn read_snapshot(&mut self) {
        let Some(snapshot) = self.snapshots.choose(&mut self.random).cloned() else {
            return;
        };
        let timestamp = snapshot.timestamp().get();
        let (key, range) = (self.key(), self.range());
        let value = snapshot.get(&key).unwrap().map(|value| value.to_vec());
        self.same(
            value,
            self.reference.get(&key, timestamp),
            &format!("get {key:?} in a snapshot at {timestamp}"),
        );
        self.check_rows(snapshot.range(range.clone()), &range, timestamp);
        self.check_visit(&snapshot, &range, timestamp);
    }

    /// Is shown rows where they lie, up to some number of them.
    fn check_visit(&mut self, view: &impl ReadView, range: &KeyRange, timestamp: u64) {
        let most = self.random.random_range(1..40);
        let mut found = Vec::new();
        let ended = view.visit(range.clone(), |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            if found.len() == most {
                return ControlFlow::Break(found.len());
            }
            ControlFlow::Continue(())
        });
        let mut expected = self.rows(range, timestamp);
        let is_cut = expected.len() >= most;
        expected.truncate(most);
        let what = format!("{most} rows shown of {range:?} at {timestamp}");
        self.same(found, expected, &what);
        let ended = ended.unwrap();
        self.same(ended, is_cut.then_some(most), &what);
    }

    fn check_rows(&mut self, iter: Iter, range: &KeyRange, timestamp: u64) {
        let backward = self.random.random();
        let collect = |iter: &mut dyn Iterator<Item = sapwood::Result<(sapwood::Key, _)>>| {
            iter.map(|row| {
                let (key, value): (_, sapwood::Value) = row.unwrap();
                (key.to_vec(), value.to_vec())
            })
            .collect::<Vec<_>>()
        };
        let mut found = if backward {
            collect(&mut iter.rev())
        } else {
            collect(&mut { iter })
        };
        if backward {
            found.reverse();
        }
        let expected = self.rows(range, timestamp);
        self.same(
            found,
            expected,
            &format!("{range:?} at {timestamp}, backward: {backward}"),
        );
    }

    fn read_point(&mut self) {
        let key = self.key();
        let latest = self.engine().get(&key).unwrap().map(|value| value.to_vec());
        let expected = self.reference.get(&key, self.reference.visible);
        self.same(latest, expected, &format!("get {key:?}"));

        let timestamp = self.readable();
        let keys: Vec<_> = (0..4).map(|_| self.key()).collect();
        let snapshot = self.engine().at(at(timestamp)).unwrap();
        let found: Vec<_> = snapshot.multi_get(&keys).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|value| value.map(|v| v.to_vec()))
            .collect();
        let expected: Vec<_> = keys
            .iter()
            .map(|key| self.reference.get(key, timestamp))
            .collect();
        self.same(
            found,
            expected,
            &format!("multi_get {keys:?} at {timestamp}"),
        );
    }

    fn read_range(&mut self) {
        let range = self.range();
        let visible = self.reference.visible;
        self.check_rows(self.engine().range(range.clone()), &range, visible);
        let engine = self.engine().clone();
        self.check_visit(&engine, &range, visible);
        let timestamp = self.readable();
        let iter = self
            .engine()
            .at(at(timestamp))
            .unwrap()
            .range(range.clone());
        self.check_rows(iter, &range, timestamp);
    }

    fn read_history(&mut self) {
        let key = self.key();
        let (from, to) = (self.timestamp(), self.timestamp() + 1);
        let history = self.engine().history(&key, at(from)..at(to)).unwrap();
        let mut expected = self.reference.versions(&key);
        expected
            .retain(|(start, end, _)| from < to && *start < to && end.is_none_or(|end| end > from));
        let mut history = history.map(|version| {
            let version = version.unwrap();
            (
                version.start.get(),
                version.end.map(Timestamp::get),
                version.value.to_vec(),
            )
        });
        // From both ends at random: what is left must match.
        loop {
            let front = self.random.random::<bool>();
            let found = if front {
                history.next()
            } else {
                history.next_back()
            };
            let wanted = if front {
                (!expected.is_empty()).then(|| expected.remove(0))
            } else {
                expected.pop()
            };
            let ended = found.is_none();
            self.same(
                found,
                wanted,
                &format!("history of {key:?} from {from} to {to}"),
            );
            if ended {
                break;
            }
        }
    }

    fn read_diff(&mut self) {
        let (a, b) = (self.readable(), self.readable());
        let (old, new) = (a.min(b), a.max(b));
        let diff = self.engine().diff(at(old), at(new)).unwrap();
        let backward = self.random.random();
        let change = |change: sapwood::Result<sapwood::Change>| {
            let change = change.unwrap();
            let bytes = |value: Option<sapwood::Value>| value.map(|value| value.to_vec());
            (change.key.to_vec(), bytes(change.old), bytes(change.new))
        };
        let mut found: Vec<_> = if backward {
            diff.rev().map(change).collect()
        } else {
            diff.map(change).collect()
        };
        if backward {
            found.reverse();
        }
        self.same(
            found,
            self.reference.diff(old, new),
            &format!("diff from {old} to {new}"),
        );
    }

    /// Reads that must be refused.
    fn refused(&mut self) {
        let above = self.reference.visible + self.random.random_range(1..5);
        let error = self.engine().at(at(above)).unwrap_err();
        self.same(
            error.kind().name(),
            "not_yet",
            "a read above the visible timestamp",
        );
        if self.reference.floor > 0 {
            let below = self.random.random_range(0..self.reference.floor);
            let expected = if self.reference.is_readable(below) {
                "ok"
            } else {
                "pruned"
            };
            let found = match self.engine().at(at(below)) {
                Ok(_) => "ok",
                Err(error) => error.kind().name(),
            };
            self.same(
                found,
                expected,
                &format!("a read at {below}, below the floor"),
            );
        }
    }

    fn check_status(&self) {
        let status = self.engine().status().unwrap();
        let keys = self.reference.state(self.reference.visible).len() as u64;
        self.same(status.keys, keys, "live keys");
        self.same(
            status.versions,
            self.reference.version_count() as u64,
            "versions",
        );
        let report = self.engine().verify().unwrap();
        self.same(report.violations, Vec::new(), "inv 63: violations");
    }

    /// Every key at every readable timestamp.
    fn check_everything(&mut self) {
        for timestamp in 0..=self.reference.visible {
            if self.reference.is_readable(timestamp) {
                let iter = self.engine().at(at(timestamp)).unwrap().range(..);
                self.check_rows(iter, &KeyRange::all(), timestamp);
            }
        }
        self.check_status();
    }
}
