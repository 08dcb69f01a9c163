//! P16: some of the shapes of load that `SuperVM`, a parallel virtual machine, publishes figures of, in
//! memory as there. W1 and so on are names that the shapes have here.
//!
//! What is counted is goodput: transactions that were committed with the right outcome. Where one loses
//! against another it is tried again until it commits, and the tries that failed are told beside the
//! figure. After every run the store is looked at, version by version; what must hold, the modules say. A
//! row is right only if that held for all runs.
//!
//! There is no peer and no ratio. The published figures are given as remarks: they were made on other
//! machines, and some count attempts. Threads are as many as there; what ran there on a pool with a thread
//! for each core runs with two here. Keys are made before the clock starts.
//!
//! | shape | there | here |
//! |---|---|---|
//! | W1 | begin, one blind write, commit; 1,000 new keys beside 1,000 with 5 versions | the same |
//! | W3 | transfers, through a batch scheduler | one block through the executor; or transactions |
//! | W4 | blind writes of 1,000 keys, two-phase commit, batches of 32 | transactions; or commits of 32 writes |
//! | W7 | a write of a new key, read back; their mix without its stateless part | transactions |
//! | W15 | 70 keys are read, 30 others written blindly | transactions |
//! | W16 | increments of 5 counters, not tried again | transactions, tried again |
//! | W17 | increments and reads, through a batch scheduler | transactions; or one block |

mod counters;
mod number;
mod runs;
mod stress;
mod transfers;
mod writes;

use anyhow::Result;

use self::runs::{measure, measure_block};
use crate::harness::{Bench, Measured, RowSpec};

const UNIT: &str = "txn/s";
/// What stands there for a thread of each core.
const CORES: usize = 2;

pub(super) const W1: RowSpec = RowSpec::alone("P16.w1", "W1: a new key each, 1 thread", UNIT);
pub(super) const W3_BLOCK_50: RowSpec = RowSpec::alone(
    "P16.w3.block50",
    "W3: 10,000 transfers, 50 accounts, one block, 2 workers",
    UNIT,
);
pub(super) const W3_BLOCK_20: RowSpec = RowSpec::alone(
    "P16.w3.block20",
    "W3: 1,000 transfers, 20 accounts, one block, 2 workers",
    UNIT,
);
pub(super) const W3_BLOCK_5: RowSpec = RowSpec::alone(
    "P16.w3.block5",
    "W3: 10,000 transfers, 5 accounts, one block, 2 workers",
    UNIT,
);
pub(super) const W3_TXN_50: RowSpec = RowSpec::alone(
    "P16.w3.txn50",
    "W3: 10,000 transfers, 50 accounts, transactions, 2 threads",
    UNIT,
);
pub(super) const W3_TXN_20: RowSpec = RowSpec::alone(
    "P16.w3.txn20",
    "W3: 1,000 transfers, 20 accounts, transactions, 2 threads",
    UNIT,
);
pub(super) const W3_TXN_5: RowSpec = RowSpec::alone(
    "P16.w3.txn5",
    "W3: 10,000 transfers, 5 accounts, transactions, 2 threads",
    UNIT,
);
pub(super) const W4_SINGLE: RowSpec = RowSpec::alone(
    "P16.w4.single",
    "W4: blind writes of 1,000 keys, transactions, 1 thread",
    UNIT,
);
pub(super) const W4_THREADS: RowSpec = RowSpec::alone(
    "P16.w4.threads",
    "W4: blind writes of 1,000 keys, transactions, 8 threads",
    UNIT,
);
pub(super) const W4_BATCH: RowSpec = RowSpec::alone(
    "P16.w4.batch",
    "W4: blind writes of 1,000 keys, commits of 32, 8 threads",
    "write/s",
);
pub(super) const W7: RowSpec = RowSpec::alone(
    "P16.w7",
    "W7: write a new key, read it back, 1 thread",
    UNIT,
);
pub(super) const W15: RowSpec =
    RowSpec::alone("P16.w15", "W15: 70 keys read, 30 written, 8 threads", UNIT);
pub(super) const W16: RowSpec =
    RowSpec::alone("P16.w16", "W16: increments of 5 keys, 16 threads", UNIT);
pub(super) const W17_TXN: RowSpec = RowSpec::alone(
    "P16.w17.txn",
    "W17: 100 keys, 30% increments, 70% reads, transactions, 8 threads",
    UNIT,
);
pub(super) const W17_BLOCK: RowSpec = RowSpec::alone(
    "P16.w17.block",
    "W17: the same 16,000 as one block, 2 workers",
    UNIT,
);
pub(super) const W17_HOT: RowSpec = RowSpec::alone(
    "P16.w17.hot",
    "W17: 8,000 increments of 5 keys, one block, 2 workers",
    UNIT,
);

