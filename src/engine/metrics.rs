//! What the engine tells of itself: samples, and the way of all metrics into a recorder.

use super::Engine;
use crate::{
    backend::Keyspace,
    error::Result,
    metrics::{BlockCounts, METRICS, Sample, SampleValue, rows},
    storage::{Stats, store::Store},
    sync::{AtomicU64, Ordering},
};
#[cfg(feature = "metrics")]
use crate::{
    error::Error,
    metrics::{self, Handles},
    sync::Arc,
};

impl Engine {
    /// The values of all counters and gauges of [`METRICS`](crate::metrics::METRICS), now, in the table's order. No row
    /// is read; with files, RocksDB's list of them is.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// See [`metrics`](crate::metrics).
    pub fn samples(&self) -> Result<Vec<Sample>> {
        self.store().samples()
    }

    /// Has the metrics of this store recorded by the present recorder of the facade `metrics`, with the label
    /// `store`, which tells several stores of one process apart. Durations are recorded from now on, whenever they are
    /// known; counters and gauges each time that [`EngineMetrics::record`] is called. All units and meanings are
    /// described to the recorder.
    ///
    /// The recorder is to be installed before: durations go to the one that was there at the first call. A further
    /// call with the same name gives the same again.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the store has another name already, or the name is empty;
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Examples
    /// ```
    /// use metrics_util::debugging::DebuggingRecorder;
    /// use sapwood::Engine;
    ///
    /// let recorder = DebuggingRecorder::new(); // metrics-exporter-prometheus, say
    /// let seen = recorder.snapshotter();
    /// recorder.install()?;
    ///
    /// let engine = Engine::in_memory();
    /// let metrics = engine.metrics("ledger")?;
    /// engine.set(b"key", b"value")?;
    /// metrics.record()?; // before each scrape
    /// let names: Vec<_> = seen.snapshot().into_vec().iter().map(|(key, ..)| key.key().name().to_owned()).collect();
    /// assert!(names.iter().any(|name| name == "sapwood_commits_total"));
    /// assert!(names.iter().any(|name| name == "sapwood_commit_seconds"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(&self, store: &str) -> Result<EngineMetrics> {
        self.store().check_open()?;
        if store.is_empty() {
            return Err(Error::invalid(
                "the name of the store is empty; give one that tells it from others in the process",
            ));
        }
        metrics::describe();
        let named = self.store().meter.turn_on(|| Handles::new(store));
        if named != store {
            return Err(Error::invalid(format!(
                "the store's metrics are recorded as {named:?} already; use that name"
            )));
        }
        Ok(EngineMetrics {
            engine: self.clone(),
            store: store.into(),
        })
    }
}

/// A store in a recorder of the facade `metrics`. See [`Engine::metrics`].
///
/// It holds the engine.
#[cfg(feature = "metrics")]
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    engine: Engine,
    store: Arc<str>,
}

#[cfg(feature = "metrics")]
impl EngineMetrics {
    /// The value of the label `store`.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Sends all counters and gauges to the present recorder: to be called before each scrape, or every now and then.
    ///
    /// # Errors
    /// As [`Engine::samples`]. What was sent before stays as it was.
    pub fn record(&self) -> Result<()> {
        metrics::send(&self.store, self.engine.samples()?);
        Ok(())
    }
}

impl Store {
    fn samples(&self) -> Result<Vec<Sample>> {
        self.check_open()?;
        let mut samples = Vec::new();
        let stats = self.stats();
        self.sample_commits(&stats, &mut samples);
        self.sample_holds(&stats, &mut samples);
        self.sample_retention(&mut samples)?;
        sample_blocks(&self.block_counts, &mut samples);
        self.backend.sample(&mut samples)?;
        let place = |sample: &Sample| METRICS.iter().position(|one| *one == sample.metric);
        samples.sort_by_cached_key(place);
        Ok(samples)
    }

    fn sample_commits(&self, stats: &Stats, samples: &mut Vec<Sample>) {
        let conflict =
            |kind: &'static str, count: u64| Sample::count(&rows::CONFLICTS, count).with(kind);
        let counts = &self.counts;
        let by_kind = &stats.conflicts_by_kind;
        samples.extend([
            Sample::count(&rows::COMMITS, stats.commits),
            Sample::count(
                &rows::COMMIT_GROUPS,
                stats.groups.saturating_sub(stats.synced_groups),
            )
            .with("buffered"),
            Sample::count(&rows::COMMIT_GROUPS, stats.synced_groups).with("sync"),
            Sample::count(&rows::WRITES, load(&counts.writes)),
            conflict("write", by_kind.write),
            conflict("read", by_kind.read),
            conflict("range", by_kind.range),
            conflict("value", by_kind.value),
            conflict("too_old", load(&counts.too_old)),
            conflict("rolled_back", load(&counts.rolled_back)),
            Sample::gauge(&rows::CONFLICT_KEYS, stats.conflict_keys as u64),
            Sample::gauge(&rows::CONFLICT_BYTES, stats.conflict_bytes as u64),
            Sample::gauge(&rows::RECENT_VERSIONS, stats.recent_versions),
            Sample::gauge(&rows::RECENT_BYTES, stats.recent_bytes),
        ]);
    }

