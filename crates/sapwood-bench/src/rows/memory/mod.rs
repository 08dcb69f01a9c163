//! P17: what a store takes in memory beside its caches and memtables, and what open transactions add.
//!
//! Each measurement has a process to itself, so that no allocator has another's leavings: this program starts itself
//! anew with a task. What a process takes is what the system counts as resident, page by page; of that go off what it
//! took before the store was opened, the block cache's use and the memtables, as RocksDB tells them, and of ours the
//! cache for single rows, by what it may take, and the recent versions, which are a memtable too. Rows and blocks share
//! the memory that raw RocksDB has for blocks alone.
//!
//! **Base**: both stores get the same writes, eight of each key; raw RocksDB keeps only the last. Both are compacted.
//! Then another process opens them, reads at random and scans; that one counts. The cache is small and full on both
//! sides. The remark tells what the processes took that had loaded the stores, too: there the allocator keeps what
//! flushes, compactions and merges have freed, by chance much or little. It (where it is glibc's) is told to
//! give back what it can, on both sides.
//!
//! **Transactions**: open ones, each with 8 reads and 2 writes, none of which meets another: 1, then 1,000, then
//! 10,000 at once, beside a few that take what memory lay free before. What each of 10,000 takes over what each of
//! 1,000 does; 1 where it grows linearly. All commit at the end. The records of commits that open transactions
//! are checked against have a limit of their own, and no part in this: nothing else commits meanwhile.
//!
//! The rows hold if the stores have what was written.

mod base;
mod resident;
mod transactions;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::base::{Base, Side, Stage, Taken};
use crate::{
    convert::float,
    harness::{Bench, Figure, Measured, Outcome, RowSpec, median},
};

/// The quantity that may not be passed; the goal is one of 1.05.
const MOST: f64 = 1.2;

pub(super) const BASE: RowSpec = RowSpec {
    id: "P17.base",
    name: "memory beyond caches and memtables, V=8",
    peer: "raw RocksDB",
    unit: "MB",
    floor: 1.0,
    goal: MOST / 1.05,
};
pub(super) const TRANSACTIONS: RowSpec = RowSpec {
    id: "P17.txn",
    name: "memory for each of 10,000 open transactions",
    peer: "each of 1,000",
    unit: "B",
    floor: 1.0,
    goal: MOST / 1.05,
};

/// Keys of a full run.
const KEYS: u32 = 1_000_000;
const MEGA: f64 = 1e6;

/// What a child does.
#[derive(Debug, Serialize, Deserialize)]
enum Task {
    Base(Base),
    Transactions(String),
}

/// Does what this process was started for, as a child.
pub(crate) fn as_child(task: &str) -> Result<()> {
    let answer = match serde_json::from_str(task).context("no task")? {
        Task::Base(base) => serde_json::to_string(&base.measure()?)?,
        Task::Transactions(path) => serde_json::to_string(&transactions::measure(&path)?)?,
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), answer.as_bytes())?;
    Ok(())
}

/// What makes glibc's allocator give back what is freed: one heap for all threads, that is cut where 64 KiB at its end
/// are free, and pages of its own for whatever is larger.
const GIVE_BACK: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];

/// Has a process do a task.
fn ask<T: DeserializeOwned>(task: &Task) -> Result<T> {
    let child = Command::new(std::env::current_exe()?)
        .arg("--child")
        .arg(serde_json::to_string(task)?)
        .envs(GIVE_BACK)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(child.status.success(), "a child failed: {}", child.status);
    Ok(serde_json::from_slice(&child.stdout)?)
}

pub(super) fn base(bench: &Bench) -> Result<Vec<Measured>> {
    let keys = if bench.size.is_quick {
        bench.size.keys
    } else {
        KEYS
    };
    let of = |side, stage| of_side(bench, side, stage, keys);
    let [our_load, raw_load] = [of(Side::Ours, Stage::Load)?, of(Side::Raw, Stage::Load)?];
    let mut is_right = our_load.is_right && raw_load.is_right;
    let (mut pairs, mut last) = (Vec::new(), None);
    for round in 0..bench.size.rounds {
        let stage = Stage::Open(round);
        let (ours, raw) = (of(Side::Ours, stage)?, of(Side::Raw, stage)?);
        is_right &= ours.is_right && raw.is_right;
        pairs.push((ours.beyond(), raw.beyond()));
        last = Some((ours, raw));
        bench.tick();
    }
    if let Some((ours, raw)) = last {
        bench.remark(format!(
            "P17.base: {keys} keys; in the last round ours {ours}, raw RocksDB {raw}; the processes that had loaded \
             them: ours {our_load}, raw RocksDB {raw_load}"
        ));
    }
    // Large ones should not lie around.
    bench.fresh(Side::Ours.name())?;
    bench.fresh(Side::Raw.name())?;
    let outcome = outcome(&pairs, 1.0 / MEGA);
    Ok(vec![(Figure::new(BASE, &outcome, is_right), Vec::new())])
}

/// What a process takes that loads or opens a store.
fn of_side(bench: &Bench, side: Side, stage: Stage, keys: u32) -> Result<Taken> {
    let path = bench.path(side.name());
    let path = path.to_str().context("the path is not UTF-8")?.to_owned();
    ask(&Task::Base(Base {
        side,
        stage,
        keys,
        path,
    }))
}

pub(super) fn transactions(bench: &Bench) -> Result<Vec<Measured>> {
    let (mut pairs, mut is_right, mut last) = (Vec::new(), true, None);
    for _ in 0..bench.size.rounds {
        let path = bench.fresh("memory")?;
        transactions::load(&path)?;
        let path = path.to_str().context("the path is not UTF-8")?.to_owned();
        let taken: transactions::Taken = ask(&Task::Transactions(path))?;
        is_right &= taken.is_right;
        pairs.push((taken.each(2), taken.each(1)));
        last = Some(taken);
        bench.tick();
    }
    if let Some(taken) = last {
        bench.remark(format!("P17.txn: in the last round {taken}"));
    }
    let outcome = outcome(&pairs, 1.0);
    Ok(vec![(
        Figure::new(TRANSACTIONS, &outcome, is_right),
        Vec::new(),
    )])
}

/// Pairs of bytes as rounds of ratios: the most that the first may be of the second, over what it is.
fn outcome(pairs: &[(f64, f64)], scale: f64) -> Outcome {
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let ratio = |(ours, peer): &(f64, f64)| MOST * peer / ours.max(1.0);
    Outcome {
        ours: median(&sorted(pairs.iter().map(|pair| pair.0).collect())) * scale,
        peer: median(&sorted(pairs.iter().map(|pair| pair.1).collect())) * scale,
        ratios: sorted(pairs.iter().map(ratio).collect()),
        cpu_ratios: Vec::new(),
        wrong: 0,
    }
}

/// What more was taken than before.
fn growth(after: u64, before: u64) -> f64 {
    float(after) - float(before)
}
