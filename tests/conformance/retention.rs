//! The retention policy: what is kept at most, at least, and across reopening, pins, snapshots and rollbacks.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sapwood::{
    Batch, CommitOptions, Engine, FeedOptions, FloorHold, PinOptions, Position, ReadView,
    RetentionPolicy,
};

use crate::support::{Place, at, kind};

suite!(
    the_last_commits_are_kept_whatever_the_gaps,
    an_age_keeps_what_was_the_newest_within_it,
    times_that_do_not_rise_keep_more_and_never_less,
    the_limit_that_keeps_least_counts_and_the_promise_stays,
    a_policy_is_there_after_reopening,
    a_policy_that_keeps_nothing_is_refused,
    snapshots_hold_the_policy_and_pins_do_not,
    feeds_hold_the_policy_as_far_as_they_may,
    the_background_lets_go_of_a_feed_that_is_overdue,
    a_rollback_is_never_passed,
    the_background_keeps_to_the_policy,
    the_debt_is_what_is_kept_for_nobody,
    writers_wait_for_the_debt_and_are_refused,
    who_waits_for_the_debt_goes_on_once_it_is_paid,
);

fn all() -> RetentionPolicy {
    RetentionPolicy::keep_all()
}

/// A commit at a timestamp, made at a time of so many seconds since 1970.
fn commit(engine: &Engine, timestamp: u64, seconds: u64) {
    let mut batch = Batch::new();
    batch.set(b"key", timestamp.to_string());
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let options = CommitOptions::default().at(at(timestamp)).time(time);
    engine.commit(batch, options).expect("commit");
}

/// The floor once a policy was kept to.
fn floor_of(engine: &Engine, policy: RetentionPolicy) -> u64 {
    engine.set_retention(policy).expect("a policy");
    engine.apply_retention().expect("apply").floor.get()
}

pub(crate) fn the_last_commits_are_kept_whatever_the_gaps(place: &impl Place) {
    let engine = place.engine();
    let timestamps = [2, 3, 10, 11, 500, 501];
    for timestamp in timestamps {
        commit(&engine, timestamp, 0);
    }
    // As many as there are, and more: nothing goes, since 0 is the state before the first of them.
    assert_eq!(floor_of(&engine, all().commits(1000)), 0);
    assert_eq!(floor_of(&engine, all().commits(7)), 0);
    for (kept, floor) in [(6, 2), (5, 3), (4, 10), (3, 11), (2, 500), (1, 501)] {
        assert_eq!(floor_of(&engine, all().commits(kept)), floor, "{kept}");
        assert!(engine.at(at(floor)).is_ok() && engine.at(at(floor - 1)).is_err());
        // Again, and with a larger number: what was pruned does not come back.
        assert_eq!(floor_of(&engine, all().commits(kept)), floor, "{kept}");
        assert_eq!(floor_of(&engine, all().commits(kept + 1)), floor, "{kept}");
    }
    for timestamp in [502, 600, 601] {
        commit(&engine, timestamp, 0);
    }
    assert_eq!(floor_of(&engine, all().commits(2)), 600);
}

pub(crate) fn an_age_keeps_what_was_the_newest_within_it(place: &impl Place) {
    let engine = place.engine();
    for (timestamp, seconds) in [(1, 1000), (2, 2000), (3, 3000), (4, 3000), (5, 4000)] {
        commit(&engine, timestamp, seconds);
    }
    let age = |seconds| all().age(Duration::from_secs(seconds));
    // The states after 1 was the newest from 1000 to 2000: at 1999 still.
    for (seconds, floor) in [
        (u64::MAX, 0),
        (4001, 0),
        (3001, 0),
        (3000, 1),
        (2001, 1),
        (2000, 2),
        (1001, 2),
        (1000, 4),
        (1, 4),
        (0, 5),
    ] {
        assert_eq!(floor_of(&engine, age(seconds)), floor, "{seconds} s");
    }
    commit(&engine, 6, 4500);
    assert_eq!(floor_of(&engine, age(501)), 5);
    let almost = age(500).age(Duration::from_millis(500_001));
    assert_eq!(floor_of(&engine, almost), 5);
    // The commits of the floor and below are not on record any more; nothing new is old.
    assert_eq!(floor_of(&engine, age(0)), 6);
    assert_eq!(floor_of(&engine, age(0)), 6);
}

