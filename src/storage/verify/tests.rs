//! Invariant 63: nothing is found in what a store has written itself, and every planted fault is.

mod feeds;

use std::collections::BTreeSet;

use super::*;
use crate::{
    Batch, CommitOptions, PinOptions,
    backend::{
        Backend, Cursor, Scope, WriteBatch,
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    codec::{CurrentRow, HistoryRow, commit, deleted, meta},
    config::Durability,
    storage::store::StoreOptions,
    sync::{Arc, AtomicBool, Ordering},
    timestamp::Timestamp,
};

const SEEDS: u64 = 120;
const KEYS: [&str; 6] = ["", "a", "a\0", "ab", "b", "c"];

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn open(backend: impl Backend, recent: usize) -> Arc<Store> {
    Store::open(Box::new(backend), StoreOptions::for_tests(recent)).unwrap()
}

fn verify(store: &Store) -> VerifyReport {
    store.verify(&mut |_, _| {}).unwrap()
}

#[track_caller]
fn assert_clean(store: &Store, what: &str) {
    let report = verify(store);
    assert!(report.is_clean(), "{what}: {:#?}", report.violations);
}

fn play(store: &Store, timestamp: u64, writes: &[(&str, Option<&str>)]) {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.set(key, value),
            None => batch.delete(key),
        };
    }
    let options = CommitOptions::default().at(at(timestamp));
    store.commit(batch, options).unwrap();
}

/// One random operation on a store.
fn step(store: &Arc<Store>, random: &mut fastrand::Rng, guards: &mut Vec<crate::storage::Guard>) {
    let visible = store.clock.visible().get();
    match random.u8(0..20) {
        0..=11 => {
            let write = |random: &mut fastrand::Rng| {
                let value = (random.u8(0..5) < 3).then_some("v");
                (random.choice(KEYS).unwrap(), value)
            };
            let writes: Vec<_> = (0..random.usize(0..4)).map(|_| write(random)).collect();
            play(store, visible + random.u64(1..3), &writes);
        }
        12..=13 => {
            let before = at(random.u64(0..=visible));
            store.prune_before(before, &mut |_, _| {}).unwrap();
        }
        14 => drop(store.pin(
            &random.u8(0..4).to_string(),
            at(random.u64(0..=visible)),
            PinOptions::default(),
        )),
        15 => drop(store.unpin(&random.u8(0..4).to_string())),
        16 => drop(store.rollback_to(at(random.u64(0..=visible)))),
        17 => drop(
            store
                .admit(at(random.u64(0..=visible)))
                .map(|guard| guards.push(guard)),
        ),
        18 => drop(guards.pop()),
        _ => store.merge_all().unwrap(),
    }
}

#[test]
fn inv_63_nothing_is_found_whatever_a_store_does_and_wherever_it_crashes() {
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let recent = random.choice([0, 200, 1 << 20]).unwrap();
        let fault = Fault::new(false);
        let store = open(FaultBackend::new(&fault), recent);
        let mut guards = Vec::new();
        for number in 0..40 {
            step(&store, &mut random, &mut guards);
            if number % 4 == 0 {
                assert_clean(&store, &format!("seed {seed}, after step {number}"));
            }
        }
        for (write, left) in fault.take_left().into_iter().enumerate() {
            let recent = random.choice([0, 1 << 20]).unwrap();
            let what = format!("seed {seed}, opened after write {write}");
            assert_clean(&open(left, recent), &what);
        }
    }
}

#[test]
fn inv_63_nothing_is_found_while_others_commit_prune_pin_and_roll_back() {
    let store = open(MemoryBackend::new(), 300);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(7);
            let mut guards = Vec::new();
            for _ in 0..3000 {
                step(&store, &mut random, &mut guards);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            if working.is_finished() {
                break;
            }
            assert_clean(&store, "beside others");
        }
    });
    assert_clean(&store, "at the end");
}

