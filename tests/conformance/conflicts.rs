//! Which transactions lose, and to what.

use std::{sync::Barrier, thread};

use sapwood::{
    Batch, CommitInfo, CommitOptions, Engine, Isolation, Key, KeyRange, ReadView, Result,
    Timestamp, Transaction, TransactionIter, Value,
};

use crate::support::{
    LEVELS, Place, assert_nothing_is_held, at, begin, bytes, conflict, delete, error, put, row,
    rows, set,
};

suite!(
    inv_26_a_range_delete_is_a_write_of_the_keys_that_were_live,
    inv_27_compare_and_set_sees_what_is_committed_only,
    inv_33_of_two_that_write_a_key_the_second_loses,
    inv_33_only_equal_keys_conflict,
    inv_33_of_many_that_write_a_key_one_commits,
    inv_33_many_that_write_their_own_keys_all_commit,
    inv_34_what_was_committed_before_the_snapshot_is_no_conflict,
    inv_35_each_reads_what_the_other_writes,
    inv_35_an_update_is_never_lost,
    inv_35_what_is_read_untracked_may_change,
    inv_35_a_read_of_what_is_written_too_is_one_conflict,
    inv_36_a_range_is_relied_on_as_far_as_it_was_read,
    inv_36_an_empty_range_is_relied_on,
    inv_36_a_range_around_own_writes_is_relied_on,
    inv_36_the_first_conflict_is_named,
    inv_37_every_kind_of_write_conflicts,
    inv_37_a_value_that_changed_back_has_changed,
    inv_38_conflicts_are_found_when_the_writes_have_left_memory,
    inv_38_after_reopening_conflicts_are_those_of_new_commits,
);

pub(crate) fn inv_26_a_range_delete_is_a_write_of_the_keys_that_were_live(place: &impl Place) {
    let engine = place.engine();
    for key in ["a", "b", "d"] {
        put(&engine, key, "1");
    }
    engine.delete("b").expect("delete");
    let readers = ["a", "b", "c", "d"].map(|key| {
        let mut tx = begin(&engine, Isolation::Serializable);
        tx.get(key).expect("get");
        tx.set(format!("seen/{key}"), "").expect("set");
        (key, tx)
    });
    let deleted = engine.delete_range(bytes("a")..bytes("d")).expect("a");
    assert_eq!(deleted.writes, 1, "the only one that was live");
    for (key, tx) in readers {
        let outcome = tx.commit();
        if key == "a" {
            let wanted = ("a".to_owned(), at(4), deleted.timestamp);
            assert_eq!(conflict(outcome), wanted);
        } else {
            outcome.expect("it was not deleted");
        }
    }
    // And one that deletes what it scanned loses to whoever adds to it.
    let mut tx = begin(&engine, Isolation::Serializable);
    for row in tx.range(..) {
        tx.delete(row.expect("a row").0).expect("delete");
    }
    let added = put(&engine, "new", "1");
    assert_eq!(conflict(tx.commit()).2, added);
}

pub(crate) fn inv_27_compare_and_set_sees_what_is_committed_only(place: &impl Place) {
    let engine = place.engine();
    let cas = |expected: &str, new: &str| {
        engine.compare_and_set("k", Some(expected.as_bytes()), Some(new.as_bytes()))
    };
    put(&engine, "k", "1");
    let mut open = begin(&engine, Isolation::Snapshot);
    open.set("k", "2").expect("set");
    assert_eq!(conflict(cas("2", "3")), ("k".to_owned(), at(1), at(1)));
    let swapped = cas("1", "3").expect("the newest committed value");
    assert_eq!(conflict(open.commit()).2, swapped.timestamp);
    let committed = engine
        .transact(Isolation::Snapshot, |tx| tx.set("k", "4"))
        .expect("commit")
        .timestamp;
    assert_eq!(
        conflict(cas("3", "5")),
        ("k".to_owned(), committed, committed)
    );
    assert_eq!(
        engine.visible(),
        committed,
        "a failed one takes no timestamp"
    );
    cas("4", "5").expect("what the transaction wrote");
}

