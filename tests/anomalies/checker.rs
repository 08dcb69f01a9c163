//! The checker: a history in, anomalies out.

use std::collections::BTreeSet;

use crate::{
    anomaly::{Anomaly, Class},
    cycles,
    graph::Graph,
    history::History,
    order,
    reads::{self, Orders},
};

/// What each of a history's transactions was promised and did not get.
pub(crate) fn check(history: &History) -> Vec<Anomaly> {
    let orders = Orders::new(history);
    let (reads, mut found) = reads::collect(history, &orders);
    let graph = Graph::new(history, &orders, &reads);
    found.extend(cycles::find(&graph, &orders, &reads));
    found.extend(order::check(history, &orders, &reads));
    found
}

/// The classes that are found.
pub(crate) fn classes(history: &History) -> BTreeSet<Class> {
    check(history).iter().map(|anomaly| anomaly.class).collect()
}

/// Fails where anything is found, and prints it.
pub(crate) fn assert_clean(history: &History, what: &str) {
    let found = check(history);
    let stories: Vec<_> = found.iter().take(10).map(ToString::to_string).collect();
    let all = found.len();
    assert!(
        found.is_empty(),
        "{what}: {all} anomalies\n{}",
        stories.join("\n")
    );
}
