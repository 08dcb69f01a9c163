//! Blocks of each workload on the chain, one by one and in parallel, against plain revm: the same results, the same state
//! root, and what must hold of them holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests and their helpers may fail"
)]

#[path = "../../../tests/data/mod.rs"]
mod data;

use sapwood::{Engine, Mode};
use sapwood_evm::{
    EvmChain, EvmConfig, EvmTxn,
    workload::{
        Environment, Ether, Funded, Holders, MainnetBlock, Payers, PlainRevm, Pools, Swaps, Tokens,
        Workload,
    },
};

/// One by one, and with so many workers.
const WAYS: [Option<usize>; 4] = [None, Some(1), Some(2), Some(4)];

fn config(workers: Option<usize>) -> EvmConfig {
    let mut config = EvmConfig::default();
    // In parallel to the end, however little that is worth.
    config.executor.adaptive = false;
    match workers {
        Some(workers) => config.executor.workers = workers,
        None => config.executor.mode = Mode::Serial,
    }
    config
}

/// Plain revm, and the chains that must do as it does.
struct Compared {
    environment: Environment,
    plain: PlainRevm,
    chains: Vec<EvmChain>,
}

impl Compared {
    fn new(environment: Environment, accounts: &[Funded]) -> Self {
        let genesis = environment.genesis(accounts);
        let chain =
            |workers| EvmChain::create(Engine::in_memory(), config(workers), &genesis).unwrap();
        Self {
            environment,
            plain: PlainRevm::new(1, accounts),
            chains: WAYS.map(chain).into(),
        }
    }

    /// Executes a block everywhere. Every transaction succeeds.
    fn execute(&mut self, name: &str, txns: &[EvmTxn]) {
        let environment = self.environment;
        let expected = self
            .plain
            .execute(&environment, PlainRevm::ready(txns))
            .unwrap();
        for (index, result) in expected.iter().enumerate() {
            assert!(
                result.is_success(),
                "{name}, transaction {index}: {result:?}"
            );
        }
        let root = self.plain.state_root();
        for chain in &self.chains {
            let block = chain.propose(environment.proposal(txns.to_vec())).unwrap();
            let how = &chain.config().executor;
            let what = format!("{name}, block {}, {how:?}", environment.number);
            assert_eq!(block.header.number, environment.number, "{what}");
            assert_eq!(
                block.header.base_fee_per_gas,
                Some(environment.base_fee),
                "{what}"
            );
            assert_eq!(block.results, expected, "{what}");
            assert_eq!(chain.state().unwrap().state_root().unwrap(), root, "{what}");
        }
        self.environment = environment.next();
    }
}

fn compare(name: &str, workload: &mut dyn Workload) {
    let mut compared = Compared::new(Environment::default(), &workload.accounts());
    for block in workload.setup() {
        compared.execute(name, &block);
    }
    assert!(workload.setup().is_empty());
    for _ in 0..3 {
        compared.execute(name, &workload.block());
        workload.check(&mut compared.plain).unwrap();
    }
}

#[test]
fn transfers_of_ether_are_as_by_plain_revm() {
    let independent = Payers::Independent { count: 300 };
    compare("independent", &mut Ether::new(independent, 1));
    for (accounts, hot_percent) in [(1_000, 30), (20, 90)] {
        let payers = Payers::Contended {
            count: 300,
            accounts,
            hot_percent,
        };
        compare("contended", &mut Ether::new(payers, 2));
    }
}

#[test]
fn transfers_of_tokens_are_as_by_plain_revm() {
    let families = |clusters, families, people, transfers| Holders::Families {
        clusters,
        families,
        people,
        transfers,
    };
    compare("independent", &mut Tokens::new(families(1, 200, 1, 1), 3));
    compare("clusters", &mut Tokens::new(families(3, 4, 5, 5), 4));
    compare(
        "receiver",
        &mut Tokens::new(Holders::Receiver { senders: 200 }, 5),
    );
    compare(
        "sender",
        &mut Tokens::new(Holders::Sender { receivers: 200 }, 5),
    );
    compare("chain", &mut Tokens::new(Holders::Chain { length: 200 }, 6));
}

#[test]
fn swaps_are_as_by_plain_revm() {
    for (clusters, people, swaps) in [(60, 1, 1), (4, 5, 5), (1, 100, 1)] {
        let pools = Pools {
            clusters,
            people,
            swaps,
        };
        compare("swaps", &mut Swaps::new(pools, 7));
    }
}

#[test]
fn transfers_of_real_blocks_are_as_by_plain_revm() {
    let Some(folder) = data::path("ethereum-state") else {
        return;
    };
    let blocks = MainnetBlock::read_all(&folder).unwrap();
    assert_eq!(blocks.len(), 64);
    let (mut transfers, mut left_out) = (0, 0);
    for block in &blocks {
        let name = format!("block {}", block.environment.number);
        let mut compared = Compared::new(block.environment, &block.accounts);
        compared.execute(&name, &block.txns);
        compared.plain.check_ether().unwrap();
        transfers += block.txns.len();
        left_out += block.left_out;
    }
    println!(
        "{transfers} transfers in {} blocks, {left_out} left out",
        blocks.len()
    );
    assert!(transfers > 19_000, "only {transfers}");
}

#[test]
fn the_same_seed_gives_the_same_blocks() {
    let payers = Payers::Contended {
        count: 50,
        accounts: 100,
        hot_percent: 30,
    };
    let blocks = |seed| {
        let mut ether = Ether::new(payers, seed);
        [ether.block(), ether.block()]
    };
    assert_eq!(blocks(1), blocks(1));
    assert_ne!(blocks(1), blocks(2));
    let [first, second] = blocks(1);
    assert_ne!(first, second);
}
