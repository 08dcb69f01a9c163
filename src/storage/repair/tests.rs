//! Each row that does not decode is dropped, alone, and listed; what must not go is refused.

use std::fs;

use super::*;
use crate::{
    Batch, CommitOptions, Engine, ErrorKind, MemoryStorage, ReadView, Rule, Timestamp,
    backend::{Keyspace, WriteBatch},
    codec::{commit, key, meta},
    config::{Durability, MemoryConfig},
    storage::{PinOptions, handle::sealed::Handle},
};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

/// Three keys with some versions, one of them deleted; the floor at 2.
fn source(recent_versions_size: usize) -> MemoryStorage {
    let memory = MemoryStorage::with_config(MemoryConfig {
        recent_versions_size,
        ..MemoryConfig::default()
    });
    for round in 1..=6u8 {
        let mut batch = Batch::new();
        batch.set("a", [round]).set("b", [round]);
        match round {
            4 => batch.set("c", "x"),
            5 => batch.delete("c"),
            _ => &mut batch,
        };
        memory.commit(batch, CommitOptions::default()).unwrap();
    }
    memory.prune_before(at(2)).unwrap();
    memory
}

fn plant(memory: &MemoryStorage, keyspace: Keyspace, row_key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::default();
    batch.put(keyspace, &[row_key], &[value]);
    memory
        .store()
        .0
        .backend
        .write(batch, Durability::Sync)
        .unwrap();
}

struct Repaired {
    directory: tempfile::TempDir,
}

impl Repaired {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("new")
    }

    fn config(&self) -> RocksDBConfig {
        RocksDBConfig {
            write_buffer_size: 64 << 10,
            block_cache_size: 1 << 20,
            ..RocksDBConfig::at(self.path().to_str().unwrap())
        }
    }

    fn repair(&self, memory: &MemoryStorage) -> Result<RepairReport> {
        RocksDBStorage::repair(memory, self.config(), |_, _| {})
    }

    fn list(&self) -> String {
        fs::read_to_string(self.path().join(DROPPED)).unwrap()
    }

    fn open(&self) -> Engine {
        Engine::open_with(self.config()).unwrap()
    }
}