    fn sample_holds(&self, stats: &Stats, samples: &mut Vec<Sample>) {
        let visible = stats.visible.get();
        let behind = |timestamp: u64| visible.saturating_sub(timestamp);
        let (oldest, age) = stats.oldest_snapshot.unzip();
        let snapshot_lag = oldest.map_or(0, |oldest| behind(oldest.get()));
        let age = age.unwrap_or_default().as_secs_f64();
        let feed_lag = stats.oldest_feed.map_or(0, |oldest| behind(oldest.get()));
        samples.extend([
            Sample::gauge(&rows::VISIBLE, visible),
            Sample::gauge(&rows::FLOOR, stats.floor.get()),
            Sample::gauge(&rows::EPOCH, self.clock.epoch()),
            Sample::gauge(&rows::OPEN_TRANSACTIONS, stats.open_transactions as u64),
            Sample::gauge(&rows::OPEN_SNAPSHOTS, stats.open_snapshots as u64),
            Sample::new(&rows::SNAPSHOT_AGE, SampleValue::Gauge(age)),
            Sample::gauge(&rows::SNAPSHOT_LAG, snapshot_lag),
            Sample::gauge(&rows::FEEDS, stats.feeds as u64),
            Sample::gauge(&rows::FEED_LAG, feed_lag),
            Sample::gauge(&rows::PINS, self.pins.read().iter().count() as u64),
        ]);
    }

    fn sample_retention(&self, samples: &mut Vec<Sample>) -> Result<()> {
        let figures = self.retention_figures();
        samples.extend([
            Sample::gauge(&rows::RETENTION_WANTED, figures.wanted.get()),
            Sample::gauge(&rows::RETENTION_DEBT, figures.debt_bytes),
            Sample::gauge(&rows::RETENTION_BELOW_FLOOR, figures.below_floor_bytes),
            Sample::gauge(&rows::RETENTION_HISTORY, figures.history_bytes),
            Sample::gauge(&rows::RETENTION_PINNED, figures.pinned_bytes),
            Sample::gauge(&rows::WRITERS_WAIT, u64::from(figures.writers_wait)),
            Sample::count(&rows::PRUNES, figures.full_passes),
        ]);
        for keyspace in Keyspace::PRUNED {
            let pruned = self.backend.rows_pruned(keyspace);
            samples.push(Sample::count(&rows::ROWS_PRUNED, pruned).with(keyspace.name()));
        }
        let depths = rows::VERSIONS.labels.first().map_or(&[][..], |l| l.values);
        let depths = depths.iter().zip(figures.depths);
        let depth = |(depth, count): (&&'static str, u64)| {
            Sample::gauge(&rows::VERSIONS, count).with(*depth)
        };
        samples.extend(depths.map(depth));
        for size in self.sizes()? {
            let sample = Sample::gauge(&rows::KEYSPACE_BYTES, size.size_bytes);
            samples.push(sample.with(size.keyspace));
        }
        Ok(())
    }
}

fn sample_blocks(counts: &BlockCounts, samples: &mut Vec<Sample>) {
    let count = |metric, of: &AtomicU64| Sample::count(metric, load(of));
    let (last, run) = (&counts.last_nanoseconds, &counts.last_run_nanoseconds);
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let speedup = match load(last) {
        0 => 0.0,
        last => load(run) as f64 / last as f64,
    };
    samples.extend([
        count(&rows::BLOCKS, &counts.committed).with("committed"),
        count(&rows::BLOCKS, &counts.failed).with("failed"),
        count(&rows::BLOCK_TRANSACTIONS, &counts.parallel).with("parallel"),
        count(&rows::BLOCK_TRANSACTIONS, &counts.serial).with("serial"),
        count(&rows::BLOCK_INCARNATIONS, &counts.incarnations),
        count(&rows::BLOCK_ABORTS, &counts.aborts),
        count(&rows::BLOCK_DEPENDENCIES, &counts.dependencies),
        count(&rows::BLOCK_MICROSECONDS, &counts.microseconds),
        count(&rows::BLOCK_RUN_MICROSECONDS, &counts.run_microseconds),
        Sample::new(&rows::BLOCK_SPEEDUP, SampleValue::Gauge(speedup)),
    ]);
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
