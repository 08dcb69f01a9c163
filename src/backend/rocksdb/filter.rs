//! The compaction filter: the prune rule, asked by RocksDB of every row that a compaction passes.
//!
//! It is called from C++ on RocksDB's threads. It must not panic, must not touch the database, and
//! keeps what it cannot read. RocksDB gives each compaction a filter of its own; that filter takes
//! the rule once, so that a compaction never mixes two.

use std::ffi::CStr;

use rocksdb::{
    CompactionDecision,
    compaction_filter::CompactionFilter,
    compaction_filter_factory::{CompactionFilterContext, CompactionFilterFactory},
};

use crate::{
    backend::{Keyspace, filter},
    prune_rule::PruneRule,
    sync::{Arc, AtomicU64, Ordering, RwLock},
};

/// What all filters of a database share.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// `None` until the floor and the pins are known: then nothing may go.
    rule: RwLock<Option<Arc<PruneRule>>>,
    counts: [Counts; Keyspace::ALL.len()],
}

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    undecodable: AtomicU64,
}

impl Filters {
    pub(super) fn arm(&self, rule: Arc<PruneRule>) {
        *self.rule.write() = Some(rule);
    }

    pub(super) fn rule(&self) -> Arc<PruneRule> {
        self.rule.read().clone().unwrap_or_default()
    }

    /// Rows of a keyspace that filters have dropped so far, and that they could not read.
    pub(super) fn counts(&self, keyspace: Keyspace) -> (u64, u64) {
        self.counts.get(keyspace.index()).map_or((0, 0), |counts| {
            (
                counts.dropped.load(Ordering::Relaxed),
                counts.undecodable.load(Ordering::Relaxed),
            )
        })
    }
}

/// Makes a filter for each compaction of one keyspace.
#[derive(Debug)]
pub(super) struct Factory {
    pub(super) keyspace: Keyspace,
    pub(super) filters: Arc<Filters>,
}

impl CompactionFilterFactory for Factory {
    type Filter = PruneFilter;

    // RocksDB calls this from several threads at once, whatever the receiver says: nothing of
    // `self` is changed.
    fn create(&mut self, _: CompactionFilterContext) -> PruneFilter {
        let rule = self.filters.rule();
        PruneFilter {
            keyspace: self.keyspace,
            filters: Arc::clone(&self.filters),
            rule,
            dropped: 0,
            undecodable: 0,
        }
    }

    fn name(&self) -> &CStr {
        c"sapwood.prune"
    }
}

/// The filter of one compaction.
#[derive(Debug)]
pub(super) struct PruneFilter {
    keyspace: Keyspace,
    filters: Arc<Filters>,
    rule: Arc<PruneRule>,
    dropped: u64,
    undecodable: u64,
}

impl CompactionFilter for PruneFilter {
    fn filter(&mut self, _: u32, key: &[u8], value: &[u8]) -> CompactionDecision {
        match filter::drops(&self.rule, self.keyspace, key, value) {
            Ok(true) => {
                self.dropped += 1;
                CompactionDecision::Remove
            }
            Ok(false) => CompactionDecision::Keep,
            Err(_) => {
                self.undecodable += 1;
                CompactionDecision::Keep
            }
        }
    }

    fn name(&self) -> &CStr {
        c"sapwood.prune"
    }
}

impl Drop for PruneFilter {
    fn drop(&mut self) {
        if let Some(counts) = self.filters.counts.get(self.keyspace.index()) {
            counts.dropped.fetch_add(self.dropped, Ordering::Relaxed);
            counts
                .undecodable
                .fetch_add(self.undecodable, Ordering::Relaxed);
        }
    }
}
