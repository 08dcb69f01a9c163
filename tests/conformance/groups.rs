//! Commits that wait together: each succeeds or fails for itself, and all in one order.

use std::{collections::BTreeMap, thread};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Batch, CommitInfo, CommitOptions, Durability, Engine, Isolation, ReadView, Result, Storage,
    Timestamp, TransactionOptions, limits::VALUE_MAX_BYTES,
};

use crate::support::{
    LEVELS, Place, Work, assert_nothing_is_held, at, begin, bytes, conflict, delete, in_its_turn,
    kind, put, row, rows, set, together,
};

suite!(
    inv_19_commits_of_a_group_replace_each_other,
    inv_24_a_bad_request_of_a_group_fails_alone,
    inv_24_commits_of_every_kind_take_turns,
    inv_24_a_synced_commit_syncs_its_group,
    inv_27_compare_and_set_sees_the_commits_before_it_in_its_group,
    inv_33_of_a_group_that_writes_one_key_one_commits,
    inv_35_in_its_turn_a_transaction_cannot_lose,
    inv_36_in_a_group_the_serial_order_is_that_of_the_timestamps,
);

/// A commit of one key.
fn setting<'a>(engine: &'a Engine, key: &'a str, value: &'a str) -> Work<'a, Result<CommitInfo>> {
    Box::new(move || engine.commit(vec![set(key, value)].into(), CommitOptions::default()))
}

/// Checks that commits took the timestamps from the first on, without a gap.
fn assert_dense(first: u64, mut timestamps: Vec<Timestamp>) {
    timestamps.sort_unstable();
    let wanted: Vec<_> = (first..).take(timestamps.len()).map(at).collect();
    assert_eq!(timestamps, wanted);
}

pub(crate) fn inv_24_a_bad_request_of_a_group_fails_alone<P: Place>(place: &P) {
    let engine = &place.engine();
    for round in 0..10 {
        let isolation = LEVELS[round % 2];
        engine.delete_range(..).expect("delete_range");
        put(engine, "cas", "1");
        let mut loses = begin(engine, isolation);
        let mut loses_too = begin(engine, Isolation::Serializable);
        put(engine, "taken", "1");
        put(engine, "range/1", "1");
        let mut wins = begin(engine, isolation);
        let mut is_late = begin(engine, isolation);
        loses.set("taken", "2").expect("set");
        loses.set("never/1", "").expect("set");
        assert_eq!(loses_too.scan("range").count(), 0);
        loses_too.set("never/2", "").expect("set");
        assert_eq!(wins.scan("range").count(), 1);
        wins.set("wins", "1").expect("set");
        is_late.set("never/3", "").expect("set");
        let (before, counted) = (engine.visible(), engine.stats());
        let never = |number: u64| -> Batch { vec![set(format!("never/{number}"), "")].into() };
        // Each with the name of its error, if it must fail.
        let requests: Vec<(Option<&str>, Work<'_, Result<CommitInfo>>)> = vec![
            (None, setting(engine, "first", "1")),
            (Some("conflict"), Box::new(move || loses.commit())),
            (
                Some("invalid"),
                Box::new(move || engine.commit(never(4), CommitOptions::default().at(before))),
            ),
            (
                Some("invalid"),
                Box::new(move || {
                    engine.commit(never(5), CommitOptions::default().at(at(u64::MAX)))
                }),
            ),
            (None, Box::new(move || wins.commit())),
            (
                Some("too_large"),
                Box::new(move || {
                    let value = vec![0; VALUE_MAX_BYTES + 1];
                    let writes = vec![set("never/6", ""), set("never/7", value)];
                    engine.commit(writes.into(), CommitOptions::default())
                }),
            ),
            (
                Some("conflict"),
                Box::new(move || engine.compare_and_set("cas", Some(b"2"), Some(b"3"))),
            ),
            (Some("conflict"), Box::new(move || loses_too.commit())),
            (
                None,
                Box::new(move || engine.compare_and_set("cas", Some(b"1"), Some(b"4"))),
            ),
            (
                None,
                Box::new(move || engine.commit(Batch::new(), CommitOptions::default())),
            ),
            (
                Some("invalid"),
                Box::new(move || is_late.commit_with(CommitOptions::default().at(before))),
            ),
            (None, setting(engine, "last", "1")),
            (
                None,
                Box::new(move || engine.delete_range(bytes("range")..bytes("range~"))),
            ),
            (None, setting(engine, "behind", "1")),
        ];
        let (expected, work): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let outcomes = together(engine, work);
        let mut timestamps = Vec::new();
        for (outcome, expected) in outcomes.into_iter().zip(expected) {
            match expected {
                None => timestamps.push(outcome.expect("it must succeed").timestamp),
                Some(expected) => assert_eq!(kind(outcome), expected),
            }
        }
        let (stats, made) = (engine.stats(), timestamps.len() as u64);
        assert_eq!(stats.commits - counted.commits, made);
        assert!(stats.groups - counted.groups <= made);
        assert_eq!(stats.conflicts - counted.conflicts, 3);
        assert_dense(before.get() + 1, timestamps);
        assert_good_ones_are_there(engine);
        assert_nothing_is_held(engine);
    }
}

