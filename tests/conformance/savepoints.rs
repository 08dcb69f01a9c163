//! Taking back: a transaction as a whole, and to a savepoint.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use sapwood::{
    Batch, CommitOptions, Engine, ErrorKind, Isolation, ReadView, Result, Storage, Timestamp,
    Transaction, TransactionOptions,
    limits::{BATCH_MAX_BYTES, KEY_MAX_BYTES, VALUE_MAX_BYTES},
};

use crate::support::{
    LEVELS, Place, assert_nothing_is_held, at, begin, conflict, error, in_its_turn, kind, put, row,
    rows,
};

suite!(
    inv_39_what_is_taken_back_leaves_nothing,
    inv_39_a_closure_that_fails_leaves_nothing,
    inv_39_a_closure_that_panics_leaves_nothing,
    inv_39_a_failed_commit_takes_no_timestamp,
    inv_39_what_was_begun_and_dropped_lets_the_floor_move,
    inv_40_a_savepoint_is_gone_back_to_exactly,
    inv_40_savepoints_nest,
    inv_40_a_savepoint_belongs_to_its_transaction,
    inv_40_a_savepoint_holds_nothing_by_itself,
    inv_40_what_was_read_since_is_still_relied_on,
    inv_40_what_was_taken_back_is_not_written_and_conflicts_with_nothing,
);

/// Reads and writes of every kind, none of which may leave a trace.
fn work(tx: &mut Transaction) -> Result<()> {
    tx.get("k")?;
    tx.multi_get(&["k", "missing"])?;
    tx.get_untracked("k")?;
    assert_eq!(tx.range(..).count(), 1);
    tx.set("k", "never")?;
    tx.set("new", "never")?;
    let savepoint = tx.savepoint();
    tx.delete("k")?;
    tx.rollback_to(&savepoint)?;
    tx.delete("missing")
}

/// Checks that the store is as it was after its last commit, that a prune can take all, and that the
/// next commit takes the next timestamp.
fn check_untouched(engine: &Engine, last: Timestamp) {
    assert_nothing_is_held(engine);
    assert_eq!(engine.visible(), last);
    assert_eq!(rows(engine.range(..)), [row("k", "1")]);
    let versions = engine.history("new", ..).expect("history");
    assert_eq!(versions.count(), 0);
    let report = engine.prune_before(last).expect("prune");
    assert_eq!((report.floor, report.held_by), (last, None));
}

pub(crate) fn inv_39_what_is_taken_back_leaves_nothing(place: &impl Place) {
    type End = fn(&Engine, Transaction);
    let ends: [(&str, End); 8] = [
        ("dropped", |_, tx| drop(tx)),
        ("rolled back", |_, tx| tx.rollback()),
        ("lost to a writer", |engine, tx| {
            put(engine, "k", "1");
            conflict(tx.commit());
        }),
        ("given a timestamp of the past", |engine, tx| {
            let past = CommitOptions::default().at(engine.visible());
            assert_eq!(kind(tx.commit_with(past)), "invalid");
        }),
        ("given a timestamp above the largest", |_, tx| {
            let never = CommitOptions::default().at(at(u64::MAX));
            assert_eq!(kind(tx.commit_with(never)), "invalid");
        }),
        ("dropped with an iterator and a savepoint", |_, mut tx| {
            let savepoint = tx.savepoint();
            let mut iter = tx.range(..);
            assert_eq!(rows(iter.next().into_iter()).len(), 1);
            drop(tx);
            assert_eq!(kind(iter.next().expect("an error")), "invalid");
            assert!(iter.next().is_none());
            drop(savepoint);
        }),
        ("dropped on another thread", |_, tx| {
            thread::spawn(move || drop(tx)).join().expect("a thread");
        }),
        ("on a thread that panics", |_, tx| {
            let outcome = thread::spawn(move || {
                let _tx = tx;
                std::panic::resume_unwind(Box::new(()));
            });
            outcome.join().expect_err("it panicked");
        }),
    ];
    let engine = place.engine();
    for (name, end) in ends {
        println!("{name}");
        for isolation in LEVELS {
            put(&engine, "k", "1");
            let mut tx = begin(&engine, isolation);
            work(&mut tx).expect("reads and writes");
            assert_eq!(engine.stats().open_transactions, 1);
            assert_eq!(engine.stats().open_snapshots, 1);
            end(&engine, tx);
            check_untouched(&engine, engine.visible());
            let before = engine.visible();
            assert_eq!(put(&engine, "k", "1"), at(before.get() + 1));
        }
    }
}