/// A store with a little of everything, and the backend below it.
///
/// ```text
///      1   2   3   4   5   6   7   8   9
///  a   a1  a2      a4  a5      a7
///  b   b1          x   b5
///  c           c3          x
///  d                           d7
///  e       e2                      x
/// ```
struct Planted {
    backend: Arc<MemoryBackend>,
    store: Arc<Store>,
}

impl Planted {
    /// Pruned up to a floor, 0 for not at all.
    fn new(floor: u64) -> Self {
        let backend = Arc::new(MemoryBackend::new());
        let below = FaultBackend::over(&backend, &Fault::new(false));
        let store = open(below, 1 << 20);
        play(&store, 1, &[("a", Some("1")), ("b", Some("1"))]);
        play(&store, 2, &[("a", Some("2")), ("e", Some("2"))]);
        play(&store, 3, &[("c", Some("3"))]);
        play(&store, 4, &[("a", Some("4")), ("b", None)]);
        play(&store, 5, &[("a", Some("5")), ("b", Some("5"))]);
        play(&store, 6, &[("c", None)]);
        play(&store, 7, &[("a", Some("7")), ("d", Some("7"))]);
        play(&store, 8, &[("e", None)]);
        play(&store, 9, &[("d", None)]);
        store.rollback_to(at(8)).unwrap();
        play(&store, 9, &[]);
        store.pin("p", at(5), PinOptions::default()).unwrap();
        store.prune_before(at(floor), &mut |_, _| {}).unwrap();
        store.merge_all().unwrap();
        assert_clean(&store, "before anything is planted");
        Self { backend, store }
    }