/// What the good requests of that group leave, and nothing of the bad ones.
fn assert_good_ones_are_there(engine: &Engine) {
    let left = [
        row("behind", "1"),
        row("cas", "4"),
        row("first", "1"),
        row("last", "1"),
        row("taken", "1"),
        row("wins", "1"),
    ];
    assert_eq!(rows(engine.range(..)), left);
    for number in 1..=7 {
        let versions = engine.history(format!("never/{number}"), ..);
        assert_eq!(versions.expect("history").count(), 0);
    }
}

pub(crate) fn inv_19_commits_of_a_group_replace_each_other<P: Place>(place: &P) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    // The key's value after each commit, by timestamp.
    let mut values: BTreeMap<Timestamp, Option<String>> = BTreeMap::new();
    values.insert(at(0), None);
    for round in 0..12 {
        let work = (0..7).map(|number: u32| -> Work<'_, (Timestamp, Option<String>)> {
            let engine = &engine;
            let value = (number % 3 != round % 3).then(|| format!("{round}/{number}"));
            Box::new(move || {
                let write = match &value {
                    Some(value) => set("k", value),
                    None => delete("k"),
                };
                let batch = vec![set(number.to_string(), ""), write].into();
                let info = engine.commit(batch, CommitOptions::default());
                (info.expect("commit").timestamp, value)
            })
        });
        values.extend(together(&engine, work.collect()));
    }
    assert_dense(0, values.keys().copied().collect());
    drop(engine);
    place.settle(storage, |storage| {
        let mut versions: Vec<(Timestamp, Option<Timestamp>, String)> = Vec::new();
        for (timestamp, value) in &values {
            let got = storage.get_at(b"k", *timestamp).expect("get_at");
            assert_eq!(got, value.as_ref().map(bytes), "at {timestamp}");
            if let Some((_, end @ None, _)) = versions.last_mut() {
                *end = Some(*timestamp);
            }
            versions.extend(value.clone().map(|value| (*timestamp, None, value)));
        }
        let listed = storage
            .history(b"k", at(0), Timestamp::MAX)
            .expect("history");
        let listed = listed.rev().map(|version| version.expect("a version"));
        let listed: Vec<_> = listed
            .map(|version| {
                let value = String::from_utf8_lossy(&version.value).into_owned();
                (version.start, version.end, value)
            })
            .collect();
        assert_eq!(listed, versions);
    });
}

