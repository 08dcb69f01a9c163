//! Rolling back: what is left, who may go on, what is refused, and what is seen meanwhile.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use sapwood::{
    CommitOptions, Engine, ErrorKind, Isolation, KeyRange, PinOptions, ReadView, Result, Snapshot,
    Storage, TimestampSource, Transaction, TransactionOptions,
};

use crate::{
    grid::{Grid, WORLD},
    support::{
        LEVELS, Place, all_at, assert_nothing_is_held, at, begin, bytes, conflict, delete, error,
        in_its_turn, keys, kind, put, row, rows, set, show, versions,
    },
};

suite!(
    inv_61_after_a_rollback_every_timestamp_is_as_it_was,
    inv_61_other_blocks_at_the_same_heights_are_the_only_ones,
    inv_61_a_rollback_into_a_gap_goes_on_from_there,
    inv_61_a_key_that_came_and_went_comes_anew,
    inv_61_the_epoch_is_there_after_reopening,
    inv_61_a_snapshot_above_the_target_is_refused_and_one_below_goes_on,
    inv_61_an_iterator_goes_on_where_it_was,
    inv_61_what_shows_rows_goes_on_where_it_was,
    inv_61_listings_above_the_target_are_refused,
    inv_61_a_transaction_above_the_target_loses,
    inv_61_a_transaction_at_or_below_the_target_is_checked_against_what_is,
    inv_61_transact_begins_anew_after_a_rollback,
    inv_61_a_position_of_an_abandoned_past_is_told,
    inv_61_what_cannot_be_rolled_back_is_refused_and_changes_nothing,
    inv_61_the_newest_timestamp_is_no_rollback,
    inv_61_reads_beside_rollbacks_see_the_one_or_the_other,
    inv_61_transactions_beside_rollbacks_lose_no_update,
    inv_61_a_prune_beside_rollbacks_stays_below_what_is_visible,
);

fn roll_back(storage: &impl Storage, target: u64) -> u64 {
    let report = storage.rollback_to(at(target)).expect("rollback");
    assert_eq!(report.visible, at(target));
    assert_eq!(storage.visible(), at(target));
    assert_eq!(storage.epoch(), report.epoch);
    report.epoch
}

/// Sets `k` to each number up to the last.
fn count_to(storage: &impl Storage, last: u64) {
    for number in storage.visible().get() + 1..=last {
        storage
            .set(b"k", number.to_string().as_bytes())
            .expect("set");
    }
}

pub(crate) fn inv_61_after_a_rollback_every_timestamp_is_as_it_was(place: &impl Place) {
    let mut storage = place.open();
    WORLD.play(&storage);
    for (epoch, target) in (1..).zip((0..WORLD.last()).rev()) {
        assert_eq!(roll_back(&storage, target), epoch);
        storage = place.settle(storage, |storage| {
            WORLD.check_from(storage, 0);
            assert_eq!(kind(storage.get_at(b"ant", at(target + 1))), "not_yet");
            for (key, line) in WORLD.0 {
                let starts = (1..=target).filter(|column| {
                    let value = Grid::value(line, *column);
                    value.is_some() && value != Grid::value(line, column - 1)
                });
                let listed = versions(storage, key);
                assert_eq!(listed.len(), starts.count(), "{key}: {listed:?}");
            }
        });
        // Up again, and back from further up.
        WORLD.play(&storage);
        WORLD.check_from(&storage, 0);
    }
}

