//! Bad use of transactions: each gets an error that says so, and harms nobody else.

use sapwood::{
    Batch, CommitOptions, Engine, ErrorKind, Isolation, PinOptions, ReadView, Result, Storage,
    TimestampSource, Transaction, TransactionOptions,
    limits::{KEY_MAX_BYTES, TRANSACTION_READS_MAX_BYTES, VALUE_MAX_BYTES},
};

use crate::{
    grid::WORLD,
    support::{
        LEVELS, Place, assert_nothing_is_held, at, begin, bytes, conflict, error, in_its_turn,
        kind, put, row, rows, set, together,
    },
};

suite!(
    an_iterator_ends_with_its_transaction,
    inv_06_a_key_over_its_limit_is_refused_by_a_transaction,
    inv_28_a_value_over_its_limit_leaves_the_transaction_as_it_was,
    a_thread_that_holds_the_turn_commits_through_its_transaction_only,
    what_is_held_outlives_every_handle,
    after_close_a_transaction_is_refused,
    inv_23_a_transaction_can_be_given_a_timestamp,
    inv_23_a_transaction_needs_a_timestamp_where_its_caller_numbers,
    inv_23_a_timestamp_that_was_taken_meanwhile_is_refused,
);

pub(crate) fn an_iterator_ends_with_its_transaction(place: &impl Place) {
    type End = fn(&Engine, Transaction);
    let ends: [End; 4] = [
        |_, tx| tx.rollback(),
        |_, tx| assert_eq!(tx.commit().expect("commit").writes, 1),
        |engine, tx| {
            put(engine, "own", "");
            conflict(tx.commit());
        },
        |_, tx| {
            let past = CommitOptions::default().at(at(0));
            assert_eq!(kind(tx.commit_with(past)), "invalid");
        },
    ];
    let engine = place.engine();
    for key in ["a", "b", "c"] {
        put(&engine, key, "1");
    }
    for end in ends {
        for isolation in LEVELS {
            let mut tx = begin(&engine, isolation);
            tx.set("own", "").expect("set");
            let (mut unused, mut begun) = (tx.range(..), tx.range(..));
            begun.next().expect("a row").expect("a row");
            begun.next_back().expect("a row").expect("a row");
            let snapshot = tx.timestamp();
            assert_eq!(begun.timestamp(), Some(snapshot));
            end(&engine, tx);
            let refused = error(begun.next().expect("an error"));
            assert_eq!(*refused.kind(), ErrorKind::Invalid);
            assert!(refused.to_string().contains("has ended"), "{refused}");
            assert!(begun.next().is_none() && begun.next_back().is_none());
            assert_eq!(begun.timestamp(), None);
            assert_eq!(kind(unused.next_back().expect("an error")), "invalid");
            assert!(unused.next().is_none());
            assert_nothing_is_held(&engine);
            engine.delete("own").expect("delete");
        }
    }
    // One that only reads ends too; and one that is handed out of its closure comes too late.
    let reader = TransactionOptions::default().read_only();
    let reader = engine.begin_with(reader).expect("begin");
    let mut iter = reader.range(..);
    assert_eq!(rows(iter.next().into_iter()), [row("a", "1")]);
    reader.commit().expect("commit");
    assert_eq!(kind(iter.next().expect("an error")), "invalid");
    for options in [TransactionOptions::default(), in_its_turn()] {
        let handed_out = engine.transact_with(options, CommitOptions::default(), |tx| {
            tx.set("own", "")?;
            Ok::<_, sapwood::Error>(tx.range(..))
        });
        let mut iter = handed_out.expect("commit").value;
        assert_eq!(kind(iter.next().expect("an error")), "invalid");
    }
    drop((iter, engine));
    assert_eq!(place.engine().stats().open_snapshots, 0);
}

pub(crate) fn inv_06_a_key_over_its_limit_is_refused_by_a_transaction(place: &impl Place) {
    let engine = place.engine();
    let (longest, too_long) = (vec![0; KEY_MAX_BYTES], vec![0; KEY_MAX_BYTES + 1]);
    for isolation in LEVELS {
        let mut tx = begin(&engine, isolation);
        tx.set("", "empty").expect("the empty key is one");
        let refused = [
            kind(tx.set(&too_long, "v")),
            kind(tx.delete(&too_long)),
            kind(tx.get(&too_long)),
            kind(tx.get_untracked(&too_long)),
            kind(tx.contains(&too_long)),
            kind(tx.multi_get(&[&longest, &too_long])),
        ];
        assert_eq!(refused, ["too_large"; 6]);
        tx.set(&longest, "v").expect("at the limit");
        assert!(tx.contains(&longest).expect("contains"));
        let all = rows(tx.range(..));
        assert_eq!(all, [row("", "empty"), row(&longest, "v")]);
        assert_eq!(tx.commit().expect("commit").writes, 2);
        assert_eq!(rows(engine.range(..)), all);
    }
}