/// A way to write the key `k`.
type Write = fn(&mut Transaction) -> Result<()>;

pub(crate) fn inv_33_of_two_that_write_a_key_the_second_loses(place: &impl Place) {
    let engine = place.engine();
    let ways: [Write; 3] = [
        |tx| tx.set("k", "new"),
        |tx| tx.delete("k"),
        |tx| {
            tx.get("k")?;
            tx.set("other", "")?;
            tx.set("k", "new")
        },
    ];
    for is_there in [true, false] {
        for isolations in LEVELS
            .map(|first| LEVELS.map(|second| [first, second]))
            .concat()
        {
            for (first, second) in ways.iter().flat_map(|a| ways.iter().map(move |b| (a, b))) {
                let snapshot = if is_there {
                    put(&engine, "k", "old")
                } else {
                    engine.delete("k").expect("delete")
                };
                let mut txs = isolations.map(|isolation| begin(&engine, isolation));
                second(&mut txs[1]).expect("the later one may write first");
                first(&mut txs[0]).expect("a write");
                let [winner, loser] = txs;
                let commit = winner.commit().expect("the first commits");
                let wanted = ("k".to_owned(), snapshot, commit.timestamp);
                let refused = error(loser.commit());
                assert!(refused.to_string().contains("begin it anew"), "{refused}");
                assert_eq!(conflict::<()>(Err(refused)), wanted);
                assert_eq!(engine.visible(), commit.timestamp);
            }
        }
    }
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_33_only_equal_keys_conflict(place: &impl Place) {
    let engine = place.engine();
    let keys: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\x01",
        b"\x01",
        b"k",
        b"k\0",
        b"k\0\x01",
        b"k\0\xFF",
        b"k\xFF",
        b"kk",
        b"\xFF\xFF",
    ];
    for isolation in LEVELS {
        for mine in keys {
            let mut tx = begin(&engine, isolation);
            tx.get(mine).expect("get");
            tx.set(mine, "mine").expect("set");
            for other in keys.into_iter().filter(|other| *other != mine) {
                engine.set(other, "other").expect("set");
            }
            tx.commit().expect("no other wrote this key");
        }
    }
    assert_eq!(engine.stats().conflicts, 0);
}

/// Lets threads commit transactions that were begun at the same time.
fn race(
    engine: &Engine,
    threads: usize,
    isolation: Isolation,
    work: impl Fn(usize, &mut Transaction) + Sync,
) -> Vec<Result<CommitInfo>> {
    let begun = Barrier::new(threads);
    thread::scope(|scope| {
        let race = |number| {
            let (begun, work) = (&begun, &work);
            move || {
                let mut tx = begin(engine, isolation);
                work(number, &mut tx);
                begun.wait();
                tx.commit()
            }
        };
        let threads: Vec<_> = (0..threads)
            .map(|number| scope.spawn(race(number)))
            .collect();
        let outcomes = threads.into_iter().map(thread::ScopedJoinHandle::join);
        outcomes.map(|outcome| outcome.expect("a thread")).collect()
    })
}

