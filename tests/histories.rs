//! Years of real history against oracles that git itself computed: states, differences and the
//! versions of single paths, before and after pruning.

mod data;
#[path = "histories/oracle.rs"]
mod oracle;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    time::{Duration, UNIX_EPOCH},
};

use liblzma::read::XzDecoder;
use oracle::Oracle;
use sapwood::{
    Batch, CommitOptions, Engine, ErrorKind, MemoryStorage, PinOptions, ReadView, Timestamp,
};

fn at(ordinal: u64) -> Timestamp {
    Timestamp::new(ordinal)
}

/// Imports a history: each commit one version of what it changed.
fn import(engine: &Engine, name: &str) -> Option<()> {
    let path = data::path(&format!("git-histories/{name}.changes.xz"))?;
    let lines = BufReader::new(XzDecoder::new(File::open(path).unwrap())).split(b'\n');
    let mut commit: Option<(CommitOptions, Batch)> = None;
    let finish = |commit: Option<(CommitOptions, Batch)>| {
        if let Some((options, batch)) = commit {
            engine.commit(batch, options).unwrap();
        }
    };
    for line in lines {
        let line = line.unwrap();
        if let Some(head) = line.strip_prefix(b"C ") {
            finish(commit.take());
            let head = std::str::from_utf8(head).unwrap();
            let mut words = head.split(' ');
            let ordinal = words.next().unwrap().parse().unwrap();
            let seconds = words.nth(1).unwrap().parse().unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            commit = Some((
                CommitOptions::default().at(at(ordinal)).time(time),
                Batch::new(),
            ));
        } else {
            let (_, batch) = commit.as_mut().unwrap();
            let mut fields = line.split(|byte| *byte == b'\t');
            match (fields.next(), fields.next(), fields.next()) {
                (Some(b"P"), Some(path), Some(blob)) => batch.set(path, blob),
                (Some(b"D"), Some(path), None) => batch.delete(path),
                _ => panic!("a line of {name}: {:?}", line.escape_ascii().to_string()),
            };
        }
    }
    finish(commit);
    Some(())
}

/// Before pruning every line of the oracle holds; after it, those above the floor and at pins do,
/// and the others are refused.
fn check(engine: &Engine, name: &str) {
    let Some(()) = import(engine, name) else {
        return;
    };
    let oracle = Oracle::read(&data::path(&format!("git-histories/{name}.oracle.txt")).unwrap());
    oracle.snaps.iter().for_each(|snap| snap.check(engine));
    oracle.diffs.iter().for_each(|diff| diff.check(engine));
    oracle
        .histories
        .iter()
        .for_each(|history| history.check(engine, None));

    let floor = engine.visible().get() / 2;
    let below: Vec<_> = oracle
        .snaps
        .iter()
        .filter(|snap| snap.ordinal < floor)
        .collect();
    let pinned: BTreeSet<_> = below.iter().step_by(3).map(|snap| snap.ordinal).collect();
    for ordinal in &pinned {
        engine
            .pin(
                &format!("at-{ordinal}"),
                at(*ordinal),
                PinOptions::default(),
            )
            .unwrap();
    }
    let report = engine.prune_before(at(floor)).unwrap();
    assert_eq!(report.floor, at(floor));
    assert!(
        report.rows_dropped > 0 && report.bytes_after < report.bytes_before,
        "{report:?}"
    );

    let readable = |ordinal: u64| ordinal >= floor || pinned.contains(&ordinal);
    let (kept, lost): (Vec<_>, Vec<_>) =
        oracle.snaps.iter().partition(|snap| readable(snap.ordinal));
    assert!(!kept.is_empty() && !lost.is_empty() && !pinned.is_empty());
    kept.iter().for_each(|snap| snap.check(engine));
    for snap in lost {
        let error = engine.at(at(snap.ordinal)).unwrap_err();
        let ErrorKind::Pruned { floor: named, .. } = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(*named, at(floor));
    }
    for diff in &oracle.diffs {
        if readable(diff.old) && readable(diff.new) {
            diff.check(engine);
        } else {
            assert_eq!(
                engine
                    .diff(at(diff.old), at(diff.new))
                    .unwrap_err()
                    .kind()
                    .name(),
                "pruned"
            );
        }
    }
    for history in &oracle.histories {
        history.check(engine, Some((floor, &pinned)));
    }
    let states: usize = kept.len();
    println!(
        "{name}: {} lines, {states} states again after pruning to {floor}",
        oracle.len()
    );
}

/// Takes the space of history back: pruned to the end, nothing of it is left.
fn prune_all(engine: &Engine) {
    for pin in engine.pins().unwrap() {
        engine.unpin(&pin.name).unwrap();
    }
    let last = engine.visible();
    let before = engine.at(last).unwrap().range(..).count();
    engine.prune_before(last).unwrap();
    let status = engine.status().unwrap();
    assert_eq!(status.versions, status.keys, "no ended version is left");
    assert_eq!(engine.range(..).count(), before);
}

#[test]
fn leveldb_in_memory() {
    let engine = Engine::new(&MemoryStorage::new());
    check(&engine, "leveldb");
    prune_all(&engine);
}

#[test]
fn badger_in_memory() {
    check(&Engine::in_memory(), "badger");
}

#[test]
fn tokio_in_memory() {
    check(&Engine::in_memory(), "tokio");
}

#[cfg(feature = "rocksdb-storage")]
mod on_rocksdb {
    use std::path::Path;

    use super::{Engine, check, prune_all};
    use sapwood::RocksDBConfig;

    /// Tiny files, so that the versions of a path spread over files and levels.
    fn open(directory: &Path) -> Engine {
        let path = directory.join("state").to_str().unwrap().to_owned();
        let config = RocksDBConfig {
            write_buffer_size: 64 << 10,
            target_file_size: 16 << 10,
            block_cache_size: 4 << 20,
            ..RocksDBConfig::at(path)
        };
        Engine::open_with(config).unwrap()
    }

    /// The bytes of the files under a directory, by the file system's count. A file that a
    /// compaction takes away meanwhile counts for nothing.
    fn disk_bytes(directory: &Path) -> u64 {
        let files = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap());
        files
            .filter(|file| file.path().extension().is_some_and(|end| end == "sst"))
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum()
    }

    #[test]
    fn leveldb_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        check(&open(directory.path()), "leveldb");
        // Opened anew, pruned to the end: the disk has the space back.
        let engine = open(directory.path());
        engine.flush().unwrap();
        let before = disk_bytes(&directory.path().join("state"));
        prune_all(&engine);
        // Closed, so that no file lives on only because something still reads it.
        drop(engine);
        let after = disk_bytes(&directory.path().join("state"));
        println!("leveldb: {before} bytes of files before pruning to the end, {after} after");
        assert!(after * 2 < before, "{before} bytes before, {after} after");
    }

    #[test]
    fn badger_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        check(&open(directory.path()), "badger");
    }

    #[test]
    fn tokio_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        check(&open(directory.path()), "tokio");
    }
}