pub(crate) fn inv_28_a_value_over_its_limit_leaves_the_transaction_as_it_was(place: &impl Place) {
    let engine = place.engine();
    let too_long = vec![7; VALUE_MAX_BYTES + 1];
    let mut tx = begin(&engine, Isolation::Serializable);
    tx.set("k", "before").expect("set");
    let refused = error(tx.set("k", &too_long));
    assert_eq!(*refused.kind(), ErrorKind::TooLarge);
    assert!(refused.to_string().contains("\"k\""), "{refused}");
    assert_eq!(kind(tx.set("new", &too_long)), "too_large");
    assert_eq!(rows(tx.range(..)), [row("k", "before")]);
    tx.set("large", &too_long[1..]).expect("at the limit");
    let info = tx.commit().expect("commit");
    assert_eq!(info.writes, 2);
    let value = engine.get("large").expect("get").expect("it is there");
    assert!(value == too_long[1..]);
}

/// What would wait for the turn that the thread itself holds is refused; all else goes on.
pub(crate) fn a_thread_that_holds_the_turn_commits_through_its_transaction_only(
    place: &impl Place,
) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    put(&engine, "k", "1");
    let mut other = begin(&engine, Isolation::Serializable);
    other.set("other", "").expect("set");
    let mut other = Some(other);
    let options = CommitOptions::default();
    let done = engine.transact_with(in_its_turn(), options, |tx| {
        tx.set("own", "")?;
        let refused = [
            error(engine.set("k", "2")),
            error(engine.delete("k")),
            error(engine.commit(Batch::new(), options)),
            error(engine.commit_at(at(9), Batch::new())),
            error(engine.delete_range(..)),
            error(engine.compare_and_set("k", Some(b"1"), None)),
            error(storage.set(b"k", b"2")),
            error(other.take().expect("one").commit()),
            error(engine.transact(Isolation::Serializable, |tx| tx.set("k", "2"))),
            error(engine.transact_with(in_its_turn(), options, |_| Result::Ok(()))),
            error(engine.close()),
        ];
        for refused in refused {
            assert_eq!(*refused.kind(), ErrorKind::Invalid, "{refused}");
            assert!(refused.to_string().contains("through that transaction"));
        }
        // What does not commit does not wait.
        assert_eq!(rows(engine.range(..)), [row("k", "1")]);
        assert_eq!(engine.snapshot()?.timestamp(), at(1));
        let reads = engine.transact(Isolation::Serializable, |tx| tx.get("k"))?;
        assert_eq!(reads.value.as_deref(), Some(&b"1"[..]));
        drop(begin(&engine, Isolation::Snapshot));
        engine.pin("pin", at(1), PinOptions::default())?;
        engine.unpin("pin")?;
        assert_eq!(engine.prune_before(at(1))?.floor, at(1));
        engine.flush()?;
        assert_eq!(engine.stats().visible, at(1));
        Ok::<_, sapwood::Error>(())
    });
    assert_eq!(done.expect("commit").timestamp, at(2));
    assert_nothing_is_held(&engine);
    assert_eq!(rows(engine.range(..)), [row("k", "1"), row("own", "")]);
    assert_eq!(put(&engine, "k", "2"), at(3));
    // Another thread that holds it is waited for.
    let refused = together(&engine, vec![Box::new(|| engine.set("k", "3"))]);
    assert_eq!(*refused[0].as_ref().expect("its turn came"), at(4));
}