/// Ordinary attempts, and the turn that cannot lose.
fn attempts() -> [TransactionOptions; 2] {
    [TransactionOptions::default(), in_its_turn()]
}

/// An error of the caller's own.
#[derive(Debug)]
enum Refused {
    Mine,
    Engine,
}

impl From<sapwood::Error> for Refused {
    fn from(_: sapwood::Error) -> Self {
        Self::Engine
    }
}

pub(crate) fn inv_39_a_closure_that_fails_leaves_nothing(place: &impl Place) {
    let engine = place.engine();
    let last = put(&engine, "k", "1");
    for options in attempts() {
        for isolation in LEVELS {
            let options = options.isolation(isolation);
            let commit = CommitOptions::default();
            let mut runs = 0;
            let refused = engine.transact_with(options, commit, |tx| {
                runs += 1;
                work(tx)?;
                Err::<(), _>(Refused::Mine)
            });
            assert!(matches!(refused, Err(Refused::Mine)), "{refused:?}");
            assert_eq!(runs, 1, "its own error is not tried again");
            check_untouched(&engine, last);
            let refused = engine.transact_with(options, commit, |tx| {
                work(tx)?;
                tx.set("k", vec![0; VALUE_MAX_BYTES + 1])
            });
            assert_eq!(kind(refused), "too_large");
            check_untouched(&engine, last);
        }
    }
    // A conflict of something else that it passes on is its own error too.
    let mut runs = 0;
    let refused = engine.transact(Isolation::Serializable, |tx| {
        runs += 1;
        work(tx)?;
        engine.compare_and_set("k", None, Some(b"2"))
    });
    assert_eq!((kind(refused), runs), ("conflict", 1));
    check_untouched(&engine, last);
}

pub(crate) fn inv_39_a_closure_that_panics_leaves_nothing(place: &impl Place) {
    let engine = place.engine();
    let mut last = put(&engine, "k", "1");
    for options in attempts() {
        for isolation in LEVELS {
            let options = options.isolation(isolation);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                engine.transact_with(options, CommitOptions::default(), |tx| -> Result<()> {
                    work(tx)?;
                    std::panic::resume_unwind(Box::new("on purpose"));
                })
            }));
            let payload = outcome.expect_err("the panic goes on");
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
            check_untouched(&engine, last);
            // The turn was handed on: this thread and others commit as before.
            last = put(&engine, "k", "1");
            thread::scope(|scope| {
                scope.spawn(|| put(&engine, "k", "1"));
            });
            let in_turn =
                engine.transact_with(options, CommitOptions::default(), |tx| tx.set("k", "1"));
            let outcome = in_turn.expect("commit").timestamp;
            assert_eq!(outcome, at(last.get() + 2));
            last = outcome;
        }
    }
}

pub(crate) fn inv_39_a_failed_commit_takes_no_timestamp(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let mut commits = 0;
    for round in 1..=20 {
        let mut lost = begin(&engine, LEVELS[round % 2]);
        lost.set("k", "lost").expect("set");
        let past = CommitOptions::default().at(at(1));
        let mut expected = || {
            commits += 1;
            at(commits)
        };
        assert_eq!(put(&engine, "k", "1"), expected());
        assert_eq!(kind(lost.commit()), "conflict");
        assert_eq!(kind(engine.commit(Batch::new(), past)), "invalid");
        assert_eq!(kind(engine.compare_and_set("k", None, None)), "conflict");
        let mut tx = begin(&engine, Isolation::Serializable);
        tx.set("k", "1").expect("set");
        assert_eq!(tx.commit().expect("commit").timestamp, expected());
    }
    let stats = engine.stats();
    assert_eq!((stats.commits, stats.visible), (commits, at(commits)));
    drop(engine);
    assert_eq!(place.reopen(storage).visible(), at(commits));
}

pub(crate) fn inv_39_what_was_begun_and_dropped_lets_the_floor_move(place: &impl Place) {
    let engine = place.engine();
    let mut open = Vec::new();
    for number in 1..=6 {
        put(&engine, "k", "1");
        open.push(begin(&engine, LEVELS[number % 2]));
    }
    put(&engine, "k", "1");
    for (number, tx) in (1..).zip(open) {
        let stats = engine.stats();
        assert_eq!(
            stats.oldest_snapshot.map(|(oldest, _)| oldest),
            Some(at(number))
        );
        let report = engine.prune_before(at(7)).expect("prune");
        assert_eq!(
            (report.floor, report.held_by),
            (at(number), Some(at(number)))
        );
        drop(tx);
    }
    check_untouched(&engine, at(7));
}

