//! What is refused leaves the chain as it was, and is told in words that help.

use std::fs;

use sapwood::{Engine, ReadView, Timestamp};
use sapwood_evm::{
    BlockchainTest, EvmBlock, EvmChain, EvmConfig, EvmError, EvmState, EvmTxn, Header, SignedTxn,
    SpecId,
    consensus::{SignableTransaction, TxLegacy},
    primitives::{B256, Bloom, Bytes, Signature, TxKind, U256},
};

use crate::support::{
    GAS_LIMIT, begin, block, chain_of, config, genesis, pay, person, proposal, txn,
};

/// What makes a header a wrong one.
type Change = fn(&mut Header);

/// A chain of two blocks, and the third as another chain has made it.
fn a_chain_and_its_next_block() -> (EvmChain, EvmBlock) {
    let begun = || {
        let chain = chain_of(SpecId::CANCUN, 2, &genesis());
        for nonce in 0..2 {
            block(&chain, vec![pay(person(1), nonce, person(9), 1)]);
        }
        chain
    };
    let other = begun();
    let txns = vec![
        pay(person(1), 2, person(9), 3),
        pay(person(2), 0, person(9), 4),
    ];
    let made = other.propose(proposal(&other, txns.clone())).unwrap();
    (begun(), EvmBlock::new(made.header, txns, Some(Vec::new())))
}

/// Everything that the store has.
fn rows(chain: &EvmChain) -> Vec<(sapwood::Key, sapwood::Value)> {
    chain.engine().scan(b"").map(|row| row.unwrap()).collect()
}

#[track_caller]
fn refused(chain: &EvmChain, block: &EvmBlock) -> EvmError {
    let before = (rows(chain), chain.height(), chain.engine().visible());
    let error = chain.execute_block(block).unwrap_err();
    assert!(
        before == (rows(chain), chain.height(), chain.engine().visible()),
        "{error}"
    );
    error
}