pub(crate) fn inv_33_of_many_that_write_a_key_one_commits<P: Place>(place: &P) {
    const THREADS: usize = 6;
    let engine = place.engine();
    for round in 1..=60 {
        let isolation = LEVELS[round % 2];
        let outcomes = race(&engine, THREADS, isolation, |number, tx| {
            tx.set(format!("mine/{number}"), round.to_string())
                .expect("set");
            tx.set("k", number.to_string()).expect("set");
        });
        assert_eq!(engine.visible(), at(round as u64), "one commit a round");
        let mut winners = Vec::new();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(info) => winners.push((number, info.timestamp)),
                refused => {
                    let wanted = ("k".to_owned(), at(round as u64 - 1), at(round as u64));
                    assert_eq!(conflict(refused), wanted);
                }
            }
        }
        let [(winner, timestamp)] = winners[..] else {
            panic!("exactly one commits: {winners:?}")
        };
        assert_eq!(timestamp, at(round as u64));
        let value = engine.get("k").expect("get").expect("it is there");
        assert_eq!(value, winner.to_string());
        let mine = rows(engine.scan("mine/"));
        let mine = mine.iter().filter(|row| row.1 == bytes(round.to_string()));
        assert_eq!(mine.count(), 1, "nothing of the others is there");
    }
    let stats = engine.stats();
    assert_eq!(
        (stats.commits, stats.conflicts),
        (60, 60 * (THREADS as u64 - 1))
    );
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_33_many_that_write_their_own_keys_all_commit<P: Place>(place: &P) {
    const THREADS: usize = 6;
    let engine = place.engine();
    for round in 0..40 {
        let before = engine.visible().get();
        let outcomes = race(&engine, THREADS, LEVELS[round % 2], |number, tx| {
            let own = format!("{number}/");
            assert_eq!(tx.scan(&own).count(), usize::from(round > 0));
            tx.get(format!("{own}k")).expect("get");
            tx.set(format!("{own}k"), round.to_string()).expect("set");
        });
        let mut timestamps: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.expect("no other wrote here").timestamp.get())
            .collect();
        timestamps.sort_unstable();
        let wanted: Vec<_> = (before + 1..=before + THREADS as u64).collect();
        assert_eq!(timestamps, wanted);
    }
}

/// A commit at the very snapshot is before it; while an older transaction is open, it is on record.
pub(crate) fn inv_34_what_was_committed_before_the_snapshot_is_no_conflict(place: &impl Place) {
    let engine = place.engine();
    for keeps_records in [false, true] {
        let older = keeps_records.then(|| begin(&engine, Isolation::Serializable));
        for isolation in LEVELS {
            let mut first = begin(&engine, isolation);
            first.set("k", "first").expect("set");
            first.set("seen", "").expect("set");
            first.commit().expect("commit");
            let newest = put(&engine, "k", "newest");
            let mut tx = begin(&engine, isolation);
            assert_eq!(tx.timestamp(), newest);
            assert_eq!(tx.get("k").expect("get").as_deref(), Some(&b"newest"[..]));
            assert_eq!(tx.range(..).count(), 2);
            tx.set("k", "own").expect("set");
            tx.commit().expect("nobody wrote since");
        }
        let kept = engine.stats().conflict_keys;
        assert_eq!(kept > 0, keeps_records, "{kept}");
        drop(older);
    }
    assert_eq!(engine.stats().conflicts, 0);
}

/// A way to find out about the key that the other writes.
type Look = fn(&Transaction, &str) -> Result<()>;

const LOOKS: [(&str, Look); 6] = [
    ("get", |tx, key| tx.get(key).map(drop)),
    ("contains", |tx, key| tx.contains(key).map(drop)),
    ("multi_get", |tx, key| tx.multi_get(&["", key]).map(drop)),
    ("scan", |tx, key| {
        tx.scan(key).try_for_each(|row| row.map(drop))
    }),
    ("range", |tx, _| {
        tx.range(..).try_for_each(|row| row.map(drop))
    }),
    ("backwards", |tx, _| {
        tx.range(..).rev().try_for_each(|row| row.map(drop))
    }),
];