pub(crate) fn inv_61_other_blocks_at_the_same_heights_are_the_only_ones(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    roll_back(&storage, 4);
    let next = storage.write_batch(vec![set("ant", "new"), delete("cat"), set("fox", "new")]);
    assert_eq!(next.expect("a commit"), at(5));
    storage
        .write_batch(vec![set("yak", "1"), delete("ant")])
        .expect("a commit");
    place.settle(storage, |storage| {
        (0..=4).for_each(|column| WORLD.check_at(storage, column));
        assert_eq!(versions(storage, "ant"), ["5..6 new", "4..5 b", "1..4 a"]);
        assert_eq!(versions(storage, "cat"), ["1..5 a"]);
        assert_eq!(versions(storage, "fox"), ["5.. new", "3..4 b", "1..2 a"]);
        assert_eq!(versions(storage, "hen"), ["1..2 a"]);
        assert_eq!(versions(storage, "gnu"), [""; 0]);
        let changes = storage.diff(at(4), at(6)).expect("diff");
        let changes: Vec<_> = changes
            .map(|change| change.expect("a change").key)
            .collect();
        assert_eq!(changes, ["ant", "cat", "fox", "yak"]);
        let live = rows(all_at(storage, at(6)));
        assert_eq!(keys(&live), [&b"bee"[..], b"dog", b"fox", b"ibis", b"yak"]);
        let status = Engine::new(storage).status().expect("status");
        assert_eq!((status.visible, status.epoch, status.keys), (at(6), 1, 5));
    });
}

pub(crate) fn inv_61_a_rollback_into_a_gap_goes_on_from_there(place: &impl Place) {
    let storage = place.open_numbered(TimestampSource::CallerGiven);
    let commit = |height, value: &str| storage.commit_at(at(height), vec![set("k", value)]);
    for height in [10, 20, 30] {
        commit(height, &height.to_string()).expect("commit");
    }
    roll_back(&storage, 15);
    assert_eq!(storage.get(b"k").expect("get"), Some(bytes("10")));
    assert_eq!(
        storage.get_at(b"k", at(15)).expect("get"),
        Some(bytes("10"))
    );
    assert_eq!(kind(commit(15, "x")), "invalid");
    // Again, where no commit is above it but the gap.
    assert_eq!(roll_back(&storage, 12), 2);
    commit(13, "13").expect("commit");
    assert_eq!(versions(&storage, "k"), ["13.. 13", "10..13 10"]);
    roll_back(&storage, 12);
    let storage = place.reopen(storage);
    assert_eq!((storage.visible(), storage.epoch()), (at(12), 3));
    let timestamp = Engine::new(&storage).commit_at(at(13), sapwood::Batch::new());
    assert_eq!(timestamp.expect("commit").timestamp, at(13));
}

/// Its times of deletes must not stand in the way of what is merged later.
pub(crate) fn inv_61_a_key_that_came_and_went_comes_anew(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    put(&engine, "other", "1");
    for value in ["2", "3", "4"] {
        put(&engine, "k", value);
        storage.delete(b"k").expect("delete");
    }
    roll_back(&storage, 1);
    assert_eq!(storage.get(b"k").expect("get"), None);
    put(&engine, "k", "new");
    drop(engine);
    let storage = place.settle(storage, |storage| {
        assert_eq!(versions(storage, "k"), ["2.. new"]);
        assert_eq!(storage.get(b"k").expect("get"), Some(bytes("new")));
    });
    storage.delete(b"k").expect("delete");
    count_to(&storage, 9);
    // It existed before, and did not at the target: nor where its versions of the past were.
    roll_back(&storage, 3);
    for number in 4..=9 {
        assert_eq!(storage.set(b"other", b"2").expect("set"), at(number));
    }
    place.settle(storage, |storage| {
        assert_eq!(versions(storage, "k"), ["2..3 new"]);
        for number in 3..=9 {
            let found = storage.get_at(b"k", at(number)).expect("get");
            assert_eq!(found, None, "at {number}");
        }
        assert_eq!(
            storage.get_at(b"k", at(2)).expect("get"),
            Some(bytes("new"))
        );
        assert_eq!(storage.get(b"k").expect("get"), None);
        assert_eq!(rows(all_at(storage, at(2))).len(), 2);
    });
}

