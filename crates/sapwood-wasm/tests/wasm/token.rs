//! The token: balances at every height, and a supply that stays what it was.

use sapwood::{Mode, ReadView, TxnOutcome};
use sapwood_wasm::{Failure, WasmTxn, state_key};

use crate::support::*;

#[test]
fn a_transfer_moves_an_amount_and_tells_of_it() {
    on_each_storage(&config(Mode::Verify), |chain| {
        let token = deploy(&chain, "alice", TOKEN, &100u64.to_le_bytes());
        let receipt = one(&chain, transfer(token, "alice", "bob", 30));
        assert_eq!(receipt.events.len(), 1);
        assert_eq!(receipt.events[0].topic, b"transfer");
        assert_eq!(number(&receipt.events[0].data), 30);
        assert_eq!(balance(&chain, token, 2, "alice"), 70);
        assert_eq!(balance(&chain, token, 2, "bob"), 30);
        assert_eq!(balance(&chain, token, 1, "alice"), 100);
        assert_eq!(balance(&chain, token, 1, "bob"), 0);
        let direct = chain.engine().get(state_key(&token, b"b/bob")).unwrap();
        assert_eq!(number(&direct.unwrap()), 30);
    });
}

#[test]
fn who_has_too_little_moves_nothing() {
    let chain = memory_chain(Mode::Verify);
    let token = deploy(&chain, "alice", TOKEN, &100u64.to_le_bytes());
    let receipt = one(&chain, transfer(token, "alice", "bob", 101));
    assert_eq!(failure(receipt), Failure::Reverted(b"too little".to_vec()));
    let receipt = one(&chain, WasmTxn::call("alice", token, "transfer", "short"));
    assert_eq!(failure(receipt), Failure::Reverted(b"no account".to_vec()));
    assert_eq!(balance(&chain, token, 3, "alice"), 100);
}

#[test]
fn the_whole_balance_can_go_and_go_to_oneself() {
    let chain = memory_chain(Mode::Verify);
    let token = deploy(&chain, "alice", TOKEN, &100u64.to_le_bytes());
    one(&chain, transfer(token, "alice", "alice", 100));
    assert_eq!(balance(&chain, token, 2, "alice"), 100);
    one(&chain, transfer(token, "alice", "bob", 100));
    assert_eq!(balance(&chain, token, 3, "alice"), 0);
    let gone = chain.engine().get(state_key(&token, b"b/alice")).unwrap();
    assert_eq!(gone, None);
}

#[test]
fn the_supply_is_conserved_under_contention_at_every_height() {
    let seed = fastrand::u64(..);
    on_each_storage(&config(Mode::Verify), |chain| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let token = deploy(&chain, "account 0", TOKEN, &10_000u64.to_le_bytes());
        let accounts: Vec<_> = (0..5).map(|number| format!("account {number}")).collect();
        let mut expected = vec![vec![10_000, 0, 0, 0, 0]];
        for _ in 0..6 {
            let mut balances = expected.last().unwrap().clone();
            let moves: Vec<_> = (0..60)
                .map(|_| (rng.usize(..5), rng.usize(..5), rng.u64(..3_000)))
                .collect();
            let txns = moves.iter().map(|(from, to, amount)| {
                transfer(token, &accounts[*from], &accounts[*to], *amount)
            });
            let outcomes = block(&chain, txns.collect()).output.outcomes;
            for ((from, to, amount), outcome) in moves.iter().zip(outcomes) {
                let pays: bool = balances[*from] >= *amount;
                assert_eq!(
                    matches!(outcome, TxnOutcome::Success(_)),
                    pays,
                    "seed {seed}"
                );
                if pays {
                    balances[*from] -= amount;
                    balances[*to] += amount;
                }
            }
            expected.push(balances);
        }
        for (height, balances) in (1..).zip(&expected) {
            let found = accounts
                .iter()
                .map(|name| balance(&chain, token, height, name));
            assert_eq!(&found.collect::<Vec<_>>(), balances, "seed {seed}");
            assert_eq!(balances.iter().sum::<u64>(), 10_000, "seed {seed}");
        }
    });
}
