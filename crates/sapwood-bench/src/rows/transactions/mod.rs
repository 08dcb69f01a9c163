//! P8, P9: transactions that read two counters, add one to each and write them back, at a level where
//! no update can be lost; `load` has the details. What counts is what was committed.
//!
//! P8: two threads; a commit is acknowledged when the system has it, and survives the process. Against
//! RocksDB's optimistic transactions, fjall's and `SurrealKV`'s. Ours keeps the old version of every row
//! that it writes, and the peers do not.
//!
//! P9: a commit is acknowledged when the disk has it. With eight threads against RocksDB's optimistic
//! transactions; and how many of our commits one sync of the log carries, with eight threads and with
//! 64, where one each is what an engine does that syncs for every commit. The engine counts its
//! synced writes; where the store tells how often RocksDB synced its log, the two must agree.
//!
//! Both sides begin with the same rows, compacted (`SurrealKV`'s as they were written), and end a round
//! with the last acknowledgement. A row is right if every counter of both is what the transactions
//! make of it.

mod load;

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use sapwood::{Durability, RocksDBConfig};

use self::load::Load;
use crate::{
    convert::{at_least_one, count, float, times},
    harness::{Bench, Figure, Measured, RowSpec, Sample, Work, against, alternate},
    stores::{Counters, Fjall, Otdb, Ours, SurrealKv},
};

const BUFFERED_THREADS: usize = 2;
const SYNCED_THREADS: usize = 8;
/// Transactions of each thread in a synced round, at least.
const LEAST_SYNCED: u64 = 100;

pub(super) const OTDB: RowSpec = RowSpec {
    id: "P8.otdb",
    name: "read-modify-write transactions, 2 threads",
    peer: "OptimisticTransactionDB",
    unit: "commit/s",
    floor: 1.0,
    goal: 2.0,
};
pub(super) const FJALL: RowSpec = RowSpec {
    id: "P8.fjall",
    peer: "fjall",
    ..OTDB
};
pub(super) const SURREALKV: RowSpec = RowSpec {
    id: "P8.surrealkv",
    peer: "SurrealKV",
    ..OTDB
};
pub(super) const SYNCED: RowSpec = RowSpec {
    id: "P9.otdb",
    name: "the same, synced, 8 threads",
    floor: 0.9,
    goal: 1.5,
    ..OTDB
};
pub(super) const GROUP_8: RowSpec = RowSpec {
    id: "P9.group8",
    name: "commits for each sync, 8 threads",
    peer: "a sync for each",
    unit: "commits",
    floor: 4.0,
    goal: 7.0,
};
pub(super) const GROUP_64: RowSpec = RowSpec {
    id: "P9.group64",
    name: "commits for each sync, 64 threads",
    floor: 32.0,
    goal: 60.0,
    ..GROUP_8
};

pub(super) fn otdb(bench: &Bench) -> Result<Measured> {
    let load = buffered(bench);
    let peer = Otdb::open(&bench.path("counters-otdb"), &RocksDBConfig::default())?;
    peer.load(load.rows(&load.start()))?;
    compare(bench, OTDB, &load, &RocksDBConfig::default(), &peer)
}

pub(super) fn fjall(bench: &Bench) -> Result<Measured> {
    let load = buffered(bench);
    let peer = Fjall::open(&bench.path("counters-fjall"), &RocksDBConfig::default())?;
    peer.load(load.rows(&load.start()))?;
    compare(bench, FJALL, &load, &RocksDBConfig::default(), &peer)
}

pub(super) fn surrealkv(bench: &Bench) -> Result<Measured> {
    let load = buffered(bench);
    let path = bench.path("counters-surrealkv");
    let peer = SurrealKv::open(&path, &RocksDBConfig::default(), BUFFERED_THREADS)?;
    peer.load(load.rows(&load.start()))?;
    compare(bench, SURREALKV, &load, &RocksDBConfig::default(), &peer)
}

pub(super) fn synced(bench: &Bench) -> Result<Measured> {
    let load = synced_load(bench, SYNCED_THREADS)?;
    let peer = Otdb::open(&bench.path("counters-synced"), &syncing())?;
    peer.load(load.rows(&load.start()))?;
    let measured = compare(bench, SYNCED, &load, &syncing(), &peer)?;
    let wal = peer.wal()?;
    bench.remark(format!(
        "{}: the peer makes {:.1} commits for each sync",
        SYNCED.id,
        float(wal.writes.at_least) / float(wal.syncs.at_least.max(1))
    ));
    Ok(measured)
}

