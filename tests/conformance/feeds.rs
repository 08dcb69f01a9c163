//! Change feeds: what is given out, what is held, and what is refused.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sapwood::{
    Batch, BlockExecutor, BlockExecutorConfig, Changes, CommitOptions, CommitRecord, Engine,
    ErrorKind, ExecutionStatus, FeedOptions, PinOptions, Position, ReadView, Timestamp,
};

use crate::support::{Options, Place, at, error, kind, put};

suite!(
    feed_gives_each_commit_whole_and_in_order,
    feed_gives_old_values_where_they_are_asked_for,
    feed_gives_what_is_visible_and_no_more,
    feed_waits_and_ends_with_the_store,
    feed_goes_with_blocks,
    feed_holds_the_floor_while_it_lives,
    feed_by_name_holds_the_floor_over_reopening,
    feed_by_name_is_read_again_from_what_was_acknowledged,
    feed_too_far_behind_is_let_go_and_told,
    feed_past_the_age_limit_is_let_go_and_told,
    feed_tells_of_a_rollback_and_goes_on_from_it,
    feed_refuses_what_cannot_be,
    feed_beside_writers_prunes_and_rollbacks_gives_each_commit_once,
);

/// A key and its new value.
type Write<'a> = (&'a str, Option<&'a str>);

/// What a commit changed: each key with its new value.
type Told = Vec<(String, Option<String>)>;

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn told(commit: &CommitRecord) -> Told {
    let told = commit.changes.iter();
    told.map(|change| (text(&change.key), change.new.as_deref().map(text)))
        .collect()
}

fn next(changes: &mut Changes) -> Option<(u64, Told)> {
    let next = changes.poll().expect("poll");
    next.map(|commit| (commit.timestamp.get(), told(&commit)))
}

fn all(changes: &mut Changes) -> Vec<(u64, Told)> {
    std::iter::from_fn(|| next(changes)).collect()
}

