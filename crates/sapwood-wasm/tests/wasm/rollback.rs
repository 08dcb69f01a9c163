//! Blocks that a chain abandons, and others in their place.

use sapwood::{ErrorKind, Keep, Mode, ReadView, Runtime, VirtualMachine};
use sapwood_wasm::{ContractAddress, WasmCall, WasmTxn};

use crate::support::*;

/// Every row of the newest state.
fn rows<V: VirtualMachine>(chain: &Runtime<V>) -> Vec<(sapwood::Key, sapwood::Value)> {
    chain.engine().scan(b"").map(Result::unwrap).collect()
}

#[test]
fn other_blocks_in_place_of_abandoned_ones_leave_what_they_would_have_left_alone() {
    let seed = fastrand::u64(..);
    on_each_storage(&config(Mode::Verify), |chain| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let straight = memory_chain(Mode::Serial);
        let token = ContractAddress::of(b"account 0", b"");
        let deployed = WasmTxn::deploy("account 0", "", module(TOKEN), 1_000u64.to_le_bytes());
        for chain in [&chain, &straight] {
            block(chain, vec![deployed.clone()]);
        }
        let random_block = |rng: &mut fastrand::Rng| {
            let transfers = (0..20).map(|_| {
                let (from, to) = (rng.u8(..4), rng.u8(..6));
                let (from, to) = (format!("account {from}"), format!("account {to}"));
                transfer(token, &from, &to, rng.u64(..200))
            });
            transfers.collect::<Vec<_>>()
        };
        for _ in 0..8 {
            // Some blocks in vain, back to where the other chain is, then one on both.
            let common = chain.height();
            for _ in 0..rng.u8(..4) {
                block(&chain, random_block(&mut rng));
            }
            chain.rollback_to(common).unwrap();
            assert_eq!(chain.height(), common);
            assert_eq!(rows(&chain), rows(&straight), "seed {seed}");
            let txns = random_block(&mut rng);
            let [here, there] = [&chain, &straight].map(|chain| block(chain, txns.clone()).output);
            assert_eq!(here.outcomes, there.outcomes, "seed {seed}");
            assert_eq!(here.digest(), there.digest(), "seed {seed}");
        }
        for height in 1..=chain.height().get() {
            for account in (0..6).map(|number| format!("account {number}")) {
                let [here, there] =
                    [&chain, &straight].map(|chain| balance(chain, token, height, &account));
                assert_eq!(here, there, "seed {seed}, height {height}");
            }
        }
    });
}

/// The address is the same, the module another: what is remembered of the first must not show.
#[test]
fn another_contract_may_take_the_address_of_one_that_was_abandoned() {
    on_each_storage(&config(Mode::Verify), |chain| {
        let counter = deploy(&chain, "ada", COUNTER, b"");
        one(&chain, WasmTxn::call("ada", counter, "increment", ""));
        chain.rollback_to(at(0)).unwrap();
        assert!(rows(&chain).is_empty());
        let token = deploy(&chain, "ada", TOKEN, &5u64.to_le_bytes());
        assert_eq!(token, counter);
        assert_eq!(balance(&chain, token, 1, "ada"), 5);
        let gone = chain
            .call_latest(&WasmCall::new(counter, "value", ""))
            .unwrap();
        assert!(gone.failure.is_some());
    });
}

#[test]
fn what_is_no_longer_kept_cannot_be_gone_back_to() {
    let mut config = config(Mode::Parallel);
    config.keep = Keep::Last(2);
    config.prune_every = Some(1);
    on_each_storage(&config, |chain| {
        let token = deploy(&chain, "alice", TOKEN, &10u64.to_le_bytes());
        for _ in 0..5 {
            one(&chain, transfer(token, "alice", "bob", 1));
        }
        let floor = chain.engine().floor();
        let below = at(floor.get() - 1);
        let error = chain.rollback_to(below).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Pruned { .. }), "{error}");
        let error = chain.rollback_to(at(7)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotYet { .. }), "{error}");
        assert_eq!(balance(&chain, token, 6, "bob"), 5);
        chain.rollback_to(floor).unwrap();
        assert_eq!(balance(&chain, token, floor.get(), "bob"), floor.get() - 1);
    });
}

#[cfg(feature = "rocksdb-storage")]
#[test]
fn an_abandoned_block_does_not_come_back_with_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let token = {
        let chain = rocksdb_chain(directory.path(), &config(Mode::Verify));
        let token = deploy(&chain, "alice", TOKEN, &10u64.to_le_bytes());
        one(&chain, transfer(token, "alice", "bob", 1));
        one(&chain, transfer(token, "alice", "bob", 2));
        chain.rollback_to(at(2)).unwrap();
        close(chain);
        token
    };
    let chain = rocksdb_chain(directory.path(), &config(Mode::Verify));
    assert_eq!(chain.height(), at(2));
    assert_eq!(balance(&chain, token, 2, "bob"), 1);
    one(&chain, transfer(token, "alice", "bob", 4));
    assert_eq!(balance(&chain, token, 3, "bob"), 5);
}
