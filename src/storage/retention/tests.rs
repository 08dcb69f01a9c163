//! Tests of keeping to a policy: what is due, what is counted, what fails; and random lives against a model.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use super::{Figures, tend::Tended};
use crate::{
    Batch, CommitOptions, ErrorKind, FeedOptions, PinOptions, Position, RetentionPolicy, Value,
    backend::{
        Keyspace, WriteBatch,
        ended::{Ended, Kept},
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    codec::meta,
    config::Durability,
    storage::store::{Store, StoreOptions},
    sync::Arc,
    timestamp::Timestamp,
};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn all() -> RetentionPolicy {
    RetentionPolicy::keep_all()
}

/// A store over rows of its own.
fn open(rows: &Arc<MemoryBackend>, recent: usize) -> Arc<Store> {
    let backend = FaultBackend::over(rows, &Fault::new(false));
    Store::open(Box::new(backend), StoreOptions::for_tests(recent)).unwrap()
}

fn new() -> Arc<Store> {
    open(&Arc::default(), 1 << 20)
}

fn commit_at(store: &Store, timestamp: u64, seconds: u64) {
    let mut batch = Batch::new();
    batch.set(b"key", b"a value");
    let options = CommitOptions::default().at(at(timestamp));
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    store.commit(batch, options.time(time)).unwrap();
}

/// Sets a policy without the thread that would keep to it.
fn set_quietly(store: &Store, policy: RetentionPolicy) {
    *store.keeping.policy.lock() = policy;
}

fn apply(store: &Store) -> Timestamp {
    store.apply_retention(&mut |_, _| {}).unwrap().floor
}

#[test]
fn the_background_prunes_once_a_quarter_of_what_is_kept_is_past_keeping() {
    let store = new();
    (1..=100).for_each(|timestamp| commit_at(&store, timestamp, 0));
    set_quietly(&store, all().commits(41));
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.floor(), at(60));
    // 40 are above the oldest that is kept.
    for timestamp in 101..=110 {
        commit_at(&store, timestamp, 0);
        assert_eq!(store.tend().unwrap(), Tended::Idle, "{timestamp}");
        assert_eq!(store.floor(), at(60), "{timestamp}");
    }
    commit_at(&store, 111, 0);
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.floor(), at(71));
    // By hand at once.
    commit_at(&store, 112, 0);
    assert_eq!(apply(&store), at(72));
    set_quietly(&store, all());
    commit_at(&store, 113, 0);
    assert_eq!(store.tend().unwrap(), Tended::Idle);
}

#[test]
fn what_is_held_is_left_alone_and_done_once_it_is_let_go() {
    let store = new();
    (1..=20).for_each(|timestamp| commit_at(&store, timestamp, 0));
    set_quietly(&store, all().commits(1));
    let guard = store.admit(at(5)).unwrap();
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.floor(), at(5));
    let passes = store.retention_status().unwrap().full_passes;
    assert_eq!(store.tend().unwrap(), Tended::Held);
    assert_eq!(store.retention_status().unwrap().full_passes, passes);
    drop(guard);
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.floor(), at(20));
    assert_eq!(store.tend().unwrap(), Tended::Idle);
}

#[test]
fn what_a_pin_alone_held_is_given_back() {
    let store = new();
    (1..=20).for_each(|timestamp| commit_at(&store, timestamp, 0));
    store.pin("early", at(3), PinOptions::default()).unwrap();
    set_quietly(&store, all().commits(1));
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    let status = store.retention_status().unwrap();
    assert!(status.pinned_bytes > 0 && status.debt_bytes == 0);
    assert_eq!(store.tend().unwrap(), Tended::Idle);
    store.unpin("early").unwrap();
    assert_eq!(
        store.retention_status().unwrap().debt_bytes,
        status.pinned_bytes
    );
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.retention_status().unwrap().history_bytes, 0);
    assert_eq!(store.tend().unwrap(), Tended::Idle);
}

