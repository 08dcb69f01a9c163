//! Disks that are full or cannot be written.
//!
//! Both need a small file system of its own, which only root may mount; elsewhere these tests say
//! that they were skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use sapwood::{
    Batch, CommitOptions, Durability, Engine, Isolation, ReadView, Result, RocksDBConfig,
    Timestamp, TransactionOptions,
};
use tempfile::TempDir;

use crate::support::{config, directory, kind, open};

/// A file system in memory, unmounted when it goes.
struct Disk(TempDir);

impl Disk {
    /// A disk of some bytes; `None` where that cannot be had.
    fn new(size: &str) -> Option<Self> {
        let directory = directory();
        let size = format!("size={size}");
        let mounted = run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(directory.path()));
        if !mounted {
            eprintln!("skipped: 1 test (a file system cannot be mounted here; it takes root)");
        }
        mounted.then(|| Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, mode: &str) {
        let option = format!("remount,{mode}");
        assert!(
            run(Command::new("mount").args(["-o", &option]).arg(self.path())),
            "{option}"
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

const KEYS: [&str; 3] = ["left", "middle", "right"];

/// Sets all keys to the number of the commit, padded to a size, together.
fn write(engine: &Engine, number: u64, padding: usize) -> Result<Timestamp> {
    let mut batch = Batch::new();
    for key in KEYS {
        batch.set(key, value(number, padding));
    }
    let options = CommitOptions::default().durability(Durability::Sync);
    Ok(engine.commit(batch, options)?.timestamp)
}

fn value(number: u64, padding: usize) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(8 + padding, b'.');
    value
}

/// Checks that every commit up to the last is there wholly, at every timestamp.
fn check(engine: &Engine, last: u64) {
    for number in 1..=last {
        let state = engine.at(Timestamp::new(number)).expect("at");
        let rows: Vec<_> = state.range(..).map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), KEYS.len(), "at {number}");
        for ((key, value), wanted) in rows.into_iter().zip(KEYS) {
            assert_eq!(
                (key.as_ref(), &value[..8]),
                (wanted.as_bytes(), &number.to_be_bytes()[..])
            );
        }
    }
}

/// Opens with memtables that are not full before the disk is. Where RocksDB already holds writers back for a flush when that
/// meets the full disk, they wait for room, and are not refused.
fn open_roomy(path: &Path) -> Result<Engine> {
    Engine::open_with(RocksDBConfig {
        write_buffer_size: 64 << 20,
        ..config(path)
    })
}

