//! Many threads on one store: no read is ever torn, and none is ever wrong.
//!
//! Counts are bounded, nothing sleeps, and every assertion holds for every interleaving.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sapwood::{
    CommitOptions, Engine, ErrorKind, Isolation, KeyRange, PinOptions, ReadView, Result, Storage,
    Timestamp, Transaction, TransactionOptions,
};

use crate::support::{
    LEVELS, Options, Place, Row, all_at, assert_nothing_is_held, at, begin, bytes, delete,
    in_its_turn, kind, put, rows, set,
};

suite!(
    inv_24_writers_on_many_threads_take_turns,
    inv_32_a_key_that_comes_and_goes_is_read_rightly_in_the_past,
    inv_32_a_scan_sees_no_delete_that_is_under_way,
    inv_32_keys_that_go_are_read_rightly_in_the_past,
    inv_32_transactions_that_keep_a_sum_are_never_seen_half_done,
    inv_32_what_is_written_together_is_seen_together,
    inv_43_every_snapshot_is_that_of_its_commit,
    inv_43_what_is_read_is_visible,
    inv_43_who_begins_after_a_commit_returned_sees_it,
    inv_53_a_prune_lets_a_transaction_in_its_turn_go_on,
    inv_53_a_reader_past_its_age_is_refused_and_never_wrong,
    inv_53_pins_beside_pruning_keep_what_they_see,
    inv_53_pruning_beside_readers_and_writers_changes_no_answer,
    inv_53_pruning_beside_transactions_changes_no_answer,
    inv_53_pruning_while_keys_are_deleted_again_loses_nothing,
);

const COMMITS: u64 = 300;

/// Sets the flag when it goes, however its thread ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Repeats until the flag is set, and once more.
fn until(done: &AtomicBool, mut work: impl FnMut()) {
    while !done.load(Ordering::SeqCst) {
        work();
    }
    work();
}

/// Whether a state shows one commit wholly: all of the keys with one value, or none of them.
fn assert_whole(state: &[Row], keys: usize) {
    assert!(state.is_empty() || state.len() == keys, "torn: {state:?}");
    let mut values: Vec<_> = state.iter().map(|(_, value)| value).collect();
    values.dedup();
    assert!(values.len() <= 1, "torn: {state:?}");
}

/// A writer sets three keys together, or deletes them together; pruning, flushing and every way to
/// read go on beside it.
pub(crate) fn inv_32_what_is_written_together_is_seen_together<P: Place>(place: &P) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    let keys: [&[u8]; 3] = [b"left", b"middle", b"right"];
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for number in 1..=COMMITS {
                let writes = keys.map(|key| match number % 5 {
                    0 => delete(key),
                    _ => set(key, number.to_string()),
                });
                storage.write_batch(writes.to_vec()).expect("commit");
            }
        });
        scope.spawn(|| {
            let engine = Engine::new(&storage);
            until(&done, || {
                let visible = storage.visible().get();
                storage
                    .prune_before(at(visible.saturating_sub(20)))
                    .expect("prune");
                engine.flush().expect("flush");
            });
        });
        scope.spawn(|| until(&done, || assert_whole(&storage.scan(b"").expect("scan"), 3)));
        scope.spawn(|| {
            until(&done, || {
                let values = storage.multi_get(&keys).expect("multi_get");
                assert!(
                    values.iter().all(|value| *value == values[0]),
                    "torn: {values:?}"
                );
                assert_whole(&rows(storage.range(KeyRange::all()).rev()), 3);
            });
        });
        scope.spawn(|| {
            let engine = Engine::new(&storage);
            until(&done, || {
                let snapshot = engine.snapshot().expect("snapshot");
                let number = snapshot.timestamp().get();
                let wanted = (!number.is_multiple_of(5)).then(|| bytes(number.to_string()));
                for key in keys {
                    let value = snapshot.get(key).expect("get").map(Vec::from);
                    assert_eq!(value, wanted, "at {number}");
                }
                let values = snapshot.multi_get(&keys).expect("multi_get");
                assert!(
                    values
                        .iter()
                        .all(|value| value.as_deref() == wanted.as_deref())
                );
                assert_eq!(
                    rows(snapshot.range(..)).len(),
                    if wanted.is_some() { 3 } else { 0 }
                );
            });
        });
    });
    assert_eq!(storage.visible(), at(COMMITS));
}

