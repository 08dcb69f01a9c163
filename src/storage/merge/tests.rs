//! The merge against an oracle: whatever was committed, and wherever it is stopped, each read is right, and in
//! the end the rows are those of commits that write them at once.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{
    KEYS_ALONG,
    oracle::{self, Key, State, Truth, Value, Version, Writes},
};
use crate::{
    Iter, Result,
    backend::{
        Access, Backend, Keyspace, Scope,
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    storage::{
        Batch, CommitInfo, CommitOptions, History, KeyRange, PinOptions,
        store::{Store, StoreOptions},
    },
    sync::Arc,
    timestamp::Timestamp,
};

/// Everything is merged at once, soon, and only when it is asked for.
const SIZES: [usize; 3] = [0, 1500, 1 << 20];

/// Each of them a prefix, a neighbour or an extreme; one is longer than keys are kept inline.
fn keys() -> Vec<Key> {
    let long = [b'b'; 60];
    let keys: [&[u8]; 9] = [
        b"", b"\0", b"a", b"a\0", b"a\0\xFF", b"a\xFF", b"b", &long, b"\xFF",
    ];
    keys.map(<[u8]>::to_vec).to_vec()
}

/// What one commit does: to which keys, and how far behind the last it is numbered.
#[derive(Clone, Debug)]
struct Commit {
    /// The number of a key, and the kind of a value, `None` to delete.
    writes: Vec<(usize, Option<u8>)>,
    gap: Option<u64>,
}

#[derive(Clone, Debug)]
enum Op {
    /// Commits that are written together.
    Group(Vec<Commit>),
    /// A piece of the merge.
    Piece,
    All,
    /// Moves the floor so many timestamps below the newest.
    Prune(u64),
    /// Begins to read, at so many timestamps below the newest.
    Hold(u64),
    /// Goes on with all that is being read, from one end.
    Step {
        backward: bool,
    },
}

fn commit() -> impl Strategy<Value = Commit> {
    let kind = prop_oneof![3 => (0..4u8).prop_map(Some), 2 => Just(None)];
    let writes = prop::collection::vec((0..keys().len(), kind), 0..5);
    let gap = prop_oneof![2 => Just(None), 1 => (1..4u64).prop_map(Some)];
    (writes, gap).prop_map(|(writes, gap)| Commit { writes, gap })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(commit(), 1..4).prop_map(Op::Group),
        4 => Just(Op::Piece),
        1 => Just(Op::All),
        1 => (0..20u64).prop_map(Op::Hold),
        2 => any::<bool>().prop_map(|backward| Op::Step { backward }),
    ]
}

fn op_or_prune() -> impl Strategy<Value = Op> {
    prop_oneof![12 => op(), 1 => (0..12u64).prop_map(Op::Prune)]
}

fn value(at: u64, key: usize, kind: u8) -> Value {
    match kind {
        0 => Value::new(),
        // Longer than what is copied.
        1 => [format!("{key}@{at}").into_bytes(), vec![b'.'; 5000]].concat(),
        _ => format!("{key}@{at}").into_bytes(),
    }
}

/// What is read a little at a time, and what it must still give.
enum Held {
    Rows(Iter, VecDeque<(Key, Value)>),
    Versions(Box<History>, VecDeque<Version>),
}

impl Held {
    fn step(&mut self, backward: bool) {
        match self {
            Self::Rows(rows, wanted) => {
                let found = if backward {
                    rows.next_back()
                } else {
                    rows.next()
                };
                let found = found.map(|row| {
                    let (key, value) = row.unwrap();
                    (key.to_vec(), value.to_vec())
                });
                assert_eq!(found, taken(wanted, backward), "a row of what is held");
            }
            Self::Versions(versions, wanted) => {
                let found = if backward {
                    versions.next_back()
                } else {
                    versions.next()
                };
                let found = oracle::listed(found.into_iter());
                let wanted: Vec<_> = taken(wanted, backward).into_iter().collect();
                assert_eq!(found, wanted, "a version of what is held");
            }
        }
    }
}

fn taken<T>(wanted: &mut VecDeque<T>, backward: bool) -> Option<T> {
    if backward {
        wanted.pop_back()
    } else {
        wanted.pop_front()
    }
}

/// A store, and what must be read of it.
struct World {
    store: Arc<Store>,
    truth: Truth,
    /// The same with what was tried and failed: it may be found when the store is opened again.
    attempted: Truth,
    held: Vec<Held>,
    /// After how many backend writes each commit was acknowledged.
    acknowledged: Vec<(usize, u64)>,
    fault: Arc<Fault>,
}