    fn put(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> &Self {
        let mut batch = WriteBatch::default();
        batch.put(keyspace, &[key], &[value]);
        self.backend.write(batch, Durability::Sync).unwrap();
        self
    }

    fn remove(&self, keyspace: Keyspace, key: &[u8]) -> &Self {
        assert!(self.backend.get(keyspace, key).unwrap().is_some());
        let mut batch = WriteBatch::default();
        batch.remove(keyspace, key);
        self.backend.write(batch, Durability::Sync).unwrap();
        self
    }

    fn current(&self, key: &str, start: u64, previous_end: u64) -> &Self {
        let (start, previous_end) = (at(start), at(previous_end));
        let row = CurrentRow {
            start,
            previous_end,
            value: b"v",
        };
        let key = key::encode(key.as_bytes());
        self.put(Keyspace::Current, &key, &row.encode())
    }

    fn history(&self, key: &str, start: u64, end: u64, previous_end: u64) -> &Self {
        let (end, previous_end) = (at(end), at(previous_end));
        let row = HistoryRow {
            end,
            previous_end,
            value: b"v",
        };
        self.put(Keyspace::History, &version(key, start), &row.encode())
    }

    fn deleted(&self, key: &str, timestamp: u64) -> &Self {
        let row = deleted::encode(at(timestamp));
        self.put(Keyspace::Deleted, &key::encode(key.as_bytes()), &row)
    }

    fn mark(&self, name: &[u8], timestamp: u64) -> &Self {
        self.put(Keyspace::Meta, name, &meta::encode_timestamp(at(timestamp)))
    }

    /// A part of a record: `+` before a key that was set, `-` before one that was deleted.
    fn part(&self, timestamp: u64, part: u32, last: bool, changes: &[&str]) -> &Self {
        let changes = changes.iter().map(|change| {
            let (what, key) = change.split_at(1);
            (key.as_bytes(), (what == "+").then_some(&b"v"[..]))
        });
        let parts = commit::encode_parts(0, changes);
        let mut value = commit::without_values(0, &parts[0]).unwrap().unwrap();
        value[1] = u8::from(last);
        if part > 0 {
            value.drain(2..10);
        }
        self.put(
            Keyspace::Commits,
            &commit::encode_key(at(timestamp), part),
            &value,
        )
    }

    /// Exactly these rules are found to be broken.
    #[track_caller]
    fn breaks(&self, rules: &[Rule]) {
        let report = verify(&self.store);
        let found: BTreeSet<_> = report.violations.iter().map(|found| found.rule).collect();
        let expected: BTreeSet<_> = rules.iter().copied().collect();
        assert_eq!(found, expected, "{:#?}", report.violations);
        assert_eq!(report.violations_found, report.violations.len() as u64);
        assert!(
            report
                .violations
                .iter()
                .all(|found| !found.message.is_empty())
        );
    }
}

fn version(key: &str, start: u64) -> key::KeyBuffer {
    key::encode_version(key.as_bytes(), at(start))
}

fn record(timestamp: u64) -> [u8; 12] {
    commit::encode_key(at(timestamp), 0)
}

fn encoded(key: &str) -> key::KeyBuffer {
    key::encode(key.as_bytes())
}

#[test]
fn inv_63_rows_that_do_not_decode() {
    use Keyspace::{Commits, Current, Deleted, History, Meta};
    let plant = |keyspace, key: &[u8]| {
        Planted::new(0)
            .put(keyspace, key, b"?")
            .breaks(&[Rule::Row]);
    };
    plant(Current, &encoded("d"));
    plant(Current, &encoded("a"));
    plant(History, &version("a", 4));
    plant(History, &version("a", 5));
    plant(History, &version("a", 1));
    plant(History, &version("c", 3));
    plant(Deleted, &encoded("c"));
    plant(Commits, &record(4));
    plant(Commits, &record(9));
    plant(Meta, meta::FLOOR);
    plant(Meta, b"pin/p");
}

#[test]
fn inv_63_keys_that_are_none() {
    use Keyspace::{Commits, Current, Deleted, History};
    let row = CurrentRow {
        start: at(3),
        previous_end: at(0),
        value: b"",
    };
    let plant = |keyspace, key: &[u8]| {
        Planted::new(0)
            .put(keyspace, key, &row.encode())
            .breaks(&[Rule::Key]);
    };
    for key in [&b"b"[..], b"", b"a\0\x02", b"a\0\x01b", b"\xFF"] {
        plant(Current, key);
        plant(Deleted, key);
        plant(History, key);
        plant(History, &[key, b"12345678"].concat());
    }
    plant(Commits, b"short");
    plant(Commits, &[7; 13]);
    let long = "k".repeat(crate::limits::KEY_MAX_BYTES + 1);
    Planted::new(5).current(&long, 4, 0).breaks(&[Rule::Key]);
}

#[test]
fn inv_63_versions_that_overlap() {
    Planted::new(4)
        .history("b", 1, 6, 0)
        .breaks(&[Rule::Overlap]);
    Planted::new(7)
        .history("a", 4, 8, 0)
        .breaks(&[Rule::Overlap]);
    // Below the floor too.
    let planted = Planted::new(7);
    planted.history("a", 1, 4, 0).history("a", 3, 5, 0);
    planted.breaks(&[Rule::Overlap]);
}

#[test]
fn inv_63_versions_that_do_not_chain() {
    Planted::new(0).current("a", 7, 6).breaks(&[Rule::Chain]);
    Planted::new(0).current("a", 7, 0).breaks(&[Rule::Chain]);
    Planted::new(0).history("a", 4, 5, 3).breaks(&[Rule::Chain]);
    // Below the floor the end may be forgotten, not be another; and rows that are gone leave no trace.
    let planted = Planted::new(7);
    planted.history("a", 1, 2, 0).history("a", 2, 4, 0);
    assert_clean(&planted.store, "forgotten");
    planted.history("a", 2, 4, 1).breaks(&[Rule::Chain]);
}

#[test]
fn inv_63_versions_that_are_missing() {
    use Keyspace::History;
    Planted::new(3)
        .remove(History, &version("a", 2))
        .breaks(&[Rule::Hole]);
    Planted::new(4)
        .remove(History, &version("a", 4))
        .breaks(&[Rule::Hole]);
    Planted::new(2)
        .remove(History, &version("b", 1))
        .breaks(&[Rule::Hole, Rule::Lost]);
    let planted = Planted::new(6);
    planted.history("a", 1, 2, 0);
    planted
        .remove(History, &version("a", 5))
        .breaks(&[Rule::Hole]);
}

#[test]
fn inv_63_what_a_pin_may_not_demand() {
    // The pin at 5 is below the floor; what a5 names ended at 5, and was gone before the pin needed anything.
    let planted = Planted::new(7);
    assert!(
        planted
            .backend
            .get(Keyspace::History, &version("a", 5))
            .unwrap()
            .is_some()
    );
    assert!(
        planted
            .backend
            .get(Keyspace::History, &version("a", 4))
            .unwrap()
            .is_none()
    );
    assert_clean(&planted.store, "a pin below the floor");
}

#[test]
fn inv_63_deletes_that_are_wrong() {
    use Keyspace::Deleted;
    Planted::new(0)
        .remove(Deleted, &encoded("c"))
        .breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("e", 5).breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("c", 7).breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("b", 3).breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("b", 6).breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("d", 2).breaks(&[Rule::Deleted]);
    Planted::new(0).deleted("z", 3).breaks(&[Rule::Deleted]);
    // At or below the floor it may be there or not; but not before a version ended, nor after one began.
    assert_clean(&Planted::new(7).deleted("z", 3).store, "below the floor");
    assert_clean(
        &Planted::new(7).deleted("b", 4).store,
        "of a key that is back",
    );
    Planted::new(7).deleted("b", 6).breaks(&[Rule::Deleted]);
    Planted::new(7)
        .history("c", 3, 6, 0)
        .deleted("c", 4)
        .breaks(&[Rule::Deleted]);
}

#[test]
fn inv_63_rows_of_commits_that_were_never_made() {
    Planted::new(0).current("z", 20, 0).breaks(&[Rule::Future]);
    Planted::new(0).deleted("z", 20).breaks(&[Rule::Future]);
    Planted::new(0)
        .history("z", 18, 20, 0)
        .breaks(&[Rule::Future]);
    Planted::new(0)
        .part(20, 0, true, &["+a"])
        .breaks(&[Rule::Future]);
}

#[test]
fn inv_63_records_that_are_not_whole() {
    use Keyspace::Commits;
    let part_1 = commit::encode_key(at(5), 1);
    let in_parts = |floor| {
        let planted = Planted::new(floor);
        planted.part(5, 0, false, &["+a"]).part(5, 1, true, &["+b"]);
        assert_clean(&planted.store, "in two parts");
        planted
    };
    in_parts(0).remove(Commits, &part_1).breaks(&[Rule::Record]);
    in_parts(0)
        .remove(Commits, &record(5))
        .breaks(&[Rule::Record]);
    in_parts(0)
        .part(5, 0, true, &["+a"])
        .breaks(&[Rule::Record]);
    in_parts(0).part(5, 3, true, &[]).breaks(&[Rule::Record]);
    in_parts(0)
        .part(5, 0, false, &["+b"])
        .part(5, 1, true, &["+a"])
        .breaks(&[Rule::Record]);
    Planted::new(0)
        .part(5, 0, true, &["+b", "+a"])
        .breaks(&[Rule::Record]);
    Planted::new(0)
        .part(5, 0, true, &["+a", "+a", "+b"])
        .breaks(&[Rule::Record]);
    Planted::new(0)
        .part(9, 0, false, &[])
        .breaks(&[Rule::Record]);
    // Of those at or below the floor any part may be gone.
    let planted = in_parts(5);
    planted.remove(Commits, &part_1);
    assert_clean(&planted.store, "below the floor");
}

#[test]
fn inv_63_versions_that_no_commit_tells_of() {
    use Keyspace::Commits;
    Planted::new(0)
        .remove(Commits, &record(5))
        .breaks(&[Rule::Unlisted]);
    Planted::new(0)
        .part(5, 0, true, &["+b"])
        .breaks(&[Rule::Unlisted]);
    Planted::new(0)
        .part(4, 0, true, &["+a"])
        .breaks(&[Rule::Unlisted]);
    Planted::new(0).current("z", 3, 0).breaks(&[Rule::Unlisted]);
    Planted::new(0)
        .part(4, 0, true, &["+a", "+b"])
        .breaks(&[Rule::Unlisted, Rule::Lost]);
    assert_clean(&Planted::new(4).current("z", 3, 0).store, "below the floor");
}

#[test]
fn inv_63_changes_that_left_nothing() {
    use Keyspace::Current;
    Planted::new(0)
        .part(3, 0, true, &["+c", "+x"])
        .breaks(&[Rule::Lost]);
    Planted::new(0)
        .part(6, 0, true, &["-c", "-d"])
        .breaks(&[Rule::Lost]);
    Planted::new(0)
        .remove(Current, &encoded("d"))
        .breaks(&[Rule::Lost]);
    Planted::new(0)
        .part(5, 0, true, &["+a", "+b", "+e"])
        .breaks(&[Rule::Lost]);
}

#[test]
fn inv_63_records_that_are_not_merged() {
    let parts = commit::encode_parts(0, [(&b"a"[..], Some(&b"7"[..])), (b"d", Some(b"7"))]);
    let with_values = |planted: &Planted| {
        planted.put(Keyspace::Commits, &record(7), &parts[0]);
    };
    let planted = Planted::new(0);
    with_values(&planted);
    planted
        .mark(meta::TRIMMED, 8)
        .mark(meta::MERGED, 8)
        .breaks(&[Rule::Merge]);
    // After a crash between the two it is right.
    planted.mark(meta::TRIMMED, 6);
    assert_clean(&planted.store, "merged and not trimmed");
    planted.mark(meta::MERGED, 6).breaks(&[Rule::Merge]);
    // A row that cannot be read is in the way.
    let planted = Planted::new(0);
    planted.put(Keyspace::Current, &encoded("d"), b"?");
    play(&planted.store, 10, &[("d", Some("10")), ("e", Some("10"))]);
    planted.breaks(&[Rule::Merge, Rule::Row]);
}

#[test]
fn inv_63_the_newest_commit_is_there() {
    Planted::new(0)
        .remove(Keyspace::Commits, &record(9))
        .breaks(&[Rule::Clock]);
}

#[test]
fn inv_63_marks_that_contradict_each_other() {
    use Keyspace::Meta;
    Planted::new(0)
        .put(Meta, b"other", b"")
        .breaks(&[Rule::Meta]);
    for name in [meta::FLOOR, meta::MERGED] {
        Planted::new(0).mark(name, 50).breaks(&[Rule::Marks]);
    }
    Planted::new(0)
        .mark(meta::TRIMMED, 8)
        .mark(meta::MERGED, 7)
        .breaks(&[Rule::Marks]);
    Planted::new(5)
        .remove(Meta, meta::FLOOR)
        .breaks(&[Rule::Marks]);
    Planted::new(5).mark(meta::FLOOR, 4).breaks(&[Rule::Marks]);
    Planted::new(0)
        .remove(Meta, b"pin/p")
        .breaks(&[Rule::Marks]);
    let pin = meta::encode_pin(at(50), None, None);
    Planted::new(0)
        .put(Meta, b"pin/q", &pin)
        .breaks(&[Rule::Marks]);
    Planted::new(0)
        .put(Meta, b"pin/", &meta::encode_pin(at(5), None, None))
        .breaks(&[Rule::Marks]);
    Planted::new(0)
        .put(Meta, meta::FORMAT, &[0, 0, 0, 9])
        .breaks(&[Rule::Marks]);
    let epoch = |number: u64, target: u64, has_ended: bool| {
        let row = meta::encode_rollback(at(target), has_ended);
        Planted::new(0)
            .put(Meta, &meta::rollback_key(number), &row)
            .breaks(&[Rule::Marks]);
    };
    epoch(0, 8, true);
    epoch(1, 50, true);
    epoch(1, 8, false);
    epoch(2, 9, true);
    Planted::new(0)
        .remove(Meta, &meta::rollback_key(1))
        .breaks(&[Rule::Marks]);
}

#[test]
fn inv_63_all_violations_are_counted_and_the_first_are_listed() {
    let planted = Planted::new(0);
    let many = crate::limits::VIOLATIONS_MAX as u64 + 7;
    for number in 0..many {
        planted.put(Keyspace::Meta, format!("x{number}").as_bytes(), b"");
    }
    let report = verify(&planted.store);
    assert_eq!(report.violations_found, many);
    assert_eq!(report.violations.len(), crate::limits::VIOLATIONS_MAX);
}

/// A cursor that cannot read some keys.
#[derive(Debug)]
struct Damaged {
    inner: Box<dyn Cursor>,
    bad: Vec<std::ops::Range<&'static [u8]>>,
    failed: bool,
}

impl Damaged {
    fn look(&mut self) -> Result<()> {
        let key = self.inner.row().map(|(key, _)| key);
        let bad = key.and_then(|key| self.bad.iter().position(|bad| bad.contains(&key)));
        self.failed = bad.is_some();
        match bad {
            Some(block) => Err(crate::Error::corrupt(format!("block {block}"), "damaged")),
            None => Ok(()),
        }
    }
}

impl Cursor for Damaged {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.inner.seek(key)?;
        self.look()
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<()> {
        self.inner.seek_for_prev(key)?;
        self.look()
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.inner.seek_to_first()?;
        self.look()
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.inner.seek_to_last()?;
        self.look()
    }

