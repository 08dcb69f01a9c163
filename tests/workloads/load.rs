//! Pruning under a load that does not end: the floor goes up although at every moment somebody reads.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use rand::RngExt;
use sapwood::{Engine, ReadView, Timestamp, Transaction};

use crate::support::{LEVELS, Place, number, random};

suite!(the_floor_goes_up_while_readers_come_and_go);

/// How often the floor must go up before the load ends.
const RISES: u64 = 3;
/// The load ends in any case, so that a floor which stands still fails the test.
const MOST_COMMITS: u64 = 200_000;
const READERS: u64 = 3;
const KEYS: u64 = 8;

fn key(number: u64) -> String {
    format!("key-{number}")
}

/// All keys are always written together.
fn write_all(engine: &Engine, value: u64, level: usize) {
    let work = |tx: &mut Transaction| {
        (0..KEYS).try_for_each(|number| tx.set(key(number), value.to_string()))
    };
    engine
        .transact(LEVELS[level], work)
        .expect("it wins in the end");
}

#[track_caller]
fn assert_whole(view: &impl ReadView) {
    let mut values = view.range(..).map(|row| number(&row.expect("a row").1));
    let first = values.next().expect("a first");
    assert_eq!(
        values.filter(|value| *value == first).count() as u64,
        KEYS - 1
    );
}

fn the_floor_goes_up_while_readers_come_and_go(place: &impl Place) {
    for threads in [2, 16] {
        let engine = place.open();
        write_all(&engine, 0, 0);
        let enough = AtomicBool::new(false);
        let commits = AtomicU64::new(0);
        let goes_on =
            || !enough.load(Ordering::SeqCst) && commits.load(Ordering::SeqCst) < MOST_COMMITS;
        let rises = thread::scope(|scope| {
            for number in 0..threads {
                let (engine, commits) = (&engine, &commits);
                scope.spawn(move || {
                    let mut random = random("load", number);
                    while goes_on() {
                        let value = commits.fetch_add(1, Ordering::SeqCst);
                        write_all(engine, value, random.random_range(0..LEVELS.len()));
                    }
                });
            }
            for number in 0..READERS {
                let engine = &engine;
                scope.spawn(move || {
                    let mut random = random("passers-by", number);
                    // The next comes before the last goes.
                    let mut held = engine.snapshot().unwrap();
                    while goes_on() {
                        let next = engine.snapshot().unwrap();
                        assert_whole(&held);
                        held = next;
                        let tx = engine
                            .begin(LEVELS[random.random_range(0..LEVELS.len())])
                            .unwrap();
                        assert_whole(&tx);
                    }
                });
            }
            let _enough = Enough(&enough);
            let (mut rises, mut last) = (0, engine.floor());
            while rises < RISES && goes_on() {
                let report = engine.prune_before(engine.visible()).unwrap();
                assert!(report.floor >= last, "a floor does not go down");
                rises += u64::from(report.floor > last);
                last = report.floor;
            }
            rises
        });
        assert_eq!(
            rises,
            RISES,
            "{threads} threads: the floor stands still at {}",
            engine.floor()
        );
        let end = engine.visible();
        assert_eq!(engine.prune_before(end).unwrap().floor, end);
        assert_whole(&engine.at(end).unwrap());
        assert!(engine.at(Timestamp::new(end.get() - 1)).is_err());
        let status = engine.status().unwrap();
        assert_eq!((status.versions, status.keys), (KEYS, KEYS));
    }
}

/// Ends the load, however its thread ends.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
