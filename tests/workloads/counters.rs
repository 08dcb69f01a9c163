//! Increments: no update is lost, and the state at a timestamp says which one it is.

use std::thread;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sapwood::{Engine, ReadView, Result, Timestamp, Transaction};

use crate::support::{
    AtWork, LEVELS, Place, THREADS, number, prune_behind, random, some_past, text,
};

suite!(the_sum_is_the_number_of_commits);

const COUNTERS: u64 = 3;
const INCREMENTS: u64 = 16_000;

fn counter(random: &mut ChaCha8Rng) -> String {
    format!("counter-{}", random.random_range(0..COUNTERS))
}

fn increment(tx: &mut Transaction, counter: &str) -> Result<()> {
    let before = tx.get(counter)?.map_or(0, |value| number(&value));
    thread::yield_now(); // Others come in between.
    tx.set(counter, (before + 1).to_string())
}

fn sum(view: &impl ReadView) -> u64 {
    view.range(..)
        .map(|row| text(row).1.parse::<u64>().unwrap())
        .sum()
}

/// One increment, in one of the ways to make one; its timestamp.
fn make_increment(engine: &Engine, random: &mut ChaCha8Rng) -> Timestamp {
    let counter = counter(random);
    let level = LEVELS[random.random_range(0..LEVELS.len())];
    if random.random_bool(0.6) {
        let made = engine.transact(level, |tx| increment(tx, &counter));
        return made.expect("it wins in the end").timestamp;
    }
    loop {
        let made = if random.random_bool(0.5) {
            let mut tx = engine.begin(level).unwrap();
            increment(&mut tx, &counter).unwrap();
            tx.commit()
        } else {
            let before = engine.get(&counter).unwrap();
            let after = before.as_ref().map_or(0, |value| number(value)) + 1;
            let after = after.to_string();
            engine.compare_and_set(&counter, before.as_deref(), Some(after.as_bytes()))
        };
        match made {
            Ok(made) => return made.timestamp,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
    }
}

/// Nothing else is committed: at each timestamp the sum is that timestamp.
fn the_sum_is_the_number_of_commits(place: &impl Place) {
    for threads in THREADS {
        let engine = place.open();
        let at_work = AtWork::new(threads);
        let share = INCREMENTS / threads / THREADS.len() as u64;
        thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|number| {
                    let (engine, at_work) = (&engine, &at_work);
                    scope.spawn(move || {
                        let _working = at_work.begin();
                        let mut random = random("increments", number);
                        let made = (0..share).map(|_| make_increment(engine, &mut random));
                        made.collect::<Vec<_>>()
                    })
                })
                .collect();
            scope.spawn(|| {
                let mut random = random("sums", 0);
                at_work.meanwhile(|| {
                    let snapshot = engine.snapshot().unwrap();
                    assert_eq!(sum(&snapshot), snapshot.timestamp().get());
                    let tx = engine.begin(LEVELS[1]).unwrap();
                    assert_eq!(sum(&tx), tx.timestamp().get());
                    drop(tx);
                    if let Some(past) = some_past(&engine, &mut random) {
                        assert_eq!(sum(&past), past.timestamp().get());
                    }
                    if engine.visible().get() - engine.floor().get() > 100 {
                        prune_behind(&engine, 50);
                    }
                });
            });
            let made = writers.into_iter().map(|writer| writer.join().unwrap());
            let mut made: Vec<_> = made
                .flat_map(|timestamps| {
                    assert!(timestamps.is_sorted(), "one after the other");
                    timestamps
                })
                .collect();
            made.sort_unstable();
            let all = share * threads;
            assert!(
                made.iter().map(|at| at.get()).eq(1..=all),
                "each commit has its timestamp"
            );
        });
        assert_eq!(sum(&engine), share * threads);
        assert_eq!(engine.stats().commits, share * threads);
    }
}