/// Write skew, over keys that are there and over keys that are not.
pub(crate) fn inv_35_each_reads_what_the_other_writes(place: &impl Place) {
    let engine = place.engine();
    for (name, look) in LOOKS {
        for is_there in [true, false] {
            for isolation in LEVELS {
                engine.delete_range(..).expect("delete_range");
                if is_there {
                    put(&engine, "x", "1");
                    put(&engine, "y", "1");
                }
                let snapshot = engine.visible();
                let mut first = begin(&engine, isolation);
                let mut second = begin(&engine, isolation);
                look(&first, "y").expect("a read");
                look(&second, "x").expect("a read");
                first.set("x", "2").expect("set");
                second.set("y", "2").expect("set");
                let committed = first.commit().expect("the first").timestamp;
                let outcome = second.commit();
                if isolation == Isolation::Snapshot {
                    outcome.expect("write skew");
                } else {
                    let wanted = ("x".to_owned(), snapshot, committed);
                    assert_eq!(conflict(outcome), wanted, "{name}, {is_there}");
                    assert_eq!(engine.visible(), committed);
                }
            }
        }
    }
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_35_an_update_is_never_lost<P: Place>(place: &P) {
    const THREADS: u64 = 4;
    const EACH: u64 = 50;
    let engine = place.engine();
    put(&engine, "n", "0");
    let number = |value: Option<Value>| -> u64 {
        let value = value.expect("it is there");
        String::from_utf8_lossy(&value).parse().expect("a number")
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, isolation) = (engine.clone(), LEVELS[(thread % 2) as usize]);
            scope.spawn(move || {
                for _ in 0..EACH {
                    let done = engine.transact(isolation, |tx| {
                        let old = number(tx.get("n")?);
                        tx.set("n", (old + 1).to_string())?;
                        Ok(old)
                    });
                    let done = done.expect("it wins in the end");
                    let before = engine.at(at(done.timestamp.get() - 1)).expect("at");
                    assert_eq!(number(before.get("n").expect("get")), done.value);
                }
            });
        }
    });
    let total = THREADS * EACH;
    assert_eq!(number(engine.get("n").expect("get")), total);
    assert_eq!(
        engine.visible(),
        at(total + 1),
        "attempts that lost took none"
    );
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_35_what_is_read_untracked_may_change(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "a", "1");
    let mut tx = begin(&engine, Isolation::Serializable);
    for key in ["a", "missing"] {
        tx.get_untracked(key).expect("get_untracked");
    }
    tx.set("seen", "").expect("set");
    put(&engine, "a", "2");
    put(&engine, "missing", "2");
    assert_eq!(
        tx.get_untracked("a").expect("get").as_deref(),
        Some(&b"1"[..]),
        "the snapshot all the same"
    );
    tx.commit().expect("it relies on nothing");
    // Read in both ways, or written too, it is relied on, in either order.
    let ways: [fn(&mut Transaction) -> Result<()>; 4] = [
        |tx| tx.get_untracked("a").and(tx.get("a")).map(drop),
        |tx| tx.get("a").and(tx.get_untracked("a")).map(drop),
        |tx| {
            tx.get_untracked("a")?;
            tx.set("a", "3")
        },
        |tx| {
            tx.set("a", "3")?;
            tx.get_untracked("a").map(drop)
        },
    ];
    for way in ways {
        let mut tx = begin(&engine, Isolation::Serializable);
        way(&mut tx).expect("a read");
        tx.set("seen", "").expect("set");
        let changed = put(&engine, "a", "4");
        assert_eq!(conflict(tx.commit()).2, changed);
    }
}

/// A transaction that writes what it read knows the row that it replaces: history stays whole.
pub(crate) fn inv_35_a_read_of_what_is_written_too_is_one_conflict(place: &impl Place) {
    let engine = place.engine();
    let kinds: [(&str, Option<&str>); 3] = [("live", Some("1")), ("gone", None), ("never", None)];
    put(&engine, "live", "1");
    put(&engine, "gone", "1");
    engine.delete("gone").expect("delete");
    let snapshot = engine.visible();
    let mut tx = begin(&engine, Isolation::Serializable);
    for (key, value) in kinds {
        let got = tx.get(key).expect("get");
        assert_eq!(got.as_deref(), value.map(str::as_bytes));
        tx.set(key, "2").expect("set");
    }
    let timestamp = tx.commit().expect("commit").timestamp;
    let starts = |key: &str| -> Vec<_> {
        let versions = engine.history(key, ..).expect("history");
        let bounds = versions.map(|version| version.expect("a version"));
        bounds.map(|version| (version.start, version.end)).collect()
    };
    assert_eq!(
        starts("live"),
        [(timestamp, None), (at(1), Some(timestamp))]
    );
    assert_eq!(starts("gone"), [(timestamp, None), (at(2), Some(at(3)))]);
    assert_eq!(starts("never"), [(timestamp, None)]);
    for (key, value) in kinds {
        let before = engine.at(snapshot).expect("at").get(key).expect("get");
        assert_eq!(before.as_deref(), value.map(str::as_bytes), "{key}");
    }
    let alive = engine.at(at(2)).expect("at").get("gone").expect("get");
    assert_eq!(alive.as_deref(), Some(&b"1"[..]), "before it was deleted");
}

