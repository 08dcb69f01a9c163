//! What RocksDB counts for each operation. The counts do not depend on the machine or on what else
//! it does, so they tell what a ratio only hints at.

use anyhow::Result;
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use crate::convert::float;

/// Counts for one operation, or for one row of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) id: &'static str,
    pub(crate) side: &'static str,
    pub(crate) key_comparisons: f64,
    pub(crate) keys_skipped: f64,
    pub(crate) cache_hits: f64,
    /// Blocks that were in no cache, of the index, of filters and of data.
    pub(crate) blocks_read: f64,
}

/// Counts over some reads on this thread, which say how many they were.
pub(crate) fn count_reads(
    id: &'static str,
    side: &'static str,
    reads: impl FnOnce() -> Result<u64>,
) -> Result<Counts> {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    let done = reads();
    let each = |metric| float(context.metric(metric));
    let (comparisons, skipped, hits, read) = (
        each(PerfMetric::UserKeyComparisonCount),
        each(PerfMetric::InternalKeySkippedCount),
        each(PerfMetric::BlockCacheHitCount),
        each(PerfMetric::BlockReadCount),
    );
    set_perf_stats(PerfStatsLevel::Disable);
    let done = float(done?.max(1));
    Ok(Counts {
        id,
        side,
        key_comparisons: comparisons / done,
        keys_skipped: skipped / done,
        cache_hits: hits / done,
        blocks_read: read / done,
    })
}