impl World {
    fn new(backend: &Arc<MemoryBackend>, fault: Arc<Fault>, size: usize) -> Self {
        let backend = FaultBackend::over(backend, &fault);
        Self {
            store: Store::open(Box::new(backend), StoreOptions::for_tests(size)).unwrap(),
            truth: Truth::default(),
            attempted: Truth::default(),
            held: Vec::new(),
            acknowledged: Vec::new(),
            fault,
        }
    }

    /// Does one thing; an error leaves what must be read as it was.
    fn run(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Group(commits) => self.commit(commits)?,
            Op::Piece => drop(self.store.merge_piece(&mut self.store.merge.lock())?),
            Op::All => self.store.merge_all()?,
            Op::Prune(behind) => {
                let before = self.truth.last().saturating_sub(*behind);
                let before = Timestamp::new(before);
                let report = self.store.prune_before(before, &mut |_, _| {})?;
                self.truth.floor = report.floor.get();
                self.attempted.floor = self.truth.floor;
            }
            Op::Hold(behind) => {
                let at = self.truth.last().saturating_sub(*behind);
                let at = at.max(self.truth.floor);
                let state = self.truth.state(at).into_iter().collect();
                let rows = self.store.range_at(KeyRange::all(), Timestamp::new(at));
                self.held.push(Held::Rows(rows, state));
                let keys = keys();
                let key = &keys[usize::try_from(at).unwrap() % keys.len()];
                let versions = self.store.history(key, &(..))?;
                let wanted = self.truth.versions(key).into();
                self.held.push(Held::Versions(Box::new(versions), wanted));
            }
            Op::Step { backward } => self.held.iter_mut().for_each(|held| held.step(*backward)),
        }
        Ok(())
    }

    /// Commits, one by one or as one group.
    fn commit(&mut self, commits: &[Commit]) -> Result<()> {
        let mut last = self.attempted.last();
        let mut done = Vec::new();
        for commit in commits {
            last += commit.gap.unwrap_or(1);
            let write = |(key, kind): &(usize, Option<u8>)| {
                (
                    keys()[*key].clone(),
                    kind.map(|kind| value(last, *key, kind)),
                )
            };
            let writes: Writes = commit.writes.iter().map(write).collect();
            let options = match commit.gap {
                Some(_) => CommitOptions::default().at(Timestamp::new(last)),
                None => CommitOptions::default(),
            };
            self.attempted.commit(last, writes.clone());
            done.push((writes, options));
        }
        let mut result = Ok(());
        if let [(writes, options)] = done.as_slice() {
            let batch: Batch = writes.iter().cloned().collect();
            let info = self.store.commit(batch, *options);
            result = self.acknowledge(writes, info);
        } else {
            let requests = done.iter().map(|(writes, options)| {
                let batch: Batch = writes.iter().cloned().collect();
                (batch, *options)
            });
            let outcomes = self.store.commit_together(requests.collect());
            for ((writes, _), info) in done.iter().zip(outcomes) {
                result = result.and(self.acknowledge(writes, info));
            }
        }
        // They are not tried again: later ones have later timestamps.
        result?;
        assert_eq!(self.truth.last(), self.attempted.last());
        Ok(())
    }

    fn acknowledge(&mut self, writes: &Writes, info: Result<CommitInfo>) -> Result<()> {
        let at = info?.timestamp.get();
        self.truth.commit(at, writes.clone());
        self.acknowledged.push((self.fault.writes(), at));
        Ok(())
    }

    fn check(&self) {
        self.truth.check(&self.store, &keys());
    }
}

/// Merges all, and checks the rows.
fn check_rows(store: &Store, truth: &Truth) {
    store.merge_all().unwrap();
    assert_eq!(oracle::stored(store.backend.as_ref()), truth.rows());
    assert_eq!(store.recent.held(), (0, 0), "what is left of the table");
}