fn expect(list: &[(u64, &[Write<'_>])]) -> Vec<(u64, Told)> {
    let told = |told: &[Write<'_>]| {
        let told = told.iter();
        told.map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
            .collect()
    };
    list.iter().map(|(at, list)| (*at, told(list))).collect()
}

/// The position of a timestamp before any rollback.
fn first(timestamp: u64) -> Position {
    Position::new(at(timestamp), 0)
}

/// Commits 1 to 6: sets, an update, a delete of what is there and of what is not, nothing at all, a gap.
fn play(engine: &Engine) {
    put(engine, "a", "1");
    let mut batch = Batch::new();
    batch.set("b", "2").set("a", "2").delete("missing");
    engine
        .commit(batch, CommitOptions::default())
        .expect("commit");
    engine.delete("a").expect("delete");
    engine.delete("a").expect("delete nothing");
    let time = UNIX_EPOCH + Duration::from_millis(1_234_567);
    let mut batch = Batch::new();
    batch.set("c", "");
    let options = CommitOptions::default().at(at(9)).time(time);
    engine.commit(batch, options).expect("commit");
    put(engine, "a", "10");
}

fn played() -> Vec<(u64, Told)> {
    expect(&[
        (1, &[("a", Some("1"))]),
        (2, &[("a", Some("2")), ("b", Some("2"))]),
        (3, &[("a", None)]),
        (4, &[]),
        (9, &[("c", Some(""))]),
        (10, &[("a", Some("10"))]),
    ])
}

pub(crate) fn feed_gives_each_commit_whole_and_in_order(place: &impl Place) {
    let storage = place.open();
    play(&Engine::new(&storage));
    let storage = place.settle(storage, |storage| {
        let engine = Engine::new(storage);
        for from in 0..=10 {
            let mut changes = engine.changes(first(from)).expect("changes");
            let rest = played().into_iter().filter(|(at, _)| *at > from);
            assert_eq!(all(&mut changes), rest.collect::<Vec<_>>(), "from {from}");
            let position = changes.position();
            assert_eq!(position, first(10));
        }
        let mut changes = engine.changes(first(4)).expect("changes");
        let gap = changes.poll().expect("poll").expect("a commit");
        assert_eq!(gap.time, UNIX_EPOCH + Duration::from_millis(1_234_567));
        assert_eq!(gap.position(), first(9));
    });
    // What a commit has in many parts is one commit.
    let engine = Engine::new(&storage);
    let mut batch = Batch::new();
    let value = vec![b'v'; 3000];
    (0..300_u32).for_each(|key| {
        batch.set(key.to_be_bytes(), &value);
    });
    engine
        .commit(batch, CommitOptions::default())
        .expect("commit");
    for _ in 0..2 {
        let mut changes = engine.changes(first(10)).expect("changes");
        let large = changes.poll().expect("poll").expect("a commit");
        assert_eq!(large.changes.len(), 300);
        assert!(
            large
                .changes
                .iter()
                .all(|change| change.new.as_deref() == Some(&value))
        );
        assert_eq!(changes.poll().expect("poll"), None);
        engine.compact().expect("compact");
    }
}

pub(crate) fn feed_gives_old_values_where_they_are_asked_for(place: &impl Place) {
    let engine = place.engine();
    play(&engine);
    engine.compact().expect("compact");
    put(&engine, "a", "11");
    let changes = engine.changes(Position::START).expect("changes");
    let mut changes = changes.with_old_values();
    let mut old = Vec::new();
    while let Some(commit) = changes.poll().expect("poll") {
        for change in commit.changes {
            let value = change.old.as_deref().map(text);
            old.push((commit.timestamp.get(), text(&change.key), value));
        }
    }
    let expected = [
        (1, "a", None),
        (2, "a", Some("1")),
        (2, "b", None),
        (3, "a", Some("2")),
        (9, "c", None),
        (10, "a", None),
        (11, "a", Some("10")),
    ];
    let expected = expected.map(|(at, key, old)| (at, key.to_owned(), old.map(str::to_owned)));
    assert_eq!(old, expected);
}

pub(crate) fn feed_gives_what_is_visible_and_no_more(place: &impl Place) {
    let engine = place.engine();
    let mut changes = engine.changes(Position::START).expect("changes");
    assert_eq!(next(&mut changes), None);
    let mut tx = engine
        .begin(sapwood::Isolation::Serializable)
        .expect("begin");
    tx.set(b"a", b"tx").expect("set");
    assert_eq!(next(&mut changes), None);
    tx.commit().expect("commit");
    assert_eq!(all(&mut changes), expect(&[(1, &[("a", Some("tx"))])]));
    assert_eq!(next(&mut changes), None);
    put(&engine, "a", "2");
    assert_eq!(all(&mut changes), expect(&[(2, &[("a", Some("2"))])]));
    let soon = Duration::from_millis(1);
    assert!(changes.wait(soon).expect("wait").is_none());
}

pub(crate) fn feed_waits_and_ends_with_the_store(place: &impl Place) {
    let engine = place.engine();
    let changes = engine.changes(Position::START).expect("changes");
    let mut patient = engine.changes(Position::START).expect("changes");
    let seen = thread::scope(|scope| {
        let follower = scope.spawn(|| {
            changes
                .map(|commit| commit.expect("a commit").timestamp)
                .collect::<Vec<_>>()
        });
        let patient = scope.spawn(move || {
            let first = patient
                .wait(Duration::MAX)
                .expect("wait")
                .expect("a commit");
            (first.timestamp, patient)
        });
        for number in 1..=50 {
            put(&engine, "a", &number.to_string());
        }
        let (first, mut patient) = patient.join().expect("a reader");
        assert_eq!(first, at(1));
        // Whatever the follower has seen by then; so it is made to see all.
        while patient.poll().expect("poll").is_some() {}
        while engine
            .feed_holds()
            .iter()
            .any(|hold| hold.timestamp < at(50))
        {
            thread::yield_now();
        }
        engine.close().expect("close");
        assert_eq!(kind(patient.poll()), "closed");
        assert!(patient.next().is_none());
        follower.join().expect("a follower")
    });
    assert_eq!(seen, (1..=50).map(Timestamp::new).collect::<Vec<_>>());
}

pub(crate) fn feed_goes_with_blocks(place: &impl Place) {
    let engine = place.engine();
    let executor = BlockExecutor::new(BlockExecutorConfig::default()).expect("an executor");
    let changes = engine.changes(Position::START).expect("changes");
    thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let commits = changes.take(3).map(|commit| commit.expect("a commit"));
            commits
                .map(|commit| (commit.timestamp.get(), commit.changes.len()))
                .collect::<Vec<_>>()
        });
        for height in [5, 7, 8] {
            let txns: Vec<u64> = (0..height).collect();
            engine
                .execute_block(&executor, at(height), txns, |ctx, txn| {
                    ctx.add(txn.to_string(), 1)?;
                    Ok(ExecutionStatus::Success(()))
                })
                .expect("a block");
        }
        assert_eq!(
            follower.join().expect("a follower"),
            [(5, 5), (7, 7), (8, 8)]
        );
    });
}

