//! What contracts and their callers do wrong: outcomes, the same in every mode, that leave nothing behind.

use std::{sync::Mutex, time::Duration};

use sapwood::{
    Batch, BlockContext, Engine, ErrorKind, ExecutionStatus, MemoryConfig, MemoryStorage, Mode,
    ReadView, Result, Runtime, Snapshot, Timestamp, TxnOutcome, VirtualMachine,
};
use sapwood_wasm::{ContractAddress, Failure, Receipt, WasmCall, WasmMachine, WasmTxn, state_key};

use crate::support::*;

/// Deploys functions and calls `main`; also checks that no write of it stayed, if it failed.
fn run(functions: &str) -> Receipt {
    let chain = memory_chain(Mode::Verify);
    let contract = deploy(&chain, "eve", &with_host(functions), b"");
    let receipt = one(&chain, WasmTxn::call("eve", contract, "main", "12345678"));
    if !receipt.is_success() {
        let state = chain.engine().snapshot().unwrap();
        assert_eq!(state.scan(state_key(&contract, b"")).count(), 0);
    }
    receipt
}

fn trap(body: &str) -> String {
    // A write before it, which must not stay.
    let write = "(call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))";
    match failure(run(&format!("(func (export \"main\") {write} {body})"))) {
        Failure::Trap(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_trap_of_webassembly_is_an_outcome() {
    assert!(trap("unreachable").contains("unreachable"));
    assert!(trap("(drop (i32.load (i32.const -1)))").contains("out of bounds"));
    assert!(trap("(drop (i32.div_u (i32.const 1) (i32.const 0)))").contains("divide by zero"));
    assert!(trap("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))").contains("overflow"));
    assert!(trap("(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))").contains("bounds"));
}

#[test]
fn recursion_without_end_is_a_trap_and_not_the_end_of_the_thread() {
    let deep = "(func $deep (param i32) (result i32)
        (i32.add (call $deep (local.get 0)) (i32.const 1)))
        (func (export \"main\") (drop (call $deep (i32.const 1))))";
    assert_eq!(
        failure(run(deep)),
        Failure::Trap("call stack exhausted".to_owned())
    );
    // Many values in each frame: the other limit of the same trap.
    let locals = "i64 ".repeat(2_000);
    let wide = format!(
        "(func $deep (param i64) (result i64) (local {locals})
            (i64.add (call $deep (local.get 0)) (local.get 1999)))
        (func (export \"main\") (drop (call $deep (i64.const 1))))"
    );
    assert_eq!(
        failure(run(&wide)),
        Failure::Trap("call stack exhausted".to_owned())
    );
}

#[test]
fn an_endless_loop_ends_with_its_fuel() {
    let chain = memory_chain(Mode::Verify);
    let text = with_host(
        "(func (export \"main\")
            (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))
            (loop $again (br $again)))",
    );
    let contract = deploy(&chain, "eve", &text, b"");
    let call = WasmTxn::call("eve", contract, "main", "");
    let most = chain.machine().config().max_fuel;
    for (fuel, used) in [(u64::MAX, most), (50_000, 50_000), (1, 1), (0, 0)] {
        let done = block(&chain, vec![call.clone().fuel(fuel)]);
        assert_eq!(done.output.charged, used);
        let receipt = done.output.outcomes[0].output().unwrap().clone();
        assert_eq!(receipt.fuel_used, used);
        assert_eq!(failure(receipt), Failure::OutOfFuel);
        assert!(done.output.changes.is_empty());
    }
}

/// What takes fuel takes the same each time, and one less is too little.
#[test]
fn fuel_is_exact() {
    let chain = memory_chain(Mode::Verify);
    let token = deploy(&chain, "alice", TOKEN, &100u64.to_le_bytes());
    let send = transfer(token, "alice", "bob", 1);
    // The first creates the account.
    one(&chain, send.clone());
    let used = one(&chain, send.clone()).fuel_used;
    assert_eq!(one(&chain, send.clone()).fuel_used, used);
    let receipt = one(&chain, send.clone().fuel(used - 1));
    assert_eq!(receipt.fuel_used, used - 1);
    assert_eq!(failure(receipt), Failure::OutOfFuel);
    assert_eq!(one(&chain, send.fuel(used)).fuel_used, used);
    assert_eq!(balance(&chain, token, 6, "bob"), 4);
}

/// Whatever the fuel, there is an outcome, and it is either all or nothing.
#[test]
fn with_any_fuel_a_transfer_happens_wholly_or_not_at_all() {
    let chain = memory_chain(Mode::Verify);
    let token = deploy(&chain, "alice", TOKEN, &1_000u64.to_le_bytes());
    let used = one(&chain, transfer(token, "alice", "bob", 1)).fuel_used;
    let steps = used / 97 + 1;
    let txns: Vec<_> = (0..=used)
        .step_by(usize::try_from(steps).unwrap())
        .map(|fuel| transfer(token, "alice", "bob", 1).fuel(fuel))
        .collect();
    let done = block(&chain, txns);
    let paid = done.output.outcomes.iter();
    let paid = paid
        .filter(|outcome| matches!(outcome, TxnOutcome::Success(_)))
        .count() as u64;
    assert_eq!(balance(&chain, token, 3, "bob"), 1 + paid);
    assert_eq!(balance(&chain, token, 3, "alice"), 999 - paid);
}

#[test]
fn a_block_is_cut_where_its_fuel_ends() {
    let mut config = config(Mode::Verify);
    config.executor.block_limit = Some(200_000);
    let machine = WasmMachine::default();
    let chain = Runtime::new(&MemoryStorage::new(), machine, config).unwrap();
    let counter = deploy(&chain, "ada", COUNTER, b"");
    let call = WasmTxn::call("ada", counter, "increment", "");
    let done = block(&chain, vec![call; 200]);
    let run = done.output.outcomes.iter();
    let run = run
        .filter(|outcome| matches!(outcome, TxnOutcome::Success(_)))
        .count();
    assert!(run > 10 && run < 200, "{run}");
    assert!(done.output.charged <= 200_000);
    assert!(matches!(done.output.outcomes[run], TxnOutcome::NotExecuted));
    let value = WasmCall::new(counter, "value", "");
    assert_eq!(number(&ask(&chain, 2, &value)), run as u64);
}

#[test]
fn what_is_not_there_cannot_be_called() {
    let chain = memory_chain(Mode::Verify);
    let counter = deploy(&chain, "ada", COUNTER, b"");
    let nobody = ContractAddress::new([1; 32]);
    let call = |contract, name: &str| one(&chain, WasmTxn::call("ada", contract, name, ""));
    assert_eq!(failure(call(nobody, "value")), Failure::NoContract(nobody));
    for name in ["", "missing", "memory", "init"] {
        let expected = Failure::NoFunction(name.to_owned());
        assert_eq!(failure(call(counter, name)), expected);
        let past = chain
            .call_at(at(1), &WasmCall::new(counter, name, ""))
            .unwrap();
        assert_eq!(failure(past), expected);
    }
    // Before it was deployed.
    let past = chain
        .call_at(at(0), &WasmCall::new(counter, "value", ""))
        .unwrap();
    assert_eq!(failure(past), Failure::NoContract(counter));
    let later = chain
        .call_at(at(99), &WasmCall::new(counter, "value", ""))
        .unwrap_err();
    assert!(matches!(later.kind(), ErrorKind::NotYet { .. }));
}

#[test]
fn only_functions_without_parameters_and_results_are_called() {
    let text = with_host(
        "(func (export \"f\") (param i32)) (func (export \"g\") (result i32) i32.const 0)",
    );
    let chain = memory_chain(Mode::Verify);
    let contract = deploy(&chain, "eve", &text, b"");
    for name in ["f", "g"] {
        let receipt = one(&chain, WasmTxn::call("eve", contract, name, ""));
        assert_eq!(failure(receipt), Failure::NoFunction(name.to_owned()));
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_looked_at() {
    let chain = memory_chain(Mode::Verify);
    let counter = deploy(&chain, "ada", COUNTER, b"");
    let long = vec![b'a'; chain.machine().config().max_io_bytes + 1];
    let name = String::from_utf8(long.clone()).unwrap();
    for txn in [
        WasmTxn::call("ada", counter, "value", long.clone()),
        WasmTxn::call(long.clone(), counter, "value", ""),
        WasmTxn::call("ada", counter, name, ""),
        WasmTxn::deploy("ada", long.clone(), module(COUNTER), ""),
        WasmTxn::deploy("ada", "x", module(COUNTER), long.clone()),
        WasmTxn::deploy(long, "x", module(COUNTER), ""),
    ] {
        let receipt = one(&chain, txn);
        assert!(matches!(failure(receipt), Failure::TooLarge(_)));
    }
}

#[test]
fn memory_grows_to_its_limit_and_costs_fuel() {
    let pages = WasmMachine::default().config().max_memory_pages;
    let grow = |pages: u32| {
        let text = format!(
            "(func (export \"main\")
                (i32.store (i32.const 0) (memory.grow (i32.const {pages})))
                (call $output (i32.const 0) (i32.const 4)))"
        );
        let receipt = run(&text);
        assert!(receipt.is_success());
        (
            i32::from_le_bytes(receipt.output.try_into().unwrap()),
            receipt.fuel_used,
        )
    };
    let (one, little) = grow(1);
    let (most, much) = grow(pages - 1);
    let (beyond, _) = grow(pages);
    assert_eq!((one, most, beyond), (1, 1, -1));
    assert!(much > little + 200 * u64::from(pages), "{little} {much}");
}

#[test]
fn a_deployment_that_fails_leaves_nothing() {
    let chain = memory_chain(Mode::Verify);
    let text = with_host("(func (export \"init\") unreachable)");
    let receipt = one(&chain, WasmTxn::deploy("eve", "", module(&text), ""));
    assert!(matches!(failure(receipt), Failure::Trap(_)));
    assert_eq!(chain.engine().scan(b"").count(), 0);
    // The address is still free.
    let address = deploy(&chain, "eve", COUNTER, b"");
    let again = one(
        &chain,
        WasmTxn::deploy("eve", "", module(TOKEN), 1u64.to_le_bytes()),
    );
    assert_eq!(failure(again), Failure::ContractExists(address));
}

/// A machine that takes a fee before the contract runs, and asks more of the context than it allows.
struct WithFee(WasmMachine);

impl VirtualMachine for WithFee {
    type Txn = WasmTxn;
    type Output = Receipt;
    type Call = str;
    type Answer = bool;

    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &WasmTxn,
    ) -> Result<ExecutionStatus<Receipt>> {
        ctx.add("fees", 1)?;
        // Kept even where the contract failed.
        Ok(ExecutionStatus::Success(self.0.run(ctx, height, txn)?))
    }

    fn call(&self, state: &Snapshot, key: &str) -> Result<bool> {
        state.contains(key)
    }
}

#[test]
fn what_another_machine_did_before_a_trap_stays() {
    let machine = WithFee(WasmMachine::default());
    let chain = Runtime::new(&MemoryStorage::new(), machine, config(Mode::Verify)).unwrap();
    let counter = ContractAddress::of(b"ada", b"");
    let deploy = WasmTxn::deploy("ada", "", module(COUNTER), "");
    chain.execute_block(at(1), [deploy]).unwrap();
    let call = |name| WasmTxn::call("ada", counter, name, "");
    let calls = vec![call("half"), call("increment"), call("half"), call("half")];
    chain.execute_block(at(2), calls).unwrap();
    let state = chain.engine().snapshot().unwrap();
    let fees = state.get(b"fees").unwrap();
    assert_eq!(sapwood::decode_cell(fees.as_deref()).unwrap(), 5);
    let count = state.get(state_key(&counter, b"count")).unwrap();
    assert_eq!(number(&count.unwrap()), 1);
}

/// A machine that remembers what it was told of runs, also of those in vain.
struct Watched {
    machine: WasmMachine,
    seen: Mutex<Vec<Result<Option<Failure>>>>,
}

impl VirtualMachine for Watched {
    type Txn = WasmTxn;
    type Output = ();
    type Call = str;
    type Answer = bool;

    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &WasmTxn,
    ) -> Result<ExecutionStatus<()>> {
        let receipt = self.machine.run(ctx, height, txn);
        self.seen
            .lock()
            .unwrap()
            .push(receipt.map(|receipt| receipt.failure));
        // Whatever it was: an error of the context counts all the same.
        Ok(ExecutionStatus::Success(()))
    }

    fn call(&self, state: &Snapshot, key: &str) -> Result<bool> {
        state.contains(key)
    }
}

/// A context that stops is no trap, even if the contract is in the middle of something.
#[test]
fn an_error_of_the_context_is_never_an_outcome_of_the_contract() {
    let mut config = config(Mode::Parallel);
    config.executor.operations_limit = 20;
    let watched = Watched {
        machine: WasmMachine::default(),
        seen: Mutex::default(),
    };
    let chain = Runtime::new(&MemoryStorage::new(), watched, config).unwrap();
    let endless = |call: &str| {
        format!(
            "(func (export \"{0}\") (loop $again {1} (br $again)))",
            call,
            body_of(call)
        )
    };
    let text = with_host(&["get", "set", "delete", "scan"].map(endless).join(" "));
    let contract = ContractAddress::of(b"eve", b"");
    let deploy = WasmTxn::deploy("eve", "", module(&text), "");
    chain.execute_block(at(1), [deploy]).unwrap();
    let calls =
        ["get", "set", "delete", "scan"].map(|name| WasmTxn::call("eve", contract, name, ""));
    let done = chain.execute_block(at(2), calls).unwrap().block;
    let outcomes = done.output.outcomes;
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == TxnOutcome::OutOfOperations),
        "{outcomes:?}"
    );
    let seen = chain.machine().seen.lock().unwrap();
    let (deployed, calls) = seen.split_first().unwrap();
    assert!(matches!(deployed, Ok(None)) && calls.len() >= 4);
    assert!(calls.iter().all(Result::is_err), "{calls:?}");
}

