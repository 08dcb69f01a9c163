//! Tiny random histories, right and wrong ones: the checker finds something exactly where a search
//! through all orders finds none that fits.

use rand::{RngExt, SeedableRng, seq::IndexedRandom, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    brute::Trial,
    checker::check,
    history::{Event, History, Id, Key, Level, Version},
    seeds::{Seed, seeds},
};

const SEEDS: u64 = 20_000;
const KEYS: [&str; 3] = ["x", "y", "z"];

/// Writes first, then reads that see any of them, more often one that fits.
fn tiny(random: &mut ChaCha8Rng, level: impl Fn(&mut ChaCha8Rng) -> Level) -> History {
    let mut history = History::default();
    let keys = random.random_range(1..=KEYS.len());
    for _ in 0..random.random_range(2..=4) {
        let level = level(random);
        let id = history.begin(level);
        for _ in 0..random.random_range(1..=4) {
            let key = KEYS[random.random_range(0..keys)];
            match random.random_range(0..10) {
                0..=2 => drop(history.set(id, key)),
                3 => drop(history.delete(id, key)),
                4..=7 => history.read(id, key, Version::Missing),
                8 => history.scan(id, .., &[]),
                _ => {
                    history.event(id, Event::Savepoint);
                    history.set(id, key);
                    history.event(id, Event::RollbackTo(0));
                }
            }
        }
        // Only the first savepoint is ever gone back to.
        let events = &mut history.transactions[id.0].events;
        let first = events.iter().position(|event| *event == Event::Savepoint);
        let mut number = 0;
        events.retain(|event| {
            number += 1;
            *event != Event::Savepoint || Some(number - 1) == first
        });
    }
    let ids: Vec<_> = (0..history.transactions.len()).map(Id).collect();
    for id in &ids {
        if random.random_bool(0.9) {
            history.commit(*id);
        }
    }
    for versions in history.order.values_mut() {
        if random.random_bool(0.1) {
            versions.shuffle(random);
        }
    }
    for id in ids {
        if history.transactions[id.0].is_committed() {
            see(&mut history, id, random);
        } else {
            // What aborted ones see is only their own.
            let blind = |event: &Event| !matches!(event, Event::Read { .. } | Event::Scan { .. });
            history.transactions[id.0].events.retain(blind);
        }
    }
    history
}

/// Fills in what the reads of a transaction saw.
fn see(history: &mut History, id: Id, random: &mut ChaCha8Rng) {
    let before = history.clone();
    let mut own = crate::history::Own::default();
    let choose = |key: &str, own: &crate::history::Own, random: &mut ChaCha8Rng| {
        let right = own
            .writes
            .get(key)
            .map(|(nth, _)| Version::Written(id, *nth));
        if let Some(right) = right.filter(|_| random.random_bool(0.97)) {
            return right;
        }
        let order = before.order.get(key).map_or(&[][..], Vec::as_slice);
        let mut versions = vec![Version::Missing];
        versions.extend(
            order
                .iter()
                .filter(|version| !matches!(version, Version::Written(by, _) if *by == id)),
        );
        if random.random_bool(0.05) {
            for (by, transaction) in before.transactions.iter().enumerate() {
                let writes = transaction
                    .writes()
                    .enumerate()
                    .filter(|(_, (k, _))| *k == key);
                versions.extend(writes.map(|(nth, _)| Version::Written(Id(by), nth)));
            }
        }
        *versions.choose(random).unwrap()
    };
    for event in &mut history.transactions[id.0].events {
        match event {
            Event::Read { key, saw, .. } => *saw = choose(key, &own, random),
            Event::Scan { rows, .. } => {
                for key in before.keys() {
                    let saw = choose(key, &own, random);
                    if saw != Version::Missing {
                        rows.insert(Key::clone(key), saw);
                    }
                }
            }
            _ => {}
        }
        own.apply(event);
    }
}

/// Compares the checker with the search, and counts the good and the bad.
fn compare(level: Level) {
    let mut counts = [0, 0];
    for seed in seeds(SEEDS) {
        let _named = Seed(seed);
        let history = tiny(&mut ChaCha8Rng::seed_from_u64(seed), |_| level);
        let found = check(&history);
        let trial = Trial::new(&history);
        let good = match level {
            Level::Serializable => trial.is_serializable(),
            Level::Snapshot => trial.is_snapshot_isolated(),
        };
        counts[usize::from(good)] += 1;
        let stories: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.is_empty(), good, "{}\n{history}", stories.join("\n"));
    }
    println!(
        "{level:?}: {} bad histories, {} good ones",
        counts[0], counts[1]
    );
    assert!(
        seeds(SEEDS).count() < 1000 || counts.iter().all(|count| *count > 100),
        "{counts:?}"
    );
}

#[test]
fn serializable_is_what_can_be_put_in_a_row() {
    compare(Level::Serializable);
}

#[test]
fn snapshot_is_what_has_moments_for_begins_and_commits() {
    compare(Level::Snapshot);
}

/// What holds for all holds for some.
#[test]
fn mixed_levels_are_never_blamed_for_what_all_would_be_allowed() {
    for seed in seeds(SEEDS) {
        let _named = Seed(seed);
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let mixed = tiny(random, |random| {
            if random.random_bool(0.5) {
                Level::Snapshot
            } else {
                Level::Serializable
            }
        });
        let at = |level| {
            let mut history = mixed.clone();
            history
                .transactions
                .iter_mut()
                .for_each(|transaction| transaction.level = level);
            check(&history).is_empty()
        };
        let mixed = check(&mixed).is_empty();
        assert!(mixed <= at(Level::Snapshot));
        assert!(mixed >= at(Level::Serializable));
    }
}
