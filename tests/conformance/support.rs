//! Where the suite runs, and the small words that its tests are written in.

use std::{
    fmt::Debug,
    ops::{ControlFlow, RangeBounds},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use sapwood::{
    CommitOptions, Engine, Error, ErrorKind, Isolation, Iter, KeyRange, MemoryConfig,
    MemoryStorage, ReadView, Result, Storage, Timestamp, TimestampSource, Transaction,
    TransactionOptions,
};

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Both levels of isolation.
pub(crate) const LEVELS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

/// What a store is opened with, where a test cares.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) timestamps: TimestampSource,
    pub(crate) max_snapshot_age: Option<Duration>,
    pub(crate) conflict_log_size: Option<usize>,
}

/// A place for one store.
pub(crate) trait Place {
    /// The storage under test.
    type Storage: Storage + Clone + 'static;

    /// Another place of the same kind.
    fn another(&self) -> Self;

    /// Opens the place's store with these options.
    fn open_with(&self, options: Options) -> Self::Storage;

    /// Closes a store and opens it anew, where it outlives its handles.
    fn reopen(&self, storage: Self::Storage) -> Self::Storage;

    /// Waits for the end of all work of a store that is going to be opened anew.
    fn leave(&self, engine: &Engine);

    /// Opens the place's store.
    fn open(&self) -> Self::Storage {
        self.open_with(Options::default())
    }

    /// Opens the place's store with its commits numbered as said.
    fn open_numbered(&self, timestamps: TimestampSource) -> Self::Storage {
        self.open_with(Options {
            timestamps,
            ..Options::default()
        })
    }

    /// Opens the place's store, as an engine.
    fn engine(&self) -> Engine {
        Engine::new(&self.open())
    }

    /// Checks the same thing as things are, after a flush, after a compaction and after reopening.
    fn settle(&self, storage: Self::Storage, check: impl Fn(&Self::Storage)) -> Self::Storage {
        let engine = Engine::new(&storage);
        check(&storage);
        engine.flush().expect("flush");
        check(&storage);
        engine.compact().expect("compact");
        check(&storage);
        drop(engine);
        let storage = self.reopen(storage);
        check(&storage);
        storage
    }
}

/// How much is kept in memory until it is merged: all, nothing but the last commits, or a little of both.
pub(crate) const ALL: usize = 64 << 20;
pub(crate) const NOTHING: usize = 0;
pub(crate) const A_LITTLE: usize = 2 << 10;

/// Memory: a store ends with its last handle.
pub(crate) struct InMemory {
    recent_versions_size: usize,
}

impl InMemory {
    pub(crate) fn new(recent_versions_size: usize) -> Self {
        Self {
            recent_versions_size,
        }
    }
}

impl Place for InMemory {
    type Storage = MemoryStorage;

    fn another(&self) -> Self {
        Self::new(self.recent_versions_size)
    }

    fn open_with(&self, options: Options) -> MemoryStorage {
        let mut config = MemoryConfig::default();
        config.timestamps = options.timestamps;
        config.max_snapshot_age = options.max_snapshot_age;
        config.conflict_log_size = options
            .conflict_log_size
            .unwrap_or(config.conflict_log_size);
        config.recent_versions_size = self.recent_versions_size;
        MemoryStorage::with_config(config)
    }

    fn reopen(&self, storage: MemoryStorage) -> MemoryStorage {
        storage
    }

    fn leave(&self, _: &Engine) {}
}

/// A directory of its own, with a database of tiny files.
#[cfg(feature = "rocksdb-storage")]
pub(crate) struct OnRocksDB {
    directory: tempfile::TempDir,
    recent_versions_size: usize,
}

#[cfg(feature = "rocksdb-storage")]
impl OnRocksDB {
    pub(crate) fn new(recent_versions_size: usize) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            recent_versions_size,
        }
    }
}

#[cfg(feature = "rocksdb-storage")]
impl Place for OnRocksDB {
    type Storage = sapwood::RocksDBStorage;