pub(crate) fn what_is_held_outlives_every_handle(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let last = WORLD.last();
    let snapshot = engine.at(at(7)).expect("at");
    let mut tx = begin(&engine, Isolation::Serializable);
    tx.set("~own", "").expect("set");
    let savepoint = tx.savepoint();
    let iter = tx.range(..);
    let lonely = engine.range(..);
    drop((engine, storage));
    WORLD.check_view(&snapshot, 7);
    assert!(tx.get("ant").expect("get").is_some());
    tx.delete("~own").expect("delete");
    tx.rollback_to(&savepoint).expect("rollback_to");
    let state = [WORLD.state(last), vec![row("~own", "")]].concat();
    assert_eq!(rows(tx.range(..)), state);
    assert_eq!(rows(iter), state);
    let info = tx.commit().expect("it can still be committed");
    assert_eq!(info.timestamp, at(last + 1));
    WORLD.check_view(&snapshot, 7);
    assert_eq!(rows(lonely), WORLD.state(last));
    drop(snapshot);
    let engine = place.engine();
    if engine.visible() > at(0) {
        // It outlives the handles on disk, and was written.
        assert_eq!(engine.visible(), at(last + 1));
        assert_eq!(rows(engine.range(..)), state);
    }
}

pub(crate) fn after_close_a_transaction_is_refused(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let engine = Engine::new(&storage);
    let open = || begin(&engine, Isolation::Serializable);
    let (mut tx, mut wrote, wrote_nothing) = (open(), open(), open());
    let past = TransactionOptions::default().at(at(5));
    let past = engine.begin_with(past).expect("begin");
    let mut begun = tx.range(..);
    begun.next().expect("a row").expect("a row");
    wrote.set("k", "never").expect("set");
    engine.close().expect("close");
    let mut runs = 0;
    let refused = [
        kind(tx.get("ant")),
        kind(tx.get_untracked("ant")),
        kind(tx.multi_get(&["ant"])),
        kind(tx.range(..).next().expect("an error")),
        kind(begun.next().expect("an error")),
        kind(past.get("ant")),
        kind(past.range(..).next_back().expect("an error")),
        kind(wrote.commit()),
        kind(wrote_nothing.commit()),
        kind(past.commit()),
        kind(engine.begin(Isolation::Snapshot)),
        kind(engine.begin_with(TransactionOptions::default().read_only())),
        kind(engine.begin_with(TransactionOptions::default().at(at(5)))),
        kind(engine.transact(Isolation::Serializable, |_| {
            runs += 1;
            Ok(())
        })),
        kind(
            engine.transact_with(in_its_turn(), CommitOptions::default(), |_| {
                runs += 1;
                Result::Ok(())
            }),
        ),
    ];
    assert_eq!((refused, runs), (["closed"; 15], 0));
    assert!(begun.next().is_none() && begun.next_back().is_none());
    tx.set("k", "never").expect("its own writes are its own");
    assert_eq!(kind(tx.commit()), "closed");
    let stats = engine.stats();
    assert_eq!(stats.visible, at(WORLD.last()), "figures are still given");
    assert_nothing_is_held(&engine);
    drop(engine);
    let storage = place.reopen(storage);
    if storage.get(b"bee").is_ok() {
        WORLD.check_from(&storage, 0);
    }
}

pub(crate) fn inv_23_a_transaction_can_be_given_a_timestamp(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let height = |height| CommitOptions::default().at(at(height));
    for (timestamp, isolation) in [(5, LEVELS[0]), (6, LEVELS[1]), (100, LEVELS[1])] {
        let mut tx = begin(&engine, isolation);
        let snapshot = tx.timestamp();
        tx.set("k", timestamp.to_string()).expect("set");
        for refused in [0, snapshot.get(), u64::MAX] {
            let mut late = begin(&engine, isolation);
            late.set("k", "never").expect("set");
            let refused = error(late.commit_with(height(refused)));
            assert_eq!(*refused.kind(), ErrorKind::Invalid);
        }
        let info = tx.commit_with(height(timestamp)).expect("commit");
        assert_eq!(info.timestamp, at(timestamp));
        assert_eq!(engine.visible(), at(timestamp));
    }
    // Whoever wrote nothing takes none, whichever was given.
    for given in [0, 1, 200, u64::MAX] {
        let idle = begin(&engine, Isolation::Serializable);
        let info = idle.commit_with(height(given)).expect("commit");
        assert_eq!((info.timestamp, info.writes), (at(100), 0));
    }
    // A gap below the timestamp is no conflict; a commit in it would have been.
    let mut tx = begin(&engine, Isolation::Serializable);
    tx.get("k").expect("get");
    tx.set("k", "300").expect("set");
    engine
        .commit_at(at(250), vec![set("l", "")].into())
        .expect("commit");
    tx.commit_with(height(300)).expect("commit");
    assert_eq!(put(&engine, "k", "next"), at(301));
    drop(engine);
    place.settle(storage, |storage| {
        for (timestamp, value) in [
            (4, None),
            (5, Some("5")),
            (99, Some("6")),
            (299, Some("100")),
        ] {
            let got = storage.get_at(b"k", at(timestamp)).expect("get_at");
            assert_eq!(got, value.map(bytes), "at {timestamp}");
        }
    });
}

