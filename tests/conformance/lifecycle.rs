//! Handles, closing and reopening.

use sapwood::{
    Batch, CommitOptions, Durability, Engine, Isolation, KeyRange, PinOptions, ReadView, Result,
    Storage, Timestamp,
};

use crate::{
    grid::WORLD,
    support::{LEVELS, Place, all_at, at, begin, kind, rows, set, visited},
};

suite!(
    inv_42_timestamps_go_on_after_reopening,
    inv_42_reopening_again_and_again_changes_nothing,
    inv_42_no_timestamp_is_given_again_whatever_the_last_commit_was,
    inv_42_transactions_on_many_threads_take_unique_timestamps,
    clones_and_engines_are_the_same_store,
    after_close_every_call_is_refused,
);

pub(crate) fn inv_42_timestamps_go_on_after_reopening(place: &impl Place) {
    let mut storage = place.open();
    for number in 1..=5 {
        assert_eq!(storage.set(b"k", b"v").expect("set"), at(2 * number - 1));
        storage = place.reopen(storage);
        assert_eq!(storage.visible(), at(2 * number - 1));
        assert_eq!(storage.delete(b"k").expect("delete"), at(2 * number));
        storage = place.reopen(storage);
        assert_eq!(storage.visible(), at(2 * number));
    }
    storage.prune_before(at(10)).expect("everything");
    storage = place.reopen(storage);
    assert_eq!(storage.set(b"k", b"v").expect("set"), at(11));
}

pub(crate) fn inv_42_reopening_again_and_again_changes_nothing(place: &impl Place) {
    let mut storage = place.open();
    WORLD.play(&storage);
    storage
        .pin("held", at(3), PinOptions::default())
        .expect("pin");
    storage.prune_before(at(6)).expect("prune");
    for _ in 0..5 {
        storage = place.reopen(storage);
        assert_eq!((storage.visible(), storage.floor()), (at(12), at(6)));
        assert_eq!(Engine::new(&storage).pins().expect("pins").len(), 1);
        WORLD.check_at(&storage, 3);
        WORLD.check_pruned(&storage, 4);
        WORLD.check_from(&storage, 6);
    }
}

pub(crate) fn inv_42_no_timestamp_is_given_again_whatever_the_last_commit_was(place: &impl Place) {
    type Last = fn(&Engine) -> Result<Timestamp>;
    let lasts: [(&str, Last); 8] = [
        ("a transaction", |engine| {
            let done = engine.transact(Isolation::Serializable, |tx| tx.set("k", "v"))?;
            Ok(done.timestamp)
        }),
        ("one that deletes", |engine| {
            let done = engine.transact(Isolation::Snapshot, |tx| tx.delete("k"))?;
            Ok(done.timestamp)
        }),
        ("one that deletes what is not there", |engine| {
            let done = engine.transact(Isolation::Snapshot, |tx| tx.delete("missing"))?;
            Ok(done.timestamp)
        }),
        ("nothing", |engine| {
            let batch = engine.commit(Batch::new(), CommitOptions::default())?;
            Ok(batch.timestamp)
        }),
        ("synced", |engine| {
            let synced = CommitOptions::default().durability(Durability::Sync);
            Ok(engine.commit(Batch::new(), synced)?.timestamp)
        }),
        ("one that lost", |engine| {
            let mut lost = begin(engine, Isolation::Serializable);
            lost.set("k", "lost")?;
            let winner = engine.set("k", "v")?;
            assert_eq!(kind(lost.commit()), "conflict");
            Ok(winner)
        }),
        ("one that only read", |engine| {
            let last = engine.set("k", "v")?;
            let read = engine.transact(Isolation::Serializable, |tx| tx.get("k"))?;
            assert_eq!(read.timestamp, last);
            Ok(last)
        }),
        ("pruned away", |engine| {
            engine.delete_range(..)?;
            let last = engine.visible();
            assert_eq!(engine.prune_before(last)?.rows_after, 0);
            Ok(last)
        }),
    ];
    let mut storage = place.open();
    let mut expected = 0;
    for (name, last) in lasts {
        let engine = Engine::new(&storage);
        let timestamp = last(&engine).expect(name);
        assert!(timestamp.get() > expected, "{name}");
        expected = timestamp.get();
        drop(engine);
        storage = place.reopen(storage);
        assert_eq!(storage.visible(), timestamp, "{name}");
        let next = storage.set(b"next", name.as_bytes()).expect("set");
        assert_eq!(next, at(expected + 1), "{name}");
        expected += 1;
    }
}