    fn another(&self) -> Self {
        Self::new(self.recent_versions_size)
    }

    fn open_with(&self, options: Options) -> sapwood::RocksDBStorage {
        let path = self.directory.path().join("db");
        let defaults = sapwood::RocksDBConfig::at(path.to_str().expect("a UTF-8 path"));
        let log_size = options.conflict_log_size;
        sapwood::RocksDBStorage::new(sapwood::RocksDBConfig {
            write_buffer_size: 64 << 10,
            target_file_size: 4 << 10,
            block_cache_size: 1 << 20,
            timestamps: options.timestamps,
            max_snapshot_age: options.max_snapshot_age,
            conflict_log_size: log_size.unwrap_or(defaults.conflict_log_size),
            recent_versions_size: self.recent_versions_size,
            ..defaults
        })
        .expect("open")
    }

    fn reopen(&self, storage: sapwood::RocksDBStorage) -> sapwood::RocksDBStorage {
        drop(storage);
        self.open()
    }

    fn leave(&self, engine: &Engine) {
        engine.close().expect("close");
    }
}

/// Makes a test of each check for each storage, and for each where commits are merged while it runs.
macro_rules! suite {
    ($($check:ident),* $(,)?) => {
        suite!(in_memory: InMemory, ALL, $($check),*);
        suite!(in_memory_merged_at_once: InMemory, NOTHING, $($check),*);
        suite!(in_memory_merged_soon: InMemory, A_LITTLE, $($check),*);
        #[cfg(feature = "rocksdb-storage")]
        suite!(on_rocksdb: OnRocksDB, ALL, $($check),*);
        #[cfg(feature = "rocksdb-storage")]
        suite!(on_rocksdb_merged_at_once: OnRocksDB, NOTHING, $($check),*);
        #[cfg(feature = "rocksdb-storage")]
        suite!(on_rocksdb_merged_soon: OnRocksDB, A_LITTLE, $($check),*);
    };
    ($name:ident: $place:ident, $size:ident, $($check:ident),*) => {
        mod $name {
            use crate::support::{$place, $size};
            $(#[test] fn $check() { super::$check(&$place::new($size)); })*
        }
    };
}

pub(crate) fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

pub(crate) fn bytes(text: impl AsRef<[u8]>) -> Vec<u8> {
    text.as_ref().to_vec()
}

pub(crate) fn row(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Row {
    (bytes(key), bytes(value))
}

/// A write of a batch.
pub(crate) fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
    (bytes(key), Some(bytes(value)))
}

/// A write of a batch.
pub(crate) fn delete(key: impl AsRef<[u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
    (bytes(key), None)
}

/// The rows that an iterator gives, in its order.
pub(crate) fn rows(rows: impl Iterator<Item = Result<(sapwood::Key, sapwood::Value)>>) -> Vec<Row> {
    rows.map(|row| {
        let (key, value) = row.expect("a row");
        (key.to_vec(), value.to_vec())
    })
    .collect()
}

/// Rows as a view shows them where they lie, up to so many.
pub(crate) fn visited(
    view: &impl ReadView,
    range: impl RangeBounds<Vec<u8>>,
    most: usize,
) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    let ended = view.visit(range, |key, value| {
        if found.len() == most {
            return ControlFlow::Break(());
        }
        found.push(row(key, value));
        ControlFlow::Continue(())
    })?;
    assert!(ended.is_none() || found.len() == most);
    Ok(found)
}

pub(crate) fn keys(rows: &[Row]) -> Vec<&[u8]> {
    rows.iter().map(|(key, _)| key.as_slice()).collect()
}

pub(crate) fn reversed(mut rows: Vec<Row>) -> Vec<Row> {
    rows.reverse();
    rows
}

/// All rows at a timestamp.
pub(crate) fn all_at(storage: &impl Storage, at: Timestamp) -> Iter {
    storage.range_at(KeyRange::all(), at)
}

/// The stable name of the kind of the error that this must be.
pub(crate) fn kind<T: Debug>(result: Result<T>) -> &'static str {
    error(result).kind().name()
}

