//! Into the facade `metrics`: descriptions, histograms, and samples when they are asked for.

use std::{sync::Arc, time::Duration};

use metrics::{Histogram, Label};

use super::{
    meter::Timed,
    sample::{Sample, SampleValue},
    table::{METRICS, MetricKind, Unit},
};

/// The label that tells stores of one process apart.
const STORE: &str = "store";

/// Tells the recorder the unit and the meaning of every metric. [`Engine::metrics`](crate::Engine::metrics) does so as well.
pub fn describe() {
    for metric in METRICS {
        let unit = match metric.unit {
            Unit::Count | Unit::Timestamp | Unit::Ratio => metrics::Unit::Count,
            Unit::Seconds => metrics::Unit::Seconds,
            Unit::Microseconds => metrics::Unit::Microseconds,
            Unit::Bytes => metrics::Unit::Bytes,
        };
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, unit, metric.meaning),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.meaning),
            MetricKind::Histogram => {
                metrics::describe_histogram!(metric.name, unit, metric.meaning);
            }
        }
    }
}

/// The histograms of a store.
#[derive(Debug)]
pub(crate) struct Handles {
    store: Arc<str>,
    /// By the numbers of [`Timed`].
    histograms: Vec<Histogram>,
}

impl Handles {
    /// Those of the present recorder.
    pub(crate) fn new(store: &str) -> Self {
        let store: Arc<str> = store.into();
        let histogram = |(metric, value): (&'static super::Metric, &'static str)| {
            let mut labels = vec![Label::new(STORE, Arc::clone(&store))];
            labels.extend(
                metric
                    .labels
                    .first()
                    .map(|label| Label::new(label.name, value)),
            );
            metrics::histogram!(metric.name, labels)
        };
        let histograms = Timed::ALL.into_iter().map(histogram).collect();
        Self { store, histograms }
    }

    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    pub(crate) fn record(&self, timed: Timed, took: Duration) {
        if let Some(histogram) = self.histograms.get(timed as usize) {
            histogram.record(took);
        }
    }
}

/// Sends samples to the present recorder.
pub(crate) fn send(store: &str, samples: Vec<Sample>) {
    let store: Arc<str> = store.into();
    for Sample {
        metric,
        labels,
        value,
    } in samples
    {
        let of_store = [Label::new(STORE, Arc::clone(&store))];
        let labels = labels.into_iter();
        let labels: Vec<_> = of_store
            .into_iter()
            .chain(labels.map(|(name, value)| Label::new(name, value)))
            .collect();
        match value {
            SampleValue::Counter(count) => metrics::counter!(metric.name, labels).absolute(count),
            SampleValue::Gauge(value) => metrics::gauge!(metric.name, labels).set(value),
        }
    }
}