pub(crate) fn inv_24_a_synced_commit_syncs_its_group<P: Place>(place: &P) {
    let engine = &place.engine();
    put(engine, "k", "1");
    assert_eq!(engine.stats().synced_groups, 0);
    let synced = CommitOptions::default().durability(Durability::Sync);
    let sync = |key: &'static str| -> Work<'_, Result<CommitInfo>> {
        Box::new(move || engine.commit(vec![set(key, "")].into(), synced))
    };
    let work = vec![
        setting(engine, "a", ""),
        sync("b"),
        setting(engine, "c", ""),
    ];
    let outcomes = together(engine, work);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(engine.stats().synced_groups, 1);
    // One that is refused waits for nothing.
    let mut loses = begin(engine, Isolation::Serializable);
    loses.set("a", "").expect("set");
    put(engine, "a", "");
    let lost = Box::new(|| loses.commit_with(synced));
    let outcomes = together(engine, vec![setting(engine, "a", ""), lost]);
    assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    assert_eq!(engine.stats().synced_groups, 1);
    engine.commit(Batch::new(), synced).expect("commit");
    let mut tx = begin(engine, Isolation::Snapshot);
    tx.set("a", "").expect("set");
    tx.commit_with(synced).expect("commit");
    let stats = engine.stats();
    assert_eq!(stats.synced_groups, 3);
    assert!(stats.synced_groups <= stats.groups && stats.groups <= stats.commits);
}

pub(crate) fn inv_27_compare_and_set_sees_the_commits_before_it_in_its_group<P: Place>(place: &P) {
    let engine = &place.engine();
    for round in 0..10 {
        engine.delete_range(..).expect("delete_range");
        let before = engine.visible().get();
        // The first takes the place; then each wants what the one before it left.
        let take = |number: u64| -> Work<'_, Result<CommitInfo>> {
            let value = number.to_string();
            Box::new(move || engine.compare_and_set("lock", None, Some(value.as_bytes())))
        };
        let outcomes = together(engine, (0..5).map(take).collect());
        let winners: Vec<_> = (0u64..)
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let holder = engine.get("lock").expect("get").expect("it is there");
        assert_eq!(holder, winners[0].0.to_string());
        assert_eq!(engine.visible(), at(before + 1));
        let swap = |from: u64| -> Work<'_, Result<CommitInfo>> {
            let (from, to) = (from.to_string(), (from + 1).to_string());
            let swap =
                move || engine.compare_and_set("n", Some(from.as_bytes()), Some(to.as_bytes()));
            Box::new(swap)
        };
        put(engine, "n", "0");
        let outcomes = together(engine, (0..5).map(swap).collect());
        // A chain as long as they came in their order; whoever came too early lost.
        let n = engine.get("n").expect("get").expect("it is there");
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(n, won.to_string());
        for refused in outcomes.into_iter().filter(Result::is_err) {
            assert_eq!(conflict(refused).0, "n");
        }
    }
}

pub(crate) fn inv_33_of_a_group_that_writes_one_key_one_commits<P: Place>(place: &P) {
    const OTHERS: usize = 5;
    let engine = &place.engine();
    for round in 0..20 {
        let snapshot = engine.visible();
        let work = (0..OTHERS).map(|number| -> Work<'_, Result<CommitInfo>> {
            let mut tx = begin(engine, LEVELS[(round + number) % 2]);
            let value = format!("{round}/{number}");
            tx.set("k", &value).expect("set");
            tx.set(format!("own/{number}"), value).expect("set");
            Box::new(move || tx.commit())
        });
        let outcomes = together(engine, work.collect());
        let committed = at(snapshot.get() + 1);
        let mut winners = Vec::new();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(info) => winners.push((number, info.timestamp)),
                refused => {
                    let wanted = ("k".to_owned(), snapshot, committed);
                    assert_eq!(conflict(refused), wanted);
                }
            }
        }
        let [(winner, timestamp)] = winners[..] else {
            panic!("exactly one commits: {winners:?}")
        };
        assert_eq!((timestamp, engine.visible()), (committed, committed));
        let value = bytes(format!("{round}/{winner}"));
        let written = rows(engine.range(..))
            .into_iter()
            .filter(|row| row.1 == value);
        let written: Vec<_> = written.map(|row| row.0).collect();
        assert_eq!(written, [bytes("k"), bytes(format!("own/{winner}"))]);
    }
    assert_nothing_is_held(engine);
}

