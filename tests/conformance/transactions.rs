//! What a transaction reads: one state, with its own writes over it.

use std::ops::Bound;

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};
use sapwood::{
    Engine, ErrorKind, Isolation, KeyRange, PinOptions, ReadView, Savepoint, Storage, Timestamp,
    Transaction, TransactionIter, TransactionOptions,
};

use crate::{
    grid::{Grid, WORLD},
    shadow::{self, Shadow, State, Writes},
    support::{
        LEVELS, Place, Row, assert_nothing_is_held, at, begin, bytes, delete, error, kind, put,
        row, rows, set, versions,
    },
};

suite!(
    inv_17_a_transaction_leaves_one_version_of_each_key,
    inv_24_a_transaction_is_one_commit,
    inv_29_own_writes_are_merged_in_order_from_both_ends,
    inv_29_a_transaction_reads_its_snapshot_with_its_own_writes,
    inv_29_an_iterator_sees_the_writes_up_to_its_making,
    inv_30_a_transaction_reads_one_state,
    inv_45_what_only_reads_never_loses,
    inv_45_what_only_reads_writes_nothing,
    inv_46_the_past_is_read_and_not_written,
    inv_46_a_timestamp_above_the_visible_is_not_yet,
    inv_46_the_answers_of_the_past_do_not_change,
);

pub(crate) fn inv_17_a_transaction_leaves_one_version_of_each_key(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    put(&engine, "a", "0");
    put(&engine, "b", "0");
    let mut tx = begin(&engine, Isolation::Serializable);
    for value in ["1", "2", "3"] {
        for key in ["a", "b", "c", "d"] {
            tx.set(key, value).expect("set");
        }
    }
    tx.delete("b").expect("delete");
    tx.delete("c").expect("delete");
    tx.set("c", "4").expect("set");
    tx.delete("d").expect("delete");
    assert_eq!(tx.commit().expect("commit").writes, 4);
    drop(engine);
    place.settle(storage, |storage| {
        assert_eq!(versions(storage, "a"), ["3.. 3", "1..3 0"]);
        assert_eq!(versions(storage, "b"), ["2..3 0"]);
        assert_eq!(versions(storage, "c"), ["3.. 4"]);
        assert_eq!(versions(storage, "d"), [""; 0]);
    });
}

pub(crate) fn inv_24_a_transaction_is_one_commit(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    for column in 1..=WORLD.last() {
        let timestamp = engine
            .transact(LEVELS[usize::from(column % 2 == 0)], |tx| {
                for (key, value) in WORLD.writes(column) {
                    match value {
                        Some(value) => tx.set(key, value)?,
                        None => tx.delete(key)?,
                    }
                }
                Ok(())
            })
            .expect("commit")
            .timestamp;
        assert_eq!((timestamp, engine.visible()), (at(column), at(column)));
    }
    drop(engine);
    place.settle(storage, |storage| WORLD.check_from(storage, 0));
}

/// The keys of a folder, of which those are stored whose bits are in its number.
const FOLDERS: usize = 16;
const KEYS: [&str; 4] = ["a", "b", "b\0", "c"];

fn folder_key(folder: usize, key: usize) -> String {
    format!("{folder:02}/{}", KEYS[key])
}

/// Commits the folders, or the opposite of them.
fn store(engine: &Engine, is_opposite: bool) {
    let mut writes = Vec::new();
    for folder in 0..FOLDERS {
        for key in 0..KEYS.len() {
            let name = folder_key(folder, key);
            writes.push(if (folder >> key & 1 == 1) == is_opposite {
                delete(name)
            } else {
                set(name, if is_opposite { "later" } else { "stored" })
            });
        }
    }
    engine
        .commit(writes.into(), sapwood::CommitOptions::default())
        .expect("commit");
}

/// Four keys, each stored or not, each set, deleted or left alone by the transaction, while all of it
/// is overwritten elsewhere; and every way to take the rows from the two ends.
pub(crate) fn inv_29_own_writes_are_merged_in_order_from_both_ends(place: &impl Place) {
    let engine = place.engine();
    for pattern in 0..3u32.pow(4) {
        store(&engine, false);
        let mut tx = begin(&engine, LEVELS[usize::from(pattern % 2 == 0)]);
        store(&engine, true);
        let own = |key: usize| pattern / 3u32.pow(u32::try_from(key).expect("small")) % 3;
        for folder in 0..FOLDERS {
            for key in 0..KEYS.len() {
                match own(key) {
                    1 => tx.set(folder_key(folder, key), "own").expect("set"),
                    2 => tx.delete(folder_key(folder, key)).expect("delete"),
                    _ => {}
                }
            }
        }
        for folder in 0..FOLDERS {
            let values = (0..KEYS.len()).map(|key| match own(key) {
                1 => Some("own"),
                2 => None,
                _ => (folder >> key & 1 == 1).then_some("stored"),
            });
            let values: Vec<_> = values.map(|value| value.map(bytes)).collect();
            check_folder(&tx, folder, &values);
        }
    }
}

