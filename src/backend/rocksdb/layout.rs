//! How each keyspace is laid out in RocksDB: its options, each with its reason.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, Options, SliceTransform,
};

use super::{
    convert,
    filter::{Factory, Filters},
};
use crate::{
    backend::Keyspace,
    codec::key::TIMESTAMP_BYTES,
    config::{Compression, Compressions, RocksDBConfig},
    error::Result,
    sync::Arc,
};

const FILTER_BITS_PER_KEY: f64 = 10.0;
/// The part of a memtable's memory for its filter: ten bits or so for each row of a hundred bytes. More of it would lie
/// outside of the processor's caches, and every look-up asks it.
const MEMTABLE_FILTER_PART: f64 = 0.0125;
/// What blocks of one file have in common, where they are compressed by it.
const DICTIONARY_BYTES: u64 = 16 << 10;
/// Every file has its own, so it is at most this part of one.
const DICTIONARY_PART: u64 = 64;
/// What a file's dictionary is taken from is in memory until it is made.
const DICTIONARY_BUFFER_BYTES: u64 = 1 << 20;
/// Rows that no compaction would otherwise touch meet the filter at least this often.
const PERIODIC_COMPACTION_SECONDS: u64 = 24 * 60 * 60;

/// Whether each log of RocksDB's names the one before it, with its last write and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logs {
    /// After a power cut the end of a log may be lost and the next one be there: recovery ends at such a hole. A
    /// database without any log is refused.
    Linked,
    /// For a copy that came without logs.
    Loose,
}

/// Options of the database as a whole.
pub(super) fn database(config: &RocksDBConfig, logs: Logs) -> Result<Options> {
    let mut options = Options::default();
    if logs == Logs::Linked {
        let linked = options.get_options_from_string("track_and_verify_wals=true");
        options = linked.map_err(|e| convert(&e))?;
    }
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(config.max_open_files);
    options.set_max_background_jobs(config.max_background_jobs);
    // One thread writes at a time: it need not make room for others in the memtables.
    options.set_allow_concurrent_memtable_write(false);
    // Written out little by little, so that no sync has to wait for a large file.
    options.set_bytes_per_sync(1 << 20);
    options.set_wal_bytes_per_sync(1 << 20);
    // The logs of keyspaces that are seldom written must not hold back those of the others.
    let memtables = config.write_buffer_size.saturating_mul(4) as u64;
    options.set_max_total_wal_size(memtables);
    options.set_keep_log_file_num(4);
    if config.compaction_rate_limit > 0 {
        let bytes = i64::try_from(config.compaction_rate_limit).unwrap_or(i64::MAX);
        options.set_ratelimiter(bytes, 100_000, 10);
    }
    Ok(options)
}

/// The column families: RocksDB's own "default" stays empty.
pub(super) fn column_families(
    config: &RocksDBConfig,
    filters: &Arc<Filters>,
) -> Result<Vec<ColumnFamilyDescriptor>> {
    let blocks = config.block_cache_size - row_cache_size(config);
    let cache = Cache::new_hyper_clock_cache(blocks, 0);
    let mut families = vec![ColumnFamilyDescriptor::new("default", Options::default())];
    for keyspace in Keyspace::ALL {
        families.push(ColumnFamilyDescriptor::new(
            keyspace.name(),
            column_family(keyspace, config, &cache, filters)?,
        ));
    }
    Ok(families)
}

