//! A checkpoint is one state, whatever goes on meanwhile, and stays it.

use std::sync::atomic::{AtomicBool, Ordering};

use sapwood::{Batch, CommitOptions, Durability, PinOptions, ReadView, Timestamp};

use crate::support::{World, contents, states};

const KEYS: u64 = 7;
/// How many keys are written by one commit at a time.
const ONCE: u64 = 64;

/// Every commit writes its own timestamp to all keys, so that each state shows which it is.
fn commit(engine: &sapwood::Engine, durability: Durability) -> Timestamp {
    let next = engine.visible().next().expect("a timestamp");
    let mut batch = Batch::new();
    for key in 0..KEYS {
        batch.set(key.to_be_bytes(), next.get().to_be_bytes());
    }
    batch.set(
        [&b"once "[..], &(next.get() % ONCE).to_be_bytes()].concat(),
        b"",
    );
    let options = CommitOptions::default().durability(durability);
    engine.commit(batch, options).expect("a commit").timestamp
}

#[test]
fn inv_59_a_checkpoint_is_one_state_while_commits_merges_and_prunes_go_on() {
    let world = World::new();
    let engine = world.open("db");
    for _ in 0..20 {
        commit(&engine, Durability::Buffered);
    }
    let is_over = AtomicBool::new(false);
    let goes_on = || !is_over.load(Ordering::SeqCst);
    let mut checkpoints = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                commit(&engine, Durability::Buffered);
            }
        });
        scope.spawn(|| {
            while goes_on() {
                let before = engine.visible().get().saturating_sub(10);
                engine
                    .prune_before(Timestamp::new(before))
                    .expect("a prune");
            }
        });
        scope.spawn(|| {
            for number in 0.. {
                if !goes_on() {
                    break;
                }
                let (name, at) = (format!("pin {number}"), engine.visible());
                engine.pin(&name, at, PinOptions::default()).expect("a pin");
                engine.unpin(&name).expect("no pin");
            }
        });
        for number in 0..6 {
            let path = world.path(&format!("checkpoint {number}"));
            let before = engine.visible();
            let checkpoint = engine.create_checkpoint(&path).expect("a checkpoint");
            assert!((before..=engine.visible()).contains(&checkpoint.timestamp));
            checkpoints.push(checkpoint);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    for (number, checkpoint) in checkpoints.iter().enumerate() {
        let copy = world.open_read_only(&format!("checkpoint {number}"));
        let visible = checkpoint.timestamp;
        assert_eq!((copy.visible(), copy.epoch()), (visible, checkpoint.epoch));
        let above = visible.next().expect("a timestamp");
        assert!(copy.at(above).is_err());
        for key in 0..KEYS {
            for version in copy.history(key.to_be_bytes(), ..).expect("a history") {
                let version = version.expect("a version");
                assert!(version.start <= visible, "{version:?} leaked in");
            }
        }
        for (at, rows) in states(&copy) {
            for row in rows.iter().take(usize::try_from(KEYS).expect("small")) {
                assert_eq!(row.1, at.get().to_be_bytes(), "{at} of {visible}");
            }
            assert_eq!(
                u64::try_from(rows.len()).expect("small"),
                KEYS.min(KEYS * at.get()) + at.get().min(ONCE)
            );
        }
        let status = copy.status().expect("a status");
        assert_eq!(status.keys, KEYS + visible.get().min(ONCE));
        let found = copy.verify().expect("verified");
        assert!(found.is_clean(), "{:?}", found.violations);
        drop(copy);
    }
    let (last, visible) = (commit(&engine, Durability::Sync), engine.visible());
    assert_eq!(last, visible);
    assert!(engine.verify().expect("verified").is_clean());
}

#[test]
fn inv_59_later_writes_do_not_leak_in_and_the_original_is_unaffected() {
    let world = World::new();
    let engine = world.open("db");
    for _ in 0..30 {
        commit(&engine, Durability::Buffered);
    }
    let gone = [&b"once "[..], &5u64.to_be_bytes()].concat();
    engine.delete(gone).expect("a commit");
    engine
        .pin("kept", Timestamp::new(3), PinOptions::default())
        .expect("a pin");
    engine.prune_before(Timestamp::new(10)).expect("a prune");
    let before = states(&engine);
    let path = world.path("checkpoint");
    let checkpoint = engine.create_checkpoint(&path).expect("a checkpoint");
    assert_eq!(states(&engine), before);
    let files = contents(&path);
    for _ in 0..30 {
        commit(&engine, Durability::Buffered);
    }
    engine.prune_before(Timestamp::new(50)).expect("a prune");
    engine.unpin("kept").expect("no pin");
    engine.compact().expect("compacted");
    assert_eq!(contents(&path), files);

    let copy = world.open_read_only("checkpoint");
    assert_eq!(states(&copy), before);
    assert!(copy.verify().expect("verified").is_clean());
    let rows = copy.verify().expect("verified").rows;
    assert!(rows.iter().all(|found| found.rows > 0), "{rows:?}");
    assert_eq!(copy.visible(), checkpoint.timestamp);
    let pinned = copy.at(Timestamp::new(3)).expect("a pinned state");
    let value = pinned.get(0u64.to_be_bytes()).expect("a value");
    assert_eq!(value.as_deref(), Some(&3u64.to_be_bytes()[..]));
    drop((copy, pinned));

    // Written to where it is, it is a database that shares its tables with the original.
    let after = states(&engine);
    let other = world.open("checkpoint");
    for _ in 0..40 {
        commit(&other, Durability::Buffered);
    }
    other.prune_before(Timestamp::new(60)).expect("a prune");
    other.compact().expect("compacted");
    drop(other);
    assert_eq!(states(&engine), after);
    drop(engine);
    assert_eq!(states(&world.open("db")), after);
}

/// What was committed and never synced is in the checkpoint, and survives the machine there.
#[test]
fn inv_59_commits_that_were_not_synced_are_in_it() {
    let world = World::new();
    let engine = world.open("db");
    for _ in 0..3 {
        commit(&engine, Durability::Buffered);
    }
    let path = world.path("checkpoint");
    engine.create_checkpoint(&path).expect("a checkpoint");
    // No log is needed to read it: all of it lies in tables. (A log begins with the name of the one before it.)
    let logs = contents(&path)
        .into_iter()
        .filter(|(name, _)| name.ends_with(".log"));
    let bytes: usize = logs.map(|(_, (bytes, _))| bytes.len()).sum();
    assert!(bytes < 100, "{bytes}");
    assert_eq!(states(&world.open_read_only("checkpoint")).len(), 4);
}
