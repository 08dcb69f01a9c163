//! The RocksDB backend: each keyspace a column family, a commit one write batch.
//!
//! The only module that names the crate `rocksdb`. RocksDB's own snapshots are deliberately unused:
//! compaction filters do not respect them, and the read rules need none.

pub(crate) mod backup;
mod beside;
mod compact;
mod cursor;
mod filter;
mod layout;
mod manifest;
mod online;
mod open;
pub(crate) mod plain;
mod prune;
mod rewrite;
mod sample;
mod statistics;
mod synced;

use std::{fmt, path::Path};

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, DBPinnableSlice, LiveFile, ReadOptions, WriteOptions};
use self_cell::self_cell;

use super::{
    Access, Backend, Cursor, Keyspace, Progress, Reclaimed, Scope, TableFile, WriteBatch,
    row_cache::{Known, RowCache},
};
use crate::{
    config::{Durability, OnlineOptions, RocksDBConfig},
    error::{Error, ErrorKind, Result},
    metrics::Sample,
    prune_rule::PruneRule,
    sync::{Arc, AtomicU64, Mutex, Ordering},
};

/// The handles of the keyspaces, by [`Keyspace::index`].
type Handles<'db> = [&'db ColumnFamily; Keyspace::ALL.len()];

self_cell!(
    /// A database and the handles into it, looked up once.
    pub(super) struct Database {
        owner: DB,
        #[covariant]
        dependent: Handles,
    }
);

impl Database {
    fn db(&self) -> &DB {
        self.borrow_owner()
    }

    fn handle(&self, keyspace: Keyspace) -> &ColumnFamily {
        let [current, history, deleted, commits, meta] = *self.borrow_dependent();
        match keyspace {
            Keyspace::Current => current,
            Keyspace::History => history,
            Keyspace::Deleted => deleted,
            Keyspace::Commits => commits,
            Keyspace::Meta => meta,
        }
    }
}

pub(crate) struct RocksDBBackend {
    database: Arc<Database>,
    filters: Arc<filter::Filters>,
    /// Rows of `current`.
    rows: Option<RowCache>,
    spare: Arc<cursor::Spare>,
    /// Bytes that were written since idle cursors were let go of.
    written: AtomicU64,
    /// Made once: a get is too quick to make them anew each time.
    read_options: ReadOptions,
    buffered: WriteOptions,
    synced: WriteOptions,
    /// The options as they are now.
    online: Mutex<online::Online>,
    synced_file: synced::SyncedFile,
    statistics: statistics::Statistics,
    is_read_only: bool,
}

/// Bytes that are written before cursors that lie idle are let go of, with the memtables and files that they hold.
const IDLE_BYTES: u64 = 8 << 20;
/// What a batch of RocksDB's begins with, and what it has for each row beside key and value, about: then it is not copied as
/// it grows.
const HEADER_BYTES: usize = 12;
const ROW_OVERHEAD_BYTES: usize = 8;

impl RocksDBBackend {
    pub(crate) fn open(config: &RocksDBConfig) -> Result<Self> {
        let filters = Arc::new(filter::Filters::default());
        let (database, statistics) = open::open(config, &filters)?;
        let synced = synced::SyncedFile::open(Path::new(&config.path));
        synced.check(database.db().latest_sequence_number())?;
        let mut backend = Self::new(database, filters, config, Some(synced));
        backend.statistics = statistics;
        Ok(backend)
    }

    /// Opens a database to read. No file of it is changed, and none is added.
    pub(crate) fn open_read_only(config: &RocksDBConfig) -> Result<Self> {
        let filters = Arc::new(filter::Filters::default());
        let database = open::open_read_only(config, &filters)?;
        Ok(Self::new(database, filters, config, None))
    }

    /// Opens a database to read that another process may have open. No file of it is changed, and none is added.
    pub(crate) fn open_beside(config: &RocksDBConfig) -> Result<Self> {
        let filters = Arc::new(filter::Filters::default());
        let database = beside::open_beside(config, &filters)?;
        Ok(Self::new(database, filters, config, None))
    }