pub(crate) fn inv_61_the_epoch_is_there_after_reopening(place: &impl Place) {
    let mut storage = place.open();
    for epoch in 1..4 {
        count_to(&storage, 10);
        assert_eq!(roll_back(&storage, 10 - epoch), epoch);
        storage = place.reopen(storage);
        let engine = Engine::new(&storage);
        assert_eq!((engine.epoch(), engine.visible()), (epoch, at(10 - epoch)));
        assert_eq!(engine.status().expect("status").epoch, epoch);
    }
}

pub(crate) fn inv_61_a_snapshot_above_the_target_is_refused_and_one_below_goes_on(
    place: &impl Place,
) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let snapshots = [2, 5, 6, 12].map(|column| engine.at(at(column)).expect("at"));
    roll_back(&storage, 5);
    for again in 0..2 {
        for snapshot in &snapshots {
            let column = snapshot.timestamp().get();
            if column <= 5 {
                WORLD.check_view(snapshot, column);
                continue;
            }
            let error = error(snapshot.get(b"ant"));
            assert_eq!(*error.kind(), ErrorKind::TooOld);
            let told = error.to_string();
            assert!(error.is_retryable() && told.contains("back to 5"), "{told}");
            assert_eq!(kind(snapshot.multi_get(&[b"ant"])), "too_old");
            assert_eq!(
                kind(snapshot.range(..).next().expect("an error")),
                "too_old"
            );
            assert_eq!(kind(snapshot.clone().get(b"ant")), "too_old");
        }
        // Once more where their timestamps were given again.
        if again == 0 {
            count_to(&storage, 20);
        }
    }
    let report = storage.prune_before(at(20)).expect("prune");
    assert_eq!(report.held_by, Some(at(2)), "those above hold nothing");
    drop(snapshots);
    drop(engine);
    assert_nothing_is_held(&Engine::new(&storage));
}

pub(crate) fn inv_61_an_iterator_goes_on_where_it_was(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let state = WORLD.state(6);
    for given in 0..=state.len() {
        if given % 2 == 1 {
            // With rows that will move, not only what is in memory.
            Engine::new(&storage).compact().expect("compact");
        }
        let mut iter = all_at(&storage, at(6));
        let mut untouched = storage.range_at(KeyRange::prefix(b"a"), at(6));
        let mut above = all_at(&storage, at(9));
        above.next().expect("a row").expect("a row");
        let mut found = (Vec::new(), Vec::new());
        for number in 0..state.len() {
            if number == given {
                roll_back(&storage, 7);
            }
            if number % 3 == 0 {
                found.1.extend(rows(iter.next_back().into_iter()));
            } else {
                found.0.extend(rows(iter.next().into_iter()));
            }
        }
        if given == state.len() {
            roll_back(&storage, 7);
        }
        assert!(iter.next().is_none() && iter.next_back().is_none());
        found.1.reverse();
        assert_eq!([found.0, found.1].concat(), state, "after {given}");
        assert_eq!(rows(&mut untouched).len(), 2);
        assert_eq!(kind(above.next().expect("an error")), "too_old");
        assert!(above.next().is_none(), "after an error it ends");
        WORLD.play(&storage);
    }
}

