//! The records of recent commits: kept for those who will ask, and bounded.

use std::thread;

use sapwood::{
    Batch, CommitOptions, Engine, Isolation, ReadView, Storage, Timestamp, TransactionOptions,
};

use crate::support::{
    LEVELS, Options, Place, assert_nothing_is_held, at, begin, conflict, error, kind, put, rows,
    set,
};

suite!(
    inv_44_nothing_is_on_record_while_nobody_will_ask,
    inv_44_records_are_kept_from_the_oldest_transaction_on,
    inv_44_the_records_stay_below_their_limit,
    inv_44_the_limit_is_the_last_size_that_is_kept,
    inv_44_without_room_for_records_transactions_win_in_their_turn,
    inv_44_many_transactions_leave_no_record,
);

pub(crate) fn inv_44_nothing_is_on_record_while_nobody_will_ask(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "k", "1");
    let options = TransactionOptions::default();
    let _readers = (
        engine.snapshot().expect("snapshot"),
        engine.range(..),
        engine.begin_with(options.read_only()).expect("begin"),
        engine.begin_with(options.at(at(0))).expect("begin"),
    );
    for number in 0..50 {
        put(&engine, &number.to_string(), "");
        engine
            .transact(Isolation::Serializable, |tx| tx.set("k", "2"))
            .expect("commit");
        let stats = engine.stats();
        assert_eq!((stats.conflict_keys, stats.conflict_bytes), (0, 0));
        assert_eq!(stats.open_transactions, 0);
    }
}

pub(crate) fn inv_44_records_are_kept_from_the_oldest_transaction_on(place: &impl Place) {
    let engine = place.engine();
    let kept = || engine.stats().conflict_keys;
    // One transaction after each commit of a new key, at timestamps 1 to 10.
    let mut open = Vec::new();
    for number in 1..=10u64 {
        put(&engine, &format!("key{number}"), "");
        open.push(Some(begin(&engine, LEVELS[usize::from(number % 2 == 0)])));
        assert_eq!(kept() as u64, number - 1, "those above the first snapshot");
    }
    let bytes = engine.stats().conflict_bytes;
    put(&engine, "key3", "again");
    assert_eq!(kept(), 9, "a key counts once");
    assert!(
        engine.stats().conflict_bytes > bytes,
        "its commit counts too"
    );
    engine.delete("missing").expect("delete");
    assert_eq!(kept(), 10, "a delete of nothing is a write, by rule");
    // A younger one goes: nothing changes. The oldest goes: its part goes.
    drop(open[4].take());
    assert_eq!(kept(), 10);
    drop(open[0].take());
    assert_eq!(kept(), 9, "key2 goes");
    drop(open[1].take());
    assert_eq!(kept(), 9, "key3 was written again");
    drop(open[2].take());
    assert_eq!(kept(), 8, "key4 goes");
    drop(open[3].take());
    assert_eq!(kept(), 6, "key5 and key6 go: the fifth is closed already");
    // What is left is what those that are left need.
    let mut tenth = open[9].take().expect("it is open");
    tenth.get("key3").expect("get");
    tenth.set("own", "").expect("set");
    assert_eq!(conflict(tenth.commit()).0, "key3");
    let mut sixth = open[5].take().expect("it is open");
    sixth.set("key7", "").expect("set");
    assert_eq!(conflict(sixth.commit()).2, at(7));
    drop(open);
    assert_nothing_is_held(&engine);
    let mut tx = begin(&engine, Isolation::Serializable);
    assert_eq!(rows(tx.range(..)).len(), 10);
    tx.set("key7", "").expect("set");
    tx.commit().expect("nobody wrote since");
}

/// A store whose records have room for some bytes.
fn limited<P: Place>(place: &P, conflict_log_size: usize) -> P::Storage {
    place.open_with(Options {
        conflict_log_size: Some(conflict_log_size),
        ..Options::default()
    })
}