fn check_folder(tx: &Transaction, folder: usize, values: &[Option<Vec<u8>>]) {
    let names: Vec<_> = (0..values.len())
        .map(|key| folder_key(folder, key))
        .collect();
    let got = tx.multi_get(&names).expect("multi_get");
    let mut state = Vec::new();
    for ((name, value), got) in names.iter().zip(values).zip(got) {
        assert_eq!(got.as_deref(), value.as_deref(), "multi_get {name}");
        let got = tx.get(name).expect("get");
        assert_eq!(got.as_deref(), value.as_deref(), "get {name}");
        let got = tx.get_untracked(name).expect("get_untracked");
        assert_eq!(got.as_deref(), value.as_deref(), "get_untracked {name}");
        assert_eq!(tx.contains(name).expect("contains"), value.is_some());
        state.extend(value.as_ref().map(|value| row(name, value)));
    }
    for directions in 0..1u32 << (state.len() + 1) {
        let mut iter = tx.scan(format!("{folder:02}/"));
        let mut left: std::collections::VecDeque<_> = state.iter().cloned().collect();
        for step in 0..=state.len() {
            let (got, wanted) = if directions >> step & 1 == 0 {
                (iter.next(), left.pop_front())
            } else {
                (iter.next_back(), left.pop_back())
            };
            let got = rows(got.into_iter());
            let wanted: Vec<_> = wanted.into_iter().collect();
            assert_eq!(got, wanted, "folder {folder}, {directions:b}, step {step}");
        }
        assert!(
            iter.next().is_none() && iter.next_back().is_none(),
            "it stays ended"
        );
    }
}

/// What happens to a transaction, and beside it. Keys are numbers of [`shadow::keys`].
#[derive(Clone, Debug)]
enum Step {
    Set(usize, u8),
    Delete(usize),
    Get(usize),
    GetUntracked(usize),
    MultiGet(Vec<usize>),
    Scan(Bound<usize>, Bound<usize>),
    /// Of the iterator of this number, a row from the front or from the back.
    Row(usize, bool),
    Savepoint,
    RollbackTo(usize),
    /// Another commit.
    Other(Vec<(usize, Option<u8>)>),
}

fn a_step() -> impl Strategy<Value = Step> {
    let key = || 0..shadow::keys().len();
    let bound = move || {
        prop_oneof![
            key().prop_map(Bound::Included),
            key().prop_map(Bound::Excluded),
            Just(Bound::Unbounded),
        ]
    };
    prop_oneof![
        3 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => key().prop_map(Step::Delete),
        2 => key().prop_map(Step::Get),
        1 => key().prop_map(Step::GetUntracked),
        1 => vec(key(), 0..4).prop_map(Step::MultiGet),
        3 => (bound(), bound()).prop_map(|(from, to)| Step::Scan(from, to)),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(scan, front)| Step::Row(scan, front)),
        1 => Just(Step::Savepoint),
        1 => any::<usize>().prop_map(Step::RollbackTo),
        1 => vec((key(), option::of(any::<u8>())), 1..3).prop_map(Step::Other),
    ]
}

/// One transaction beside its reference.
struct Pair<'e> {
    engine: &'e Engine,
    tx: Transaction,
    iters: Vec<TransactionIter>,
    savepoints: Vec<Savepoint>,
    shadow: Shadow,
    /// What is committed now.
    state: State,
    keys: [Vec<u8>; 8],
}

