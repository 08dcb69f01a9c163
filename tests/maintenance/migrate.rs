//! New databases of other stores, and of a plain RocksDB.

use std::{fs, path::Path, time::Duration};

use sapwood::{
    Batch, CommitOptions, Engine, FeedOptions, MemoryConfig, MemoryStorage, PinOptions, Position,
    ReadView, RetentionPolicy, RocksDBConfig, RocksDBStorage, Storage, Timestamp,
};

use crate::support::{World, contents, fill, refused, states};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

/// A life with all that a copy must have: deletes, a floor, pins below and above it, two epochs, a gap, and commits
/// that are not merged yet.
fn live(engine: &Engine) {
    fill(engine, 10);
    engine
        .pin("early", at(3), PinOptions::default())
        .expect("a pin");
    let ttl = PinOptions::default().ttl(Duration::from_secs(1_000_000));
    engine.pin("late", at(8), ttl).expect("a pin");
    engine.prune_before(at(6)).expect("pruned");
    fill(engine, 5);
    engine.rollback_to(at(12)).expect("rolled back");
    fill(engine, 3);
    let mut batch = Batch::new();
    batch
        .set(b"", b"")
        .set(b"zero\0byte", b"\0\xFF")
        .delete("absent");
    let options = CommitOptions::default().at(at(100));
    engine.commit(batch, options).expect("a commit");
    engine.set("last", "one").expect("a commit");
}

/// All that can be seen of an engine: states, versions, differences, pins, positions.
fn seen(engine: &Engine) -> String {
    let mut seen = vec![format!(
        "{} {} {}",
        engine.visible(),
        engine.floor(),
        engine.epoch()
    )];
    for (name, pinned) in engine
        .pins()
        .expect("pins")
        .iter()
        .map(|pin| (&pin.name, pin))
    {
        seen.push(format!(
            "{name} {} {}",
            pinned.timestamp,
            pinned.expires.is_some()
        ));
    }
    for (timestamp, rows) in states(engine) {
        seen.push(format!("{timestamp} {rows:?}"));
    }
    for key in ["key/0001", "key/0007", "last", "absent", ""] {
        let versions = engine.history(key, ..).expect("history");
        seen.push(format!("{:?}", versions.collect::<Result<Vec<_>, _>>()));
    }
    let diff = engine.diff(engine.floor(), engine.visible()).expect("diff");
    seen.push(format!("{:?}", diff.collect::<Result<Vec<_>, _>>()));
    for (timestamp, epoch) in [(12, 0), (13, 0), (13, 1)] {
        seen.push(format!(
            "{}",
            engine.check_position(at(timestamp), epoch).is_ok()
        ));
    }
    seen.join("\n")
}

#[test]
fn a_store_goes_from_memory_to_disk_and_back_with_all_that_it_has() {
    let world = World::new();
    let memory = MemoryStorage::new();
    live(&Engine::new(&memory));
    let wanted = seen(&Engine::new(&memory));
    let mut told = Vec::new();
    let disk = RocksDBStorage::migrate(&memory, world.config("disk"), |part, what| {
        told.push((part, what.to_owned()));
    })
    .expect("migrated");
    assert_eq!(seen(&Engine::new(&disk)), wanted);
    assert!(disk.verify().expect("verified").is_clean());
    assert!(told.iter().all(|(part, _)| (0.0..=1.0).contains(part)));
    // And with another compression to another place, and to memory, from a database that has just been opened.
    Engine::new(&disk).close().expect("closed");
    drop(disk);
    let disk = RocksDBStorage::new(world.config("disk")).expect("opened");
    let mut config = world.config("deep/other");
    config.compression = sapwood::Compressions::all(sapwood::Compression::Zstd);
    let other = RocksDBStorage::migrate(&disk, config, |_, _| {}).expect("migrated");
    let back = MemoryStorage::copy_of(&other, MemoryConfig::default()).expect("copied");
    for copy in [Engine::new(&other), Engine::new(&back)] {
        assert_eq!(seen(&copy), wanted);
        assert!(copy.verify().expect("verified").is_clean());
        // It goes on by itself.
        let next = copy.set("last", "two").expect("a commit");
        assert_eq!(next, at(102));
        copy.unpin("early").expect("unpinned");
        copy.prune_before(at(100)).expect("pruned");
        copy.rollback_to(at(101)).expect("rolled back");
        assert_eq!(copy.epoch(), 2);
        assert!(copy.verify().expect("verified").is_clean());
    }
    assert_eq!(seen(&Engine::new(&disk)), wanted);
    assert_eq!(seen(&Engine::new(&memory)), wanted);
}