/// Whoever is shown rows rolls back meanwhile, after each of them in turn.
pub(crate) fn inv_61_what_shows_rows_goes_on_where_it_was(place: &impl Place) {
    const KEYS: u64 = 150;
    let storage = place.open();
    let engine = Engine::new(&storage);
    let write = |text: &str, step: usize| {
        let numbers = (0..KEYS).step_by(step);
        let writes = numbers
            .map(|number| set(format!("k{number:03}"), text))
            .collect();
        storage.write_batch(writes).expect("commit");
    };
    write("first", 1);
    engine.compact().expect("compact");
    for after in [0, 1, 2, 3, 62, 63, 64, 65, 66, 100, 149] {
        for is_merged in [false, true] {
            // In memory, in part over rows in files.
            write("second", 3);
            let beside = (0..KEYS)
                .step_by(5)
                .map(|number| set(format!("k{number:03} {after} {is_merged}"), "a new key"));
            storage.write_batch(beside.collect()).expect("commit");
            let target = storage.visible().get();
            let state = rows(all_at(&storage, at(target)));
            write("abandoned", 2);
            if is_merged {
                engine.compact().expect("compact");
            }
            let show = |view: &Snapshot| {
                let mut shown = Vec::new();
                let ended = view.visit(.., |key, value| {
                    if shown.len() == after && storage.visible() > at(target) {
                        roll_back(&storage, target);
                    }
                    shown.push(row(key, value));
                    ControlFlow::<()>::Continue(())
                });
                (shown, ended)
            };
            let above = engine.at(at(target + 1)).expect("a snapshot");
            let below = engine.at(at(target)).expect("a snapshot");
            let (shown, ended) = show(&below);
            assert_eq!(ended.expect("a snapshot at the target goes on"), None);
            assert_eq!(shown, state, "after {after}, merged: {is_merged}");
            assert_eq!(storage.visible(), at(target));
            let (shown, ended) = show(&above);
            assert_eq!((shown.len(), kind(ended)), (0, "too_old"));

            write("abandoned", 2);
            if is_merged {
                engine.compact().expect("compact");
            }
            let above = engine.at(at(target + 1)).expect("a snapshot");
            let (shown, ended) = show(&above);
            assert_eq!(kind(ended), "too_old");
            assert!(
                (after..after + 100).contains(&shown.len()),
                "{}",
                shown.len()
            );
        }
    }
}

pub(crate) fn inv_61_listings_above_the_target_are_refused(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    count_to(&storage, 4);
    let mut below = storage.history(b"k", at(0), at(9)).expect("history");
    let diffs = [(1, 3), (1, 4), (4, 4)];
    let diffs = diffs.map(|(old, new)| storage.diff(at(old), at(new)).expect("diff"));
    count_to(&storage, 8);
    let mut above = storage.history(b"k", at(0), at(9)).expect("history");
    assert_eq!(show(above.next().expect("one").expect("one")), "8.. 8");
    let mut diff = storage.diff(at(1), at(5)).expect("diff");
    roll_back(&storage, 4);
    put(&engine, "k", "new");
    assert_eq!(kind(above.next().expect("an error")), "too_old");
    assert!(above.next_back().is_none(), "after an error it ends");
    assert_eq!(kind(diff.next().expect("an error")), "too_old");
    // As of 4, when it was asked for.
    let listed: Vec<_> = below
        .by_ref()
        .map(|version| show(version.expect("one")))
        .collect();
    assert_eq!(listed, ["4.. 4", "3..4 3", "2..3 2", "1..2 1"]);
    let shown = diffs.map(|diff| {
        let value = |change: Result<sapwood::Change>| change.expect("a change").new;
        diff.filter_map(value).collect::<Vec<_>>()
    });
    assert_eq!(shown, [vec!["3"], vec!["4"], vec![]]);
}

pub(crate) fn inv_61_a_transaction_above_the_target_loses(place: &impl Place) {
    for level in LEVELS {
        let storage = place.open();
        let engine = Engine::new(&storage);
        count_to(&storage, storage.visible().get() + 3);
        let target = storage.visible().get() - 1;
        let mut writes = begin(&engine, level);
        writes.set(b"x", b"1").expect("set");
        let reads = begin(&engine, level);
        let only_reads = TransactionOptions::default().read_only();
        let only_reads = engine.begin_with(only_reads).expect("begin");
        let mut iter = reads.range(..);
        assert!(only_reads.get(b"k").expect("get").is_some());
        roll_back(&storage, target);
        assert_eq!(kind(iter.next().expect("an error")), "too_old");
        assert_eq!(kind(writes.get(b"k")), "too_old");
        assert_eq!(
            writes.get(b"x").expect("its own").as_deref(),
            Some(&b"1"[..])
        );
        count_to(&storage, target + 5);
        for transaction in [writes, reads, only_reads] {
            let error = error(transaction.commit());
            assert_eq!(*error.kind(), ErrorKind::TooOld);
            assert!(error.is_retryable());
        }
        drop(iter);
        assert_eq!(storage.get(b"x").expect("get"), None);
        assert_nothing_is_held(&engine);
        // Nor does it stand in the way of others.
        let mut next = begin(&engine, level);
        next.set(b"x", b"2").expect("set");
        next.commit().expect("commit");
        storage.delete(b"x").expect("delete");
    }
}