/// Random steps against the reference, which also knows whether the transaction may commit: 29, 33 to
/// 37 and 40 in one.
pub(crate) fn inv_29_a_transaction_reads_its_snapshot_with_its_own_writes(place: &impl Place) {
    let engine = place.engine();
    let stored = vec(
        option::of(any::<u8>()),
        shadow::keys().len()..=shadow::keys().len(),
    );
    let case = (stored, any::<bool>(), vec(a_step(), 1..30));
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&case, |(stored, is_serializable, steps)| {
        let keys = shadow::keys();
        let writes = keys.iter().cloned().zip(stored);
        let writes: Writes = writes
            .map(|(key, value)| (key, value.map(|value| vec![value])))
            .collect();
        let mut state = State::new();
        shadow::apply(&mut state, &writes);
        commit(&engine, &writes);
        let isolation = LEVELS[usize::from(is_serializable)];
        let mut pair = Pair {
            engine: &engine,
            tx: begin(&engine, isolation),
            iters: Vec::new(),
            savepoints: Vec::new(),
            shadow: Shadow::new(isolation, state.clone()),
            state,
            keys,
        };
        steps.into_iter().for_each(|step| pair.step(step));
        pair.finish();
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_nothing_is_held(&engine);
}

fn commit(engine: &Engine, writes: &Writes) -> Timestamp {
    let writes: Vec<_> = writes.clone().into_iter().collect();
    engine
        .commit(writes.into(), sapwood::CommitOptions::default())
        .expect("commit")
        .timestamp
}

impl Pair<'_> {
    fn step(&mut self, step: Step) {
        let keys = &self.keys;
        match step {
            Step::Set(key, value) => {
                self.tx.set(&keys[key], [value]).expect("set");
                self.shadow
                    .writes
                    .insert(keys[key].clone(), Some(vec![value]));
            }
            Step::Delete(key) => {
                self.tx.delete(&keys[key]).expect("delete");
                self.shadow.writes.insert(keys[key].clone(), None);
            }
            Step::Get(key) => {
                let got = self.tx.get(&keys[key]).expect("get").map(Vec::from);
                assert_eq!(got, self.shadow.get(&keys[key]));
            }
            Step::GetUntracked(key) => {
                let got = self.tx.get_untracked(&keys[key]).expect("get_untracked");
                assert_eq!(got.map(Vec::from), self.shadow.get_untracked(&keys[key]));
            }
            Step::MultiGet(some) => {
                let some: Vec<_> = some.into_iter().map(|key| &keys[key]).collect();
                let got = self.tx.multi_get(&some).expect("multi_get");
                let got: Vec<_> = got.into_iter().map(|value| value.map(Vec::from)).collect();
                let wanted: Vec<_> = some.iter().map(|key| self.shadow.get(key)).collect();
                assert_eq!(got, wanted);
            }
            Step::Scan(from, to) => {
                let bound = |bound: Bound<usize>| bound.map(|key| keys[key].clone());
                let range = KeyRange::new((bound(from), bound(to)));
                self.iters.push(self.tx.range(range.clone()));
                self.shadow.scan(range);
            }
            Step::Row(number, is_front) if !self.iters.is_empty() => {
                let number = number % self.iters.len();
                let iter = &mut self.iters[number];
                let got = if is_front {
                    iter.next()
                } else {
                    iter.next_back()
                };
                let wanted: Vec<Row> = self.shadow.step(number, is_front).into_iter().collect();
                assert_eq!(rows(got.into_iter()), wanted);
            }
            Step::Savepoint => {
                self.savepoints.push(self.tx.savepoint());
                self.shadow.savepoint();
            }
            Step::RollbackTo(number) if !self.savepoints.is_empty() => {
                let number = number % self.savepoints.len();
                let outcome = self.tx.rollback_to(&self.savepoints[number]);
                assert_eq!(outcome.is_ok(), self.shadow.rollback_to(number));
            }
            Step::Other(writes) => {
                let writes = writes.into_iter();
                let writes: Writes = writes
                    .map(|(key, value)| (keys[key].clone(), value.map(|value| vec![value])))
                    .collect();
                let timestamp = commit(self.engine, &writes);
                self.shadow.other(&writes, timestamp);
                shadow::apply(&mut self.state, &writes);
            }
            Step::Row(..) | Step::RollbackTo(_) => {}
        }
    }

    fn finish(mut self) {
        let snapshot = self.tx.timestamp();
        let before = self.engine.visible();
        let reasons = self.shadow.reasons();
        let written = self.shadow.writes.len();
        match self.tx.commit() {
            Ok(info) => {
                assert!(reasons.is_empty(), "it should have lost: {reasons:?}");
                let next = at(before.get() + 1);
                let wanted = if written == 0 { snapshot } else { next };
                assert_eq!((info.timestamp, info.writes), (wanted, written));
                shadow::apply(&mut self.state, &self.shadow.writes);
            }
            Err(error) => {
                let ErrorKind::Conflict {
                    key,
                    read,
                    committed,
                } = error.kind()
                else {
                    panic!("{error:?}")
                };
                assert_eq!(*read, snapshot);
                let reason = (key.clone(), *committed);
                assert!(reasons.contains(&reason), "{reason:?} of {reasons:?}");
                assert_eq!(self.engine.visible(), before, "it took no timestamp");
            }
        }
        let state: Vec<_> = self.state.into_iter().collect();
        assert_eq!(rows(self.engine.range(..)), state);
        for mut iter in self.iters {
            let after = iter.next();
            let is_refused = after.is_none_or(|row| kind(row) == "invalid");
            assert!(is_refused, "the transaction has ended");
        }
    }
}