pub(crate) fn feed_holds_the_floor_while_it_lives(place: &impl Place) {
    let engine = place.engine();
    for number in 1..=9 {
        put(&engine, "a", &number.to_string());
    }
    let mut changes = engine.changes(first(3)).expect("changes");
    assert_eq!(engine.stats().oldest_feed, Some(at(3)));
    let report = engine.prune_before(at(8)).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(3), Some(at(3))));
    assert_eq!(kind(engine.changes(first(2))), "pruned");
    assert_eq!(next(&mut changes).expect("a commit").0, 4);
    assert_eq!(next(&mut changes).expect("a commit").0, 5);
    // What was given out is held no more, though more was read ahead.
    assert_eq!(engine.prune_before(at(8)).expect("prune").floor, at(5));
    let second = engine.changes(first(7)).expect("changes");
    let holds: Vec<_> = engine
        .feed_holds()
        .into_iter()
        .map(|it| (it.name, it.timestamp))
        .collect();
    assert_eq!(holds, [(None, at(5)), (None, at(7))]);
    let rest: Vec<_> = all(&mut changes).into_iter().map(|(at, _)| at).collect();
    assert_eq!(rest, [6, 7, 8, 9]);
    assert_eq!(engine.prune_before(at(9)).expect("prune").floor, at(7));
    drop(second);
    assert_eq!(engine.prune_before(at(9)).expect("prune").floor, at(9));
    drop(changes);
    assert_eq!(
        (engine.stats().feeds, engine.stats().oldest_feed),
        (0, None)
    );
    // A pin keeps a state, and no records.
    put(&engine, "a", "10");
    engine.pin("p", at(9), PinOptions::default()).expect("pin");
    put(&engine, "a", "11");
    engine.prune_before(at(11)).expect("prune");
    assert!(engine.at(at(9)).is_ok());
    assert_eq!(kind(engine.changes(first(9))), "pruned");
}

pub(crate) fn feed_by_name_holds_the_floor_over_reopening(place: &impl Place) {
    let mut storage = place.open();
    let engine = Engine::new(&storage);
    for number in 1..=6 {
        put(&engine, "a", &number.to_string());
    }
    let feed = engine
        .create_feed("index", first(2), FeedOptions::default())
        .expect("a feed");
    assert_eq!((feed.name.as_str(), feed.position), ("index", first(2)));
    drop(engine);
    storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    assert_eq!(engine.feeds().expect("feeds"), [feed]);
    assert_eq!(engine.status().expect("status").oldest_feed, Some(at(2)));
    assert_eq!(engine.prune_before(at(6)).expect("prune").floor, at(2));
    engine.acknowledge("index", first(4)).expect("acknowledge");
    drop(engine);
    storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    let mut changes = engine.feed("index").expect("a feed");
    assert_eq!(next(&mut changes).expect("a commit").0, 5);
    assert_eq!(engine.prune_before(at(6)).expect("prune").floor, at(4));
    assert_eq!(next(&mut changes).expect("a commit").0, 6);
    assert!(engine.verify().expect("verify").is_clean());
    engine.drop_feed("index").expect("drop");
    assert_eq!(kind(changes.poll()), "not_found");
    assert_eq!(engine.prune_before(at(6)).expect("prune").floor, at(6));
    drop((changes, engine));
    storage = place.reopen(storage);
    assert!(Engine::new(&storage).feeds().expect("feeds").is_empty());
}