/// A reader that looked for the row of a live key before it came back, and for that of its delete
/// after, still finds the version that it asks for.
pub(crate) fn inv_32_a_key_that_comes_and_goes_is_read_rightly_in_the_past<P: Place>(place: &P) {
    let storage = place.open();
    storage
        .write_batch(vec![set("k", "first"), set("l", "first")])
        .expect("commit");
    storage
        .pin("first", at(1), PinOptions::default())
        .expect("pin");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for _ in 0..10 * COMMITS {
                storage.delete(b"k").expect("delete");
                storage.set(b"k", b"later").expect("set");
            }
        });
        scope.spawn(|| {
            until(&done, || {
                let value = storage.get_at(b"k", at(1)).expect("get_at");
                assert_eq!(value, Some(bytes("first")));
            });
        });
        scope.spawn(|| {
            until(&done, || {
                assert_eq!(rows(all_at(&storage, at(1))).len(), 2);
                assert_eq!(rows(all_at(&storage, at(1)).rev()).len(), 2);
                let values = storage
                    .multi_get_at(&[b"k", b"l"], at(1))
                    .expect("multi_get_at");
                assert!(
                    values
                        .iter()
                        .all(|value| value.as_deref() == Some(b"first"))
                );
            });
        });
    });
}

/// Every key is deleted once, while readers ask for that very key as it was before.
pub(crate) fn inv_32_keys_that_go_are_read_rightly_in_the_past<P: Place>(place: &P) {
    let keys = 10 * COMMITS;
    let storage = place.open();
    let key = |number: u64| format!("key{number:06}");
    storage
        .write_batch((1..=keys).map(|n| set(key(n), "first")).collect())
        .expect("commit");
    let done = AtomicBool::new(false);
    // The commit after the visible one deletes the key of that number.
    let next = || key(storage.visible().get().min(keys));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for number in 1..=keys {
                storage.delete(key(number).as_bytes()).expect("delete");
            }
        });
        scope.spawn(|| {
            until(&done, || {
                let value = storage.get_at(next().as_bytes(), at(1)).expect("get_at");
                assert_eq!(value, Some(bytes("first")));
            });
        });
        scope.spawn(|| {
            until(&done, || {
                let state = storage.scan_at(next().as_bytes(), at(1)).expect("scan_at");
                assert_eq!(state.len(), 1);
            });
        });
    });
    assert_eq!(all_at(&storage, at(1)).count() as u64, keys);
}

/// Odd commits set two keys and even ones delete them: a state tells whether it is that of its
/// timestamp.
pub(crate) fn inv_32_a_scan_sees_no_delete_that_is_under_way<P: Place>(place: &P) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for _ in 0..5 * COMMITS {
                storage
                    .write_batch(vec![set("a", "v"), set("b", "v")])
                    .expect("commit");
                storage
                    .write_batch(vec![delete("a"), delete("b")])
                    .expect("commit");
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                until(&done, || {
                    let iter = storage.range(KeyRange::all());
                    let timestamp = iter.timestamp().expect("it has begun");
                    let wanted = if timestamp.get().is_multiple_of(2) {
                        0
                    } else {
                        2
                    };
                    assert_eq!(rows(iter).len(), wanted, "at {timestamp}");
                });
            });
        }
    });
}