pub(crate) fn inv_29_an_iterator_sees_the_writes_up_to_its_making(place: &impl Place) {
    let engine = place.engine();
    for key in ["a", "c", "e"] {
        put(&engine, key, "stored");
    }
    let mut tx = begin(&engine, Isolation::Serializable);
    tx.set("b", "own").expect("set");
    let savepoint = tx.savepoint();
    tx.delete("c").expect("delete");
    let mut before = tx.range(..);
    assert_eq!(rows(before.next().into_iter()), [row("a", "stored")]);
    tx.set("b", "later").expect("set");
    tx.set("d", "later").expect("set");
    tx.delete("e").expect("delete");
    let after = tx.range(..);
    tx.rollback_to(&savepoint).expect("rollback_to");
    assert_eq!(rows(before), [row("b", "own"), row("e", "stored")]);
    let later = [row("a", "stored"), row("b", "later"), row("d", "later")];
    assert_eq!(rows(after), later);
    let now = ["a", "c", "e"].map(|key| row(key, "stored"));
    let now = [&now[..1], &[row("b", "own")], &now[1..]].concat();
    assert_eq!(rows(tx.range(..)), now);
}

pub(crate) fn inv_30_a_transaction_reads_one_state(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let mut open = Vec::new();
    for column in 0..=WORLD.last() {
        WORLD.play_to(&storage, column);
        for isolation in LEVELS {
            open.push((column, begin(&engine, isolation)));
        }
        let reader = TransactionOptions::default().read_only();
        open.push((column, engine.begin_with(reader).expect("begin")));
    }
    for moved in ["as it is", "flushed", "compacted", "emptied"] {
        match moved {
            "flushed" => engine.flush().expect("flush"),
            "compacted" => engine.compact().expect("compact"),
            "emptied" => drop(engine.delete_range(..).expect("delete_range")),
            _ => {}
        }
        for (column, tx) in &open {
            assert_eq!(tx.timestamp(), at(*column));
            WORLD.check_view(tx, *column);
        }
    }
}

pub(crate) fn inv_45_what_only_reads_never_loses(place: &impl Place) {
    let engine = place.engine();
    for key in ["a", "b", "c"] {
        put(&engine, key, "1");
    }
    let mut open = vec![
        engine
            .begin_with(TransactionOptions::default().read_only())
            .expect("begin"),
        engine
            .begin_with(TransactionOptions::default().at(at(3)))
            .expect("begin"),
    ];
    assert_eq!(engine.stats().open_transactions, 0, "they are not checked");
    assert_eq!(engine.stats().open_snapshots, 2, "they hold back pruning");
    // Those that might write, and do not; or take it back.
    open.extend(LEVELS.map(|isolation| begin(&engine, isolation)));
    open.extend(LEVELS.map(|isolation| {
        let mut tx = begin(&engine, isolation);
        let savepoint = tx.savepoint();
        tx.set("a", "never").expect("set");
        tx.delete("b").expect("delete");
        tx.rollback_to(&savepoint).expect("rollback_to");
        tx
    }));
    for tx in &open {
        assert!(tx.contains("a").expect("contains"));
        assert!(!tx.contains("d").expect("contains"));
        assert_eq!(tx.range(..).count(), 3);
    }
    for key in ["a", "b", "c", "d"] {
        put(&engine, key, "2");
    }
    engine.delete_range(..).expect("delete_range");
    for tx in open {
        assert_eq!(rows(tx.range(..)), ["a", "b", "c"].map(|key| row(key, "1")));
        let info = tx.commit().expect("commit");
        assert_eq!((info.timestamp, info.writes), (at(3), 0));
    }
    assert_eq!(engine.visible(), at(8), "they took no timestamp");
    assert_eq!(engine.stats().conflicts, 0);
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_45_what_only_reads_writes_nothing(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "k", "1");
    let options = TransactionOptions::default();
    for options in [
        options.read_only(),
        options.at(at(1)),
        options.at(at(0)),
        options.read_only().at(at(1)),
        options.read_only().isolation(Isolation::Snapshot),
    ] {
        let mut tx = engine.begin_with(options).expect("begin");
        assert_eq!(*error(tx.set("k", "2")).kind(), ErrorKind::ReadOnly);
        assert_eq!(*error(tx.delete("k")).kind(), ErrorKind::ReadOnly);
        assert!(!error(tx.set("k", "2")).is_retryable());
        let savepoint = tx.savepoint();
        tx.rollback_to(&savepoint).expect("nothing to take back");
        let wanted = (tx.timestamp() > at(0)).then_some(&b"1"[..]);
        assert_eq!(tx.get("k").expect("it goes on reading").as_deref(), wanted);
        assert_eq!(tx.commit().expect("commit").writes, 0);
        let mut runs = 0;
        let refused = engine.transact_with(options, sapwood::CommitOptions::default(), |tx| {
            runs += 1;
            tx.set("k", "2")
        });
        assert_eq!((kind(refused), runs), ("read_only", 1));
    }
    assert_eq!(engine.visible(), at(1));
    assert_eq!(rows(engine.range(..)), [row("k", "1")]);
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_46_the_past_is_read_and_not_written(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        let engine = Engine::new(storage);
        for column in 0..=WORLD.last() {
            let options = TransactionOptions::default().at(at(column));
            let mut tx = engine.begin_with(options).expect("begin");
            assert_eq!(tx.timestamp(), at(column));
            WORLD.check_view(&tx, column);
            assert_eq!(kind(tx.set("ant", "never")), "read_only");
            assert_eq!(kind(tx.delete("ant")), "read_only");
            assert_eq!(tx.commit().expect("commit").timestamp, at(column));
        }
        assert_eq!(engine.visible(), at(WORLD.last()));
    });
}

