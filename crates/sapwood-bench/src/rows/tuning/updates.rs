//! Sustained updates of random keys that nobody has read: a round ends when every flush and compaction that is due is
//! done. And how long a store takes to open that was left with them in its log.

use std::{cell::Cell, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use super::{choice::Choice, lines, store, store::Content};
use crate::{
    convert::{float, length},
    harness::{Bench, Clock, Point, Sample, Work, sweep_rounds},
    report::{choices::Line, grouped},
    rows::world::World,
    zipf,
};

/// Keys of a batch.
const BATCH: usize = 1_000;
const MEMTABLES: &str = "rocksdb.size-all-mem-tables";

/// The most that stores took in memory while they were written to.
#[derive(Debug, Default)]
struct Peak {
    memtables: Cell<u64>,
    recent: Cell<u64>,
}

impl Peak {
    fn see(&self, world: &World) -> Result<()> {
        let ours = &world.ours;
        let told = ours.storage.get_property(MEMTABLES)?;
        let memtables = told
            .context("RocksDB does not tell its memtables")?
            .parse()?;
        self.memtables.set(self.memtables.get().max(memtables));
        let recent = ours.engine.stats().recent_bytes;
        self.recent.set(self.recent.get().max(recent));
        Ok(())
    }
}

/// What updates are made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) content: Content,
    /// Updates of a round in batches.
    pub(super) updates: u64,
    /// Updates of a round in commits of their own.
    pub(super) commits: u64,
    pub(super) rounds: u32,
}

impl Plan {
    pub(super) fn new(bench: &Bench) -> Self {
        let keys = bench.size.keys;
        Self {
            content: Content { keys, versions: 1 },
            updates: u64::from(keys) * 3 / 2,
            commits: u64::from(keys) / 4,
            rounds: if bench.size.is_quick { 4 } else { 6 },
        }
    }

    /// What the notes say of it.
    pub(super) fn note(self) -> String {
        format!(
            "{} keys; {} updates of 100 bytes in a round in batches of 1,000, {} in commits of one key; a round ends when all \
             flushes and compactions that are due are done.",
            grouped(float(self.content.keys.into())),
            grouped(float(self.updates)),
            grouped(float(self.commits)),
        )
    }
}

/// The stores of all choices, to be updated.
pub(super) struct Stores<'b> {
    bench: &'b Bench,
    plan: Plan,
    choices: Vec<Choice>,
    worlds: Vec<World>,
}

impl<'b> Stores<'b> {
    pub(super) fn make(bench: &'b Bench, plan: Plan, choices: &[Choice]) -> Result<Self> {
        Ok(Self {
            bench,
            plan,
            choices: choices.to_vec(),
            worlds: store::make(bench, choices, plan.content)?,
        })
    }

    /// Updates in batches, and the most memory that they took; then updates in commits of one key.
    pub(super) fn update(&self) -> Result<Vec<Line>> {
        let Plan {
            updates,
            commits,
            rounds,
            ..
        } = self.plan;
        let peaks: Vec<_> = self.worlds.iter().map(|_| Peak::default()).collect();
        self.bench.say("sustained updates in batches");
        let points = self.worlds.iter().zip(&peaks);
        let points = points.map(|(world, peak)| sustained(world, BATCH, Some(peak)));
        let batches = sweep_rounds(self.bench, rounds, Work::Fixed(updates), points.collect())?;
        self.bench.say("sustained updates one by one");
        let points = self.worlds.iter().map(|world| sustained(world, 1, None));
        let singly = sweep_rounds(self.bench, rounds, Work::Fixed(commits), points.collect())?;
        let mega = |of: fn(&Peak) -> u64| -> Vec<f64> {
            peaks.iter().map(|peak| float(of(peak)) / 1e6).collect()
        };
        let memtables = mega(|peak| peak.memtables.get());
        let recent = mega(|peak| peak.recent.get());
        Ok(vec![
            lines::rates("batches", "updates in batches, sustained", "op/s", &batches),
            lines::rates("commits", "commits of one key, sustained", "op/s", &singly),
            lines::counts("memtables", "memtables, at most", "MB", &memtables),
            lines::counts("recent", "recent versions, at most", "MB", &recent),
        ])
    }

    /// The time to open a store that was left behind its last updates, as a process leaves it that is killed: the log
    /// has what no file has.
    pub(super) fn open(&mut self) -> Result<Line> {
        self.bench.say("opening");
        let updates = self.plan.updates / 4;
        let mut left: Vec<_> = self.worlds.drain(..).map(Some).collect();
        let choices = self.choices.iter().enumerate();
        let points = left.iter_mut().zip(choices);
        let points = points.map(|(world, (number, choice))| {
            opening(world, store::path(self.bench, number), choice, updates)
        });
        let opened = sweep_rounds(
            self.bench,
            self.plan.rounds,
            Work::Fixed(1),
            points.collect(),
        )?;
        self.worlds.extend(left.into_iter().flatten());
        let what = "opening with the last updates in the log";
        Ok(lines::times("open", what, &opened))
    }

    pub(super) fn are_right(&self) -> Result<bool> {
        Ok(self.worlds.len() == self.choices.len() && store::are_right(&self.worlds)?)
    }
}

/// Updates, until all that follows from them is done.
fn sustained<'w>(world: &'w World, batch: usize, peak: Option<&'w Peak>) -> Point<'w> {
    Box::new(move |updates, round| {
        let seed = u64::from(round) + 300 + updates;
        let ids = zipf::uniform(world.data.len(), length(updates), seed);
        let writes = world.next(ids);
        Clock::Process.time(|| {
            for batch in writes.chunks(batch) {
                world.ours.write(world.data.rows(batch))?;
                if let Some(peak) = peak {
                    peak.see(world)?;
                }
            }
            world.ours.settle()?;
            Ok((updates, 0))
        })
    })
}

/// Opens a store that has some updates in its log only. The updates are not part of what is timed.
fn opening<'w>(
    slot: &'w mut Option<World>,
    path: PathBuf,
    choice: &'w Choice,
    updates: u64,
) -> Point<'w> {
    Box::new(move |work, round| {
        let world = slot.take().context("the store was not opened")?;
        let ids = zipf::uniform(world.data.len(), length(updates), u64::from(round) + 600);
        let writes = world.next(ids);
        for batch in writes.chunks(BATCH) {
            world.ours.write(world.data.rows(batch))?;
        }
        let expected = world.expected();
        let (world, took) = world.reopen(&path, &choice.config)?;
        let wrong = u64::from(world.ours.scan()? != expected);
        // What follows from it is not left to the next.
        world.ours.settle()?;
        *slot = Some(world);
        Ok(Sample {
            done: work,
            wall: took.max(Duration::from_nanos(1)),
            wrong,
            ..Sample::default()
        })
    })
}
