//! What fails or crashes at any step of a migration leaves the whole database, or nothing at its path.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use super::*;
use crate::{Engine, ErrorKind, MemoryStorage, ReadView, storage::handle::sealed::Handle};

fn source() -> MemoryStorage {
    let memory = MemoryStorage::new();
    for round in 1..=5u8 {
        memory.set(b"a", &[round]).unwrap();
    }
    memory.prune_before(Timestamp::new(2)).unwrap();
    memory
}

fn config(path: &Path) -> RocksDBConfig {
    RocksDBConfig {
        write_buffer_size: 64 << 10,
        block_cache_size: 1 << 20,
        ..RocksDBConfig::at(path.to_str().unwrap())
    }
}

/// A crash, as an error that unwinds past all that would clean up.
#[derive(Debug)]
struct Crash;

/// Migrates with a fault at each step in turn, and then without; between, nothing may lie at the path.
fn at_each_step(fault: &dyn Fn() -> Result<()>) -> Vec<&'static str> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    let memory = source();
    let store = &memory.store().0;
    for faulty in 0.. {
        let mut names = Vec::new();
        let built = catch_unwind(AssertUnwindSafe(|| {
            let mut step = |name| {
                names.push(name);
                if names.len() > faulty {
                    fault()
                } else {
                    Ok(())
                }
            };
            build(&config(&path), &mut step, |backend| {
                store.copy_into(backend, &mut |_, _| {})
            })
        }));
        match built {
            Ok(Ok(())) => {
                let copy = Engine::open_with(config(&path)).unwrap();
                assert_eq!(copy.floor(), Timestamp::new(2));
                assert_eq!(copy.get(b"a").unwrap().as_deref(), Some(&[5][..]));
                assert!(copy.verify().unwrap().is_clean());
                return names;
            }
            Ok(Err(error)) => assert_eq!(error.kind(), &ErrorKind::Io, "{error}"),
            Err(panic) => assert!(panic.is::<Crash>()),
        }
        let step = names.last().unwrap();
        // Where it is at its place already it is whole.
        if path.exists() {
            assert_eq!(*step, "sync the directory above");
            let copy = Engine::open_with(config(&path)).unwrap();
            assert_eq!(copy.visible(), Timestamp::new(5));
            drop(copy);
            std::fs::remove_dir_all(&path).unwrap();
        }
        // The source goes on.
        assert_eq!(memory.get(b"a").unwrap().as_deref(), Some(&[5][..]));
    }
    unreachable!("it is done without a fault in the end")
}

const STEPS: [&str; 8] = [
    "make the directories above",
    "remove what a crash has left",
    "make the database",
    "copy the rows",
    "open the copy",
    "sync the files",
    "move it to its place",
    "sync the directory above",
];

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    let fault = || Err(Error::io("on purpose", std::io::Error::other("on purpose")));
    assert_eq!(at_each_step(&fault), STEPS);
}

#[test]
fn a_crash_at_any_step_leaves_nothing_that_could_be_taken_for_a_database() {
    assert_eq!(at_each_step(&|| panic_any(Crash)), STEPS);
}

/// A copy that lacks a commit is noticed before it comes to its place.
#[test]
fn a_copy_that_is_not_what_it_was_copied_from_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    let memory = source();
    let store = &memory.store().0;
    let wrong: [fn(&mut Identity); 4] = [
        |identity| identity.visible = Timestamp::new(6),
        |identity| identity.floor = Timestamp::new(1),
        |identity| identity.epoch = 1,
        |identity| identity.pins.push(("a".to_owned(), Timestamp::new(3))),
    ];
    for wrong in wrong {
        let built = build(&config(&path), &mut |_| Ok(()), |backend| {
            let mut identity = store.copy_into(backend, &mut |_, _| {})?;
            wrong(&mut identity);
            Ok(identity)
        });
        let error = built.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
        assert!(!path.exists());
    }
}