pub(crate) fn times_that_do_not_rise_keep_more_and_never_less(place: &impl Place) {
    let engine = place.engine();
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let (now, year) = (now.as_secs(), year.as_secs());
    // One from 1970 among young ones is not old before they are.
    for (timestamp, seconds) in [(1, now - 50), (2, 0), (3, now - 40)] {
        commit(&engine, timestamp, seconds);
    }
    let age = |seconds| all().age(Duration::from_secs(seconds));
    assert_eq!(floor_of(&engine, age(30)), 0);
    assert_eq!(floor_of(&engine, age(5)), 2);
    // A newest one from the future counts as one of now: those of the last year stay.
    commit(&engine, 4, now + 10 * year);
    assert_eq!(floor_of(&engine, age(year)), 2);
    assert_eq!(floor_of(&engine, age(20)), 3);
    // Behind it nothing is old by age, until its time comes; other limits go on.
    commit(&engine, 5, now);
    commit(&engine, 6, now);
    assert_eq!(floor_of(&engine, age(0)), 3);
    assert_eq!(floor_of(&engine, age(0).commits(2)), 5);
}

pub(crate) fn the_limit_that_keeps_least_counts_and_the_promise_stays(place: &impl Place) {
    let engine = place.engine();
    for timestamp in 1..=20 {
        commit(&engine, timestamp, timestamp * 10);
    }
    let age = |seconds| Duration::from_secs(seconds);
    let promised = all().commits(3).age(age(50)).at_least_commits(18);
    assert_eq!(floor_of(&engine, promised), 3);
    let both = all().commits(15).age(age(150));
    assert_eq!(floor_of(&engine, both), 6);
    assert_eq!(floor_of(&engine, both.age(age(120))), 8);
    // A promise alone moves nothing.
    assert_eq!(floor_of(&engine, all().at_least_commits(2)), 8);
    assert_eq!(
        floor_of(&engine, all().history_bytes(0).at_least_commits(4)),
        17
    );
    assert_eq!(floor_of(&engine, all().history_bytes(u64::MAX)), 17);
    assert_eq!(floor_of(&engine, both.at_least_commits(30)), 17);
}

pub(crate) fn a_policy_is_there_after_reopening(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    assert_eq!(engine.retention(), all());
    let policy = all()
        .commits(7)
        .age(Duration::from_secs(5))
        .history_bytes(1 << 40)
        .at_least_commits(3)
        .debt_limit_bytes(1 << 30)
        .debt_wait(Duration::from_millis(2));
    engine.set_retention(policy).expect("a policy");
    for timestamp in 1..=9 {
        commit(&engine, timestamp, timestamp * 10);
    }
    assert!(engine.verify().expect("verify").is_clean());
    place.leave(&engine);
    drop(engine);
    let storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    assert_eq!(engine.retention(), policy);
    assert_eq!(engine.apply_retention().expect("apply").floor, at(7));
    engine.set_retention(all()).expect("a policy");
    place.leave(&engine);
    drop(engine);
    let engine = Engine::new(&place.reopen(storage));
    assert_eq!(engine.retention(), all());
}

pub(crate) fn a_policy_that_keeps_nothing_is_refused(place: &impl Place) {
    let engine = place.engine();
    for policy in [all().commits(0), all().at_least_commits(0)] {
        assert_eq!(kind(engine.set_retention(policy)), "invalid");
    }
    assert_eq!(engine.retention(), all());
    // On an empty store there is nothing to do.
    for policy in [
        all(),
        all().commits(1),
        all().age(Duration::ZERO),
        all().history_bytes(0),
    ] {
        assert_eq!(floor_of(&engine, policy), 0);
    }
}

pub(crate) fn snapshots_hold_the_policy_and_pins_do_not(place: &impl Place) {
    let engine = place.engine();
    for timestamp in 1..=20 {
        commit(&engine, timestamp, 0);
    }
    engine
        .pin("early", at(2), PinOptions::default())
        .expect("pin");
    let held = engine.at(at(7)).expect("a snapshot");
    assert_eq!(floor_of(&engine, all().commits(5)), 7);
    let status = engine.retention_status().expect("status");
    assert_eq!((status.floor, status.wanted), (at(7), at(16)));
    assert!(
        matches!(status.held_by, Some(FloorHold::Snapshot { timestamp, .. }) if timestamp == at(7)),
        "{status:?}"
    );
    let pin = status.oldest_pin.expect("a pin");
    assert_eq!((pin.name.as_str(), pin.timestamp), ("early", at(2)));
    assert!(pin.created.is_some() && status.oldest_pin_age.is_some());
    drop(held);
    assert_eq!(engine.apply_retention().expect("apply").floor, at(16));
    let status = engine.retention_status().expect("status");
    assert_eq!((status.wanted, status.held_by), (at(16), None));
    let pinned = engine.at(at(2)).expect("pinned");
    assert_eq!(pinned.get(b"key").expect("get").as_deref(), Some(&b"2"[..]));
    assert!(engine.at(at(3)).is_err());
}

/// A feed that was acknowledged up to a timestamp.
fn feed(engine: &Engine, name: &str, timestamp: u64, options: FeedOptions) {
    let position = Position::new(at(timestamp), 0);
    let made = engine.create_feed(name, position, options);
    made.expect("a feed");
}