fn rules(report: &RepairReport) -> Vec<Rule> {
    let mut rules: Vec<_> = report
        .left
        .violations
        .iter()
        .map(|found| found.rule)
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn a_store_in_which_nothing_is_wrong_is_copied_wholly() {
    let memory = source(0);
    memory.pin("kept", at(3), PinOptions::default()).unwrap();
    let repaired = Repaired::new();
    let report = repaired.repair(&memory).unwrap();
    assert_eq!((report.rows_dropped, report.parts_dropped), (0, 0));
    assert!(report.left.is_clean(), "{:?}", report.left);
    assert_eq!(report.floor, at(2));
    assert_eq!(
        repaired.list(),
        format!("{TITLE}\nfrom memory\nend 0 rows, 0 parts\n")
    );
    let copy = repaired.open();
    assert_eq!(copy.pins().unwrap(), memory.pins_of());
    for timestamp in 2..=6 {
        let state = |engine: &Engine| {
            let rows = engine.at(at(timestamp)).unwrap().range(..);
            rows.collect::<Result<Vec<_>>>().unwrap()
        };
        assert_eq!(state(&copy), state(&Engine::new(&memory)), "at {timestamp}");
    }
}

impl MemoryStorage {
    fn pins_of(&self) -> Vec<crate::Pin> {
        self.store().0.pins().unwrap()
    }
}

/// The row that is planted, what is left to say of the copy without it, and what reads of it find.
#[test]
fn a_row_that_does_not_decode_is_dropped_alone_and_listed() {
    let a = key::encode(b"a");
    let version = key::encode_version(b"a", at(4));
    let c = key::encode(b"c");
    let cases: [(Keyspace, &[u8], &[Rule]); 3] = [
        (Keyspace::Current, &a, &[Rule::Unlisted, Rule::Lost]),
        (
            Keyspace::History,
            &version,
            &[Rule::Hole, Rule::Unlisted, Rule::Lost],
        ),
        // What it was follows from the versions.
        (Keyspace::Deleted, &c, &[]),
    ];
    for (keyspace, row_key, left) in cases {
        let memory = source(0);
        Engine::new(&memory).flush().unwrap();
        memory.store().0.merge_all().unwrap();
        plant(&memory, keyspace, row_key, b"\xEE\xEE");
        // Another that is no key at all.
        plant(&memory, keyspace, b"\x07", b"\xFF");
        let repaired = Repaired::new();
        let report = repaired.repair(&memory).unwrap();
        assert_eq!(
            (report.rows_dropped, report.parts_dropped),
            (2, 0),
            "{keyspace:?}"
        );
        assert_eq!(rules(&report), left, "{keyspace:?}: {:#?}", report.left);
        assert_eq!(report.floor, at(2));
        let added = u64::from(keyspace != Keyspace::History);
        assert_eq!(report.deletes_added, added, "{keyspace:?}");
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let line = format!("row {} {} eeee ", keyspace.name(), hex(row_key));
        let list = repaired.list();
        assert!(list.contains(&line), "{list}");
        assert!(
            list.contains(&format!("row {} 07 ff ", keyspace.name())),
            "{list}"
        );
        assert!(list.ends_with("end 2 rows, 0 parts\n"), "{list}");
        let copy = repaired.open();
        assert_eq!(copy.get("b").unwrap().as_deref(), Some(&[6][..]));
        let past = copy.at(at(4)).unwrap();
        assert_eq!(past.get("b").unwrap().as_deref(), Some(&[4][..]));
        match keyspace {
            Keyspace::History => {
                let error = past.get("a").unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
                assert_eq!(copy.get("a").unwrap().as_deref(), Some(&[6][..]));
            }
            Keyspace::Current => {
                assert_eq!(copy.get("a").unwrap(), None);
                assert_eq!(past.get("a").unwrap().as_deref(), Some(&[4][..]));
            }
            _ => {
                assert_eq!(copy.get("c").unwrap(), None);
                assert_eq!(past.get("c").unwrap().as_deref(), Some(&b"x"[..]));
            }
        }
        // The source has what it had.
        let found = memory.verify().unwrap();
        assert!(!found.is_clean());
    }
}

/// Without a higher floor, a difference over the lost record would miss what it told of.
#[test]
fn the_floor_is_raised_to_a_record_that_is_lost() {
    let memory = source(0);
    memory.store().0.merge_all().unwrap();
    plant(
        &memory,
        Keyspace::Commits,
        &commit::encode_key(at(4), 0),
        b"\xEE",
    );
    let repaired = Repaired::new();
    let report = repaired.repair(&memory).unwrap();
    assert_eq!(report.rows_dropped, 1);
    assert_eq!(report.floor, at(4));
    assert!(report.left.is_clean(), "{:#?}", report.left);
    assert!(
        repaired.list().contains("floor 2 4 "),
        "{}",
        repaired.list()
    );
    let copy = repaired.open();
    assert_eq!((copy.visible(), copy.floor()), (at(6), at(4)));
    assert_eq!(copy.diff(at(3), at(6)).unwrap_err().kind().name(), "pruned");
    assert_eq!(copy.diff(at(4), at(6)).unwrap().count(), 3);
    assert_eq!(copy.rollback_to(at(3)).unwrap_err().kind().name(), "pruned");
    let past = copy.at(at(4)).unwrap();
    assert_eq!(past.get("a").unwrap().as_deref(), Some(&[4][..]));
    // At or below the floor nobody asks for one.
    let memory = source(0);
    memory.store().0.merge_all().unwrap();
    plant(
        &memory,
        Keyspace::Commits,
        &commit::encode_key(at(1), 0),
        b"\xEE",
    );
    let report = Repaired::new().repair(&memory).unwrap();
    assert_eq!((report.rows_dropped, report.floor), (1, at(2)));
    // The newest one: the clock does not go back.
    let memory = source(0);
    memory.store().0.merge_all().unwrap();
    plant(
        &memory,
        Keyspace::Commits,
        &commit::encode_key(at(6), 0),
        b"\xEE",
    );
    let repaired = Repaired::new();
    assert_eq!(repaired.repair(&memory).unwrap().floor, at(6));
    assert_eq!(repaired.open().set("d", "y").unwrap(), at(7));
}

#[test]
fn the_stores_own_state_and_commits_that_are_not_merged_are_never_dropped() {
    let memory = source(1 << 20);
    // Not merged yet: memory has it, the disk has not.
    memory.set(b"d", b"y").unwrap();
    plant(
        &memory,
        Keyspace::Commits,
        &commit::encode_key(at(7), 0),
        b"\xEE",
    );
    let repaired = Repaired::new();
    let refused = repaired.repair(&memory).unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::Corrupt { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("restore"), "{refused}");
    assert!(!repaired.path().exists());

    let memory = source(0);
    memory.pin("kept", at(3), PinOptions::default()).unwrap();
    plant(&memory, Keyspace::Meta, &meta::pin_key("kept"), b"\xEE");
    let repaired = Repaired::new();
    let refused = repaired.repair(&memory).unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::Corrupt { .. }),
        "{refused}"
    );
    assert!(!repaired.path().exists());
}

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    let memory = source(0);
    let repaired = Repaired::new();
    for faulty in 0..20 {
        let mut done = 0;
        let result = repair_in_steps(
            &memory.store().0,
            &repaired.config(),
            &mut |_| {
                done += 1;
                if done > faulty {
                    Err(Error::io("on purpose", std::io::Error::other("on purpose")))
                } else {
                    Ok(())
                }
            },
            &mut |_, _| {},
        );
        if result.is_ok() {
            assert_eq!(faulty, 8);
            return;
        }
        let left = fs::read_dir(repaired.directory.path()).unwrap().count();
        assert_eq!(left, 0, "after {faulty} steps");
    }
    unreachable!("it is done without a fault in the end");
}
