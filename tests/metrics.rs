//! Every metric of the table is moved by a scenario, through a recorder; the documents say what the table says; slow
//! operations have spans.

#![cfg(all(feature = "rocksdb-storage", feature = "metrics"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "metrics/blocks.rs"]
mod blocks;
#[path = "metrics/commits.rs"]
mod commits;
#[path = "metrics/documents.rs"]
mod documents;
#[path = "metrics/operations.rs"]
mod operations;
#[path = "metrics/retention.rs"]
mod retention;
#[path = "metrics/rocksdb.rs"]
mod rocksdb;
#[path = "metrics/spans.rs"]
mod spans;
#[path = "metrics/world.rs"]
mod world;

use std::collections::BTreeSet;

use sapwood::{
    Engine, ErrorKind,
    metrics::{METRICS, MetricKind},
};
use world::World;

/// What is done, and which series of the recorder it must move: `name`, or `name{label=value|value}`.
struct Scenario {
    moves: &'static [&'static str],
    run: fn(&mut World),
}

macro_rules! scenarios {
    ($($test:ident: $scenario:path,)*) => {
        $(#[test]
        fn $test() {
            check(&$scenario);
        })*

        const SCENARIOS: &[&Scenario] = &[$(&$scenario),*];
    };
}

scenarios! {
    commits_are_counted_and_timed_by_stage: commits::COMMITS,
    conflicts_are_counted_by_kind: commits::CONFLICTS,
    commits_that_wait_for_the_merge_are_timed: commits::WAITS,
    holds_are_seen_with_their_age: retention::HOLDS,
    pruning_is_counted_and_depths_are_known: retention::PRUNING,
    retention_debt_is_seen_and_waits_are_timed: retention::DEBT,
    slow_operations_are_timed: operations::OPERATIONS,
    blocks_are_counted_and_timed: blocks::BLOCKS,
    blocks_that_meet_on_keys_show_it: blocks::CONTENTION,
    files_and_memory_of_rocksdb_are_seen: rocksdb::FILES,
    the_capacity_of_the_cache_is_what_was_configured: rocksdb::CAPACITY,
    rocksdb_counts_and_times_where_asked_to: rocksdb::STATISTICS,
    stalls_are_seen: rocksdb::STALLS,
    errors_of_background_jobs_are_seen: rocksdb::ERRORS,
}

fn check(scenario: &Scenario) {
    let mut world = World::new(|_| {});
    (scenario.run)(&mut world);
    world.look();
    let still: Vec<_> = scenario
        .moves
        .iter()
        .flat_map(|claim| claims(claim))
        .collect();
    let still: Vec<_> = still
        .iter()
        .filter(|claim| !world.has_moved(claim))
        .collect();
    assert!(still.is_empty(), "not moved: {still:?}");
}

/// `name{label=a|b}` as `(name, label=a)` and `(name, label=b)`.
fn claims(claim: &str) -> Vec<(String, String)> {
    let Some((name, label)) = claim.split_once('{') else {
        return vec![(claim.to_owned(), String::new())];
    };
    let label = label.trim_end_matches('}');
    let (label, values) = label.split_once('=').expect("label=value");
    let value = |value: &str| (name.to_owned(), format!("{label}={value}"));
    values.split('|').map(value).collect()
}

/// A metric, or a value of a label, that no scenario moves is not known to work.
#[test]
fn every_metric_of_the_table_is_moved_by_a_scenario() {
    let mut expected = BTreeSet::new();
    for metric in METRICS {
        if metric.labels.is_empty() {
            expected.insert((metric.name.to_owned(), String::new()));
        }
        for label in metric.labels {
            let values = label.values.iter();
            let values = values.map(|value| format!("{}={value}", label.name));
            expected.extend(values.map(|value| (metric.name.to_owned(), value)));
        }
    }
    let moved = SCENARIOS.iter().flat_map(|scenario| scenario.moves);
    let moved: BTreeSet<_> = moved.flat_map(|claim| claims(claim)).collect();
    let missing: Vec<_> = expected.difference(&moved).collect();
    assert!(missing.is_empty(), "no scenario moves {missing:?}");
    let unknown: Vec<_> = moved.difference(&expected).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}

