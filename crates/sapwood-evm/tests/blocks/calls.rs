//! Calls at every height, and revm itself on a state of the past.

use sapwood::{Engine, ReadView};
use sapwood_evm::{
    EvmCall, EvmChain, EvmConfig, EvmState, SpecId,
    primitives::{Bytes, TxKind, U256},
    revm::{
        Context, ExecuteEvm, MainBuilder, MainContext, context::TxEnv,
        database_interface::WrapDatabaseRef,
    },
};

use crate::support::{
    SETTER, all_succeeded, block, call, chain_of, genesis, person, setting, with_code,
};

/// Returns slot 0, plus the height: SLOAD, NUMBER, ADD, MSTORE, RETURN.
const READER: &[u8] = &[
    0x60, 0x00, 0x54, 0x43, 0x01, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3,
];
/// The same, and sets slot 0 where there is input.
fn counter() -> Vec<u8> {
    let mut code = vec![0x36, 0x15, 0x60, 0x09, 0x57, 0x60, 0x00, 0x35, 0x50];
    // CALLDATASIZE, ISZERO, PUSH1 9, JUMPI ... a JUMPDEST is at 9; with input the slot is set before.
    code.truncate(5);
    code.extend_from_slice(&[0x60, 0x00, 0x35, 0x5f, 0x55]);
    code[3] = 10;
    code.push(0x5b);
    code.extend_from_slice(READER);
    code
}

#[test]
fn a_call_at_a_height_sees_what_was_there() {
    let at = person(0xc1);
    let chain = chain_of(SpecId::CANCUN, 2, &with_code(genesis(), at, &counter()));
    for value in [100, 200, 300] {
        let word = U256::from(value).to_be_bytes::<32>();
        let nonce = chain.height();
        assert!(all_succeeded(&block(
            &chain,
            vec![call(person(1), nonce, at, &word)]
        )));
    }
    let asking = EvmCall::new(at, Bytes::new());
    for (height, value) in [(0, 0), (1, 100), (2, 200), (3, 300)] {
        let state = EvmState::at(chain.engine(), height).unwrap();
        let answer = state.call(&asking).unwrap();
        assert!(answer.is_success);
        assert_eq!(
            U256::from_be_slice(&answer.output),
            U256::from(value + height)
        );
        assert!(answer.gas_used > 21_000);
    }
    // Nothing of a call lasts.
    let setting = EvmCall::new(
        at,
        Bytes::copy_from_slice(&U256::from(7).to_be_bytes::<32>()),
    );
    let state = chain.state().unwrap();
    let answer = state.call(&setting).unwrap();
    assert_eq!(U256::from_be_slice(&answer.output), U256::from(7 + 3));
    assert_eq!(state.storage(at, U256::ZERO).unwrap(), U256::from(300));
}

#[test]
fn a_call_that_fails_says_how() {
    let reverts = person(0xc2);
    let fails = person(0xc3);
    let mut genesis = with_code(
        genesis(),
        reverts,
        &[0x60, 0x2a, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xfd],
    );
    genesis = with_code(genesis, fails, &[0xfe]);
    let chain = chain_of(SpecId::CANCUN, 1, &genesis);
    let state = chain.state().unwrap();
    let answer = state.call(&EvmCall::new(reverts, Bytes::new())).unwrap();
    assert!(!answer.is_success);
    assert_eq!(U256::from_be_slice(&answer.output), U256::from(42));
    let answer = state.call(&EvmCall::new(fails, Bytes::new())).unwrap();
    assert_eq!(answer.halted.as_deref(), Some("InvalidFEOpcode"));
    // More than the caller has is no call at all.
    let mut dear = EvmCall::new(fails, Bytes::new());
    dear.value = U256::from(1);
    let error = state.call(&dear).unwrap_err().to_string();
    assert!(error.contains("lack of funds"), "{error}");
    // A contract can be made, to see what it would be.
    let mut making = EvmCall::new(fails, Bytes::from(crate::support::deploying(SETTER)));
    making.to = None;
    assert_eq!(
        state.call(&making).unwrap().output,
        Bytes::from_static(SETTER)
    );
}

#[test]
fn revm_runs_on_a_state_of_the_past() {
    let at = person(0xc4);
    let chain = chain_of(SpecId::CANCUN, 2, &with_code(genesis(), at, SETTER));
    block(&chain, vec![call(person(1), 0, at, &setting(1, 11))]);
    block(&chain, vec![call(person(1), 1, at, &setting(1, 12))]);
    let past = chain.state_at(1).unwrap();
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(past))
        .build_mainnet();
    let txn = TxEnv {
        caller: person(1),
        nonce: 1,
        gas_limit: 100_000,
        kind: TxKind::Call(at),
        data: Bytes::from(setting(1, 13)),
        ..TxEnv::default()
    };
    let ran = evm.transact(txn).unwrap();
    assert!(ran.result.is_success());
    let slot = &ran.state[&at].storage[&U256::from(1)];
    assert_eq!(
        (slot.original_value, slot.present_value),
        (U256::from(11), U256::from(13))
    );
}

#[test]
fn a_chain_is_there_again_when_it_is_opened() {
    let storage = sapwood::MemoryStorage::new();
    let chain = EvmChain::create(Engine::new(&storage), EvmConfig::default(), &genesis()).unwrap();
    block(
        &chain,
        vec![crate::support::pay(person(1), 0, person(40), 4)],
    );
    let hash = chain.head().hash_slow();
    drop(chain);
    let chain = EvmChain::open(Engine::new(&storage), EvmConfig::default()).unwrap();
    assert_eq!((chain.height(), chain.head().hash_slow()), (1, hash));
    block(
        &chain,
        vec![crate::support::pay(person(1), 1, person(40), 4)],
    );
    let state = chain.state().unwrap();
    assert_eq!(state.balance(person(40)).unwrap(), U256::from(8));
    assert_eq!(state.block_hash(1).unwrap(), Some(hash));
    assert_eq!(state.block_hash(3).unwrap(), None);
    assert_eq!(state.snapshot().scan(b"h").count(), 3);
}