/// The value is the number of its commit, so a read tells from when it is. Every seventh commit
/// deletes.
pub(crate) fn inv_43_what_is_read_is_visible<P: Place>(place: &P) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    let number = |value: &[u8]| -> u64 {
        std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok())
            .expect("a number")
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for commit in 1..=10 * COMMITS {
                if commit % 7 == 0 {
                    storage.delete(b"k").expect("delete");
                    assert_eq!(storage.get(b"k").expect("get"), None);
                } else {
                    let timestamp = storage.set(b"k", commit.to_string().as_bytes());
                    assert_eq!(timestamp.expect("set"), at(commit));
                    let value = storage
                        .get(b"k")
                        .expect("get")
                        .expect("it was just written");
                    assert_eq!(number(&value), commit);
                }
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                until(&done, || {
                    let before = storage.visible().get();
                    let value = storage.get(b"k").expect("get");
                    let after = storage.visible().get();
                    let Some(value) = value else {
                        let absent = (before..=after).any(|number| number % 7 == 0);
                        assert!(absent, "absent from {before} to {after}");
                        return;
                    };
                    let read = number(&value);
                    assert!(
                        before <= read && read <= after,
                        "{before} <= {read} <= {after}"
                    );
                    assert!(last <= read, "time went back from {last} to {read}");
                    last = read;
                });
            });
        }
    });
}

pub(crate) fn inv_24_writers_on_many_threads_take_turns<P: Place>(place: &P) {
    const WRITERS: u64 = 4;
    const EACH: u64 = 50;
    let storage = place.open();
    storage.set(b"counter", b"0").expect("set");
    let mut timestamps: Vec<Timestamp> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let storage = storage.clone();
                scope.spawn(move || {
                    let mut timestamps = Vec::new();
                    for number in 0..EACH {
                        let key = format!("{writer}/{number}");
                        timestamps.push(storage.set(key.as_bytes(), b"v").expect("set"));
                        timestamps.push(increment(&storage));
                    }
                    timestamps
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"))
            .collect()
    });
    timestamps.sort_unstable();
    let total = WRITERS * EACH;
    assert_eq!(
        timestamps,
        (2..=2 * total + 1).map(at).collect::<Vec<_>>(),
        "no gap, none twice"
    );
    place.settle(storage, |storage| {
        assert_eq!(
            storage.get(b"counter").expect("get"),
            Some(bytes(total.to_string()))
        );
        assert_eq!(storage.scan(b"").expect("scan").len() as u64, total + 1);
    });
}

/// Adds one by compare-and-set, again until nobody came between.
fn increment(storage: &impl Storage) -> Timestamp {
    loop {
        let old = storage.get(b"counter").expect("get").expect("it is there");
        let number: u64 = String::from_utf8_lossy(&old).parse().expect("a number");
        let new = (number + 1).to_string();
        match storage.compare_and_set(b"counter", Some(&old), Some(new.as_bytes())) {
            Ok(timestamp) => return timestamp,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

/// While a prune goes over the times of old deletes, all keys come back and are deleted again: the
/// new times must stay.
pub(crate) fn inv_53_pruning_while_keys_are_deleted_again_loses_nothing<P: Place>(place: &P) {
    const KEYS: usize = 1_500;
    let storage = place.open();
    let all: Vec<_> = (0..KEYS).map(|number| format!("key{number:05}")).collect();
    let write = |value: &str| storage.write_batch(all.iter().map(|key| set(key, value)).collect());
    let erase = || {
        storage
            .write_batch(all.iter().map(delete).collect())
            .expect("commit")
    };
    write("0").expect("commit");
    erase();
    for round in 1..=12 {
        let deleted = storage.visible();
        thread::scope(|scope| {
            scope.spawn(|| storage.prune_before(deleted).expect("prune"));
            write(&round.to_string()).expect("commit");
            erase();
        });
        let alive = at(deleted.get() + 1);
        let state = rows(all_at(&storage, alive));
        assert_eq!(state.len(), KEYS, "round {round}");
        assert_eq!(rows(all_at(&storage, deleted)), []);
        assert_eq!(storage.scan(b"").expect("scan"), []);
        let value = storage
            .get_at(all[round * 100].as_bytes(), alive)
            .expect("get_at");
        assert_eq!(value, Some(bytes(round.to_string())));
    }
}

/// Commit N sets every key to N, so a read at any timestamp has one right answer, or `Pruned`.
pub(crate) fn inv_53_pruning_beside_readers_and_writers_changes_no_answer<P: Place>(place: &P) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    let keys: Vec<_> = (0..20).map(|number| format!("key{number:02}")).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for number in 1..=COMMITS {
                let writes = keys
                    .iter()
                    .map(|key| set(key, number.to_string()))
                    .collect();
                storage.write_batch(writes).expect("commit");
            }
        });
        scope.spawn(|| {
            until(&done, || {
                let before = storage.visible();
                let report = storage.prune_before(before).expect("prune");
                assert!(
                    report.floor <= before && report.undecodable_rows == 0,
                    "{report:?}"
                );
                assert_eq!(report.held_by.is_some(), report.floor < before);
            });
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut asked = 0u64;
                until(&done, || {
                    asked += 1;
                    let visible = storage.visible().get();
                    let number = visible - asked % 5.min(visible + 1);
                    match storage.get_at(b"key07", at(number)) {
                        Ok(value) => assert_eq!(value, value_of(number), "at {number}"),
                        Err(error) => assert_pruned(&error, number),
                    }
                    match storage.scan_at(b"", at(number)) {
                        Ok(state) => {
                            assert_eq!(state.len(), if number == 0 { 0 } else { 20 });
                            assert!(state.into_iter().all(|row| Some(row.1) == value_of(number)));
                        }
                        Err(error) => assert_pruned(&error, number),
                    }
                    let history = Engine::new(&storage).history("key11", ..).expect("history");
                    let starts: Vec<_> = history
                        .map(|version| version.expect("a version").start.get())
                        .collect();
                    assert!(
                        starts.windows(2).all(|pair| pair[0] == pair[1] + 1),
                        "{starts:?}"
                    );
                });
            });
        }
    });
    let report = storage.prune_before(at(COMMITS)).expect("prune");
    assert_eq!((report.floor, report.rows_after), (at(COMMITS), 0));
}

