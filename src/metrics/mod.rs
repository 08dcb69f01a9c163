//! What the engine tells of itself: the table of all metrics, their values, and how they get into the facade
//! [`metrics`](https://docs.rs/metrics).
//!
//! Every metric stands in one table, [`METRICS`], with its kind, its unit, its labels and its meaning;
//! [`describe`], `docs/metrics.md` and the command's `stats --explain` are made of it.
//!
//! - Counters and gauges are kept where things are counted anyway, at no cost that could be seen, and are read when they
//!   are asked for: [`Engine::samples`](crate::Engine::samples).
//! - Histograms are durations. They are taken only once [`Engine::metrics`](crate::Engine::metrics) has given them a
//!   recorder: once for a commit, a group of commits, a block or an operation, never for a read or a row.
//!
//! ```text
//! counts of the store and of RocksDB --samples()--> EngineMetrics::record() --+
//!                                                                            +--> the recorder --> an exporter
//! durations -----------------------------------------------------------------+
//! ```
//!
//! # Examples
//! ```
//! use sapwood::{Engine, metrics::SampleValue};
//!
//! let engine = Engine::in_memory();
//! engine.set(b"key", b"value")?;
//! let samples = engine.samples()?;
//! let commits = samples.iter().find(|sample| sample.metric.name == "sapwood_commits_total").unwrap();
//! assert_eq!(commits.value, SampleValue::Counter(1));
//! println!("{} ({}): {}", commits.metric.name, commits.metric.unit, commits.metric.meaning);
//! # Ok::<(), sapwood::Error>(())
//! ```

mod block_counts;
#[cfg(feature = "metrics")]
mod facade;
mod meter;
mod sample;
mod table;

pub(crate) use block_counts::BlockCounts;
#[cfg(feature = "metrics")]
pub use facade::describe;
#[cfg(feature = "metrics")]
pub(crate) use facade::{Handles, send};
pub(crate) use meter::{Meter, Timed};
pub use sample::{Sample, SampleValue};
pub(crate) use table::rows;
pub use table::{Label, METRICS, Metric, MetricKind, SECONDS_BUCKETS, Unit};