pub(crate) fn inv_40_a_savepoint_is_gone_back_to_exactly(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "stored", "1");
    put(&engine, "shadowed", "1");
    let mut tx = begin(&engine, Isolation::Serializable);
    for key in ["overwritten", "deleted", "kept"] {
        tx.set(key, "before").expect("set");
    }
    tx.delete("shadowed").expect("delete");
    let state = rows(tx.range(..));
    let savepoint = tx.savepoint();
    for round in 0..3 {
        tx.set("overwritten", "after").expect("set");
        tx.delete("deleted").expect("delete");
        tx.set("new", round.to_string()).expect("set");
        tx.set("shadowed", "after").expect("set");
        tx.delete("stored").expect("delete");
        assert_ne!(rows(tx.range(..)), state);
        tx.rollback_to(&savepoint).expect("as often as one likes");
        assert_eq!(rows(tx.range(..)), state);
        let values = tx.multi_get(&["stored", "shadowed", "new", "deleted"]);
        let values = values.expect("multi_get");
        let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
        assert_eq!(values, [Some(&b"1"[..]), None, None, Some(&b"before"[..])]);
    }
    let info = tx.commit().expect("commit");
    assert_eq!(info.writes, 4, "three sets and a delete");
    assert_eq!(rows(engine.range(..)), state);
}

pub(crate) fn inv_40_savepoints_nest(place: &impl Place) {
    let engine = place.engine();
    let mut tx = begin(&engine, Isolation::Serializable);
    let mut points = Vec::new();
    for number in 0..5 {
        points.push(tx.savepoint());
        tx.set(number.to_string(), "").expect("set");
    }
    assert_eq!(tx.range(..).count(), 5);
    tx.rollback_to(&points[3]).expect("to the fourth");
    assert_eq!(tx.range(..).count(), 3);
    assert_eq!(kind(tx.rollback_to(&points[4])), "not_found");
    assert_eq!(tx.range(..).count(), 3, "a refusal changes nothing");
    tx.rollback_to(&points[3]).expect("it is still there");
    // One that is made now is not one of those that went.
    let new = tx.savepoint();
    tx.set("new", "").expect("set");
    assert_eq!(kind(tx.rollback_to(&points[4])), "not_found");
    tx.rollback_to(&new).expect("to the new one");
    tx.rollback_to(&points[1].clone())
        .expect("a clone is the same");
    assert_eq!(rows(tx.range(..)), [row("0", "")]);
    for gone in [&points[2], &points[3], &points[4], &new] {
        let refused = error(tx.rollback_to(gone));
        assert_eq!(*refused.kind(), ErrorKind::NotFound);
    }
    tx.rollback_to(&points[0]).expect("to the first");
    assert_eq!(tx.range(..).count(), 0);
    assert_eq!(tx.commit().expect("nothing was written").writes, 0);
}

pub(crate) fn inv_40_a_savepoint_belongs_to_its_transaction(place: &impl Place) {
    let engine = place.engine();
    let mut first = begin(&engine, Isolation::Serializable);
    let mut second = begin(&engine, Isolation::Serializable);
    let (mine, theirs) = (first.savepoint(), second.savepoint());
    first.set("k", "first").expect("set");
    assert_eq!(kind(first.rollback_to(&theirs)), "not_found");
    assert_eq!(kind(second.rollback_to(&mine)), "not_found");
    assert!(first.contains("k").expect("contains"));
    first.commit().expect("commit");
    let mut third = begin(&engine, Isolation::Serializable);
    third.savepoint();
    third.set("k", "third").expect("set");
    assert_eq!(kind(third.rollback_to(&mine)), "not_found");
    third.commit().expect("commit");
    assert_eq!(rows(engine.range(..)), [row("k", "third")]);
}

pub(crate) fn inv_40_a_savepoint_holds_nothing_by_itself(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "k", "1");
    let mut tx = begin(&engine, Isolation::Serializable);
    let first = tx.savepoint();
    tx.set("k", "2").expect("set");
    let second = tx.savepoint();
    let committed = tx.commit().expect("commit").timestamp;
    assert_nothing_is_held(&engine);
    let report = engine.prune_before(committed).expect("prune");
    assert_eq!((report.floor, report.held_by), (committed, None));
    // A transaction that lies where the other lay is another all the same.
    for _ in 0..10 {
        let mut other = begin(&engine, Isolation::Serializable);
        let _ = (other.savepoint(), other.savepoint());
        for gone in [&first, &second] {
            assert_eq!(kind(other.rollback_to(gone)), "not_found");
        }
    }
}