/// Feeds, pins and the policy go with a copy, and a feed on it goes on where it was.
#[test]
fn a_copy_has_the_feeds_pins_and_policy_of_its_source() {
    let world = World::new();
    let memory = MemoryStorage::new();
    let source = Engine::new(&memory);
    live(&source);
    let from = |number| Position::new(at(number), source.epoch());
    let bounded = FeedOptions::default()
        .max_lag(500)
        .max_age(Duration::from_secs(1 << 30));
    source
        .create_feed("index", from(9), bounded)
        .expect("a feed");
    source
        .create_feed("mirror", from(101), FeedOptions::default())
        .expect("a feed");
    let policy = RetentionPolicy::keep_all()
        .commits(1000)
        .at_least_commits(3)
        .debt_limit_bytes(1 << 40);
    source.set_retention(policy).expect("a policy");
    let feeds = source.feeds().expect("feeds");
    let disk = RocksDBStorage::migrate(&memory, world.config("disk"), |_, _| {});
    let disk = disk.expect("migrated");
    let back = MemoryStorage::copy_of(&disk, MemoryConfig::default()).expect("copied");
    let rest = |engine: &Engine| {
        let mut changes = engine.feed("index").expect("a feed");
        let commits = std::iter::from_fn(|| changes.poll().expect("poll"));
        commits.collect::<Vec<_>>()
    };
    let told = rest(&source);
    assert!(told.len() > 5);
    for copy in [Engine::new(&disk), Engine::new(&back)] {
        assert_eq!(copy.feeds().expect("feeds"), feeds);
        assert_eq!(copy.retention(), policy);
        assert_eq!(copy.pins().expect("pins").len(), 2);
        assert_eq!(rest(&copy), told);
        assert_eq!(copy.stats().oldest_feed, Some(at(9)));
        assert_eq!(copy.prune_before(at(50)).expect("pruned").floor, at(9));
        copy.set("last", "two").expect("a commit");
        let mut mirror = copy.feed("mirror").expect("a feed");
        let next = mirror.poll().expect("poll").expect("a commit");
        assert_eq!(next.timestamp, at(102));
        copy.acknowledge("mirror", next.position())
            .expect("acknowledged");
        copy.acknowledge("index", next.position())
            .expect("acknowledged");
        assert_eq!(copy.prune_before(at(50)).expect("pruned").floor, at(50));
        assert!(copy.verify().expect("verified").is_clean());
    }
    assert_eq!(source.feeds().expect("feeds"), feeds);
    Engine::new(&disk).close().expect("closed");
    drop(disk);
    let again = world.open("disk");
    assert_eq!(again.retention(), policy);
    let positions = again.feeds().expect("feeds");
    assert!(positions.iter().all(|feed| feed.position == from(102)));
}

