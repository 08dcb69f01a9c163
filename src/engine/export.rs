//! Exports of an [`Engine`].

use std::path::Path;

use super::Engine;
use crate::{
    error::Result,
    storage::{Applied, ApplyOptions, Export},
    timestamp::Timestamp,
};

impl Engine {
    /// Writes the changes of the commits above one timestamp, up to another, to a new file: a backup that is
    /// incremental by time. It can be [applied](Self::apply_export) to a store that is at the first of them: to a
    /// restored checkpoint of that timestamp, or, where it is 0, to an empty one. Commits go on meanwhile, and the
    /// floor does not pass the first timestamp. It is durable when this returns; what fails or crashes before leaves
    /// nothing at this path.
    ///
    /// From 0 on it holds all that was ever committed, and so there must have been no prune.
    ///
    /// # Errors
    /// [`Pruned`](crate::ErrorKind::Pruned) where the first timestamp is below the floor, also where a pin holds it;
    /// [`NotYet`](crate::ErrorKind::NotYet) where the second is above the visible one;
    /// [`Invalid`](crate::ErrorKind::Invalid) where the path exists, or the first is after the second;
    /// [`TooOld`](crate::ErrorKind::TooOld) where the store was rolled back meanwhile;
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) for a checkpoint of an older build, which does not say of which
    /// history it is; [`Io`](crate::ErrorKind::Io), and as every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// See [`Export`].
    pub fn export(
        &self,
        after: Timestamp,
        until: Timestamp,
        path: impl AsRef<Path>,
    ) -> Result<Export> {
        self.store.export(after, until, path.as_ref())
    }

    /// Makes the commits of an export, at their timestamps, where they are what follows. All of it is read first:
    /// what is refused changes nothing. Other commits wait meanwhile. What fails or crashes half-way has made the
    /// first of its commits, and the same export goes on there.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where the file was cut or changed,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one of a newer build,
    /// [`Invalid`](crate::ErrorKind::Invalid) where it was applied already, where the store is not at its first
    /// timestamp, and where what the store holds is of another history: another store, commits of its own, or a
    /// past from which either was rolled back; [`ReadOnly`](crate::ErrorKind::ReadOnly),
    /// [`Io`](crate::ErrorKind::Io), and as every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// See [`Export`].
    pub fn apply_export(&self, path: impl AsRef<Path>) -> Result<Applied> {
        self.apply_export_with(path, ApplyOptions::default())
    }

    /// The same, as the options say: up to a timestamp inside, say.
    ///
    /// # Errors
    /// As [`Engine::apply_export`]; [`Invalid`](crate::ErrorKind::Invalid) for a timestamp that the store is above,
    /// or the export ends below.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{ApplyOptions, Engine, Timestamp};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("changes");
    /// let engine = Engine::in_memory();
    /// for number in 1..=9u64 {
    ///     engine.set(b"key", number.to_string())?;
    /// }
    /// engine.export(Timestamp::ZERO, engine.visible(), &path)?;
    /// let other = Engine::in_memory();
    /// let applied = other.apply_export_with(&path, ApplyOptions::default().up_to(Timestamp::new(5)))?;
    /// assert_eq!((applied.commits, applied.visible), (5, Timestamp::new(5)));
    /// assert_eq!(other.apply_export(&path)?.skipped, 5); // and the rest
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn apply_export_with(
        &self,
        path: impl AsRef<Path>,
        options: ApplyOptions,
    ) -> Result<Applied> {
        self.store.apply_export(path.as_ref(), options)
    }
}