    /// Without a file for what was synced it is only read.
    fn new(
        database: Database,
        filters: Arc<filter::Filters>,
        config: &RocksDBConfig,
        synced_file: Option<synced::SyncedFile>,
    ) -> Self {
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Self {
            database: Arc::new(database),
            filters,
            rows: RowCache::new(layout::row_cache_size(config)),
            spare: Arc::new(cursor::Spare::new(synced_file.is_none())),
            written: AtomicU64::new(0),
            read_options: ReadOptions::default(),
            buffered: WriteOptions::default(),
            synced,
            online: Mutex::new(online::Online::new(config)),
            is_read_only: synced_file.is_none(),
            synced_file: synced_file.unwrap_or_default(),
            statistics: statistics::Statistics::default(),
        }
    }

    /// The rows of a keyspace that are kept in memory, if any are.
    fn rows(&self, keyspace: Keyspace) -> Option<&RowCache> {
        self.rows.as_ref().filter(|_| keyspace == Keyspace::Current)
    }

    fn get_pinned(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>> {
        let handle = self.database.handle(keyspace);
        let db = self.database.db();
        db.get_pinned_cf_opt(handle, key, &self.read_options)
            .map_err(|e| convert(&e))
    }

    /// The values at keys, which are in order, from RocksDB.
    fn multi_get_below(&self, keyspace: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let handle = self.database.handle(keyspace);
        let db = self.database.db();
        let values = db.batched_multi_get_cf_opt(handle, keys, true, &self.read_options);
        values
            .into_iter()
            .map(|value| match value {
                Ok(value) => Ok(value.map(|value| Bytes::copy_from_slice(&value))),
                Err(error) => Err(convert(&error)),
            })
            .collect()
    }
}

impl fmt::Debug for RocksDBBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDBBackend")
            .field("path", &self.database.db().path())
            .finish_non_exhaustive()
    }
}