pub(crate) fn error<T: Debug>(result: Result<T>) -> Error {
    match result {
        Ok(value) => panic!("this should have failed: {value:?}"),
        Err(error) => error,
    }
}

/// The versions of a key as `start..end value` (`start.. value` for the current one), newest first.
pub(crate) fn versions(storage: &impl Storage, key: impl AsRef<[u8]>) -> Vec<String> {
    let history = storage
        .history(key.as_ref(), Timestamp::ZERO, Timestamp::MAX)
        .expect("history");
    history
        .map(|version| show(version.expect("a version")))
        .collect()
}

/// A version as [`versions`] gives it.
#[expect(clippy::needless_pass_by_value, reason = "for use in map")]
pub(crate) fn show(version: sapwood::Version) -> String {
    let end = version.end.map_or(String::new(), |end| end.to_string());
    format!("{}..{end} {}", version.start, version.value.escape_ascii())
}

/// A transaction at a level.
pub(crate) fn begin(engine: &Engine, isolation: Isolation) -> Transaction {
    engine.begin(isolation).expect("begin")
}

/// Sets a key to a value in a transaction of its own, and returns its timestamp.
pub(crate) fn put(engine: &Engine, key: &str, value: &str) -> Timestamp {
    engine.set(key, value).expect("set")
}

/// The key, the snapshot and the other's timestamp of the conflict that this must be.
pub(crate) fn conflict<T: Debug>(result: Result<T>) -> (String, Timestamp, Timestamp) {
    let error = error(result);
    assert!(error.is_retryable(), "{error}");
    match error.kind() {
        ErrorKind::Conflict {
            key,
            read,
            committed,
        } => (key.escape_ascii().to_string(), *read, *committed),
        _ => panic!("this should be a conflict: {error:?}"),
    }
}

/// Checks that nothing is left of any transaction or snapshot.
pub(crate) fn assert_nothing_is_held(engine: &Engine) {
    let stats = engine.stats();
    let held = (
        stats.open_transactions,
        stats.open_snapshots,
        stats.oldest_snapshot,
    );
    assert_eq!(held, (0, 0, None), "{stats:?}");
    let records = (stats.conflict_keys, stats.conflict_bytes);
    assert_eq!(records, (0, 0), "{stats:?}");
}

/// Options of a transaction that takes the turn to commit before its first attempt: it cannot lose.
pub(crate) fn in_its_turn() -> TransactionOptions {
    TransactionOptions::default().attempts(0)
}

/// Something to be done on a thread of its own.
pub(crate) type Work<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// Does all of them, each on a thread of its own, begun while nobody can commit: so their commits
/// wait in this order and are made as one group, if no thread is very slow. What a test then asserts
/// must hold however they were grouped.
pub(crate) fn together<'a, T: Send + 'a>(engine: &Engine, all: Vec<Work<'a, T>>) -> Vec<T> {
    let mut all = Some(all);
    thread::scope(|scope| {
        let hold = |_: &mut Transaction| -> Result<Vec<_>> {
            let mut threads = Vec::new();
            for work in all.take().into_iter().flatten() {
                let begun = Arc::new(AtomicBool::new(false));
                let begins = Arc::clone(&begun);
                threads.push(scope.spawn(move || {
                    begins.store(true, Ordering::SeqCst);
                    work()
                }));
                while !begun.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                (0..200).for_each(|_| thread::yield_now());
            }
            Ok(threads)
        };
        let threads = engine
            .transact_with(in_its_turn(), CommitOptions::default(), hold)
            .expect("a turn in which nothing is written")
            .value;
        let outcomes = threads.into_iter().map(thread::ScopedJoinHandle::join);
        outcomes.map(|outcome| outcome.expect("a thread")).collect()
    })
}
