//! [`Statistics`]: what RocksDB counts and times, where it was asked to.

use std::fmt;

use rocksdb::{
    Options,
    statistics::{Histogram, StatsLevel, Ticker},
};

use crate::{
    config::RocksDBConfig,
    metrics::{Sample, SampleValue, rows},
};

/// The tickers, if there are any: they hang on the options that a database was opened with.
#[derive(Default)]
pub(super) struct Statistics(Option<Options>);

impl Statistics {
    /// Has a database that is opened with these options count, if the configuration says so.
    pub(super) fn new(config: &RocksDBConfig, options: &mut Options) -> Self {
        if !config.enable_statistics {
            return Self::default();
        }
        options.enable_statistics();
        options.set_statistics_level(StatsLevel::ExceptDetailedTimers);
        // A copy shares what they count in.
        Self(Some(options.clone()))
    }

    /// Adds the tickers and histograms that matter.
    pub(super) fn sample(&self, samples: &mut Vec<Sample>) {
        let Some(options) = &self.0 else {
            return;
        };
        let count = |metric, ticker| Sample::count(metric, options.get_ticker_count(ticker));
        samples.extend([
            count(&rows::STALL_MICROSECONDS, Ticker::StallMicros),
            count(&rows::BLOCK_CACHE, Ticker::BlockCacheHit).with("hit"),
            count(&rows::BLOCK_CACHE, Ticker::BlockCacheMiss).with("miss"),
            Sample::count(
                &rows::FILTER_NEGATIVES,
                options.get_ticker_count(Ticker::BloomFilterUseful)
                    + options.get_ticker_count(Ticker::BloomFilterPrefixUseful),
            ),
            count(&rows::MEMTABLE_LOOKUPS, Ticker::MemtableHit).with("hit"),
            count(&rows::MEMTABLE_LOOKUPS, Ticker::MemtableMiss).with("miss"),
            count(&rows::WRITTEN_BYTES, Ticker::WalFileBytes).with("wal"),
            count(&rows::WRITTEN_BYTES, Ticker::FlushWriteBytes).with("flush"),
            count(&rows::WRITTEN_BYTES, Ticker::CompactWriteBytes).with("compaction"),
            count(&rows::COMPACTION_READ, Ticker::CompactReadBytes),
            count(&rows::WAL_SYNCS, Ticker::WalFileSynced),
        ]);
        for (name, histogram) in [
            ("get", Histogram::DbGet),
            ("multi_get", Histogram::DbMultiget),
            ("seek", Histogram::DbSeek),
            ("write", Histogram::DbWrite),
            ("wal_sync", Histogram::WalFileSyncMicros),
            ("flush", Histogram::FlushTime),
            ("compaction", Histogram::CompactionTime),
            ("write_stall", Histogram::WriteStall),
        ] {
            let data = options.get_histogram_data(histogram);
            samples.push(Sample::count(&rows::OPERATIONS, data.count()).with(name));
            let quantiles = [
                ("0.5", data.median()),
                ("0.95", data.p95()),
                ("0.99", data.p99()),
                ("1", data.max()),
            ];
            samples.extend(quantiles.map(|(quantile, microseconds)| {
                let seconds = SampleValue::Gauge(microseconds / 1e6);
                let sample = Sample::new(&rows::LATENCY, seconds);
                sample.with(name).with(quantile)
            }));
        }
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Statistics")
            .field(&self.0.is_some())
            .finish()
    }
}
