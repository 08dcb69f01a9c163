//! The stores that the benchmarks of reads and commits run on: one in memory, one on RocksDB, with
//! the same content.

use sapwood::{Batch, CommitOptions, Engine, Result, RocksDBConfig};
use tempfile::TempDir;

/// Keys of a loaded store.
pub(crate) const KEYS: u32 = 10_000;
/// Versions of each of them.
pub(crate) const VERSIONS: u32 = 8;

/// A store under its name. Its directory goes with it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    _directory: Option<TempDir>,
}

/// A loaded store of each kind: every key has every version, one sweep over all keys after
/// another, a thousand a commit.
pub(crate) fn subjects() -> Result<[Subject; 2]> {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().to_str().expect("a path in UTF-8");
    let on_disk = Engine::open_with(RocksDBConfig::at(path))?;
    let subjects = [
        Subject {
            name: "memory",
            engine: Engine::in_memory(),
            _directory: None,
        },
        Subject {
            name: "rocksdb",
            engine: on_disk,
            _directory: Some(directory),
        },
    ];
    for subject in &subjects {
        for version in 0..VERSIONS {
            for first in (0..KEYS).step_by(1_000) {
                write(&subject.engine, first..first + 1_000, version)?;
            }
        }
        subject.engine.compact()?;
    }
    Ok(subjects)
}

/// Sets some keys, as one commit.
pub(crate) fn write(engine: &Engine, ids: impl Iterator<Item = u32>, version: u32) -> Result<()> {
    let mut batch = Batch::new();
    for id in ids {
        batch.set(key(id), [version.to_le_bytes()[0]; 100]);
    }
    engine.commit(batch, CommitOptions::default())?;
    Ok(())
}

/// A key of 32 bytes, without any order in its id.
pub(crate) fn key(id: u32) -> [u8; 32] {
    let hashed = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut key = [b'.'; 32];
    for (byte, hashed) in key.iter_mut().zip(hashed.to_be_bytes()) {
        *byte = hashed;
    }
    key
}
