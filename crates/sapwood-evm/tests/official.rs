//! Ethereum's official block-chain tests: every chain of them, one by one and in parallel, every height read
//! back, gone back to, and executed again from.

#[path = "../../../tests/data/mod.rs"]
mod data;

use std::{
    collections::BTreeMap,
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sapwood::{BlockExecutorConfig, Engine, Mode};
use sapwood_evm::{
    BlockchainTest, EvmBlock, EvmChain, EvmConfig, TestAccount, accounts, primitives::Address,
};

/// What the data has: of <https://github.com/ethereum/tests>, by the rules of Cancun.
const TESTS: usize = 322;
const BLOCKS: usize = 468;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// All tests, by their names; none where there is no data.
fn tests() -> Vec<(String, BlockchainTest)> {
    let Some(folder) = data::path("ethereum-tests") else {
        return Vec::new();
    };
    let folders = entries(&folder).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder));
    let tests: Vec<_> = files
        .flat_map(|file| BlockchainTest::read(file).unwrap())
        .collect();
    let blocks: usize = tests.iter().map(|(_, test)| test.blocks.len()).sum();
    assert_eq!((tests.len(), blocks), (TESTS, BLOCKS));
    tests
}

/// Runs `check` for every test, on as many threads as there are cores.
fn for_each(check: impl Fn(&str, &BlockchainTest) + Sync) {
    let tests = tests();
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(name, test);
                }
            });
        }
    });
}

/// One by one for 0 workers; else in parallel, however few transactions there are.
fn config(workers: usize) -> EvmConfig {
    let mut config = EvmConfig::default();
    config.verify_state_root = true;
    config.executor = BlockExecutorConfig::default();
    config.executor.workers = workers.max(1);
    config.executor.min_parallel_txns = 1;
    config.executor.adaptive = false;
    if workers == 0 {
        config.executor.mode = Mode::Serial;
    }
    config
}

type State = BTreeMap<Address, TestAccount>;

/// Executes a chain, and says what its state was after each block, when that was the newest.
fn states_of(chain: &EvmChain, test: &BlockchainTest) -> Vec<State> {
    let mut states = vec![accounts(&chain.state().unwrap()).unwrap()];
    for block in &test.blocks {
        let block = EvmBlock::decode(&block.rlp).unwrap();
        chain.execute_block(&block).unwrap();
        states.push(accounts(&chain.state().unwrap()).unwrap());
    }
    states
}

fn compare(name: &str, chain: &EvmChain, test: &BlockchainTest, states: &[State]) {
    test.compare(&chain.state().unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    for (height, expected) in (0..).zip(states) {
        let got = accounts(&chain.state_at(height).unwrap()).unwrap();
        assert!(got == *expected, "{name}: the state at {height}");
    }
}

#[test]
fn every_chain_ends_as_it_is_to_with_any_number_of_workers() {
    for_each(|name, test| {
        // What was the newest state in a run one by one is what all runs read at its height later.
        let serial = test.begin(Engine::in_memory(), config(0)).unwrap();
        let states = states_of(&serial, test);
        compare(name, &serial, test, &states);
        for workers in 1..=8 {
            let ended = test.run(Engine::in_memory(), config(workers));
            let chain = ended.unwrap_or_else(|error| panic!("{name}, {workers} workers: {error}"));
            compare(name, &chain, test, &states);
        }
    });
}

#[test]
fn every_chain_goes_back_to_each_height_and_comes_to_the_same_end() {
    for_each(|name, test| {
        let chain = test.begin(Engine::in_memory(), config(2)).unwrap();
        let states = states_of(&chain, test);
        let blocks = test
            .blocks
            .iter()
            .map(|block| EvmBlock::decode(&block.rlp).unwrap());
        let blocks: Vec<_> = blocks.collect();
        for height in (0..=chain.height()).rev() {
            chain.rollback_to(height).unwrap();
            let rest = usize::try_from(height).unwrap();
            assert!(
                accounts(&chain.state().unwrap()).unwrap() == states[rest],
                "{name}: back at {height}"
            );
            for block in &blocks[rest..] {
                chain.execute_block(block).unwrap();
            }
            compare(name, &chain, test, &states);
        }
    });
}

#[cfg(feature = "rocksdb-storage")]
#[test]
fn every_chain_ends_as_it_is_to_on_the_disk_and_is_there_again_when_it_is_opened() {
    for_each(|name, test| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain");
        let serial = test.begin(Engine::in_memory(), config(0)).unwrap();
        let states = states_of(&serial, test);
        let chain = test.run(Engine::open(&path).unwrap(), config(2)).unwrap();
        chain.engine().close().unwrap();
        drop(chain);
        let chain = EvmChain::open(Engine::open(&path).unwrap(), config(2)).unwrap();
        compare(name, &chain, test, &states);
        chain.rollback_to(0).unwrap();
        assert!(
            accounts(&chain.state().unwrap()).unwrap() == states[0],
            "{name}: back at 0"
        );
    });
}
