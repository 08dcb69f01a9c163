//! What timestamps promise: snapshots, the order of commits, the first committer.
//!
//! Here the states are known: the one at a timestamp is made of the last version of each key at or
//! below it. So each read is compared with the one state that it must be of.

use std::collections::BTreeMap;

use crate::{
    anomaly::{Anomaly, Class},
    history::{History, Id, Level},
    reads::{Orders, Read},
};

pub(crate) fn check(history: &History, orders: &Orders, reads: &[Read]) -> Vec<Anomaly> {
    let mut found = Vec::new();
    timestamps_are_the_order(history, orders, &mut found);
    reads_are_of_the_snapshot(history, orders, reads, &mut found);
    reads_hold_until_the_commit(history, orders, reads, &mut found);
    the_first_committer_wins(history, orders, &mut found);
    what_ended_before_is_seen(history, orders, &mut found);
    found
}

/// Whether a commit takes a timestamp of its own.
fn is_writer(orders: &Orders, id: usize) -> bool {
    !orders.installs[id].is_empty()
}

fn timestamps_are_the_order(history: &History, orders: &Orders, found: &mut Vec<Anomaly>) {
    let mut tell = |story| found.push(Anomaly::new(Class::TimestampOrder, story));
    for (key, order) in orders.keys() {
        for (place, pair) in order.windows(2).enumerate() {
            if pair[0].timestamp > pair[1].timestamp {
                let (one, two) = (orders.name(key, place + 1), orders.name(key, place + 2));
                let at = (pair[0].timestamp, pair[1].timestamp);
                tell(format!(
                    "{one} comes before {two}, their timestamps are {at:?}"
                ));
            }
        }
    }
    let mut taken = BTreeMap::new();
    for (number, transaction) in history.transactions.iter().enumerate() {
        if let Some(timestamp) = transaction
            .timestamp()
            .filter(|_| is_writer(orders, number))
        {
            if let Some(other) = taken.insert(timestamp, number) {
                tell(format!(
                    "{} and {} both have timestamp {timestamp}",
                    Id(other),
                    Id(number)
                ));
            }
            if transaction
                .snapshot
                .is_some_and(|snapshot| snapshot >= timestamp)
            {
                let snapshot = transaction.snapshot;
                tell(format!(
                    "{} read at {snapshot:?}, committed at {timestamp}",
                    Id(number)
                ));
            }
        }
    }
}

/// At every level, and for aborted transactions too.
fn reads_are_of_the_snapshot(
    history: &History,
    orders: &Orders,
    reads: &[Read],
    found: &mut Vec<Anomaly>,
) {
    for read in reads {
        let Some(snapshot) = history.transactions[read.by.0].snapshot else {
            continue;
        };
        let right = orders.seen_at(&read.key, snapshot);
        if read.place != right {
            let (saw, right) = (
                orders.name(&read.key, read.place),
                orders.name(&read.key, right),
            );
            let story = format!(
                "{} read {saw}, at its snapshot {snapshot} is {right}",
                read.by
            );
            found.push(Anomaly::new(Class::NotOfSnapshot, story));
        }
    }
}

fn reads_hold_until_the_commit(
    history: &History,
    orders: &Orders,
    reads: &[Read],
    found: &mut Vec<Anomaly>,
) {
    for read in reads.iter().filter(|read| read.tracked) {
        let transaction = &history.transactions[read.by.0];
        let promised = transaction.level == Level::Serializable && is_writer(orders, read.by.0);
        let Some(timestamp) = transaction.timestamp().filter(|_| promised) else {
            continue;
        };
        let right = orders.seen_at(&read.key, timestamp.saturating_sub(1));
        if read.place != right {
            let (saw, right) = (
                orders.name(&read.key, read.place),
                orders.name(&read.key, right),
            );
            let by = read.by;
            let story = format!("{by} read {saw}, just before its commit {timestamp} is {right}");
            found.push(Anomaly::new(Class::NotOfCommit, story));
        }
    }
}

fn the_first_committer_wins(history: &History, orders: &Orders, found: &mut Vec<Anomaly>) {
    for (key, order) in orders.keys() {
        for (place, pair) in order.windows(2).enumerate() {
            let later = &history.transactions[pair[1].by.0];
            // A direct commit reads nothing, and overlaps with nobody.
            let overlaps = later.snapshot.zip(pair[0].timestamp);
            if let Some((snapshot, first)) = overlaps.filter(|(snapshot, first)| snapshot < first) {
                let (one, two) = (orders.name(key, place + 1), orders.name(key, place + 2));
                let story =
                    format!("{one} was committed at {first}, {two} although it read at {snapshot}");
                found.push(Anomaly::new(Class::FirstCommitterLost, story));
            }
        }
    }
}

/// A commit that had returned before another transaction began is seen by it, and ordered before.
fn what_ended_before_is_seen(history: &History, orders: &Orders, found: &mut Vec<Anomaly>) {
    let spans = history.transactions.iter().enumerate();
    let spans = spans.filter_map(|(number, transaction)| {
        let (began, ended) = transaction.span?;
        Some((number, transaction, began, ended))
    });
    let mut begins = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for (number, transaction, began, ended) in spans {
        let own = transaction
            .timestamp()
            .filter(|_| is_writer(orders, number));
        // A commit without a snapshot is only ordered after what it must follow.
        let sees = transaction.snapshot.or(own.map(|own| own - 1));
        begins.extend(sees.map(|sees| (began, (number, sees))));
        ends.extend(own.map(|own| (ended, (own, number))));
    }
    let mut newest = None;
    let mut ends = ends.into_iter().peekable();
    for (began, (number, sees)) in begins {
        while let Some((_, ended)) = ends.next_if(|(ended, _)| *ended < began) {
            newest = newest.max(Some(ended));
        }
        if let Some((timestamp, before)) = newest.filter(|(timestamp, _)| *timestamp > sees) {
            let (before, id) = (Id(before), Id(number));
            let story = format!(
                "{before} had committed at {timestamp} before {id} began, which sees {sees}"
            );
            found.push(Anomaly::new(Class::RealTime, story));
        }
    }
}
