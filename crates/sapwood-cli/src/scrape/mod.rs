//! [`Scrape`]: what a running process says of itself, read from its endpoint.

mod text;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sapwood::metrics::{METRICS, Metric};

use crate::failure::{Failure, Result};

/// For how long an endpoint is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One value: its name, its labels and what it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The row of the table that a name is of, also for the parts of a histogram.
pub(crate) fn metric_of(name: &str) -> Option<&'static Metric> {
    let ends = ["_bucket", "_sum", "_count"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end));
    let mut metrics = METRICS.iter().copied();
    metrics.find(|metric| metric.name == name || Some(metric.name) == stem)
}

/// All values at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) at: Instant,
    pub(crate) readings: Vec<Reading>,
}

impl Scrape {
    /// Asks an endpoint.
    pub(crate) fn fetch(url: &str) -> Result<Self> {
        let failed = |error: ureq::Error| {
            let what = format!(
                "{url} does not answer ({error}); name the endpoint of a running process, such as \
                 http://127.0.0.1:9464/metrics"
            );
            Failure::new("io", what).unusable()
        };
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT));
        let agent: ureq::Agent = config.build().into();
        let mut response = agent.get(url).call().map_err(failed)?;
        let text = response.body_mut().read_to_string().map_err(failed)?;
        let mut readings = text::parse(&text).map_err(|line| {
            Failure::invalid(format!("{url} is no endpoint of metrics: it says {line:?}"))
                .unusable()
        })?;
        let is_ours = |reading: &Reading| reading.name.starts_with("sapwood_");
        if !readings.iter().any(is_ours) {
            let what = format!("{url} has no metrics of a store; is it another program's?");
            return Err(Failure::new("not_found", what).unusable());
        }
        // Exporters give them in any order.
        readings.sort_by_cached_key(|reading| {
            let place = metric_of(&reading.name)
                .and_then(|metric| METRICS.iter().position(|one| *one == metric));
            let labels = reading.labels.clone();
            (place.unwrap_or(usize::MAX), reading.name.clone(), labels)
        });
        Ok(Self {
            at: Instant::now(),
            readings,
        })
    }

    /// The stores that it has, by name.
    pub(crate) fn stores(&self) -> Vec<String> {
        let stores = self
            .readings
            .iter()
            .filter_map(|reading| reading.labels.get("store"));
        let mut stores: Vec<_> = stores.cloned().collect();
        stores.sort();
        stores.dedup();
        stores
    }

    /// The readings of one store.
    pub(crate) fn of_store(mut self, store: &str) -> Self {
        let is_of = |reading: &Reading| reading.labels.get("store").is_some_and(|one| one == store);
        self.readings.retain(is_of);
        self
    }

    /// The readings of a name, as far as they have these labels.
    pub(crate) fn of<'s>(
        &'s self,
        name: &'s str,
        labels: &'s [(&'s str, &'s str)],
    ) -> impl Iterator<Item = &'s Reading> {
        let has = |reading: &Reading, (label, value): &(&str, &str)| {
            reading.labels.get(*label).is_some_and(|one| one == value)
        };
        self.readings
            .iter()
            .filter(move |reading| reading.name == name)
            .filter(move |reading| labels.iter().all(|label| has(reading, label)))
    }

    /// Their sum; 0 where there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // The sum of nothing is -0.
        self.of(name, labels)
            .map(|reading| reading.value)
            .sum::<f64>()
            + 0.0
    }
}
