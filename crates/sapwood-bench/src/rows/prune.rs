//! P13: what pruning costs. Half of the history is pruned in each round, and as much is written again between
//! rounds, so that a store meets what a long-lived one does.
//!
//! **Bytes**: what the process writes while it prunes, for each byte by which the tables become smaller; against
//! RocksDB's own timestamps, whose history is cut by `full_history_ts_low` and a compaction of the whole range. What
//! was committed before is merged, flushed and compacted as far as it is due, on both sides, before it counts.
//! Keys are hashed, so every table of `history` is half dead and has to be rewritten: what is kept is written once for
//! each time that as much is dropped, which makes 1 the least that is possible there. All keyspaces count, in what is written
//! and in what is freed: records of commits are ordered by time and cost less, and the values that newer records hide
//! are given back, too. (The peer has no such records, and compacts everything.)
//!
//! **P99**: reads at random retained timestamps while a prune runs, over the same reads without one; against
//! itself.
//!
//! Memtables are small, as in P7.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use sapwood::{RocksDBConfig, Storage, Timestamp};

use super::{VALUE_BYTES, reading::is_stamped};
use crate::{
    convert::float,
    data::{Data, Writes, stamp},
    dataset::{BATCH_KEYS, at},
    harness::{Bench, Figure, Measured, Outcome, RowSpec, median},
    stores::{Ours, Seen, Udt},
    zipf,
};

pub(super) const BYTES: RowSpec = RowSpec {
    id: "P13.bytes",
    name: "pruning: bytes written for each dead byte freed",
    peer: "RocksDB timestamps",
    unit: "B/B",
    floor: 1.0,
    goal: 3.33,
};
pub(super) const P99: RowSpec = RowSpec {
    id: "P13.p99",
    name: "P99 of past gets beside a prune, over without",
    peer: "itself without",
    unit: "times",
    floor: 1.0,
    goal: 2.0,
};
/// The quantities that must not be passed; the ratio is these over what was measured.
const MOST_BYTES: f64 = 1.0;
const MOST_P99: f64 = 3.0;

/// Versions of each key before a prune, and how many of them it takes.
const VERSIONS: u32 = 8;
const PRUNED: u32 = VERSIONS / 2;
const WRITE_BUFFER_BYTES: usize = 8 << 20;
const LONGEST_NANOSECONDS: u64 = 60_000_000_000;
const SIZE: &str = "rocksdb.live-sst-files-size";

/// The rows, and how far they have come.
struct World {
    data: Data,
    /// Sweeps that were written: each gives every key a version.
    sweeps: u32,
    /// Sweeps that were pruned.
    pruned: u32,
}

impl World {
    fn new(bench: &Bench) -> Self {
        Self {
            data: Data::new(bench.size.keys / 2, VALUE_BYTES),
            sweeps: 0,
            pruned: 0,
        }
    }

    fn batches(&self) -> u32 {
        self.data.len().div_ceil(BATCH_KEYS)
    }

    /// The state after so many sweeps.
    fn after(&self, sweeps: u32) -> Timestamp {
        at(sweeps * self.batches())
    }

    /// Writes until each key has as many versions as before a prune.
    fn fill(
        &mut self,
        mut write: impl FnMut(&Data, Timestamp, &Writes) -> Result<()>,
    ) -> Result<()> {
        while self.sweeps - self.pruned < VERSIONS {
            for batch in 0..self.batches() {
                let first = batch * BATCH_KEYS;
                let ids = first..self.data.len().min(first + BATCH_KEYS);
                let writes = self.data.writes(ids, self.sweeps);
                write(
                    &self.data,
                    at(self.sweeps * self.batches() + batch + 1),
                    &writes,
                )?;
            }
            self.sweeps += 1;
        }
        Ok(())
    }

    /// Moves on by a prune. Returns its floor.
    fn prune(&mut self) -> Timestamp {
        self.pruned += PRUNED;
        self.after(self.pruned)
    }

    /// Whether the state at the floor and the newest one are right.
    fn is_right(&self, scan_at: impl Fn(Timestamp) -> Result<Seen>) -> Result<bool> {
        let expected = |sweeps: u32| Seen {
            rows: u64::from(self.data.len()),
            stamps: (0..self.data.len())
                .map(|id| stamp(id, sweeps - 1))
                .fold(0, u64::wrapping_add),
        };
        let [floor, newest] = [self.pruned, self.sweeps];
        Ok(scan_at(self.after(floor))? == expected(floor)
            && scan_at(self.after(newest))? == expected(newest))
    }
}

fn config() -> RocksDBConfig {
    RocksDBConfig {
        write_buffer_size: WRITE_BUFFER_BYTES,
        ..RocksDBConfig::default()
    }
}

pub(super) fn bytes(bench: &Bench) -> Result<Measured> {
    let (mut our_world, mut their_world) = (World::new(bench), World::new(bench));
    let ours = Ours::open(&bench.path("prune-ours"), &config())?;
    let udt = Udt::open(&bench.path("prune-udt"), &config())?;
    let (mut pairs, mut is_right) = (Vec::new(), true);
    for round in 0..bench.size.rounds {
        let (our_cost, their_cost);
        if round % 2 == 0 {
            our_cost = prune_ours(&mut our_world, &ours)?;
            their_cost = prune_udt(&mut their_world, &udt)?;
        } else {
            their_cost = prune_udt(&mut their_world, &udt)?;
            our_cost = prune_ours(&mut our_world, &ours)?;
        }
        is_right &= are_kept(&our_world, &ours)?;
        is_right &= their_world.is_right(|at| udt.scan_at(at))?;
        pairs.push((our_cost, their_cost));
        bench.tick();
    }
    let outcome = outcome(&pairs, MOST_BYTES);
    Ok((Figure::new(BYTES, &outcome, is_right), Vec::new()))
}