/// Opens a store over what a crash left, checks it, merges a part, crashes again, merges all, goes on.
fn check_after_crash(left: &MemoryBackend, truth: &Truth, acknowledged: u64, size: usize) {
    let (last, floor) = oracle::marks(left);
    assert!(
        last >= acknowledged,
        "{acknowledged} was lost, {last} is left"
    );
    let mut truth = truth.until(last);
    assert_eq!(truth.last(), last, "no group is there in part");
    truth.floor = floor;
    let fault = Fault::new(false);
    let mut world = World::new(&Arc::new(left.copy()), fault, size);
    world.truth = truth;
    world.check();
    world.store.merge_all().unwrap();
    world.check();
    // Half merged, and opened again.
    let halves = world.fault.take_left();
    let half = halves.get(halves.len() / 2).unwrap_or(left);
    oracle::marks(half);
    let again = World::new(&Arc::new(half.copy()), Fault::new(false), 0);
    world.truth.check(&again.store, &keys());
    again.store.merge_all().unwrap();
    world.truth.check(&again.store, &keys());
    if floor == 0 {
        check_rows(&world.store, &world.truth);
        check_rows(&again.store, &world.truth);
    }
    // It goes on.
    world.attempted = world.truth.clone();
    let next = Commit {
        writes: vec![(0, Some(2)), (2, None)],
        gap: None,
    };
    world.run(&Op::Group(vec![next])).unwrap();
    assert_eq!(world.truth.last(), last + 1, "the next timestamp");
    world.check();
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn at_every_stage_each_read_is_right_and_the_rows_are_those_of_the_oracle(
        ops in prop::collection::vec(op(), 1..24),
        size in prop::sample::select(&SIZES[..]),
    ) {
        let mut world = World::new(&Arc::default(), Fault::new(false), size);
        for op in &ops {
            world.run(op).unwrap();
            world.check();
        }
        let store = Arc::clone(&world.store);
        store.recent.seal();
        while store.merge_piece(&mut store.merge.lock()).unwrap() {
            world.check();
            world.run(&Op::Step { backward: ops.len() % 2 == 0 }).unwrap();
        }
        check_rows(&store, &world.truth);
        // With what is held.
        for _ in 0..keys().len() * 3 {
            world.run(&Op::Step { backward: false }).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_crash_after_any_write_loses_nothing(
        ops in prop::collection::vec(op_or_prune(), 1..14),
        size in prop::sample::select(&SIZES[..]),
        size_after in prop::sample::select(&SIZES[..]),
    ) {
        let mut world = World::new(&Arc::default(), Fault::new(false), size);
        for op in &ops {
            world.run(op).unwrap();
        }
        for (number, left) in world.fault.take_left().iter().enumerate() {
            let by_then = world.acknowledged.iter();
            let by_then = by_then.filter(|(writes, _)| *writes <= number + 1);
            let acknowledged = by_then.map(|(_, at)| *at).max().unwrap_or(0);
            check_after_crash(left, &world.attempted, acknowledged, size_after);
        }
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_write_that_fails_stops_all_writing_and_changes_no_answer(
        ops in prop::collection::vec(op(), 1..14),
        size in prop::sample::select(&SIZES[..]),
        takes_effect in any::<bool>(),
        failing in 1..40u64,
    ) {
        let fault = Fault::new(takes_effect);
        let backend = Arc::new(MemoryBackend::new());
        let mut world = World::new(&backend, Arc::clone(&fault), size);
        fault.arm(failing);
        let mut has_failed = false;
        for op in &ops {
            let is_reading = matches!(op, Op::Hold(_) | Op::Step { .. });
            match world.run(op) {
                Ok(()) if is_reading || !has_failed => {}
                // There was nothing to do.
                Ok(()) => prop_assert!(false, "{op:?} was done after a failed write"),
                Err(error) => {
                    prop_assert_eq!(error.kind().name(), "io", "{:?}", error);
                    has_failed = true;
                }
            }
            world.check();
        }
        // A commit's payment fails in silence.
        if fault.has_failed() {
            let written = fault.writes();
            for op in [Op::Group(vec![Commit { writes: vec![(0, Some(2))], gap: None }]), Op::All] {
                prop_assert_eq!(world.run(&op).unwrap_err().kind().name(), "io");
            }
            prop_assert_eq!(fault.writes(), written);
            world.check();
        }
        let acknowledged = world.truth.last();
        drop(world.store);
        check_after_crash(&backend, &world.attempted, acknowledged, size);
    }
}

/// Opens a store over commits that lie in their records only, merges them, and checks what each write of
/// that leaves for the next opening.
fn check_each_crash_of_a_merge(left: &MemoryBackend, truth: &Truth) {
    let world = World::new(&Arc::new(left.copy()), Fault::new(false), 0);
    world.store.merge_all().unwrap();
    for left in world.fault.take_left() {
        let again = World::new(&Arc::new(left), Fault::new(false), 0);
        truth.check(&again.store, &keys());
    }
}

/// A commit of several parts, the values of which are larger than anything that is done at once.
#[test]
fn a_commit_of_several_parts_is_read_back_and_merged_wholly() {
    for size in SIZES {
        let mut world = World::new(&Arc::default(), Fault::new(false), size);
        for round in 0..2u8 {
            let keys = keys()[..4].to_vec();
            let large = |(number, key): (usize, &Key)| {
                let is_deleted = round == 1 && number % 2 == 0;
                // Each closes its part.
                let value = vec![round; (260 << 10) * number.min(1)];
                (key.clone(), (!is_deleted).then_some(value))
            };
            let writes: Writes = keys.iter().enumerate().map(large).collect();
            let batch: Batch = writes.iter().cloned().collect();
            let info = world.store.commit(batch, CommitOptions::default());
            world.attempted.commit(u64::from(round) + 1, writes.clone());
            world.acknowledge(&writes, info).unwrap();
            world.check();
        }
        let left = world.fault.take_left();
        let parts = rows_of(left.last().unwrap(), Keyspace::Commits);
        assert_eq!(parts, 3 + 2, "parts of the two commits");
        if size == 1 << 20 {
            check_each_crash_of_a_merge(left.last().unwrap(), &world.truth);
        }
        world.store.merge_all().unwrap();
        check_rows(&world.store, &world.truth);
        let left: Vec<_> = left.into_iter().chain(world.fault.take_left()).collect();
        for (number, left) in left.iter().enumerate() {
            let by_then = world.acknowledged.iter();
            let by_then = by_then.filter(|(writes, _)| *writes <= number + 1);
            let acknowledged = by_then.map(|(_, at)| *at).max().unwrap_or(0);
            check_after_crash(left, &world.attempted, acknowledged, size);
        }
    }
}

fn rows_of(backend: &MemoryBackend, keyspace: Keyspace) -> usize {
    let cursor = backend.cursor(keyspace, Scope::default(), Access::Scan);
    let mut cursor = cursor.unwrap();
    cursor.seek_to_first().unwrap();
    let mut rows = 0;
    while cursor.row().is_some() {
        rows += 1;
        cursor.next().unwrap();
    }
    rows
}

/// While a group is written that takes a piece of the merge along, others who owe some do not go on behind
/// that piece: it may fail, and is not below yet.
#[test]
fn nobody_goes_on_behind_a_piece_that_is_being_written() {
    let mut world = World::new(&Arc::default(), Fault::new(false), 1 << 20);
    let group = |writes| Op::Group(vec![Commit { writes, gap: None }]);
    let all = (0..keys().len()).map(|key| (key, Some(2)));
    world.run(&group(all.collect())).unwrap();
    let store = Arc::clone(&world.store);
    store.recent.seal();
    let is_prepared = store.prepare(&mut store.merge.lock(), KEYS_ALONG);
    assert!(is_prepared.unwrap());
    let (written, truth) = (world.fault.writes(), world.truth.clone());
    let (beside, fault) = (Arc::clone(&store), Arc::clone(&world.fault));
    world.fault.before_write(move || {
        beside.pay(1_000);
        truth.check(&beside, &keys());
        assert_eq!(fault.writes(), written, "nothing was merged beside");
    });
    world.run(&group(vec![(0, None)])).unwrap();
    assert!(world.fault.writes() > written);
    world.check();
    check_rows(&store, &world.truth);
}

/// Between the look into memory and the look below, keys are deleted together and merged: none is seen as
/// it was and another as it is.
#[test]
fn a_delete_that_is_merged_beside_a_multi_get_is_seen_of_all_keys_or_none() {
    let mut world = World::new(&Arc::default(), Fault::new(false), 1 << 20);
    let group = |writes| Op::Group(vec![Commit { writes, gap: None }]);
    world.run(&group(vec![(2, Some(2))])).unwrap();
    world.run(&Op::All).unwrap();
    world.run(&group(vec![(6, Some(2))])).unwrap();
    let (store, keys) = (
        Arc::clone(&world.store),
        [keys().remove(2), keys().remove(6)],
    );
    let fault = Arc::clone(&world.fault);
    let deletes: Batch = keys.iter().map(|key| (key.clone(), None)).collect();
    let beside = Arc::clone(&store);
    fault.before_read(move || {
        beside.commit(deletes, CommitOptions::default()).unwrap();
        beside.merge_all().unwrap();
    });
    let found = store.multi_get_latest(&[&keys[0], &keys[1]]).unwrap();
    assert_eq!(store.clock.visible().get(), 3, "the deletes came between");
    assert_eq!(found, [None, None]);
}

/// What no segment holds any more is not asked for, and what was read of it stays.
#[test]
fn a_pin_and_a_floor_are_kept_over_merges_and_crashes() {
    let mut world = World::new(&Arc::default(), Fault::new(false), 0);
    let set = |kind| Commit {
        writes: vec![(2, kind)],
        gap: None,
    };
    for kind in [Some(2), Some(2), None, Some(2)] {
        world.run(&Op::Group(vec![set(kind)])).unwrap();
    }
    let pinned = Timestamp::new(2);
    let store = Arc::clone(&world.store);
    store.pin("pin", pinned, PinOptions::default()).unwrap();
    world.truth.pins.push(2);
    let state: State = world.truth.state(2);
    for _ in 0..3 {
        world.run(&Op::Group(vec![set(Some(2))])).unwrap();
        world.run(&Op::Prune(0)).unwrap();
        assert_eq!(oracle::rows_at(&store, pinned, false), state);
        world.check();
    }
    for left in world.fault.take_left() {
        let (last, floor) = oracle::marks(&left);
        let again = World::new(&Arc::new(left), Fault::new(false), 0);
        let readable = |at: Timestamp| at.get() <= last && at.get() >= floor;
        if readable(pinned) || !again.store.pins().unwrap().is_empty() {
            assert_eq!(oracle::rows_at(&again.store, pinned, true), state);
            again.store.merge_all().unwrap();
            assert_eq!(oracle::rows_at(&again.store, pinned, true), state);
        }
    }
}

fn batch(round: u64) -> Batch {
    let mut batch = Batch::new();
    for number in 0..4u64 {
        batch.set((round * 4 + number).to_be_bytes(), [b'v'; 40]);
    }
    batch
}

/// What commits owe is paid while the other half of the memory fills: none has to wait.
#[test]
fn one_half_is_merged_before_the_other_is_full() {
    let store = Store::open(
        Box::new(MemoryBackend::new()),
        StoreOptions::for_tests(20_000),
    )
    .unwrap();
    let mut seals = 0;
    for round in 0..1_000 {
        if store.recent.is_full() {
            seals += 1;
            assert_eq!(store.recent.sealed(), 0, "a commit would wait: {round}");
        }
        let done = store.commit(batch(round), CommitOptions::default());
        done.unwrap();
    }
    assert!(seals > 10, "{seals}");
}

/// Where nothing was paid, commits wait, and the memory stays within its bounds.
#[test]
fn commits_wait_where_both_halves_are_full() {
    let store = Store::open(
        Box::new(MemoryBackend::new()),
        StoreOptions::for_tests(20_000),
    )
    .unwrap();
    for round in 0..1_000 {
        let request = (batch(round), CommitOptions::default());
        assert!(store.commit_unpaid(vec![request])[0].is_ok());
        assert!(store.recent.sealed() <= 1);
        let (_, bytes) = store.recent.held();
        // Each half, and the commit that filled it.
        assert!(bytes <= 22_000, "{bytes} bytes after {round}");
    }
}

/// A table that was made smaller since does not fall into as many pieces as there were commits.
#[test]
fn what_is_read_back_lies_in_few_segments() {
    let backend = Arc::new(MemoryBackend::new());
    let fault = Fault::new(false);
    let open = |size| {
        let backend = FaultBackend::over(&backend, &fault);
        Store::open(Box::new(backend), StoreOptions::for_tests(size)).unwrap()
    };
    let store = open(1 << 20);
    for round in 0..100 {
        store
            .commit(batch(round), CommitOptions::default())
            .unwrap();
    }
    drop(store);
    let store = open(0);
    assert!(store.recent.sealed() < 10, "{}", store.recent.sealed());
    assert_eq!(store.range_latest(KeyRange::all()).count(), 400);
    store.commit(batch(100), CommitOptions::default()).unwrap();
    store.merge_all().unwrap();
    assert_eq!(store.range_latest(KeyRange::all()).count(), 404);
}

/// After closing nothing is written any more.
#[test]
fn a_closed_store_is_not_merged() {
    let fault = Fault::new(false);
    let store = World::new(&Arc::default(), Arc::clone(&fault), 1 << 20).store;
    store.commit(batch(0), CommitOptions::default()).unwrap();
    store.recent.seal();
    store.close().unwrap();
    let written = fault.writes();
    let refused = store.merge_piece(&mut store.merge.lock());
    assert_eq!(refused.unwrap_err().kind().name(), "closed");
    assert_eq!(fault.writes(), written);
}
