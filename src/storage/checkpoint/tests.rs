//! What fails or crashes at any step leaves a whole checkpoint, or none; and so for restoring.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;
use crate::{Engine, ErrorKind, ReadView, RocksDBConfig, RocksDBStorage};

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It fails, and what was begun is cleaned up.
    Fails,
    /// Nothing is done any more, as after a crash.
    Crash,
}

fn config(path: &Path) -> RocksDBConfig {
    RocksDBConfig {
        write_buffer_size: 64 << 10,
        block_cache_size: 1 << 20,
        recent_versions_size: 0,
        ..RocksDBConfig::at(path.to_str().unwrap())
    }
}

/// An engine with five commits, two of them unmerged, a pin and a floor.
fn engine(path: &Path) -> Engine {
    let engine = Engine::open_with(config(path)).unwrap();
    for round in 1..=5u8 {
        engine.set(b"a", [round]).unwrap();
    }
    engine.prune_before(Timestamp::new(2)).unwrap();
    engine
}

fn check_copy(copy: &Engine, at: u64) {
    assert_eq!(copy.visible(), Timestamp::new(at));
    assert_eq!(copy.floor(), Timestamp::new(2));
    assert_eq!(
        copy.get(b"a").unwrap().as_deref(),
        Some(&[u8::try_from(at).unwrap()][..])
    );
    let past = copy.at(Timestamp::new(3)).unwrap();
    assert_eq!(past.get(b"a").unwrap().as_deref(), Some(&[3][..]));
    copy.status().unwrap();
}

/// Runs `work` with the fault at each of its steps in turn, and then without; between, `after` looks at what is
/// left. Returns the steps.
fn at_each_step(
    fault: Fault,
    mut work: impl FnMut(Steps<'_>) -> Result<()>,
    mut after: impl FnMut(&str, bool),
) -> Vec<&'static str> {
    let mut faulty = 0;
    loop {
        let mut names = Vec::new();
        let mut step = |name: &'static str| {
            names.push(name);
            if names.len() <= faulty {
                return Ok(());
            }
            match fault {
                Fault::Fails => Err(Error::io("on purpose", io::Error::other(name))),
                Fault::Crash => resume_unwind(Box::new(name)),
            }
        };
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut step)));
        let is_done = matches!(done, Ok(Ok(())));
        // Nothing else has failed: what the last attempt has left is in nobody's way.
        let is_reached = names.len() > faulty;
        assert!(is_done || is_reached, "{done:?} after {names:?}");
        after(names.last().unwrap(), is_done);
        if is_done {
            return names;
        }
        faulty += 1;
        assert!(faulty < 100);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let names = place::list(directory).unwrap().into_iter().map(name);
    names.collect()
}

/// A crash during a checkpoint, repeated, leaves all in order.
#[test]
fn inv_58_a_checkpoint_that_ends_at_any_step_is_whole_or_none() {
    for fault in [Fault::Fails, Fault::Crash] {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory.path().join("db"));
        let copies = directory.path().join("deep/copies");
        let path = copies.join("one");
        let mut last = 5u8;
        let create = |step: Steps<'_>| engine.store().create_checkpoint_in_steps(&path, step);
        let steps = at_each_step(
            fault,
            |step| create(step).map(drop),
            |name, is_done| {
                let found = Checkpoint::read(&path);
                if is_done || path.exists() {
                    let timestamp = found.unwrap().timestamp;
                    let copy = Engine::open_read_only(&path).unwrap();
                    check_copy(&copy, timestamp.get());
                    assert_eq!(timestamp.get(), u64::from(last), "{name}");
                    drop(copy);
                    // It was moved there, and is in the way of the next attempt.
                    if !is_done {
                        assert_eq!((fault, name), (Fault::Crash, "sync the directory above"));
                        place::remove(&path).unwrap();
                    }
                } else {
                    assert_eq!(found.unwrap_err().kind(), &ErrorKind::NotFound);
                    assert_eq!(
                        Engine::open_read_only(&path).unwrap_err().kind(),
                        &ErrorKind::NotFound
                    );
                    if fault == Fault::Fails && copies.exists() {
                        assert_eq!(names(&copies), [""; 0], "{name}");
                    }
                }
                // The store goes on.
                if !is_done {
                    last += 1;
                    engine.set(b"a", [last]).unwrap();
                }
            },
        );
        assert_eq!(names(&copies), ["one"]);
        assert_eq!(
            steps,
            [
                "make the directories above",
                "remove what a crash has left",
                "copy the database",
                "read what was copied",
                "write the manifest",
                "sync the files",
                "move it to its place",
                "sync the directory above"
            ]
        );
        engine.close().unwrap();
        drop(engine);
        let engine = Engine::open_with(config(&directory.path().join("db"))).unwrap();
        check_copy(&engine, u64::from(last));
    }
}