pub(crate) fn inv_46_a_timestamp_above_the_visible_is_not_yet(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    engine
        .commit_at(at(5), sapwood::Batch::new())
        .expect("commit");
    for requested in [6, 7, u64::MAX - 1, u64::MAX].map(at) {
        let options = TransactionOptions::default().at(requested);
        let wanted = ErrorKind::NotYet {
            requested,
            visible: at(5),
        };
        assert_eq!(*error(engine.begin_with(options)).kind(), wanted);
        let refused = engine.transact_with(options, sapwood::CommitOptions::default(), |_| {
            sapwood::Result::Ok(())
        });
        assert_eq!(*error(refused).kind(), wanted);
    }
    assert_nothing_is_held(&engine);
    put(&engine, "k", "six");
    let six = TransactionOptions::default().at(at(6));
    let tx = engine.begin_with(six).expect("now it is there");
    put(&engine, "k", "seven");
    assert_eq!(tx.get("k").expect("get").as_deref(), Some(&b"six"[..]));
    engine.prune_before(at(7)).expect("prune");
    let five = TransactionOptions::default().at(at(5));
    let wanted = ErrorKind::Pruned {
        requested: at(5),
        floor: at(6),
    };
    assert_eq!(*error(engine.begin_with(five)).kind(), wanted);
}

pub(crate) fn inv_46_the_answers_of_the_past_do_not_change(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    engine
        .pin("held", at(3), PinOptions::default())
        .expect("pin");
    engine.prune_before(at(5)).expect("prune");
    let columns = [3, 5, 6, 9, WORLD.last()];
    let open = columns.map(|column| {
        let options = TransactionOptions::default().at(at(column));
        (column, engine.begin_with(options).expect("begin"))
    });
    let check = |what: &str| {
        for (column, tx) in &open {
            println!("{what}, at {column}");
            WORLD.check_view(tx, *column);
        }
    };
    engine.unpin("held").expect("unpin");
    check("unpinned");
    for (key, line) in WORLD.0 {
        match Grid::value(line, WORLD.last()) {
            Some(_) => engine.delete(key).expect("delete"),
            None => put(&engine, key, "later"),
        };
    }
    check("overwritten");
    engine.flush().expect("flush");
    engine.delete_range(..).expect("delete_range");
    check("emptied");
    let report = engine.prune_before(engine.visible()).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(5), Some(at(5))));
    check("pruned");
    engine.compact().expect("compact");
    check("compacted");
    drop(open);
    let report = engine.prune_before(engine.visible()).expect("prune");
    assert_eq!(report.floor, engine.visible());
    assert!(storage.scan(b"").expect("scan").is_empty());
}