#[test]
fn a_block_that_does_not_fit_its_parent_is_refused() {
    let (chain, good) = a_chain_and_its_next_block();
    let changes: [(&str, Change); 16] = [
        ("its parent hash is 0x0000", |header| {
            header.parent_hash = B256::ZERO;
        }),
        ("its number is 4 instead of 3", |header| header.number += 1),
        ("its time is 24, and the one before is 24", |header| {
            header.timestamp = 24;
        }),
        (
            "its gas limit is 29000000, too far from 30000000",
            |header| header.gas_limit -= 1_000_000,
        ),
        ("it used 30000001 gas of at most 30000000", |header| {
            header.gas_used = GAS_LIMIT + 1;
        }),
        ("its base fee is Some(1000)", |header| {
            header.base_fee_per_gas = Some(1_000);
        }),
        ("its base fee is None", |header| {
            header.base_fee_per_gas = None;
        }),
        ("it has 33 bytes of extra data", |header| {
            header.extra_data = Bytes::from(vec![0; 33]);
        }),
        ("its difficulty is 1", |header| {
            header.difficulty = U256::from(1);
        }),
        ("its ommers hash is", |header| {
            header.ommers_hash = B256::ZERO;
        }),
        ("its transactions root is", |header| {
            header.transactions_root = B256::ZERO;
        }),
        ("its withdrawals root is \"missing\"", |header| {
            header.withdrawals_root = None;
        }),
        ("its withdrawals root is", |header| {
            header.withdrawals_root = Some(B256::ZERO);
        }),
        ("its blob gas used is", |header| {
            header.blob_gas_used = Some(1 << 17);
        }),
        ("its excess blob gas is", |header| {
            header.excess_blob_gas = Some(1);
        }),
        ("its requests hash is \"there\"", |header| {
            header.requests_hash = Some(B256::ZERO);
        }),
    ];
    for (expected, change) in changes {
        let mut block = good.clone();
        change(&mut block.header);
        let error = refused(&chain, &block);
        assert!(matches!(error, EvmError::Unfit { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut block = good.clone();
    block.ommers.push(Header::default());
    assert!(
        refused(&chain, &block)
            .to_string()
            .contains("it has ommers")
    );
    chain.execute_block(&good).unwrap();
    assert!(
        refused(&chain, &good)
            .to_string()
            .contains("its number is 3 instead of 4")
    );
}

#[test]
fn a_block_of_which_something_else_comes_is_refused() {
    let (chain, good) = a_chain_and_its_next_block();
    let changes: [(&str, Change); 4] = [
        ("gas used", |header| header.gas_used += 1),
        ("logs bloom", |header| {
            header.logs_bloom = Bloom::repeat_byte(1);
        }),
        ("receipts root", |header| header.receipts_root = B256::ZERO),
        ("state root", |header| header.state_root = B256::ZERO),
    ];
    for (expected, change) in changes {
        let mut block = good.clone();
        change(&mut block.header);
        let error = refused(&chain, &block);
        assert!(
            matches!(error, EvmError::Mismatch { what, .. } if what == expected),
            "{error:?}"
        );
        assert!(error.to_string().contains(expected), "{error}");
    }
    chain.execute_block(&good).unwrap();
}

#[test]
fn a_transaction_that_may_not_stand_there_refuses_its_block() {
    let chain = chain_of(SpecId::CANCUN, 2, &genesis());
    let all_of_it = |who: u8| {
        let txn = TxLegacy {
            chain_id: Some(1),
            gas_price: 100,
            gas_limit: GAS_LIMIT - 20_000,
            to: TxKind::Call(person(9)),
            ..TxLegacy::default()
        };
        crate::support::signed(txn, person(who))
    };
    let wrong_chain = TxLegacy {
        chain_id: Some(2),
        gas_price: 100,
        gas_limit: 21_000,
        to: TxKind::Call(person(9)),
        ..TxLegacy::default()
    };
    let cheap = TxLegacy {
        chain_id: Some(1),
        gas_price: 1,
        gas_limit: 21_000,
        to: TxKind::Call(person(9)),
        ..TxLegacy::default()
    };
    let cases: [(&str, EvmTxn); 6] = [
        ("nonce 2 too high", pay(person(1), 2, person(9), 1)),
        ("nonce 0 too low", pay(person(1), 0, person(9), 1)),
        (
            "lack of funds",
            txn(person(77), 0, TxKind::Call(person(9)), U256::from(1), &[]),
        ),
        ("it may use 29980000 gas", all_of_it(3)),
        (
            "invalid chain ID",
            crate::support::signed(wrong_chain, person(3)),
        ),
        (
            "gas price is less than basefee",
            crate::support::signed(cheap, person(3)),
        ),
    ];
    for (expected, bad) in cases {
        let before = rows(&chain);
        let txns = vec![
            pay(person(1), 0, person(9), 1),
            bad,
            pay(person(2), 0, person(9), 1),
        ];
        let error = chain.propose(proposal(&chain, txns)).unwrap_err();
        let EvmError::InvalidTransaction { number, index, why } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((*number, *index), (1, 1), "{error}");
        assert!(why.contains(expected), "{error}");
        assert!(before == rows(&chain));
    }
    block(&chain, vec![pay(person(1), 0, person(9), 1)]);
}

#[test]
fn bytes_that_are_no_block_are_refused() {
    let (_, good) = a_chain_and_its_next_block();
    let rlp = good.encode();
    let cut = EvmBlock::decode(&rlp[..rlp.len() - 1]).unwrap_err();
    assert!(matches!(cut, EvmError::Malformed { .. }), "{cut:?}");
    let longer = [&rlp[..], &[0]].concat();
    let error = EvmBlock::decode(&longer).unwrap_err().to_string();
    assert!(error.contains("1 bytes follow it"), "{error}");
    assert!(EvmBlock::decode(&[]).is_err());
    // A signature that nobody can have made.
    let nobody = TxLegacy::default().into_signed(Signature::new(U256::ZERO, U256::ZERO, false));
    let nobody = EvmTxn::new_unchecked(SignedTxn::from(nobody), person(1));
    let block = EvmBlock::new(Header::default(), vec![nobody], None);
    let error = EvmBlock::decode(&block.encode()).unwrap_err();
    assert!(
        matches!(error, EvmError::InvalidTransaction { index: 0, .. }),
        "{error:?}"
    );
}

#[test]
fn heights_that_are_pruned_or_not_there_yet_are_told_apart() {
    let chain = chain_of(SpecId::CANCUN, 1, &genesis());
    for nonce in 0..5 {
        block(&chain, vec![pay(person(1), nonce, person(9), 1)]);
    }
    let error = chain.state_at(6).unwrap_err();
    assert!(
        matches!(
            error,
            EvmError::NotYet {
                height: 6,
                newest: 5
            }
        ),
        "{error:?}"
    );
    chain.prune_before(3).unwrap();
    let error = EvmState::at(chain.engine(), 2).unwrap_err();
    assert!(
        matches!(
            error,
            EvmError::Pruned {
                height: 2,
                oldest: 3
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the state at height 2 was pruned: the oldest that is kept is at 3"
    );
    assert_eq!(
        chain.state_at(3).unwrap().balance(person(9)).unwrap(),
        crate::support::ether(1_000) + U256::from(3)
    );
    assert!(matches!(
        chain.rollback_to(2).unwrap_err(),
        EvmError::Pruned { .. }
    ));
    assert!(matches!(
        chain.rollback_to(9).unwrap_err(),
        EvmError::NotYet { .. }
    ));
    assert_eq!(chain.height(), 5);
}

#[test]
fn stores_that_are_no_chains_are_refused() {
    let engine = Engine::in_memory();
    assert!(matches!(
        EvmState::newest(&engine).unwrap_err(),
        EvmError::Chain(_)
    ));
    assert!(matches!(
        EvmChain::open(engine.clone(), EvmConfig::default()).unwrap_err(),
        EvmError::Chain(_)
    ));
    engine.set(b"something", b"else").unwrap();
    let error = EvmChain::create(engine.clone(), EvmConfig::default(), &genesis()).unwrap_err();
    assert!(
        error.to_string().contains("begins on an empty store"),
        "{error}"
    );
    let error = EvmChain::open(engine, EvmConfig::default()).unwrap_err();
    assert!(error.to_string().contains("no chain"), "{error}");

    let mut old = EvmConfig::default();
    old.spec = SpecId::LONDON;
    let error = EvmChain::create(Engine::in_memory(), old, &genesis()).unwrap_err();
    assert!(
        error.to_string().contains("from Paris to Cancun"),
        "{error}"
    );

    let mut gap = genesis();
    gap.header.withdrawals_root = None;
    let error = EvmChain::create(Engine::in_memory(), config(1), &gap).unwrap_err();
    assert!(matches!(error, EvmError::Malformed { .. }), "{error:?}");

    let error = EvmChain::create(Engine::in_memory(), config(1), &genesis()).unwrap_err();
    assert!(
        matches!(
            error,
            EvmError::Mismatch {
                what: "state root",
                ..
            }
        ),
        "{error:?}"
    );

    let chain = begin(config(1), &genesis());
    let mut other = config(1);
    other.chain_id = 5;
    let error = EvmChain::open(chain.engine().clone(), other).unwrap_err();
    assert!(error.to_string().contains("chain 5 of"), "{error}");

    chain.engine().set(b"z", b"somebody else's").unwrap();
    let error = chain.propose(proposal(&chain, Vec::new())).unwrap_err();
    assert!(
        error.to_string().contains("somebody else has committed"),
        "{error}"
    );
    assert_eq!(chain.engine().visible(), Timestamp::new(2));
}

#[test]
fn files_that_are_no_tests_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.json");
    let error = BlockchainTest::read(&file).unwrap_err();
    assert!(
        error.to_string().contains("test.json cannot be read"),
        "{error}"
    );
    for text in ["", "[]", "{\"a\": {}}", "{\"a\": {\"network\": 7}}"] {
        fs::write(&file, text).unwrap();
        let error = BlockchainTest::read(&file).unwrap_err();
        assert!(matches!(error, EvmError::Malformed { .. }), "{error:?}");
    }
}

#[test]
fn withdrawals_before_there_were_any_refuse_a_block() {
    let chain = chain_of(SpecId::MERGE, 1, &genesis());
    let mut early = proposal(&chain, Vec::new());
    early.withdrawals = vec![sapwood_evm::Withdrawal::default()];
    let error = chain.propose(early).unwrap_err();
    assert!(
        error.to_string().contains("its withdrawals is \"there\""),
        "{error}"
    );
    assert_eq!(chain.height(), 0);
    block(&chain, Vec::new());
}
