//! A token, written in WebAssembly, over three heights; then its past, read through the contract itself.
//!
//! ```sh
//! cargo run -p sapwood-wasm --example wasm_time_travel
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use sapwood::{MemoryStorage, Runtime, RuntimeConfig, Timestamp};
use sapwood_wasm::{ContractAddress, WasmCall, WasmMachine, WasmTxn};

const TOKEN: &str = include_str!("../tests/contracts/token.wat");
const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];

fn main() -> Result<(), Box<dyn Error>> {
    // With the feature `rocksdb-storage`, RocksDBStorage::new(..)? goes here, and nothing else changes.
    let storage = MemoryStorage::new();
    let chain = Runtime::new(&storage, WasmMachine::default(), RuntimeConfig::default())?;
    let token = ContractAddress::of(b"alice", b"token");
    let pay = |from: &str, to: &str, amount: u64| {
        let input = [&amount.to_le_bytes(), to.as_bytes()].concat();
        WasmTxn::call(from, token, "transfer", input)
    };

    let supply = 1_000u64.to_le_bytes();
    let blocks = [
        vec![WasmTxn::deploy(
            "alice",
            "token",
            wat::parse_str(TOKEN)?,
            supply,
        )],
        vec![pay("alice", "bob", 300), pay("bob", "carol", 120)],
        vec![
            pay("carol", "alice", 20),
            pay("bob", "carol", 500),
            pay("alice", "bob", 1),
        ],
    ];
    for (height, txns) in (1..).map(Timestamp::new).zip(blocks) {
        let done = chain.execute_block(height, txns)?.block;
        println!(
            "block {height}: {} fuel, {} keys changed",
            done.output.charged, done.commit.writes
        );
        for (index, outcome) in done.output.outcomes.iter().enumerate() {
            let failure = outcome
                .output()
                .and_then(|receipt| receipt.failure.as_ref());
            let told = failure.map_or_else(|| "done".to_owned(), ToString::to_string);
            println!("  transaction {index}: {told}");
        }
    }

    println!("\nbalances, as the contract tells them at each height:");
    println!(
        "height {:>8} {:>8} {:>8}",
        ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2]
    );
    for height in (1..=chain.height().get()).map(Timestamp::new) {
        let balances = ACCOUNTS.map(|account| {
            let receipt = chain.call_at(height, &WasmCall::new(token, "balance", account))?;
            let amount = <[u8; 8]>::try_from(&receipt.output[..])?;
            Ok::<_, Box<dyn Error>>(u64::from_le_bytes(amount))
        });
        let [alice, bob, carol] = balances;
        println!(
            "{:>6} {:>8} {:>8} {:>8}",
            height.get(),
            alice?,
            bob?,
            carol?
        );
    }
    Ok(())
}