/// A copy has the past of its source, and goes on with its exports; once it has gone on by itself neither takes those
/// of the other, though timestamps and epochs are the same.
#[test]
fn a_copy_goes_on_with_the_exports_of_its_source_or_by_itself() {
    let world = World::new();
    let source = world.open("source");
    let set_up_to = |engine: &Engine, last| {
        while engine.visible() < at(last) {
            engine
                .set("key", engine.visible().to_string())
                .expect("set");
        }
    };
    set_up_to(&source, 5);
    // From now on it has a branch, which its copies share.
    source
        .export(at(0), at(5), world.path("0-5"))
        .expect("exported");
    let storage = |name: &str| RocksDBStorage::new(world.config(name)).expect("opened");
    source.close().expect("closed");
    drop(source);
    let source = storage("source");
    let migrate = |name: &str| {
        let disk = RocksDBStorage::migrate(&source, world.config(name), |_, _| {});
        Engine::new(&disk.expect("migrated"))
    };
    let in_memory = || {
        let copy = MemoryStorage::copy_of(&source, MemoryConfig::default());
        Engine::new(&copy.expect("copied"))
    };
    let repair = |name: &str| {
        let report = RocksDBStorage::repair(&source, world.config(name), |_, _| {});
        assert_eq!(report.expect("repaired").rows_dropped, 0);
        world.open(name)
    };
    let going_on = [migrate("a"), in_memory(), repair("b")];
    let alone = [migrate("c"), in_memory(), repair("d")];
    let source = Engine::new(&source);
    set_up_to(&source, 12);
    source
        .export(at(5), at(12), world.path("5-12"))
        .expect("exported");
    for (number, copy) in going_on.iter().enumerate() {
        copy.apply_export(world.path("5-12")).expect("applied");
        assert_eq!(states(copy), states(&source), "{number}");
    }
    for (number, copy) in alone.iter().enumerate() {
        set_up_to(copy, 8);
        let of_copy = world.path(&format!("of {number}"));
        copy.export(at(5), at(8), &of_copy).expect("exported");
        for refused_one in [
            copy.apply_export(world.path("5-12")),
            source.apply_export(&of_copy),
            going_on[0].apply_export(&of_copy),
        ] {
            let (kind, message) = refused(refused_one);
            assert_eq!(kind, "invalid", "{number}");
            assert!(message.contains("another history"), "{number}: {message}");
        }
    }
}

#[test]
fn a_copy_is_of_one_moment_while_others_commit_and_prune() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 20);
    let source = engine.clone();
    let storage = MemoryStorage::new();
    let busy = Engine::new(&storage);
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let mut round = 0u64;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                round += 1;
                let mut batch = Batch::new();
                batch
                    .set("a", round.to_string())
                    .set("b", round.to_string());
                busy.commit(batch, CommitOptions::default())
                    .expect("a commit");
                if round.is_multiple_of(50) {
                    busy.prune_before(at(busy.visible().get() - 20))
                        .expect("pruned");
                }
            }
        });
        for round in 0..3 {
            let copy =
                RocksDBStorage::migrate(&storage, world.config(&format!("{round}")), |_, _| {});
            let copy = Engine::new(&copy.expect("migrated"));
            for timestamp in copy.floor().get()..=copy.visible().get() {
                let state = copy.at(at(timestamp)).expect("a snapshot");
                assert_eq!(state.get("a").expect("a"), state.get("b").expect("b"));
            }
            let report = copy.verify().expect("verified");
            assert!(report.is_clean(), "{:?}", report.violations);
        }
        drop(stop);
    });
    drop(source);
}

#[test]
fn a_checkpoint_can_be_migrated_and_stays_one() {
    let world = World::new();
    let engine = world.open("db");
    live(&engine);
    let wanted = seen(&engine);
    engine
        .create_checkpoint(world.path("copy"))
        .expect("a checkpoint");
    let files = contents(&world.path("copy"));
    let copy = RocksDBStorage::open_read_only(world.config("copy")).expect("opened");
    let new = RocksDBStorage::migrate(&copy, world.config("new"), |_, _| {}).expect("migrated");
    assert_eq!(seen(&Engine::new(&new)), wanted);
    drop(copy);
    assert_eq!(contents(&world.path("copy")), files);
}

#[test]
fn a_place_that_is_taken_and_a_closed_source_are_refused() {
    let world = World::new();
    let memory = MemoryStorage::new();
    fs::create_dir(world.path("taken")).expect("a directory");
    let migrate = |name: &str| {
        refused(RocksDBStorage::migrate(
            &memory,
            world.config(name),
            |_, _| {},
        ))
    };
    assert_eq!(migrate("taken").0, "invalid");
    let storage = RocksDBStorage::new(world.config("db")).expect("opened");
    let inside = RocksDBStorage::migrate(&storage, world.config("db/inside"), |_, _| {});
    assert_eq!(refused(inside).0, "invalid");
    Engine::new(&memory).close().expect("closed");
    assert_eq!(migrate("new").0, "closed");
    assert!(!world.path("new").exists());
    let copied = MemoryStorage::copy_of(&memory, MemoryConfig::default());
    assert_eq!(refused(copied).0, "closed");
}