fn body_of(call: &str) -> String {
    let zeros = |count: usize| "(i32.const 0) ".repeat(count);
    match call {
        "get" => format!("(drop (call $get {}))", zeros(4)),
        "set" => format!("(call $set {})", zeros(4)),
        "delete" => format!("(call $delete {})", zeros(2)),
        // Rows of a prefix that has none: opening is what counts.
        _ => format!(
            "(drop (call $scan {} (i32.const 9) {}))",
            zeros(4),
            zeros(2)
        ),
    }
}

/// The same in a call of the past, where no executor looks after it.
#[test]
fn an_error_of_the_store_is_never_an_outcome_of_a_call() {
    let mut config = MemoryConfig::default();
    config.max_snapshot_age = Some(Duration::from_millis(1));
    let storage = MemoryStorage::with_config(config);
    let reads = with_host(
        "(func (export \"main\")
            (loop $again
                (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))
                (br $again)))",
    );
    // Deployed where nothing is refused for its age.
    let young = MemoryStorage::new();
    let chain = Runtime::new(
        &young,
        WasmMachine::default(),
        crate::support::config(Mode::Serial),
    );
    let contract = deploy(&chain.unwrap(), "eve", &reads, b"");
    let engine = Engine::new(&storage);
    let mut batch = Batch::new();
    for row in Engine::new(&young).scan(b"") {
        let (key, value) = row.unwrap();
        batch.set(key, value);
    }
    engine.commit_at(at(1), batch).unwrap();
    // A hundred thousand reads take longer than that.
    let snapshot = engine.snapshot().unwrap();
    let call = WasmCall::new(contract, "main", "");
    let error = WasmMachine::default().call(&snapshot, &call).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooOld);
}

