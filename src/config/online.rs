//! Options that can be changed while a store is open.

use super::Compressions;

/// What [`Engine::set_options`](crate::Engine::set_options) changes; what is not named stays as it is.
///
/// These are the options that RocksDB changes online and that its Rust binding gives access to. The others
/// of [`RocksDBConfig`](crate::RocksDBConfig) are of the database as a whole (`max_background_jobs`,
/// `compaction_rate_limit`, `max_open_files`, `block_cache_size`): close the store and open it with them.
///
/// # Examples
/// ```
/// use sapwood::{Compression, Compressions, OnlineOptions};
///
/// let options = OnlineOptions::default()
///     .write_buffer_size(256 << 20)
///     .compression(Compressions::all(Compression::Zstd));
/// assert_eq!(options.target_file_size, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnlineOptions {
    /// As [`RocksDBConfig::write_buffer_size`](crate::RocksDBConfig::write_buffer_size); from the next
    /// memtable on.
    ///
    /// Unit: bytes. Default: `None`, as it is.
    pub write_buffer_size: Option<usize>,
    /// As [`RocksDBConfig::target_file_size`](crate::RocksDBConfig::target_file_size); for files that
    /// are written from now on.
    ///
    /// Unit: bytes. Default: `None`, as it is.
    pub target_file_size: Option<u64>,
    /// As [`RocksDBConfig::compression`](crate::RocksDBConfig::compression), also where the store was opened
    /// without; for files that are written from now on. [`compact`](crate::Engine::compact) writes all of them anew.
    ///
    /// Unit: a choice for each keyspace. Default: `None`, as it is.
    pub compression: Option<Compressions>,
    /// Whether RocksDB compacts by itself. Without it a large import need not wait for compactions; reads get
    /// slower and files more, until it is on again. It is on when a store is opened.
    ///
    /// Unit: yes or no. Default: `None`, as it is.
    pub automatic_compaction: Option<bool>,
}

impl OnlineOptions {
    /// Memory for the memtables of each keyspace, in bytes.
    #[must_use]
    pub fn write_buffer_size(mut self, size_bytes: usize) -> Self {
        self.write_buffer_size = Some(size_bytes);
        self
    }

    /// The size at which compaction cuts its output files, in bytes.
    #[must_use]
    pub fn target_file_size(mut self, size_bytes: u64) -> Self {
        self.target_file_size = Some(size_bytes);
        self
    }

    /// How files are compressed.
    #[must_use]
    pub fn compression(mut self, compression: Compressions) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Whether RocksDB compacts by itself.
    #[must_use]
    pub fn automatic_compaction(mut self, is_on: bool) -> Self {
        self.automatic_compaction = Some(is_on);
        self
    }
}