pub(crate) fn inv_61_a_transaction_at_or_below_the_target_is_checked_against_what_is(
    place: &impl Place,
) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    put(&engine, "a", "1");
    put(&engine, "b", "1");
    let read_and_write = |read: &str| {
        let mut transaction = begin(&engine, Isolation::Serializable);
        transaction.get(read).expect("get");
        transaction.set(read, b"mine").expect("set");
        transaction
    };
    let (of_a, of_b) = (read_and_write("a"), read_and_write("b"));
    put(&engine, "a", "3");
    let at_target = read_and_write("a");
    // Both are changed above the target, which then never was.
    put(&engine, "a", "4");
    put(&engine, "b", "5");
    roll_back(&storage, 3);
    assert_eq!(conflict(of_a.commit()), ("a".to_owned(), at(2), at(3)));
    assert_eq!(of_b.commit().expect("commit").timestamp, at(4));
    assert_eq!(at_target.commit().expect("commit").timestamp, at(5));
    let late = read_and_write("a");
    put(&engine, "a", "6");
    put(&engine, "z", "7");
    roll_back(&storage, 6);
    assert_eq!(conflict(late.commit()), ("a".to_owned(), at(5), at(6)));
    assert_eq!(
        versions(&storage, "a"),
        ["6.. 6", "5..6 mine", "3..5 3", "1..3 1"]
    );
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_61_transact_begins_anew_after_a_rollback(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    count_to(&storage, 5);
    let mut attempts = 0;
    let append = |tx: &mut Transaction| -> Result<()> {
        attempts += 1;
        if attempts == 1 {
            roll_back(&storage, 3);
        }
        let value = tx.get(b"k")?.expect("it is there");
        tx.set(b"k", [value.as_ref(), b"!"].concat())
    };
    let done = engine
        .transact(Isolation::Serializable, append)
        .expect("transact");
    assert_eq!((done.timestamp, done.retries), (at(4), 1));
    assert_eq!(versions(&storage, "k")[0], "4.. 3!");
    // However few attempts it has: in the turn nothing can be rolled back.
    let mut attempts = 0;
    let append = |tx: &mut Transaction| -> Result<()> {
        attempts += 1;
        if attempts == 1 {
            roll_back(&storage, 3);
        }
        let value = tx.get(b"k")?.expect("it is there");
        tx.set(b"k", [value.as_ref(), b"?"].concat())
    };
    let once = TransactionOptions::default().attempts(1);
    let done = engine.transact_with(once, CommitOptions::default(), append);
    let done = done.expect("transact");
    assert_eq!((done.timestamp, done.retries), (at(4), 1));
    assert_eq!(versions(&storage, "k")[0], "4.. 3?");
    // In its own turn a thread cannot roll back: it would wait for itself.
    let refused = engine.transact_with(in_its_turn(), CommitOptions::default(), |_| {
        storage.rollback_to(at(1))
    });
    assert_eq!(kind(refused), "invalid");
    assert_eq!(storage.epoch(), 2);
}