pub(crate) fn feed_by_name_is_read_again_from_what_was_acknowledged(place: &impl Place) {
    let engine = place.engine();
    play(&engine);
    engine
        .create_feed("f", Position::START, FeedOptions::default())
        .expect("a feed");
    let mut changes = engine.feed("f").expect("a feed");
    assert_eq!(all(&mut changes), played());
    assert_eq!(all(&mut engine.feed("f").expect("a feed")), played());
    engine.acknowledge("f", first(3)).expect("acknowledge");
    // Twice is once; a gap is a place too.
    engine.acknowledge("f", first(3)).expect("acknowledge");
    engine.acknowledge("f", first(5)).expect("acknowledge");
    assert_eq!(kind(engine.acknowledge("f", first(4))), "invalid");
    assert_eq!(kind(engine.acknowledge("f", first(11))), "not_yet");
    assert_eq!(all(&mut engine.feed("f").expect("a feed")), played()[4..]);
    assert_eq!(all(&mut changes), []);
}

pub(crate) fn feed_too_far_behind_is_let_go_and_told(place: &impl Place) {
    let mut storage = place.open();
    let engine = Engine::new(&storage);
    put(&engine, "a", "1");
    let bounded = FeedOptions::default().max_lag(3);
    engine
        .create_feed("slow", first(1), bounded)
        .expect("a feed");
    engine
        .create_feed("held", first(1), FeedOptions::default().max_lag(100))
        .expect("a feed");
    let mut reader = engine.feed("slow").expect("a feed");
    for number in 2..=4 {
        put(&engine, "a", &number.to_string());
    }
    // As far as it may be.
    assert_eq!(engine.prune_before(at(4)).expect("prune").floor, at(1));
    put(&engine, "a", "5");
    // One that holds nothing that is to go stays.
    engine.prune_before(at(1)).expect("prune");
    assert!(!engine.feeds().expect("feeds")[1].is_let_go);
    engine.drop_feed("held").expect("drop");
    assert_eq!(engine.prune_before(at(4)).expect("prune").floor, at(4));
    for _ in 0..2 {
        let message = error(engine.feed("slow")).to_string();
        assert!(
            message.contains("\"slow\"") && message.contains("drop it"),
            "{message}"
        );
        assert_eq!(kind(engine.acknowledge("slow", first(5))), "too_old");
        assert!(engine.feeds().expect("feeds")[0].is_let_go);
        assert_eq!(engine.stats().oldest_feed, None);
    }
    assert_eq!(kind(reader.poll()), "too_old");
    drop((engine, reader));
    storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    assert_eq!(kind(engine.feed("slow")), "too_old");
    assert_eq!(engine.prune_before(at(5)).expect("prune").floor, at(5));
    engine.drop_feed("slow").expect("drop");
    engine
        .create_feed("slow", engine.position().expect("position"), bounded)
        .expect("a feed");
}

pub(crate) fn feed_past_the_age_limit_is_let_go_and_told(place: &impl Place) {
    let age = Duration::from_millis(1);
    let storage = place.open_with(Options {
        max_snapshot_age: Some(age),
        ..Options::default()
    });
    let engine = Engine::new(&storage);
    put(&engine, "a", "1");
    engine
        .create_feed("f", first(1), FeedOptions::default().max_age(age))
        .expect("a feed");
    let mut reader = engine.changes(first(1)).expect("changes");
    let later = || {
        let since = SystemTime::now();
        while since.elapsed().is_ok_and(|passed| passed <= 2 * age) {
            thread::yield_now();
        }
    };
    // It is not late where nothing has come since.
    later();
    assert_eq!(engine.prune_before(at(1)).expect("prune").floor, at(1));
    assert_eq!(engine.feed_holds().len(), 2);
    // What was committed long ago, as its time says, makes no feed late that was made since.
    let hour = FeedOptions::default().max_age(Duration::from_secs(3600));
    engine
        .create_feed("patient", first(1), hour)
        .expect("a feed");
    let mut batch = Batch::new();
    batch.set("a", "2");
    let options = CommitOptions::default().time(UNIX_EPOCH);
    engine.commit(batch, options).expect("commit");
    later();
    assert_eq!(engine.prune_before(at(2)).expect("prune").floor, at(1));
    let mut patient = engine.feed("patient").expect("a feed");
    assert_eq!(next(&mut patient).expect("a commit").0, 2);
    engine
        .acknowledge("patient", first(2))
        .expect("acknowledge");
    assert_eq!(engine.prune_before(at(2)).expect("prune").floor, at(2));
    assert_eq!(kind(engine.feed("f")), "too_old");
    assert_eq!(kind(reader.poll()), "too_old");
}

