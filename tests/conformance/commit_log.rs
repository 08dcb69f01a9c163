//! The log of commits: each visible commit above the floor once, with its time and its counts, from both ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sapwood::{Batch, CommitOptions, CommitSummary, Engine, Result, Timestamp};

use crate::support::{Place, at};

suite!(
    commit_log_lists_each_commit_once,
    commit_log_is_read_from_both_ends,
    commit_log_begins_above_the_floor,
    commit_log_forgets_what_was_rolled_back,
    commit_log_counts_commits_of_many_parts,
);

/// Timestamp, seconds since 1970, sets, deletes.
type Told = (u64, u64, u64, u64);

fn second(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(number)
}

fn told(summary: Result<CommitSummary>) -> Told {
    let summary = summary.expect("a commit");
    let time = summary.time.duration_since(UNIX_EPOCH).expect("a time");
    (
        summary.timestamp.get(),
        time.as_secs(),
        summary.sets,
        summary.deletes,
    )
}

fn all(engine: &Engine) -> Vec<Told> {
    engine.commit_log(..).expect("the log").map(told).collect()
}

/// Commits at 10, 20, ... 50, with times that go back.
fn play(engine: &Engine) {
    for number in 1..=5u64 {
        let mut batch = Batch::new();
        for key in 0..number {
            batch.set(format!("key {key}"), number.to_string());
        }
        if number == 4 {
            batch.delete("key 0").delete("never there");
        }
        let options = CommitOptions::default()
            .at(at(number * 10))
            .time(second(1000 - number));
        engine.commit(batch, options).expect("commit");
    }
}

const PLAYED: [Told; 5] = [
    (10, 999, 1, 0),
    (20, 998, 2, 0),
    (30, 997, 3, 0),
    (40, 996, 3, 1),
    (50, 995, 5, 0),
];

pub(crate) fn commit_log_lists_each_commit_once(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    assert!(all(&engine).is_empty());
    play(&engine);
    drop(engine);
    place.settle(storage, |storage| {
        assert_eq!(all(&Engine::new(storage)), PLAYED);
    });
}

pub(crate) fn commit_log_is_read_from_both_ends(place: &impl Place) {
    let engine = place.engine();
    play(&engine);
    // Every range, at, below and above each commit; every way of taking from its ends.
    for from in 0..=12u64 {
        for to in 0..=12u64 {
            let (from, to) = (from * 5, to * 5);
            let inside = |told: &&Told| told.0 >= from && told.0 <= to;
            let expected: Vec<_> = PLAYED.iter().filter(inside).copied().collect();
            for ways in 0..1 << expected.len() {
                let mut log = engine.commit_log(at(from)..=at(to)).expect("the log");
                let (mut front, mut back) = (Vec::new(), Vec::new());
                for step in 0..expected.len() {
                    if ways >> step & 1 == 0 {
                        front.extend(log.next().map(told));
                    } else {
                        back.extend(log.next_back().map(told));
                    }
                }
                assert!(log.next().is_none() && log.next_back().is_none());
                front.extend(back.into_iter().rev());
                assert_eq!(front, expected, "{from}..={to}, ways {ways:b}");
            }
        }
    }
    let count = |log: Result<sapwood::CommitLog>| log.expect("the log").count();
    assert_eq!(count(engine.commit_log(at(20)..at(40))), 2);
    assert_eq!(count(engine.commit_log(..at(0))), 0);
    assert_eq!(count(engine.commit_log(Timestamp::MAX..)), 0);
}

pub(crate) fn commit_log_begins_above_the_floor(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    play(&engine);
    let before = engine.commit_log(..).expect("the log");
    engine.prune_before(at(30)).expect("prune");
    assert!(before.count() >= 2, "what is above the floor stays");
    drop(engine);
    place.settle(storage, |storage| {
        let engine = Engine::new(storage);
        assert_eq!(all(&engine), PLAYED[3..]);
        let back = engine.commit_log(..).expect("the log").rev().map(told);
        assert_eq!(back.collect::<Vec<_>>(), [PLAYED[4], PLAYED[3]]);
    });
}

pub(crate) fn commit_log_forgets_what_was_rolled_back(place: &impl Place) {
    let engine = place.engine();
    play(&engine);
    engine.rollback_to(at(20)).expect("rollback");
    assert_eq!(all(&engine), PLAYED[..2]);
    let mut batch = Batch::new();
    batch.set("new", "1");
    let options = CommitOptions::default().at(at(21)).time(second(7));
    engine.commit(batch, options).expect("commit");
    assert_eq!(all(&engine)[2..], [(21, 7, 1, 0)]);
}

pub(crate) fn commit_log_counts_commits_of_many_parts(place: &impl Place) {
    let engine = place.engine();
    engine.set("before", "1").expect("set");
    let mut batch = Batch::new();
    // A part holds 256 KiB.
    let value = vec![b'v'; 1000];
    for number in 0..1500 {
        batch.set(format!("key {number:05}"), &value);
    }
    let options = CommitOptions::default().time(second(5));
    engine.commit(batch, options).expect("commit");
    engine.set("behind", "1").expect("set");
    for _ in 0..2 {
        let forward = all(&engine);
        assert_eq!((forward.len(), forward[1]), (3, (2, 5, 1500, 0)));
        let log = engine.commit_log(..).expect("the log");
        let mut backward: Vec<_> = log.rev().map(told).collect();
        backward.reverse();
        assert_eq!(backward, forward);
        engine.flush().expect("flush");
    }
}