pub(crate) fn inv_61_a_position_of_an_abandoned_past_is_told(place: &impl Place) {
    let storage = place.open();
    let check = |storage: &_, number, epoch| {
        let found = Engine::new(storage).check_position(at(number), epoch);
        found.map_or_else(|error| error.kind().name(), |()| "ok")
    };
    count_to(&storage, 10);
    assert_eq!(check(&storage, 10, 0), "ok");
    assert_eq!(check(&storage, 11, 0), "not_yet");
    assert_eq!(check(&storage, 1, 1), "invalid");
    roll_back(&storage, 6);
    count_to(&storage, 10);
    roll_back(&storage, 8);
    count_to(&storage, 10);
    let storage = place.settle(storage, |storage| {
        let told = |epoch| [6, 7, 8, 9].map(|number| check(storage, number, epoch));
        assert_eq!(told(0), ["ok", "too_old", "too_old", "too_old"]);
        assert_eq!(told(1), ["ok", "ok", "ok", "too_old"]);
        assert_eq!(told(2), ["ok"; 4]);
        assert_eq!(check(storage, 1, 3), "invalid");
    });
    roll_back(&storage, 3);
    count_to(&storage, 10);
    place.settle(storage, |storage| {
        for epoch in 0..3 {
            let told = [3, 4, 10].map(|number| check(storage, number, epoch));
            assert_eq!(told, ["ok", "too_old", "too_old"], "{epoch}");
        }
        assert_eq!(check(storage, 10, 3), "ok");
    });
}

pub(crate) fn inv_61_what_cannot_be_rolled_back_is_refused_and_changes_nothing(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    storage.prune_before(at(5)).expect("prune");
    let pin = |name, number| storage.pin(name, at(number), PinOptions::default());
    pin("at", 6).expect("pin");
    pin("above", 7).expect("pin");
    let refused = |target| error(storage.rollback_to(at(target)));
    let pruned = ErrorKind::Pruned {
        requested: at(4),
        floor: at(5),
    };
    assert_eq!(*refused(4).kind(), pruned);
    assert_eq!(refused(0).kind().name(), "pruned");
    assert_eq!(refused(13).kind().name(), "not_yet");
    let pinned = refused(6);
    assert_eq!(*pinned.kind(), ErrorKind::Invalid);
    let told = pinned.to_string();
    assert!(told.contains("\"above\"") && told.contains('7'), "{told}");
    assert_eq!((storage.epoch(), storage.visible()), (0, at(WORLD.last())));
    WORLD.check_from(&storage, 5);
    storage.unpin("above").expect("unpin");
    roll_back(&storage, 6);
    WORLD.check_from(&storage, 5);
    assert_eq!(kind(pin("above", 7)), "not_yet");
    // To the floor itself; a pin below it goes on.
    storage.prune_before(at(6)).expect("prune");
    WORLD.play(&storage);
    storage.prune_before(at(7)).expect("prune");
    roll_back(&storage, 7);
    WORLD.check_at(&storage, 6);
    WORLD.check_from(&storage, 7);
    assert_eq!(refused(6).kind().name(), "pruned", "the pin does not help");
    assert_eq!(storage.prune_before(at(7)).expect("prune").floor, at(7));
    WORLD.check_at(&storage, 6);
    engine.close().expect("close");
    assert_eq!(kind(storage.rollback_to(at(7))), "closed");
    assert_eq!(kind(engine.check_position(at(7), 0)), "closed");
}

pub(crate) fn inv_61_the_newest_timestamp_is_no_rollback(place: &impl Place) {
    let storage = place.open();
    assert_eq!(roll_back(&storage, 0), 0);
    count_to(&storage, 3);
    let snapshot = Engine::new(&storage).snapshot().expect("snapshot");
    assert_eq!(roll_back(&storage, 3), 0);
    assert_eq!(snapshot.get(b"k").expect("get").as_deref(), Some(&b"3"[..]));
    assert_eq!(roll_back(&storage, 0), 1);
    assert_eq!(rows(storage.range(KeyRange::all())), []);
    assert_eq!(versions(&storage, "k"), [""; 0]);
    assert_eq!(storage.set(b"k", b"1").expect("set"), at(1));
}

