//! Many threads on one store: no read is ever torn, and none is ever wrong.
//!
//! Counts are bounded, nothing sleeps, and every assertion holds for every interleaving.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sapwood::{Engine, ErrorKind, KeyRange, PinOptions, ReadView, Storage, Timestamp};

use crate::support::{Place, Row, all_at, at, bytes, delete, kind, rows, set};

suite!(
    inv_32_what_is_written_together_is_seen_together,
    inv_32_a_key_that_comes_and_goes_is_read_rightly_in_the_past,
    inv_32_keys_that_go_are_read_rightly_in_the_past,
    inv_32_a_scan_sees_no_delete_that_is_under_way,
    inv_43_what_is_read_is_visible,
    inv_24_writers_on_many_threads_take_turns,
    inv_53_pruning_while_keys_are_deleted_again_loses_nothing,
    inv_53_pruning_beside_readers_and_writers_changes_no_answer,
    inv_53_pins_beside_pruning_keep_what_they_see,
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