/// A step of an iterator.
type Take = fn(&mut TransactionIter) -> Option<Result<(Key, Value)>>;

/// From the front, and from the back.
const F: Take = Iterator::next;
const B: Take = DoubleEndedIterator::next_back;

/// Reads a range with these steps while `b`, `d` and `f` are stored, and returns those of some keys at
/// which a commit elsewhere makes the transaction lose.
fn relied_on(
    engine: &Engine,
    isolation: Isolation,
    range: &KeyRange,
    steps: &[Take],
    prepare: impl Fn(&mut Transaction) -> Result<()>,
) -> Vec<&'static str> {
    // All between and beside the stored keys, and the neighbours of each.
    const ASKED: [&str; 15] = [
        "", "a", "a~", "b", "b\0", "c", "c~", "d", "d\0", "e", "e~", "f", "f\0", "g", "z",
    ];
    let mut relied_on = Vec::new();
    for key in ASKED {
        engine.delete_range(..).expect("delete_range");
        let stored = ["b", "d", "f"].map(|key| set(key, "stored"));
        let options = CommitOptions::default();
        engine
            .commit(Batch::from(stored.to_vec()), options)
            .expect("commit");
        let mut tx = begin(engine, isolation);
        prepare(&mut tx).expect("own writes");
        let mut iter = tx.range(range.clone());
        for step in steps {
            step(&mut iter).transpose().expect("a step");
        }
        drop(iter);
        tx.set("~own", "").expect("set");
        let other = put(engine, key, "other");
        match tx.commit() {
            Ok(_) => {}
            refused => {
                let (named, _, committed) = conflict(refused);
                let shown = key.as_bytes().escape_ascii().to_string();
                assert_eq!((named, committed), (shown, other));
                relied_on.push(key);
            }
        }
    }
    relied_on
}

/// The first and the last key of a part of a range.
type Part = Option<(&'static str, &'static str)>;

pub(crate) fn inv_36_a_range_is_relied_on_as_far_as_it_was_read(place: &impl Place) {
    let engine = place.engine();
    let all = KeyRange::all();
    let from_to = |from: &str, to: &str| KeyRange::new(bytes(from)..bytes(to));
    let through = |from: &str, to: &str| KeyRange::new(bytes(from)..=bytes(to));
    // The range, the steps, and the first and last of the keys that are relied on, twice.
    let cases: Vec<(KeyRange, &[Take], Part, Part)> = vec![
        (all.clone(), &[], None, None),
        (all.clone(), &[F], Some(("", "b")), None),
        (all.clone(), &[F, F], Some(("", "d")), None),
        (all.clone(), &[F, F, F], Some(("", "f")), None),
        (all.clone(), &[F, F, F, F], Some(("", "z")), None),
        (all.clone(), &[B], Some(("f", "z")), None),
        (all.clone(), &[B, B], Some(("d", "z")), None),
        (all.clone(), &[B, B, B], Some(("b", "z")), None),
        (all.clone(), &[B, B, B, B], Some(("", "z")), None),
        (all.clone(), &[F, B], Some(("", "b")), Some(("f", "z"))),
        (all.clone(), &[B, F], Some(("", "b")), Some(("f", "z"))),
        (all.clone(), &[F, B, F], Some(("", "d")), Some(("f", "z"))),
        (all.clone(), &[F, B, B], Some(("", "b")), Some(("d", "z"))),
        (all.clone(), &[F, B, B, F], Some(("", "z")), None),
        (all.clone(), &[F, B, F, B], Some(("", "z")), None),
        (from_to("b", "d"), &[F], Some(("b", "b")), None),
        (from_to("b", "d"), &[F, F], Some(("b", "c~")), None),
        (through("b", "d"), &[F, F], Some(("b", "d")), None),
        (through("b", "d"), &[F, F, F], Some(("b", "d")), None),
        (from_to("a~", "e"), &[B], Some(("d", "d\0")), None),
        (from_to("a~", "e"), &[B, B, B], Some(("a~", "d\0")), None),
        (KeyRange::new(bytes("c")..), &[F], Some(("c", "d")), None),
        (KeyRange::new(..bytes("c")), &[B], Some(("b", "b\0")), None),
        (KeyRange::prefix(b"d"), &[F], Some(("d", "d")), None),
        (KeyRange::prefix(b"d"), &[B], Some(("d", "d\0")), None),
        (KeyRange::prefix(b"d"), &[F, F], Some(("d", "d\0")), None),
    ];
    let everything = relied_on(&engine, Isolation::Serializable, &all, &[F; 4], |_| Ok(()));
    assert_eq!(everything.len(), 15);
    for (number, (range, steps, one, other)) in cases.into_iter().enumerate() {
        let parts: Vec<_> = [one, other].into_iter().flatten().collect();
        let in_parts = |key: &&str| parts.iter().any(|(from, to)| from <= key && *key <= *to);
        let wanted: Vec<_> = everything.iter().copied().filter(in_parts).collect();
        let found = relied_on(&engine, Isolation::Serializable, &range, steps, |_| Ok(()));
        assert_eq!(found, wanted, "case {number}, {range:?}");
        let found = relied_on(&engine, Isolation::Snapshot, &range, steps, |_| Ok(()));
        assert_eq!(found, [""; 0], "case {number}, {range:?}");
    }
}

