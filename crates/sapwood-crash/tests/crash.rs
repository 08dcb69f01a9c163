//! The short forms of `make crash`, `make powercut`, `make faults` and `make failpoints`; and that each fails where it should.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sapwood::{
    Batch, CommitOptions, Durability, Engine, ErrorKind, ReadView, RocksDBConfig, Timestamp,
};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sapwood-crash"))
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{told}");
    (output, told)
}

/// A directory in memory, where there is one.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

#[test]
fn inv_56_inv_58_killed_at_any_moment_nothing_acknowledged_is_lost() {
    let (output, told) = run(&["kill", "--cycles", "20"]);
    assert!(output.status.success(), "{told}");
}

#[test]
fn inv_56_a_log_that_lost_its_end_is_noticed() {
    let kept = in_memory();
    let directory = kept.path().to_str().unwrap();
    let (output, told) = run(&[
        "kill",
        "--cycles",
        "20",
        "--plant",
        "--directory",
        directory,
    ]);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("to run it again: make crash"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn inv_56_inv_57_after_a_power_cut_everything_synced_is_there() {
    // Where nothing can be mounted, it says so.
    let (output, told) = run(&["cut", "--cuts", "8"]);
    assert!(output.status.success(), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn inv_56_a_commit_that_did_not_wait_for_the_disk_is_noticed() {
    let kept = in_memory();
    let directory = kept.path().to_str().unwrap();
    let (output, told) = run(&["cut", "--cuts", "40", "--plant", "--directory", directory]);
    assert!(
        told.contains("skipped") || !output.status.success(),
        "{told}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn inv_56_a_disk_that_keeps_only_what_was_waited_for_loses_nothing_else() {
    // Where nothing can be mounted, it says so.
    for (tears, cycles) in [("ordered", "12"), ("any", "8")] {
        let (output, told) = run(&["faults", "--cycles", cycles, "--tears", tears]);
        assert!(output.status.success(), "{told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn inv_56_a_disk_that_drops_what_was_waited_for_is_noticed() {
    let kept = in_memory();
    let directory = kept.path().to_str().unwrap();
    for tears in ["ordered", "any"] {
        let arguments = ["--plant", "--tears", tears, "--directory", directory];
        let (output, told) = run(&[&["faults", "--cycles", "40"], &arguments[..]].concat());
        assert!(
            told.contains("skipped") || !output.status.success(),
            "{told}"
        );
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn inv_56_inv_58_ended_at_any_failpoint_nothing_is_lost() {
    let (output, told) = run(&["points", "--seed", "1", "--times", "1"]);
    assert!(output.status.success(), "{told}");
}

#[cfg(feature = "failpoints")]
#[test]
fn inv_56_ended_at_any_failpoint_of_a_group_nothing_is_lost() {
    for point in [
        "CommitReady",
        "CommitWritten",
        "CommitRemembered",
        "CommitPublished",
    ] {
        let (output, told) = run(&["points", "--threads", "3", "--times", "2", "--point", point]);
        assert!(output.status.success(), "{told}");
    }
}

/// A store whose commits 1 to `synced` the disk has, and those up to `all` the system.
fn store(place: &TempDir, synced: u64, all: u64) -> PathBuf {
    let path = place.path().join("store");
    let engine = Engine::open_with(config(&path)).unwrap();
    for number in 1..=all {
        let mut batch = Batch::new();
        batch.set(b"number", number.to_be_bytes());
        batch.set(format!("key {number}"), vec![7; 50]);
        let durability = if number == synced {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        let options = CommitOptions::default().durability(durability);
        assert_eq!(
            engine.commit(batch, options).unwrap().timestamp.get(),
            number
        );
    }
    path
}

fn config(path: &Path) -> RocksDBConfig {
    let mut config = RocksDBConfig::at(path.to_str().unwrap());
    config.block_cache_size = 1 << 20;
    config
}

fn newest_log(store: &Path) -> PathBuf {
    let files = fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .max()
        .unwrap()
}

/// Opens a copy whose log was changed.
fn open_changed(from: &Path, change: impl FnOnce(&mut Vec<u8>)) -> sapwood::Result<Engine> {
    let place = TempDir::new_in(from.parent().unwrap()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    let log = newest_log(place.path());
    let mut bytes = fs::read(&log).unwrap();
    change(&mut bytes);
    fs::write(&log, bytes).unwrap();
    Engine::open_with(config(place.path()))
}

/// The last commit, and that it is whole, as are all before it.
fn check_prefix(engine: &Engine) -> u64 {
    let visible = engine.visible();
    let number = engine.get(b"number").unwrap();
    let expected = (visible.get() > 0).then(|| visible.get().to_be_bytes());
    assert_eq!(number.as_deref(), expected.as_ref().map(|bytes| &bytes[..]));
    for number in 1..=visible.get() {
        assert!(engine.contains(format!("key {number}")).unwrap());
    }
    visible.get()
}

#[test]
fn inv_57_a_log_that_is_torn_behind_the_last_synced_commit_ends_at_a_whole_one() {
    let place = TempDir::new().unwrap();
    let path = store(&place, 4, 8);
    let length = fs::read(newest_log(&path)).unwrap().len();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for end in (0..=length).rev().step_by(7) {
        match open_changed(&path, |log| log.truncate(end)) {
            Ok(engine) => kept.push(check_prefix(&engine)),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
                refused += 1;
            }
        }
    }
    assert!(kept.is_sorted_by(|a, b| a >= b), "{kept:?}");
    assert_eq!((kept.first(), kept.last()), (Some(&8), Some(&4)));
    assert!(refused > 0);
}

#[test]
fn inv_57_a_log_that_is_damaged_before_the_last_synced_commit_is_refused() {
    let place = TempDir::new().unwrap();
    let path = store(&place, 4, 8);
    let length = fs::read(newest_log(&path)).unwrap().len();
    let mut refused = 0;
    for at in (0..length).step_by(11) {
        match open_changed(&path, |log| log[at] ^= 1) {
            Ok(engine) => assert!(check_prefix(&engine) >= 4),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");

    // RocksDB itself passes over it: the note of what was synced is what notices.
    fs::remove_file(path.join("SYNCED")).unwrap();
    let engine = open_changed(&path, |log| log[length / 4] ^= 1).unwrap();
    assert!(check_prefix(&engine) < 4);
}

/// The commits of an export are not synced one by one, but all together in the end: that is noted too.
#[test]
fn inv_57_what_was_synced_together_is_missed_too() {
    let place = TempDir::new().unwrap();
    let source = Engine::in_memory();
    for number in 1..=8_u64 {
        let mut batch = Batch::new();
        batch.set(b"number", number.to_be_bytes());
        batch.set(format!("key {number}"), vec![7; 50]);
        source.commit(batch, CommitOptions::default()).unwrap();
    }
    let (start, until) = (Timestamp::ZERO, source.visible());
    let changes = place.path().join("changes");
    source.export(start, until, &changes).unwrap();
    let path = place.path().join("store");
    let engine = Engine::open_with(config(&path)).unwrap();
    engine.apply_export(&changes).unwrap();
    drop(engine);
    let length = fs::read(newest_log(&path)).unwrap().len();
    for end in (0..length).step_by(23) {
        let error = open_changed(&path, |log| log.truncate(end)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
    }
    assert_eq!(check_prefix(&open_changed(&path, |_| ()).unwrap()), 8);
}

#[test]
fn inv_62_a_second_opener_and_other_options_change_nothing() {
    let place = TempDir::new().unwrap();
    let path = store(&place, 0, 50);
    let rows = |engine: &Engine| {
        engine
            .range(..)
            .collect::<sapwood::Result<Vec<_>>>()
            .unwrap()
    };
    let engine = Engine::open_with(config(&path)).unwrap();
    let before = rows(&engine);
    let refused = Engine::open_with(config(&path)).unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Locked);
    // And by another process, which says so.
    let (output, _) = run(&[
        "child",
        "--directory",
        place.path().to_str().unwrap(),
        "--seed",
        "1",
        "--cycle",
        "0",
        "--first",
        "0",
    ]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("failed") && told.contains("open"), "{told}");
    assert_eq!(rows(&engine), before);
    drop(engine);

    for change in [
        |config: &mut RocksDBConfig| config.enable_compression = false,
        |config: &mut RocksDBConfig| config.recent_versions_size = 0,
        |config: &mut RocksDBConfig| config.write_buffer_size = 1 << 16,
        |config: &mut RocksDBConfig| config.max_open_files = -1,
    ] {
        let mut config = config(&path);
        change(&mut config);
        let engine = Engine::open_with(config).unwrap();
        assert_eq!(rows(&engine), before);
        assert_eq!(engine.visible().get(), 50);
        engine.compact().unwrap();
    }
}

/// Where each record of a log begins.
fn records(log: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 << 10;
    const HEADER: usize = 7;
    let (mut starts, mut at) = (Vec::new(), 0);
    while at + HEADER <= log.len() {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        starts.push(at);
        at += HEADER + usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
    }
    starts
}

#[test]
fn inv_56_a_log_that_lost_its_end_takes_the_next_one_along() {
    let place = in_memory();
    let path = place.path().join("store");
    let mut config = config(&path);
    // A log ends with the memtable; the keyspace of the deletes still needs it then.
    config.write_buffer_size = 1 << 16;
    let engine = Engine::open_with(config).unwrap();
    let mut all = 0;
    let logs = |path: &Path| {
        let files = fs::read_dir(path).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let mut logs: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
            .filter(|path| fs::metadata(path).is_ok_and(|data| data.len() > 100))
            .collect();
        logs.sort();
        logs
    };
    engine.set(b"gone", b"").unwrap();
    engine.delete(b"gone").unwrap();
    while all < 2 || logs(&path).len() < 2 {
        all += 1;
        assert!(all < 10_000);
        engine.set(format!("key {all}"), [7; 500]).unwrap();
    }
    drop(engine);
    let last_two = logs(&path);
    let [.., first, _] = &last_two[..] else {
        panic!("{last_two:?}");
    };

    // The end of the first is lost between two records: nothing of it is damaged.
    let log = fs::read(first).unwrap();
    let starts = records(&log);
    fs::write(first, &log[..starts[starts.len() - 1]]).unwrap();
    match Engine::open_with(self::config(&path)) {
        Ok(engine) => {
            let visible = engine.visible().get();
            assert!(visible < all + 2, "{visible} of {all}");
            for number in 1..=visible.saturating_sub(2) {
                assert!(engine.contains(format!("key {number}")).unwrap());
            }
            assert!(engine.verify().unwrap().is_clean());
        }
        // Tables had something of the second already: then the disk had the first.
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}"),
    }
}
