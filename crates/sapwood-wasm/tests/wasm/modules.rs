//! Which modules are contracts.

use sapwood::{Mode, ReadView};
use sapwood_wasm::{Failure, WasmTxn, contract_at};

use crate::support::*;

/// Why a module is not deployed.
fn refused(bytes: Vec<u8>) -> String {
    let chain = memory_chain(Mode::Verify);
    let receipt = one(&chain, WasmTxn::deploy("eve", "", bytes, ""));
    assert_eq!(chain.engine().scan(b"").count(), 0);
    match failure(receipt) {
        Failure::BadModule(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn refused_text(text: &str) -> String {
    refused(module(text))
}

const MEMORY: &str = "(memory (export \"memory\") 1)";

#[test]
fn bytes_that_are_no_module_are_refused() {
    let counter = module(COUNTER);
    for bytes in [
        Vec::new(),
        b"\0asm".to_vec(),
        b"\0asm\x02\0\0\0".to_vec(),
        COUNTER.as_bytes().to_vec(),
        counter[..counter.len() - 1].to_vec(),
        [&counter[..], b"\x01"].concat(),
    ] {
        assert!(!refused(bytes).is_empty());
    }
}

/// A translator that trusts what it is given would look for the block that this code stands in.
#[test]
fn code_behind_the_end_of_a_function_is_refused() {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend(b"\x01\x04\x01\x60\0\0"); // a type without parameters and results
    bytes.extend(b"\x03\x02\x01\0"); // a function of it
    bytes.extend(b"\x05\x03\x01\0\x01"); // a memory
    bytes.extend(b"\x07\x0A\x01\x06memory\x02\0");
    bytes.extend(b"\x0A\x06\x01\x04\0\x0B\x10\0"); // no locals, end, call 0
    assert!(refused(bytes).contains("after end of function"));
}

/// Any byte of a module changed: refused, or a contract, but never more than that.
#[test]
fn a_module_with_a_changed_byte_does_no_harm() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let chain = memory_chain(Mode::Verify);
    let good = module(AUCTION);
    let damaged = |rng: &mut fastrand::Rng| {
        let mut bytes = good.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(8..bytes.len());
            bytes[at] = rng.u8(..);
        }
        bytes
    };
    let mut deployed = 0;
    for round in 0..20 {
        let deploys = (0..40u8).map(|salt| {
            let end = 99u64.to_le_bytes();
            WasmTxn::deploy("eve", vec![round, salt], damaged(&mut rng), end).fuel(5_000_000)
        });
        let done = chain.execute_block(chain.height().next().unwrap(), deploys.collect::<Vec<_>>());
        let outcomes = done
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
            .block
            .output
            .outcomes;
        let deploys = outcomes
            .iter()
            .filter_map(|outcome| outcome.output()?.deployed);
        let deploys: Vec<_> = deploys.collect();
        deployed += deploys.len();
        let calls = deploys.iter().flat_map(|contract| {
            ["bid", "bids", "close", "withdraw"].map(|name| {
                WasmTxn::call("eve", *contract, name, 7u64.to_le_bytes()).fuel(5_000_000)
            })
        });
        let done = chain.execute_block(chain.height().next().unwrap(), calls.collect::<Vec<_>>());
        assert!(done.is_ok(), "seed {seed}: {done:?}");
    }
    assert!(deployed > 0, "seed {seed}");
}

#[test]
fn floats_are_refused_wherever_they_stand() {
    for body in [
        "(func (export \"f\") (drop (f32.add (f32.const 1) (f32.const 2))))",
        "(func (export \"f\") (local f64))",
        "(func (export \"f\") (param f32))",
        "(global f64 (f64.const 0))",
        "(func (export \"f\") (drop (i32.trunc_f32_s (f32.const 1))))",
        "(func (export \"f\") (f64.store (i32.const 0) (f64.load (i32.const 8))))",
        "(func (export \"f\") (drop (i64.reinterpret_f64 (f64.const nan))))",
    ] {
        let reason = refused_text(&format!("(module {MEMORY} {body})"));
        assert!(reason.contains("float"), "{body}: {reason}");
    }
}

#[test]
fn start_functions_are_refused() {
    let text = format!("(module {MEMORY} (func $f) (start $f))");
    let reason = refused_text(&text);
    assert!(reason.contains("start"), "{reason}");
}

#[test]
fn imports_that_the_host_does_not_have_are_refused() {
    for import in [
        "(import \"env\" \"get\" (func (param i32 i32 i32 i32) (result i64)))",
        "(import \"sapwood\" \"random\" (func (result i64)))",
        "(import \"wasi_snapshot_preview1\" \"clock_time_get\" (func (param i32 i64 i32) (result i32)))",
        "(import \"sapwood\" \"get\" (func (param i32 i32) (result i64)))",
        "(import \"sapwood\" \"height\" (func (result i32)))",
        "(import \"sapwood\" \"height\" (global i64))",
        "(import \"sapwood\" \"height\" (table 1 funcref))",
    ] {
        let reason = refused_text(&format!("(module {import} {MEMORY})"));
        assert!(reason.starts_with("it imports"), "{import}: {reason}");
    }
    let reason = refused_text("(module (import \"sapwood\" \"memory\" (memory 1)))");
    assert!(reason.starts_with("it imports"), "{reason}");
}

#[test]
fn a_memory_has_to_be_exported_and_small_enough() {
    for text in [
        "(module)",
        "(module (memory 1))",
        "(module (memory (export \"mem\") 1))",
        "(module (func (export \"memory\")))",
    ] {
        assert!(refused_text(text).contains("exports no memory"), "{text}");
    }
    let reason = refused_text("(module (memory (export \"memory\") 257))");
    assert!(reason.contains("257 pages"), "{reason}");
}

#[test]
fn what_goes_beyond_the_first_webassembly_is_mostly_refused() {
    for body in [
        "(memory 1)",
        "(func (result v128) (v128.const i64x2 0 0))",
        "(func $f (return_call $f))",
        "(memory $large i64 1)",
    ] {
        assert!(
            !refused_text(&format!("(module {MEMORY} {body})")).is_empty(),
            "{body}"
        );
    }
    // What compilers put out by default is not.
    let chain = memory_chain(Mode::Verify);
    let body = "(table 1 funcref) (global (mut i32) (i32.const 0))
        (func (export \"main\") (result i32 i32) (i32.const 1) (i32.extend8_s (i32.const 255)))
        (func (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)))";
    deploy(&chain, "ada", &format!("(module {MEMORY} {body})"), b"");
}

#[test]
fn modules_that_cannot_be_instantiated_are_no_contracts() {
    let chain = memory_chain(Mode::Verify);
    for body in [
        "(data (i32.const 65536) \"x\")",
        "(table 1000000 funcref)",
        "(table 1 funcref) (func $f) (elem (i32.const 1) $f)",
    ] {
        let text = format!("(module {MEMORY} {body})");
        let receipt = one(&chain, WasmTxn::deploy("eve", "", module(&text), ""));
        assert!(
            matches!(failure(receipt), Failure::Trap(_) | Failure::BadModule(_)),
            "{body}"
        );
        assert_eq!(chain.engine().scan(b"").count(), 0);
    }
}

#[test]
fn an_init_that_is_no_function_without_parameters_is_refused() {
    for body in [
        "(func (export \"init\") (param i32))",
        "(global (export \"init\") i32 (i32.const 0))",
    ] {
        assert!(
            refused_text(&format!("(module {MEMORY} {body})")).contains("init"),
            "{body}"
        );
    }
}

#[test]
fn modules_over_a_limit_are_refused() {
    let large = format!(
        "(module {MEMORY} (data (i32.const 0) \"{}\"))",
        "x".repeat(513 << 10)
    );
    assert!(refused_text(&large).contains("at most 524288"));
    let globals = "(global i32 (i32.const 0))".repeat(1_001);
    assert!(refused_text(&format!("(module {MEMORY} {globals})")).contains("global"));
    let tiny = "(func)".repeat(9_000);
    assert!(refused_text(&format!("(module {MEMORY} {tiny})")).contains("per function"));
}

#[test]
fn a_module_is_stored_once_and_its_record_says_by_whom() {
    let chain = memory_chain(Mode::Verify);
    let first = deploy(&chain, "ada", COUNTER, b"");
    let second = deploy(&chain, "bob", COUNTER, b"");
    assert_eq!(chain.engine().scan("wasm/module/").count(), 1);
    let state = chain.engine().snapshot().unwrap();
    let (first, second) = (contract_at(&state, &first), contract_at(&state, &second));
    let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
    assert_eq!(first.module_hash, second.module_hash);
    assert_eq!((first.height, second.height), (at(1), at(2)));
    assert_eq!(
        (&first.deployer[..], &second.deployer[..]),
        (&b"ada"[..], &b"bob"[..])
    );
}
