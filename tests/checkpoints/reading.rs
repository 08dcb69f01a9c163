//! Checkpoints that are opened to read.

use sapwood::{
    Batch, Checkpoint, Engine, Isolation, KeyRange, PinOptions, ReadView, RocksDBStorage, Storage,
    Timestamp,
};

use crate::support::{World, all, contents, refused, states};

fn world() -> (World, Engine) {
    let world = World::new();
    let engine = world.open("db");
    for round in 0..50u8 {
        let mut batch = Batch::new();
        batch.set([round % 5], [round]).set([round % 7, 1], [round]);
        batch.delete([round % 3, 1]);
        engine
            .commit(batch, sapwood::CommitOptions::default())
            .expect("a commit");
    }
    engine
        .pin("kept", Timestamp::new(8), PinOptions::default())
        .expect("a pin");
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    (world, engine)
}

#[test]
fn nothing_of_a_checkpoint_changes_while_it_is_read() {
    let (world, engine) = world();
    let path = world.path("checkpoint");
    let before = contents(&path);
    let expected = states(&engine);
    for _ in 0..2 {
        let copy = world.open_read_only("checkpoint");
        let second = world.open_read_only("checkpoint");
        assert_eq!(
            (states(&copy), states(&second)),
            (expected.clone(), expected.clone())
        );
        let (ours, theirs) = (copy.status(), engine.status());
        assert_eq!(ours.expect("a status"), theirs.expect("a status"));
        assert_eq!(copy.pins().expect("pins").len(), 1);
        let diff = copy
            .diff(Timestamp::new(3), Timestamp::new(40))
            .expect("a diff");
        assert!(diff.count() > 3);
        let mut transaction = copy.begin(Isolation::Serializable).expect("a transaction");
        transaction.set(b"a", b"b").expect("a write of its own");
        assert_eq!(refused(transaction.commit()).0, "read_only");
        copy.close().expect("closed");
    }
    assert_eq!(contents(&path), before);
    assert_eq!(
        Checkpoint::read(&path).expect("a checkpoint").timestamp,
        Timestamp::new(50)
    );
}

#[test]
fn every_write_to_it_is_refused() {
    let (world, _engine) = world();
    let path = world.path("checkpoint");
    let before = contents(&path);
    let storage = RocksDBStorage::open_read_only(world.config("checkpoint")).expect("a copy");
    let engine = Engine::new(&storage);
    let at = Timestamp::new(60);
    let mut kinds = vec![
        refused(storage.set(b"a", b"b")).0,
        refused(storage.delete(&[1])).0,
        refused(storage.write_batch(vec![])).0,
        refused(storage.commit_at(at, vec![])).0,
        refused(storage.delete_range(&KeyRange::all())).0,
        refused(storage.compare_and_set(b"none", None, Some(b"a"))).0,
        refused(storage.pin("new", Timestamp::new(50), PinOptions::default())).0,
        refused(storage.unpin("kept")).0,
        refused(storage.prune_before(Timestamp::new(0))).0,
        refused(storage.prune_before(Timestamp::new(20))).0,
        refused(storage.rollback_to(Timestamp::new(20))).0,
        refused(storage.rollback_to(Timestamp::new(50))).0,
        refused(storage.create_checkpoint(world.path("another"))).0,
        refused(engine.flush()).0,
        refused(engine.compact()).0,
        refused(engine.transact(Isolation::Serializable, |tx| tx.set(b"a", b"b"))).0,
    ];
    kinds.dedup();
    assert_eq!(kinds, ["read_only"]);
    let (_, message) = refused(storage.set(b"a", b"b"));
    assert!(message.contains("restore"), "{message}");
    assert!(!world.path("another").exists());
    assert_eq!(all(&storage), engine.range(..).count());
    drop((storage, engine));
    assert_eq!(contents(&path), before);
}

#[test]
fn a_checkpoint_that_was_opened_as_a_database_is_one_no_more() {
    let (world, engine) = world();
    let expected = states(&engine);
    let copy = world.open("checkpoint");
    assert_eq!(states(&copy), expected);
    assert_eq!(copy.set(b"new", b"").expect("a commit"), Timestamp::new(51));
    drop(copy);
    for path in [world.path("checkpoint"), world.path("db")] {
        assert_eq!(refused(Checkpoint::read(&path)).0, "not_found");
        let (kind, message) = refused(Engine::open_read_only(&path));
        assert!(
            kind == "not_found" && message.contains("Engine::open"),
            "{message}"
        );
        assert_eq!(
            refused(Engine::restore(&path, world.path("new"))).0,
            "not_found"
        );
    }
}