fn value_of(number: u64) -> Option<Vec<u8>> {
    (number > 0).then(|| bytes(number.to_string()))
}

fn assert_pruned(error: &sapwood::Error, number: u64) {
    match error.kind() {
        ErrorKind::Pruned { requested, floor } => {
            assert!(*requested == at(number) && number < floor.get(), "{error}");
        }
        _ => panic!("{error:?}"),
    }
}

/// Pins are set on the newest state while pruning runs behind; each must find its state whole for
/// as long as it holds.
pub(crate) fn inv_53_pins_beside_pruning_keep_what_they_see<P: Place>(place: &P) {
    let storage = place.open();
    storage
        .write_batch(vec![set("a", "0"), set("b", "0")])
        .expect("commit");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for number in 1..=COMMITS {
                let number = number.to_string();
                storage
                    .write_batch(vec![set("a", &number), set("b", &number)])
                    .expect("commit");
            }
        });
        scope.spawn(|| {
            until(&done, || {
                storage.prune_before(storage.visible()).expect("prune");
            });
        });
        scope.spawn(|| {
            until(&done, || {
                let timestamp = storage.visible();
                match storage.pin("mine", timestamp, PinOptions::default()) {
                    Ok(_) => {}
                    Err(error) => return assert_pruned(&error, timestamp.get()),
                }
                let wanted = bytes((timestamp.get() - 1).to_string());
                for _ in 0..3 {
                    let state = storage.scan_at(b"", timestamp).expect("a pinned state");
                    assert!(state.len() == 2 && state.iter().all(|row| row.1 == wanted));
                    let value = storage.get_at(b"b", timestamp).expect("a pinned state");
                    assert_eq!(value.as_ref(), Some(&wanted));
                }
                storage.unpin("mine").expect("unpin");
                assert_eq!(kind(storage.unpin("mine")), "not_found");
            });
        });
    });
}

/// The number that a value is.
fn number(value: Option<sapwood::Value>) -> u64 {
    let text = value.map_or_else(
        || "0".into(),
        |value| String::from_utf8_lossy(&value).into_owned(),
    );
    text.parse().expect("a number")
}