impl Backend for RocksDBBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(rows) = self.rows(keyspace) else {
            let value = self.get_pinned(keyspace, key)?;
            return Ok(value.map(|value| Bytes::copy_from_slice(&value)));
        };
        match rows.get(key) {
            Known::Row(row) => Ok(row),
            Known::Unknown(ticket) => {
                let row = self.get_pinned(keyspace, key)?;
                Ok(rows.keep(&ticket, key, row.as_deref()))
            }
        }
    }

    fn multi_get(&self, keyspace: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        if let [key] = keys {
            return Ok(vec![self.get(keyspace, key)?]);
        }
        let Some(rows) = self.rows(keyspace) else {
            return self.multi_get_below(keyspace, keys);
        };
        let known: Vec<_> = keys.iter().map(|key| rows.get(key)).collect();
        let unknown = keys.iter().zip(&known);
        let unknown = unknown.filter(|(_, known)| matches!(known, Known::Unknown(_)));
        let unknown: Vec<_> = unknown.map(|(key, _)| *key).collect();
        // They are not kept: who asks for many at once is mostly the merge, which writes them next.
        let mut below = self.multi_get_below(keyspace, &unknown)?.into_iter();
        let row = |known| match known {
            Known::Row(row) => row,
            Known::Unknown(_) => below.next().flatten(),
        };
        Ok(known.into_iter().map(row).collect())
    }

    fn cursor(&self, keyspace: Keyspace, scope: Scope, access: Access) -> Result<Box<dyn Cursor>> {
        let is_everywhere = scope.start.is_empty() && scope.end.is_none();
        let cursor = if keyspace == Keyspace::History && access == Access::OneKey && is_everywhere {
            self.spare.cursor(&self.database)?
        } else {
            cursor::RocksDBCursor::new(&self.database, keyspace, scope, access)
        };
        Ok(Box::new(cursor))
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        if self.is_read_only {
            return Err(Error::opened_to_read());
        }
        let mut writes = rocksdb::WriteBatch::with_capacity_bytes(
            batch.size_bytes() + batch.len() * ROW_OVERHEAD_BYTES + HEADER_BYTES,
        );
        for (keyspace, key, value) in batch.writes() {
            let handle = self.database.handle(keyspace);
            match value {
                Some(value) => writes.put_cf(handle, key, value),
                None => writes.delete_cf(handle, key),
            }
        }
        let options = match durability {
            Durability::Buffered => &self.buffered,
            Durability::Sync => &self.synced,
        };
        let db = self.database.db();
        let current = || {
            let writes = batch.writes();
            writes.filter_map(|(keyspace, key, row)| {
                (keyspace == Keyspace::Current).then_some((key, row))
            })
        };
        let rows = self.rows.as_ref();
        let writing = rows.map(|rows| rows.write(current().map(|(key, _)| key)));
        // Others may write meanwhile: this one comes at or behind it, and what came before it is in the log already.
        let last = db.latest_sequence_number() + writes.len() as u64;
        let size = writes.size_in_bytes() as u64;
        if self.written.fetch_add(size, Ordering::Relaxed) + size > IDLE_BYTES {
            self.written.store(0, Ordering::Relaxed);
            self.spare.clear();
        }
        db.write_opt(writes, options).map_err(|e| convert(&e))?;
        if let Some(writing) = writing {
            writing.written(current());
        }
        if durability == Durability::Sync {
            self.synced_file.note(last);
        }
        Ok(())
    }

    fn arm(&self, rule: Arc<PruneRule>) {
        self.filters.arm(rule);
    }

    fn prune(&self, progress: Progress<'_>) -> Result<Reclaimed> {
        prune::prune(self, progress)
    }

    fn flush(&self) -> Result<()> {
        for keyspace in Keyspace::ALL {
            let handle = self.database.handle(keyspace);
            self.database
                .db()
                .flush_cf(handle)
                .map_err(|e| convert(&e))?;
        }
        self.spare.clear();
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if self.is_read_only {
            return Ok(());
        }
        let db = self.database.db();
        let last = db.latest_sequence_number();
        db.flush_wal(true).map_err(|e| convert(&e))?;
        self.synced_file.note(last);
        Ok(())
    }

    fn compact(&self, keyspace: Keyspace, scope: &Scope, tell: &mut dyn FnMut(f64)) -> Result<()> {
        compact::compact(self, keyspace, scope, tell)
    }

    fn set_options(&self, options: &OnlineOptions) -> Result<()> {
        online::set(&self.database, &mut self.online.lock(), options)
    }

    fn size_bytes(&self, keyspace: Keyspace) -> Result<u64> {
        let number = |name: &str| -> Result<u64> {
            let handle = self.database.handle(keyspace);
            let number = self.database.db().property_int_value_cf(handle, name);
            Ok(number.map_err(|e| convert(&e))?.unwrap_or(0))
        };
        Ok(number("rocksdb.live-sst-files-size")? + number("rocksdb.cur-size-all-mem-tables")?)
    }

    fn files(&self) -> Result<Vec<TableFile>> {
        let files = self.database.db().live_files().map_err(|e| convert(&e))?;
        let file = |file: LiveFile| {
            // `default` stays empty: it has no file.
            let keyspace = Keyspace::ALL
                .into_iter()
                .find(|keyspace| keyspace.name() == file.column_family_name)?;
            Some(TableFile {
                keyspace,
                level: u32::try_from(file.level).unwrap_or(0),
                size_bytes: file.size as u64,
            })
        };
        Ok(files.into_iter().filter_map(file).collect())
    }

    fn rows_pruned(&self, keyspace: Keyspace) -> u64 {
        self.filters.counts(keyspace).0
    }

    fn sample(&self, samples: &mut Vec<Sample>) -> Result<()> {
        sample::sample(self, samples)
    }

    fn property(&self, name: &str) -> Result<Option<String>> {
        let mut texts = Vec::new();
        for keyspace in Keyspace::ALL {
            let handle = self.database.handle(keyspace);
            let value = self.database.db().property_value_cf(handle, name);
            match value.map_err(|e| convert(&e))? {
                Some(text) => texts.push((keyspace.name(), text)),
                None => return Ok(None),
            }
        }
        let numbers: Option<Vec<u64>> = texts.iter().map(|(_, text)| text.parse().ok()).collect();
        if let Some(numbers) = numbers {
            return Ok(Some(numbers.iter().sum::<u64>().to_string()));
        }
        let texts = texts
            .iter()
            .map(|(keyspace, text)| format!("[{keyspace}]\n{text}\n"));
        Ok(Some(texts.collect()))
    }

    fn path(&self) -> Option<&Path> {
        Some(self.database.db().path())
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn create_checkpoint(&self, path: &Path) -> Result<()> {
        let checkpoint = rocksdb::checkpoint::Checkpoint::new(self.database.db());
        let checkpoint = checkpoint.map_err(|e| convert(&e))?;
        checkpoint.create_checkpoint(path).map_err(|e| convert(&e))
    }
}

