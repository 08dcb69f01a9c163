//! The auction: heights, scans and deletes.

use sapwood::{Mode, TxnOutcome};
use sapwood_wasm::{ContractAddress, Failure, WasmCall, WasmTxn};

use crate::support::*;

fn bid(auction: ContractAddress, who: &str, amount: u64) -> WasmTxn {
    WasmTxn::call(who, auction, "bid", amount.to_le_bytes())
}

/// The bids that a call gives out.
fn bids(chain: &Chain, auction: ContractAddress, height: u64) -> Vec<(String, u64)> {
    let rows = ask(chain, height, &WasmCall::new(auction, "bids", ""));
    let mut rest = &rows[..];
    let mut found = Vec::new();
    while let Some((heads, rows)) = rest.split_at_checked(8) {
        let len = |at: usize| u32::from_le_bytes(heads[at..at + 4].try_into().unwrap()) as usize;
        let (key, rows) = rows.split_at(len(0));
        let (value, rows) = rows.split_at(len(4));
        let name = key.strip_prefix(b"bid/").unwrap();
        found.push((String::from_utf8(name.to_vec()).unwrap(), number(value)));
        rest = rows;
    }
    assert!(rest.is_empty());
    found
}

fn reverted(outcome: &TxnOutcome<sapwood_wasm::Receipt>) -> String {
    match failure(outcome.output().unwrap().clone()) {
        Failure::Reverted(message) => String::from_utf8(message).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_highest_bid_before_the_end_wins() {
    on_each_storage(&config(Mode::Verify), |chain| {
        let auction = deploy(&chain, "ada", AUCTION, &4u64.to_le_bytes());
        let close = |who: &str| WasmTxn::call(who, auction, "close", "");
        let withdraw = |who: &str| WasmTxn::call(who, auction, "withdraw", "");
        let second = block(
            &chain,
            vec![
                bid(auction, "bob", 10),
                bid(auction, "carol", 10),
                bid(auction, "carol", 12),
                withdraw("carol"),
                close("ada"),
            ],
        );
        let outcomes = &second.output.outcomes;
        assert_eq!(reverted(&outcomes[1]), "too low");
        assert_eq!(reverted(&outcomes[3]), "too late");
        assert_eq!(reverted(&outcomes[4]), "too early");
        let third = block(
            &chain,
            vec![bid(auction, "dan", 15), withdraw("bob"), withdraw("eve")],
        );
        assert!(
            third
                .output
                .outcomes
                .iter()
                .all(|outcome| outcome.output().unwrap().is_success())
        );
        let fourth = block(
            &chain,
            vec![bid(auction, "bob", 99), close("eve"), close("eve")],
        );
        assert_eq!(reverted(&fourth.output.outcomes[0]), "too late");
        assert_eq!(fourth.output.outcomes[1].output().unwrap().output, b"dan");
        assert_eq!(reverted(&fourth.output.outcomes[2]), "too late");

        let named = |rows: &[(&str, u64)]| {
            let rows = rows
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), *amount));
            rows.collect::<Vec<_>>()
        };
        assert_eq!(bids(&chain, auction, 1), []);
        assert_eq!(
            bids(&chain, auction, 2),
            named(&[("bob", 10), ("carol", 12)])
        );
        assert_eq!(
            bids(&chain, auction, 3),
            named(&[("carol", 12), ("dan", 15)])
        );
        // The height that a past call is told of is that of its state.
        let call = chain
            .call_at(at(3), &WasmCall::new(auction, "close", ""))
            .unwrap();
        assert_eq!(failure(call), Failure::Reverted(b"too early".to_vec()));
    });
}

#[test]
fn many_bidders_and_one_who_looks_agree_with_one_by_one() {
    let chain = memory_chain(Mode::Verify);
    let auction = deploy(&chain, "ada", AUCTION, &100u64.to_le_bytes());
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..5 {
        // "bids" gives its rows out inside the block, beside those who change them.
        let txns = (0..40).map(|_| {
            let who = format!("bidder {}", rng.u8(..8));
            match rng.u8(..4) {
                0 => WasmTxn::call(who, auction, "bids", ""),
                1 => WasmTxn::call(who, auction, "withdraw", ""),
                _ => bid(auction, &who, rng.u64(..10_000)),
            }
        });
        // Verify compares; that it did not fail is the test.
        let done = chain.execute_block(chain.height().next().unwrap(), txns.collect::<Vec<_>>());
        assert!(done.is_ok(), "seed {seed}: {done:?}");
    }
}