/// Writers, and serializable readers of what they write that were begun before: whoever read has its
/// place before the writer, or loses.
pub(crate) fn inv_36_in_a_group_the_serial_order_is_that_of_the_timestamps<P: Place>(place: &P) {
    let engine = &place.engine();
    for round in 0..20 {
        engine.delete_range(..).expect("delete_range");
        put(engine, "b", "1");
        let reader = |number: usize| -> Work<'_, Result<CommitInfo>> {
            let mut tx = begin(engine, Isolation::Serializable);
            match number {
                0 => drop(tx.get("a").expect("a missing key")),
                1 => assert_eq!(tx.scan("a").count(), 0),
                2 => drop(tx.get("b").expect("a key")),
                3 => assert_eq!(tx.range(..bytes("c")).rev().count(), 1),
                _ => assert!(tx.range(..).next().is_some()),
            }
            tx.set(format!("own/{number}"), "").expect("set");
            Box::new(move || tx.commit())
        };
        let readers: Vec<_> = (0..5).map(reader).collect();
        let writes = vec![set("a", "2"), delete("b")];
        let write: Work<'_, _> = if round % 2 == 0 {
            Box::new(move || engine.commit(writes.into(), CommitOptions::default()))
        } else {
            let mut tx = begin(engine, Isolation::Snapshot);
            tx.set("a", "2").expect("set");
            tx.delete("b").expect("delete");
            Box::new(move || tx.commit())
        };
        // The writer comes in the middle, so that there are readers on both sides.
        let mut work = readers;
        work.insert(2, write);
        let mut outcomes = together(engine, work);
        let written = outcomes.remove(2).expect("nobody wrote there").timestamp;
        let order = format!("round {round}: {outcomes:?}, written at {written}");
        for outcome in outcomes {
            match outcome {
                Ok(info) => assert!(info.timestamp < written, "{order}"),
                refused => assert_eq!(conflict(refused).2, written, "{order}"),
            }
        }
    }
}

pub(crate) fn inv_35_in_its_turn_a_transaction_cannot_lose<P: Place>(place: &P) {
    let engine = &place.engine();
    put(engine, "n", "0");
    for round in 0..10 {
        let isolation = LEVELS[round % 2];
        let before = engine.visible();
        thread::scope(|scope| {
            let mut rivals = Vec::new();
            let options = in_its_turn().isolation(isolation);
            let done = engine.transact_with(options, CommitOptions::default(), |tx| {
                assert_eq!(tx.timestamp(), before);
                let value = tx.get("n")?;
                assert_eq!(tx.range(..).next().transpose()?.map(|row| row.1), value);
                for _ in 0..3 {
                    rivals.push(scope.spawn(|| put(engine, "n", "rival")));
                    (0..200).for_each(|_| thread::yield_now());
                }
                assert_eq!(engine.visible(), before, "nobody comes between");
                tx.set("n", "winner")?;
                Ok::<_, sapwood::Error>(())
            });
            let done = done.expect("it cannot lose");
            assert_eq!((done.timestamp, done.retries), (at(before.get() + 1), 0));
            let rivals = rivals
                .into_iter()
                .map(|rival| rival.join().expect("a rival"));
            assert_dense(before.get() + 2, rivals.collect());
        });
        let seen = engine.at(at(before.get() + 1)).expect("at").get("n");
        assert_eq!(seen.expect("get").as_deref(), Some(&b"winner"[..]));
    }
    assert_eq!(engine.stats().conflicts, 0);
}

/// What one thread has made of its operations.
#[derive(Default)]
struct Tally {
    timestamps: Vec<Timestamp>,
    conflicts: u64,
}

