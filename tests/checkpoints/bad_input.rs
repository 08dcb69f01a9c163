//! What is refused, and is untouched then.

use std::fs;

use sapwood::{Checkpoint, Engine, Storage};

use crate::support::{World, contents, refused, states};

#[test]
fn a_path_where_something_is_is_refused_and_untouched() {
    let world = World::new();
    let engine = world.open("db");
    engine.set(b"a", b"b").expect("a commit");
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    let checkpoint = contents(&world.path("checkpoint"));
    fs::write(world.path("file"), "mine").expect("a file");
    fs::create_dir(world.path("empty")).expect("a directory");
    #[cfg(unix)]
    std::os::unix::fs::symlink(world.path("nowhere"), world.path("link")).expect("a link");
    for name in ["checkpoint", "file", "empty", "db", "link", "."] {
        if name == "link" && cfg!(not(unix)) {
            continue;
        }
        let path = world.path(name);
        assert_eq!(
            refused(engine.create_checkpoint(&path)).0,
            "invalid",
            "{name}"
        );
        let restored = Engine::restore(world.path("checkpoint"), &path);
        assert_eq!(refused(restored).0, "invalid", "{name}");
    }
    assert_eq!(contents(&world.path("checkpoint")), checkpoint);
    assert_eq!(
        fs::read_to_string(world.path("file")).expect("a file"),
        "mine"
    );
    assert_eq!(
        fs::read_dir(world.path("empty"))
            .expect("a directory")
            .count(),
        0
    );
    assert!(!world.path("nowhere").exists());
    assert_eq!(states(&engine).len(), 2);
    let names = fs::read_dir(world.path(".")).expect("a directory").count();
    assert_eq!(names, 4 + usize::from(cfg!(unix)), "something was left");
}

#[test]
fn a_restore_over_a_live_engine_is_refused() {
    let world = World::new();
    let (live, other) = (world.open("live"), world.open("db"));
    live.set(b"a", b"live").expect("a commit");
    other.set(b"a", b"other").expect("a commit");
    other
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    let (kind, message) = refused(Engine::restore(
        world.path("checkpoint"),
        world.path("live"),
    ));
    assert!(
        kind == "invalid" && message.contains("new path"),
        "{message}"
    );
    live.set(b"a", b"still").expect("a commit");
    // Nor into what is restored.
    let files = contents(&world.path("checkpoint"));
    for inside in [
        "checkpoint/new",
        "checkpoint/deep/er/new",
        "./checkpoint/../checkpoint/new",
    ] {
        let restored = Engine::restore(world.path("checkpoint"), world.path(inside));
        assert_eq!(refused(restored).0, "invalid", "{inside}");
    }
    assert_eq!(contents(&world.path("checkpoint")), files);
    assert_eq!(states(&live).len(), 3);
}

#[test]
fn a_directory_with_a_torn_manifest_or_none_is_no_checkpoint() {
    let world = World::new();
    let engine = world.open("db");
    engine.set(b"a", b"b").expect("a commit");
    let path = world.path("checkpoint");
    engine.create_checkpoint(&path).expect("a checkpoint");
    let manifest = path.join("CHECKPOINT");
    let text = fs::read(&manifest).expect("a manifest");
    let new = world.path("new");
    for length in (0..text.len()).step_by(7) {
        fs::write(&manifest, &text[..length]).expect("a torn manifest");
        let (kind, message) = refused(Checkpoint::read(&path));
        assert!(
            kind == "corrupt" && message.contains("CHECKPOINT"),
            "{message}"
        );
        assert_eq!(refused(Engine::open_read_only(&path)).0, "corrupt");
        assert_eq!(refused(Engine::restore(&path, &new)).0, "corrupt");
    }
    fs::write(&manifest, "sapwood checkpoint 2\n").expect("a newer manifest");
    assert_eq!(refused(Engine::restore(&path, &new)).0, "unsupported");
    fs::remove_file(&manifest).expect("no manifest");
    for path in [path, world.path("nothing"), world.path("db/CURRENT")] {
        assert_eq!(refused(Checkpoint::read(&path)).0, "not_found");
        assert_eq!(refused(Engine::open_read_only(&path)).0, "not_found");
        assert_eq!(refused(Engine::restore(&path, &new)).0, "not_found");
    }
    assert!(!new.exists() && !world.path("nothing").exists());
}

#[test]
fn a_store_in_memory_says_what_to_do_instead() {
    let world = World::new();
    let path = world.path("deep/checkpoint");
    let (kind, message) = refused(Engine::in_memory().create_checkpoint(&path));
    assert!(
        kind == "invalid" && message.contains("RocksDBStorage"),
        "{message}"
    );
    assert!(!world.path("deep").exists());
}

#[test]
fn a_closed_engine_makes_no_checkpoint() {
    let world = World::new();
    let storage = sapwood::RocksDBStorage::new(world.config("db")).expect("a store");
    storage.set(b"a", b"b").expect("a commit");
    let engine = Engine::new(&storage);
    engine.close().expect("closed");
    let path = world.path("checkpoint");
    assert_eq!(refused(engine.create_checkpoint(&path)).0, "closed");
    assert!(!path.exists());
}

#[test]
fn a_path_without_a_name_is_refused() {
    let world = World::new();
    let engine = world.open("db");
    for path in ["", "/", "..", "/.."] {
        assert_eq!(
            refused(engine.create_checkpoint(path)).0,
            "invalid",
            "{path:?}"
        );
    }
}
