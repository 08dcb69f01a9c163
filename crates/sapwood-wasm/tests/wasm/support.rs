//! What the tests share: contracts, chains over every storage, and short ways to say things.

use sapwood::{
    Block, BlockExecutorConfig, MemoryStorage, Mode, Runtime, RuntimeConfig, Timestamp, TxnOutcome,
};
use sapwood_wasm::{ContractAddress, Failure, Receipt, WasmCall, WasmMachine, WasmTxn};

pub(crate) const TOKEN: &str = include_str!("../contracts/token.wat");
pub(crate) const COUNTER: &str = include_str!("../contracts/counter.wat");
pub(crate) const AUCTION: &str = include_str!("../contracts/auction.wat");

pub(crate) type Chain = Runtime<WasmMachine>;

pub(crate) fn at(height: u64) -> Timestamp {
    Timestamp::new(height)
}

pub(crate) fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A module's text around some functions: all imports that they may want, a page of memory.
pub(crate) fn with_host(functions: &str) -> String {
    let signatures = [
        ("height", "(result i64)"),
        ("caller_len", "(result i32)"),
        ("caller", "(param i32 i32 i32)"),
        ("input_len", "(result i32)"),
        ("input", "(param i32 i32 i32)"),
        ("get", "(param i32 i32 i32 i32) (result i64)"),
        ("set", "(param i32 i32 i32 i32)"),
        ("delete", "(param i32 i32)"),
        ("scan", "(param i32 i32 i32 i32 i32 i32 i32) (result i64)"),
        ("event", "(param i32 i32 i32 i32)"),
        ("output", "(param i32 i32)"),
        ("revert", "(param i32 i32)"),
    ];
    let imports = signatures.map(|(name, signature)| {
        format!("(import \"sapwood\" \"{name}\" (func ${name} {signature}))")
    });
    format!(
        "(module {} (memory (export \"memory\") 1) {functions})",
        imports.join("\n")
    )
}

/// In parallel even where it is not worth it.
pub(crate) fn config(mode: Mode) -> RuntimeConfig {
    let mut executor = BlockExecutorConfig::default();
    executor.workers = 4;
    executor.min_parallel_txns = 2;
    executor.adaptive = false;
    executor.mode = mode;
    let mut config = RuntimeConfig::default();
    config.executor = executor;
    config
}

pub(crate) fn memory_chain(mode: Mode) -> Chain {
    Runtime::new(&MemoryStorage::new(), WasmMachine::default(), config(mode)).unwrap()
}

/// Runs a test over each storage that there is.
pub(crate) fn on_each_storage(config: &RuntimeConfig, test: impl Fn(Chain)) {
    let chain = Runtime::new(
        &MemoryStorage::new(),
        WasmMachine::default(),
        config.clone(),
    );
    test(chain.unwrap());
    #[cfg(feature = "rocksdb-storage")]
    {
        let directory = tempfile::tempdir().unwrap();
        test(rocksdb_chain(directory.path(), config));
    }
}

#[cfg(feature = "rocksdb-storage")]
pub(crate) fn rocksdb_chain(path: &std::path::Path, config: &RuntimeConfig) -> Chain {
    let storage = sapwood::RocksDBStorage::new(sapwood::RocksDBConfig::at(path.to_str().unwrap()));
    Runtime::new(&storage.unwrap(), WasmMachine::default(), config.clone()).unwrap()
}

/// Waits for runs in vain that have not come to their ends: until they do, they hold back pruning
/// and keep the database open.
pub(crate) fn settle(chain: &Chain) {
    while chain.engine().stats().open_snapshots > 0 {
        std::thread::yield_now();
    }
}

/// Lets go of a chain: of its database too, which runs in vain would keep open.
pub(crate) fn close(chain: Chain) {
    settle(&chain);
    drop(chain);
}

/// Executes a block at the next height.
pub(crate) fn block(chain: &Chain, txns: Vec<WasmTxn>) -> Block<Receipt> {
    settle(chain);
    let height = chain.height().next().unwrap();
    chain.execute_block(height, txns).unwrap().block
}

/// Executes one transaction as a block.
pub(crate) fn one(chain: &Chain, txn: WasmTxn) -> Receipt {
    let mut block = block(chain, vec![txn]);
    match block.output.outcomes.pop() {
        Some(TxnOutcome::Success(receipt)) => {
            assert_eq!(receipt.failure, None);
            receipt
        }
        Some(TxnOutcome::Skipped(receipt)) => {
            assert!(receipt.failure.is_some() && block.output.changes.is_empty());
            receipt
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure(receipt: Receipt) -> Failure {
    assert!(receipt.output.is_empty() && receipt.events.is_empty() && receipt.deployed.is_none());
    receipt.failure.unwrap()
}

/// Deploys a contract from its text, as a block.
pub(crate) fn deploy(chain: &Chain, sender: &str, text: &str, input: &[u8]) -> ContractAddress {
    let receipt = one(chain, WasmTxn::deploy(sender, "", module(text), input));
    assert_eq!(receipt.failure, None);
    let address = receipt.deployed.unwrap();
    assert_eq!(address, ContractAddress::of(sender.as_bytes(), b""));
    address
}

/// What a call at a height gives out.
pub(crate) fn ask(chain: &Chain, height: u64, call: &WasmCall) -> Vec<u8> {
    let receipt = chain.call_at(at(height), call).unwrap();
    assert_eq!(receipt.failure, None);
    receipt.output
}

pub(crate) fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

pub(crate) fn transfer(token: ContractAddress, from: &str, to: &str, amount: u64) -> WasmTxn {
    let input = [&amount.to_le_bytes(), to.as_bytes()].concat();
    WasmTxn::call(from, token, "transfer", input)
}

pub(crate) fn balance(chain: &Chain, token: ContractAddress, height: u64, account: &str) -> u64 {
    number(&ask(
        chain,
        height,
        &WasmCall::new(token, "balance", account),
    ))
}
