//! Blocks of everything at once: in parallel, one by one and verified, with small caches and large ones, the
//! results are one.

use sapwood::{MemoryStorage, Mode, Runtime};
use sapwood_wasm::{ContractAddress, WasmConfig, WasmMachine, WasmTxn};

use crate::support::*;

const SENDERS: [&str; 4] = ["ada", "bob", "carol", "dan"];

fn chain(mode: Mode, cache_bytes: usize) -> Chain {
    let mut limits = WasmConfig::default();
    limits.cache_bytes = cache_bytes;
    limits.max_fuel = 2_000_000;
    let machine = WasmMachine::new(limits);
    Runtime::new(&MemoryStorage::new(), machine, config(mode)).unwrap()
}

/// Deployments, calls of contracts that may not be there yet, and nonsense.
fn random_txn(rng: &mut fastrand::Rng, modules: &[Vec<u8>]) -> WasmTxn {
    let sender = SENDERS[rng.usize(..SENDERS.len())];
    let salt = [rng.u8(..2)];
    let other = SENDERS[rng.usize(..SENDERS.len())];
    let contract = ContractAddress::of(other.as_bytes(), &salt);
    let amount = rng.u64(..50).to_le_bytes();
    let to = SENDERS[rng.usize(..SENDERS.len())];
    let call = |name: &str, input: &[u8]| WasmTxn::call(sender, contract, name, input);
    let txn = match rng.u8(..12) {
        0 => {
            let module = modules[rng.usize(..modules.len())].clone();
            return WasmTxn::deploy(sender, salt, module, 1_000u64.to_le_bytes());
        }
        1 | 2 => call("increment", b""),
        3 => call("half", b""),
        4 => call("reset", b""),
        5 => call("bid", &amount),
        6 => call("bids", b""),
        7 => call("withdraw", b""),
        8 => call("balance", to.as_bytes()),
        _ => call("transfer", &[&amount, to.as_bytes()].concat()),
    };
    match rng.u8(..6) {
        0 => txn.fuel(rng.u64(..12_000)),
        _ => txn,
    }
}

#[test]
fn every_mode_and_every_cache_give_the_same_blocks() {
    let modules = [TOKEN, COUNTER, AUCTION, "(module)"].map(module);
    for _ in 0..6 {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        let chains = [
            chain(Mode::Serial, 1 << 20),
            chain(Mode::Parallel, 1 << 20),
            // Room for one module at a time, and for none.
            chain(Mode::Parallel, 1_500),
            chain(Mode::Parallel, 0),
            chain(Mode::Verify, 1 << 20),
        ];
        for height in 1..=5 {
            let txns: Vec<_> = (0..80).map(|_| random_txn(&mut rng, &modules)).collect();
            let blocks = chains.each_ref().map(|chain| {
                let done = chain.execute_block(at(height), txns.clone());
                done.unwrap_or_else(|error| panic!("seed {seed}, height {height}: {error}"))
                    .block
                    .output
            });
            let [first, others @ ..] = &blocks;
            for other in others {
                assert_eq!(
                    first.outcomes, other.outcomes,
                    "seed {seed}, height {height}"
                );
                assert_eq!(first.changes, other.changes, "seed {seed}, height {height}");
                assert_eq!(
                    first.digest(),
                    other.digest(),
                    "seed {seed}, height {height}"
                );
                assert_eq!(first.access, other.access, "seed {seed}, height {height}");
                assert_eq!(first.charged, other.charged, "seed {seed}, height {height}");
            }
        }
    }
}
