//! Exports: the changes of a span of time as one file, to be applied to another store.
//!
//! ```text
//! sapwood changes 1\n                                              what it is, and the version of the file
//! frame    | length: 4 | kind: 1 | payload | check: 16 |           all numbers are big-endian
//! header   | after: 8 | until: 8 | base: 8 | epoch: 8 | created: 8 | branch: 16 | count: 4 | (start: 8, branch: 16) ...
//! part     | timestamp: 8 | part: 4 | as a row of `commits` with its values |
//! trailer  | commits: 8 | changes: 8 |
//! ```
//!
//! One header, the parts of all commits in `(after, until]`, one trailer, and nothing behind it. `check` is the first
//! half of the SHA-256 of the check before (of the first line, at first), the length, the kind and the payload: so a
//! frame that was changed, left out, moved or repeated is noticed at that frame, and a file that was cut by its
//! trailer.
//!
//! `base` is the newest commit at or below `after`, as far as that is known; `branch` and what follows say which
//! branches ([`lineage`](super::lineage)) the commits up to `until` belong to.
//!
//! | module | owns |
//! |---|---|
//! | `frames` | the bytes: written, and read or refused |
//! | `write` | how an export comes to be |
//! | `apply` | how it is applied, and to what |
//!
//! **Memory** is that of one commit, and of what a feed reads ahead.
//!
//! DO NOT CHANGE the bytes: they are a format.

mod apply;
mod frames;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod write;

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

pub use apply::{Applied, ApplyOptions};

use crate::{error::Result, storage::Position, timestamp::Timestamp};

/// The changes of a span of time, in a file.
///
/// # Examples
/// ```
/// use sapwood::{Engine, Export, ReadView, Timestamp};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("changes");
/// let engine = Engine::in_memory();
/// for number in 1..=9u64 {
///     engine.set(b"key", number.to_string())?;
/// }
/// let export = engine.export(Timestamp::ZERO, Timestamp::new(9), &path)?;
/// assert_eq!(export.commits, 9);
/// assert_eq!(Export::read(&path)?, export);
///
/// let other = Engine::in_memory();
/// other.apply_export(&path)?;
/// assert_eq!(other.at(Timestamp::new(4))?.get(b"key")?.as_deref(), Some(&b"4"[..]));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Export {
    /// The file.
    pub path: PathBuf,
    /// The changes of the commits above this,
    pub after: Timestamp,
    /// up to this, are in it.
    pub until: Timestamp,
    /// How often the store had been rolled back.
    pub epoch: u64,
    /// When it was made.
    pub created: SystemTime,
    /// The name of the branch that the commit before its first belongs to, in hexadecimal digits: two stores that are
    /// there on the same branch hold the same.
    pub branch: String,
    /// How many commits are in it.
    pub commits: u64,
    /// How many changes these made.
    pub changes: u64,
}

impl Export {
    /// Reads an export wholly, and says what it is.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where it was cut or changed, or is something else,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one of a newer build, [`Io`](crate::ErrorKind::Io).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let (_, export) = frames::check(path.as_ref())?;
        Ok(export)
    }

    /// Behind its last commit, in the store that it is of.
    pub fn position(&self) -> Position {
        Position::new(self.until, self.epoch)
    }
}