#[test]
fn samples_are_of_counters_and_gauges_and_have_the_labels_of_the_table() {
    let world = World::new(|config| config.enable_statistics = true);
    let samples = world.engine.samples().expect("samples");
    for metric in METRICS {
        let of_metric: Vec<_> = samples.iter().filter(|one| one.metric == *metric).collect();
        if metric.kind == MetricKind::Histogram {
            assert!(of_metric.is_empty(), "{}", metric.name);
            continue;
        }
        assert!(!of_metric.is_empty(), "{} has no sample", metric.name);
        for sample in of_metric {
            let names: Vec<_> = metric.labels.iter().map(|label| label.name).collect();
            let has: Vec<_> = sample.labels.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, has, "{}", metric.name);
            for (label, (_, value)) in metric.labels.iter().zip(&sample.labels) {
                let is_known = label.values.is_empty() || label.values.contains(&&**value);
                assert!(is_known, "{}: {}={value}", metric.name, label.name);
            }
        }
    }
    let mut series: Vec<_> = samples
        .iter()
        .map(|sample| (sample.metric.name, sample.labels.clone()))
        .collect();
    let all = series.len();
    series.sort();
    series.dedup();
    assert_eq!(series.len(), all, "a series is there twice");
}

#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let name = metric.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("sapwood_"), "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, metric.kind == MetricKind::Counter, "{name}");
        let stem = name.trim_end_matches("_total");
        let unit = metric.unit.to_string();
        if ["seconds", "microseconds", "bytes", "timestamp"].contains(&unit.as_str()) {
            let is_distance = unit == "timestamp" && stem.ends_with("_lag");
            assert!(stem.ends_with(&unit) || is_distance, "{name} is in {unit}");
        }
        // These are Prometheus's own, or ours for the store.
        let taken = ["job", "instance", "le", "store"];
        let mut labels = metric.labels.iter();
        assert!(labels.all(|label| !taken.contains(&label.name)), "{name}");
        assert!(metric.meaning.ends_with('.'), "{name}: {}", metric.meaning);
    }
}

#[test]
fn a_store_has_one_name_and_others_have_another() {
    let world = World::new(|_| {});
    assert_eq!(world.metrics.store(), "test");
    world.engine.metrics("test").expect("the same name");
    let refused = world.engine.metrics("other").map(|_| ());
    assert!(matches!(
        refused.expect_err("another").kind(),
        ErrorKind::Invalid
    ));
    let refused = world.engine.metrics("").map(|_| ());
    assert!(matches!(
        refused.expect_err("none").kind(),
        ErrorKind::Invalid
    ));

    // Two stores in one recorder are told apart.
    let other = Engine::in_memory();
    let other_metrics = world.within(|| other.metrics("memory")).expect("metrics");
    other.set(b"key", b"value").expect("a commit");
    world.within(|| other_metrics.record()).expect("recorded");
    let mut stores = BTreeSet::new();
    for (key, ..) in world.snapshot() {
        let of_store = key.key().labels().find(|label| label.key() == "store");
        stores.insert(of_store.expect("a store").value().to_owned());
    }
    let expected = ["memory", "test"].map(str::to_owned);
    assert_eq!(stores, BTreeSet::from(expected));
}

#[test]
fn a_closed_store_has_no_samples_any_more() {
    let world = World::new(|_| {});
    world.engine.close().expect("closed");
    for refused in [
        world.engine.samples().map(|_| ()),
        world.metrics.record(),
        world.engine.metrics("test").map(|_| ()),
    ] {
        assert!(matches!(
            refused.expect_err("closed").kind(),
            ErrorKind::Closed
        ));
    }
}

/// Where nobody has asked for metrics, nothing is recorded.
#[test]
fn nothing_is_recorded_of_a_store_that_was_not_named() {
    let world = World::new(|_| {});
    let other = Engine::in_memory();
    world
        .within(|| other.set(b"key", b"value"))
        .expect("a commit");
    let mut seen = world.snapshot().into_iter();
    assert!(seen.all(|(key, ..)| {
        let mut labels = key.key().labels();
        labels.any(|label| label.value() == "test")
    }));
}