/// Every commit writes its own timestamp, by whatever way it comes: so a state tells whether it is that
/// of its timestamp.
pub(crate) fn inv_43_every_snapshot_is_that_of_its_commit<P: Place>(place: &P) {
    let engine = &place.engine();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3u64)
            .map(|writer| {
                scope.spawn(move || {
                    let mut made = 0;
                    while made < COMMITS / 2 {
                        // The next, or one further on, so that several can be made together.
                        let mine = at(engine.visible().get() + 1 + writer * (made % 2));
                        let text = mine.to_string();
                        let writes = vec![set("n", &text), set(format!("by/{writer}"), &text)];
                        let options = CommitOptions::default().at(mine);
                        let outcome = if made % 3 == writer {
                            let mut tx = begin(engine, Isolation::Snapshot);
                            for (key, value) in writes {
                                tx.set(key, value.expect("a value")).expect("set");
                            }
                            tx.commit_with(options)
                        } else {
                            engine.commit(writes.into(), options)
                        };
                        match outcome {
                            Ok(info) => {
                                assert_eq!(info.timestamp, mine);
                                assert!(engine.visible() >= mine);
                                made += 1;
                            }
                            // Another took it, or wrote n.
                            Err(error) => {
                                let kind = error.kind().name();
                                assert!(["invalid", "conflict"].contains(&kind), "{error}");
                            }
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let _done = Done(&done);
            writers
                .into_iter()
                .for_each(|writer| writer.join().expect("a writer"));
        });
        scope.spawn(|| {
            let mut last = at(0);
            until(&done, || {
                let snapshot = engine.snapshot().expect("snapshot");
                let timestamp = snapshot.timestamp();
                assert!(
                    timestamp >= last,
                    "time went back from {last} to {timestamp}"
                );
                last = timestamp;
                let n = number(snapshot.get("n").expect("get"));
                assert_eq!(at(n), timestamp);
                let by = rows(snapshot.scan("by/"));
                let newest = by
                    .iter()
                    .map(|row| number(Some(row.1.clone().into())))
                    .max();
                assert_eq!(newest.unwrap_or(0), n);
            });
        });
        scope.spawn(|| {
            until(&done, || {
                let tx = begin(engine, LEVELS[0]);
                let scanned = rows(tx.scan("n")).pop().map(|row| row.1.into());
                assert_eq!(at(number(scanned)), tx.timestamp());
                let before = engine.visible().get();
                let n = number(engine.get("n").expect("get"));
                let after = engine.visible().get();
                assert!(before <= n && n <= after, "{before} <= {n} <= {after}");
            });
        });
    });
}

/// One thread commits and tells another, which must see it in every way.
pub(crate) fn inv_43_who_begins_after_a_commit_returned_sees_it<P: Place>(place: &P) {
    let engine = &place.engine();
    let (tell, told) = mpsc::channel::<(u64, Timestamp)>();
    thread::scope(|scope| {
        for beside in 0..2 {
            scope.spawn(move || {
                for number in 0..COMMITS {
                    engine
                        .set(format!("beside/{beside}"), number.to_string())
                        .expect("set");
                }
            });
        }
        scope.spawn(move || {
            for number in 1..=COMMITS {
                let text = number.to_string();
                let timestamp = if number.is_multiple_of(2) {
                    engine.set("k", &text).expect("set")
                } else {
                    let done = engine.transact(Isolation::Serializable, |tx| tx.set("k", &text));
                    done.expect("commit").timestamp
                };
                tell.send((number, timestamp)).expect("somebody listens");
            }
        });
        for (committed, timestamp) in told {
            assert!(engine.visible() >= timestamp);
            let seen = [
                number(engine.get("k").expect("get")),
                number(engine.multi_get(&["k"]).expect("multi_get").remove(0)),
                number(rows(engine.scan("k")).pop().map(|row| row.1.into())),
                number(engine.snapshot().expect("snapshot").get("k").expect("get")),
                number(begin(engine, LEVELS[0]).get("k").expect("get")),
                number(engine.at(timestamp).expect("at").get("k").expect("get")),
            ];
            assert!(
                seen.iter().all(|seen| *seen >= committed),
                "{committed}: {seen:?}"
            );
            assert_eq!(seen[5], committed);
        }
    });
}

const ACCOUNTS: u64 = 8;
const EACH: u64 = 100;

/// Fills the accounts.
fn fund(engine: &Engine) {
    let accounts = (0..ACCOUNTS).map(|n| set(format!("account/{n}"), EACH.to_string()));
    engine
        .commit(accounts.collect(), CommitOptions::default())
        .expect("commit");
}

/// Moves something from one account to another.
fn transfer(tx: &mut Transaction, from: u64, to: u64) -> Result<()> {
    let (from, to) = (format!("account/{from}"), format!("account/{to}"));
    let (left, got) = (number(tx.get(&from)?), number(tx.get(&to)?));
    if left > 0 {
        tx.set(from, (left - 1).to_string())?;
        tx.set(to, (got + 1).to_string())?;
    }
    Ok(())
}

/// The sum of all accounts in a view, both ways.
fn assert_funded(view: &impl ReadView) {
    let sum =
        |rows: Vec<Row>| -> u64 { rows.into_iter().map(|row| number(Some(row.1.into()))).sum() };
    let all = rows(view.scan("account/"));
    assert_eq!(all.len() as u64, ACCOUNTS);
    assert_eq!(sum(all), ACCOUNTS * EACH);
    assert_eq!(sum(rows(view.scan("account/").rev())), ACCOUNTS * EACH);
}

pub(crate) fn inv_32_transactions_that_keep_a_sum_are_never_seen_half_done<P: Place>(place: &P) {
    let storage = place.open();
    let engine = &Engine::new(&storage);
    fund(engine);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3u64)
            .map(|writer| {
                scope.spawn(move || {
                    for round in 0..COMMITS / 3 {
                        let (from, to) = ((writer + round) % ACCOUNTS, (3 * round) % ACCOUNTS);
                        let isolation = LEVELS[usize::from(round % 2 == 0)];
                        if from != to {
                            let done = engine.transact(isolation, |tx| {
                                if round % 5 == 0 {
                                    assert_funded(tx);
                                }
                                transfer(tx, from, to)
                            });
                            done.expect("commit");
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let _done = Done(&done);
            writers
                .into_iter()
                .for_each(|writer| writer.join().expect("a writer"));
        });
        scope.spawn(|| {
            until(&done, || {
                assert_funded(&engine.snapshot().expect("snapshot"));
                assert_funded(engine);
                assert_funded(&begin(engine, LEVELS[1]));
            });
        });
    });
    assert_nothing_is_held(engine);
    for timestamp in 1..=engine.visible().get() {
        assert_funded(&engine.at(at(timestamp)).expect("at"));
    }
}

/// Transactions go on while the floor follows the newest commit: none is ever refused for it, none
/// reads a wrong sum, and the past that they hold stays.
pub(crate) fn inv_53_pruning_beside_transactions_changes_no_answer<P: Place>(place: &P) {
    let storage = place.open();
    let engine = &Engine::new(&storage);
    fund(engine);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                scope.spawn(move || {
                    for round in 0..COMMITS / 2 {
                        let (from, to) = ((writer + round) % ACCOUNTS, (2 * round) % ACCOUNTS);
                        let work = |tx: &mut Transaction| {
                            let iter = tx.scan("account/");
                            if from != to {
                                transfer(tx, from, to)?;
                            }
                            tx.delete(format!("mark/{writer}"))?;
                            tx.set(format!("mark/{}", writer + round % 3), round.to_string())?;
                            assert_eq!(iter.count() as u64, ACCOUNTS);
                            Ok(())
                        };
                        let isolation = LEVELS[usize::from(round % 2 == 0)];
                        engine.transact(isolation, work).expect("commit");
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let _done = Done(&done);
            writers
                .into_iter()
                .for_each(|writer| writer.join().expect("a writer"));
        });
        scope.spawn(|| {
            until(&done, || {
                let report = engine.prune_before(engine.visible()).expect("prune");
                assert_eq!(report.undecodable_rows, 0);
                let (held, floor) = (report.held_by, report.floor);
                assert!(held.is_none_or(|held| held == floor), "{report:?}");
            });
        });
        scope.spawn(|| {
            until(&done, || {
                // Held over many commits and prunes.
                let reader = TransactionOptions::default().read_only();
                let reader = engine.begin_with(reader).expect("begin");
                let writer = begin(engine, Isolation::Serializable);
                let state = rows(reader.range(..));
                for _ in 0..10 {
                    assert_funded(&reader);
                    assert_funded(&writer);
                    assert_eq!(rows(reader.range(..)), state);
                }
                let past = TransactionOptions::default().at(reader.timestamp());
                let past = engine.begin_with(past).expect("the reader holds it");
                assert_eq!(rows(past.range(..)), state);
            });
        });
    });
    assert_nothing_is_held(engine);
    let report = engine.prune_before(engine.visible()).expect("prune");
    assert_eq!((report.held_by, report.rows_after), (None, 0));
    assert_funded(engine);
}

/// Commit N sets every key to N. Prunes go over readers that are just becoming too old: each read is
/// right or refused.
pub(crate) fn inv_53_a_reader_past_its_age_is_refused_and_never_wrong<P: Place>(place: &P) {
    let storage = place.open_with(Options {
        max_snapshot_age: Some(Duration::from_micros(100)),
        ..Options::default()
    });
    let engine = &Engine::new(&storage);
    let done = AtomicBool::new(false);
    let keys: Vec<_> = (0..5).map(|number| format!("key{number}")).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for number in 1..=5 * COMMITS {
                let writes = keys.iter().map(|key| set(key, number.to_string()));
                engine
                    .commit(writes.collect(), CommitOptions::default())
                    .expect("commit");
                engine.prune_before(at(number)).expect("prune");
            }
        });
        for reader in 0..2 {
            let (keys, done) = (&keys, &done);
            scope.spawn(move || {
                until(done, || {
                    let outcome = if reader == 0 {
                        engine.snapshot().and_then(|view| read_all(&view, keys))
                    } else {
                        let tx = engine.begin(Isolation::Serializable);
                        tx.and_then(|tx| read_all(&tx, keys))
                    };
                    if let Err(error) = outcome {
                        assert_eq!(*error.kind(), ErrorKind::TooOld, "{error}");
                    }
                });
            });
        }
    });
    let last = 5 * COMMITS;
    assert_eq!(number(engine.get("key0").expect("get")), last);
    assert_eq!(
        engine.prune_before(at(last)).expect("prune").floor,
        at(last)
    );
}