pub(crate) fn inv_36_an_empty_range_is_relied_on(place: &impl Place) {
    let engine = place.engine();
    let found = |range: KeyRange, steps: &[Take]| {
        relied_on(&engine, Isolation::Serializable, &range, steps, |_| Ok(()))
    };
    for step in [F, B] {
        assert_eq!(found(KeyRange::prefix(b"c"), &[step]), ["c", "c~"]);
        let beside = KeyRange::new(bytes("b\0")..bytes("d"));
        assert_eq!(found(beside, &[step]), ["b\0", "c", "c~"]);
        assert_eq!(
            found(KeyRange::new(bytes("f\0")..), &[step]),
            ["f\0", "g", "z"]
        );
        assert_eq!(found(KeyRange::new(..bytes("a~")), &[step]), ["", "a"]);
        // Ranges in which no key can lie.
        for (from, to) in [("c", "c"), ("d", "b"), ("a", "")] {
            let none = KeyRange::new(bytes(from)..bytes(to));
            assert_eq!(found(none, &[step]), [""; 0]);
        }
    }
}

pub(crate) fn inv_36_a_range_around_own_writes_is_relied_on(place: &impl Place) {
    let engine = place.engine();
    let all = KeyRange::all();
    let level = Isolation::Serializable;
    let set_c = |tx: &mut Transaction| tx.set("c", "own");
    let found = relied_on(&engine, level, &all, &[F, F], set_c);
    assert_eq!(found, ["", "a", "a~", "b", "b\0", "c"], "up to the own row");
    let found = relied_on(&engine, level, &all, &[B, B], set_c);
    let wanted = ["c", "d", "d\0", "e", "e~", "f", "f\0", "g", "z"];
    assert_eq!(found, wanted, "d, and c for its write");
    // A deleted row is passed over, and what lies before the next one was looked at.
    let delete_b = |tx: &mut Transaction| tx.delete("b");
    let found = relied_on(&engine, level, &all, &[F], delete_b);
    assert_eq!(found, ["", "a", "a~", "b", "b\0", "c", "c~", "d"]);
    let delete_f = |tx: &mut Transaction| tx.delete("f");
    let found = relied_on(&engine, level, &all, &[B], delete_f);
    assert_eq!(found, ["d", "d\0", "e", "e~", "f", "f\0", "g", "z"]);
    // Nothing is stored where only own rows lie; and all are deleted.
    let only_own = |tx: &mut Transaction| tx.set("c5", "own");
    let found = relied_on(&engine, level, &KeyRange::prefix(b"c"), &[F], only_own);
    assert_eq!(found, ["c"]);
    let found = relied_on(&engine, level, &KeyRange::prefix(b"c"), &[F, F], only_own);
    assert_eq!(found, ["c", "c~"]);
    let delete_d = |tx: &mut Transaction| tx.delete("d");
    let found = relied_on(&engine, level, &KeyRange::prefix(b"d"), &[F], delete_d);
    assert_eq!(found, ["d", "d\0"]);
}

