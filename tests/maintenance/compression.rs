//! Each compression, and changes of it, on disk and while the store is open.

use sapwood::{Compression, Compressions, Engine, OnlineOptions, RocksDBConfig};

use crate::support::{World, fill, refused, states, tables};

fn config(world: &World, name: &str, compression: Compression) -> RocksDBConfig {
    RocksDBConfig {
        compression: Compressions::all(compression),
        ..world.config(name)
    }
}

fn size(world: &World, name: &str) -> usize {
    tables(&world.path(name)).values().map(Vec::len).sum()
}

#[test]
fn every_compression_gives_the_same_states_and_files_of_its_own_size() {
    let world = World::new();
    let mut sizes = Vec::new();
    let mut all = Vec::new();
    for compression in Compression::ALL {
        let name = compression.name();
        let engine = Engine::open_with(config(&world, name, compression)).expect("an engine");
        fill(&engine, 12);
        engine.compact().expect("compacted");
        all.push(states(&engine));
        engine.close().expect("closed");
        drop(engine);
        sizes.push((name, size(&world, name)));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
    let [none, snappy, lz4, zstd] = sizes[..] else {
        panic!("{sizes:?}")
    };
    assert!(snappy.1 < none.1 && lz4.1 < none.1, "{sizes:?}");
    assert!(zstd.1 < lz4.1, "{sizes:?}");
    // The seed plan's switch is above the choice.
    let plain = RocksDBConfig {
        enable_compression: false,
        ..config(&world, "plain", Compression::Zstd)
    };
    let engine = Engine::open_with(plain).expect("an engine");
    fill(&engine, 12);
    engine.compact().expect("compacted");
    drop(engine);
    assert!(size(&world, "plain") > lz4.1, "{sizes:?}");
}

#[test]
fn old_files_stay_readable_after_a_change() {
    let world = World::new();
    let mut before = Vec::new();
    for compression in Compression::ALL.into_iter().rev() {
        let engine = Engine::open_with(config(&world, "db", compression)).expect("an engine");
        let found = states(&engine);
        assert_eq!(
            found.get(..before.len()),
            Some(&before[..]),
            "{compression}"
        );
        fill(&engine, 3);
        before = states(&engine);
        // Moved to files, and those of the others are left as they are.
        engine.flush().expect("flushed");
        engine.close().expect("closed");
    }
    let engine = world.open("db");
    assert_eq!(states(&engine), before);
    assert!(engine.verify().expect("verified").is_clean());
}

#[test]
fn a_keyspace_alone_can_be_compressed_in_another_way() {
    let world = World::new();
    let mut config = world.config("mixed");
    config.compression.history = Compression::Zstd;
    let mixed = Engine::open_with(config).expect("an engine");
    let plain = world.open("plain");
    let size = |engine: &Engine, keyspace: &str| {
        fill(engine, 12);
        engine.compact().expect("compacted");
        let sizes = engine.sizes().expect("sizes");
        let size = sizes.iter().find(|size| size.keyspace == keyspace);
        size.expect("a keyspace").size_bytes
    };
    assert!(size(&mixed, "history") < size(&plain, "history"));
    let [mixed, plain] = [size(&mixed, "current"), size(&plain, "current")];
    assert_eq!(mixed, plain);
}

#[test]
fn compression_is_changed_while_the_store_is_open() {
    let world = World::new();
    let engine = Engine::open_with(config(&world, "db", Compression::None)).expect("an engine");
    fill(&engine, 12);
    engine.compact().expect("compacted");
    let (before, wanted) = (size(&world, "db"), states(&engine));
    let options = OnlineOptions::default().compression(Compressions::all(Compression::Zstd));
    engine.set_options(&options).expect("changed");
    let report = engine.compact_with(|_, _| {}).expect("compacted");
    assert!(report.bytes_after < report.bytes_before, "{report:?}");
    assert_eq!(states(&engine), wanted);
    engine.close().expect("closed");
    drop(engine);
    assert!(size(&world, "db") * 4 < before * 3);
    assert_eq!(states(&world.open("db")), wanted);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let world = World::new();
    let engine = world.open("db");
    let options = OnlineOptions::default();
    for wrong in [options.write_buffer_size(0), options.target_file_size(0)] {
        assert_eq!(refused(engine.set_options(&wrong)).0, "invalid");
    }
    let right = options
        .write_buffer_size(1 << 20)
        .automatic_compaction(false);
    engine.set_options(&right).expect("changed");
    fill(&engine, 4);
    engine.close().expect("closed");
    assert_eq!(refused(engine.set_options(&right)).0, "closed");
    let memory = Engine::in_memory();
    let (kind, message) = refused(memory.set_options(&right));
    assert_eq!(kind, "invalid");
    assert!(message.contains("in memory"), "{message}");
}

#[test]
fn a_checkpoint_that_is_open_to_read_has_no_options_to_change() {
    let world = World::new();
    world
        .open("db")
        .create_checkpoint(world.path("copy"))
        .expect("a checkpoint");
    let copy = Engine::open_read_only(world.path("copy")).expect("opened");
    let options = OnlineOptions::default().target_file_size(1 << 20);
    assert_eq!(refused(copy.set_options(&options)).0, "read_only");
}