pub(crate) fn feed_tells_of_a_rollback_and_goes_on_from_it(place: &impl Place) {
    let mut storage = place.open();
    let engine = Engine::new(&storage);
    for number in 1..=6 {
        put(&engine, "a", &number.to_string());
    }
    engine
        .create_feed("f", first(5), FeedOptions::default())
        .expect("a feed");
    let mut above = engine.feed("f").expect("a feed");
    let mut below = engine.changes(first(2)).expect("changes");
    assert_eq!(next(&mut below).expect("a commit").0, 3);
    let position = first(6);
    engine.rollback_to(at(4)).expect("rollback");
    put(&engine, "a", "new 5");
    put(&engine, "a", "new 6");
    // What was read ahead of the rollback is not given out.
    let new = expect(&[
        (4, &[("a", Some("4"))]),
        (5, &[("a", Some("new 5"))]),
        (6, &[("a", Some("new 6"))]),
    ]);
    assert_eq!(all(&mut below), new);
    assert_eq!(below.position(), Position::new(at(6), 1));
    let message = error(above.poll()).to_string();
    assert!(message.contains("rolled back to 4"), "{message}");
    assert_eq!(kind(engine.changes(position)), "too_old");
    assert_eq!(kind(engine.acknowledge("f", position)), "too_old");
    drop((above, below, engine));
    storage = place.reopen(storage);
    let engine = Engine::new(&storage);
    // What it needs to go on from the target is held.
    assert_eq!(engine.stats().oldest_feed, Some(at(4)));
    assert_eq!(engine.prune_before(at(6)).expect("prune").floor, at(4));
    let common = engine.last_common(position).expect("a position");
    assert_eq!(common, Position::new(at(4), 1));
    assert_eq!(
        engine.last_common(first(3)).expect("a position"),
        Position::new(at(3), 1)
    );
    assert_eq!(kind(engine.feed("f").expect("a feed").poll()), "too_old");
    engine.acknowledge("f", common).expect("acknowledge");
    assert_eq!(all(&mut engine.feed("f").expect("a feed")), new[1..]);
    assert!(engine.verify().expect("verify").is_clean());
}

pub(crate) fn feed_refuses_what_cannot_be(place: &impl Place) {
    let engine = place.engine();
    play(&engine);
    engine.prune_before(at(3)).expect("prune");
    let create = |name: &str, from, options| kind(engine.create_feed(name, from, options));
    let plain = FeedOptions::default();
    assert_eq!(create("", first(5), plain), "invalid");
    assert_eq!(create(&"x".repeat(256), first(5), plain), "invalid");
    assert_eq!(create("f", first(2), plain), "pruned");
    assert_eq!(create("f", first(11), plain), "not_yet");
    assert_eq!(create("f", Position::new(at(5), 1), plain), "invalid");
    assert_eq!(create("f", first(5), plain.max_lag(0)), "invalid");
    engine.create_feed("f", first(5), plain).expect("a feed");
    assert_eq!(create("f", first(5), plain), "invalid");
    assert_eq!(kind(engine.feed("g")), "not_found");
    assert_eq!(kind(engine.drop_feed("g")), "not_found");
    assert_eq!(kind(engine.acknowledge("g", first(5))), "not_found");
    for wrong in [
        "",
        "5",
        "@",
        "5@",
        "@1",
        "-1@0",
        "5@0@0",
        "18446744073709551615@0",
        "+5@0",
    ] {
        assert_eq!(kind(wrong.parse::<Position>()), "invalid", "{wrong:?}");
    }
}

