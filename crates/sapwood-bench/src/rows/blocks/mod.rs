//! P10 to P12: blocks of 10,000 payments, executed with two workers, against running them one by one through
//! a plain map.
//!
//! A payment has the shape of the Block-STM paper's second load (8 reads, 5 writes): it reads five settings
//! that nobody writes, the two balances and the payer's sequence number, and writes both balances, the
//! sequence number, and what the payer has sent and the payee received. Beside that it computes, for as
//! long as the row says. `load` has the details.
//!
//! Both sides run the same code, over the same base, from the block to its last change; neither stores
//! anything. The peer is what a block costs without an executor: a hash map of changes over the base. A row is
//! right if the changes of both are equal after every block, and no money was made or lost.
//!
//! The picture `blocks.svg` shows the speed-up over the number of accounts.

mod load;
mod picture;

use anyhow::Result;

use self::load::{Load, Pairs};
use crate::harness::{Bench, Figure, Measured, RowSpec, Work, alternate};

const WORKERS: usize = 2;
/// What a transaction computes, in microseconds.
const WORK_US: u64 = 10;
const PEER: &str = "one by one";
const UNIT: &str = "txn/s";

pub(super) const ACCOUNTS_1000: RowSpec = RowSpec {
    id: "P10.1000",
    name: "block of 10,000 payments, 10 us each, 1,000 accounts",
    peer: PEER,
    unit: UNIT,
    floor: 1.6,
    goal: 1.9,
};
pub(super) const ACCOUNTS_10000: RowSpec = RowSpec {
    id: "P10.10000",
    name: "the same, 10,000 accounts",
    ..ACCOUNTS_1000
};
pub(super) const TWO: RowSpec = RowSpec {
    id: "P11.two",
    name: "the same, 2 accounts",
    floor: 0.9,
    goal: 0.97,
    ..ACCOUNTS_1000
};
pub(super) const CHAIN: RowSpec = RowSpec {
    id: "P11.chain",
    name: "the same, each pays the next",
    ..TWO
};
pub(super) const IDLE: RowSpec = RowSpec {
    id: "P12.idle",
    name: "the same without work, 10,000 accounts",
    floor: 0.8,
    goal: 1.0,
    ..ACCOUNTS_1000
};

pub(super) fn accounts_1000(bench: &Bench) -> Result<Measured> {
    compare(
        bench,
        ACCOUNTS_1000,
        &Load::new(Pairs::Random(1_000), WORK_US),
    )
}

pub(super) fn accounts_10000(bench: &Bench) -> Result<Measured> {
    let measured = compare(
        bench,
        ACCOUNTS_10000,
        &Load::new(Pairs::Random(10_000), WORK_US),
    )?;
    picture::draw(bench)?;
    Ok(measured)
}

pub(super) fn two(bench: &Bench) -> Result<Measured> {
    compare(bench, TWO, &Load::new(Pairs::Random(2), WORK_US))
}

pub(super) fn chain(bench: &Bench) -> Result<Measured> {
    compare(bench, CHAIN, &Load::new(Pairs::Chain, WORK_US))
}

pub(super) fn idle(bench: &Bench) -> Result<Measured> {
    compare(bench, IDLE, &Load::new(Pairs::Random(10_000), 0))
}

fn compare(bench: &Bench, row: RowSpec, load: &Load) -> Result<Measured> {
    let executor = load::executor(WORKERS)?;
    let mut last = None;
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |blocks, _| {
            let (sample, stats) = load.in_parallel(&executor, blocks)?;
            last = Some(stats);
            Ok(sample)
        },
        &mut |blocks, _| load.one_by_one(blocks),
    )?;
    if let Some(stats) = last {
        bench.remark(format!(
            "{}: of the last block {} transactions in parallel, {} one by one, {} runs",
            row.id, stats.parallel, stats.serial, stats.executions
        ));
    }
    Ok((Figure::new(row, &outcome, true), Vec::new()))
}