/// Several ranges and commits: a conflict names a key that was read and the commit that wrote it.
pub(crate) fn inv_36_the_first_conflict_is_named(place: &impl Place) {
    let engine = place.engine();
    let mut tx = begin(&engine, Isolation::Serializable);
    assert_eq!(tx.scan("q").count() + tx.scan("m").count(), 0);
    let half_read = tx.scan("x");
    tx.set("own", "").expect("set");
    put(&engine, "x1", "");
    put(&engine, "n", "");
    let writes = vec![set("l", ""), set("m1", ""), set("m2", ""), set("z", "")];
    let options = CommitOptions::default();
    let found = engine.commit(writes.into(), options).expect("commit");
    put(&engine, "q1", "");
    let wanted = ("m1".to_owned(), at(0), found.timestamp);
    assert_eq!(conflict(tx.commit()), wanted);
    drop(half_read);
}

pub(crate) fn inv_37_every_kind_of_write_conflicts(place: &impl Place) {
    type Other = fn(&Engine) -> Result<Timestamp>;
    let engine = place.engine();
    let others: [(&str, Other); 11] = [
        ("set", |e| e.set("k", "2")),
        ("the same value", |e| e.set("k", "1")),
        ("delete", |e| e.delete("k")),
        ("a batch", |e| {
            let batch = vec![set("a", ""), delete("k"), set("z", "")].into();
            Ok(e.commit(batch, CommitOptions::default())?.timestamp)
        }),
        ("a height", |e| {
            let height = at(e.visible().get() + 10);
            let batch = vec![set("k", "2")].into();
            Ok(e.commit_at(height, batch)?.timestamp)
        }),
        ("a batch that takes it back", |e| {
            let batch = vec![set("k", "2"), set("k", "1")].into();
            Ok(e.commit(batch, CommitOptions::default())?.timestamp)
        }),
        ("compare_and_set", |e| {
            let new = Some(&b"2"[..]);
            Ok(e.compare_and_set("k", Some(b"1"), new)?.timestamp)
        }),
        ("compare_and_set to nothing", |e| {
            Ok(e.compare_and_set("k", Some(b"1"), None)?.timestamp)
        }),
        ("delete_range", |e| {
            Ok(e.delete_range(bytes("j")..bytes("l"))?.timestamp)
        }),
        ("a blind transaction", |e| {
            let blind = e.transact(Isolation::Snapshot, |tx| tx.set("k", "2"))?;
            Ok(blind.timestamp)
        }),
        ("a transaction that deletes", |e| {
            let delete = e.transact(Isolation::Serializable, |tx| {
                tx.set("k", "2")?;
                tx.delete("k")
            })?;
            Ok(delete.timestamp)
        }),
    ];
    for (name, other) in others {
        for isolation in LEVELS {
            let snapshot = put(&engine, "k", "1");
            let mut blind = begin(&engine, isolation);
            blind.set("k", "3").expect("set");
            let mut reader = begin(&engine, isolation);
            reader.get("k").expect("get");
            reader.set("other", "").expect("set");
            let mut scanner = begin(&engine, isolation);
            assert!(scanner.range(..).count() > 0);
            scanner.set("another", "").expect("set");
            let committed = other(&engine).expect(name);
            let wanted = ("k".to_owned(), snapshot, committed);
            assert_eq!(conflict(blind.commit()), wanted, "{name}");
            if isolation == Isolation::Snapshot {
                reader.commit().expect("it wrote another key");
                scanner.commit().expect("it wrote another key");
                engine.delete_range(..).expect("delete_range");
                continue;
            }
            assert_eq!(conflict(reader.commit()), wanted, "{name}");
            let (_, _, found) = conflict(scanner.commit());
            assert_eq!(found, committed, "{name}");
        }
    }
    // Deletes of keys that are not there are writes of them, by rule.
    let mut tx = begin(&engine, Isolation::Serializable);
    assert!(!tx.contains("missing").expect("contains"));
    tx.set("own", "").expect("set");
    let deleted = engine.delete("missing").expect("delete");
    assert_eq!(conflict(tx.commit()).2, deleted);
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_37_a_value_that_changed_back_has_changed(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "k", "1");
    let mut tx = begin(&engine, Isolation::Serializable);
    assert_eq!(tx.get("k").expect("get").as_deref(), Some(&b"1"[..]));
    assert_eq!(tx.scan("gone").count(), 0);
    tx.set("other", "").expect("set");
    let mut scanner = begin(&engine, Isolation::Serializable);
    assert_eq!(scanner.scan("gone").count(), 0);
    scanner.set("another", "").expect("set");
    put(&engine, "gone", "1");
    engine.delete("gone").expect("delete");
    put(&engine, "k", "2");
    let back = put(&engine, "k", "1");
    assert_eq!(conflict(tx.commit()).2, back);
    assert_eq!(conflict(scanner.commit()).2, at(2), "the first of two");
}