#[test]
fn inv_58_a_restore_that_ends_at_any_step_is_whole_or_none() {
    for fault in [Fault::Fails, Fault::Crash] {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(&directory.path().join("db"));
        let from = directory.path().join("checkpoint");
        engine.create_checkpoint(&from).unwrap();
        let copies = directory.path().join("copies");
        let to = copies.join("new");
        let check = |copy: &Path, manifest: &Manifest| {
            RocksDBStorage::check_copy(copy, &config(copy), manifest)
        };
        let steps = at_each_step(
            fault,
            |step| restore_in_steps(&from, &to, check, step),
            |name, is_done| {
                let placed = fault == Fault::Crash && name == "sync the directory above";
                assert_eq!(to.exists(), is_done || placed, "{name}");
                if fault == Fault::Fails && !is_done && copies.exists() {
                    assert_eq!(names(&copies), [""; 0], "{name}");
                }
                if to.exists() {
                    let restored = Engine::open_with(config(&to)).unwrap();
                    check_copy(&restored, 5);
                    assert_eq!(restored.set(b"a", [6]).unwrap(), Timestamp::new(6));
                    drop(restored);
                    if !is_done {
                        place::remove(&to).unwrap();
                    }
                }
                check_copy(&Engine::open_read_only(&from).unwrap(), 5);
            },
        );
        assert!(steps.len() > 8, "{steps:?}");
        assert_eq!(names(&copies), ["new"]);
    }
}

/// Nothing is left half by what goes wrong within a step.
#[test]
fn a_restore_of_a_damaged_checkpoint_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(&directory.path().join("db"));
    let from = directory.path().join("checkpoint");
    engine.create_checkpoint(&from).unwrap();
    let to = directory.path().join("new");
    for file in load(&from).unwrap().files {
        let path = from.join(&file.name);
        // The tables are shared with the store.
        let bytes = fs::read(&path).unwrap();
        if bytes.is_empty() {
            // The log: all of it lies in tables.
            assert!(file.name.ends_with(".log"));
            continue;
        }
        let put = |bytes: &[u8]| {
            place::remove(&path).unwrap_or_else(|_| fs::remove_file(&path).unwrap());
            fs::write(&path, bytes).unwrap();
        };
        let refused = |restored: Result<Engine>| {
            let error = restored.unwrap_err();
            let message = error.to_string();
            assert!(
                matches!(error.kind(), ErrorKind::Corrupt { .. }),
                "{message}"
            );
            assert!(message.contains(&file.name), "{message}");
            assert_eq!(names(directory.path()), ["checkpoint", "db"]);
        };
        put(&bytes[..bytes.len() - 1]);
        refused(Engine::restore(&from, &to));
        refused(Engine::open_read_only(&from));
        fs::remove_file(&path).unwrap();
        refused(Engine::restore(&from, &to));
        refused(Engine::open_read_only(&from));
        fs::write(&path, &bytes).unwrap();
        if file.digest.is_some() {
            let mut changed = bytes.clone();
            changed[bytes.len() / 2] ^= 1;
            put(&changed);
            refused(Engine::restore(&from, &to));
        }
        put(&bytes);
    }
    check_copy(&Engine::restore(&from, &to).unwrap(), 5);
}

/// What is opened is held against the manifest.
#[test]
fn a_copy_that_is_not_what_its_manifest_says_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(&directory.path().join("db"));
    let from = directory.path().join("checkpoint");
    engine.create_checkpoint(&from).unwrap();
    let manifest = load(&from).unwrap();
    for wrong in [
        Manifest {
            timestamp: Timestamp::new(4),
            ..manifest.clone()
        },
        Manifest {
            epoch: 1,
            ..manifest.clone()
        },
    ] {
        fs::write(from.join(MANIFEST), wrong.to_text(TITLE)).unwrap();
        let to = directory.path().join("new");
        for refused in [Engine::open_read_only(&from), Engine::restore(&from, &to)] {
            let kind = refused.unwrap_err().kind().clone();
            assert!(matches!(kind, ErrorKind::Corrupt { .. }), "{kind:?}");
        }
        assert!(!to.exists());
    }
}