pub(crate) fn inv_23_a_transaction_needs_a_timestamp_where_its_caller_numbers(place: &impl Place) {
    let storage = place.open_numbered(TimestampSource::CallerGiven);
    let engine = Engine::new(&storage);
    let mut tx = begin(&engine, Isolation::Serializable);
    tx.set("k", "never").expect("set");
    let refused = error(tx.commit());
    assert_eq!(*refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("timestamp"), "{refused}");
    let mut runs = 0;
    let refused = engine.transact(Isolation::Serializable, |tx| {
        runs += 1;
        tx.set("k", "never")
    });
    assert_eq!(
        (kind(refused), runs),
        ("invalid", 1),
        "no use in trying again"
    );
    let height = |height| CommitOptions::default().at(at(height));
    let done = engine.transact_with(TransactionOptions::default(), height(10), |tx| {
        tx.set("k", "ten")
    });
    assert_eq!(done.expect("commit").timestamp, at(10));
    let done = engine.transact_with(in_its_turn(), height(20), |tx| tx.set("k", "twenty"));
    assert_eq!(done.expect("commit").timestamp, at(20));
    engine
        .transact(Isolation::Serializable, |tx| tx.get("k"))
        .expect("one that wrote nothing needs none");
    assert_eq!(engine.visible(), at(20));
    assert_nothing_is_held(&engine);
}

/// A closure is begun anew, its timestamp is not: what was taken meanwhile stays taken.
pub(crate) fn inv_23_a_timestamp_that_was_taken_meanwhile_is_refused(place: &impl Place) {
    let engine = place.engine();
    put(&engine, "k", "1");
    let mut runs = 0;
    let height = CommitOptions::default().at(at(2));
    let refused = engine.transact_with(TransactionOptions::default(), height, |tx| {
        runs += 1;
        tx.get("k")?;
        tx.set("k", "never")?;
        if runs == 1 {
            engine.commit_at(at(2), vec![set("k", "2")].into())?;
        }
        Ok::<_, sapwood::Error>(())
    });
    assert_eq!(kind(refused), "invalid");
    assert_eq!(runs, 2, "it lost first");
    assert_eq!(rows(engine.range(..)), [row("k", "2")]);
    assert_nothing_is_held(&engine);
}

/// What a transaction has read is remembered up to a limit; beyond it, reads that are relied on are
/// refused, and all else goes on.
#[test]
fn inv_36_what_is_read_is_remembered_up_to_a_limit() {
    let engine = Engine::in_memory();
    let key = |number: usize| {
        let mut key = number.to_be_bytes().to_vec();
        key.resize(KEY_MAX_BYTES, 0);
        key
    };
    let first = key(0);
    engine.set(&first, "1").expect("set");
    let mut tx = begin(&engine, Isolation::Serializable);
    let mut read = 0;
    let refused = loop {
        match tx.get(key(read)) {
            Ok(_) => read += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(*refused.kind(), ErrorKind::TooLarge, "{refused}");
    assert!(refused.to_string().contains("untracked"), "{refused}");
    let most = TRANSACTION_READS_MAX_BYTES / KEY_MAX_BYTES;
    assert!(read > most - 10 && read <= most, "{read}");
    assert_eq!(kind(tx.get(key(read + 1))), "too_large");
    assert_eq!(kind(tx.range(..).next().expect("an error")), "too_large");
    tx.get_untracked(key(read + 1)).expect("not remembered");
    let value = tx.get(&first).expect("it is remembered already");
    assert_eq!(value.as_deref(), Some(&b"1"[..]));
    tx.set("own", "").expect("set");
    assert!(tx.contains("own").expect("own writes are not remembered"));
    let changed = engine.set(key(read - 1), "2").expect("set");
    assert_eq!(conflict(tx.commit()).2, changed, "all of it was relied on");
}
