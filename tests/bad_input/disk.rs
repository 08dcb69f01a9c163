//! Disks that are full or cannot be written.
//!
//! Both need a small file system of its own, which only root may mount; elsewhere these tests say
//! that they were skipped.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use sapwood::{Batch, CommitOptions, Durability, Engine, ReadView, Result, Timestamp};
use tempfile::TempDir;

use crate::support::{directory, kind, open};

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

fn fill(path: &Path) {
    let chunk = vec![0; 4 << 10];
    let mut file = fs::File::create(path).expect("create");
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() {
    let Some(disk) = Disk::new("8m") else { return };
    let (path, filler) = (disk.path().join("db"), disk.path().join("filler"));
    let engine = open(&path).expect("open");
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
