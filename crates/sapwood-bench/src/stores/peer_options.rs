//! The options of the RocksDB peers: those that Sapwood gives its own keyspaces, so that nothing
//! but the layout differs.
//!
//! | option | value | as in Sapwood |
//! |---|---|---|
//! | block cache | one hyper clock cache of the config's size | yes |
//! | write buffer, file size, background jobs, open files, log size | the config's | yes |
//! | compression | LZ4 | yes |
//! | filter | bloom, 10 bits a key, whole keys | as `current` |
//! | block size | 8 KiB | as `current`; smaller than our `history`, which favours point reads |
//! | index and filters | in the cache, those of level 0 pinned | yes |
//!
//! RocksDB compares keys in C++ for both peers: the comparator of user-defined timestamps is the
//! built-in one, taken by its name, since one given as Rust closures would pay a call for each
//! comparison.

use anyhow::Result;
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options};
use sapwood::RocksDBConfig;

const BLOCK_BYTES: usize = 8 << 10;
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// Options of a plain store.
pub(super) fn plain(config: &RocksDBConfig) -> Options {
    tuned(Options::default(), config)
}

/// Options of a store whose filters are on prefixes of its keys.
pub(super) fn by_prefix(config: &RocksDBConfig) -> Options {
    let mut options = tuned(Options::default(), config);
    options.set_block_based_table_factory(&table(config, false));
    options
}

/// Options of a store with user-defined timestamps: 8 bytes, little-endian.
pub(super) fn with_timestamps(config: &RocksDBConfig) -> Result<Options> {
    // First the text, then the setters: the text gives new options and forgets what was set.
    let options = Options::default()
        .get_options_from_string("comparator=leveldb.BytewiseComparator.u64ts")?;
    Ok(tuned(options, config))
}

fn tuned(mut options: Options, config: &RocksDBConfig) -> Options {
    options.create_if_missing(true);
    options.set_max_open_files(config.max_open_files);
    options.set_max_background_jobs(config.max_background_jobs);
    options.set_bytes_per_sync(1 << 20);
    options.set_wal_bytes_per_sync(1 << 20);
    options.set_max_total_wal_size(config.write_buffer_size.saturating_mul(4) as u64);
    options.set_keep_log_file_num(4);
    options.set_write_buffer_size(config.write_buffer_size);
    options.set_target_file_size_base(config.target_file_size);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&table(config, true));
    options
}

fn table(config: &RocksDBConfig, whole_keys: bool) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_whole_key_filtering(whole_keys);
    table.set_block_cache(&Cache::new_hyper_clock_cache(config.block_cache_size, 0));
    table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    table.set_optimize_filters_for_memory(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_block_size(BLOCK_BYTES);
    table
}
