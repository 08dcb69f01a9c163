//! Directories, their contents, and errors.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use sapwood::{Engine, Error, Result, RocksDBConfig};
use tempfile::TempDir;

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The configuration of a small database at a path.
pub(crate) fn config(path: &Path) -> RocksDBConfig {
    RocksDBConfig {
        write_buffer_size: 64 << 10,
        block_cache_size: 1 << 20,
        ..RocksDBConfig::at(path.to_str().expect("a UTF-8 path"))
    }
}

pub(crate) fn open(path: &Path) -> Result<Engine> {
    Engine::open_with(config(path))
}

/// A copy of a database of `tests/fixtures`, which may be written to.
pub(crate) fn fixture(name: &str) -> (TempDir, PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
        .join("db");
    let directory = directory();
    let path = directory.path().join("db");
    fs::create_dir(&path).expect("create");
    for (name, bytes) in contents(&source) {
        fs::write(path.join(name), bytes).expect("write");
    }
    (directory, path)
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

pub(crate) fn error<T: Debug>(result: Result<T>) -> Error {
    match result {
        Ok(value) => panic!("this should have failed: {value:?}"),
        Err(error) => error,
    }
}

/// The stable name of an error's kind.
pub(crate) fn kind<T: Debug>(result: Result<T>) -> &'static str {
    error(result).kind().name()
}

/// Whether a file of a database holds rows in order.
pub(crate) fn is_table(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "sst")
}
