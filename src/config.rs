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
    /// Who numbers the commits. [`TimestampSource::Engine`].
    pub timestamps: TimestampSource,
    /// As [`RocksDBConfig::max_snapshot_age`]. `None`.
    pub max_snapshot_age: Option<Duration>,
    /// As [`RocksDBConfig::conflict_log_size`]. 64 MiB.
    pub conflict_log_size: usize,
    /// As [`RocksDBConfig::recent_versions_size`]. 64 MiB.
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
/// The fields and defaults are those of the project's seed plan.
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
    /// The database's directory; created, with its parents, where it is missing. `./data`.
    pub path: String,
    /// How many files RocksDB may keep open; -1 for all of them. 10,000.
    pub max_open_files: i32,
    /// Memory for the memtables of each keyspace before it is flushed, in bytes. 128 MiB.
    pub write_buffer_size: usize,
    /// Memory for what was read, which all keyspaces share, in bytes: the block cache, and single rows. 512 MiB.
    pub block_cache_size: usize,
    /// The part of it for single rows of the newest state, in bytes: at most an eighth. A row that is found there
    /// is read in less than half of the time (`make bench ONLY=P1`); 0 leaves all to the blocks, for loads that mostly scan. 64 MiB.
    pub row_cache_size: usize,
    /// Whether files are compressed, as `compression` says; without it nothing is. `true`.
    pub enable_compression: bool,
    /// How each keyspace is compressed. LZ4.
    pub compression: Compressions,
    /// Background flushes and compactions at one time. As many as cores, at least 2.
    pub max_background_jobs: i32,
    /// The size at which compaction cuts its output files, in bytes. 64 MiB.
    pub target_file_size: u64,
    /// The bytes that flushes and compactions may write in a second; 0 for no limit. 0.
    pub compaction_rate_limit: u64,
    /// Whether RocksDB counts and times what it does, for the [metrics](crate::metrics::METRICS) that say so. Reads and
    /// writes take a little longer with it. `false`.
    pub enable_statistics: bool,
    /// What a commit waits for when it does not say so itself. [`Durability::Buffered`].
    pub durability: Durability,
    /// Who numbers the commits. [`TimestampSource::Engine`].
    pub timestamps: TimestampSource,
    /// How long a snapshot, a transaction or an iterator may hold back pruning. Past it, its next read
    /// fails with [`TooOld`](crate::ErrorKind::TooOld), and it holds nothing any more. `None`: for
    /// ever.
    pub max_snapshot_age: Option<Duration>,
    /// Memory for the keys of recent commits, which transactions are checked against, in bytes. A
    /// transaction that stays open while more is committed fails with
    /// [`TooOld`](crate::ErrorKind::TooOld). Nothing is kept while no transaction is open. 64 MiB.
    pub conflict_log_size: usize,
    /// Memory for the versions of recent commits until they are merged into the keyspaces, in bytes, about.
    /// More of it makes the merge cheaper and opening after a crash longer; commits wait where it is
    /// full. 0 merges each commit as soon as the next but one is made. 64 MiB.
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