pub(super) fn group_8(bench: &Bench) -> Result<Measured> {
    group(bench, GROUP_8, SYNCED_THREADS)
}

pub(super) fn group_64(bench: &Bench) -> Result<Measured> {
    group(bench, GROUP_64, 64)
}

fn buffered(bench: &Bench) -> Load {
    Load::new(BUFFERED_THREADS, u64::from(bench.size.transactions))
}

/// Rounds of about the usual length if half of the threads share each sync; longer ones where the disk
/// is so slow that the beginning and the end of a round would weigh.
fn synced_load(bench: &Bench, threads: usize) -> Result<Load> {
    let syncs = times(bench.size.round, bench.sync_time()?);
    let transactions = at_least_one(syncs) * count(threads) / 2;
    let most = u64::from(bench.size.transactions);
    Ok(Load::new(
        threads,
        transactions.clamp(LEAST_SYNCED * count(threads), most),
    ))
}

fn syncing() -> RocksDBConfig {
    RocksDBConfig {
        durability: Durability::Sync,
        ..RocksDBConfig::default()
    }
}

/// A store of ours with the rows of the load.
fn loaded(bench: &Bench, load: &Load, config: &RocksDBConfig) -> Result<Ours> {
    let ours = Ours::open(&bench.fresh("counters-ours")?, config)?;
    ours.load(load.rows(&load.start()))?;
    Ok(ours)
}

fn compare(
    bench: &Bench,
    row: RowSpec,
    load: &Load,
    config: &RocksDBConfig,
    peer: &impl Counters,
) -> Result<Measured> {
    let ours = loaded(bench, load, config)?;
    let (our_conflicts, their_conflicts) = (AtomicU64::new(0), AtomicU64::new(0));
    let outcome = alternate(
        bench,
        Work::Fixed(load.transactions),
        &mut |_, round| load.round(&ours, round, &our_conflicts),
        &mut |_, round| load.round(peer, round, &their_conflicts),
    )?;
    bench.remark(format!(
        "{}: {} transactions a round; tries that failed: {} of ours, {} of the peer's",
        row.id,
        load.transactions,
        our_conflicts.into_inner(),
        their_conflicts.into_inner(),
    ));
    let checked = load.holds(bench, &ours)? && load.holds(bench, peer)?;
    Ok((Figure::new(row, &outcome, checked), Vec::new()))
}

fn group(bench: &Bench, row: RowSpec, threads: usize) -> Result<Measured> {
    let load = synced_load(bench, threads)?;
    let ours = loaded(bench, &load, &syncing())?;
    let before = (ours.engine.stats(), ours.wal()?);
    let synced = Cell::new(before.0.synced_groups);
    let conflicts = AtomicU64::new(0);
    let outcome = against(
        bench,
        Work::Fixed(load.transactions),
        1.0,
        commits_for_each_sync,
        |commits| commits,
        &mut |_, round| {
            let sample = load.round(&ours, round, &conflicts)?;
            let now = ours.engine.stats().synced_groups;
            let syncs = now - synced.replace(now);
            Ok(Sample {
                syncs: Some(syncs),
                ..sample
            })
        },
    )?;
    let after = (ours.engine.stats(), ours.wal()?);
    let counted = after.0.synced_groups - before.0.synced_groups;
    let seen = after.1.syncs.since(before.1.syncs);
    bench.remark(format!(
        "{}: {} transactions a round; tries that failed: {}; synced writes: {counted}, by RocksDB's \
         count: {}",
        row.id,
        load.transactions,
        conflicts.load(Ordering::Relaxed),
        match seen.at_most {
            0 => "not told".to_owned(),
            at_most => format!("{} to {at_most}", seen.at_least),
        }
    ));
    let checked = load.holds(bench, &ours)?
        && (seen.at_most == 0 || (seen.at_least..=seen.at_most).contains(&counted))
        && after.0.commits - before.0.commits == load.transactions * u64::from(bench.size.rounds);
    Ok((Figure::new(row, &outcome, checked), Vec::new()))
}

fn commits_for_each_sync(sample: &Sample) -> f64 {
    sample
        .syncs
        .map_or(f64::NAN, |syncs| float(sample.done) / float(syncs.max(1)))
}