/// Two writers commit, a third rolls back and prunes, and a follower keeps a copy from what a named feed tells, undoing
/// what was abandoned. In the end the copy is the state; and within an epoch each commit came once, in order.
pub(crate) fn feed_beside_writers_prunes_and_rollbacks_gives_each_commit_once(place: &impl Place) {
    const COMMITS: u64 = 200;
    let storage = place.open();
    let engine = &Engine::new(&storage);
    engine
        .create_feed("copy", Position::START, FeedOptions::default())
        .expect("a feed");
    let (stop, done) = (&AtomicBool::new(false), &AtomicBool::new(false));
    thread::scope(|scope| {
        let writers = [0_u64, 1].map(|writer| {
            scope.spawn(move || {
                for number in 0..COMMITS {
                    let mut batch = Batch::new();
                    let value = format!("{writer}:{number}");
                    // All of one commit are equal, so that a torn one shows.
                    batch
                        .set("left", &value)
                        .set(format!("k{}", number % 7), &value)
                        .set("right", &value);
                    if number % 5 == 0 {
                        batch.delete(format!("k{}", number % 3));
                    }
                    engine
                        .commit(batch, CommitOptions::default())
                        .expect("commit");
                }
            })
        });
        let breaker = scope.spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::SeqCst) {
                round += 1;
                let visible = engine.visible().get();
                if round % 3 == 0 && visible > 5 {
                    // Refused where the floor has passed it.
                    let _ = engine.rollback_to(at(visible - 3));
                } else {
                    let _ = engine.prune_before(at(visible.saturating_sub(2)));
                }
                thread::yield_now();
            }
        });
        let follower = scope.spawn(move || follow(engine, done));
        for writer in writers {
            writer.join().expect("a writer");
        }
        stop.store(true, Ordering::SeqCst);
        breaker.join().expect("the breaker");
        done.store(true, Ordering::SeqCst);
        follower.join().expect("the follower");
    });
    assert!(engine.verify().expect("verify").is_clean());
}

/// The state at each timestamp, as the feed tells it.
fn follow(engine: &Engine, done: &AtomicBool) {
    let mut states: BTreeMap<u64, BTreeMap<String, String>> =
        BTreeMap::from([(0, BTreeMap::new())]);
    let mut position = Position::START;
    let mut changes = engine.feed("copy").expect("a feed");
    loop {
        let is_done = done.load(Ordering::SeqCst);
        match changes.poll() {
            Ok(Some(commit)) => {
                let (last, state) = states.last_key_value().expect("a state");
                assert!(
                    commit.timestamp.get() == last + 1,
                    "{} after {last}",
                    commit.timestamp
                );
                let mut state = state.clone();
                for (key, value) in told(&commit) {
                    match value {
                        Some(value) => state.insert(key, value),
                        None => state.remove(&key),
                    };
                }
                assert_eq!(state.get("left"), state.get("right"), "torn");
                states.insert(commit.timestamp.get(), state);
                position = commit.position();
                // Now and then; a rollback may have come between.
                if position.timestamp.get().is_multiple_of(4) {
                    let _ = engine.acknowledge("copy", position);
                }
            }
            Ok(None)
                if is_done
                    && engine
                        .check_position(position.timestamp, position.epoch)
                        .is_ok() =>
            {
                break;
            }
            Ok(None) => thread::yield_now(),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::TooOld), "{error}");
                position = engine.last_common(position).expect("a position");
                states.retain(|at, _| *at <= position.timestamp.get());
                // Another rollback may come first.
                if engine.acknowledge("copy", position).is_ok() {
                    changes = engine.feed("copy").expect("a feed");
                }
            }
        }
    }
    let state = engine.scan(b"").map(|row| {
        let (key, value) = row.expect("a row");
        (text(&key), text(&value))
    });
    let (last, copy) = states.last_key_value().expect("a state");
    assert_eq!(
        (engine.visible().get(), state.collect::<BTreeMap<_, _>>()),
        (*last, copy.clone())
    );
}