pub(crate) fn inv_38_conflicts_are_found_when_the_writes_have_left_memory(place: &impl Place) {
    type Moved = fn(&Engine) -> Result<()>;
    let engine = place.engine();
    let moved: [(&str, Moved); 4] = [
        ("flushed", Engine::flush),
        ("compacted", |e| e.flush().and_then(|()| e.compact())),
        ("pruned", |e| {
            let report = e.prune_before(e.visible())?;
            assert!(report.held_by.is_some(), "{report:?}");
            e.compact()
        }),
        ("buried", |e| {
            for round in 0..20 {
                let rows = (0..20).map(|n| set(format!("bulk/{n}"), vec![round; 500]));
                e.commit(rows.collect(), CommitOptions::default())?;
                e.flush()?;
            }
            e.compact()
        }),
    ];
    for (name, moved) in moved {
        for isolation in LEVELS {
            put(&engine, "k", "1");
            let snapshot = engine.visible();
            let mut writer = begin(&engine, isolation);
            writer.set("k", "2").expect("set");
            let mut reader = begin(&engine, Isolation::Serializable);
            reader.get("k").expect("get");
            reader.set("other", "").expect("set");
            let mut scanner = begin(&engine, Isolation::Serializable);
            assert_eq!(scanner.scan("new").count(), 0);
            scanner.set("another", "").expect("set");
            let both = vec![set("k", "3"), set("new/1", "")];
            let options = CommitOptions::default();
            let committed = engine.commit(both.into(), options).expect("commit");
            moved(&engine).expect(name);
            let wanted = |key: &str| (key.to_owned(), snapshot, committed.timestamp);
            assert_eq!(conflict(writer.commit()), wanted("k"), "{name}");
            assert_eq!(conflict(reader.commit()), wanted("k"), "{name}");
            assert_eq!(conflict(scanner.commit()), wanted("new/1"), "{name}");
            engine.delete_range(..).expect("delete_range");
        }
    }
}

pub(crate) fn inv_38_after_reopening_conflicts_are_those_of_new_commits(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let first = put(&engine, "k", "1");
    let mut lost = begin(&engine, Isolation::Serializable);
    lost.set("k", "2").expect("set");
    drop((lost, engine));
    let storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    let mut tx = begin(&engine, Isolation::Serializable);
    assert_eq!(tx.timestamp(), first);
    assert_eq!(rows(tx.range(..)), [row("k", "1")]);
    tx.set("k", "3").expect("set");
    let mut late = begin(&engine, Isolation::Serializable);
    late.get("k").expect("get");
    late.set("other", "").expect("set");
    let second = tx.commit().expect("nobody wrote since").timestamp;
    assert_eq!(second, at(2));
    assert_eq!(conflict(late.commit()), ("k".to_owned(), first, second));
    drop(engine);
    let storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    assert_eq!(engine.visible(), second);
    let mut tx = begin(&engine, Isolation::Snapshot);
    tx.set("k", "4").expect("set");
    assert_eq!(tx.commit().expect("commit").timestamp, at(3));
}
