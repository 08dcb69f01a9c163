//! Options that are changed while the engine is open.

use super::Engine;
use crate::{config::OnlineOptions, error::Result};

impl Engine {
    /// Changes options while the engine is open: all that are asked for, or, where one of them is refused, none.
    /// They hold until the engine is opened again.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a value that cannot be, for an option that RocksDB
    /// refuses, and for an engine in memory; [`Unsupported`](crate::ErrorKind::Unsupported) for a compression that
    /// this build lacks; as every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Compression, Compressions, Engine, OnlineOptions};
    ///
    /// # #[cfg(feature = "rocksdb-storage")] {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("state");
    /// let engine = Engine::open(path)?;
    /// engine.set_options(&OnlineOptions::default().compression(Compressions::all(Compression::Zstd)))?;
    /// engine.compact()?; // writes all files anew
    /// assert!(engine.set_options(&OnlineOptions::default().target_file_size(0)).is_err());
    /// # }
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn set_options(&self, options: &OnlineOptions) -> Result<()> {
        self.store.check_open()?;
        self.store.check_not_read_only()?;
        self.store.backend.set_options(options)
    }
}