fn prune_ours(world: &mut World, ours: &Ours) -> Result<f64> {
    fill_ours(world, ours)?;
    let floor = world.prune();
    cost(
        || number(ours.storage.get_property(SIZE)?),
        || {
            ours.engine.prune_before(floor)?;
            Ok(())
        },
    )
}

fn prune_udt(world: &mut World, udt: &Udt) -> Result<f64> {
    world.fill(|data, at, writes| udt.write(at, data.rows(writes)))?;
    udt.settle()?;
    let floor = world.prune();
    cost(
        || number(udt.db.property_value(SIZE)?),
        || {
            udt.prune_before(floor);
            Ok(())
        },
    )
}

fn fill_ours(world: &mut World, ours: &Ours) -> Result<()> {
    world.fill(|data, _, writes| ours.write(data.rows(writes)).map(drop))?;
    // Merges all: what commits have put off is not the prune's to pay.
    ours.engine.status()?;
    ours.settle()
}

/// Whether the states at the floor and now are right, and the one before the floor is gone.
fn are_kept(world: &World, ours: &Ours) -> Result<bool> {
    let is_gone = ours.engine.at(world.after(world.pruned - 1)).is_err();
    Ok(is_gone && world.is_right(|at| ours.scan_at(at))?)
}

/// Bytes that the process writes for each by which the tables become smaller.
fn cost(size: impl Fn() -> Result<u64>, prune: impl FnOnce() -> Result<()>) -> Result<f64> {
    let (size_before, written_before) = (size()?, written()?);
    prune()?;
    let written = written()? - written_before;
    let freed = size_before.saturating_sub(size()?);
    Ok(float(written) / float(freed.max(1)))
}

/// Bytes that the process has handed to the system to be written, as far as the system tells it.
fn written() -> Result<u64> {
    let told = fs::read_to_string("/proc/self/io").context("this row needs Linux's /proc")?;
    let line = told.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.context("no wchar in /proc/self/io")?.trim().parse()?)
}

fn number(property: Option<String>) -> Result<u64> {
    Ok(property
        .context("RocksDB does not tell the size of its tables")?
        .parse()?)
}

/// Rounds of costs as rounds of ratios: the most that may be spent over what was.
fn outcome(pairs: &[(f64, f64)], most: f64) -> Outcome {
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    Outcome {
        ours: median(&sorted(pairs.iter().map(|pair| pair.0).collect())),
        peer: median(&sorted(pairs.iter().map(|pair| pair.1).collect())),
        ratios: sorted(pairs.iter().map(|pair| most / pair.0).collect()),
        cpu_ratios: Vec::new(),
        wrong: 0,
    }
}

pub(super) fn p99(bench: &Bench) -> Result<Measured> {
    let mut world = World::new(bench);
    let ours = Ours::open(&bench.path("prune-p99"), &config())?;
    let (mut quantities, mut is_right) = (Vec::new(), true);
    let (mut calm, mut busy) = (Duration::ZERO, Duration::ZERO);
    for round in 0..bench.size.rounds {
        fill_ours(&mut world, &ours)?;
        let floor = world.prune();
        let seed = u64::from(round) * 2 + 300;
        let until = Instant::now() + bench.size.round;
        let quiet = read(&world, &ours, seed, || Instant::now() >= until)?;
        let has_ended = AtomicBool::new(false);
        let beside = thread::scope(|scope| {
            let pruning = scope.spawn(|| {
                let pruned = ours.engine.prune_before(floor);
                has_ended.store(true, Ordering::SeqCst);
                pruned
            });
            let beside = read(&world, &ours, seed + 1, || has_ended.load(Ordering::SeqCst));
            let pruned = pruning.join().map_err(|_| anyhow!("the prune panicked"))?;
            pruned?;
            beside
        })?;
        is_right &= quiet.is_right && beside.is_right && are_kept(&world, &ours)?;
        (calm, busy) = (quiet.p99, beside.p99);
        let quantity = beside.p99.as_secs_f64() / quiet.p99.as_secs_f64().max(1e-9);
        quantities.push((quantity, 1.0));
        bench.tick();
    }
    bench.remark(format!(
        "P13.p99: in the last round 99 of 100 past gets took at most {} us without a prune, {} us beside one",
        calm.as_micros(),
        busy.as_micros()
    ));
    let outcome = outcome(&quantities, MOST_P99);
    Ok((Figure::new(P99, &outcome, is_right), Vec::new()))
}

/// What reads have met.
struct Reads {
    p99: Duration,
    is_right: bool,
}

/// Reads random keys at random timestamps that stay readable, until it is time to stop.
fn read(world: &World, ours: &Ours, seed: u64, mut stop: impl FnMut() -> bool) -> Result<Reads> {
    let mut latencies = Histogram::<u64>::new_with_bounds(1, LONGEST_NANOSECONDS, 3)?;
    let mut is_right = true;
    let ids = zipf::uniform(world.data.len(), 1 << 16, seed);
    let sweeps = zipf::uniform(world.sweeps - world.pruned + 1, 1 << 16, seed + 1000);
    let draws: Vec<_> = ids.into_iter().zip(sweeps).collect();
    for (id, sweep) in draws.iter().copied().cycle() {
        if stop() {
            break;
        }
        let sweeps = world.pruned + sweep;
        let start = Instant::now();
        let value = ours
            .storage
            .get_at(world.data.key(id), world.after(sweeps))?;
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        latencies.saturating_record(took);
        is_right &= is_stamped(value.as_deref(), id, sweeps - 1);
    }
    Ok(Reads {
        p99: Duration::from_nanos(latencies.value_at_quantile(0.99)),
        is_right,
    })
}
