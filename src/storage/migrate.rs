//! Migrating: a new database on disk of another store, or of a plain RocksDB.
//!
//! The new database is put together beside its place, opened and compared with its source there, and moved to its
//! place in one step (`checkpoint::place`). So what fails or crashes leaves the source, which is only read, and nothing
//! at the new path; the next attempt begins anew and removes what a crash has left.
//!
//! Of a store everything is copied (`copy`). Of a plain RocksDB each key becomes version 1: rows of `current` with
//! start 1, and the floor at 1. There is no record of a commit at 1: it could be larger than any commit may be, and at the floor
//! none is asked for. The empty state at 0 lies below the floor.

#[cfg(test)]
mod tests;

use std::path::Path;

use super::{
    Storage,
    checkpoint::{
        self,
        place::{self, Steps},
    },
    copy::{Identity, RowWriter, check_identity},
    rocksdb::RocksDBStorage,
    store::Store,
};
use crate::{
    backend::{
        Backend, Keyspace, Progress,
        rocksdb::{RocksDBBackend, plain},
    },
    codec::{CurrentRow, key, meta},
    config::RocksDBConfig,
    error::{Error, Result},
    storage::batch::{check_key, check_value},
    timestamp::Timestamp,
};

/// The version that each key of a plain RocksDB becomes.
const FIRST: Timestamp = Timestamp::new(1);

impl RocksDBStorage {
    /// Makes a database of another store, at the configuration's path, where nothing may be yet, and opens it. It
    /// has all versions, pins and epochs of the source and its floor. The source is only read (but that recent
    /// commits are merged first) and can be used meanwhile; the copy is of one moment. It is durable
    /// when this returns; what fails or crashes before leaves nothing at the path. `progress` is told a part of 1,
    /// about, and what is copied.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the path exists, [`Corrupt`](crate::ErrorKind::Corrupt) where
    /// the source cannot be read, as [`RocksDBStorage::new`], and as every call of [`Storage`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{MemoryStorage, RocksDBConfig, RocksDBStorage, Storage};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("state").to_str().unwrap().to_owned();
    /// let memory = MemoryStorage::new();
    /// let first = memory.set(b"key", b"old")?;
    /// memory.set(b"key", b"new")?;
    /// let disk = RocksDBStorage::migrate(&memory, RocksDBConfig::at(path), |_, _| {})?;
    /// assert_eq!(disk.get_at(b"key", first)?.as_deref(), Some(&b"old"[..]));
    /// assert_eq!(disk.visible(), memory.visible());
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn migrate(
        source: &impl Storage,
        config: RocksDBConfig,
        mut progress: impl FnMut(f64, &str),
    ) -> Result<Self> {
        let source = &source.store().0;
        if let Some(from) = source.backend.path() {
            checkpoint::check_outside(from, Path::new(&config.path))?;
        }
        build(&config, &mut |_| Ok(()), |backend| {
            source.copy_into(backend, &mut progress)
        })?;
        Self::new(config)
    }

    /// Makes a database of a plain RocksDB, at the configuration's path, where nothing may be yet, and opens it:
    /// every key of one of its column families (`default`, where it has no others) becomes version 1, and the
    /// floor is 1. The source is only read, and no file of it is changed; no process may have it open for writing.
    /// Otherwise as [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no RocksDB, or no column family of that name;
    /// [`Invalid`](crate::ErrorKind::Invalid) where it is one of Sapwood's, which `migrate` is for, and where the
    /// new path exists; [`TooLarge`](crate::ErrorKind::TooLarge) for a key or a value over its
    /// [limit](crate::limits); [`Unsupported`](crate::ErrorKind::Unsupported) for one with a comparator or a merge operator of
    /// its own; [`Corrupt`](crate::ErrorKind::Corrupt), [`Io`](crate::ErrorKind::Io).
    pub fn migrate_rocksdb(
        source: impl AsRef<Path>,
        column_family: &str,
        config: RocksDBConfig,
        mut progress: impl FnMut(f64, &str),
    ) -> Result<Self> {
        let source = source.as_ref();
        checkpoint::check_outside(source, Path::new(&config.path))?;
        build(&config, &mut |_| Ok(()), |backend| {
            copy_plain(source, column_family, backend, &mut progress)
        })?;
        Self::new(config)
    }
}

/// Makes a database at a new path: `fill` writes its rows.
fn build(
    config: &RocksDBConfig,
    step: Steps<'_>,
    fill: impl FnOnce(&dyn Backend) -> Result<Identity>,
) -> Result<()> {
    build_with(config, step, fill, |copy, identity| {
        check_identity(copy, &identity)?;
        copy.branch_off(identity.visible)
    })
}

/// The same, with a look at the copy before it comes to its place.
pub(super) fn build_with<T, U>(
    config: &RocksDBConfig,
    step: Steps<'_>,
    fill: impl FnOnce(&dyn Backend) -> Result<T>,
    check: impl FnOnce(&Store, T) -> Result<U>,
) -> Result<U> {
    place::build(Path::new(&config.path), step, |partial, step| {
        let path = partial.to_str().ok_or_else(|| {
            Error::invalid(format!("the path {} is not UTF-8", partial.display()))
        })?;
        let config = RocksDBConfig {
            path: path.to_owned(),
            ..config.clone()
        };
        step("make the database")?;
        let backend = RocksDBBackend::open(&config)?;
        step("copy the rows")?;
        let filled = fill(&backend)?;
        step("open the copy")?;
        let copy = Store::open(Box::new(backend), RocksDBStorage::options(&config))?;
        let checked = check(&copy, filled)?;
        copy.close()?;
        Ok(checked)
    })
}

/// Writes every key of a plain RocksDB as version 1.
fn copy_plain(
    source: &Path,
    column_family: &str,
    target: &dyn Backend,
    progress: Progress<'_>,
) -> Result<Identity> {
    let mut rows = RowWriter::new(target);
    plain::walk(source, column_family, &mut |part, user_key, value| {
        check_key(user_key)?;
        check_value(user_key, value)?;
        let row = CurrentRow {
            start: FIRST,
            previous_end: Timestamp::ZERO,
            value,
        };
        if rows.put(Keyspace::Current, &key::encode(user_key), &row.encode())? {
            progress(part, Keyspace::Current.name());
        }
        Ok(())
    })?;
    let mark = meta::encode_timestamp(FIRST);
    for name in [meta::FLOOR, meta::MERGED, meta::TRIMMED] {
        rows.put(Keyspace::Meta, name, &mark)?;
    }
    rows.finish()?;
    Ok(Identity {
        visible: FIRST,
        floor: FIRST,
        epoch: 0,
        pins: Vec::new(),
    })
}
