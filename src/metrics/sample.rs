//! [`Sample`]: the value of a metric at one moment.

use std::borrow::Cow;

use super::table::Metric;

/// The value of a counter or a gauge at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Of which metric.
    pub metric: &'static Metric,
    /// The values of its labels, in the table's order.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value, in the metric's unit.
    pub value: SampleValue,
}

/// The value of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue {
    /// A count since the store was opened.
    Counter(u64),
    /// What is so now.
    Gauge(f64),
}

impl SampleValue {
    /// The value as a floating-point number: exact up to 2^53.
    #[expect(clippy::cast_precision_loss, reason = "documented")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Counter(count) => count as f64,
            Self::Gauge(value) => value,
        }
    }
}

impl Sample {
    /// A count, without labels.
    pub(crate) fn count(metric: &'static Metric, count: u64) -> Self {
        Self::new(metric, SampleValue::Counter(count))
    }

    /// A gauge of a whole number, without labels.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point")]
    pub(crate) fn gauge(metric: &'static Metric, value: u64) -> Self {
        Self::new(metric, SampleValue::Gauge(value as f64))
    }

    pub(crate) fn new(metric: &'static Metric, value: SampleValue) -> Self {
        Self {
            metric,
            labels: Vec::new(),
            value,
        }
    }

    /// The same with the value of the next label.
    pub(crate) fn with(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        if let Some(label) = self.metric.labels.get(self.labels.len()) {
            self.labels.push((label.name, value.into()));
        }
        self
    }
}
