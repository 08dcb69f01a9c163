//! Applying an export that stops at each of its writes, and goes on.

use std::path::PathBuf;

use super::*;
use crate::{
    Batch, CommitOptions, Value,
    backend::{
        Backend, Keyspace, WriteBatch,
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    codec::commit,
    config::Durability,
    storage::{
        key_range::KeyRange,
        lineage::Lineage,
        store::{Store, StoreOptions},
    },
    sync::Arc,
};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn open(backend: Box<dyn Backend>) -> Arc<Store> {
    Store::open(backend, StoreOptions::for_tests(64)).unwrap()
}

fn set(store: &Store, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.set(key, value);
    store.commit(batch, CommitOptions::default()).unwrap();
}

/// The states at all timestamps.
fn states(store: &Arc<Store>) -> Vec<Vec<(Value, Value)>> {
    let state = |number| {
        let rows = store.range_at(KeyRange::all(), at(number));
        rows.collect::<Result<Vec<_>>>().unwrap()
    };
    (0..=store.clock.visible().get()).map(state).collect()
}

/// A store that began a branch at 3, and its export.
fn source(directory: &tempfile::TempDir) -> (Arc<Store>, PathBuf) {
    let store = open(Box::new(MemoryBackend::new()));
    for number in 1..=5_u8 {
        set(&store, &format!("k{}", number % 3), &number.to_string());
    }
    store
        .export(at(0), at(1), &directory.path().join("names"))
        .unwrap();
    store.rollback_to(at(3)).unwrap();
    for number in 4..=8_u8 {
        set(&store, &format!("k{}", number % 4), &number.to_string());
    }
    let path = directory.path().join("all");
    store.export(at(0), at(8), &path).unwrap();
    (store, path)
}

/// Whatever a crash or a failed write leaves, what was applied is a prefix, and the same export goes on there; unless
/// the store has gone on by itself.
#[test]
fn what_stops_at_any_write_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (source, path) = source(&directory);
    let all = states(&source);
    let apply = |store: &Store| store.apply_export(&path, ApplyOptions::default());
    let mut stopped = 0;
    for takes_effect in [false, true] {
        for number in 1.. {
            let fault = Fault::new(takes_effect);
            let inner = Arc::new(MemoryBackend::new());
            let store = open(Box::new(FaultBackend::over(&inner, &fault)));
            fault.arm(number);
            let applied = apply(&store);
            if !fault.has_failed() {
                assert_eq!(applied.unwrap().commits, 8);
                break;
            }
            stopped += 1;
            drop((applied, store));
            let after = |own: bool| {
                let left = open(Box::new(inner.copy()));
                let held = states(&left);
                assert_eq!(held, all[..held.len()]);
                if own {
                    set(&left, "k", "its own");
                    let refused = apply(&left).unwrap_err().to_string();
                    let of_another = refused.contains("another history");
                    assert!(
                        of_another || refused.contains("applied already"),
                        "{refused}"
                    );
                    return;
                }
                match apply(&left) {
                    Ok(applied) => assert_eq!(applied.skipped + 1, held.len() as u64),
                    Err(error) => {
                        assert_eq!(held.len(), all.len());
                        assert!(error.to_string().contains("applied already"), "{error}");
                    }
                }
                assert_eq!(states(&left), all);
                assert!(left.verify(&mut |_, _| {}).unwrap().is_clean());
                let (own, its) = (lineage(&left), lineage(&source));
                for number in 0..=8 {
                    assert_eq!(own.branch_at(at(number)), its.branch_at(at(number)));
                }
                assert_ne!(own.branch_at(at(9)), its.branch_at(at(9)));
            };
            after(false);
            after(true);
        }
    }
    assert!(stopped > 20, "stopped {stopped} times only");
}

fn lineage(store: &Store) -> Lineage {
    Lineage::load(store.backend.as_ref()).unwrap()
}

/// An export that is put in place of another meanwhile is not taken for it.
#[test]
fn what_was_checked_is_what_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let (_, path) = source(&directory);
    let fault = Fault::new(false);
    let store = open(Box::new(FaultBackend::new(&fault)));
    let bytes = std::fs::read(&path).unwrap();
    let changed = path.clone();
    fault.before_write(move || {
        let mut bytes = bytes;
        bytes.truncate(bytes.len() / 2);
        std::fs::write(changed, bytes).unwrap();
    });
    let error = store
        .apply_export(&path, ApplyOptions::default())
        .unwrap_err();
    assert_eq!(error.kind().name(), "corrupt");
    let held = store.clock.visible();
    assert!(held < at(8), "{held}");
    // What follows is its own.
    assert_ne!(
        lineage(&store).branch_at(at(held.get() + 1)),
        lineage(&store).branch_at(held)
    );
}

/// Records at or below the floor may be gone, some of them and not others: the newest that is left there need not be
/// the newest that there was.
#[test]
fn what_is_left_below_the_floor_is_not_taken_for_the_commit_before() {
    let directory = tempfile::tempdir().unwrap();
    let inner = Arc::new(MemoryBackend::new());
    let backend = FaultBackend::over(&inner, &Fault::new(false));
    let store = open(Box::new(backend));
    (1..=6_u8).for_each(|number| set(&store, "key", &number.to_string()));
    store.merge_all().unwrap();
    let row_key = commit::encode_key(at(2), 0);
    let second = inner.get(Keyspace::Commits, &row_key).unwrap().unwrap();
    store.prune_before(at(4), &mut |_, _| {}).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(Keyspace::Commits, &[&row_key], &[&second]);
    inner.write(batch, Durability::Sync).unwrap();
    for (after, base) in [(4, 4), (5, 5)] {
        let path = directory.path().join(after.to_string());
        store.export(at(after), at(6), &path).unwrap();
        assert_eq!(frames::check(&path).unwrap().0.base, at(base));
    }
}

/// Part of it was read already when the rest was rolled back.
#[test]
fn an_export_that_a_rollback_comes_into_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let fault = Fault::new(false);
    let store = open(Box::new(FaultBackend::new(&fault)));
    (1..=6_u8).for_each(|number| set(&store, "key", &number.to_string()));
    let path = directory.path().join("all");
    store.export(at(0), at(6), &path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (other, armed) = (Arc::clone(&store), Arc::clone(&fault));
    // The first cursor looks for the commit before, the second gives the first three commits.
    fault.before_cursor(move || {
        let (again, inner) = (Arc::clone(&armed), other);
        armed.before_cursor(move || {
            again.before_cursor(move || {
                inner.rollback_to(at(3)).unwrap();
            });
        });
    });
    let error = store.export(at(0), at(6), &path).unwrap_err();
    assert_eq!(error.kind().name(), "too_old", "{error}");
    assert_eq!(store.clock.epoch(), 1);
    let names = std::fs::read_dir(directory.path()).unwrap();
    assert_eq!(names.count(), 0);
}
