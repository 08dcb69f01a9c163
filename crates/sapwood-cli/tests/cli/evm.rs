//! `evm`: official tests from the command line, and a chain that is kept, read at its heights.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{data, run};

/// A file of one test: a contract that adds one to slot 0 for each transaction, and two blocks.
fn official(directory: &Path) -> Option<std::path::PathBuf> {
    let file = data("ethereum-tests")?.join("bcExample/mergeExample.json");
    let copy = directory.join("merge.json");
    fs::copy(file, &copy).unwrap();
    Some(copy)
}

fn read(file: &Path) -> (String, Value) {
    let tests: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let (name, test) = tests.as_object().unwrap().iter().next().unwrap();
    (name.clone(), test.clone())
}

#[test]
fn official_tests_pass_one_by_one_and_in_parallel() {
    let Some(directory) = data("ethereum-tests") else {
        return;
    };
    let directory = directory.join("bcValidBlockTest");
    let directory = directory.to_str().unwrap();
    let serial = run(["evm", "run", directory, "--serial", "--json"]).json();
    assert!(serial["passed"].as_u64().unwrap() > 10, "{serial}");
    assert_eq!(
        (&serial["failed"], &serial["workers"]),
        (&json!([]), &Value::Null)
    );
    for workers in ["1", "3"] {
        let parallel = run(["evm", "run", directory, "--workers", workers, "--json"]).json();
        for field in ["passed", "failed", "blocks", "transactions", "gas"] {
            assert_eq!(parallel[field], serial[field], "{field}");
        }
    }
    let told = run(["evm", "run", directory, "--name", "SimpleTx_", "--serial"]).ok();
    assert!(
        told.stdout
            .starts_with("1 tests passed, 0 failed: 1 blocks"),
        "{told:?}"
    );
}

#[test]
fn a_test_that_fails_is_named_and_ends_the_command_with_1() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(file) = official(scratch.path()) else {
        return;
    };
    let (name, mut test) = read(&file);
    let accounts = test["postState"].as_object_mut().unwrap();
    let account = accounts.values_mut().next().unwrap();
    account["balance"] = json!("0x1");
    fs::write(&file, json!({ &name: test }).to_string()).unwrap();
    let outcome = run(["evm", "run", file.to_str().unwrap(), "--json"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let answer = outcome.json();
    assert_eq!(
        (&answer["passed"], &answer["failed"][0]["name"]),
        (&json!(0), &json!(name))
    );
    let why = answer["failed"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("another account than its header says"),
        "{why}"
    );
}

#[test]
fn a_chain_that_is_kept_is_read_at_every_height() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(file) = official(scratch.path()) else {
        return;
    };
    let (name, test) = read(&file);
    let db = scratch.path().join("chain");
    let db = db.to_str().unwrap();
    run([
        "evm",
        "run",
        file.to_str().unwrap(),
        "--name",
        &name,
        "--db",
        db,
    ])
    .ok();
    let ask = |words: &[&str]| run([&["evm"], words, &["--db", db, "--json"]].concat());
    for (height, state) in [("0", &test["pre"]), ("1", &test["postState"])] {
        for (address, account) in state.as_object().unwrap() {
            let at = ["--height", height];
            let balance = ask(&[&["balance", address][..], &at].concat()).json();
            let expected = account["balance"].as_str().unwrap();
            let expected = u128::from_str_radix(expected.trim_start_matches("0x"), 16).unwrap();
            assert_eq!(
                balance["wei"],
                json!(expected.to_string()),
                "{address} at {height}"
            );
            let code = ask(&[&["code", address][..], &at].concat()).json();
            assert_eq!(code["code"], account["code"]);
            let slots = ask(&[&["storage", address][..], &at].concat()).json();
            let slots = slots["slots"].as_array().unwrap();
            let expected = account["storage"].as_object().unwrap();
            assert_eq!(slots.len(), expected.len(), "{address} at {height}");
            for (slot, value) in expected {
                let found = ask(&[&["storage", address, slot][..], &at].concat()).json();
                let digits = value.as_str().unwrap().trim_start_matches("0x");
                assert_eq!(found["value"], json!(format!("0x{digits:0>64}")));
            }
        }
    }
    let called = ask(&[
        "call",
        "0x0000000000000000000000000000000000000004",
        "0x1234",
    ])
    .json();
    assert_eq!(
        (&called["success"], &called["output"]),
        (&json!(true), &json!("0x1234"))
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let refused = |words: &[&str], kind: &str| {
        let outcome = run([words, &["--json"]].concat());
        assert_ne!(outcome.code, 0, "{outcome:?}");
        assert_eq!(outcome.json()["error"]["kind"], kind, "{outcome:?}");
    };
    let nobody = "0x0000000000000000000000000000000000000001";
    refused(&["evm", "run", &at("nothing")], "io");
    refused(&["evm", "run", scratch.path().to_str().unwrap()], "invalid");
    fs::write(scratch.path().join("bad.json"), "{").unwrap();
    refused(&["evm", "run", &at("bad.json")], "invalid");
    let db = at("db");
    run(["set", "a", "1", "--db", &db]).ok();
    refused(&["evm", "balance", nobody, "--db", &db], "invalid");
    refused(
        &["evm", "balance", nobody, "--height", "7", "--db", &db],
        "not_yet",
    );
    let usage = run(["evm", "balance", "0x12", "--db", &db]);
    assert_eq!(usage.code, 2, "{usage:?}");
}