/// Whether RocksDB says that a compression is not compiled in.
fn is_not_linked(message: &str) -> bool {
    message.contains("is not linked with the binary")
}

/// An error of RocksDB as one of ours.
fn convert(error: &rocksdb::Error) -> Error {
    let message = error.to_string();
    let kind = match error.kind() {
        rocksdb::ErrorKind::Corruption => ErrorKind::Corrupt {
            at: "a file of RocksDB".to_owned(),
        },
        // The lock of another process, and that of another handle in this one.
        rocksdb::ErrorKind::IOError if message.contains("lock ") || message.contains("LOCK") => {
            ErrorKind::Locked
        }
        rocksdb::ErrorKind::NotSupported => ErrorKind::Unsupported,
        rocksdb::ErrorKind::InvalidArgument if is_not_linked(&message) => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    };
    let advice = match kind {
        ErrorKind::Locked => "the database is open elsewhere; close it there first",
        ErrorKind::Corrupt { .. } => {
            "stored data is corrupt; restore it from a checkpoint or a backup"
        }
        _ if is_not_linked(&message) => {
            "this build's RocksDB lacks that compression; choose another, or build it with that library"
        }
        _ if message.contains("No space left") => {
            "the disk is full; make room, then open the store again"
        }
        _ => "the backend failed",
    };
    Error::new(kind, format!("{advice} ({message})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_every_backend_does() {
        let directory = tempfile::tempdir().unwrap();
        let opened = std::cell::Cell::new(0);
        crate::backend::conformance::check(|| {
            opened.set(opened.get() + 1);
            let path = directory.path().join(opened.get().to_string());
            let config = RocksDBConfig {
                // Tiny, so that keys spread over files and levels.
                target_file_size: 1 << 10,
                write_buffer_size: 64 << 10,
                block_cache_size: 1 << 20,
                ..RocksDBConfig::at(path.to_str().unwrap())
            };
            RocksDBBackend::open(&config).unwrap()
        });
    }
    #[test]
    fn cursors_that_lie_idle_hold_no_files_that_a_compaction_has_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let backend = RocksDBBackend::open(&RocksDBConfig::at(path)).unwrap();
        let tables = || {
            let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
            let tables = entries.filter(|entry| {
                let extension = entry.path().extension().map(std::ffi::OsStr::to_owned);
                extension.is_some_and(|extension| extension == "sst")
            });
            tables.count()
        };
        for number in 0..3u8 {
            let mut batch = WriteBatch::default();
            batch.put(Keyspace::History, &[&[number; 10]], &[b"row"]);
            backend.write(batch, Durability::Buffered).unwrap();
            backend.flush().unwrap();
            let cursor = backend.cursor(Keyspace::History, Scope::default(), Access::OneKey);
            let mut cursor = cursor.unwrap();
            cursor.seek(&[number; 10]).unwrap();
            assert!(cursor.row().is_some());
        }
        assert_eq!(tables(), 3);
        let all = Scope::default();
        backend
            .compact(Keyspace::History, &all, &mut |_| {})
            .unwrap();
        assert_eq!(tables(), 1);
    }
    #[test]
    fn cursors_that_lie_idle_are_let_go_of_by_a_flush_and_by_many_writes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let backend = RocksDBBackend::open(&RocksDBConfig::at(path)).unwrap();
        // Each of them holds the database.
        let idle = || Arc::strong_count(&backend.database) - 1;
        let look = || {
            let all = Scope::default();
            drop(backend.cursor(Keyspace::History, all, Access::OneKey));
        };
        let write = |size_bytes: usize| {
            let mut batch = WriteBatch::default();
            batch.put(Keyspace::Meta, &[b"name"], &[&vec![0; size_bytes]]);
            backend.write(batch, Durability::Buffered).unwrap();
        };
        look();
        look();
        write(1);
        assert_eq!(idle(), 1, "it is used again");
        backend.flush().unwrap();
        assert_eq!(idle(), 0);
        look();
        (0..9).for_each(|_| write(1 << 20));
        assert_eq!(idle(), 0);
    }
}
