//! The kept inputs of each fuzz target, done again without a fuzzer: what was found once stays found.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use sapwood_fuzz::TARGETS;

/// More inputs than these belong to nobody's working tree.
const CORPUS_MAX_BYTES: u64 = 2 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus().join(target));
    let entries = entries.unwrap_or_else(|error| panic!("the corpus of {target}: {error}"));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

/// Each input of a target; the names of all that fail.
fn replay(target: &str) {
    let paths = inputs(target);
    assert!(paths.len() > 10, "{target} has {} inputs", paths.len());
    let mut failed = Vec::new();
    for path in &paths {
        let input = fs::read(path).expect("an input");
        if catch_unwind(AssertUnwindSafe(|| sapwood_fuzz::run(target, &input))).is_err() {
            failed.push(path.display().to_string());
        }
    }
    assert!(failed.is_empty(), "{target}: {}", failed.join("\n  "));
    println!("{target}: {} inputs", paths.len());
}

macro_rules! replays {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn each_target_is_replayed_and_run_by_libfuzzer() {
            let names = TARGETS.map(|(name, _)| name);
            assert_eq!([$(stringify!($target)),*], names);
            let manifest = fs::read_to_string(corpus().join("../Cargo.toml")).expect("a manifest");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
            assert_eq!(manifest.matches("[[bin]]").count(), names.len());
        }
    };
}

replays!(codec, records, operations, shell, export, directory);

#[test]
fn the_corpus_is_small() {
    let files = TARGETS.iter().flat_map(|(name, _)| inputs(name));
    let bytes = files.map(|path| fs::metadata(path).expect("a file").len());
    let bytes: u64 = bytes.sum();
    assert!(bytes < CORPUS_MAX_BYTES, "{bytes} bytes");
}
