//! [`World`]: a store on disk whose metrics go into a recorder of its own, and what of them has moved.

use std::collections::{BTreeMap, BTreeSet};

use metrics::{SharedString, Unit, with_local_recorder};
use metrics_util::{
    CompositeKey,
    debugging::{DebugValue, DebuggingRecorder},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{Batch, CommitOptions, Engine, EngineMetrics, RocksDBConfig};
use tempfile::TempDir;

/// How often something is looked for before it is given up: each look follows on some work.
pub(crate) const LOOKS: usize = 20_000;

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) engine: Engine,
    pub(crate) metrics: EngineMetrics,
    recorder: DebuggingRecorder,
    /// The series as they were in the beginning.
    first: BTreeMap<(String, String), f64>,
    moved: BTreeSet<(String, String)>,
    random: ChaCha8Rng,
}

impl World {
    /// A new store, of a configuration that is small, and changed by `change`.
    pub(crate) fn new(change: impl FnOnce(&mut RocksDBConfig)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let mut config = RocksDBConfig {
            write_buffer_size: 1 << 20,
            block_cache_size: 8 << 20,
            ..RocksDBConfig::at(path.to_str().expect("UTF-8"))
        };
        change(&mut config);
        let engine = Engine::open_with(config).expect("a store");
        let recorder = DebuggingRecorder::new();
        let metrics = with_local_recorder(&recorder, || engine.metrics("test")).expect("metrics");
        let mut world = Self {
            directory,
            engine,
            metrics,
            recorder,
            first: BTreeMap::new(),
            moved: BTreeSet::new(),
            random: ChaCha8Rng::seed_from_u64(1),
        };
        world.first = world.series();
        world
    }

    /// The same scenario with another store; what moves is told from how this one began.
    pub(crate) fn reopened_with(&mut self, change: impl FnOnce(&mut RocksDBConfig)) {
        let first = std::mem::take(&mut self.first);
        *self = Self::new(change);
        self.first = first;
    }

    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, work)
    }

    pub(crate) fn snapshot(
        &self,
    ) -> Vec<(CompositeKey, Option<Unit>, Option<SharedString>, DebugValue)> {
        self.recorder.snapshotter().snapshot().into_vec()
    }

    /// The values of all series; of a histogram, how much it has seen since the last look.
    fn series(&self) -> BTreeMap<(String, String), f64> {
        self.within(|| self.metrics.record()).expect("recorded");
        let series = self.snapshot().into_iter().map(|(key, _, _, value)| {
            let labels = key.key().labels().filter(|label| label.key() != "store");
            let labels: Vec<_> = labels
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            #[expect(clippy::cast_precision_loss, reason = "only compared")]
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => values.len() as f64,
            };
            ((key.key().name().to_owned(), labels.join(",")), value)
        });
        series.collect()
    }

    /// Notes what is not as it was in the beginning.
    pub(crate) fn look(&mut self) {
        for (series, value) in self.series() {
            let first = self.first.get(&series).copied().unwrap_or(0.0);
            if value.total_cmp(&first).is_ne() {
                self.moved.insert(series);
            }
        }
    }

    /// Whether a series of that name and with that label was seen to move.
    pub(crate) fn has_moved(&self, (name, label): &(String, String)) -> bool {
        let mut moved = self.moved.iter();
        moved.any(|(moved, labels)| {
            let mut labels = labels.split(',');
            moved == name && labels.any(|one| one == label)
        })
    }

    /// Works and looks until all of these have moved.
    pub(crate) fn until_moved(&mut self, claims: &[&str], mut work: impl FnMut(&mut Self)) {
        let claims: Vec<_> = claims
            .iter()
            .flat_map(|claim| super::claims(claim))
            .collect();
        for _ in 0..LOOKS {
            self.look();
            if claims.iter().all(|claim| self.has_moved(claim)) {
                return;
            }
            work(self);
        }
        let still: Vec<_> = claims
            .iter()
            .filter(|claim| !self.has_moved(claim))
            .collect();
        panic!("after {LOOKS} looks not moved: {still:?}");
    }

    pub(crate) fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.engine.set(key, value).expect("a commit");
    }

    /// Commits some keys with values that do not compress.
    pub(crate) fn fill(&mut self, keys: u32, value_bytes: usize) {
        let mut batch = Batch::new();
        for _ in 0..keys {
            let mut value = vec![0; value_bytes];
            self.random.fill_bytes(&mut value);
            batch.set(self.random.next_u32().to_be_bytes(), value);
        }
        self.engine
            .commit(batch, CommitOptions::default())
            .expect("a commit");
    }
}
