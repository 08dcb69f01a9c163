//! Compacting all keys, and a range of them.

use std::collections::BTreeSet;

use sapwood::{Engine, OnlineOptions};

use crate::support::{World, fill, refused, states, tables};

fn names(world: &World, name: &str) -> BTreeSet<String> {
    tables(&world.path(name)).into_keys().collect()
}

#[test]
fn compacting_changes_no_answer_and_tells_how_far_it_is() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 30);
    let wanted = states(&engine);
    let mut told: Vec<(f64, String)> = Vec::new();
    let report = engine
        .compact_with(|part, what| told.push((part, what.to_owned())))
        .expect("compacted");
    assert!(report.bytes_after > 0, "{report:?}");
    assert_eq!(states(&engine), wanted);
    assert!(engine.verify().expect("verified").is_clean());
    // Now that there are files in the last level, there are pieces.
    told.clear();
    engine
        .compact_with(|part, what| told.push((part, what.to_owned())))
        .expect("compacted");
    assert!(told.len() > 12, "{told:?}");
    let parts: Vec<f64> = told.iter().map(|(part, _)| *part).collect();
    assert!(parts.is_sorted(), "{parts:?}");
    assert_eq!((parts.first(), parts.last()), (Some(&0.0), Some(&1.0)));
    let keyspaces: BTreeSet<&str> = told.iter().map(|(_, what)| what.as_str()).collect();
    assert!(
        keyspaces.contains("history") && keyspaces.contains("meta"),
        "{told:?}"
    );
    assert_eq!(states(&engine), wanted);
}

#[test]
fn all_files_end_in_one_level_though_many_were_written_meanwhile() {
    let world = World::new();
    let engine = world.open("db");
    // Pieces over a last level that has many files, below many others.
    fill(&engine, 30);
    engine.compact().expect("compacted");
    let off = OnlineOptions::default().automatic_compaction(false);
    engine.set_options(&off).expect("changed");
    for _ in 0..6 {
        fill(&engine, 5);
        engine.flush().expect("flushed");
    }
    let wanted = states(&engine);
    engine.compact().expect("compacted");
    let path = world.config("db").path;
    engine.close().expect("closed");
    drop(engine);
    let storage = sapwood::RocksDBStorage::new(world.config("db")).expect("opened");
    for level in 0..6 {
        let name = format!("rocksdb.num-files-at-level{level}");
        let files = storage.get_property(&name).expect("a property");
        assert_eq!(files.as_deref(), Some("0"), "level {level} of {path}");
    }
    assert_eq!(states(&Engine::new(&storage)), wanted);
}

/// With the bounds left out, all files would be new.
#[test]
fn a_range_is_compacted_and_what_lies_elsewhere_is_left_alone() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 40);
    engine.compact().expect("compacted");
    let wanted = states(&engine);
    // What is no key's is left alone by any range: the files of commits and of the store's own state.
    let all = names(&world, "db");
    engine
        .compact_range(b"k".to_vec()..b"l".to_vec())
        .expect("compacted");
    let before = names(&world, "db");
    let others = all.intersection(&before).count();
    let range = b"key/0000".to_vec()..b"key/0020".to_vec();
    let mut keyspaces = BTreeSet::new();
    engine
        .compact_range_with(range.clone(), |_, what| {
            keyspaces.insert(what.to_owned());
        })
        .expect("compacted");
    assert!(!keyspaces.contains("commits"), "{keyspaces:?}");
    let after = names(&world, "db");
    let kept = before.intersection(&after).count();
    assert!(
        kept > others && kept < before.len(),
        "{kept} kept, {others} of them others: {before:?} {after:?}"
    );
    assert_eq!(states(&engine), wanted);
    assert!(engine.verify().expect("verified").is_clean());
    // No key lies in it.
    engine
        .compact_range(b"b".to_vec()..b"a".to_vec())
        .expect("nothing to do");
    assert_eq!(names(&world, "db"), after);
    engine.compact_range(..).expect("all of it");
    assert!(names(&world, "db").is_disjoint(&before));
    assert_eq!(states(&engine), wanted);
}

#[test]
fn a_store_in_memory_has_nothing_to_compact() {
    let engine = Engine::in_memory();
    fill(&engine, 5);
    let wanted = states(&engine);
    engine.compact_range(b"key/".to_vec()..).expect("compacted");
    assert_eq!(states(&engine), wanted);
    engine.close().expect("closed");
    assert_eq!(refused(engine.compact_range(..)).0, "closed");
}