pub(crate) fn feeds_hold_the_policy_as_far_as_they_may(place: &impl Place) {
    let engine = place.engine();
    for timestamp in 1..=40 {
        commit(&engine, timestamp, 0);
    }
    feed(&engine, "index", 10, FeedOptions::default());
    let later = engine.at(at(20)).expect("a snapshot");
    assert_eq!(floor_of(&engine, all().commits(1)), 10);
    let held = engine.retention_status().expect("status").held_by;
    let Some(FloorHold::Feed {
        name, timestamp, ..
    }) = held
    else {
        panic!("it is held by {held:?}")
    };
    assert_eq!((name.as_deref(), timestamp), (Some("index"), at(10)));
    // Of two the one that holds the older timestamp is named.
    engine
        .acknowledge("index", Position::new(at(30), 0))
        .expect("acknowledge");
    assert_eq!(engine.apply_retention().expect("apply").floor, at(20));
    let held = engine.retention_status().expect("status").held_by;
    assert!(matches!(&held, Some(FloorHold::Snapshot { timestamp, .. }) if *timestamp == at(20)));
    drop(later);
    // Writers who wait are told of it.
    let policy = all().commits(1).debt_limit_bytes(100);
    let policy = policy.debt_wait(Duration::ZERO);
    assert_eq!(floor_of(&engine, policy), 30);
    let error = engine.set(b"key", b"value").expect_err("no room");
    assert!(error.to_string().contains("the feed \"index\" at 30"));
    engine.drop_feed("index").expect("drop");
    assert_eq!(engine.apply_retention().expect("apply").floor, at(40));
    assert_eq!(engine.retention_status().expect("status").held_by, None);
    engine.set(b"key", b"value").expect("room");
}

pub(crate) fn the_background_lets_go_of_a_feed_that_is_overdue(place: &impl Place) {
    let engine = place.engine();
    commit(&engine, 1, 0);
    feed(&engine, "slow", 1, FeedOptions::default().max_lag(20));
    engine.set_retention(all().commits(4)).expect("a policy");
    for timestamp in 2..=60 {
        commit(&engine, timestamp, 0);
    }
    until(|| engine.floor() == at(57));
    assert!(engine.feeds().expect("feeds")[0].is_let_go);
}

pub(crate) fn a_rollback_is_never_passed(place: &impl Place) {
    let engine = place.engine();
    for timestamp in 1..=20 {
        commit(&engine, timestamp, timestamp);
    }
    engine
        .set_retention(all().commits(3).at_least_commits(10))
        .expect("a policy");
    // Walked over, and abandoned.
    assert_eq!(engine.apply_retention().expect("apply").floor, at(11));
    engine.rollback_to(at(15)).expect("rollback");
    assert_eq!(engine.apply_retention().expect("apply").floor, at(11));
    assert_eq!(floor_of(&engine, all().commits(6)), 11);
    for timestamp in [16, 18, 25] {
        commit(&engine, timestamp, 0);
    }
    assert_eq!(floor_of(&engine, all().commits(5)), 14);
    assert_eq!(floor_of(&engine, all().commits(4)), 15);
    assert_eq!(kind(engine.rollback_to(at(14))), "pruned");
}

