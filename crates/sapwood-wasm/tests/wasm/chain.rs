//! The life of a chain: restarts, every past height, pruning by policy.

use sapwood::{ErrorKind, Keep, Mode, PinOptions};
use sapwood_wasm::ContractAddress;

use crate::support::*;

/// Ten blocks of transfers from alice to bob, height by height; the token is deployed in the first.
fn grow(chain: &Chain, to: u64) -> ContractAddress {
    let token = ContractAddress::of(b"alice", b"");
    if chain.height().get() == 0 {
        deploy(chain, "alice", TOKEN, &1_000u64.to_le_bytes());
    }
    while chain.height().get() < to {
        let height = chain.height().get() + 1;
        block(chain, vec![transfer(token, "alice", "bob", height); 2]);
    }
    token
}

/// What bob has after a height of such a chain.
fn expected(height: u64) -> u64 {
    (2..=height).map(|height| 2 * height).sum()
}

#[test]
fn every_past_height_answers_through_the_contract() {
    on_each_storage(&config(Mode::Parallel), |chain| {
        let token = grow(&chain, 12);
        for height in 1..=12 {
            assert_eq!(balance(&chain, token, height, "bob"), expected(height));
            assert_eq!(
                balance(&chain, token, height, "alice"),
                1_000 - expected(height)
            );
        }
    });
}

#[test]
fn heights_may_have_gaps_and_the_state_between_is_the_one_before() {
    let chain = memory_chain(Mode::Verify);
    let token = deploy(&chain, "alice", TOKEN, &9u64.to_le_bytes());
    chain
        .execute_block(at(100), [transfer(token, "alice", "bob", 1)])
        .unwrap();
    assert_eq!(balance(&chain, token, 99, "bob"), 0);
    assert_eq!(balance(&chain, token, 100, "bob"), 1);
    assert!(chain.execute_block(at(100), []).is_err());
}

#[test]
fn what_the_policy_gives_up_cannot_be_called_and_pins_hold() {
    let mut config = config(Mode::Parallel);
    config.keep = Keep::Last(3);
    config.prune_every = Some(2);
    on_each_storage(&config, |chain| {
        let token = grow(&chain, 3);
        chain
            .engine()
            .pin("genesis", at(1), PinOptions::default())
            .unwrap();
        grow(&chain, 10);
        let floor = chain.engine().floor().get();
        assert!((7..=8).contains(&floor), "{floor}");
        for height in 2..floor {
            let call = sapwood_wasm::WasmCall::new(token, "balance", "bob");
            let error = chain.call_at(at(height), &call).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Pruned { .. }),
                "{height}: {error}"
            );
        }
        for height in floor..=10 {
            assert_eq!(balance(&chain, token, height, "bob"), expected(height));
        }
        assert_eq!(balance(&chain, token, 1, "alice"), 1_000);
    });
}

#[cfg(feature = "rocksdb-storage")]
#[test]
fn a_chain_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for to in [1, 4, 9] {
        let chain = rocksdb_chain(directory.path(), &config(Mode::Verify));
        let token = grow(&chain, to);
        for height in 1..=to {
            assert_eq!(balance(&chain, token, height, "bob"), expected(height));
        }
        close(chain);
    }
}
