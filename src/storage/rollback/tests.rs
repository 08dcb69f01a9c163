//! Rolling back, stopped at every write: against a store that never saw what was abandoned.

use std::collections::BTreeMap;

use super::*;
use crate::{
    Batch, CommitOptions, KeyRange, PinOptions,
    backend::{
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    storage::store::StoreOptions,
    sync::Arc,
};

const SEEDS: u64 = 60;
const KEYS: [&str; 7] = ["", "a", "a\0", "ab", "b", "c", "d"];

type Commit = (u64, Vec<(&'static str, Option<String>)>);
type Damage<'a> = &'a dyn Fn(&Store, &mut WriteBatch);
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn open(backend: &Arc<MemoryBackend>, fault: &Arc<Fault>, recent: usize) -> Arc<Store> {
    let backend = FaultBackend::over(backend, fault);
    Store::open(Box::new(backend), StoreOptions::for_tests(recent)).unwrap()
}

/// Random commits after a timestamp, gaps between them.
fn commits(random: &mut fastrand::Rng, after: u64, tag: &str) -> Vec<Commit> {
    let mut last = after;
    let commit = |_| {
        last += if random.u8(0..4) == 0 {
            random.u64(2..5)
        } else {
            1
        };
        let write = |random: &mut fastrand::Rng| {
            let value = (random.u8(0..5) < 3).then(|| format!("{tag}{last}"));
            (random.choice(KEYS).unwrap(), value)
        };
        let writes = (0..random.usize(0..4)).map(|_| write(random)).collect();
        (last, writes)
    };
    (0..12).map(commit).collect()
}

fn play(store: &Store, commits: &[Commit]) {
    for (timestamp, writes) in commits {
        let mut batch = Batch::new();
        for (key, value) in writes {
            match value {
                Some(value) => batch.set(key, value),
                None => batch.delete(key),
            };
        }
        let time = std::time::SystemTime::UNIX_EPOCH;
        let options = CommitOptions::default().at(at(*timestamp)).time(time);
        store.commit(batch, options).unwrap();
    }
}

/// Every row of a keyspace.
fn rows(store: &Store, keyspace: Keyspace) -> Rows {
    let mut cursor = store
        .backend
        .cursor(keyspace, Scope::default(), Access::Scan)
        .unwrap();
    cursor.seek_to_first().unwrap();
    let mut rows = Rows::new();
    while let Some((key, value)) = cursor.row() {
        rows.insert(key.to_vec(), value.to_vec());
        cursor.next().unwrap();
    }
    rows
}

/// The same without what may differ: values that a record holds until it is trimmed, and when versions ended
/// that nobody can ask for any more.
fn plain(store: &Store, keyspace: Keyspace) -> Rows {
    let mut rows = rows(store, keyspace);
    for (key, row) in &mut rows {
        if keyspace == Keyspace::Commits {
            let (_, part) = commit::decode_key(key).unwrap();
            *row = commit::without_values(part, row)
                .unwrap()
                .unwrap_or(row.clone());
        } else if row[8..16] <= store.floor().get().to_be_bytes()[..] {
            row[8..16].fill(0);
        }
    }
    rows
}

fn all_rows(backend: &Arc<MemoryBackend>) -> Vec<Rows> {
    let store = Store::new(
        Box::new(FaultBackend::over(backend, &Fault::new(false))),
        StoreOptions::for_tests(0),
    );
    Keyspace::ALL
        .map(|keyspace| rows(&store, keyspace))
        .to_vec()
}

/// All that can be read, as text.
fn seen(store: &Arc<Store>) -> Vec<String> {
    let mut seen = Vec::new();
    for number in store.floor().get()..=store.clock.visible().get() {
        let state = store.range_at(KeyRange::all(), at(number));
        let state: Vec<_> = state.map(|row| row.unwrap()).collect();
        for (key, value) in &state {
            let found = store.get_at(key, at(number)).unwrap();
            assert_eq!(found.as_ref(), Some(value), "{key:?} at {number}");
        }
        seen.push(format!("{number}: {state:?}"));
    }
    for key in KEYS {
        let versions = store.history(key.as_bytes(), &(..)).unwrap();
        let versions: Vec<_> = versions.map(|version| version.unwrap()).collect();
        seen.push(format!("{key:?}: {versions:?}"));
    }
    let status = store.status().unwrap();
    seen.push(format!("{} {}", status.keys, status.versions));
    seen
}

/// Checks that a store is what one is that never saw more than the commits of the other.
#[track_caller]
fn assert_same(store: &Arc<Store>, never: &Arc<Store>, what: &str) {
    assert_eq!(seen(store), seen(never), "{what}");
    store.merge_all().unwrap();
    never.merge_all().unwrap();
    for keyspace in [Keyspace::Current, Keyspace::History, Keyspace::Commits] {
        let (found, expected) = (plain(store, keyspace), plain(never, keyspace));
        assert_eq!(found, expected, "{what}: {}", keyspace.name());
    }
    // Of a live key nobody asks when it was deleted last; of another the time must be the same, but that
    // a rollback knows of some that were pruned.
    let current = rows(store, Keyspace::Current);
    let dead = |mut rows: Rows| {
        rows.retain(|key, row| {
            let is_old = deleted::decode(row).unwrap() <= store.floor();
            !current.contains_key(key) && !is_old
        });
        rows
    };
    let (found, expected) = (
        rows(store, Keyspace::Deleted),
        rows(never, Keyspace::Deleted),
    );
    for row in found.values() {
        assert!(deleted::decode(row).unwrap() <= store.clock.visible());
    }
    assert_eq!(dead(found), dead(expected), "{what}: deleted");
}

/// A store over a backend of its own that was never rolled back.
fn never_saw(commits: &[Commit], floor: u64, recent: usize) -> Arc<Store> {
    let store = open(&Arc::default(), &Fault::new(false), recent);
    play(&store, commits);
    store.prune_before(at(floor), &mut |_, _| {}).unwrap();
    store
}

/// A rollback whose write number `stop` fails, with or without effect; then the store is opened anew, which
/// is stopped likewise, and again until it succeeds.
fn stopped(seed: u64, takes_effect: bool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let recent = random.choice([0, 300, 1 << 20]).unwrap();
    let all = commits(&mut random, 0, "x");
    let last = all.last().unwrap().0;
    let target = random.u64(0..last);
    let (kept, _) = all.split_at(all.partition_point(|(timestamp, _)| *timestamp <= target));
    // Where the other store can be pruned to, too.
    let floor = random.u64(0..=kept.last().map_or(0, |(timestamp, _)| *timestamp));
    let after = commits(&mut random, target, "y");
    let mut has_ended = false;
    for stop in 1.. {
        let what = format!("seed {seed}, takes effect: {takes_effect}, to {target}, stop {stop}");
        let (backend, fault) = (Arc::default(), Fault::new(takes_effect));
        let mut store = open(&backend, &fault, recent);
        play(&store, &all);
        store.prune_before(at(floor), &mut |_, _| {}).unwrap();
        store.merge_all().unwrap();
        let before = seen(&store);
        fault.arm(stop);
        match store.rollback_to(at(target)) {
            Ok(report) => {
                assert_eq!((report.visible, report.epoch), (at(target), 1), "{what}");
                has_ended = true;
            }
            Err(error) => {
                assert_eq!(error.kind().name(), "io", "{what}");
                let refused = store.commit(Batch::new(), CommitOptions::default());
                assert!(refused.is_err(), "{what}");
                assert!(store.get_latest(b"a").is_err(), "{what}");
                assert!(store.range_latest(KeyRange::all()).all(|row| row.is_err()));
                let pinned = store.pin("above", at(last), PinOptions::default());
                assert!(pinned.is_err(), "{what}");
                assert!(store.check_position(at(last), 0).is_err(), "{what}");
                assert!(store.rollback_to(at(last)).is_err(), "{what}");
                drop(store);
                // Opening is stopped at each of its writes too: what it must do becomes less.
                let has_begun = stop > 1 || takes_effect;
                let mut again = 0;
                store = loop {
                    again += 1;
                    fault.arm(if has_begun { again } else { 0 });
                    let opened = FaultBackend::over(&backend, &fault);
                    match Store::open(Box::new(opened), StoreOptions::for_tests(recent)) {
                        Ok(opened) => break opened,
                        Err(error) => assert_eq!(error.kind().name(), "io", "{what}"),
                    }
                };
                fault.arm(0);
                if !has_begun {
                    assert_eq!((seen(&store), store.clock.epoch()), (before, 0), "{what}");
                    continue;
                }
            }
        }
        fault.arm(0);
        assert_eq!(store.clock.epoch(), 1, "{what}");
        assert_eq!(store.clock.visible(), at(target), "{what}");
        let trimmed = store.backend.get(Keyspace::Meta, meta::TRIMMED).unwrap();
        let trimmed = trimmed.map(|row| meta::decode_timestamp(&row).unwrap());
        assert!(trimmed <= Some(at(target)), "{what}: {trimmed:?}");
        let never = never_saw(kept, floor, recent);
        // A store that ended at a commit before the target has that as its visible timestamp.
        if never.clock.visible() == at(target) {
            assert_same(&store, &never, &what);
        }
        play(&store, &after);
        play(&never, &after);
        assert_same(&store, &never, &what);
        let store = open(&backend, &fault, recent);
        assert_eq!(store.clock.epoch(), 1, "{what}");
        assert_same(&store, &never, &what);
        if has_ended {
            return;
        }
    }
}

#[test]
fn a_rollback_that_is_stopped_at_any_write_is_finished_or_has_not_begun() {
    for seed in 0..SEEDS {
        stopped(seed, false);
        stopped(seed, true);
    }
}

#[test]
fn rollbacks_after_each_other_leave_what_was_never_rolled_back() {
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let (backend, fault) = (Arc::default(), Fault::new(false));
        let mut store = open(&backend, &fault, 300);
        let (mut kept, mut epoch, mut floor) = (Vec::<Commit>::new(), 0, 0);
        for round in 0..6 {
            let what = format!("seed {seed}, round {round}");
            let new = commits(
                &mut random,
                store.clock.visible().get(),
                &format!("{round}:"),
            );
            play(&store, &new);
            kept.extend(new);
            let target = random.u64(floor..=store.clock.visible().get());
            epoch += u64::from(target < store.clock.visible().get());
            let report = store.rollback_to(at(target)).unwrap();
            assert_eq!(
                (report.visible, report.epoch),
                (at(target), epoch),
                "{what}"
            );
            kept.retain(|(timestamp, _)| *timestamp <= target);
            floor = random.u64(floor..=target);
            store.prune_before(at(floor), &mut |_, _| {}).unwrap();
            if random.bool() {
                store = open(&backend, &fault, 300);
                let found = (store.clock.epoch(), store.clock.visible());
                assert_eq!(found, (epoch, at(target)), "{what}");
            }
            // One more commit, so that both end alike.
            let next = (target + 1, vec![("a", Some(what.clone()))]);
            play(&store, std::slice::from_ref(&next));
            kept.push(next);
            assert_same(&store, &never_saw(&kept, floor, 300), &what);
        }
    }
}

/// A store with a few commits, and its backend.
fn damaged(damage: impl Fn(&Store, &mut WriteBatch)) -> (Arc<Store>, Arc<MemoryBackend>) {
    let backend = Arc::default();
    let store = open(&backend, &Fault::new(false), 0);
    for value in ["1", "2", "3"] {
        let mut batch = Batch::new();
        batch.set("k", value);
        store.commit(batch, CommitOptions::default()).unwrap();
    }
    store.merge_all().unwrap();
    let mut batch = WriteBatch::default();
    damage(&store, &mut batch);
    backend.write(batch, Durability::Sync).unwrap();
    (store, backend)
}

#[test]
fn where_something_is_lost_nothing_is_changed() {
    let record = |number| commit::encode_key(at(number), 0);
    let version = |start| {
        let mut key = key::encode(b"k");
        key::push_start(&mut key, at(start));
        key
    };
    let cut = |store: &Store, batch: &mut WriteBatch| {
        let row = store.backend.get(Keyspace::Commits, &record(2)).unwrap();
        let mut row = row.unwrap().to_vec();
        row[1] = 0;
        batch.put(Keyspace::Commits, &[&record(2)], &[&row]);
    };
    let damages: [Damage<'_>; 5] = [
        &|_, batch| batch.remove(Keyspace::Commits, &record(3)),
        &|_, batch| batch.put(Keyspace::Commits, &[&record(2)], &[b"odd"]),
        &|_, batch| batch.remove(Keyspace::History, &version(1)),
        &|_, batch| batch.put(Keyspace::History, &[&version(2)], &[b"odd"]),
        &cut,
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let (store, backend) = damaged(damage);
        let before = all_rows(&backend);
        let error = store.rollback_to(at(1)).unwrap_err();
        assert_eq!(error.kind().name(), "corrupt", "{number}: {error}");
        assert_eq!(all_rows(&backend), before, "{number}");
        assert_eq!((store.clock.epoch(), store.clock.visible()), (0, at(3)));
        let latest = store.get_latest(b"k").unwrap();
        assert_eq!(latest.as_deref(), Some(&b"3"[..]), "{number}");
        play(&store, &[(4, vec![("k", None)])]);
    }
}

/// What is held above the target, and where its timestamps are given again.
#[test]
fn guards_and_registrations_above_the_target_hold_nothing() {
    let store = open(&Arc::default(), &Fault::new(false), 0);
    let set = |number| play(&store, &[(number, vec![("k", Some(number.to_string()))])]);
    (1..=3).for_each(set);
    let (low, high) = (store.admit(at(2)).unwrap(), store.admit(at(3)).unwrap());
    let dead = store.conflicts.open(&store.clock);
    store.rollback_to(at(2)).unwrap();
    assert!(low.check().is_ok());
    assert_eq!(high.check().unwrap_err().kind().name(), "too_old");
    assert!(high.was_refused());
    assert_eq!(store.guards.count(), 1);
    drop(low);
    set(3);
    // The guard and the registration at 3 of the past do not count for, nor take away, those of now.
    let live = store.conflicts.open(&store.clock);
    let guard = store.admit(at(3)).unwrap();
    assert_eq!(store.conflicts.kept().transactions, 1);
    drop((dead, high));
    assert_eq!(store.conflicts.kept().transactions, 1);
    assert_eq!(store.guards.count(), 1);
    set(4);
    assert_eq!(store.conflicts.kept().keys, 1);
    drop((live, guard));
    assert_eq!(store.conflicts.kept().keys, 0);
    let report = store.prune_before(at(4), &mut |_, _| {}).unwrap();
    assert_eq!((report.floor, report.held_by), (at(4), None));
}

#[test]
fn a_prune_after_a_rollback_drives_the_same_rule_again() {
    let store = open(&Arc::default(), &Fault::new(false), 0);
    play(
        &store,
        &[
            (1, vec![("k", Some("1".to_owned()))]),
            (2, vec![("k", None)]),
        ],
    );
    play(
        &store,
        &[(3, vec![]), (4, vec![("k", Some("4".to_owned()))])],
    );
    store.prune_before(at(3), &mut |_, _| {}).unwrap();
    assert!(rows(&store, Keyspace::Deleted).is_empty());
    // The rollback learns from the version at 4 that the key was deleted at 2.
    store.rollback_to(at(3)).unwrap();
    assert_eq!(rows(&store, Keyspace::Deleted).len(), 1);
    store.prune_before(at(3), &mut |_, _| {}).unwrap();
    assert!(rows(&store, Keyspace::Deleted).is_empty());
}

/// Batches are bounded, however many versions of a key are taken back.
#[test]
fn many_versions_of_a_key_go_in_several_batches() {
    let fault = Fault::new(false);
    let store = open(&Arc::default(), &fault, 0);
    let version = |number: u64| (number, vec![("k", Some(number.to_string()))]);
    play(&store, &(1..=40).map(version).collect::<Vec<_>>());
    store.merge_all().unwrap();
    fault.take_left();
    store.rollback_to(at(1)).unwrap();
    // One for each of the 39 records, and one for each row of history above the target.
    assert!(fault.writes() > 39 + 37, "{}", fault.writes());
    assert_eq!(store.get_latest(b"k").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_pin_that_has_expired_does_not_hold_a_rollback() {
    let store = open(&Arc::default(), &Fault::new(false), 0);
    play(&store, &[(1, vec![]), (2, vec![])]);
    let ttl = PinOptions::default().ttl(std::time::Duration::ZERO);
    store.pin("short", at(2), ttl).unwrap();
    // It may hold for a millisecond.
    while store.rollback_to(at(1)).is_err() {}
    assert_eq!(store.clock.visible(), at(1));
}

/// Only damage makes it as late.
#[test]
fn behind_the_last_epoch_nothing_can_be_rolled_back() {
    for (epoch, opens) in [(EPOCH_MAX, true), (EPOCH_MAX + 1, false), (u64::MAX, false)] {
        let backend = Arc::<MemoryBackend>::default();
        let store = open(&backend, &Fault::new(false), 0);
        play(&store, &[(1, vec![]), (2, vec![])]);
        drop(store);
        let mut batch = WriteBatch::default();
        let ended = meta::encode_rollback(at(1), true);
        batch.put(Keyspace::Meta, &[&meta::rollback_key(epoch)], &[&ended]);
        backend.write(batch, Durability::Sync).unwrap();
        let faulty = FaultBackend::over(&backend, &Fault::new(false));
        let store = Store::open(Box::new(faulty), StoreOptions::for_tests(0));
        assert_eq!(store.is_ok(), opens, "{epoch}");
        let refused = store.and_then(|store| {
            assert_eq!(store.clock.epoch(), epoch);
            store.rollback_to(at(1))
        });
        assert_eq!(refused.unwrap_err().kind().name(), "corrupt", "{epoch}");
    }
}

/// Opening finishes the rollback, and needs what lies above the floor of before.
#[test]
fn a_prune_that_waited_for_a_rollback_that_failed_drops_nothing() {
    let (backend, fault) = (Arc::<MemoryBackend>::default(), Fault::new(false));
    let store = open(&backend, &fault, 1 << 20);
    let version = |number: u64| (number, vec![("k", Some(number.to_string()))]);
    play(&store, &(1..=3).map(version).collect::<Vec<_>>());
    let pruned = std::thread::scope(|scope| {
        let driven = store.driven.lock();
        let pruner = scope.spawn(|| store.prune_before(at(3), &mut |_, _| {}));
        // It has merged everything, and waits for the lock.
        let trimmed = || backend.get(Keyspace::Meta, meta::TRIMMED).unwrap();
        while trimmed().as_deref() != Some(&meta::encode_timestamp(at(3))[..]) {
            std::thread::yield_now();
        }
        fault.arm(2);
        assert_eq!(store.rollback_to(at(1)).unwrap_err().kind().name(), "io");
        drop(driven);
        pruner.join().unwrap()
    });
    assert_eq!(pruned.unwrap_err().kind().name(), "io");
    drop(store);
    let store = open(&backend, &fault, 0);
    assert_eq!((store.clock.visible(), store.clock.epoch()), (at(1), 1));
    assert_eq!(seen(&store), seen(&never_saw(&[version(1)], 0, 0)));
}

/// The two checks of a transaction, and a rollback between them.
#[test]
fn a_transaction_that_a_rollback_came_between_is_refused() {
    use crate::storage::commit::Reliance;
    let store = open(&Arc::default(), &Fault::new(false), 0);
    let set = |number| play(&store, &[(number, vec![("k", Some(number.to_string()))])]);
    set(1);
    let begin = || Reliance::new(store.conflicts.open(&store.clock), vec!["k".into()], vec![]);
    let (mut checked, mut later) = (begin(), begin());
    play(
        &store,
        &[(2, vec![("other", None)]), (3, vec![("other", None)])],
    );
    store.conflicts.precheck(&mut checked, &[]).unwrap();
    let mut above = begin();
    store.rollback_to(at(1)).unwrap();
    // At a timestamp that the first check has passed.
    set(2);
    assert!(store.conflicts.check(&checked, &[]).is_err());
    assert!(store.conflicts.precheck(&mut above, &[]).is_err());
    // Begun at or below the target and not checked yet: what it relies on is told from the commits of now.
    let conflict = store.conflicts.precheck(&mut later, &[]).unwrap_err();
    let committed = at(2);
    let key = "k".into();
    assert_eq!(
        conflict,
        crate::storage::commit::Refusal::Conflict {
            key,
            committed,
            clash: crate::storage::commit::Clash::Read,
        }
    );
    // A key whose last commit was above the target has its commit below as its last again.
    set(3);
    let mut relies = begin();
    play(
        &store,
        &[
            (4, vec![("k", None)]),
            (5, vec![("k", Some("5".to_owned()))]),
        ],
    );
    store.rollback_to(at(4)).unwrap();
    assert!(store.conflicts.precheck(&mut relies, &[]).is_err());
}
