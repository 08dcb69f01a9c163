//! The short form of `make soak`, by operations; and that it fails where it should.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use sapwood::Engine;
use serde_json::Value;
use tempfile::TempDir;

/// A directory in memory, where there is one.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

fn soak(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sapwood-soak"))
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{told}");
    (output, told)
}

/// Some rounds on the store of a directory.
fn run(directory: &Path, rounds: u32) -> (Output, String) {
    let directory = directory.to_str().unwrap();
    let rounds = rounds.to_string();
    soak(&[
        "run",
        "--directory",
        directory,
        "--operations",
        "80",
        "--rounds",
        &rounds,
        "--seed",
        "7",
    ])
}

fn state(directory: &Path) -> Value {
    let text = fs::read_to_string(directory.join("state.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A run that was right; then something is changed behind its back, and the next must say so.
fn fails_after(change: impl FnOnce(&Path), what: &str) {
    let kept = in_memory();
    let (output, told) = run(kept.path(), 2);
    assert!(output.status.success(), "{told}");
    change(kept.path());
    let (output, told) = run(kept.path(), 1);
    assert!(!output.status.success() && told.contains(what), "{told}");
    assert!(told.contains("seed 7"), "{told}");
    // It does not go on as if nothing had been.
    let (output, told) = run(kept.path(), 1);
    assert!(
        !output.status.success() && told.contains("has failed"),
        "{told}"
    );
}

#[test]
fn all_at_once_nothing_is_wrong_and_runs_add_up() {
    let kept = in_memory();
    let (output, told) = run(kept.path(), 4);
    assert!(output.status.success(), "{told}");
    let first = state(kept.path());
    let (output, told) = run(kept.path(), 2);
    assert!(output.status.success(), "{told}");
    let second = state(kept.path());
    assert_eq!((&first["runs"], &second["runs"]), (&1.into(), &2.into()));
    assert_eq!(second["counts"]["restarts"], 6);
    let number = |state: &Value, name: &str| state["counts"][name].as_u64().unwrap();
    for name in [
        "commits",
        "transactions",
        "blocks",
        "reads",
        "feed_commits",
        "prunes",
    ] {
        let (before, after) = (number(&first, name), number(&second, name));
        assert!(0 < before && before < after, "{name}: {before}, {after}");
    }
    assert!(second["seconds"].as_f64() > first["seconds"].as_f64());

    let document = kept.path().join("soak.md");
    let begin = "<!-- run: written by `sapwood-soak report` -->";
    let text = format!("above\n{begin}\n99 hours\n<!-- end of run -->\nbelow\n");
    fs::write(&document, text).unwrap();
    let directory = kept.path().to_str().unwrap();
    let document_path = document.to_str().unwrap();
    let (output, told) = soak(&[
        "report",
        "--directory",
        directory,
        "--document",
        document_path,
    ]);
    assert!(output.status.success(), "{told}");
    let text = fs::read_to_string(&document).unwrap();
    assert!(
        text.contains("in 2 runs") && text.contains("Nothing was found wrong"),
        "{text}"
    );
    assert!(
        !text.contains("99 hours") && text.ends_with("below\n"),
        "{text}"
    );
    let picture = fs::read_to_string(kept.path().join("soak.svg")).unwrap();
    assert!(picture.contains("Resident memory"));
}

#[test]
fn the_time_that_was_asked_for_is_that_of_all_runs() {
    let kept = in_memory();
    let directory = kept.path().to_str().unwrap();
    let (output, told) = run(kept.path(), 1);
    assert!(output.status.success(), "{told}");
    // Less than was run already.
    let (output, told) = soak(&["run", "--directory", directory, "--hours", "0.000000001"]);
    assert!(output.status.success(), "{told}");
    assert_eq!(state(kept.path())["rounds"], 1);
}

#[test]
fn a_commit_that_nobody_made_is_found() {
    let change = |directory: &Path| {
        let engine = Engine::open(directory.join("store")).unwrap();
        engine.set(b"d/000001", b"somebody else").unwrap();
        engine.close().unwrap();
    };
    fails_after(change, "the store was closed at");
}

#[test]
fn a_store_that_lost_everything_is_found() {
    let change = |directory: &Path| fs::remove_dir_all(directory.join("store")).unwrap();
    fails_after(change, "the marks went back");
}

#[test]
fn a_pin_that_is_lost_is_found() {
    let change = |directory: &Path| {
        let engine = Engine::open(directory.join("store")).unwrap();
        let pins = engine.pins().unwrap();
        let name = pins.first().map(|pin| pin.name.clone());
        match name {
            Some(name) => engine.unpin(&name).unwrap(),
            // One too many is as wrong.
            None => drop(engine.pin("other", engine.visible(), sapwood::PinOptions::default())),
        }
        engine.close().unwrap();
    };
    fails_after(change, "the pins are");
}

#[test]
fn a_past_state_that_is_another_is_found() {
    let change = |directory: &Path| {
        let mut state = state(directory);
        for witness in state["witnesses"].as_array_mut().unwrap() {
            witness["digest"] = 1.into();
        }
        fs::write(directory.join("state.json"), state.to_string()).unwrap();
    };
    fails_after(change, "is not what it was");
}

#[test]
fn money_that_came_from_nowhere_is_found() {
    // The store and the state file agree on where it ended; but an account holds more.
    let change = |directory: &Path| {
        let engine = Engine::open(directory.join("store")).unwrap();
        let value = [5_000_000_i64.to_be_bytes(), [0; 8]].concat();
        let at = engine.set(b"a/000003", value).unwrap();
        engine.close().unwrap();
        let mut state = state(directory);
        state["visible"] = at.get().into();
        fs::write(directory.join("state.json"), state.to_string()).unwrap();
    };
    fails_after(change, "accounts hold");
}
