//! The rules of the versioned layout, as a model: random schedules in which commits, reads, scans,
//! diffs, prunes, pins, filters and crashes take their steps between one another, every answer
//! compared with the truth; and then the same with each rule broken, which must be noticed.
//!
//! The rules are the numbered ones of the layout, 1 to 12. Where a rule is a pure function, the
//! model calls the one that ships ([`sapwood::storage`], [`sapwood::codec`]); the rest (orders,
//! checks, locks) is restated here in its shortest form, one module for each concept:
//!
//! | module | rules |
//! |---|---|
//! | `disk`, `writer` | 1, 8 |
//! | `point` | 2 to 5, 8 |
//! | `guarded`, `guards` | 5, 6 |
//! | `scan` | 7, 8 |
//! | `listing` | 5 |
//! | `control` | 6, 9, 10 and the steps of prune |
//! | `filter` | the pruning rule, 12 |
//! | `diff` | 12 |
//! | `verify`, `damage` | 4, 11 |
//!
//! Schedules are drawn so that races are met often: others stop in the middle of a prune, pin or
//! unpin, or run it to its end and filter everything, between any two look-ups of a reader.
//!
//! Two choices differ from the usual protocol, and are tested here. Prune waits for no reader: what
//! guards below the new floor see is kept as if it were pinned. And a removed pin whose readers are
//! still at work stays among the pins that filters are given.
//!
//! Left out: rollback and the recent-versions table (rules 13 to 22); the bytes of rows; failed
//! writes; threads. A step is atomic; that each really is so is for other tests.
//!
//! `SEEDS` sets how many schedules the right rules must stand (300 without it).

mod rules {
    mod client;
    mod control;
    mod damage;
    mod diff;
    mod disk;
    mod filter;
    mod guarded;
    mod guards;
    mod listing;
    mod memory;
    pub(crate) mod mutant;
    mod point;
    mod scan;
    mod truth;
    mod verify;
    mod world;
    mod writer;

    use self::{mutant::Mutant, world::World};

    /// Runs one schedule; the error says which answer was wrong.
    pub(crate) fn run(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
        client::run(&mut World::new(seed, mutant, false))
    }

    /// Runs a schedule once more, to tell its steps.
    pub(crate) fn trace(seed: u64, mutant: Option<Mutant>) -> String {
        let mut world = World::new(seed, mutant, true);
        // The error is known from the first run.
        let _ = client::run(&mut world);
        world.into_trace().join("\n")
    }
}

use rules::mutant::Mutant;

/// How many schedules a wrong rule may survive.
const MUTANT_SEEDS: u64 = 5000;

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the number of schedules is part of the result"
)]
fn the_rules_answer_every_read_rightly() {
    let seeds = std::env::var("SEEDS").map_or(300, |seeds| seeds.parse().unwrap());
    println!("SEEDS={seeds}");
    for seed in 0..seeds {
        if let Err(error) = rules::run(seed, None) {
            panic!("{}\nseed {seed}: {error}", rules::trace(seed, None));
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is part of the result")]
fn every_wrong_rule_is_caught() {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let caught =
            (0..MUTANT_SEEDS).find_map(|seed| Some((seed, rules::run(seed, Some(*mutant)).err()?)));
        let what = mutant.what();
        let rule = match mutant.rule() {
            0 => "  prune".into(),
            rule => format!("rule {rule:>2}"),
        };
        match caught {
            Some((seed, error)) => {
                println!("{rule}  seed {seed:>4}  {mutant:?}: {what}\n    {error}");
            }
            None => survivors.push(mutant),
        }
    }
    assert!(
        survivors.is_empty(),
        "wrong rules that no schedule noticed: {survivors:?}"
    );
}

#[test]
fn each_rule_is_broken_at_least_once() {
    for rule in 1..=12 {
        assert!(
            Mutant::ALL.iter().any(|mutant| mutant.rule() == rule),
            "rule {rule}"
        );
    }
}
