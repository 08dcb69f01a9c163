//! Right histories are clean; with one thing changed they are not.

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    anomaly::Class,
    checker::{assert_clean, check, classes},
    history::{
        Event, History, Id, Key,
        Level::{self, Serializable, Snapshot},
        Outcome, Own, Version,
    },
    right::Right,
    seeds::{Seed, seeds},
};

const SEEDS: u64 = 1000;

/// Serial histories, and such of transactions that overlap.
fn each(mut test: impl FnMut(&History, &mut ChaCha8Rng)) {
    for seed in seeds(SEEDS) {
        let _named = Seed(seed);
        let levels: &[Level] = match seed % 3 {
            0 => &[Serializable],
            1 => &[Snapshot],
            _ => &[Serializable, Snapshot],
        };
        let open = [1, 1, 4, 12][usize::try_from(seed / 3 % 4).unwrap()];
        let history = Right::history(seed, 30, open, levels);
        test(&history, &mut ChaCha8Rng::seed_from_u64(!seed));
    }
}

fn without_timestamps(history: &History) -> History {
    let mut bare = history.clone();
    for transaction in &mut bare.transactions {
        transaction.snapshot = None;
        transaction.span = None;
        if transaction.is_committed() {
            transaction.outcome = Outcome::Committed(None);
        }
    }
    bare
}

/// The values of a key that a read might have seen, others' only.
fn values(history: &History, key: &str, by: Id) -> Vec<Version> {
    let all = history
        .transactions
        .iter()
        .enumerate()
        .filter(|(id, _)| Id(*id) != by);
    let values = all.flat_map(|(id, transaction)| {
        let writes = transaction.writes().enumerate();
        let values = writes.filter(|(_, (k, live))| *k == key && *live);
        values.map(move |(nth, _)| Version::Written(Id(id), nth))
    });
    values.collect()
}

/// The places of events that see a key which their transaction has not written before.
fn places(history: &History, wanted: impl Fn(&Event, &Own) -> bool) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (id, transaction) in history.transactions.iter().enumerate() {
        let mut own = Own::default();
        for (place, event) in transaction.events.iter().enumerate() {
            if wanted(event, &own) {
                places.push((id, place));
            }
            own.apply(event);
        }
    }
    places
}

#[test]
fn right_histories_are_clean() {
    let mut committed = [0, 0];
    each(|history, _| {
        assert_clean(history, "right");
        for transaction in &history.transactions {
            committed[usize::from(transaction.is_committed())] += 1;
        }
        // Serial ones need no timestamps; which delete was seen is all that cannot be told.
        let deletes = history
            .transactions
            .iter()
            .any(|t| t.writes().any(|(_, live)| !live));
        if !deletes {
            assert_clean(&without_timestamps(history), "without timestamps");
        }
    });
    println!("{} aborted, {} committed", committed[0], committed[1]);
}

#[test]
fn a_point_read_of_another_version_is_found() {
    let mut changed = 0;
    each(|history, random| {
        let own_is_not_read = |event: &Event, own: &Own| matches!(event, Event::Read { key, .. } if !own.writes.contains_key(key));
        let Some((id, place)) = places(history, own_is_not_read).choose(random).copied() else {
            return;
        };
        let mut history = history.clone();
        let Event::Read { key, saw, .. } = history.transactions[id].events[place].clone() else {
            unreachable!()
        };
        let mut others = values(&history, &key, Id(id));
        others.push(Version::Missing);
        others.retain(|other| *other != saw);
        if let Some(other) = others.choose(random) {
            let event = &mut history.transactions[id].events[place];
            let Event::Read { saw, .. } = event else {
                unreachable!()
            };
            *saw = *other;
            changed += 1;
            assert!(
                !check(&history).is_empty(),
                "T{id} sees {key} as {other}\n{history}"
            );
        }
    });
    assert!(changed > seeds(SEEDS).count() / 2, "{changed}");
}

#[test]
fn a_row_that_a_scan_lost_or_changed_or_made_up_is_found() {
    let mut changed = [0; 3];
    each(|history, random| {
        let scans = places(history, |event, _| matches!(event, Event::Scan { .. }));
        let Some((id, place)) = scans.choose(random).copied() else {
            return;
        };
        let mut history = history.clone();
        let Event::Scan { range, rows } = history.transactions[id].events[place].clone() else {
            unreachable!()
        };
        let keys: Vec<Key> = history.keys().into_iter().cloned().collect();
        let inside = keys
            .into_iter()
            .filter(|key| std::ops::RangeBounds::contains(&range, key));
        let inside: Vec<_> = inside.collect();
        let Some(key) = inside.choose(random) else {
            return;
        };
        let saw = rows.get(key);
        let mut others = values(&history, key, Id(id));
        others.retain(|other| Some(other) != saw);
        let what = match saw {
            Some(_) => random.random_range(0..2),
            None => 2,
        };
        let Event::Scan { rows, .. } = &mut history.transactions[id].events[place] else {
            unreachable!()
        };
        if what == 0 {
            rows.remove(key);
        } else if let Some(other) = others.choose(random) {
            rows.insert(key.clone(), *other);
        } else {
            return;
        }
        changed[what] += 1;
        assert!(
            !check(&history).is_empty(),
            "T{id}: {key} was {saw:?}\n{history}"
        );
    });
    assert!(
        seeds(SEEDS).count() < 100 || changed.iter().all(|count| *count > 10),
        "{changed:?}"
    );
}

#[test]
fn versions_in_another_order_are_found() {
    let mut changed = 0;
    each(|history, random| {
        let mut history = history.clone();
        let orders: Vec<_> = history
            .order
            .values_mut()
            .filter(|order| order.len() > 1)
            .collect();
        if orders.is_empty() {
            return;
        }
        let chosen = random.random_range(0..orders.len());
        let order = orders.into_iter().nth(chosen).unwrap();
        let place = random.random_range(1..order.len());
        order.swap(place - 1, place);
        changed += 1;
        assert!(
            classes(&history).contains(&Class::TimestampOrder),
            "{history}"
        );
    });
    assert!(changed > seeds(SEEDS).count() / 2, "{changed}");
}

#[test]
fn a_writer_that_was_aborted_after_all_is_found() {
    let mut changed = 0;
    each(|history, random| {
        let reads = history
            .transactions
            .iter()
            .enumerate()
            .filter(|(_, t)| t.is_committed());
        let read = reads.flat_map(|(id, transaction)| {
            transaction
                .events
                .iter()
                .filter_map(move |event| match event {
                    Event::Read {
                        saw: Version::Written(by, _),
                        ..
                    } => Some(*by),
                    Event::Scan { rows, .. } => match rows.values().next() {
                        Some(Version::Written(by, _)) => Some(*by),
                        _ => None,
                    },
                    _ => None,
                })
                .filter(move |by| *by != Id(id))
        });
        let read: Vec<_> = read.collect();
        if let Some(by) = read.choose(random) {
            let mut history = history.clone();
            history.transactions[by.0].outcome = Outcome::Aborted;
            for order in history.order.values_mut() {
                order.retain(|version| !matches!(version, Version::Written(of, _) if of == by));
            }
            changed += 1;
            assert!(classes(&history).contains(&Class::G1a), "{by}\n{history}");
        }
    });
    assert!(changed > seeds(SEEDS).count() / 2, "{changed}");
}
