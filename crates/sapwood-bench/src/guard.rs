//! What the hottest operations cost, as RocksDB counts it: comparisons of keys, blocks that are asked for, rows that
//! are passed over, rows and bytes that are written. These do not depend on the machine, so a change that makes an
//! operation do more is seen by a test, on any machine, at any load.
//!
//! One thread, 4,000 keys with 8 versions each, compacted: the counts are the same in every run. They may go down; then
//! the figures here go down with them.

use std::path::Path;

use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use sapwood::{
    Batch, CommitOptions, Engine, Isolation, ReadView, RocksDBConfig, RocksDBStorage, Timestamp,
};

use crate::{convert::float, data::Data};

const KEYS: u32 = 4_000;
const VERSIONS: u32 = 8;
const BATCH_KEYS: u32 = 1_000;
/// Operations that are counted.
const OPERATIONS: u32 = 1_000;

/// What one operation may cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    comparisons: f64,
    /// Of the index, of filters and of data.
    blocks: f64,
    skipped: f64,
    seeks: f64,
}

/// Counts the operations of this thread, and compares what each costs with what it may.
fn assert_costs(what: &str, operations: u64, at_most: Cost, work: impl FnOnce()) {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    work();
    let each = |metric| float(context.metric(metric)) / float(operations);
    let cost = Cost {
        comparisons: each(PerfMetric::UserKeyComparisonCount),
        blocks: each(PerfMetric::BlockCacheHitCount) + each(PerfMetric::BlockReadCount),
        skipped: each(PerfMetric::InternalKeySkippedCount),
        seeks: each(PerfMetric::SeekChildSeekCount),
    };
    set_perf_stats(PerfStatsLevel::Disable);
    let pairs = [
        (cost.comparisons, at_most.comparisons),
        (cost.blocks, at_most.blocks),
        (cost.skipped, at_most.skipped),
        (cost.seeks, at_most.seeks),
    ];
    for (is, may) in pairs {
        assert!(is <= may, "{what} costs {cost:?}, and may cost {at_most:?}");
        // A bound that is too wide guards nothing.
        assert!(
            is >= may * 0.95,
            "{what} costs {cost:?} only: lower {at_most:?}"
        );
    }
}

struct Loaded {
    directory: tempfile::TempDir,
    storage: RocksDBStorage,
    engine: Engine,
    data: Data,
}

impl Loaded {
    fn new(row_cache_size: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = RocksDBConfig {
            row_cache_size,
            ..RocksDBConfig::at(directory.path().to_str().unwrap())
        };
        let storage = RocksDBStorage::new(config).unwrap();
        let engine = Engine::new(&storage);
        let data = Data::new(KEYS, 100);
        for version in 0..VERSIONS {
            for first in (0..KEYS).step_by(BATCH_KEYS as usize) {
                let mut batch = Batch::new();
                for (id, value) in data.writes(first..first + BATCH_KEYS, version) {
                    batch.set(data.key(id), value);
                }
                engine.commit(batch, CommitOptions::default()).unwrap();
            }
        }
        engine.compact().unwrap();
        assert_eq!(engine.range(..).count(), KEYS as usize);
        Self {
            directory,
            storage,
            engine,
            data,
        }
    }

    /// Ids in no order, each once at most.
    fn ids() -> impl Iterator<Item = u32> {
        (0..OPERATIONS).map(|number| number * 1_789 % KEYS)
    }

    fn get(&self) {
        for id in Self::ids() {
            assert!(self.engine.get(self.data.key(id)).unwrap().is_some());
        }
    }

    fn get_at(&self, at: u64) {
        use sapwood::Storage;
        for id in Self::ids() {
            let value = self.storage.get_at(self.data.key(id), Timestamp::new(at));
            assert!(value.unwrap().is_some());
        }
    }
}

/// Comparisons, blocks, rows passed over, seeks.
fn cost([comparisons, blocks, skipped, seeks]: [f64; 4]) -> Cost {
    Cost {
        comparisons,
        blocks,
        skipped,
        seeks,
    }
}