/// The fixture: `key0` to `key99` in a table, one more in the log.
fn plain(world: &World) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plain_rocksdb/db");
    let path = world.path("plain");
    fs::create_dir(&path).expect("create");
    for (name, bytes) in contents(&source) {
        fs::write(path.join(name), bytes).expect("write");
    }
    path
}

fn migrate_plain(world: &World, family: &str, config: RocksDBConfig) -> sapwood::Result<Engine> {
    let storage = RocksDBStorage::migrate_rocksdb(world.path("plain"), family, config, |_, _| {})?;
    Ok(Engine::new(&storage))
}

#[test]
fn every_key_of_a_plain_rocksdb_becomes_version_1() {
    let world = World::new();
    let files = contents(&plain(&world));
    let engine = migrate_plain(&world, "default", world.config("new")).expect("migrated");
    assert_eq!((engine.visible(), engine.floor()), (at(1), at(1)));
    let rows = engine
        .range(..)
        .collect::<sapwood::Result<Vec<_>>>()
        .expect("rows");
    assert_eq!(rows.len(), 101);
    assert!(engine.contains("in the log").expect("get"));
    for number in 0..100 {
        assert!(engine.contains(format!("key{number}")).expect("get"));
    }
    let before = engine.get("key7").expect("get").expect("a value");
    assert_eq!(contents(&world.path("plain")), files, "it is only read");
    assert!(engine.verify().expect("verified").is_clean());

    assert_eq!(engine.set("key7", "new").expect("set"), at(2));
    engine.delete("key8").expect("deleted");
    let past = engine.at(at(1)).expect("a snapshot");
    assert_eq!(past.get("key7").expect("get"), Some(before));
    assert_eq!(refused(engine.at(at(0))).0, "pruned");
    let versions = engine.history("key7", ..).expect("history").count();
    assert_eq!(versions, 2);
    assert_eq!(engine.diff(at(1), at(3)).expect("diff").count(), 2);
    drop(past);
    engine.rollback_to(at(1)).expect("rolled back");
    let again = engine
        .range(..)
        .collect::<sapwood::Result<Vec<_>>>()
        .expect("rows");
    assert_eq!(again, rows);
    assert!(engine.verify().expect("verified").is_clean());
    engine.close().expect("closed");
    drop(engine);
    assert_eq!(world.open("new").visible(), at(1));
}

#[test]
fn what_is_no_plain_rocksdb_is_refused_and_leaves_nothing() {
    let world = World::new();
    let plain = plain(&world);
    let (kind, message) = refused(migrate_plain(&world, "other", world.config("new")));
    assert_eq!(kind, "not_found");
    assert!(message.contains("it has default"), "{message}");
    let inside = world.config("plain/inside");
    assert_eq!(
        refused(migrate_plain(&world, "default", inside)).0,
        "invalid"
    );
    let taken = world.config("plain");
    assert_eq!(
        refused(migrate_plain(&world, "default", taken)).0,
        "invalid"
    );
    world.open("ours").close().expect("closed");
    let of = |name: &str| {
        let config = world.config("new");
        let path = world.path(name);
        refused(RocksDBStorage::migrate_rocksdb(
            path,
            "default",
            config,
            |_, _| {},
        ))
    };
    let (kind, message) = of("ours");
    assert_eq!(kind, "invalid");
    assert!(message.contains("Sapwood's"), "{message}");
    assert_eq!(of("nowhere").0, "not_found");
    // A table that is damaged.
    let table = contents(&plain)
        .into_iter()
        .find(|(name, _)| name.contains("sst"));
    let (name, mut bytes) = table.expect("a table");
    bytes.iter_mut().take(100).for_each(|byte| *byte ^= 0x55);
    fs::write(plain.join(name), bytes).expect("damaged");
    assert_eq!(of("plain").0, "corrupt");
    let left: Vec<_> = fs::read_dir(world.path("")).expect("read").collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
