//! A database that is open elsewhere, read beside: one state, which stays it, and no file of it is changed.

use std::sync::atomic::{AtomicBool, Ordering};

use sapwood::{
    Batch, Engine, ErrorKind, PinOptions, ReadView, RocksDBConfig, RocksDBStorage, Timestamp,
};

use crate::support::{World, contents, refused, states};

const KEYS: u64 = 7;

fn open_beside(world: &World, name: &str) -> Engine {
    let storage = RocksDBStorage::open_beside(world.config(name));
    Engine::new(&storage.expect("a database"))
}

/// Every commit writes its own timestamp to all keys, so that each state shows which it is.
fn commit(engine: &Engine) -> Timestamp {
    let next = engine.visible().next().expect("a timestamp");
    let mut batch = Batch::new();
    for key in 0..KEYS {
        batch.set(key.to_be_bytes(), next.get().to_be_bytes());
    }
    engine.commit_at(next, batch).expect("a commit").timestamp
}

/// Whether every state that can be read is whole, and no commit is missing.
fn check(engine: &Engine) {
    let (floor, visible) = (engine.floor(), engine.visible());
    let log = engine.commit_log(..).expect("the log");
    let log: Vec<_> = log
        .map(|commit| commit.expect("a commit").timestamp)
        .collect();
    let expected: Vec<_> = (floor.get() + 1..=visible.get())
        .map(Timestamp::new)
        .collect();
    assert_eq!(log, expected);
    for number in floor.get().max(1)..=visible.get() {
        let state = engine.at(Timestamp::new(number)).expect("a state");
        for key in 0..KEYS {
            let value = state.get(key.to_be_bytes()).expect("get").expect("a value");
            assert_eq!(value, number.to_be_bytes()[..], "key {key} at {number}");
        }
    }
}

#[test]
fn what_is_read_beside_is_one_state_while_commits_flushes_and_prunes_go_on() {
    let world = World::new();
    let engine = world.open("db");
    for _ in 0..20 {
        commit(&engine);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let last = commit(&engine).get();
                if last.is_multiple_of(50) {
                    engine.flush().expect("a flush");
                }
                if last.is_multiple_of(200) {
                    let before = Timestamp::new(last - 30);
                    engine.prune_before(before).expect("a prune");
                }
            }
        });
        let mut last = Timestamp::ZERO;
        for _ in 0..30 {
            let before = engine.visible();
            match RocksDBStorage::open_beside(world.config("db")) {
                Ok(storage) => {
                    let beside = Engine::new(&storage);
                    assert!(
                        beside.visible() >= before.max(last),
                        "it has what was there"
                    );
                    last = beside.visible();
                    check(&beside);
                }
                // Its files changed all the time.
                Err(error) => assert_eq!(error.kind(), &ErrorKind::Locked, "{error}"),
            }
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(last > Timestamp::ZERO, "it was opened at least once");
    });
}

#[test]
fn what_is_read_beside_stays_what_it_was() {
    let world = World::new();
    let engine = world.open("db");
    for _ in 0..50 {
        commit(&engine);
    }
    engine
        .pin("kept", Timestamp::new(7), PinOptions::default())
        .expect("a pin");
    engine.prune_before(Timestamp::new(20)).expect("a prune");
    let expected = states(&engine);
    let files = contents(&world.path("db"));
    let beside = open_beside(&world, "db");
    let another = open_beside(&world, "db");
    assert_eq!(states(&beside), expected);
    assert_eq!(beside.pins().expect("pins"), engine.pins().expect("pins"));
    assert_eq!(contents(&world.path("db")), files, "no file was changed");
    // All that it reads goes away.
    for _ in 0..500 {
        commit(&engine);
    }
    engine.unpin("kept").expect("unpin");
    engine.prune_before(engine.visible()).expect("a prune");
    engine.compact().expect("a compaction");
    engine.close().expect("close");
    drop(engine);
    for beside in [&beside, &another] {
        assert_eq!(states(beside), expected);
        check(beside);
    }
    drop(beside);
    assert_eq!(open_beside(&world, "db").visible(), Timestamp::new(550));
}

#[test]
fn what_is_read_beside_is_only_read() {
    let world = World::new();
    let engine = world.open("db");
    commit(&engine);
    let beside = open_beside(&world, "db");
    let pin = beside.pin("pin", Timestamp::new(1), PinOptions::default());
    for told in [
        refused(beside.set("key", "value")),
        refused(pin),
        refused(beside.prune_before(Timestamp::new(1))),
        refused(beside.rollback_to(Timestamp::ZERO)),
        // What is not merged yet is in memory only: it would not be counted.
        refused(beside.status()),
        refused(beside.verify()),
    ] {
        assert_eq!(told.0, "read_only", "{told:?}");
    }
    assert_eq!(engine.visible(), Timestamp::new(1));
    let nothing = RocksDBConfig::at(world.path("nothing").to_str().expect("UTF-8"));
    assert_eq!(refused(RocksDBStorage::open_beside(nothing)).0, "not_found");
    assert!(!world.path("nothing").exists());
}