#[test]
fn a_contract_whose_module_is_gone_is_corrupt_and_fails_the_block() {
    let storage = MemoryStorage::new();
    let chain = Runtime::new(&storage, WasmMachine::default(), config(Mode::Verify)).unwrap();
    let counter = deploy(&chain, "ada", COUNTER, b"");
    let keys: Vec<_> = chain
        .engine()
        .scan("wasm/module/")
        .map(|row| row.unwrap().0)
        .collect();
    let stored = chain.engine().get(&keys[0]).unwrap().unwrap();
    let call = WasmTxn::call("ada", counter, "increment", "");
    chain.engine().delete(&keys[0]).unwrap();
    let error = chain.execute_block(at(3), [call.clone()]).unwrap_err();
    let error = error.into_error();
    assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
    assert_eq!(chain.height(), at(2));
    // Another module under its hash, in a process that does not know it yet.
    chain.engine().set(&keys[0], module(TOKEN)).unwrap();
    let other = Runtime::new(&storage, WasmMachine::default(), config(Mode::Verify)).unwrap();
    let error = other.execute_block(at(4), [call.clone()]).unwrap_err();
    let error = error.into_error();
    assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
    chain.engine().set(&keys[0], stored).unwrap();
    other.execute_block(at(5), [call]).unwrap();
}

/// A user of a contract reads these: each is a sentence of its own, with what it is about in it.
#[test]
fn each_failure_is_told_in_a_sentence() {
    let address = ContractAddress::of(b"ada", b"salt");
    let shown = address.to_string();
    for (failure, words) in [
        (Failure::OutOfFuel, "bring more"),
        (
            Failure::Trap("unreachable".to_owned()),
            "trapped: unreachable",
        ),
        (Failure::Reverted(b"no\xFFfunds".to_vec()), "no\\xfffunds"),
        (
            Failure::BadHostCall("a pointer".to_owned()),
            "wrongly: a pointer",
        ),
        (Failure::ReadOnly, "only reads"),
        (Failure::NoContract(address), shown.as_str()),
        (Failure::NoFunction("pay".to_owned()), "no function \"pay\""),
        (
            Failure::BadModule("no memory".to_owned()),
            "be a contract: no memory",
        ),
        (Failure::ContractExists(address), "choose another salt"),
        (Failure::TooLarge("the input".to_owned()), "the input"),
    ] {
        let told = failure.to_string();
        assert!(told.contains(words), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
}
