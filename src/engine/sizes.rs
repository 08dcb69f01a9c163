//! How much an [`Engine`] takes.

use super::Engine;
use crate::{
    error::Result,
    storage::{KeyspaceSize, LevelSize},
};

impl Engine {
    /// The bytes that each keyspace takes.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    pub fn sizes(&self) -> Result<Vec<KeyspaceSize>> {
        self.store.sizes()
    }

    /// The files of each keyspace by level of `RocksDB`'s tree, in order; none for an engine in memory. Levels without
    /// files are not among them.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// ```
    /// use sapwood::Engine;
    ///
    /// # #[cfg(feature = "rocksdb-storage")] {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("state");
    /// let engine = Engine::open(path)?;
    /// engine.set(b"key", b"value")?;
    /// engine.compact()?;
    /// for level in engine.levels()? {
    ///     println!("{} {}: {} bytes in {} files", level.keyspace, level.level, level.size_bytes, level.files);
    /// }
    /// # assert!(engine.levels()?.iter().any(|level| level.keyspace == "current" && level.files == 1));
    /// # }
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn levels(&self) -> Result<Vec<LevelSize>> {
        self.store.levels()
    }
}
