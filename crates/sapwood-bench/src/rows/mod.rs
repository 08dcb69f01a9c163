//! The rows: what is measured, and against whom.
//!
//! | file | rows |
//! |---|---|
//! | [`latest_get`] | P1: the newest value of a key |
//! | [`past_get`] | P2, P3: the value of a key at an old and at a recent timestamp |
//! | [`scan`] | P4, P5: all rows, of the newest state and of an old one |
//! | [`batch_insert`] | P6: new keys |
//! | [`batch_update`] | P7: keys that exist, without reading them, and all that follows from it |
//! | [`transactions`] | P8, P9: transactions that read and write, buffered and synced |
//! | [`blocks`] | P10, P11, P12: blocks of payments, executed in parallel |
//! | [`evm`] | E1, E2, E3: Ethereum blocks, executed in parallel, against one by one and plain revm |
//! | [`prune`] | P13: what pruning costs: bytes written, and what readers notice |
//! | [`layout`] | LAYOUT: the layout that was not taken |
//! | [`targets`] | P15: the seed plan's absolute targets |
//! | [`shapes`] | P16: the shapes of load that others publish figures of; no peer, the invariant counts |
//! | [`space`] | P14: what versions take on disk |
//! | [`memory`] | P17: what a store and its open transactions take in memory |
//! | [`growth`] | P18: what operations cost when there is more of something |
//! | [`tuning`] | TUNING: which option for which load; only where it is asked for |
//! | [`ycsb`] | P19: the workloads of YCSB, against four other engines |

mod batch_insert;
mod batch_update;
mod blocks;
mod evm;
mod growth;
mod latest_get;
mod layout;
mod memory;
mod past_get;
mod prune;
mod reading;
mod scan;
mod shapes;
mod space;
mod targets;
mod transactions;
mod tuning;
mod world;
mod writing;
mod ycsb;

pub(crate) use memory::as_child;
pub(crate) use tuning::is_tuning;

use anyhow::Result;

use crate::{
    dataset::Dataset,
    harness::{Bench, Counts, Figure, Measured, RowSpec},
};

/// Bytes of a value, unless a row says otherwise.
const VALUE_BYTES: usize = 100;