fn fill(path: &Path) {
    let chunk = vec![0; 4 << 10];
    let mut file = fs::File::create(path).expect("create");
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() {
    let Some(disk) = Disk::new("8m") else { return };
    let (path, filler) = (disk.path().join("db"), disk.path().join("filler"));
    let engine = open_roomy(&path).expect("open");
    let mut acknowledged = 0;
    while acknowledged < 20 {
        acknowledged = write(&engine, acknowledged + 1, 1_000)
            .expect("write")
            .get();
    }
    fill(&filler);
    let failed = loop {
        match write(&engine, acknowledged + 1, 20_000) {
            Ok(timestamp) => acknowledged = timestamp.get(),
            Err(error) => break error,
        }
    };
    assert_eq!(failed.kind().name(), "io", "{failed}");
    assert!(failed.to_string().contains("the disk is full"), "{failed}");
    for _ in 0..2 {
        let refused = write(&engine, 0, 0).expect_err("later writes");
        assert_eq!(refused.kind().name(), "io", "{refused}");
        assert!(refused.to_string().contains("open it again"), "{refused}");
        assert_eq!(engine.visible().get(), acknowledged);
        check(&engine, acknowledged);
    }
    assert_eq!(kind(engine.delete("left")), "io");
    assert_eq!(kind(engine.delete_range(..)), "io");
    fs::remove_file(&filler).expect("make room");
    assert_eq!(
        kind(engine.set("left", "later")),
        "io",
        "only a new opening knows the outcome"
    );
    drop(engine);
    let engine = open(&path).expect("open again");
    let found = engine.visible().get();
    // The commit that failed may have reached the disk, wholly.
    assert!(
        (acknowledged..=acknowledged + 1).contains(&found),
        "{found} of {acknowledged}"
    );
    check(&engine, found);
    assert_eq!(
        write(&engine, found + 1, 10).expect("write").get(),
        found + 1
    );
    engine.compact().expect("compact");
    engine.close().expect("close");
    drop(engine);
    check(&open(&path).expect("open"), found + 1);
}

/// Commits that each thread made on a disk that fills up.
#[derive(Default)]
struct Made {
    /// The number of each that was acknowledged, by its timestamp.
    acknowledged: BTreeMap<u64, u64>,
    /// The number of the one that was being written when the disk was full.
    unknown: Option<u64>,
}

const THREADS: u64 = 6;

/// Sets the keys of a thread to a number, together and synced, until that fails.
fn write_until_it_fails(engine: &Engine, thread: u64) -> Made {
    let options = CommitOptions::default().durability(Durability::Sync);
    let keys = KEYS.map(|key| format!("{thread}/{key}"));
    let mut made = Made::default();
    for number in 1.. {
        let value = value(number, 2_000);
        let outcome = if thread.is_multiple_of(2) {
            let batch = keys
                .iter()
                .map(|key| (key.clone().into(), Some(value.clone())));
            engine.commit(batch.collect(), options)
        } else {
            let mut tx = engine.begin(Isolation::Serializable).expect("begin");
            assert_eq!(tx.scan(format!("{thread}/")).count() > 0, number > 1);
            for key in &keys {
                tx.set(key, &value).expect("set");
            }
            tx.commit_with(options)
        };
        match outcome {
            Ok(info) => {
                made.acknowledged.insert(info.timestamp.get(), number);
            }
            Err(error) => {
                assert_eq!(error.kind().name(), "io", "{error}");
                let is_refused = error.to_string().contains("an earlier write failed");
                made.unknown = (!is_refused).then_some(number);
                break;
            }
        }
    }
    made
}

/// The thread and the number of the one commit between two timestamps, which must be there wholly.
fn commit_at(engine: &Engine, timestamp: u64) -> (u64, u64) {
    let before = Timestamp::new(timestamp - 1);
    let diff = engine.diff(before, Timestamp::new(timestamp));
    let found: BTreeMap<String, u64> = diff
        .expect("diff")
        .map(|change| {
            let change = change.expect("a change");
            let new = change.new.expect("nothing was deleted");
            let number = new[..8].try_into().expect("eight bytes");
            let key = String::from_utf8_lossy(&change.key).into_owned();
            (key, u64::from_be_bytes(number))
        })
        .collect();
    let first = found.first_key_value().expect("a commit of something");
    let (thread, number) = (first.0.split('/').next().expect("a thread"), *first.1);
    let whole: BTreeMap<_, _> = KEYS.map(|key| (format!("{thread}/{key}"), number)).into();
    assert_eq!(found, whole, "at {timestamp}");
    (thread.parse().expect("a number"), number)
}

/// Many commits wait for the disk together when it is full: the group that fails does so as a whole, is
/// not seen, and is there wholly or not at all when the store is opened again.
#[test]
fn inv_41_a_group_that_fails_is_not_seen_and_not_half_there() {
    let Some(disk) = Disk::new("10m") else { return };
    let (path, filler) = (disk.path().join("db"), disk.path().join("filler"));
    fs::write(&filler, vec![0; 3 << 20]).expect("something to make room with");
    let engine = open_roomy(&path).expect("open");
    let made: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let engine = engine.clone();
                scope.spawn(move || write_until_it_fails(&engine, thread))
            })
            .collect();
        let made = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"));
        made.collect()
    });
    let mut acknowledged = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for (thread, made) in (0u64..).zip(made) {
        let made_by = made
            .acknowledged
            .into_iter()
            .map(|(at, number)| (at, (thread, number)));
        acknowledged.extend(made_by);
        unknown.extend(made.unknown.map(|number| (thread, number)));
    }
    assert!(!unknown.is_empty(), "one was being written");
    let visible = engine.visible().get();
    let timestamps: Vec<_> = acknowledged.keys().copied().collect();
    let all: Vec<_> = (1..=visible).collect();
    assert_eq!(timestamps, all, "what is seen is what was acknowledged");
    let check = |engine: &Engine| {
        for (timestamp, made) in &acknowledged {
            assert_eq!(commit_at(engine, *timestamp), *made);
        }
    };
    check(&engine);
    let stats = engine.stats();
    assert_eq!(stats.commits, visible);
    assert!(stats.groups <= stats.commits && stats.synced_groups == stats.groups);
    assert_eq!((stats.open_transactions, stats.conflict_keys), (0, 0));
    check_refused(&engine);
    fs::remove_file(&filler).expect("make room");
    check_refused(&engine);
    drop(engine);
    let engine = open(&path).expect("open again");
    check(&engine);
    let found = engine.visible().get();
    let late: BTreeSet<_> = (visible + 1..=found)
        .map(|at| commit_at(&engine, at))
        .collect();
    assert!(
        late.is_empty() || late == unknown,
        "{late:?} of {unknown:?} are there"
    );
    assert_eq!(
        write(&engine, found + 1, 10).expect("write").get(),
        found + 1
    );
}

/// After a write has failed: reads go on, and nothing is written, in whichever way and in whoever's
/// turn.
fn check_refused(engine: &Engine) {
    let visible = engine.visible();
    let mut tx = engine.begin(Isolation::Serializable).expect("begin");
    assert_eq!(tx.timestamp(), visible);
    let rows = tx.range(..).count();
    tx.set("never", "").expect("set");
    let refused = tx.commit().expect_err("no more writes");
    assert_eq!(refused.kind().name(), "io");
    assert!(refused.to_string().contains("open it again"), "{refused}");
    assert!(!refused.is_retryable());
    for options in [
        TransactionOptions::default(),
        TransactionOptions::default().attempts(0),
    ] {
        let mut runs = 0;
        let refused = engine.transact_with(options, CommitOptions::default(), |tx| {
            runs += 1;
            tx.set("never", "")
        });
        assert_eq!((kind(refused), runs), ("io", 1));
    }
    assert_eq!(kind(engine.compare_and_set("never", None, Some(b""))), "io");
    let read = engine.transact(Isolation::Serializable, |tx| Ok(tx.range(..).count()));
    assert_eq!(read.expect("reads go on").value, rows);
    assert_eq!(engine.visible(), visible);
}

#[test]
fn a_disk_that_is_full_when_a_store_is_made_is_an_error() {
    let Some(disk) = Disk::new("1m") else { return };
    fill(&disk.path().join("filler"));
    assert_eq!(kind(open(&disk.path().join("db"))), "io");
}

#[test]
fn a_disk_that_cannot_be_written_is_an_error_that_says_so() {
    let Some(disk) = Disk::new("8m") else { return };
    let path = disk.path().join("db");
    write(&open(&path).expect("open"), 1, 0).expect("write");
    disk.remount("ro");
    for path in [path.clone(), disk.path().join("new")] {
        let refused = open(&path).expect_err("read-only");
        assert_eq!(refused.kind().name(), "io", "{refused}");
        assert!(
            refused.to_string().to_lowercase().contains("read-only"),
            "{refused}"
        );
    }
    disk.remount("rw");
    check(&open(&path).expect("open"), 1);
}
