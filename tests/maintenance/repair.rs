//! A damaged file: what can be read of the database is saved, and the rest is named.

use std::{fs, path::PathBuf};

use sapwood::{
    Batch, CommitOptions, Engine, ReadView, RepairReport, RocksDBConfig, RocksDBStorage, Timestamp,
};

use crate::support::{World, contents, refused, tables};

const KEYS: u64 = 200;

fn key(number: u64) -> String {
    format!("key{number:05}")
}

fn value(number: u64, round: u64) -> String {
    format!("{number:0100} {round:0100}")
}

/// Without compression and in few files, so that the middle of the largest is the middle of its rows.
fn config(world: &World, name: &str) -> RocksDBConfig {
    RocksDBConfig {
        enable_compression: false,
        write_buffer_size: 8 << 20,
        target_file_size: 64 << 20,
        ..world.config(name)
    }
}

/// A database whose largest table, of `current` with one round and of `history` with several, is damaged in its middle.
fn damage(world: &World, rounds: u64) -> PathBuf {
    damage_at(world, rounds, |length| length / 2)
}

/// The same, elsewhere.
fn damage_at(world: &World, rounds: u64, place: impl Fn(usize) -> usize) -> PathBuf {
    let engine = Engine::open_with(config(world, "damaged")).expect("an engine");
    for round in 1..=rounds {
        let mut batch = Batch::new();
        for number in 0..KEYS {
            batch.set(key(number), value(number, round));
        }
        engine
            .commit(batch, CommitOptions::default())
            .expect("a commit");
    }
    engine.compact().expect("compacted");
    engine.close().expect("closed");
    drop(engine);
    damage_largest(world, place)
}

/// Damages the largest table.
fn damage_largest(world: &World, place: impl Fn(usize) -> usize) -> PathBuf {
    let path = world.path("damaged");
    let largest = tables(&path)
        .into_iter()
        .max_by_key(|(_, bytes)| bytes.len());
    let (name, mut bytes) = largest.expect("a table");
    let place = place(bytes.len());
    bytes.get_mut(place..place + 4).expect("a file").fill(0x55);
    fs::write(path.join(name), bytes).expect("damaged");
    path
}

fn repair(world: &World) -> (RepairReport, Engine) {
    let storage = RocksDBStorage::new(config(world, "damaged")).expect("opened");
    let found = sapwood::Storage::verify(&storage).expect("verified");
    assert!(
        found
            .violations
            .iter()
            .any(|one| one.rule.name() == "unreadable")
    );
    let report = RocksDBStorage::repair(&storage, world.config("new"), |_, _| {});
    (report.expect("repaired"), world.open("new"))
}

fn list(world: &World) -> String {
    fs::read_to_string(world.path("new").join("DROPPED")).expect("a list")
}

