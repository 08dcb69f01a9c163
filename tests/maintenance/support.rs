//! Small engines in temporary directories, and all that can be seen of them.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use sapwood::{Engine, Key, ReadView, RocksDBConfig, Timestamp, Value};
use tempfile::TempDir;

pub(crate) struct World {
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Tiny, so that keys spread over files and levels.
    pub(crate) fn config(&self, name: &str) -> RocksDBConfig {
        RocksDBConfig {
            write_buffer_size: 64 << 10,
            target_file_size: 16 << 10,
            block_cache_size: 1 << 20,
            recent_versions_size: 4 << 10,
            ..RocksDBConfig::at(self.path(name).to_str().expect("a UTF-8 path"))
        }
    }

    pub(crate) fn open(&self, name: &str) -> Engine {
        Engine::open_with(self.config(name)).expect("an engine")
    }
}

/// Sets some hundred keys some times, and deletes some of them.
pub(crate) fn fill(engine: &Engine, rounds: u64) {
    for round in 0..rounds {
        let mut batch = sapwood::Batch::new();
        for key in 0..300u64 {
            let name = format!("key/{key:04}");
            match (key + round) % 7 {
                0 => batch.delete(name),
                1 | 2 => batch.set(name, value(key, round)),
                _ => continue,
            };
        }
        engine
            .commit(batch, sapwood::CommitOptions::default())
            .expect("a commit");
    }
}

/// A value, half of which cannot be compressed.
fn value(key: u64, round: u64) -> Vec<u8> {
    let mut state = key * 1_000_003 + round + 1;
    let mut value = format!("value of {key} in {round}: ")
        .repeat(6)
        .into_bytes();
    for _ in 0..20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&state.rotate_left(29).to_le_bytes());
    }
    value
}

/// A timestamp, and all rows at it.
pub(crate) type State = (Timestamp, Vec<(Key, Value)>);

/// The states at all timestamps that can be read, pinned ones too.
pub(crate) fn states(engine: &Engine) -> Vec<State> {
    let pinned = engine.pins().expect("pins");
    let pinned = pinned.iter().map(|pin| pin.timestamp.get());
    let mut timestamps: Vec<_> = pinned
        .chain(engine.floor().get()..=engine.visible().get())
        .collect();
    timestamps.sort_unstable();
    timestamps.dedup();
    let state = |at: u64| {
        let at = Timestamp::new(at);
        let rows = engine.at(at).expect("a snapshot").range(..);
        (at, rows.collect::<sapwood::Result<_>>().expect("rows"))
    };
    timestamps.into_iter().map(state).collect()
}

/// The tables of a database, by name.
pub(crate) fn tables(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(path);
    files.retain(|name, _| {
        Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "sst")
    });
    files
}

/// The files of a directory, by name.
pub(crate) fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(path)
        .expect("read a directory")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = fs::read(entry.path()).expect("read a file");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect()
}

/// The stable name of an error's kind, and what it says.
pub(crate) fn refused<T: Debug>(result: sapwood::Result<T>) -> (&'static str, String) {
    match result {
        Ok(value) => panic!("this should have failed: {value:?}"),
        Err(error) => (error.kind().name(), error.to_string()),
    }
}