/// Our rule: what the caller has learnt counts, whether or not it was taken back.
pub(crate) fn inv_40_what_was_read_since_is_still_relied_on(place: &impl Place) {
    type Read = fn(&Transaction) -> Result<()>;
    let reads: [(&str, Read); 4] = [
        ("get", |tx| tx.get("k").map(drop)),
        ("multi_get", |tx| tx.multi_get(&["k", "l"]).map(drop)),
        ("scan", |tx| tx.scan("k").try_for_each(|row| row.map(drop))),
        ("one row", |tx| tx.range(..).next().transpose().map(drop)),
    ];
    let engine = place.engine();
    for (name, read) in reads {
        let snapshot = put(&engine, "k", "1");
        let mut tx = begin(&engine, Isolation::Serializable);
        tx.set("own", "").expect("set");
        let savepoint = tx.savepoint();
        read(&tx).expect(name);
        tx.set("taken back", "").expect("set");
        tx.rollback_to(&savepoint).expect("rollback_to");
        let changed = put(&engine, "k", "2");
        let wanted = ("k".to_owned(), snapshot, changed);
        assert_eq!(conflict(tx.commit()), wanted, "{name}");
        // An own write that was read is no read of the store.
        let mut tx = begin(&engine, Isolation::Serializable);
        tx.set("own", "").expect("set");
        let savepoint = tx.savepoint();
        tx.set("k", "3").expect("set");
        assert_eq!(tx.get("k").expect("get").as_deref(), Some(&b"3"[..]));
        tx.rollback_to(&savepoint).expect("rollback_to");
        put(&engine, "k", "4");
        tx.commit().expect("it never saw what is stored there");
    }
}

pub(crate) fn inv_40_what_was_taken_back_is_not_written_and_conflicts_with_nothing(
    place: &impl Place,
) {
    let engine = place.engine();
    for isolation in LEVELS {
        let mut beside = begin(&engine, isolation);
        beside.get("k").expect("get");
        beside.set("beside", "").expect("set");
        let mut tx = begin(&engine, isolation);
        let savepoint = tx.savepoint();
        tx.set("k", "taken back").expect("set");
        tx.delete("l").expect("delete");
        tx.rollback_to(&savepoint).expect("rollback_to");
        tx.set("own", "").expect("set");
        put(&engine, "l", "other");
        let info = tx.commit().expect("it does not write l");
        assert_eq!(info.writes, 1);
        beside.commit().expect("nobody wrote k");
        assert!(!engine.contains("k").expect("contains"));
        let changes = engine.diff(at(info.timestamp.get() - 1), info.timestamp);
        let changes = changes
            .expect("diff")
            .map(|change| change.expect("one").key);
        let wanted: &[&str] = if isolation == LEVELS[0] {
            &["own"]
        } else {
            &[]
        };
        assert_eq!(changes.collect::<Vec<_>>(), wanted, "own is new once");
    }
}

/// What is taken back, overwritten or deleted counts towards no limit; and what a limit refuses leaves
/// the transaction as it was.
#[test]
fn inv_40_what_was_taken_back_counts_towards_no_limit() {
    let engine = Engine::in_memory();
    let mut tx = begin(&engine, Isolation::Snapshot);
    let big = vec![0; VALUE_MAX_BYTES];
    let savepoint = tx.savepoint();
    let fill = |tx: &mut Transaction| {
        // Twice under the same keys, and then up to the last byte.
        let count = BATCH_MAX_BYTES / VALUE_MAX_BYTES;
        for _ in 0..2 {
            for number in 1..count {
                tx.set(number.to_string(), &big).expect("below the limit");
            }
        }
        let left = VALUE_MAX_BYTES - (count - 1) - "last".len();
        tx.set("last", &big[..left]).expect("at the limit");
        assert_eq!(kind(tx.set("last", &big[..=left])), "too_large");
        assert_eq!(kind(tx.set("", "1")), "too_large");
        assert_eq!(kind(tx.delete("a")), "too_large");
        tx.set("", "").expect("nothing is not too much");
        tx.delete("last").expect("delete");
        tx.set("", "room again").expect("set");
    };
    fill(&mut tx);
    tx.rollback_to(&savepoint).expect("rollback_to");
    fill(&mut tx);
    tx.rollback_to(&savepoint).expect("rollback_to");
    tx.set(vec![0; KEY_MAX_BYTES], "v")
        .expect("a key at its limit");
    assert_eq!(tx.commit().expect("commit").writes, 1);
}