#[test]
fn a_damaged_block_of_current_costs_the_keys_in_it_and_no_others() {
    let world = World::new();
    let path = damage(&world, 1);
    let before = tables(&path);
    let (report, engine) = repair(&world);
    assert_eq!(tables(&path), before, "it is only read");
    assert_eq!(
        (report.rows_dropped, report.parts_dropped),
        (0, 1),
        "{report:?}"
    );
    let mut gone = Vec::new();
    for number in 0..KEYS {
        match engine.get(key(number)).expect("readable") {
            Some(found) => assert_eq!(found, value(number, 1).as_bytes()),
            None => gone.push(number),
        }
    }
    let (first, last) = (gone.first().expect("some"), gone.last().expect("some"));
    assert_eq!(last - first + 1, gone.len() as u64, "one block: {gone:?}");
    assert!(gone.len() < 100, "{gone:?}");
    // The keys beside them are named, and the file.
    let hex = |number: u64| -> String {
        let encoded = [key(number).as_bytes(), b"\0\x01"].concat();
        encoded.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let text = list(&world);
    let line = format!("part current {} {} ", hex(first - 1), hex(last + 1));
    assert!(text.contains(&line) && text.contains(".sst"), "{text}");
    assert!(text.ends_with("end 0 rows, 1 parts\n"), "{text}");
    // What is missing is said, and nothing else is wrong.
    let rules: Vec<_> = report
        .left
        .violations
        .iter()
        .map(|one| one.rule.name())
        .collect();
    assert!(rules.iter().all(|rule| *rule == "lost"), "{rules:?}");
    assert_eq!(report.left.violations_found, gone.len() as u64);
    // It is whole in itself: it can be written on, compacted, and read to its end.
    engine.set(key(*first), "new").expect("a commit");
    engine.compact().expect("compacted");
    assert_eq!(engine.range(..).flatten().count(), 201 - gone.len());
}

#[test]
fn versions_of_a_damaged_block_of_history_are_never_read_as_others() {
    let world = World::new();
    damage(&world, 5);
    let (report, engine) = repair(&world);
    assert_eq!(report.parts_dropped, 1, "{report:?}");
    let mut lost = 0;
    for round in 1..=5 {
        let state = engine.at(Timestamp::new(round)).expect("a snapshot");
        for number in 0..KEYS {
            match state.get(key(number)) {
                Ok(found) => {
                    let found = found.expect("a value");
                    assert_eq!(
                        found,
                        value(number, round).as_bytes(),
                        "{number} at {round}"
                    );
                }
                Err(error) => {
                    assert_eq!(error.kind().name(), "corrupt", "{error}");
                    lost += 1;
                }
            }
        }
    }
    assert!(lost > 0 && lost < 400, "{lost}");
    assert!(list(&world).contains("part history "));
    let rules = report.left.violations.iter().map(|one| one.rule.name());
    let other: Vec<_> = rules
        .filter(|rule| !["hole", "unlisted", "lost"].contains(rule))
        .collect();
    assert!(other.is_empty(), "{other:?}");
    // A migration drops nothing: it refuses what it cannot read.
    let damaged = RocksDBStorage::new(config(&world, "damaged")).expect("opened");
    let migrated = RocksDBStorage::migrate(&damaged, world.config("copy"), |_, _| {});
    assert_eq!(refused(migrated).0, "corrupt");
    assert!(!world.path("copy").exists());
}

#[test]
fn a_damaged_first_block_costs_itself_and_no_more() {
    for rounds in [1, 5] {
        let world = World::new();
        damage_at(&world, rounds, |_| 100);
        let (report, engine) = repair(&world);
        assert_eq!(report.parts_dropped, 1, "{report:?}");
        let part = if rounds == 1 { "current" } else { "history" };
        assert!(list(&world).contains(&format!("part {part} - ")));
        let kept = report.kept.iter().find(|rows| rows.keyspace == part);
        // All but the newest versions have ended.
        let whole = KEYS * (rounds - 1).max(1);
        let kept = kept.expect("its rows").rows;
        assert!(kept >= whole / 2 && kept < whole, "{kept} of {whole}");
        // The last keys lie behind it.
        for round in 1..=rounds {
            let state = engine.at(Timestamp::new(round)).expect("a snapshot");
            let found = state.get(key(KEYS - 1)).expect("readable");
            assert_eq!(found.expect("a value"), value(KEYS - 1, round).as_bytes());
        }
    }
}

#[test]
fn the_past_of_a_key_that_came_again_and_lost_its_newest_version_is_read_still() {
    let world = World::new();
    let engine = Engine::open_with(config(&world, "damaged")).expect("an engine");
    let commit = |fill: &dyn Fn(&mut Batch, String, u64)| {
        let mut batch = Batch::new();
        for number in 0..KEYS {
            fill(&mut batch, key(number), number);
        }
        engine
            .commit(batch, CommitOptions::default())
            .expect("a commit");
    };
    commit(&|batch, key, _| {
        batch.set(key, "first");
    });
    commit(&|batch, key, _| {
        batch.delete(key);
    });
    for _ in 3..=4 {
        commit(&|batch, key, number| {
            batch.set(key, value(number, 3));
        });
    }
    commit(&|batch, key, number| {
        batch.set(key, value(number, 5).repeat(20));
    });
    engine.compact().expect("compacted");
    engine.close().expect("closed");
    drop(engine);
    // Its newest versions are the longest.
    damage_largest(&world, |length| length / 2);
    let (report, engine) = repair(&world);
    assert!(report.deletes_added > 0, "{report:?}");
    assert!(list(&world).contains("part current "));
    for number in 0..KEYS {
        for (at, expected) in [
            (1, Some("first".to_owned())),
            (2, None),
            (3, Some(value(number, 3))),
            (4, Some(value(number, 3))),
        ] {
            let state = engine.at(Timestamp::new(at)).expect("a snapshot");
            let found = state.get(key(number)).expect("readable");
            assert_eq!(found.as_deref(), expected.as_deref().map(str::as_bytes));
        }
    }
}

#[test]
fn a_repair_goes_to_a_new_place_outside_of_what_is_damaged() {
    let world = World::new();
    damage(&world, 1);
    let storage = RocksDBStorage::new(config(&world, "damaged")).expect("opened");
    let files = contents(&world.path("damaged")).len();
    for place in ["damaged", "damaged/inside"] {
        let refused = refused(RocksDBStorage::repair(
            &storage,
            world.config(place),
            |_, _| {},
        ));
        assert_eq!(refused.0, "invalid", "{}", refused.1);
    }
    assert_eq!(contents(&world.path("damaged")).len(), files);
}