#[test]
fn history_is_brought_down_to_seven_eighths_of_its_limit() {
    let store = new();
    (1..=101).for_each(|timestamp| commit_at(&store, timestamp, 0));
    store.merge_all().unwrap();
    let size = store.backend.size_bytes(Keyspace::History).unwrap();
    set_quietly(&store, all().history_bytes(size));
    assert_eq!(apply(&store), at(0));
    assert_eq!(store.tend().unwrap(), Tended::Idle);
    // One byte more than there may be.
    let limit = size - 1;
    set_quietly(&store, all().history_bytes(limit));
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    let left = store.backend.size_bytes(Keyspace::History).unwrap();
    let goal = limit - limit / 8;
    // As many rows as fit, up to one of the parts that are told apart.
    assert!(left <= goal && left > goal - size / 3, "{left} of {goal}");
    assert_eq!(store.tend().unwrap(), Tended::Idle);
    // A snapshot is above all limits.
    let guard = store.admit(store.floor()).unwrap();
    let floor = store.floor();
    set_quietly(&store, all().history_bytes(0));
    assert_eq!(store.tend().unwrap(), Tended::Held);
    assert_eq!(store.floor(), floor);
    drop(guard);
    assert_eq!(apply(&store), at(101));
    assert_eq!(store.backend.size_bytes(Keyspace::History).unwrap(), 0);
}

#[test]
fn what_is_merged_beside_a_pass_counts_and_what_failed_changes_nothing() {
    let ended = |end, bytes| {
        let mut ended = Ended::default();
        ended.add(at(end), bytes);
        ended
    };
    let mut figures = Figures::default();
    figures.add(&ended(3, 100));
    figures.begin_pass();
    figures.add(&ended(9, 7));
    figures.end_pass(None);
    assert_eq!((figures.below(at(3)), figures.below(at(9))), (100, 107));
    figures.begin_pass();
    figures.add(&ended(10, 1));
    let kept = Kept {
        ended: ended(9, 7),
        pinned_bytes: 50,
        ..Kept::default()
    };
    figures.end_pass(Some(kept));
    assert_eq!((figures.below(at(9)), figures.below(at(10))), (7, 8));
    figures.unpinned();
    assert_eq!(figures.below(at(10)), 58);
    figures.rewind(at(9));
    assert_eq!(figures.below(at(10)), 57);
}

#[test]
fn what_was_there_at_opening_counts_until_a_pass_has_read_it() {
    let rows = Arc::default();
    let store = open(&rows, 1 << 20);
    (1..=17).for_each(|timestamp| commit_at(&store, timestamp, 0));
    store.merge_all().unwrap();
    let size = store.backend.size_bytes(Keyspace::History).unwrap();
    drop(store);
    let store = open(&rows, 1 << 20);
    let status = store.retention_status().unwrap();
    assert!(status.is_estimate && status.last_full_pass.is_none());
    assert_eq!((status.history_bytes, status.debt_bytes), (size, 0));
    store.prune_before(at(1), &mut |_, _| {}).unwrap();
    let status = store.retention_status().unwrap();
    assert!(!status.is_estimate && status.last_full_pass.is_some());
    assert_eq!(status.history_bytes, size);
}

