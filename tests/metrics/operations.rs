//! Scenarios of operations that somebody asks for.

use sapwood::{Backups, Engine, Timestamp};

use super::{Scenario, World};

pub(crate) const OPERATIONS: Scenario = Scenario {
    moves: &[
        "sapwood_operation_seconds{operation=prune|compact|checkpoint|backup|verify|rollback|export|apply}",
        "sapwood_epoch",
    ],
    run: every_operation,
};

/// Does each of them once.
pub(crate) fn every_operation(world: &mut World) {
    let place = |name: &str| world.directory.path().join(name);
    let engine = &world.engine;
    let exported = place("all.changes");
    let source = Engine::in_memory();
    source.set(b"key", b"1").expect("a commit");
    source.set(b"key", b"2").expect("a commit");
    let to = source.visible();
    source
        .export(Timestamp::ZERO, to, &exported)
        .expect("exported");
    engine.apply_export(&exported).expect("applied");

    engine.set(b"key", b"3").expect("a commit");
    let again = place("again.changes");
    engine
        .export(Timestamp::ZERO, engine.visible(), again)
        .expect("exported");
    engine.rollback_to(to).expect("rolled back");
    engine
        .create_checkpoint(place("checkpoint"))
        .expect("a checkpoint");
    let backups = Backups::open(place("backups"));
    backups.create(engine).expect("a backup");
    assert!(engine.verify().expect("verified").is_clean());
    engine.compact().expect("compacted");
    engine.prune_before(to).expect("pruned");
    drop(Engine::restore(place("checkpoint"), place("restored")).expect("restored"));
}