pub(super) fn w1(bench: &Bench) -> Result<Measured> {
    let load = writes::Load::new(1_000, 1, 1_000).over(1_000, 5);
    let published = "published: 242,542 txn/s on an i7-9750H, another machine; one run of 4 ms";
    measure(bench, W1, published, || load.by_hand())
}

pub(super) fn w3_block_50(bench: &Bench) -> Result<Measured> {
    transfers_in_a_block(bench, W3_BLOCK_50, 10_000, 50, W3_50)
}

pub(super) fn w3_block_20(bench: &Bench) -> Result<Measured> {
    transfers_in_a_block(bench, W3_BLOCK_20, 1_000, 20, W3_20)
}

pub(super) fn w3_block_5(bench: &Bench) -> Result<Measured> {
    transfers_in_a_block(bench, W3_BLOCK_5, 10_000, 5, W3_5)
}

pub(super) fn w3_txn_50(bench: &Bench) -> Result<Measured> {
    let load = transfers::Load::new(10_000, 50);
    measure(bench, W3_TXN_50, W3_50, || load.in_transactions(CORES))
}

pub(super) fn w3_txn_20(bench: &Bench) -> Result<Measured> {
    let load = transfers::Load::new(1_000, 20);
    measure(bench, W3_TXN_20, W3_20, || load.in_transactions(CORES))
}

pub(super) fn w3_txn_5(bench: &Bench) -> Result<Measured> {
    let load = transfers::Load::new(10_000, 5);
    measure(bench, W3_TXN_5, W3_5, || load.in_transactions(CORES))
}

pub(super) fn w4_single(bench: &Bench) -> Result<Measured> {
    let load = writes::Load::new(1_000, 1, bench.size.blind_writes);
    let published =
        "published: 722,283 txn/s on an i7-9750H, another machine; no check for conflicts";
    measure(bench, W4_SINGLE, published, || load.in_transactions())
}

pub(super) fn w4_threads(bench: &Bench) -> Result<Measured> {
    let load = writes::Load::new(1_000, 8, bench.size.blind_writes);
    measure(bench, W4_THREADS, W4_8, || load.in_transactions())
}

pub(super) fn w4_batch(bench: &Bench) -> Result<Measured> {
    let load = writes::Load::new(1_000, 8, bench.size.blind_writes);
    measure(bench, W4_BATCH, W4_8, || load.in_batches(32))
}

pub(super) fn w7(bench: &Bench) -> Result<Measured> {
    let load = writes::Load::new(bench.size.keys, 1, u64::from(bench.size.keys));
    let published = "published: 376,808 and 429,937 txn/s on an i7-9750H, another machine";
    measure(bench, W7, published, || load.read_back())
}

pub(super) fn w15(bench: &Bench) -> Result<Measured> {
    let load = stress::Load::new(100, 70, 8, 1_000);
    let published =
        "published: 729,634 txn/s on an i7-9750H, another machine; attempts, not goodput";
    measure(bench, W15, published, || load.in_transactions())
}

pub(super) fn w16(bench: &Bench) -> Result<Measured> {
    let load = counters::Load::new(5, 16, 500, 10);
    let published = "published: 68,342 txn/s on an i7-9750H, another machine; not tried again";
    measure(bench, W16, published, || load.in_transactions())
}

pub(super) fn w17_txn(bench: &Bench) -> Result<Measured> {
    let load = counters::Load::new(100, 8, 2_000, 3);
    measure(bench, W17_TXN, W17_ALL, || load.in_transactions())
}

pub(super) fn w17_block(bench: &Bench) -> Result<Measured> {
    let load = counters::Load::new(100, 8, 2_000, 3);
    measure_block(bench, W17_BLOCK, W17_ALL, |executor| {
        load.in_a_block(executor)
    })
}

pub(super) fn w17_hot(bench: &Bench) -> Result<Measured> {
    let load = counters::Load::new(5, 16, 500, 10);
    let published = "no figure is published of it";
    measure_block(bench, W17_HOT, published, |executor| {
        load.in_a_block(executor)
    })
}

const W3_50: &str = "published: 186,993 txn/s, another machine; 99.97% of the transfers";
const W3_20: &str = "published: 124,019 txn/s, another machine";
const W3_5: &str = "published: 85,348 txn/s, another machine; 99.90% of the transfers";
const W4_8: &str =
    "published: 1,474,150 txn/s on an i7-9750H, another machine; no check for conflicts";
const W17_ALL: &str =
    "published: 177K txn/s, and 38K to 40K with a lock around commits, another machine";

fn transfers_in_a_block(
    bench: &Bench,
    row: RowSpec,
    transfers: usize,
    accounts: u32,
    published: &str,
) -> Result<Measured> {
    let load = transfers::Load::new(transfers, accounts);
    measure_block(bench, row, published, |executor| load.in_a_block(executor))
}