#[test]
fn a_damaged_policy_is_named() {
    let rows: Arc<MemoryBackend> = Arc::default();
    let store = open(&rows, 1 << 20);
    let mut batch = WriteBatch::default();
    batch.put(Keyspace::Meta, &[meta::RETENTION], &[&[99, 0]]);
    store.backend.write(batch, Durability::Sync).unwrap();
    let found = store.verify(&mut |_, _| {}).unwrap();
    let names: Vec<_> = found
        .violations
        .iter()
        .map(|found| found.rule.name())
        .collect();
    assert_eq!(names, ["row"], "{found:?}");
    drop(store);
    let backend = FaultBackend::over(&rows, &Fault::new(false));
    let error = Store::open(Box::new(backend), StoreOptions::for_tests(0)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
}

#[test]
fn a_policy_that_could_not_be_stored_is_not_kept_to() {
    let rows: Arc<MemoryBackend> = Arc::default();
    let fault = Fault::new(false);
    let backend = FaultBackend::over(&rows, &fault);
    let store = Store::open(Box::new(backend), StoreOptions::for_tests(0)).unwrap();
    fault.arm(1);
    assert!(store.set_retention(all().commits(1)).is_err());
    assert_eq!(store.keeping.policy(), all());
}

#[test]
fn another_policy_or_epoch_in_between_is_not_passed() {
    let store = new();
    (1..=20).for_each(|timestamp| commit_at(&store, timestamp, 0));
    set_quietly(&store, all().commits(3));
    let wanted = store.wanted().unwrap();
    assert_eq!(wanted.floor, at(18));
    set_quietly(&store, all().commits(9));
    assert_eq!(store.prune_to(&wanted, &mut |_, _| {}).unwrap(), None);
    set_quietly(&store, all().commits(3));
    store.rollback_to(at(19)).unwrap();
    assert_eq!(store.prune_to(&wanted, &mut |_, _| {}).unwrap(), None);
    assert_eq!(store.floor(), at(0));
    assert_eq!(apply(&store), at(17));
}

#[test]
fn a_feed_that_is_overdue_does_not_count_for_what_is_due() {
    let store = new();
    commit_at(&store, 1, 0);
    let options = FeedOptions::default().max_lag(20);
    let from = Position::new(at(1), 0);
    store.create_feed("slow", from, options).unwrap();
    (2..=60).for_each(|timestamp| commit_at(&store, timestamp, 0));
    set_quietly(&store, all().commits(4));
    assert_eq!(store.tend().unwrap(), Tended::Pruned);
    assert_eq!(store.floor(), at(57));
}

#[test]
fn what_was_rolled_back_is_no_history() {
    let store = new();
    (1..=14).for_each(|timestamp| commit_at(&store, timestamp, 0));
    store.merge_all().unwrap();
    store.rollback_to(at(8)).unwrap();
    let status = store.retention_status().unwrap();
    let size = store.backend.size_bytes(Keyspace::History).unwrap();
    assert_eq!(status.history_bytes, size);
}

#[test]
fn writers_wait_above_the_limit_and_nobody_once_it_has_ended() {
    let store = new();
    (1..=20).for_each(|timestamp| commit_at(&store, timestamp, 0));
    store.merge_all().unwrap();
    let held = store.admit(at(0)).unwrap();
    set_quietly(&store, all().commits(1));
    assert_eq!(apply(&store), at(0));
    let (debt, _) = store.debt();
    for (limit, wait) in [(debt, false), (debt - 1, true), (debt, false)] {
        set_quietly(&store, all().commits(1).debt_limit_bytes(limit));
        store.weigh_debt();
        assert_eq!(store.keeping.gate.is_shut(), wait, "{limit} of {debt}");
    }
    store.keeping.end();
    set_quietly(&store, all().commits(1).debt_limit_bytes(0));
    store.weigh_debt();
    assert!(!store.keeping.gate.is_shut());
    drop(held);
}

/// What a life should look like.
#[derive(Debug, Default)]
struct Model {
    /// Commits: when they were made.
    commits: BTreeMap<u64, u64>,
    visible: u64,
    floor: u64,
    policy: RetentionPolicy,
}

impl Model {
    fn above(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.commits
            .range(self.floor + 1..)
            .map(|(at, time)| (*at, *time))
    }

    fn last(&self, number: u64) -> u64 {
        let place = usize::try_from(number - 1).unwrap();
        self.above()
            .nth_back(place)
            .map_or(self.floor, |(at, _)| at)
    }

    /// Where the policy would have the floor, from nothing but the definition.
    fn wanted(&self) -> u64 {
        let mut wanted = self.floor;
        if let Some(number) = self.policy.commits {
            wanted = wanted.max(self.last(number));
        }
        let newest = self.above().next_back();
        if let (Some(age), Some((_, newest))) = (self.policy.age, newest) {
            let old = self.above().take_while(|(_, time)| {
                i128::from(*time) <= i128::from(newest) - i128::from(age.as_secs())
            });
            wanted = wanted.max(old.last().map_or(self.floor, |(at, _)| at));
        }
        match self.policy.at_least_commits {
            Some(number) => wanted.min(self.last(number)),
            None => wanted,
        }
    }
}

/// Random commits with gaps and times that go back, policies, pins, guards, rollbacks, prunes and reopening: the floor
/// is where the definition has it, each time; and what can be read is right.
#[test]
fn the_floor_is_where_the_definition_has_it() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let rows = Arc::default();
        let mut store = open(&rows, 256);
        let mut model = Model::default();
        let mut pins = BTreeSet::new();
        let mut values: BTreeMap<u64, String> = BTreeMap::new();
        for step in 0..60 {
            match random.u8(0..20) {
                0..10 => {
                    let timestamp = model.visible + random.u64(1..4);
                    let time = random.u64(100..110) + step / 4 * random.u64(0..3);
                    let mut batch = Batch::new();
                    let value = format!("{step}");
                    batch.set(b"key", &value);
                    let options = CommitOptions::default().at(at(timestamp));
                    let options = options.time(UNIX_EPOCH + Duration::from_secs(time));
                    store.commit(batch, options).unwrap();
                    model.commits.insert(timestamp, time);
                    model.visible = timestamp;
                    values.insert(timestamp, value);
                }
                10..13 => {
                    let number =
                        |random: &mut fastrand::Rng| random.bool().then(|| random.u64(1..12));
                    model.policy = RetentionPolicy {
                        commits: number(&mut random),
                        age: number(&mut random).map(|age| Duration::from_secs(age - 1)),
                        at_least_commits: number(&mut random),
                        ..all()
                    };
                    set_quietly(&store, model.policy);
                }
                13..16 => {
                    let guard = random.bool().then(|| {
                        let from = random.u64(model.floor..=model.visible);
                        store.admit(at(from)).unwrap()
                    });
                    let held = guard.as_ref().map_or(u64::MAX, |guard| guard.at().get());
                    let wanted = model.wanted();
                    assert_eq!(
                        store.wanted().unwrap().floor,
                        at(wanted),
                        "seed {seed} step {step}"
                    );
                    model.floor = wanted.min(held).max(model.floor);
                    assert_eq!(apply(&store), at(model.floor), "seed {seed} step {step}");
                }
                16 => {
                    let pinned = random.u64(model.floor..=model.visible);
                    if pins.insert(pinned) {
                        let name = pinned.to_string();
                        store.pin(&name, at(pinned), PinOptions::default()).unwrap();
                    }
                }
                17 => {
                    let target = random.u64(model.floor..=model.visible);
                    if pins.range(target + 1..).next().is_none() {
                        store.rollback_to(at(target)).unwrap();
                        model.commits.split_off(&(target + 1));
                        values.split_off(&(target + 1));
                        model.visible = target;
                    }
                }
                18 => {
                    model.floor = random.u64(model.floor..=model.visible);
                    store.prune_before(at(model.floor), &mut |_, _| {}).unwrap();
                }
                _ => {
                    drop(store);
                    store = open(&rows, 256);
                    set_quietly(&store, model.policy);
                }
            }
            let readable = (model.floor..=model.visible).chain(pins.iter().copied());
            for timestamp in readable {
                let expected = values.range(..=timestamp).next_back();
                let expected = expected.map(|(_, value)| Value::copy_from_slice(value.as_bytes()));
                let found = store.get_at(b"key", at(timestamp)).unwrap();
                assert_eq!(found, expected, "seed {seed} step {step} at {timestamp}");
            }
        }
    }
}
