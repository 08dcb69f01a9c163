//! Options: plain data, checked where they are used.

mod compression;
mod online;

use std::time::Duration;

pub use compression::{Compression, Compressions};
pub use online::OnlineOptions;

/// When a commit counts as done.
///
/// # Examples
/// ```
/// use sapwood::{Batch, CommitOptions, Durability, Engine};
///
/// let engine = Engine::in_memory();
/// let mut batch = Batch::new();
/// batch.set(b"balance", b"100");
/// engine.commit(batch, CommitOptions::default().durability(Durability::Sync))?;
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has the commit: it survives the end of the process, not a power cut.
    #[default]
    Buffered,
    /// The disk has the commit: it survives the machine.
    Sync,
}

/// Who numbers the commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampSource {
    /// The store hands out `last + 1`; a caller may also give a larger timestamp.
    #[default]
    Engine,
    /// Every commit brings its own timestamp (a block height); a commit without one is refused,
    /// so that a stray write cannot take a height away.
    CallerGiven,
}

/// The default of `conflict_log_size`: 64 MiB.
const CONFLICT_LOG_SIZE: usize = 64 << 20;

/// The default of `recent_versions_size`: 64 MiB.
const RECENT_VERSIONS_SIZE: usize = 64 << 20;

/// How a store in memory is made.
///
/// # Examples
/// ```
/// use sapwood::{MemoryConfig, MemoryStorage, TimestampSource};
///
/// let mut config = MemoryConfig::default();
/// config.timestamps = TimestampSource::CallerGiven;
/// let storage = MemoryStorage::with_config(config);
/// # let _ = storage;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// Who numbers the commits.
    ///
    /// Unit: a choice. Default: [`TimestampSource::Engine`].
    pub timestamps: TimestampSource,
    /// As [`RocksDBConfig::max_snapshot_age`].
    ///
    /// Unit: a duration. Default: `None`, for ever.
    pub max_snapshot_age: Option<Duration>,
    /// As [`RocksDBConfig::conflict_log_size`].
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub conflict_log_size: usize,
    /// As [`RocksDBConfig::recent_versions_size`].
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub recent_versions_size: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            timestamps: TimestampSource::default(),
            max_snapshot_age: None,
            conflict_log_size: CONFLICT_LOG_SIZE,
            recent_versions_size: RECENT_VERSIONS_SIZE,
        }
    }
}

/// How a RocksDB-backed store is opened.
///
/// # Examples
/// ```
/// use sapwood::RocksDBConfig;
///
/// let config = RocksDBConfig { path: "/var/lib/node/state".to_string(), ..Default::default() };
/// assert_eq!(config.write_buffer_size, 128 << 20);
/// assert_eq!(config.block_cache_size, 512 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocksDBConfig {
    /// The database's directory; created, with its parents, where it is missing.
    ///
    /// Unit: a path, in UTF-8. Default: `./data`.
    pub path: String,
    /// How many files RocksDB may keep open; -1 for all of them. The process's own limit (`ulimit -n`) has to be higher.
    /// With fewer than there are, files are opened again to be read.
    ///
    /// Unit: files. Default: 10,000.
    pub max_open_files: i32,
    /// Memory for the memtable of each keyspace before it is flushed; while that goes on, another fills. More of it
    /// makes fewer and larger files, and opening after a crash longer.
    ///
    /// Unit: bytes. Default: 128 MiB.
    pub write_buffer_size: usize,
    /// Memory for what was read, which all keyspaces share: the block cache, and single rows. What it does not hold
    /// is read from files, and unpacked.
    ///
    /// Unit: bytes. Default: 512 MiB.
    pub block_cache_size: usize,
    /// The part of it for single rows of the newest state: at most an eighth. A row that is found there
    /// is read in less than half of the time (`make bench ONLY=P1`); 0 leaves all to the blocks, for loads that mostly scan.
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub row_cache_size: usize,
    /// Whether files are compressed, as `compression` says; without it nothing is.
    ///
    /// Unit: yes or no. Default: `true`.
    pub enable_compression: bool,
    /// How each keyspace is compressed, in files that are written from now on.
    ///
    /// Unit: a choice for each keyspace. Default: LZ4 for all.
    pub compression: Compressions,
    /// Background flushes and compactions at one time. With few, writers may have to wait for them; with many they
    /// take cores and disk from readers.
    ///
    /// Unit: threads. Default: as many as cores, at least 2.
    pub max_background_jobs: i32,
    /// The size at which compaction cuts its output files. Smaller ones make a prune rewrite less of what it keeps, and
    /// need more open files.
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub target_file_size: u64,
    /// What flushes and compactions may write in a second, so that they leave the disk to others; 0 for no limit.
    ///
    /// Unit: bytes a second. Default: 0.
    pub compaction_rate_limit: u64,
    /// Whether RocksDB counts and times what it does, for the [metrics](crate::metrics::METRICS) that say so. Reads and
    /// writes take a little longer with it.
    ///
    /// Unit: a flag. Default: `false`.
    pub enable_statistics: bool,
    /// What a commit waits for when it does not say so itself.
    ///
    /// Unit: a choice. Default: [`Durability::Buffered`].
    pub durability: Durability,
    /// Who numbers the commits.
    ///
    /// Unit: a choice. Default: [`TimestampSource::Engine`].
    pub timestamps: TimestampSource,
    /// How long a snapshot, a transaction or an iterator may hold back pruning. Past it, its next read
    /// fails with [`TooOld`](crate::ErrorKind::TooOld), and it holds nothing any more.
    ///
    /// Unit: a duration. Default: `None`, for ever.
    pub max_snapshot_age: Option<Duration>,
    /// Memory for the keys of recent commits, which transactions are checked against. A
    /// transaction that stays open while more is committed fails with
    /// [`TooOld`](crate::ErrorKind::TooOld). Nothing is kept while no transaction is open.
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub conflict_log_size: usize,
    /// Memory for the versions of recent commits until they are merged into the keyspaces, about.
    /// More of it makes the merge cheaper and opening after a crash longer; commits wait where it is
    /// full. 0 merges each commit as soon as the next but one is made.
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub recent_versions_size: usize,
}

impl Default for RocksDBConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            path: "./data".to_owned(),
            max_open_files: 10_000,
            write_buffer_size: 128 << 20,
            block_cache_size: 512 << 20,
            row_cache_size: 64 << 20,
            enable_compression: true,
            compression: Compressions::default(),
            max_background_jobs: i32::try_from(cores.max(2)).unwrap_or(i32::MAX),
            target_file_size: 64 << 20,
            compaction_rate_limit: 0,
            enable_statistics: false,
            durability: Durability::default(),
            timestamps: TimestampSource::default(),
            max_snapshot_age: None,
            conflict_log_size: CONFLICT_LOG_SIZE,
            recent_versions_size: RECENT_VERSIONS_SIZE,
        }
    }
}

impl RocksDBConfig {
    /// The defaults, at `path`.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}
