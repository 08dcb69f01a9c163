//! E1 to E3: Ethereum blocks (crate `sapwood-evm`), executed in parallel, against one by one and against plain revm.
//!
//! The shapes are those that pevm and grevm publish figures of; `sapwood_evm::workload` makes the blocks. Contracts are
//! deployed, and get their first state, by transactions of blocks before the first that is measured. Every side executes
//! the same blocks, one a round, each on the state that the one before it left.
//!
//! Sides: plain revm, in a loop over its own state in memory (`CacheDB`), which is what pevm and grevm call sequential; a
//! chain of Sapwood one by one; and with 1, 2 and 4 workers; and plain revm in a loop over the newest state of such a chain,
//! which is what a node does that has its state here and executes by itself. All are in memory, but for the forms called rocksdb.
//!
//! | row | what |
//! |---|---|
//! | `.revm` | executing, with 2 workers, against plain revm |
//! | `.serial` | executing, with 2 workers, against one by one |
//! | `.w1`, `.w4` | executing, with 1 and with 4 workers, against plain revm |
//! | `.snapshot` | executing, with 2 workers, against plain revm over the snapshot that both begin with |
//! | `.block` | whole blocks, with 2 workers, against one by one: also the roots of transactions and receipts, and the commit |
//!
//! A row is right if all sides give the same results (gas, logs, outputs) for every transaction of every round, each of
//! which succeeds, and in the end the same state root, of all accounts and slots; and if in that state no
//! token and no ether was made or lost, and no exchange's product fell.

mod chains;
mod forms;
mod mainnet;
mod rounds;

use anyhow::Result;
use sapwood_evm::workload::{Ether, Holders, Payers, Pools, Swaps, Tokens};

use self::{chains::Place, forms::Form};
use crate::harness::{Bench, Measured, NO_LIMIT, RowSpec};

const UNIT: &str = "txn/s";
const REVM: &str = "plain revm";
const SERIAL: &str = "one by one";
const SNAPSHOT: &str = "plain revm over the snapshot";
const SEED: u64 = 1_559;

/// How many rows a form has.
const ROWS: usize = 6;

/// The rows of a form, in the order in which [`rounds`] measures them.
macro_rules! rows {
    ($id:literal, $name:literal) => {
        rows!($id, $name, NO_LIMIT, NO_LIMIT)
    };
    ($id:literal, $name:literal, $floor:expr, $goal:expr) => {
        [
            row(concat!($id, ".revm"), concat!($name, ", 2 workers"), REVM),
            row(
                concat!($id, ".serial"),
                concat!($name, ", 2 workers"),
                SERIAL,
            ),
            row(concat!($id, ".w1"), concat!($name, ", 1 worker"), REVM),
            row(concat!($id, ".w4"), concat!($name, ", 4 workers"), REVM),
            row(
                concat!($id, ".block"),
                concat!($name, ", whole blocks, 2 workers"),
                SERIAL,
            ),
            RowSpec {
                floor: $floor,
                goal: $goal,
                ..row(
                    concat!($id, ".snapshot"),
                    concat!($name, ", 2 workers"),
                    SNAPSHOT,
                )
            },
        ]
    };
}

const fn row(id: &'static str, name: &'static str, peer: &'static str) -> RowSpec {
    RowSpec {
        id,
        name,
        peer,
        unit: UNIT,
        floor: NO_LIMIT,
        goal: NO_LIMIT,
    }
}

type Rows = [RowSpec; ROWS];

pub(super) const ETHER_INDEPENDENT: Rows = rows!(
    "E1.independent",
    "47,620 transfers of ether, each to itself"
);
pub(super) const ETHER_CONTENDED: Rows = rows!(
    "E1.contended",
    "47,620 transfers of ether, 100,000 accounts, 30% of accesses to a tenth"
);
pub(super) const ETHER_MAINNET: Rows = rows!(
    "E1.mainnet",
    "the transfers of 64 mainnet blocks, without call data"
);
pub(super) const TOKENS_INDEPENDENT: Rows = rows!(
    "E2.independent",
    "37,123 transfers of an ERC-20, each to itself",
    1.5,
    1.8
);
pub(super) const TOKENS_CLUSTERS: Rows = rows!(
    "E2.clusters",
    "33,750 transfers of 10 ERC-20s, within families of 15"
);
pub(super) const TOKENS_RECEIVER: Rows =
    rows!("E2.receiver", "37,123 transfers of an ERC-20, one receiver");
pub(super) const TOKENS_SENDER: Rows = rows!(
    "E2.sender",
    "37,123 transfers of an ERC-20, one sender",
    0.9,
    0.97
);
pub(super) const TOKENS_CHAIN: Rows = rows!(
    "E2.chain",
    "33,628 transfers of an ERC-20, each hands on what it got"
);
pub(super) const TOKENS_ROCKSDB: Rows = rows!("E2.rocksdb", "E2.clusters, the chains on RocksDB");
pub(super) const SWAPS_INDEPENDENT: Rows = rows!(
    "E3.independent",
    "6,413 swaps, each at an exchange of its own"
);
pub(super) const SWAPS_CLUSTERS: Rows = rows!(
    "E3.clusters",
    "8,000 swaps at 20 exchanges, one after the other"
);
pub(super) const SWAPS_POOL: Rows = rows!("E3.pool", "6,413 swaps at one exchange", 0.9, 0.97);
pub(super) const SWAPS_ROCKSDB: Rows = rows!("E3.rocksdb", "E3.clusters, the chains on RocksDB");

