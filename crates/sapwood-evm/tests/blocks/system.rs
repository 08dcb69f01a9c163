//! What is done around a block's transactions: the beacon root, withdrawals, blobs.

use sapwood_evm::{
    EvmCall, SpecId,
    consensus::TxEip4844,
    primitives::{Address, B256, Bytes, U256, address, b256, bytes},
};

use crate::support::{
    BASE_FEE, all_succeeded, block, chain_of, ether, genesis, pay, person, proposal, signed, slots,
    with_code,
};

/// The contract of EIP-4788, as it lies on the main chain.
const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
const BEACON_ROOTS_CODE: Bytes = bytes!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
);

#[test]
fn a_contract_finds_the_root_of_the_beacon_block() {
    for workers in [0, 2] {
        let genesis = with_code(genesis(), BEACON_ROOTS, &BEACON_ROOTS_CODE);
        let chain = chain_of(SpecId::CANCUN, workers, &genesis);
        let roots = [B256::repeat_byte(0x11), B256::repeat_byte(0x22)];
        for root in roots {
            let mut proposal = proposal(&chain, Vec::new());
            proposal.parent_beacon_block_root = root;
            chain.propose(proposal).unwrap();
        }
        let state = chain.state().unwrap();
        for (time, root) in [12_u64, 24].into_iter().zip(roots) {
            let time = Bytes::copy_from_slice(&U256::from(time).to_be_bytes::<32>());
            let found = state.call(&EvmCall::new(BEACON_ROOTS, time)).unwrap();
            assert!(found.is_success);
            assert_eq!(found.output, Bytes::from(root.0));
        }
        let time = Bytes::copy_from_slice(&U256::from(24).to_be_bytes::<32>());
        let before = chain
            .state_at(1)
            .unwrap()
            .call(&EvmCall::new(BEACON_ROOTS, time))
            .unwrap();
        assert!(
            !before.is_success,
            "the second root is not there at height 1"
        );
        let system = address!("fffffffffffffffffffffffffffffffffffffffe");
        assert_eq!(
            state.account(system).unwrap(),
            None,
            "who calls is not made by it"
        );
    }
}

#[test]
fn validators_get_what_they_withdraw() {
    use sapwood_evm::Withdrawal;
    for workers in [0, 2] {
        let chain = chain_of(SpecId::CANCUN, workers, &genesis());
        let withdrawal = |address, amount| Withdrawal {
            address,
            amount,
            ..Withdrawal::default()
        };
        let mut proposal = proposal(&chain, vec![pay(person(1), 0, person(90), 5)]);
        let miner = proposal.beneficiary;
        proposal.withdrawals = vec![
            withdrawal(person(90), 2),
            withdrawal(person(91), 0),
            withdrawal(miner, 1),
            withdrawal(person(90), 3),
        ];
        chain.propose(proposal).unwrap();
        let state = chain.state().unwrap();
        let gwei = U256::from(1_000_000_000);
        assert_eq!(
            state.balance(person(90)).unwrap(),
            gwei * U256::from(5) + U256::from(5)
        );
        assert_eq!(
            state.account(person(91)).unwrap(),
            None,
            "nothing makes nobody"
        );
        assert_eq!(state.balance(miner).unwrap(), gwei + U256::from(21_000 * 3));
    }
}

#[test]
fn blobs_are_paid_for_and_seen_by_their_hashes() {
    // BLOBHASH(0) to slot 0, BLOBBASEFEE to slot 1
    let code = [
        0x60, 0x00, 0x49, 0x60, 0x00, 0x55, 0x4a, 0x60, 0x01, 0x55, 0x00,
    ];
    let at = person(0xb1);
    let hash = b256!("0100000000000000000000000000000000000000000000000000000000000042");
    for workers in [0, 2] {
        let chain = chain_of(SpecId::CANCUN, workers, &with_code(genesis(), at, &code));
        let txn = TxEip4844 {
            chain_id: 1,
            gas_limit: 200_000,
            max_fee_per_gas: u128::from(BASE_FEE),
            to: at,
            blob_versioned_hashes: vec![hash, hash],
            max_fee_per_blob_gas: 10,
            ..TxEip4844::default()
        };
        let block = block(&chain, vec![signed(txn, person(1))]);
        assert!(all_succeeded(&block));
        assert_eq!(block.header.blob_gas_used, Some(2 << 17));
        let state = chain.state().unwrap();
        assert_eq!(
            state.storage(at, U256::ZERO).unwrap(),
            U256::from_be_bytes(hash.0)
        );
        assert_eq!(state.slots(at).unwrap().count(), 2);
        assert_eq!(state.storage(at, U256::from(1)).unwrap(), U256::from(1));
        let paid = U256::from(block.header.gas_used * BASE_FEE + (2 << 17));
        assert_eq!(state.balance(person(1)).unwrap(), ether(1_000) - paid);
    }
}
