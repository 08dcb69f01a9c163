//! Chains, transactions and contracts in bytes.

use sapwood::{Engine, Mode};
use sapwood_evm::{
    EvmChain, EvmConfig, EvmState, EvmTxn, ExecutedBlock, Genesis, GenesisAccount, Header,
    Proposal, SignedTxn, SpecId,
    consensus::{SignableTransaction, TxLegacy},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
    revm::context::result::ExecutionResult,
};

pub(crate) const GAS_LIMIT: u64 = 30_000_000;
pub(crate) const BASE_FEE: u64 = 7;
pub(crate) const MINER: Address = Address::repeat_byte(0xcc);

/// Somebody, by number.
pub(crate) fn person(number: u8) -> Address {
    Address::repeat_byte(number)
}

pub(crate) fn ether(number: u64) -> U256 {
    U256::from(number) * U256::from(10).pow(U256::from(18))
}

/// 1 to 9 have 1,000 ether each.
pub(crate) fn genesis() -> Genesis {
    let header = Header {
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(BASE_FEE),
        withdrawals_root: Some(B256::ZERO),
        excess_blob_gas: Some(0),
        blob_gas_used: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    let mut genesis = Genesis {
        header,
        ..Genesis::default()
    };
    for number in 1..10 {
        let rich = GenesisAccount {
            balance: ether(1_000),
            ..GenesisAccount::default()
        };
        genesis.accounts.insert(person(number), rich);
    }
    genesis
}

pub(crate) fn with_code(mut genesis: Genesis, address: Address, code: &[u8]) -> Genesis {
    let account = GenesisAccount {
        nonce: 1,
        code: Bytes::copy_from_slice(code),
        ..GenesisAccount::default()
    };
    genesis.accounts.insert(address, account);
    genesis
}

/// One by one for 0 workers; else in parallel, however few transactions there are.
pub(crate) fn config(workers: usize) -> EvmConfig {
    let mut config = EvmConfig::default();
    config.verify_state_root = true;
    config.executor.workers = workers.max(1);
    config.executor.min_parallel_txns = 1;
    config.executor.adaptive = false;
    if workers == 0 {
        config.executor.mode = Mode::Serial;
    }
    config
}

pub(crate) fn chain_of(spec: SpecId, workers: usize, genesis: &Genesis) -> EvmChain {
    let mut config = config(workers);
    config.spec = spec;
    begin(config, genesis)
}

/// A chain whose genesis has the root that its header says.
pub(crate) fn begin(config: EvmConfig, genesis: &Genesis) -> EvmChain {
    let mut genesis = genesis.clone();
    let mut trial = config.clone();
    trial.verify_state_root = false;
    let trial = EvmChain::create(Engine::in_memory(), trial, &genesis).unwrap();
    genesis.header.state_root = trial.state().unwrap().state_root().unwrap();
    EvmChain::create(Engine::in_memory(), config, &genesis).unwrap()
}

/// A transaction, the `nonce`th of its sender.
pub(crate) fn txn(from: Address, nonce: u64, to: TxKind, value: U256, input: &[u8]) -> EvmTxn {
    let txn = TxLegacy {
        chain_id: Some(1),
        nonce,
        gas_price: u128::from(BASE_FEE) + 3,
        gas_limit: 1_000_000,
        to,
        value,
        input: Bytes::copy_from_slice(input),
    };
    signed(txn, from)
}

pub(crate) fn signed<T: SignableTransaction<Signature>>(txn: T, from: Address) -> EvmTxn
where
    SignedTxn: From<sapwood_evm::consensus::Signed<T>>,
{
    let txn = txn.into_signed(Signature::test_signature());
    EvmTxn::new_unchecked(SignedTxn::from(txn), from)
}

pub(crate) fn pay(from: Address, nonce: u64, to: Address, value: u64) -> EvmTxn {
    txn(from, nonce, TxKind::Call(to), U256::from(value), &[])
}

pub(crate) fn call(from: Address, nonce: u64, to: Address, input: &[u8]) -> EvmTxn {
    txn(from, nonce, TxKind::Call(to), U256::ZERO, input)
}

pub(crate) fn proposal(chain: &EvmChain, txns: Vec<EvmTxn>) -> Proposal {
    Proposal::new(MINER, chain.head().timestamp + 12, GAS_LIMIT, txns)
}

pub(crate) fn block(chain: &EvmChain, txns: Vec<EvmTxn>) -> ExecutedBlock {
    chain.propose(proposal(chain, txns)).unwrap()
}

/// Whether every transaction of a block came to its end.
pub(crate) fn all_succeeded(block: &ExecutedBlock) -> bool {
    block.results.iter().all(ExecutionResult::is_success)
}

pub(crate) fn slots(state: &EvmState, address: Address) -> Vec<(u64, u64)> {
    let slots = state.slots(address).unwrap();
    let slots = slots.map(|slot| slot.unwrap());
    slots.map(|(slot, value)| (slot.to(), value.to())).collect()
}

/// Two words: a slot, and what to set it to.
pub(crate) fn setting(slot: u64, value: u64) -> Vec<u8> {
    let words = [slot, value].map(|word| U256::from(word).to_be_bytes::<32>());
    words.concat()
}

/// What deploys code: returns the bytes behind it.
pub(crate) fn deploying(code: &[u8]) -> Vec<u8> {
    let length = u8::try_from(code.len()).unwrap();
    // PUSH1 length, DUP1, PUSH1 11, PUSH1 0, CODECOPY, PUSH1 0, RETURN
    let mut bytes = vec![0x60, length, 0x80, 0x60, 11, 0x60, 0, 0x39, 0x60, 0, 0xf3];
    bytes.extend_from_slice(code);
    bytes
}

/// Sets the slot of the first word of its input to the second; destroys itself without input.
pub(crate) const SETTER: &[u8] = &[
    0x36, 0x60, 0x06, 0x57, // CALLDATASIZE, PUSH1 6, JUMPI
    0x33, 0xff, // CALLER, SELFDESTRUCT
    0x5b, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00, // SSTORE of what is loaded, STOP
];

/// Makes a contract of its input, by CREATE2 with salt 0.
pub(crate) const FACTORY: &[u8] = &[
    0x36, 0x60, 0x00, 0x60, 0x00, 0x37, // CALLDATACOPY of everything to 0
    0x60, 0x00, 0x36, 0x60, 0x00, 0x60, 0x00, 0xf5, // CREATE2
    0x00,
];
