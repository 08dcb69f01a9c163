//! Databases that are made from checkpoints.

use sapwood::{
    Checkpoint, Engine, FeedOptions, Isolation, PinOptions, Position, ReadView, RetentionPolicy,
    Timestamp,
};

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

#[test]
fn inv_60_a_restored_engine_goes_on_above_what_it_holds() {
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
    assert!(restored.verify().expect("verified").is_clean());
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

/// What the original did after the checkpoint is no conflict of the restored engine, whose timestamps it had given too;
/// and what was open there when the checkpoint was made holds nothing here.
#[test]
fn inv_60_what_the_original_did_later_conflicts_with_nothing() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 10);
    let open = engine.at(Timestamp::new(4)).expect("a snapshot");
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    let restored = world.restore("checkpoint", "new");
    let begin = || {
        let mut transaction = restored
            .begin(Isolation::Serializable)
            .expect("a transaction");
        for key in 0..5 {
            transaction.get([key]).expect("a value");
        }
        transaction.range(..).for_each(drop);
        transaction.set([1], b"new").expect("a write");
        transaction
    };
    let first = begin();
    // The same keys, at the timestamps that the restored engine gives next.
    fill(&engine, 20);
    assert_eq!(engine.visible(), Timestamp::new(30));
    let committed = first.commit().expect("nothing in the way").timestamp;
    assert_eq!(committed, Timestamp::new(11));
    assert_eq!(begin().commit().expect("a commit").timestamp.get(), 12);
    // Here there are conflicts as anywhere.
    let loser = begin();
    restored.set([3], b"other").expect("a commit");
    let lost = loser.commit().expect_err("it has read what was written");
    assert!(lost.is_retryable(), "{lost}");
    let pruned = restored.prune_before(Timestamp::new(13)).expect("a prune");
    assert_eq!((pruned.floor, pruned.held_by), (Timestamp::new(13), None));
    assert!(open.get([1]).is_ok());
}

/// Feeds, pins and the policy are those of the moment of the checkpoint, and go on from there.
#[test]
fn inv_60_feeds_pins_and_the_policy_are_restored() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 20);
    let from = |number| Position::new(Timestamp::new(number), 0);
    engine
        .create_feed("f", from(8), FeedOptions::default().max_lag(1000))
        .expect("a feed");
    engine
        .pin("p", Timestamp::new(5), PinOptions::default())
        .expect("a pin");
    let policy = RetentionPolicy::keep_all().commits(1000);
    engine.set_retention(policy).expect("a policy");
    let (feeds, pins) = (engine.feeds().expect("feeds"), engine.pins().expect("pins"));
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    engine.acknowledge("f", from(15)).expect("acknowledged");
    engine.unpin("p").expect("no pin");
    engine
        .set_retention(RetentionPolicy::keep_all())
        .expect("a policy");

    let restored = world.restore("checkpoint", "new");
    assert_eq!(restored.feeds().expect("feeds"), feeds);
    let at = |pins: &[sapwood::Pin]| {
        let pins = pins.iter().map(|pin| (pin.name.clone(), pin.timestamp));
        pins.collect::<Vec<_>>()
    };
    assert_eq!(at(&restored.pins().expect("pins")), at(&pins));
    assert_eq!(restored.retention(), policy);
    let mut changes = restored.feed("f").expect("a feed");
    for number in 9..=20 {
        let commit = changes.poll().expect("poll").expect("a commit");
        assert_eq!(commit.timestamp, Timestamp::new(number));
    }
    restored.set("own", "1").expect("a commit");
    let own = changes.poll().expect("poll").expect("a commit");
    assert_eq!(own.position(), from(21));
    restored
        .acknowledge("f", own.position())
        .expect("acknowledged");
    restored.prune_before(Timestamp::new(21)).expect("a prune");
    assert_eq!(restored.floor(), Timestamp::new(21));
    assert!(restored.at(Timestamp::new(5)).is_ok());
    assert!(restored.verify().expect("verified").is_clean());
    assert_eq!(
        engine.feeds().expect("feeds")[0].position,
        from(15),
        "the original knows nothing of it"
    );
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
