//! The counter: a block in which every transaction needs the one before.

use sapwood::{Mode, TxnOutcome};
use sapwood_wasm::{Failure, WasmCall, WasmTxn};

use crate::support::*;

#[test]
fn each_increment_sees_the_one_before() {
    on_each_storage(&config(Mode::Verify), |chain| {
        let counter = deploy(&chain, "ada", COUNTER, b"");
        let call = WasmTxn::call("ada", counter, "increment", "");
        let done = block(&chain, vec![call; 50]);
        for (count, outcome) in (1..).zip(&done.output.outcomes) {
            assert!(matches!(outcome, TxnOutcome::Success(_)));
            assert_eq!(number(&outcome.output().unwrap().output), count);
        }
        let value = WasmCall::new(counter, "value", "");
        assert_eq!(number(&ask(&chain, 2, &value)), 50);
        one(&chain, WasmTxn::call("ada", counter, "reset", ""));
        assert_eq!(number(&ask(&chain, 3, &value)), 0);
        assert_eq!(number(&ask(&chain, 2, &value)), 50);
    });
}

#[test]
fn a_trap_leaves_nothing_behind_and_the_block_goes_on() {
    on_each_storage(&config(Mode::Verify), |chain| {
        let counter = deploy(&chain, "ada", COUNTER, b"");
        let (good, bad) = ("increment", "half");
        let calls = [good, bad, bad, good, bad].map(|name| WasmTxn::call("ada", counter, name, ""));
        let done = block(&chain, calls.to_vec());
        for (place, outcome) in done.output.outcomes.iter().enumerate() {
            let receipt = outcome.output().unwrap();
            if [0, 3].contains(&place) {
                assert!(receipt.is_success());
            } else {
                assert!(matches!(outcome, TxnOutcome::Skipped(_)));
                assert!(matches!(failure(receipt.clone()), Failure::Trap(_)));
                assert!(receipt.fuel_used > 0);
            }
        }
        let value = WasmCall::new(counter, "value", "");
        assert_eq!(number(&ask(&chain, 2, &value)), 2);
    });
}

#[test]
fn contracts_of_one_module_do_not_see_each_other() {
    let chain = memory_chain(Mode::Verify);
    let ones = deploy(&chain, "ada", COUNTER, b"");
    let twos = deploy(&chain, "bob", COUNTER, b"");
    let increment = |counter| WasmTxn::call("ada", counter, "increment", "");
    block(
        &chain,
        vec![increment(twos), increment(ones), increment(twos)],
    );
    let value = |counter| number(&ask(&chain, 3, &WasmCall::new(counter, "value", "")));
    assert_eq!((value(ones), value(twos)), (1, 2));
}

#[test]
fn a_call_that_only_reads_cannot_write() {
    let chain = memory_chain(Mode::Verify);
    let counter = deploy(&chain, "ada", COUNTER, b"");
    one(&chain, WasmTxn::call("ada", counter, "increment", ""));
    for function in ["increment", "reset", "half"] {
        let receipt = chain
            .call_latest(&WasmCall::new(counter, function, ""))
            .unwrap();
        assert_eq!(failure(receipt), Failure::ReadOnly, "{function}");
    }
    assert_eq!(
        number(&ask(&chain, 2, &WasmCall::new(counter, "value", ""))),
        1
    );
    assert_eq!(chain.height(), at(2));
}
