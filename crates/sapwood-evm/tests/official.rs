//! Ethereum's official block-chain tests: every chain of them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sapwood::{BlockExecutorConfig, Engine, Mode};
use sapwood_evm::{BlockchainTest, EvmConfig};

/// The folder of the tests; `None` where there is none, and none is required.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = env::var_os("SAPWOOD_DATA").map_or(beside, PathBuf::from);
    let folder = data.join("ethereum-tests");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        env::var_os("SAPWOOD_REQUIRE_DATA").is_none(),
        "{} is missing",
        folder.display()
    );
    eprintln!("skipped: no {}", folder.display());
    None
}

fn tests() -> Vec<(String, BlockchainTest)> {
    let Some(folder) = folder() else {
        return Vec::new();
    };
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.is_dir());
    files.sort();
    let files = files.iter().flat_map(|path| fs::read_dir(path).unwrap());
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| BlockchainTest::read(file).unwrap())
        .collect()
}

fn config(workers: usize) -> EvmConfig {
    let mut config = EvmConfig::default();
    config.verify_state_root = true;
    config.executor = BlockExecutorConfig::default();
    config.executor.workers = workers.max(1);
    config.executor.min_parallel_txns = 1;
    config.executor.adaptive = false;
    if workers == 0 {
        config.executor.mode = Mode::Serial;
    }
    config
}

#[test]
fn probe() {
    let mut failed = 0;
    let tests = tests();
    for (name, test) in &tests {
        let begun = std::time::Instant::now();
        for workers in [0, 2] {
            if let Err(error) = test.run(Engine::in_memory(), config(workers)) {
                eprintln!("{name} {workers}: {error}");
                failed += 1;
            }
        }
        if begun.elapsed().as_millis() > 500 {
            eprintln!("{name} {:?}", begun.elapsed());
        }
    }
    assert_eq!(failed, 0, "of {}", tests.len());
}