/// Sets the flag when it goes, however its thread ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The keys that each commit sets to one large value, so that a rollback takes several batches.
const KEYS: u64 = 24;
/// What is at or below this is never rolled back.
const KEPT: u64 = 4;

fn all_keys() -> Vec<String> {
    (0..KEYS).map(|key| format!("key{key:02}")).collect()
}

fn write_all(storage: &impl Storage, tag: &str) {
    let value = [tag.as_bytes(), &vec![b'.'; 100_000]].concat();
    let writes = all_keys().iter().map(|key| set(key, &value)).collect();
    storage.write_batch(writes).expect("a commit");
}

/// Whether a value is that of a commit that is kept.
fn is_of(value: &[u8], number: u64) -> bool {
    value.starts_with(format!("kept {number}.").as_bytes())
}

/// What may happen to a reader that looked at the newest state: a rollback has abandoned it.
fn assert_is_past(error: &sapwood::Error) {
    let name = error.kind().name();
    assert!(["too_old", "not_yet"].contains(&name), "{error}");
}

/// The newest state is that of one commit.
fn check_newest(engine: &Engine) {
    let mut values = engine.multi_get(&all_keys()).expect("multi_get");
    values.dedup();
    assert!(values.len() == 1 && values[0].is_some(), "a torn read");
    let found: Result<Vec<_>> = engine.range(..).map(|row| Ok(row?.1)).collect();
    match found {
        Ok(mut values) => {
            assert_eq!(values.len() as u64, KEYS);
            values.dedup();
            assert_eq!(values.len(), 1, "a torn scan");
        }
        Err(error) => assert_is_past(&error),
    }
    assert!(engine.get("key00").expect("get").is_some());
    let history = engine.history("key07", at(0)..at(KEPT + 1));
    let starts = |history: sapwood::History| -> Result<Vec<u64>> {
        history.map(|version| Ok(version?.start.get())).collect()
    };
    match history.and_then(starts) {
        Ok(starts) => assert!(starts.into_iter().eq((1..=KEPT).rev())),
        Err(error) => assert_is_past(&error),
    }
}

/// The past below every target does not change.
fn check_kept(storage: &impl Storage, held: &Snapshot) {
    let number = held.timestamp().get();
    for key in ["key00", "key23"] {
        let found = storage.get_at(key.as_bytes(), at(KEPT)).expect("get_at");
        assert!(is_of(&found.expect("a value"), KEPT));
        let found = held.get(key).expect("it goes on");
        assert!(is_of(&found.expect("a value"), number));
    }
    let found = held.range(..).rev().map(|row| row.expect("a row").1);
    let found: Vec<_> = found.collect();
    assert_eq!(found.len() as u64, KEYS);
    assert!(found.iter().all(|value| is_of(value, number)));
    let changes: Result<Vec<_>> = storage.diff(at(1), at(KEPT)).expect("diff").collect();
    assert_eq!(changes.expect("changes").len() as u64, KEYS);
}