/// How a row is measured on the shared stores.
type OnDataset = fn(&Bench, &Dataset<'_>) -> Result<Measured>;
/// How a row is measured on stores of its own.
type Alone = fn(&Bench) -> Result<Measured>;
/// How rows are measured that share what they are measured on. One that cannot be measured here is left out.
type Together = fn(&Bench) -> Result<Vec<Measured>>;

const ON_DATASET: [(RowSpec, OnDataset); 8] = [
    (latest_get::UNIFORM, latest_get::uniform),
    (latest_get::ZIPF, latest_get::zipf),
    (past_get::OLD, past_get::old),
    (past_get::RECENT, past_get::recent),
    (scan::LATEST_RAW, scan::latest_raw),
    (scan::LATEST_UDT, scan::latest_udt),
    (scan::OLD_UDT, scan::old_udt),
    (targets::RANDOM_READ, targets::random_read),
];

const ALONE: [(RowSpec, Alone); 38] = [
    (batch_insert::ROW, batch_insert::run),
    (batch_update::ROW, batch_update::run),
    (transactions::OTDB, transactions::otdb),
    (transactions::FJALL, transactions::fjall),
    (transactions::SURREALKV, transactions::surrealkv),
    (transactions::SYNCED, transactions::synced),
    (transactions::GROUP_8, transactions::group_8),
    (transactions::GROUP_64, transactions::group_64),
    (blocks::ACCOUNTS_1000, blocks::accounts_1000),
    (blocks::ACCOUNTS_10000, blocks::accounts_10000),
    (blocks::TWO, blocks::two),
    (blocks::CHAIN, blocks::chain),
    (blocks::IDLE, blocks::idle),
    (prune::BYTES, prune::bytes),
    (prune::P99, prune::p99),
    (layout::GET, layout::get),
    (layout::SCAN, layout::scan),
    (layout::UPDATE, layout::update),
    (targets::RANDOM_WRITE, targets::random_write),
    (targets::BATCH_WRITE, targets::batch_write),
    (targets::SCAN, targets::scan),
    (targets::P99, targets::p99),
    (shapes::W1, shapes::w1),
    (shapes::W3_BLOCK_50, shapes::w3_block_50),
    (shapes::W3_BLOCK_20, shapes::w3_block_20),
    (shapes::W3_BLOCK_5, shapes::w3_block_5),
    (shapes::W3_TXN_50, shapes::w3_txn_50),
    (shapes::W3_TXN_20, shapes::w3_txn_20),
    (shapes::W3_TXN_5, shapes::w3_txn_5),
    (shapes::W4_SINGLE, shapes::w4_single),
    (shapes::W4_THREADS, shapes::w4_threads),
    (shapes::W4_BATCH, shapes::w4_batch),
    (shapes::W7, shapes::w7),
    (shapes::W15, shapes::w15),
    (shapes::W16, shapes::w16),
    (shapes::W17_TXN, shapes::w17_txn),
    (shapes::W17_BLOCK, shapes::w17_block),
    (shapes::W17_HOT, shapes::w17_hot),
];

const TOGETHER: [(&[RowSpec], Together); 24] = [
    (&[space::SPACE], space::space),
    (&[space::RATIO], space::ratio),
    (&[memory::BASE], memory::base),
    (&[memory::TRANSACTIONS], memory::transactions),
    (&growth::DEPTH, growth::depth),
    (&growth::DATA, growth::data),
    (&growth::SIZE, growth::size),
    (&growth::SNAPSHOTS, growth::snapshots),
    (&growth::PINS, growth::pins),
    (&growth::TXN_SIZE, growth::txn_size),
    (&growth::THREADS, growth::threads),
    (&evm::ETHER_INDEPENDENT, evm::ether_independent),
    (&evm::ETHER_CONTENDED, evm::ether_contended),
    (&evm::ETHER_MAINNET, evm::ether_mainnet),
    (&evm::TOKENS_INDEPENDENT, evm::tokens_independent),
    (&evm::TOKENS_CLUSTERS, evm::tokens_clusters),
    (&evm::TOKENS_RECEIVER, evm::tokens_receiver),
    (&evm::TOKENS_SENDER, evm::tokens_sender),
    (&evm::TOKENS_CHAIN, evm::tokens_chain),
    (&evm::TOKENS_ROCKSDB, evm::tokens_rocksdb),
    (&evm::SWAPS_INDEPENDENT, evm::swaps_independent),
    (&evm::SWAPS_CLUSTERS, evm::swaps_clusters),
    (&evm::SWAPS_POOL, evm::swaps_pool),
    (&evm::SWAPS_ROCKSDB, evm::swaps_rocksdb),
];

/// The ids of all rows.
pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    let shared = ON_DATASET.iter().map(|(row, _)| row.id);
    let alone = ALONE.iter().map(|(row, _)| row.id);
    let together = TOGETHER.iter().flat_map(|(rows, _)| *rows);
    let together = together.map(|row| row.id);
    let compared = shared.chain(alone).chain(together);
    compared.chain(ycsb::ids()).chain(tuning::ids())
}

/// Runs the rows that were asked for.
pub(crate) fn run(bench: &Bench) -> Result<(Vec<Figure>, Vec<Counts>)> {
    let mut measured = Vec::new();
    // Dropped before the rows that write: its caches and files are not theirs to pay for.
    let dataset = Dataset::new(bench, VALUE_BYTES);
    for (row, measure) in ON_DATASET {
        if bench.wants(row.id) {
            measured.push(bench.run(row, || measure(bench, &dataset))?);
        }
    }
    drop(dataset);
    for (row, measure) in ALONE {
        if bench.wants(row.id) {
            measured.push(bench.run(row, || measure(bench))?);
        }
    }
    for (rows, measure) in TOGETHER {
        if rows.iter().any(|row| bench.wants(row.id)) {
            measured.extend(bench.run_together(rows, measure)?);
        }
    }
    measured.extend(ycsb::run(bench)?);
    measured.extend(tuning::run(bench)?);
    let (figures, counts): (Vec<_>, Vec<_>) = measured.into_iter().unzip();
    Ok((figures, counts.into_iter().flatten().collect()))
}