fn column_family(
    keyspace: Keyspace,
    config: &RocksDBConfig,
    cache: &Cache,
    filters: &Arc<Filters>,
) -> Result<Options> {
    let compression = if config.enable_compression {
        compression(keyspace, config.compression)
    } else {
        Compression::None
    };
    let text = compression_options(keyspace, compression, config.target_file_size);
    let text = format!("compression_opts={text}");
    let mut options = Options::default()
        .get_options_from_string(&text)
        .map_err(|e| convert(&e))?;
    options.set_write_buffer_size(write_buffer_size(keyspace, config.write_buffer_size));
    options.set_target_file_size_base(config.target_file_size);
    options.set_compression_type(match compression {
        Compression::None => DBCompressionType::None,
        Compression::Snappy => DBCompressionType::Snappy,
        Compression::Lz4 => DBCompressionType::Lz4,
        Compression::Zstd => DBCompressionType::Zstd,
    });
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    table.set_optimize_filters_for_memory(true);
    // Counted against the cache, so that memory has one bound; those of the newest files stay.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    match keyspace {
        Keyspace::Current => {
            table.set_block_size(8 << 10);
            // A commit asks for the old row of every key that it writes: for new keys the filter
            // answers, and the memtable need not be searched.
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_PART);
        }
        Keyspace::History => {
            // A look-up seeks among the versions of one key: a filter on the key without its
            // timestamp rules out files that hold none.
            options.set_prefix_extractor(encoded_key_prefix());
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_PART);
            table.set_whole_key_filtering(false);
            // The versions of one key compress together; of larger blocks more has to be searched.
            table.set_block_size(8 << 10);
        }
        Keyspace::Deleted | Keyspace::Commits | Keyspace::Meta => {}
    }
    if Keyspace::PRUNED.contains(&keyspace) {
        options.set_compaction_filter_factory(Factory {
            keyspace,
            filters: Arc::clone(filters),
        });
        options.set_periodic_compaction_seconds(PERIODIC_COMPACTION_SECONDS);
    }
    options.set_block_based_table_factory(&table);
    Ok(options)
}

/// The part of the memory for what was read that is for single rows.
pub(super) fn row_cache_size(config: &RocksDBConfig) -> usize {
    config.row_cache_size.min(config.block_cache_size / 8)
}

/// The memory for the memtable of a keyspace, where this much was asked for.
pub(super) fn write_buffer_size(keyspace: Keyspace, size_bytes: usize) -> usize {
    match keyspace {
        Keyspace::Meta => size_bytes.min(4 << 20),
        _ => size_bytes,
    }
}

/// How a keyspace is compressed.
pub(super) fn compression(keyspace: Keyspace, compressions: Compressions) -> Compression {
    match keyspace {
        Keyspace::Current => compressions.current,
        Keyspace::History => compressions.history,
        Keyspace::Deleted => compressions.deleted,
        Keyspace::Commits => compressions.commits,
        Keyspace::Meta => compressions.meta,
    }
}

/// How the blocks of a keyspace are compressed beyond the way itself, in RocksDB's words.
///
/// ZSTD sees what stands in blocks of one file over and over, the beginnings of keys and the shape of values, once for all
/// of them: in a dictionary, cut out of the file's first blocks, which wait for it. That saves a twentieth of `current` to a
/// seventh of `commits`, whose blocks are a few small records, and costs reads nothing that was seen. A dictionary that is
/// trained would save as much again, for twice the work where files are small. `history` needs none: there versions of one
/// key lie together.
pub(super) fn compression_options(
    keyspace: Keyspace,
    compression: Compression,
    target_file_size: u64,
) -> String {
    let has_dictionary = compression == Compression::Zstd
        && matches!(keyspace, Keyspace::Current | Keyspace::Commits);
    let (dictionary, buffer) = if has_dictionary {
        let part = target_file_size / DICTIONARY_PART;
        (part.min(DICTIONARY_BYTES), DICTIONARY_BUFFER_BYTES)
    } else {
        (0, 0)
    };
    format!("{{max_dict_bytes={dictionary};max_dict_buffer_bytes={buffer}}}")
}

/// A version key without its timestamp.
fn encoded_key_prefix() -> SliceTransform {
    fn strip(key: &[u8]) -> &[u8] {
        key.len()
            .checked_sub(TIMESTAMP_BYTES)
            .and_then(|end| key.get(..end))
            .unwrap_or(key)
    }
    fn has_timestamp(key: &[u8]) -> bool {
        key.len() > TIMESTAMP_BYTES
    }
    // DO NOT CHANGE the name: RocksDB compares it with the one in its files.
    SliceTransform::create("sapwood.key", strip, Some(has_timestamp))
}
