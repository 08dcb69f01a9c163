//! Paths and configurations that cannot be right.

use std::{fs, process::Command};

use sapwood::{Engine, ReadView, RocksDBConfig, RocksDBStorage};

use crate::support::{config, contents, directory, error, kind, open};

#[test]
fn a_path_that_is_a_file_is_refused() {
    let directory = directory();
    let path = directory.path().join("file");
    fs::write(&path, "not a database").expect("write");
    let refused = error(open(&path));
    assert_eq!(refused.kind().name(), "invalid");
    assert!(refused.to_string().contains("is a file"), "{refused}");
    assert_eq!(fs::read(&path).expect("read"), b"not a database");
}

#[test]
fn a_path_below_a_file_cannot_be_made() {
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "not a directory").expect("write");
    let refused = error(open(&file.join("below/db")));
    assert_eq!(refused.kind().name(), "io");
    assert!(
        refused.to_string().contains("below"),
        "it names the path: {refused}"
    );
    assert!(std::error::Error::source(&refused).is_some());
}

#[test]
fn missing_directories_are_made() {
    let directory = directory();
    let path = directory.path().join("not/there/yet/db");
    let engine = open(&path).expect("open");
    engine.set("k", "v").expect("set");
    drop(engine);
    assert_eq!(
        open(&path).expect("open").get("k").expect("get").as_deref(),
        Some(&b"v"[..])
    );
}

#[test]
fn a_directory_of_other_things_is_refused_and_left_alone() {
    for name in [
        "thesis.txt",
        "Cargo.toml",
        ".git",
        "CURRENT.txt",
        "database.db",
        // Named like RocksDB's own, which it would take for garbage and delete.
        "000007.sst",
        "000007.log",
        "app.log",
    ] {
        let directory = directory();
        fs::write(directory.path().join(name), "mine").expect("write");
        let before = contents(directory.path());
        let refused = error(open(directory.path()));
        assert_eq!(refused.kind().name(), "invalid", "{name}");
        assert!(refused.to_string().contains(name), "{refused}");
        assert_eq!(contents(directory.path()), before);
    }
}

#[test]
fn configurations_that_cannot_be_right_are_refused() {
    let directory = directory();
    let good = || config(&directory.path().join("db"));
    let wrong = [
        RocksDBConfig {
            path: String::new(),
            ..good()
        },
        RocksDBConfig {
            max_background_jobs: 0,
            ..good()
        },
        RocksDBConfig {
            max_background_jobs: -1,
            ..good()
        },
        RocksDBConfig {
            max_open_files: 0,
            ..good()
        },
        RocksDBConfig {
            max_open_files: -2,
            ..good()
        },
        RocksDBConfig {
            write_buffer_size: 0,
            ..good()
        },
        RocksDBConfig {
            block_cache_size: 0,
            ..good()
        },
        RocksDBConfig {
            block_cache_size: usize::MAX,
            ..good()
        },
        RocksDBConfig {
            target_file_size: 0,
            ..good()
        },
    ];
    for config in wrong {
        assert_eq!(
            kind(RocksDBStorage::new(config.clone())),
            "invalid",
            "{config:?}"
        );
    }
    assert!(contents(directory.path()).is_empty(), "nothing was made");
    let nul = RocksDBConfig {
        path: format!("{}\0", good().path),
        ..good()
    };
    assert!(["invalid", "io"].contains(&kind(RocksDBStorage::new(nul))));
    let extreme = RocksDBConfig {
        max_open_files: -1,
        block_cache_size: 1,
        target_file_size: 1,
        enable_compression: false,
        max_background_jobs: 1,
        compaction_rate_limit: 1 << 40,
        ..good()
    };
    let engine = Engine::open_with(extreme).expect("odd, and legal");
    engine.set("k", "v").expect("set");
    engine.compact().expect("compact");
    assert!(engine.contains("k").expect("contains"));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_is_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let directory = directory();
    let path = directory.path().join(OsStr::from_bytes(b"\xFF"));
    assert_eq!(kind(Engine::open(path)), "invalid");
}

#[test]
fn a_second_opener_is_refused_until_the_first_lets_go() {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    engine.set("k", "v").expect("set");
    let refused = error(open(&path));
    assert_eq!(refused.kind().name(), "locked");
    assert!(refused.to_string().contains("open elsewhere"), "{refused}");
    assert_eq!(run_child(&path), "locked");
    let held = engine.range(..);
    drop(engine);
    assert_eq!(kind(open(&path)), "locked", "an iterator keeps the files");
    drop(held);
    assert_eq!(run_child(&path), "opened");
    let engine = open(&path).expect("open");
    assert_eq!(engine.get("k").expect("get").as_deref(), Some(&b"v"[..]));
}

const CHILD: &str = "SAPWOOD_TEST_OPENS";

/// Opens a database in another process: this test binary again, with only the test below.
fn run_child(path: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "opening::another_process", "--nocapture"])
        .env(CHILD, path)
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let outcome = text.lines().find_map(|line| line.split_once("outcome: "));
    outcome.map_or(text.clone(), |(_, outcome)| outcome.to_owned())
}

/// The other process: without a path in its environment it is a test of nothing.
#[test]
fn another_process() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let outcome = match open(path.as_ref()) {
        Ok(_) => "opened",
        Err(error) => error.kind().name(),
    };
    eprintln!("outcome: {outcome}");
}
