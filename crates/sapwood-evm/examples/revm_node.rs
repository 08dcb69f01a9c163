//! A node on revm whose state is Sapwood's: blocks, states of the past, a reorganisation, pruning.
//!
//! ```sh
//! cargo run -p sapwood-evm --example revm_node
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use sapwood::Engine;
use sapwood_evm::{
    EvmCall, EvmChain, EvmConfig, EvmTxn, Genesis, GenesisAccount, Header, Proposal, SignedTxn,
    consensus::{SignableTransaction, TxLegacy},
    primitives::{Address, Bytes, Signature, TxKind, U256, bytes},
};

const GAS_LIMIT: u64 = 30_000_000;
const MINER: Address = Address::repeat_byte(0xcc);
const ADA: Address = Address::repeat_byte(0xad);
const COUNTER: Address = Address::repeat_byte(0xc0);

/// Adds one to slot 0 where it is sent something, and returns slot 0: CALLDATASIZE, ISZERO, JUMPI over
/// SLOAD, ADD, SSTORE; SLOAD, MSTORE, RETURN.
const COUNTER_CODE: Bytes = bytes!("3615600e575f546001015f5500fe5b5f545f5260205ff3");

fn genesis() -> Genesis {
    let header = Header {
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(1_000_000_000),
        ..Header::default()
    };
    let ada = GenesisAccount {
        balance: U256::from(10).pow(U256::from(18)),
        ..GenesisAccount::default()
    };
    let counter = GenesisAccount {
        code: COUNTER_CODE,
        ..GenesisAccount::default()
    };
    Genesis {
        header,
        accounts: [(ADA, ada), (COUNTER, counter)].into(),
    }
}

/// A transaction that counts. In earnest it comes signed, in a block's RLP: `EvmBlock::decode` finds the sender.
fn count(nonce: u64) -> EvmTxn {
    let txn = TxLegacy {
        chain_id: Some(1),
        nonce,
        gas_price: 2_000_000_000,
        gas_limit: 100_000,
        to: TxKind::Call(COUNTER),
        value: U256::ZERO,
        input: Bytes::from_static(&[1]),
    };
    let signed = txn.into_signed(Signature::test_signature());
    EvmTxn::new_unchecked(SignedTxn::from(signed), ADA)
}

fn main() -> Result<(), Box<dyn Error>> {
    // With the feature `rocksdb-storage`, Engine::open(path)? goes here, and nothing else changes.
    let chain = EvmChain::create(Engine::in_memory(), EvmConfig::default(), &genesis())?;

    // Blocks: `execute_block` for those of others, which are compared with their headers; `propose` for our own.
    let mut nonce = 0;
    for transactions in [1, 2, 3, 4] {
        let txns = (nonce..nonce + transactions).map(count).collect();
        nonce += transactions;
        let time = chain.head().timestamp + 12;
        let block = chain.propose(Proposal::new(MINER, time, GAS_LIMIT, txns))?;
        println!(
            "block {}: {} gas, hash {}",
            block.header.number, block.header.gas_used, block.hash
        );
    }

    // Every height, by its rows and through the contract.
    let asking = EvmCall::new(COUNTER, Bytes::new());
    for height in 0..=chain.height() {
        let state = chain.state_at(height)?;
        let counted = state.storage(COUNTER, U256::ZERO)?;
        let answer = state.call(&asking)?;
        assert_eq!(U256::from_be_slice(&answer.output), counted);
        println!(
            "at {height}: {counted} counted, the miner has {} wei",
            state.balance(MINER)?
        );
    }
    assert_eq!(chain.state()?.storage(COUNTER, U256::ZERO)?, U256::from(10));

    // The network has decided for another block 3: back to 2, and on from there.
    chain.rollback_to(2)?;
    let time = chain.head().timestamp + 12;
    chain.propose(Proposal::new(MINER, time, GAS_LIMIT, vec![count(3)]))?;
    assert_eq!(chain.state()?.storage(COUNTER, U256::ZERO)?, U256::from(4));
    println!("another block 3: 4 counted");

    // States that nobody will ask for any more.
    chain.prune_before(2)?;
    let gone = chain.state_at(1).unwrap_err();
    println!("after pruning: {gone}");
    Ok(())
}