/// A view that tells its timestamp in its first key reads the same in all others, in every way.
fn read_all(view: &impl ReadView, keys: &[String]) -> Result<()> {
    let first = view.get(&keys[0])?;
    for _ in 0..3 {
        for key in keys {
            assert_eq!(view.get(key)?, first);
        }
        let values = view.multi_get(keys)?;
        assert!(values.iter().all(|value| *value == first), "{values:?}");
        let mut scanned = 0;
        for row in view.range(..) {
            assert_eq!(Some(row?.1), first);
            scanned += 1;
        }
        assert_eq!(scanned, first.as_ref().map_or(0, |_| keys.len()));
    }
    Ok(())
}

/// A prune waits for the turn to commit, and not with the locks that whoever has the turn may ask for.
pub(crate) fn inv_53_a_prune_lets_a_transaction_in_its_turn_go_on(place: &impl Place) {
    let engine = &place.engine();
    put(engine, "key", "1");
    let last = put(engine, "key", "2");
    thread::scope(|scope| {
        let work = |tx: &mut Transaction| -> Result<_> {
            let begun = Arc::new(AtomicBool::new(false));
            let begins = Arc::clone(&begun);
            let pruner = scope.spawn(move || {
                begins.store(true, Ordering::SeqCst);
                engine.prune_before(last).expect("prune").floor
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            (0..200).for_each(|_| thread::yield_now());
            engine.pin("pin", last, PinOptions::default())?;
            assert_eq!(engine.pins()?.len(), 1);
            engine.unpin("pin")?;
            assert_eq!(engine.prune_before(at(1))?.floor, at(1));
            tx.set("key", "3")?;
            Ok(pruner)
        };
        let done = engine.transact_with(in_its_turn(), CommitOptions::default(), work);
        let pruner = done.expect("a commit in its turn").value;
        assert_eq!(pruner.join().expect("the pruner"), last);
    });
    assert_eq!(engine.get("key").expect("get").as_deref(), Some(&b"3"[..]));
}