/// So many, or in the quick form an eighth of them.
fn scaled(bench: &Bench, count: usize) -> usize {
    if bench.size.is_quick {
        count / 8
    } else {
        count
    }
}

pub(super) fn ether_independent(bench: &Bench) -> Result<Vec<Measured>> {
    let payers = Payers::Independent {
        count: scaled(bench, 47_620),
    };
    let form = Form::new(bench, Place::Memory, Ether::new(payers, SEED))?;
    rounds::measure(bench, &ETHER_INDEPENDENT, form)
}

pub(super) fn ether_contended(bench: &Bench) -> Result<Vec<Measured>> {
    let payers = Payers::Contended {
        count: scaled(bench, 47_620),
        accounts: scaled(bench, 100_000),
        hot_percent: 30,
    };
    let form = Form::new(bench, Place::Memory, Ether::new(payers, SEED))?;
    rounds::measure(bench, &ETHER_CONTENDED, form)
}

pub(super) fn ether_mainnet(bench: &Bench) -> Result<Vec<Measured>> {
    match mainnet::Mainnet::read(bench)? {
        Some(form) => rounds::measure(bench, &ETHER_MAINNET, form),
        None => Ok(Vec::new()),
    }
}

fn tokens(bench: &Bench, rows: &Rows, place: Place, holders: Holders) -> Result<Vec<Measured>> {
    let form = Form::new(bench, place, Tokens::new(holders, SEED))?;
    rounds::measure(bench, rows, form)
}

/// pevm's clusters: 15 people of 15 families with 15 transfers each, at 10 tokens, or 1.
fn clusters(bench: &Bench) -> Holders {
    Holders::Families {
        clusters: if bench.size.is_quick { 1 } else { 10 },
        families: 15,
        people: 15,
        transfers: 15,
    }
}

pub(super) fn tokens_independent(bench: &Bench) -> Result<Vec<Measured>> {
    let holders = Holders::Families {
        clusters: 1,
        families: scaled(bench, 37_123),
        people: 1,
        transfers: 1,
    };
    tokens(bench, &TOKENS_INDEPENDENT, Place::Memory, holders)
}

pub(super) fn tokens_clusters(bench: &Bench) -> Result<Vec<Measured>> {
    tokens(bench, &TOKENS_CLUSTERS, Place::Memory, clusters(bench))
}

pub(super) fn tokens_receiver(bench: &Bench) -> Result<Vec<Measured>> {
    let senders = scaled(bench, 37_123);
    let holders = Holders::Receiver { senders };
    tokens(bench, &TOKENS_RECEIVER, Place::Memory, holders)
}

pub(super) fn tokens_sender(bench: &Bench) -> Result<Vec<Measured>> {
    let receivers = scaled(bench, 37_123);
    let holders = Holders::Sender { receivers };
    tokens(bench, &TOKENS_SENDER, Place::Memory, holders)
}

pub(super) fn tokens_chain(bench: &Bench) -> Result<Vec<Measured>> {
    let length = scaled(bench, 33_628);
    tokens(
        bench,
        &TOKENS_CHAIN,
        Place::Memory,
        Holders::Chain { length },
    )
}

pub(super) fn tokens_rocksdb(bench: &Bench) -> Result<Vec<Measured>> {
    tokens(bench, &TOKENS_ROCKSDB, Place::RocksDb, clusters(bench))
}

fn swaps(bench: &Bench, rows: &Rows, place: Place, shape: [usize; 3]) -> Result<Vec<Measured>> {
    let [clusters, people, swaps] = shape;
    let pools = Pools {
        clusters,
        people,
        swaps,
    };
    let form = Form::new(bench, place, Swaps::new(pools, SEED))?;
    rounds::measure(bench, rows, form)
}

/// pevm's clusters: 20 people with 20 swaps each, at 20 exchanges, or 3.
fn exchanges(bench: &Bench) -> [usize; 3] {
    [if bench.size.is_quick { 3 } else { 20 }, 20, 20]
}

pub(super) fn swaps_independent(bench: &Bench) -> Result<Vec<Measured>> {
    let shape = [scaled(bench, 6_413), 1, 1];
    swaps(bench, &SWAPS_INDEPENDENT, Place::Memory, shape)
}

pub(super) fn swaps_clusters(bench: &Bench) -> Result<Vec<Measured>> {
    swaps(bench, &SWAPS_CLUSTERS, Place::Memory, exchanges(bench))
}

pub(super) fn swaps_pool(bench: &Bench) -> Result<Vec<Measured>> {
    let shape = [1, scaled(bench, 6_413), 1];
    swaps(bench, &SWAPS_POOL, Place::Memory, shape)
}

pub(super) fn swaps_rocksdb(bench: &Bench) -> Result<Vec<Measured>> {
    swaps(bench, &SWAPS_ROCKSDB, Place::RocksDb, exchanges(bench))
}