pub(crate) fn inv_44_the_records_stay_below_their_limit(place: &impl Place) {
    const LIMIT: usize = 4_000;
    let engine = Engine::new(&limited(place, LIMIT));
    for isolation in LEVELS {
        let mut old = begin(&engine, isolation);
        old.get("asked").expect("get");
        old.set("own", "").expect("set");
        let mut younger = None;
        let before = engine.stats().too_old;
        for number in 0..200 {
            put(&engine, &format!("key{number}"), "");
            let stats = engine.stats();
            assert!(stats.conflict_bytes <= LIMIT, "{stats:?}");
            // Once it cannot be checked any more, nothing is kept for it.
            assert!(stats.conflict_keys > 0 || number > 10, "{stats:?}");
            if number == 195 {
                younger = Some(begin(&engine, isolation));
            }
        }
        assert!(old.get("asked").is_ok(), "it reads on");
        let refused = error(old.commit());
        assert_eq!(refused.kind().name(), "too_old", "{refused}");
        assert!(refused.is_retryable());
        assert!(refused.to_string().contains("begin it anew"), "{refused}");
        assert!(!engine.contains("own").expect("contains"));
        assert_eq!(engine.stats().too_old, before + 1);
        // Those that need less are checked as ever.
        let mut younger = younger.expect("it is open");
        younger.set("key197", "").expect("set");
        conflict(younger.commit());
        let mut new = begin(&engine, isolation);
        new.set("own", "").expect("set");
        new.commit().expect("commit");
        engine.delete("own").expect("delete");
    }
    // Who wrote nothing has nothing to be checked.
    let idle = begin(&engine, Isolation::Serializable);
    assert_eq!(idle.range(..).count(), 200);
    for number in 0..200 {
        put(&engine, &format!("key{number}"), "");
    }
    idle.commit().expect("commit");
    let mut retried = 0;
    engine
        .transact(Isolation::Serializable, |tx| {
            tx.set("own", "")?;
            if retried == 0 {
                for number in 0..200 {
                    put(&engine, &format!("key{number}"), "");
                }
            }
            retried += 1;
            Ok(())
        })
        .expect("it is begun anew");
    assert_eq!(retried, 2);
    assert_nothing_is_held(&engine);
}

/// A transaction, then some commits: how much is on record, and whether it is still checked.
fn commits_beside_a_transaction(engine: &Engine) -> (usize, bool) {
    let mut tx = begin(engine, Isolation::Serializable);
    tx.set("own", "").expect("set");
    for number in 0..10 {
        put(engine, &format!("key{number}"), "");
    }
    let bytes = engine.stats().conflict_bytes;
    (bytes, tx.commit().is_ok())
}

pub(crate) fn inv_44_the_limit_is_the_last_size_that_is_kept(place: &impl Place) {
    let run = |size| commits_beside_a_transaction(&Engine::new(&limited(place, size)));
    let (bytes, is_checked) = run(1 << 20);
    assert!(bytes > 0 && is_checked);
    assert_eq!(run(bytes), (bytes, true));
    let (less, is_checked) = run(bytes - 1);
    assert!(less < bytes && !is_checked);
    assert_eq!(run(0), (0, false));
}

pub(crate) fn inv_44_without_room_for_records_transactions_win_in_their_turn<P: Place>(place: &P) {
    const THREADS: usize = 3;
    const EACH: u64 = 20;
    let engine = Engine::new(&limited(place, 0));
    put(&engine, "n", "0");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let engine = engine.clone();
            scope.spawn(move || {
                for _ in 0..EACH {
                    let increment = engine.transact(LEVELS[thread % 2], |tx| {
                        let n = tx.get("n")?.expect("it is there");
                        let n: u64 = String::from_utf8_lossy(&n).parse().expect("a number");
                        tx.set("n", (n + 1).to_string())
                    });
                    increment.expect("it wins in its turn");
                    put(&engine, &format!("other{thread}"), "");
                }
            });
        }
    });
    let total = THREADS as u64 * EACH;
    let n = engine.get("n").expect("get").expect("it is there");
    assert_eq!(n, total.to_string());
    assert_eq!(engine.visible(), at(2 * total + 1));
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_44_many_transactions_leave_no_record<P: Place>(place: &P) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let highest = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let engine = engine.clone();
                scope.spawn(move || {
                    let mut highest = 0;
                    for round in 0..100 {
                        let mut tx = begin(&engine, LEVELS[round % 2]);
                        assert!(tx.scan(format!("{thread}/")).count() <= 2);
                        tx.set(format!("{thread}/{}", round % 2), "").expect("set");
                        match round % 3 {
                            0 => drop(tx),
                            _ => drop(tx.commit().expect("its own keys")),
                        }
                        let writes = vec![set(format!("beside/{thread}"), "")];
                        let options = CommitOptions::default();
                        engine.commit(Batch::from(writes), options).expect("commit");
                        highest = highest.max(engine.stats().conflict_keys);
                    }
                    highest
                })
            })
            .collect();
        let highest = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        highest.map(|highest| highest.expect("a thread")).max()
    });
    // Two keys of each thread and four more are all that there is to be on record.
    assert!(highest <= Some(12), "{highest:?}");
    assert_nothing_is_held(&engine);
    assert_eq!(kind(storage.get_at(b"0/0", Timestamp::MAX)), "not_yet");
}
