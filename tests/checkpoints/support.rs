//! Small engines in temporary directories, and what their directories hold.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sapwood::{Engine, KeyRange, RocksDBConfig, RocksDBStorage, Storage, Timestamp};
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

    pub(crate) fn config(&self, name: &str) -> RocksDBConfig {
        RocksDBConfig {
            write_buffer_size: 64 << 10,
            target_file_size: 16 << 10,
            block_cache_size: 1 << 20,
            // Merges go on all the time.
            recent_versions_size: 4 << 10,
            ..RocksDBConfig::at(self.path(name).to_str().expect("a UTF-8 path"))
        }
    }

    pub(crate) fn open(&self, name: &str) -> Engine {
        Engine::open_with(self.config(name)).expect("an engine")
    }

    pub(crate) fn open_read_only(&self, name: &str) -> Engine {
        let storage = RocksDBStorage::open_read_only(self.config(name));
        Engine::new(&storage.expect("a checkpoint"))
    }

    pub(crate) fn restore(&self, from: &str, to: &str) -> Engine {
        let storage = RocksDBStorage::restore(self.path(from), self.config(to));
        Engine::new(&storage.expect("a checkpoint"))
    }
}

/// Everything that a file's owner could notice of a change: what is in it, and when it was changed.
pub(crate) fn contents(path: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(path).expect("read a directory");
    entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let bytes = fs::read(entry.path()).expect("read a file");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, (bytes, changed.expect("a time")))
        })
        .collect()
}

/// A timestamp, and all rows at it.
pub(crate) type State = (Timestamp, Vec<(Vec<u8>, Vec<u8>)>);

/// The states at all timestamps that can be read.
pub(crate) fn states(engine: &Engine) -> Vec<State> {
    let timestamps = engine.floor().get()..=engine.visible().get();
    timestamps
        .map(|at| {
            let at = Timestamp::new(at);
            let rows = sapwood::ReadView::range(&engine.at(at).expect("a snapshot"), ..);
            let row = |row: sapwood::Result<(sapwood::Key, sapwood::Value)>| {
                let (key, value) = row.expect("a row");
                (key.to_vec(), value.to_vec())
            };
            (at, rows.map(row).collect())
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

/// All keys, for those who ask for a range.
pub(crate) fn all(storage: &impl Storage) -> usize {
    storage.range(KeyRange::all()).count()
}
