//! Compacting by hand.

use std::ops::RangeBounds;

use super::Engine;
use crate::{
    error::Result,
    storage::{CompactReport, KeyRange},
};

impl Engine {
    /// [Compacts](Self::compact), telling how far it has come: a part of 1, and the keyspace that it works on.
    ///
    /// # Errors
    /// As [`Engine::compact`].
    pub fn compact_with(&self, mut progress: impl FnMut(f64, &str)) -> Result<CompactReport> {
        self.store.compact_range(&KeyRange::all(), &mut progress)
    }

    /// Rewrites the files that hold a range of keys, with all their versions, into their most compact form, where
    /// there are files. Files hold many keys, so those around the range are rewritten with it. Reads and commits
    /// go on; it waits while writes stall.
    ///
    /// # Errors
    /// As [`Engine::compact`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, ReadView};
    ///
    /// # #[cfg(feature = "rocksdb-storage")] {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("state");
    /// let engine = Engine::open(path)?;
    /// engine.set(b"block/1", b"one")?;
    /// engine.set(b"state/1", b"two")?;
    /// engine.compact_range(b"block/".to_vec()..b"block0".to_vec())?;
    /// assert_eq!(engine.get(b"block/1")?.as_deref(), Some(&b"one"[..]));
    /// # }
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn compact_range(&self, range: impl RangeBounds<Vec<u8>>) -> Result<CompactReport> {
        self.compact_range_with(range, |_, _| {})
    }

    /// The same, telling how far it has come: a part of 1, and the keyspace that it works on.
    ///
    /// # Errors
    /// As [`Engine::compact`].
    pub fn compact_range_with(
        &self,
        range: impl RangeBounds<Vec<u8>>,
        mut progress: impl FnMut(f64, &str),
    ) -> Result<CompactReport> {
        self.store
            .compact_range(&KeyRange::new(range), &mut progress)
    }
}