/// One operation by chance. What it wrote is read at its timestamp, and not before.
fn operate(engine: &Engine, random: &mut ChaCha8Rng, own: &str, tally: &mut Tally) {
    let value = random.random::<u64>().to_string();
    let shared = format!("shared/{}", random.random_range(0..3));
    let options = if random.random_bool(0.05) {
        CommitOptions::default().durability(Durability::Sync)
    } else {
        CommitOptions::default()
    };
    let batch = || Batch::from(vec![set(own, &value), set(&shared, &value)]);
    let (outcome, written) = match random.random_range(0..7) {
        0 => (engine.commit(batch(), options), Some(own)),
        1 => {
            let past = options.at(at(random.random_range(0..4)));
            (engine.commit(batch(), past), Some(own))
        }
        2 => (engine.commit_at(at(u64::MAX), batch()), Some(own)),
        3 => {
            let old = engine.get(&shared).expect("get");
            let new = Some(value.as_bytes());
            let swapped = engine.compare_and_set(&shared, old.as_deref(), new);
            (swapped, Some(shared.as_str()))
        }
        4 => {
            let range = bytes(&shared)..=bytes(&shared);
            (engine.delete_range(range), None)
        }
        _ => {
            let mut tx = begin(engine, LEVELS[random.random_range(0..2)]);
            let is_there = tx.contains(own).expect("contains");
            assert_eq!(tx.scan(own).count(), usize::from(is_there));
            let mut iter = tx.scan("shared/");
            (0..random.random_range(0..4)).for_each(|_| drop(iter.next()));
            tx.set(own, &value).expect("set");
            if random.random() {
                tx.delete(&shared).expect("delete");
            }
            (tx.commit_with(options), Some(own))
        }
    };
    match outcome {
        Ok(info) => {
            let read = |timestamp| {
                let view = engine.at(timestamp).expect("it is visible");
                view.get(written.unwrap_or(&shared)).expect("get")
            };
            let wanted = written.map(|_| value.as_bytes());
            assert_eq!(read(info.timestamp).as_deref(), wanted);
            let before = read(at(info.timestamp.get() - 1));
            assert!(before.is_none() || before.as_deref() != wanted);
            tally.timestamps.push(info.timestamp);
        }
        Err(error) if error.is_retryable() => tally.conflicts += 1,
        Err(error) => assert_eq!(error.kind().name(), "invalid", "{error}"),
    }
}

pub(crate) fn inv_24_commits_of_every_kind_take_turns<P: Place>(place: &P) {
    const THREADS: u64 = 4;
    const EACH: u32 = 120;
    let storage = place.open();
    let engine = Engine::new(&storage);
    for number in 0..5 {
        put(&engine, "first", &number.to_string());
    }
    let tallies: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let engine = engine.clone();
                scope.spawn(move || {
                    println!("seed {thread}");
                    let mut random = ChaCha8Rng::seed_from_u64(thread);
                    let mut tally = Tally::default();
                    for _ in 0..EACH {
                        operate(&engine, &mut random, &format!("own/{thread}"), &mut tally);
                    }
                    tally
                })
            })
            .collect();
        let tallies = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        tallies.map(|tally| tally.expect("a thread")).collect()
    });
    let conflicts: u64 = tallies.iter().map(|tally| tally.conflicts).sum();
    let timestamps: Vec<_> = tallies
        .into_iter()
        .flat_map(|tally| tally.timestamps)
        .collect();
    let stats = engine.stats();
    let commits = timestamps.len() as u64;
    assert_eq!((stats.commits, stats.conflicts), (commits + 5, conflicts));
    assert!(stats.groups <= stats.commits && stats.synced_groups <= stats.groups);
    assert_dense(6, timestamps);
    assert_eq!(engine.visible(), at(commits + 5));
    assert_nothing_is_held(&engine);
    let past = TransactionOptions::default().at(at(5));
    let past = engine.begin_with(past).expect("begin");
    assert_eq!(rows(past.range(..)), [row("first", "4")]);
    drop((past, engine));
    assert_eq!(place.reopen(storage).visible(), at(commits + 5));
}