    fn next(&mut self) -> Result<()> {
        self.inner.next()?;
        self.look()
    }

    fn prev(&mut self) -> Result<()> {
        self.inner.prev()?;
        self.look()
    }

    fn row(&self) -> Option<(&[u8], &[u8])> {
        if self.failed { None } else { self.inner.row() }
    }
}

#[test]
fn inv_63_the_walk_goes_on_behind_what_cannot_be_read() {
    let backend = MemoryBackend::new();
    let mut batch = WriteBatch::default();
    for number in 0..1000 {
        batch.put(
            Keyspace::Current,
            &[format!("k{number:03}").as_bytes()],
            &[],
        );
    }
    backend.write(batch, Durability::Sync).unwrap();
    let walk = |bad: &[std::ops::Range<&'static [u8]>]| {
        let inner = backend
            .cursor(
                Keyspace::Current,
                Scope::default(),
                crate::backend::Access::Sweep,
            )
            .unwrap();
        let damaged = Damaged {
            inner,
            bad: bad.to_vec(),
            failed: false,
        };
        let mut rows = Rows::over(Keyspace::Current, Box::new(damaged));
        let mut findings = Findings::default();
        rows.first(&mut findings).unwrap();
        let mut read = Vec::new();
        while let Some((key, _)) = rows.row() {
            read.push(String::from_utf8(key.to_vec()).unwrap());
            rows.step(&mut findings).unwrap();
        }
        (rows, read, findings.found)
    };
    let (rows, read, found) = walk(&[b"k100"..b"k115", b"k500"..b"k501"]);
    assert_eq!((found, rows.gaps(), read.len()), (2, 2, 984));
    assert!(rows.may_hide(b"k100") && rows.may_hide(b"k114") && rows.may_hide(b"k500"));
    assert!(!rows.may_hide(b"k098") && !rows.may_hide(b"k116") && !rows.may_hide(b"k700"));
    // At the start, and to the end.
    let (rows, read, found) = walk(&[b"k000"..b"k100", b"k900"..b"l"]);
    assert_eq!((found, rows.gaps(), read.len()), (2, 2, 800));
    assert!(rows.may_hide(b"a") && rows.may_hide(b"k950") && rows.may_hide(b"z"));
    assert!(!rows.may_hide(b"k500"));
    // All of it, in two blocks.
    let (rows, read, found) = walk(&[b"k000"..b"k500", b"k500"..b"l"]);
    assert_eq!((found, rows.gaps(), read.len()), (2, 1, 0));
    assert!(rows.may_hide(b"k000") && rows.may_hide(b"k700"));
}
