//! A bank on several threads: transfers that lose against each other are tried again, no coin is lost, and the books of
//! any past moment add up.
//!
//! ```text
//! cargo run --example bank
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use sapwood::{
    CommitOptions, Engine, ReadView, Timestamp, Transaction, TransactionOptions, decode_cell,
    encode_cell,
};

const ACCOUNTS: u32 = 20;
const COINS: i128 = 100;
const THREADS: u32 = 4;
const TRANSFERS: u32 = 500;

/// Why a transfer was not made. What the engine has to say comes along.
#[derive(Debug)]
enum Refused {
    Overdrawn,
    Engine(sapwood::Error),
}

impl From<sapwood::Error> for Refused {
    fn from(error: sapwood::Error) -> Self {
        Self::Engine(error)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::in_memory();
    let opened = engine
        .transact(sapwood::Isolation::Serializable, |tx| {
            (0..ACCOUNTS).try_for_each(|number| tx.set(account(number), encode_cell(COINS)))
        })?
        .timestamp;

    let (made, overdrawn, retries) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let work = |thread: u32| -> sapwood::Result<()> {
        for number in 0..TRANSFERS {
            // Which accounts does not matter; that threads want the same ones at once does.
            let from = (thread * 7 + number * 3) % ACCOUNTS;
            let to = (from + 1 + number % (ACCOUNTS - 1)) % ACCOUNTS;
            let coins = i128::from(number % 40);
            match transfer(&engine, from, to, coins) {
                Ok(lost) => {
                    made.fetch_add(1, Ordering::Relaxed);
                    retries.fetch_add(lost, Ordering::Relaxed);
                }
                Err(Refused::Overdrawn) => {
                    overdrawn.fetch_add(1, Ordering::Relaxed);
                }
                Err(Refused::Engine(error)) => return Err(error),
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;

    println!(
        "{} transfers were made, {} would have overdrawn, {} were begun anew after they lost",
        made.into_inner(),
        overdrawn.into_inner(),
        retries.into_inner()
    );
    // Every moment of the past is a serial state: money was always somewhere.
    let now = engine.visible();
    for timestamp in opened.get()..=now.get() {
        let total = total(&engine.at(Timestamp::new(timestamp))?)?;
        assert_eq!(total, COINS * i128::from(ACCOUNTS), "at {timestamp}");
    }
    println!(
        "the books of all {} moments add up",
        now.get() - opened.get() + 1
    );
    Ok(())
}

/// Moves coins. The closure runs again where another thread has changed one of the accounts first: it must do nothing
/// that is not done through the transaction. Returns how often it lost.
fn transfer(engine: &Engine, from: u32, to: u32, coins: i128) -> Result<u32, Refused> {
    let options = TransactionOptions::default();
    let transacted = engine.transact_with(options, CommitOptions::default(), |tx| {
        let left = balance(tx, from)? - coins;
        if left < 0 {
            // Nothing is committed.
            return Err(Refused::Overdrawn);
        }
        tx.set(account(from), encode_cell(left))?;
        // Its own writes are what a transaction reads: this is right where both accounts are the same, too.
        let more = balance(tx, to)? + coins;
        tx.set(account(to), encode_cell(more))?;
        Ok(())
    })?;
    Ok(transacted.retries)
}

fn balance(tx: &Transaction, number: u32) -> sapwood::Result<i128> {
    decode_cell(tx.get(account(number))?.as_deref())
}

fn total(state: &impl ReadView) -> sapwood::Result<i128> {
    state
        .scan("account/")
        .map(|row| decode_cell(Some(&row?.1)))
        .sum()
}

fn account(number: u32) -> String {
    format!("account/{number:03}")
}