#[test]
fn a_point_read_costs_what_it_did() {
    let each = u64::from(OPERATIONS);
    let loaded = Loaded::new(0);
    let last = u64::from(KEYS / BATCH_KEYS * VERSIONS);
    let may = cost([11.5, 3.0, 0.0, 0.0]);
    assert_costs("a latest get", each, may, || loaded.get());
    let may = cost([1.05, 1.01, 0.0, 0.0]);
    assert_costs("a latest get of nothing", each, may, || {
        for id in Loaded::ids() {
            let key = [loaded.data.key(id), b"-"].concat();
            assert!(loaded.engine.get(&key).unwrap().is_none());
        }
    });
    let may = cost([11.5, 3.0, 0.0, 0.0]);
    assert_costs("a recent get", each, may, || loaded.get_at(last));
    // So that `history` is known to have the answers.
    loaded.get_at(last / 2);
    let may = cost([13.9, 2.01, 0.0, 2.0]);
    assert_costs("an old get", each, may, || loaded.get_at(last / 2));
    let may = cost([11.5, 0.66, 0.0, 0.0]);
    assert_costs("one of a hundred gets", each, may, || {
        let ids: Vec<_> = Loaded::ids().collect();
        for ids in ids.chunks(100) {
            let keys: Vec<_> = ids.iter().map(|id| loaded.data.key(*id)).collect();
            let values = loaded.engine.multi_get(&keys).unwrap();
            assert!(values.iter().all(Option::is_some));
        }
    });
    let cached = Loaded::new(64 << 20);
    cached.get();
    let may = Cost::default();
    assert_costs("a latest get, made again", each, may, || cached.get());
}

#[test]
fn a_row_of_a_scan_costs_what_it_did() {
    let loaded = Loaded::new(0);
    let rows = u64::from(KEYS);
    let may = cost([0.0015, 0.0203, 1.0, 0.0005]);
    assert_costs("a row of a latest scan", rows, may, || {
        assert_eq!(loaded.engine.range(..).count(), KEYS as usize);
    });
    let half = KEYS / BATCH_KEYS * VERSIONS / 2;
    let past = loaded.engine.at(Timestamp::new(u64::from(half))).unwrap();
    let may = cost([0.004, 0.14, 8.0, 0.001]);
    assert_costs("a row of an old scan", rows, may, || {
        assert_eq!(ReadView::range(&past, ..).count(), KEYS as usize);
    });
    let may = cost([14.5, 2.23, 10.0, 2.0]);
    assert_costs("a range of ten rows", u64::from(OPERATIONS), may, || {
        for id in Loaded::ids() {
            let rows = loaded.engine.range(loaded.data.key(id).to_vec()..).take(10);
            assert!(rows.count() > 0);
        }
    });
}

/// Rows in all memtables, and bytes of all logs.
fn written(storage: &RocksDBStorage, path: &Path) -> (u64, u64) {
    let rows = storage
        .get_property("rocksdb.num-entries-active-mem-table")
        .unwrap();
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
        {
            bytes += entry.metadata().unwrap().len();
        }
    }
    (rows.unwrap().parse().unwrap(), bytes)
}

/// Its name, a thousand of them, and the rows and the bytes of the log that they make.
type Operation<'w> = (&'static str, &'w dyn Fn(), (u64, u64));

#[test]
fn a_write_costs_what_it_did() {
    let loaded = Loaded::new(0);
    let path = loaded.directory.path();
    let each = u64::from(OPERATIONS);
    // All that follows of it, too: the merge.
    let costs_of = |work: &dyn Fn()| {
        loaded.engine.compact().unwrap();
        let (rows_before, bytes_before) = written(&loaded.storage, path);
        work();
        loaded.engine.status().unwrap();
        let (rows, bytes) = written(&loaded.storage, path);
        (rows - rows_before, bytes - bytes_before)
    };
    let (version, data, engine) = (VERSIONS, &loaded.data, &loaded.engine);
    let update = || {
        for (id, value) in data.writes(Loaded::ids(), version) {
            engine.set(data.key(id), value).unwrap();
        }
    };
    let transaction = || {
        for (id, value) in data.writes(Loaded::ids(), version) {
            let mut transaction = engine.begin(Isolation::Serializable).unwrap();
            assert!(transaction.get(data.key(id)).unwrap().is_some());
            transaction.set(data.key(id), value).unwrap();
            transaction.commit().unwrap();
        }
    };
    let batch = || {
        let mut batch = Batch::new();
        for (id, value) in data.writes(Loaded::ids(), version) {
            batch.set(data.key(id), value);
        }
        engine.commit(batch, CommitOptions::default()).unwrap();
    };
    let insert = || {
        let mut batch = Batch::new();
        for (id, value) in data.writes(Loaded::ids(), version) {
            batch.set([data.key(id), b"+"].concat(), value);
        }
        engine.commit(batch, CommitOptions::default()).unwrap();
    };
    let delete = || {
        for id in Loaded::ids() {
            engine.delete(data.key(id)).unwrap();
        }
    };
    let all: [Operation<'_>; 5] = [
        ("an update", &update, (4_009, 559_780)),
        ("a transaction", &transaction, (4_009, 559_780)),
        ("an update in a batch", &batch, (2_004, 486_813)),
        ("an insert in a batch", &insert, (1_004, 326_656)),
        ("a delete", &delete, (5_009, 385_860)),
    ];
    for (what, work, at_most) in all {
        let cost = costs_of(work);
        assert_eq!(cost, at_most, "rows and bytes for {each} times {what}");
    }
}
