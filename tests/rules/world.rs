//! One run: disk, memory and truth, and the steps that others take between a reader's look-ups.
//!
//! Reads are written as straight code that calls [`World::tick`] between two look-ups; there the
//! committer, prune, pins, filters, other readers and crashes take a random number of steps. Every
//! choice comes from one seeded generator, so that a seed is a schedule.

use std::{collections::BTreeMap, fmt::Display};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{Timestamp, storage::PruneRule};

use super::{
    control::{self, Control},
    disk::{Disk, PinName, Value},
    filter,
    guards::SHARDS,
    memory::Memory,
    mutant::Mutant,
    truth::Truth,
    writer,
};

/// Why a client's work ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The process died: whatever was under way is void.
    Crashed,
    /// A wrong answer.
    Wrong(String),
}

pub(crate) type Step<T> = Result<T, Stop>;

/// A wrong answer.
pub(crate) fn wrong<T>(what: impl Display) -> Step<T> {
    Err(Stop::Wrong(what.to_string()))
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) mutant: Option<Mutant>,
    pub(crate) disk: Disk,
    pub(crate) memory: Memory,
    pub(crate) truth: Truth,
    /// The pins that clients were told of: reads at them must succeed.
    pub(crate) owed: BTreeMap<PinName, Timestamp>,
    /// How many steps others take between two look-ups; none at 0.
    pub(crate) haste: u32,
    rng: ChaCha8Rng,
    /// How often each kind of step is taken: commits, controls, filters, readers, crashes.
    weights: [u32; 5],
    /// How often a crash comes in the middle of a prune, pin or unpin.
    crashes_between: u32,
    values: Value,
    trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, traced: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (weights, crashes_between) = match rng.random_range(0..4) {
            0 => ([450, 200, 300, 45, 1], 0),
            1 => ([100, 450, 400, 45, 1], 0),
            2 => ([200, 350, 400, 45, 1], 0),
            _ => ([250, 350, 300, 60, 4], 2),
        };
        Self {
            mutant,
            disk: Disk::default(),
            memory: Memory::default(),
            truth: Truth::default(),
            owed: BTreeMap::new(),
            haste: 1,
            rng,
            weights,
            crashes_between,
            values: 0,
            trace: traced.then(Vec::new),
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Notes what happens, where a trace is wanted.
    pub(crate) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    pub(crate) fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    /// True `numerator` times in `denominator`.
    pub(crate) fn chance(&mut self, numerator: u32, denominator: u32) -> bool {
        self.rng.random_ratio(numerator, denominator)
    }

    /// A number from 0 to `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.rng.random_range(0..=most)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.rng.random_range(0..from.len())).copied()
    }

    /// Which of several things to do, by weight.
    pub(crate) fn choose<const N: usize>(&mut self, weights: [u32; N]) -> usize {
        let mut drawn = self.rng.random_range(0..weights.iter().sum());
        for (index, weight) in weights.into_iter().enumerate() {
            if drawn < weight {
                return index;
            }
            drawn -= weight;
        }
        0
    }

    pub(crate) fn next_value(&mut self) -> Value {
        self.values += 1;
        self.values
    }

    /// A timestamp from `from` to `to`, more often one near where something may go wrong.
    pub(crate) fn time_between(&mut self, from: Timestamp, to: Timestamp) -> Timestamp {
        let (from, to) = (from.get().min(to.get()), to.get());
        let target = self
            .memory
            .controls
            .first()
            .map_or(self.memory.floor, Control::target);
        let by = self.up_to(2);
        let drawn = match self.up_to(7) {
            0 => (self.memory.floor.get() + by).saturating_sub(1),
            1 => (self.memory.visible.get() + by).saturating_sub(1),
            // Below a floor that is about to rise.
            2..=4 => (target.get() + by).saturating_sub(2),
            _ => from + self.up_to(to - from),
        };
        Timestamp::new(drawn.clamp(from, to))
    }

    /// A timestamp that may be read now.
    pub(crate) fn readable_time(&mut self) -> Timestamp {
        self.time_between(self.memory.floor, self.memory.visible)
    }

    /// What others do between two look-ups of a reader.
    pub(crate) fn tick(&mut self) -> Step<()> {
        let idle = match self.haste {
            0 => return Ok(()),
            haste => 24 / haste.min(12),
        };
        match self.choose([idle, 6, 2, 3, 4, self.crashes_between]) {
            0 => {}
            1 => {
                for _ in 0..=self.up_to(u64::from(self.haste)) {
                    self.step_of_others()?;
                }
            }
            2 => control::steps_into_a_race(self),
            3 => writer::steps_to_an_unpublished_commit(self),
            4 => {
                control::steps_to_the_end(self);
                filter::sweep(self);
            }
            _ => {
                control::steps_into_a_race(self);
                filter::sweep(self);
                return self.crash();
            }
        }
        Ok(())
    }

    pub(crate) fn step_of_others(&mut self) -> Step<()> {
        match self.choose(self.weights) {
            0 => {
                for _ in 0..self.pick(&[1, 1, 1, 2, 8]).unwrap_or(1) {
                    writer::step(self);
                }
            }
            1 => {
                for _ in 0..self.pick(&[1, 1, 1, 2, 4, 12]).unwrap_or(1) {
                    control::step(self);
                }
            }
            2 => filter::step(self),
            3 => self.other_readers(),
            _ => return self.crash(),
        }
        Ok(())
    }

    /// Guards that others take and release: they hold back the floor, no more.
    fn other_readers(&mut self) {
        if self.memory.others.is_empty() && self.chance(1, 3) {
            let at = self.readable_time();
            let shard = self.pick(&SHARDS).unwrap_or(0);
            if at >= self.memory.floor {
                let guard = self.memory.guards.register(shard, at);
                self.memory.others.push(guard);
                self.trace(|| format!("another reader takes a guard at {at:?}"));
            }
        } else if let Some(guard) = self.memory.others.pop() {
            self.memory.guards.release(guard);
            self.trace(|| "another reader releases its guard".into());
        }
    }

    /// The process dies, with or without the newest commits, and the store is opened again.
    fn crash(&mut self) -> Step<()> {
        // A crash of the process alone loses nothing that was written.
        let most = self.disk.unsynced_commits() as u64;
        let lost = if self.chance(1, 2) {
            0
        } else {
            self.up_to(most)
        };
        self.disk.crash(usize::try_from(lost).unwrap_or(0));
        self.truth.forget_above(self.disk.last_commit);
        self.memory = Memory::open(&self.disk);
        let (newest, meta) = (self.disk.last_commit, self.disk.meta.clone());
        self.trace(|| format!("crash: {lost} commits lost, the last is {newest:?}, {meta:?}"));
        // Filters may run before the pins are loaded.
        if self.is(Mutant::FiltersArmedBeforePinsLoaded) {
            self.memory.rule = PruneRule::new(self.memory.floor, []);
        }
        if self.chance(1, 2) {
            filter::begin_pass(self);
        }
        self.memory.rule = self.memory.named_rule();
        // What is listed after opening is owed as well.
        for (name, at) in &self.memory.pins {
            self.owed.insert(*name, *at);
        }
        Err(Stop::Crashed)
    }
}