/// Waits for what a thread of the engine does.
fn until(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

pub(crate) fn the_background_keeps_to_the_policy(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    for timestamp in 1..=50 {
        commit(&engine, timestamp, 0);
    }
    // What is there already, and what comes then.
    engine.set_retention(all().commits(4)).expect("a policy");
    until(|| engine.floor() == at(47));
    for timestamp in 51..=60 {
        commit(&engine, timestamp, 0);
    }
    until(|| engine.floor() == at(57));
    // The floor moves first.
    until(|| engine.retention_status().expect("status").full_passes >= 2);
    let status = engine.retention_status().expect("status");
    assert_eq!(status.failure, None);
    assert!(status.last_full_pass.is_some());
    place.leave(&engine);
    drop(engine);
    let engine = Engine::new(&place.reopen(storage));
    engine.close().expect("close");
    assert_eq!(kind(engine.apply_retention()), "closed");
    assert_eq!(kind(engine.set_retention(all())), "closed");
}

pub(crate) fn the_debt_is_what_is_kept_for_nobody(place: &impl Place) {
    let engine = place.engine();
    for timestamp in 1..=40 {
        commit(&engine, timestamp, 0);
    }
    assert_eq!(engine.retention_status().expect("status").debt_bytes, 0);
    engine
        .pin("early", at(5), PinOptions::default())
        .expect("pin");
    let held = engine.at(at(10)).expect("a snapshot");
    assert_eq!(floor_of(&engine, all().commits(1)), 10);
    let status = engine.retention_status().expect("status");
    // 30 rows, of 5 + 8 bytes of key, 17 of header and 2 of value.
    assert_eq!(status.debt_bytes, 30 * 32);
    assert_eq!((status.below_floor_bytes, status.pinned_bytes), (0, 31));
    assert_eq!(status.history_bytes, 30 * 32 + 31);
    assert!(!status.is_estimate && !status.writers_wait);
    assert_eq!(engine.stats().retention_debt_bytes, 30 * 32);
    drop(held);
    engine.apply_retention().expect("apply");
    let status = engine.retention_status().expect("status");
    assert_eq!((status.debt_bytes, status.history_bytes), (0, 31));
    // What a pin alone held is debt once it is gone.
    engine.set_retention(all()).expect("a policy");
    engine.unpin("early").expect("unpin");
    let status = engine.retention_status().expect("status");
    assert_eq!((status.debt_bytes, status.below_floor_bytes), (31, 31));
    engine.apply_retention().expect("apply");
    assert_eq!(engine.retention_status().expect("status").history_bytes, 0);
}

/// A policy whose debt a snapshot keeps above its limit.
fn indebted(engine: &Engine, wait: Duration) -> sapwood::Snapshot {
    for timestamp in 1..=40 {
        commit(engine, timestamp, 0);
    }
    let held = engine.at(at(10)).expect("a snapshot");
    let policy = all().commits(1).debt_limit_bytes(100).debt_wait(wait);
    assert_eq!(floor_of(engine, policy), 10);
    assert!(engine.retention_status().expect("status").writers_wait);
    held
}

pub(crate) fn writers_wait_for_the_debt_and_are_refused(place: &impl Place) {
    let engine = place.engine();
    let held = indebted(&engine, Duration::ZERO);
    let error = engine.set(b"key", b"value").expect_err("no room");
    assert!(error.is_retryable() && error.to_string().contains("snapshot at 10"));
    assert_eq!(kind(engine.set(b"key", b"value")), "retention_debt");
    assert_eq!(kind(engine.delete_range(..)), "retention_debt");
    let swap = engine.compare_and_set(b"key", None, Some(b"value"));
    assert_eq!(kind(swap), "retention_debt");
    let begun = engine.begin(sapwood::Isolation::Serializable);
    assert_eq!(kind(begun.map(|_| ())), "retention_debt");
    let mut runs = 0;
    let refused = engine.transact(sapwood::Isolation::Serializable, |tx| {
        runs += 1;
        tx.set(b"key", b"value")
    });
    assert_eq!((kind(refused), runs), ("retention_debt", 0));
    let executor =
        sapwood::BlockExecutor::new(sapwood::BlockExecutorConfig::default()).expect("an executor");
    let block = engine.execute_block(&executor, at(99), vec![()], |_, ()| {
        Ok(sapwood::ExecutionStatus::Success(()))
    });
    let refused = block.expect_err("no room").into_error();
    assert_eq!(refused.kind().name(), "retention_debt");
    // Reading, and going back, go on.
    let options = sapwood::TransactionOptions::default().read_only();
    assert!(engine.begin_with(options).is_ok());
    assert!(engine.snapshot().is_ok());
    engine.rollback_to(at(39)).expect("rollback");
    drop(held);
    engine.apply_retention().expect("apply");
    engine.set(b"key", b"value").expect("room");
    // Off again.
    let held = indebted_again(&engine);
    engine.set_retention(all()).expect("a policy");
    engine.set(b"key", b"value").expect("nobody waits");
    drop(held);
}

fn indebted_again(engine: &Engine) -> sapwood::Snapshot {
    let held = engine.snapshot().expect("a snapshot");
    let mut begun = engine
        .begin(sapwood::Isolation::Serializable)
        .expect("a transaction");
    begun.set(b"another key", b"value").expect("set");
    engine.set_retention(all()).expect("a policy");
    for _ in 0..40 {
        engine.set(b"key", b"value").expect("set");
    }
    let policy = all().commits(1).debt_limit_bytes(0);
    engine
        .set_retention(policy.debt_wait(Duration::ZERO))
        .expect("a policy");
    engine.apply_retention().expect("apply");
    assert_eq!(kind(engine.set(b"key", b"value")), "retention_debt");
    // It holds a snapshot, which a wait would only keep the longer.
    begun.commit().expect("what was begun is not made to wait");
    held
}

pub(crate) fn who_waits_for_the_debt_goes_on_once_it_is_paid(place: &impl Place) {
    let engine = place.engine();
    let held = indebted(&engine, Duration::from_secs(1 << 30));
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| engine.set(b"key", b"value").expect("set")))
            .collect();
        // A block in the same thread as the turn, and a writer with a transaction that was begun before.
        drop(held);
        for writer in writers {
            writer.join().expect("a thread");
        }
    });
    assert!(!engine.retention_status().expect("status").writers_wait);
    assert_eq!(engine.visible(), at(43));
}
