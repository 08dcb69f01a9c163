//! [`METRICS`]: every metric, with its kind, unit, labels and meaning.

use std::fmt;

/// One metric.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, by Prometheus's conventions.
    pub name: &'static str,
    /// Whether it counts up, goes up and down, or is a distribution.
    pub kind: MetricKind,
    /// What its values are counted in.
    pub unit: Unit,
    /// Its labels, beside `store`.
    pub labels: &'static [Label],
    /// What it means, as a sentence.
    pub meaning: &'static str,
}

/// A label of a metric.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values; none where they are not known beforehand.
    pub values: &'static [&'static str],
}

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A count since the store was opened.
    Counter,
    /// What is so now.
    Gauge,
    /// How often which values were seen.
    Histogram,
}

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Microseconds: of counters, which are whole numbers.
    Microseconds,
    /// Bytes.
    Bytes,
    /// A timestamp of the store, or a distance of two.
    Timestamp,
    /// One number over another.
    Ratio,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Microseconds => "microseconds",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Ratio => "ratio",
        })
    }
}

/// Bounds of buckets for the histograms, all of which are in seconds: from a microsecond to a minute.
pub const SECONDS_BUCKETS: [f64; 16] = [
    1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0,
];

macro_rules! metrics {
    ($($row:ident = $kind:ident $name:literal in $unit:ident
       by [$($label:literal: $values:expr),*]: $meaning:literal;)*) => {
        /// The rows of the table, by name.
        pub(crate) mod rows {
            use super::{Label, Metric, MetricKind, Unit, values};
            $(pub(crate) static $row: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                unit: Unit::$unit,
                labels: &[$(Label { name: $label, values: $values }),*],
                meaning: $meaning,
            };)*
        }

        /// Every metric there is.
        pub static METRICS: &[&Metric] = &[$(&rows::$row),*];
    };
}

/// Values of labels.
mod values {
    pub(super) const KEYSPACES: &[&str] = &["current", "history", "deleted", "commits", "meta"];
    pub(super) const DEPTHS: &[&str] = &["1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65+"];
    pub(super) const OPERATIONS: &[&str] = &[
        "get",
        "multi_get",
        "seek",
        "write",
        "wal_sync",
        "flush",
        "compaction",
        "write_stall",
    ];
}

