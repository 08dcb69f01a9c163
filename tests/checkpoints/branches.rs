//! Copies that go on by themselves, and the exports of their source.

use std::path::Path;

use sapwood::{Backups, Checkpoint, Engine, ErrorKind, ReadView, Timestamp};

use crate::support::World;

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn set_up_to(engine: &Engine, last: u64) {
    while engine.visible() < at(last) {
        let next = engine.visible().get() + 1;
        engine.set(b"key", next.to_string()).expect("set");
    }
}

fn refused(engine: &Engine, path: &Path) {
    let before = engine.visible();
    let error = engine.apply_export(path).expect_err("another history");
    assert_eq!(error.kind(), &ErrorKind::Invalid);
    assert!(error.to_string().contains("another history"), "{error}");
    assert_eq!(engine.visible(), before);
}

/// A checkpoint, in place or restored, and a backup go on with the exports of their source; not once they have
/// gone on by themselves, though that is the same by all that can be seen of it.
#[test]
fn a_copy_goes_on_with_the_exports_of_its_source_or_by_itself() {
    let world = World::new();
    let source = world.open("source");
    set_up_to(&source, 5);
    source
        .create_checkpoint(world.path("one"))
        .expect("a checkpoint");
    source
        .create_checkpoint(world.path("two"))
        .expect("a checkpoint");
    let backups = Backups::open(world.path("backups"));
    let backup = backups.create(&source).expect("a backup");
    set_up_to(&source, 12);
    let (first, second) = (world.path("5-8"), world.path("8-12"));
    let export = source.export(at(5), at(8), &first).expect("export");
    let one = Checkpoint::read(world.path("one")).expect("a checkpoint");
    assert_eq!(one.branch.as_ref(), Some(&export.branch));
    source.export(at(8), at(12), &second).expect("export");

    let restored = world.restore("one", "restored");
    let from_backup = backups
        .restore_with(backup.id, world.config("from backup"))
        .expect("a backup");
    let in_place = world.open("two");
    for copy in [&restored, &from_backup, &in_place] {
        copy.apply_export(&first).expect("apply");
        copy.apply_export(&second).expect("apply");
        for number in 1..=12 {
            let rows = |engine: &Engine| {
                let state = engine.at(at(number)).expect("a state");
                state
                    .range(..)
                    .collect::<Result<Vec<_>, _>>()
                    .expect("rows")
            };
            assert_eq!(rows(copy), rows(&source), "at {number}");
        }
    }
    for (name, own) in [("a", 6), ("b", 8), ("c", 10)] {
        let copy = world.restore("one", name);
        set_up_to(&copy, own);
        refused(&copy, &first);
        if own >= 8 {
            refused(&copy, &second);
        }
        // Nor does its source take what the copy exports.
        let of_copy = world.path(&format!("of {name}"));
        copy.export(at(5), at(own), &of_copy).expect("export");
        refused(&source, &of_copy);
    }
}

/// Two copies of one checkpoint are two.
#[test]
fn copies_of_one_copy_are_told_apart() {
    let world = World::new();
    let source = world.open("source");
    set_up_to(&source, 3);
    source
        .create_checkpoint(world.path("one"))
        .expect("a checkpoint");
    let (a, b) = (world.restore("one", "a"), world.restore("one", "b"));
    set_up_to(&a, 6);
    set_up_to(&b, 5);
    a.export(at(5), at(6), world.path("of a")).expect("export");
    refused(&b, &world.path("of a"));
    b.rollback_to(at(3)).expect("rollback");
    a.export(at(3), at(6), world.path("all of a"))
        .expect("export");
    b.apply_export(world.path("all of a")).expect("apply");
    assert_eq!(b.visible(), a.visible());
}

/// A checkpoint that is only read is exported as its source would be, and takes no export.
#[test]
fn a_checkpoint_is_exported_without_being_changed() {
    let world = World::new();
    let source = world.open("source");
    set_up_to(&source, 4);
    source
        .create_checkpoint(world.path("one"))
        .expect("a checkpoint");
    let checkpoint = world.open_read_only("one");
    let before = crate::support::contents(&world.path("one"));
    checkpoint
        .export(at(0), at(4), world.path("all"))
        .expect("export");
    let refused = checkpoint
        .apply_export(world.path("all"))
        .expect_err("it is only read");
    assert_eq!(refused.kind(), &ErrorKind::ReadOnly);
    assert_eq!(crate::support::contents(&world.path("one")), before);
    let other = Engine::in_memory();
    other.apply_export(world.path("all")).expect("apply");
    set_up_to(&source, 6);
    source
        .export(at(4), at(6), world.path("more"))
        .expect("export");
    other.apply_export(world.path("more")).expect("apply");
}

/// What a feed holds goes with the copy, as pins do.
#[test]
fn a_copy_has_the_feeds_of_its_source() {
    let world = World::new();
    let source = world.open("source");
    set_up_to(&source, 4);
    let from = sapwood::Position::new(at(2), 0);
    let feed = source
        .create_feed("f", from, sapwood::FeedOptions::default())
        .expect("a feed");
    source
        .create_checkpoint(world.path("one"))
        .expect("a checkpoint");
    let checkpoint = world.open_read_only("one");
    assert_eq!(
        checkpoint.feeds().expect("feeds"),
        std::slice::from_ref(&feed)
    );
    let mut changes = checkpoint.feed("f").expect("a feed");
    assert_eq!(
        changes.poll().expect("poll").expect("a commit").timestamp,
        at(3)
    );
    assert_eq!(
        checkpoint
            .acknowledge("f", from)
            .expect_err("it is only read")
            .kind(),
        &ErrorKind::ReadOnly
    );
    drop((checkpoint, changes));
    let restored = world.restore("one", "restored");
    assert_eq!(restored.prune_before(at(4)).expect("prune").floor, at(2));
}
