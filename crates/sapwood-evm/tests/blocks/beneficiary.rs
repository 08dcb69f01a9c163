//! The fees of a block, and a beneficiary that takes part in it.

use sapwood_evm::{
    EvmChain, SpecId,
    primitives::{Address, TxKind, U256},
};

use crate::support::{
    BASE_FEE, MINER, all_succeeded, block, call, chain_of, ether, genesis, pay, person, slots, txn,
    with_code,
};

const TRANSFER_GAS: u64 = 21_000;
/// What the beneficiary gets of a transfer: the price is 3 above the base fee.
const TIP: u64 = TRANSFER_GAS * 3;

fn balance(chain: &EvmChain, address: Address) -> U256 {
    chain.state().unwrap().balance(address).unwrap()
}

/// Chains that execute one by one, and in parallel.
fn chains(code: Option<(Address, &[u8])>) -> Vec<EvmChain> {
    let mut genesis = genesis();
    if let Some((address, code)) = code {
        genesis = with_code(genesis, address, code);
    }
    let workers = [0, 1, 2, 4].into_iter();
    workers
        .map(|workers| chain_of(SpecId::CANCUN, workers, &genesis))
        .collect()
}

#[test]
fn fees_come_to_the_beneficiary_and_the_rest_is_burnt() {
    for chain in chains(None) {
        let txns = (1..10).map(|who| pay(person(who), 0, person(100), 1));
        assert!(all_succeeded(&block(&chain, txns.collect())));
        assert_eq!(balance(&chain, MINER), U256::from(9 * TIP));
        let paid = U256::from(TRANSFER_GAS * (BASE_FEE + 3) + 1);
        assert_eq!(balance(&chain, person(1)), ether(1_000) - paid);
    }
}

#[test]
fn the_beneficiary_spends_in_a_block_what_it_gets_in_it() {
    for chain in chains(None) {
        // The seventh transaction has exactly what the six before have paid.
        let gas = U256::from(1_000_000 * (BASE_FEE + 3));
        let mut txns: Vec<_> = (1..7)
            .map(|who| txn(person(who), 0, TxKind::Call(MINER), gas, &[]))
            .collect();
        let everything = gas * U256::from(6) + U256::from(6 * TIP) - gas;
        txns.push(txn(MINER, 0, TxKind::Call(person(50)), everything, &[]));
        txns.push(pay(person(8), 0, person(51), 1));
        assert!(all_succeeded(&block(&chain, txns)));
        assert_eq!(balance(&chain, person(50)), everything);
        // What it had kept for gas came back; it pays the tip to itself.
        let left = gas - U256::from(TRANSFER_GAS * BASE_FEE) + U256::from(TIP);
        assert_eq!(balance(&chain, MINER), left);
        assert_eq!(
            chain
                .state()
                .unwrap()
                .account(MINER)
                .unwrap()
                .unwrap()
                .nonce,
            1
        );
    }
}

#[test]
fn a_contract_sees_what_the_beneficiary_has_by_then() {
    // COINBASE, BALANCE, NUMBER of the call as the slot: CALLDATALOAD of 0
    let at = person(0xb0);
    let code = [0x41, 0x31, 0x60, 0x00, 0x35, 0x55, 0x00];
    for chain in chains(Some((at, &code))) {
        let slot = |number: u64| U256::from(number).to_be_bytes::<32>();
        let txns = vec![
            call(person(1), 0, at, &slot(1)),
            pay(person(2), 0, person(60), 1),
            call(person(3), 0, at, &slot(2)),
            pay(person(4), 0, MINER, 1_000),
            call(person(5), 0, at, &slot(3)),
        ];
        let block = block(&chain, txns);
        assert!(all_succeeded(&block));
        let tips: Vec<u64> = block
            .results
            .iter()
            .map(|result| result.tx_gas_used() * 3)
            .collect();
        let seen = slots(&chain.state().unwrap(), at);
        let by_then = |count: usize| tips[..count].iter().sum::<u64>();
        // Slot 1 is 0 still: nothing was paid before it.
        assert_eq!(seen, [(2, by_then(2)), (3, by_then(4) + 1_000)]);
        assert_eq!(balance(&chain, MINER), U256::from(by_then(5) + 1_000));
    }
}

#[test]
fn a_beneficiary_that_gets_nothing_is_not_made() {
    for chain in chains(None) {
        block(&chain, Vec::new());
        assert_eq!(chain.state().unwrap().account(MINER).unwrap(), None);
        let keys = sapwood::ReadView::get(chain.state().unwrap().snapshot(), b"F").unwrap();
        assert_eq!(keys, None);
    }
}

#[test]
fn fees_beyond_what_a_cell_holds_are_right_too() {
    for chain in chains(None) {
        // A balance that no cell can hold, a price to match.
        let mut genesis = genesis();
        let sender = person(1);
        genesis.accounts.entry(sender).or_default().balance = U256::MAX >> 1;
        let chain = chain_of(SpecId::CANCUN, chain.config().executor.workers, &genesis);
        let price = u128::MAX / 30_000;
        let dear = |nonce| {
            let txn = sapwood_evm::consensus::TxLegacy {
                chain_id: Some(1),
                nonce,
                gas_price: price,
                gas_limit: TRANSFER_GAS,
                to: TxKind::Call(person(70)),
                value: U256::from(1),
                ..Default::default()
            };
            crate::support::signed(txn, sender)
        };
        let txns = vec![dear(0), pay(person(2), 0, person(71), 1), dear(1), dear(2)];
        assert!(all_succeeded(&block(&chain, txns)));
        let tip = U256::from(price - u128::from(BASE_FEE)) * U256::from(TRANSFER_GAS);
        assert_eq!(
            balance(&chain, MINER),
            tip * U256::from(3) + U256::from(TIP)
        );
    }
}