pub(crate) fn inv_61_reads_beside_rollbacks_see_the_one_or_the_other<P: Place>(place: &P) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    (1..=KEPT).for_each(|number| write_all(&storage, &format!("kept {number}")));
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let is_done = || done.load(Ordering::SeqCst);
    let held = engine.at(at(2)).expect("at");
    let mut slow = all_at(&storage, at(3));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for round in 0..12 {
                write_all(&storage, &format!("round {round}, first"));
                write_all(&storage, &format!("round {round}, second"));
                roll_back(&storage, KEPT + round % 2);
                rounds.fetch_add(1, Ordering::SeqCst);
            }
            roll_back(&storage, KEPT);
        });
        scope.spawn(|| {
            while !is_done() {
                check_newest(&engine);
            }
        });
        scope.spawn(|| {
            while !is_done() {
                check_kept(&storage, &held);
            }
        });
        // Two rows in each round.
        scope.spawn(|| {
            let (mut seen, mut round) = (Vec::new(), 0);
            while seen.len() as u64 != KEYS {
                while rounds.load(Ordering::SeqCst) == round && !is_done() {
                    thread::yield_now();
                }
                round = rounds.load(Ordering::SeqCst);
                for (key, value) in rows(slow.by_ref().take(2)) {
                    assert!(is_of(&value, 3), "{}", key.escape_ascii());
                    seen.push(key);
                }
            }
            assert!(slow.next().is_none());
            assert_eq!(seen, all_keys().iter().map(bytes).collect::<Vec<_>>());
        });
        // Pruning and pins beside it.
        scope.spawn(|| {
            while !is_done() {
                storage.prune_before(at(1)).expect("prune");
                storage.pin("p", at(2), PinOptions::default()).expect("pin");
                assert_eq!(engine.status().expect("status").keys, KEYS);
                storage.unpin("p").expect("unpin");
            }
        });
    });
    drop((held, engine));
    assert_eq!(storage.visible(), at(KEPT));
    assert_eq!(versions(&storage, "key00").len() as u64, KEPT);
    place.settle(storage, |storage| {
        for number in 1..=KEPT {
            let state = rows(all_at(storage, at(number)));
            assert!(state.iter().all(|(_, value)| is_of(value, number)));
        }
    });
}

pub(crate) fn inv_61_a_prune_beside_rollbacks_stays_below_what_is_visible<P: Place>(place: &P) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for _ in 0..300 {
                count_to(&storage, storage.visible().get() + 3);
                let target = storage.visible().get() - 2;
                if let Err(error) = storage.rollback_to(at(target)) {
                    assert_eq!(error.kind().name(), "pruned");
                }
                // No commit comes between the two.
                assert!(storage.floor() <= storage.visible());
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                if let Err(error) = storage.prune_before(storage.visible()) {
                    assert_eq!(error.kind().name(), "not_yet");
                }
            }
        });
    });
}

/// Counters that several threads count up while others roll back: each version is one more than the one before.
pub(crate) fn inv_61_transactions_beside_rollbacks_lose_no_update<P: Place>(place: &P) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let number =
        |value: &[u8]| -> u64 { String::from_utf8_lossy(value).parse().expect("a number") };
    put(&engine, "a", "0");
    put(&engine, "b", "0");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            for round in 0..40_u64 {
                while storage.visible().get() < 10 + round / 2 {
                    thread::yield_now();
                }
                let target = storage.visible().get() - 3;
                match storage.rollback_to(at(target)) {
                    Ok(report) => assert!(report.visible == at(target)),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        for (key, level) in [("a", LEVELS[0]), ("a", LEVELS[1]), ("b", LEVELS[1])] {
            let (engine, done) = (&engine, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let count = |tx: &mut Transaction| {
                        let value = number(&tx.get(key)?.expect("a counter"));
                        // A delete beside it, which is looked up before the turn.
                        tx.delete(format!("{key}{value}"))?;
                        tx.set(format!("{key}{}", value + 1), b"")?;
                        tx.set(key, (value + 1).to_string())
                    };
                    let done = engine.transact(level, count).expect("transact");
                    assert_eq!(done.writes, 3);
                }
            });
        }
    });
    for key in ["a", "b"] {
        let history = engine.history(key, ..).expect("history");
        let found = history.map(|version| number(&version.expect("a version").value));
        let mut found: Vec<_> = found.collect();
        found.reverse();
        let wanted: Vec<_> = (0..found.len() as u64).collect();
        assert_eq!(found, wanted, "an update of {key} was lost");
        // Of the rows beside it there is the last one only.
        let beside = rows(engine.scan(key));
        let last = found.last().expect("one").to_string();
        let wanted = if last == "0" {
            vec![row(key, "0")]
        } else {
            vec![row(key, &last), row(format!("{key}{last}"), "")]
        };
        assert_eq!(beside, wanted);
    }
    assert_nothing_is_held(&engine);
}
