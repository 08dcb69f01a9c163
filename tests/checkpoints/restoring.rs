//! Databases that are made from checkpoints.

use sapwood::{Checkpoint, Engine, Isolation, ReadView, Timestamp};

use crate::support::{World, contents, states};

#[cfg(unix)]
fn has_other_links(path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).expect("a file").nlink() > 1
}

fn fill(engine: &Engine, rounds: u8) {
    for round in 0..rounds {
        engine.set([round % 5], [round]).expect("a commit");
    }
}

/// Invariant 60 of other engines.
#[test]
fn field_60_a_restored_engine_goes_on_above_what_it_holds() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 20);
    engine.rollback_to(Timestamp::new(15)).expect("a rollback");
    fill(&engine, 3);
    // What is recorded for an open transaction is not what the restored engine begins with.
    let open = engine
        .begin(Isolation::Serializable)
        .expect("a transaction");
    open.get([1]).expect("a value");
    engine.set([1], b"in the way").expect("a commit");
    let checkpoint = engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    assert_eq!(
        (checkpoint.timestamp, checkpoint.epoch),
        (Timestamp::new(19), 1)
    );
    fill(&engine, 9);
    let files = contents(&world.path("checkpoint"));
    let mut expected = states(&engine);
    expected.truncate(20);

    let restored = world.restore("checkpoint", "new");
    assert_eq!(
        (restored.visible(), restored.epoch()),
        (Timestamp::new(19), 1)
    );
    assert_eq!(states(&restored), expected);
    assert!(restored.check_position(Timestamp::new(16), 0).is_err());
    assert!(restored.check_position(Timestamp::new(16), 1).is_ok());
    assert_eq!(restored.stats().conflict_keys, 0);
    let mut transaction = restored
        .begin(Isolation::Serializable)
        .expect("a transaction");
    transaction.get([1]).expect("a value");
    transaction.set([1], b"new").expect("a write");
    let info = transaction.commit().expect("nothing in the way");
    assert_eq!(info.timestamp, Timestamp::new(20));
    fill(&restored, 5);
    restored.prune_before(Timestamp::new(22)).expect("a prune");
    assert_eq!(
        restored
            .rollback_to(Timestamp::new(23))
            .expect("a rollback")
            .epoch,
        2
    );
    let after = states(&restored);
    drop(restored);
    assert_eq!(states(&world.open("new")), after);

    // The original and the checkpoint know nothing of it.
    assert_eq!((engine.visible(), engine.epoch()), (Timestamp::new(28), 1));
    assert_eq!(contents(&world.path("checkpoint")), files);
    assert_eq!(states(&world.restore("checkpoint", "another")), expected);
    let mut found = states(&engine);
    found.truncate(20);
    assert_eq!(found, expected);
}

#[cfg(unix)]
#[test]
fn what_is_restored_shares_no_file_with_its_source() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 50);
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    let linked = |name: &str| {
        let files = contents(&world.path(name));
        let tables = files.keys().filter(|name| name.ends_with(".sst"));
        let tables: Vec<_> = tables.cloned().collect();
        assert!(!tables.is_empty());
        tables
            .into_iter()
            .all(|table| has_other_links(&world.path(name).join(table)))
    };
    assert!(linked("checkpoint"));
    drop(engine);
    drop(world.restore("checkpoint", "new"));
    assert!(!linked("new"));
    assert!(Checkpoint::read(world.path("new")).is_err());
}

#[test]
fn an_empty_store_has_checkpoints_too() {
    let world = World::new();
    let checkpoint = world.open("db").create_checkpoint(world.path("checkpoint"));
    assert_eq!(checkpoint.expect("a checkpoint").timestamp, Timestamp::ZERO);
    let restored = world.restore("checkpoint", "new");
    assert_eq!(
        restored.set(b"a", b"b").expect("a commit"),
        Timestamp::new(1)
    );
    assert_eq!(
        world
            .open_read_only("checkpoint")
            .status()
            .expect("a status")
            .keys,
        0
    );
}