pub(crate) fn inv_42_transactions_on_many_threads_take_unique_timestamps<P: Place>(place: &P) {
    const EACH: u64 = 40;
    let mut storage = place.open();
    let mut timestamps = Vec::new();
    for opening in 0..3 {
        let engine = Engine::new(&storage);
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let engine = engine.clone();
                    scope.spawn(move || {
                        let mut last = engine.visible();
                        let mut found = Vec::new();
                        for number in 0..EACH {
                            let isolation = LEVELS[usize::from(number % 2 == 0)];
                            let done = engine.transact(isolation, |tx| {
                                tx.set(format!("{opening}/{thread}/{number}"), "")?;
                                // Some meet each other.
                                tx.delete(format!("shared/{}", number % 3))
                            });
                            let timestamp = done.expect("commit").timestamp;
                            assert!(timestamp > last, "{timestamp} after {last}");
                            assert!(engine.visible() >= timestamp);
                            last = timestamp;
                            found.push(timestamp);
                        }
                        found
                    })
                })
                .collect();
            let found = threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("a thread"));
            found.collect()
        });
        timestamps.extend(found);
        drop(engine);
        storage = place.reopen(storage);
    }
    timestamps.sort_unstable();
    let wanted: Vec<_> = (1..=3 * 4 * EACH).map(at).collect();
    assert_eq!(timestamps, wanted, "no gap, none twice");
}

pub(crate) fn clones_and_engines_are_the_same_store(place: &impl Place) {
    let storage = place.open();
    let (clone, engine) = (storage.clone(), Engine::new(&storage));
    let other = engine.clone();
    storage.set(b"a", b"1").expect("set");
    clone.set(b"b", b"2").expect("set");
    engine.set(b"c", b"3").expect("set");
    let snapshot = other.snapshot().expect("snapshot");
    assert_eq!(snapshot.timestamp(), at(3));
    drop((storage, other));
    assert_eq!(clone.scan(b"").expect("scan").len(), 3);
    assert_eq!(engine.visible(), clone.visible());
    drop((clone, engine));
    assert_eq!(
        rows(snapshot.range(..)).len(),
        3,
        "a snapshot outlives the handles"
    );
}

pub(crate) fn after_close_every_call_is_refused(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let engine = Engine::new(&storage);
    let snapshot = engine.at(at(5)).expect("at");
    let mut begun = all_at(&storage, at(5));
    begun.next().expect("a row").expect("a row");
    let mut diff = engine.diff(at(1), at(9)).expect("diff");
    let mut history = engine.history("bee", ..).expect("history");
    history.next().expect("a version").expect("a version");
    engine.close().expect("close");
    engine.close().expect("closing again is nothing");
    let new_iterator = kind(storage.range(KeyRange::all()).next().expect("an error"));
    let refused = [
        kind(storage.get(b"k")),
        kind(storage.multi_get(&[b"k"])),
        kind(storage.contains(b"k")),
        kind(storage.scan(b"")),
        new_iterator,
        kind(storage.set(b"k", b"v")),
        kind(storage.delete(b"k")),
        kind(storage.write_batch(vec![set("k", "v")])),
        kind(storage.commit_at(at(99), vec![])),
        kind(storage.delete_range(&KeyRange::all())),
        kind(storage.compare_and_set(b"k", None, None)),
        kind(storage.get_at(b"k", at(5))),
        kind(storage.multi_get_at(&[b"k"], at(5))),
        kind(storage.contains_at(b"k", at(5))),
        kind(storage.scan_at(b"", at(5))),
        kind(all_at(&storage, at(5)).next().expect("an error")),
        kind(storage.history(b"k", at(0), at(5))),
        kind(storage.diff(at(1), at(2))),
        kind(storage.pin("p", at(5), PinOptions::default())),
        kind(storage.unpin("p")),
        kind(storage.prune_before(at(5))),
        kind(engine.snapshot()),
        kind(engine.at(at(5))),
        kind(engine.pins()),
        kind(engine.status()),
        kind(engine.sizes()),
        kind(engine.flush()),
        kind(engine.compact()),
        kind(snapshot.get(b"k")),
        kind(snapshot.multi_get(&[b"k"])),
        kind(snapshot.range(..).next().expect("an error")),
        kind(visited(&snapshot, .., usize::MAX)),
        kind(visited(&engine, .., usize::MAX)),
        kind(begun.next().expect("an error")),
        kind(diff.next().expect("an error")),
        kind(history.next_back().expect("an error")),
    ];
    assert_eq!(refused, ["closed"; 36]);
    assert!(
        begun.next().is_none() && diff.next().is_none() && history.next().is_none(),
        "after an error they end"
    );
    drop((snapshot, begun, diff, history, engine));
    let storage = place.reopen(storage);
    if storage.get(b"bee").is_ok() {
        WORLD.check_from(&storage, 0);
    }
}