metrics! {
    COMMITS = Counter "sapwood_commits_total" in Count by []:
        "Commits that were made.";
    COMMIT_GROUPS = Counter "sapwood_commit_groups_total" in Count by ["durability": &["buffered", "sync"]]:
        "Writes of the backend that commits took: those that wait together are written together. `sync` waited for the disk.";
    WRITES = Counter "sapwood_writes_total" in Count by []:
        "Keys that commits have set or deleted.";
    CONFLICTS = Counter "sapwood_conflicts_total" in Count
        by ["kind": &["write", "read", "range", "value", "too_old", "rolled_back"]]:
        "Commits that were refused: another has written a key that they write, a key that they read, or into a range that they read; the value that they expect is another; they are too old to be checked; a rollback came between.";
    COMMIT_SECONDS = Histogram "sapwood_commit_seconds" in Seconds
        by ["stage": &["queue", "check", "write", "sync", "publish", "whole"]]:
        "Time that commits take. Once for each commit: `queue`, until its group begins; `whole`, from the call to the answer. Once for each group: `check` (conflicts, timestamps, rows), `write` or `sync` (the backend's write, without and with waiting for the disk), `publish` (into memory, and visible).";
    COMMIT_WAIT_SECONDS = Histogram "sapwood_commit_wait_seconds" in Seconds
        by ["cause": &["merge", "retention_debt"]]:
        "Time that commits had to wait: `merge`, the memory for recent versions was full; `retention_debt`, the debt was over the policy's limit.";
    VISIBLE = Gauge "sapwood_visible_timestamp" in Timestamp by []:
        "The newest timestamp that can be read.";
    FLOOR = Gauge "sapwood_floor_timestamp" in Timestamp by []:
        "The lowest timestamp that can be read without a pin.";
    EPOCH = Gauge "sapwood_epoch" in Count by []:
        "How often the store was rolled back since it was made.";
    OPEN_TRANSACTIONS = Gauge "sapwood_open_transactions" in Count by []:
        "Transactions that are open and may write.";
    OPEN_SNAPSHOTS = Gauge "sapwood_open_snapshots" in Count by []:
        "Reads that hold back pruning: snapshots, transactions, iterators.";
    SNAPSHOT_AGE = Gauge "sapwood_oldest_snapshot_age_seconds" in Seconds by []:
        "For how long the oldest of them has been held; 0 where there is none.";
    SNAPSHOT_LAG = Gauge "sapwood_oldest_snapshot_lag" in Timestamp by []:
        "How far the oldest of them is behind the visible timestamp; 0 where there is none.";
    FEEDS = Gauge "sapwood_feeds" in Count by []:
        "Feeds that hold the floor: named ones, and readers that live.";
    FEED_LAG = Gauge "sapwood_oldest_feed_lag" in Timestamp by []:
        "How far the one that is furthest behind is behind the visible timestamp; 0 where there is none.";
    PINS = Gauge "sapwood_pins" in Count by []:
        "Pins.";
    CONFLICT_KEYS = Gauge "sapwood_conflict_keys" in Count by []:
        "Keys of recent commits that open transactions are checked against.";
    CONFLICT_BYTES = Gauge "sapwood_conflict_bytes" in Bytes by []:
        "The memory that these take, about.";
    RECENT_VERSIONS = Gauge "sapwood_recent_versions" in Count by []:
        "Versions of recent commits that are not merged into the keyspaces yet.";
    RECENT_BYTES = Gauge "sapwood_recent_bytes" in Bytes by []:
        "The memory that these take, about.";
    RETENTION_WANTED = Gauge "sapwood_retention_wanted_timestamp" in Timestamp by []:
        "Where the retention policy would have the floor, when it was asked last; the floor, where that is higher.";
    RETENTION_DEBT = Gauge "sapwood_retention_debt_bytes" in Bytes by []:
        "History that is stored and kept for nobody, about.";
    RETENTION_BELOW_FLOOR = Gauge "sapwood_retention_below_floor_bytes" in Bytes by []:
        "The part of it that lies below the floor: the next prune gives it back.";
    RETENTION_HISTORY = Gauge "sapwood_retention_history_bytes" in Bytes by []:
        "All history, before compression, about.";
    RETENTION_PINNED = Gauge "sapwood_retention_pinned_bytes" in Bytes by []:
        "History below the floor that the last full pass of a prune left there for pins.";
    WRITERS_WAIT = Gauge "sapwood_writers_wait" in Count by []:
        "1 while writers wait for the retention debt to become smaller, else 0.";
    PRUNES = Counter "sapwood_prunes_total" in Count by []:
        "Full passes of prunes, by hand and in the background.";
    ROWS_PRUNED = Counter "sapwood_rows_pruned_total" in Count
        by ["keyspace": &["history", "deleted", "commits"]]:
        "Rows that the prune rule has let go: of `history`, ended versions. By prunes, and by RocksDB's own compactions.";
    VERSIONS = Gauge "sapwood_versions" in Count by ["depth": values::DEPTHS]:
        "Ended versions by how many versions of their key lie above them in `history`, themselves counted. As the last walk over all of it has found them: the full pass of a prune, or `status`.";
    KEYSPACE_BYTES = Gauge "sapwood_keyspace_bytes" in Bytes by ["keyspace": values::KEYSPACES]:
        "Bytes that a keyspace takes: files and memtables.";
    OPERATION_SECONDS = Histogram "sapwood_operation_seconds" in Seconds
        by ["operation": &["prune", "compact", "checkpoint", "backup", "verify", "rollback", "export", "apply"]]:
        "Time that slow operations took, whether they succeeded or not.";
    BLOCKS = Counter "sapwood_blocks_total" in Count by ["outcome": &["committed", "failed"]]:
        "Blocks that were executed for a commit.";
    BLOCK_TRANSACTIONS = Counter "sapwood_block_transactions_total" in Count by ["path": &["parallel", "serial"]]:
        "Transactions of blocks that were decided, in parallel or one by one.";
    BLOCK_INCARNATIONS = Counter "sapwood_block_incarnations_total" in Count by []:
        "Runs of transactions of blocks, those in vain included.";
    BLOCK_ABORTS = Counter "sapwood_block_aborts_total" in Count by []:
        "Runs that were found stale: something below them had changed what they read.";
    BLOCK_DEPENDENCIES = Counter "sapwood_block_dependencies_total" in Count by []:
        "Runs that met a value about to change, and waited for whoever changes it.";
    BLOCK_MICROSECONDS = Counter "sapwood_block_microseconds_total" in Microseconds by []:
        "Time in which blocks were executed.";
    BLOCK_RUN_MICROSECONDS = Counter "sapwood_block_run_microseconds_total" in Microseconds by []:
        "Time that the runs that count took in them, of all workers together: an estimate from a part of them. Its rate over that of `sapwood_block_microseconds_total` is the speed-up over one by one; too high where more threads want to run than there are cores.";
    BLOCK_SPEEDUP = Gauge "sapwood_block_speedup" in Ratio by []:
        "The speed-up of the last block over one by one, about.";
    BLOCK_SECONDS = Histogram "sapwood_block_seconds" in Seconds by ["stage": &["execute", "commit"]]:
        "Time that blocks took: to be executed, and to be committed while the next is executed.";
    LEVEL_FILES = Gauge "sapwood_rocksdb_level_files" in Count by ["keyspace": values::KEYSPACES, "level": &[]]:
        "Files of a level.";
    LEVEL_BYTES = Gauge "sapwood_rocksdb_level_bytes" in Bytes by ["keyspace": values::KEYSPACES, "level": &[]]:
        "Bytes of the files of a level.";
    MEMTABLE_BYTES = Gauge "sapwood_rocksdb_memtable_bytes" in Bytes by ["keyspace": values::KEYSPACES]:
        "Bytes of memtables.";
    IMMUTABLE_MEMTABLES = Gauge "sapwood_rocksdb_immutable_memtables" in Count by []:
        "Memtables that wait to be flushed, of all keyspaces.";
    PENDING_COMPACTION = Gauge "sapwood_rocksdb_pending_compaction_bytes" in Bytes by []:
        "Bytes that compactions have to write until all levels have the size that they should, about.";
    ESTIMATED_ROWS = Gauge "sapwood_rocksdb_estimated_rows" in Count by ["keyspace": values::KEYSPACES]:
        "Rows, as RocksDB estimates them.";
    RUNNING_JOBS = Gauge "sapwood_rocksdb_running_jobs" in Count by ["kind": &["flush", "compaction"]]:
        "Background jobs that run now.";
    BACKGROUND_ERRORS = Gauge "sapwood_rocksdb_background_errors" in Count by []:
        "Errors of background jobs since the store was opened.";
    WRITE_STOPPED = Gauge "sapwood_rocksdb_write_stopped" in Count by []:
        "1 while RocksDB lets no write through, until flushes or compactions have caught up; else 0.";
    BLOCK_CACHE_BYTES = Gauge "sapwood_rocksdb_block_cache_bytes" in Bytes
        by ["part": &["used", "pinned", "capacity"]]:
        "The block cache: what it holds, the part of it that is in use, and what it may hold.";
    STALL_MICROSECONDS = Counter "sapwood_rocksdb_stall_microseconds_total" in Microseconds by []:
        "Time for which writes were stalled. With `enable_statistics`.";
    BLOCK_CACHE = Counter "sapwood_rocksdb_block_cache_total" in Count by ["result": &["hit", "miss"]]:
        "Blocks that were looked for in the cache. With `enable_statistics`.";
    FILTER_NEGATIVES = Counter "sapwood_rocksdb_filter_negatives_total" in Count by []:
        "Look-ups in files that a filter has spared. With `enable_statistics`.";
    MEMTABLE_LOOKUPS = Counter "sapwood_rocksdb_memtable_lookups_total" in Count by ["result": &["hit", "miss"]]:
        "Look-ups of single rows in memtables. With `enable_statistics`.";
    WRITTEN_BYTES = Counter "sapwood_rocksdb_written_bytes_total" in Bytes
        by ["by": &["wal", "flush", "compaction"]]:
        "Bytes that were written to files. With `enable_statistics`.";
    COMPACTION_READ = Counter "sapwood_rocksdb_compaction_read_bytes_total" in Bytes by []:
        "Bytes that compactions have read. With `enable_statistics`.";
    WAL_SYNCS = Counter "sapwood_rocksdb_wal_syncs_total" in Count by []:
        "Times that the log was made to survive the machine. With `enable_statistics`.";
    OPERATIONS = Counter "sapwood_rocksdb_operations_total" in Count by ["operation": values::OPERATIONS]:
        "Operations of RocksDB. With `enable_statistics`.";
    LATENCY = Gauge "sapwood_rocksdb_latency_seconds" in Seconds
        by ["operation": values::OPERATIONS, "quantile": &["0.5", "0.95", "0.99", "1"]]:
        "How long they took, since the store was opened: RocksDB's own histograms. With `enable_statistics`.";
}
