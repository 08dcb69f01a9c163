//! A token ledger in blocks: the payments of each block run on all cores, with the result of running them
//! one by one; every block is one commit at its height, and every height stays readable.
//!
//! ```text
//! cargo run --release --example parallel_ledger               in a temporary directory
//! cargo run --release --example parallel_ledger -- ./ledger   keeps what it wrote, in a new directory
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{env, error::Error, time::Instant};

use sapwood::{
    BlockContext, BlockExecutor, BlockExecutorConfig, BlockInput, CommitOptions, Engine,
    ExecutionStatus, ReadView, Result, Snapshot, Timestamp, TxnOutcome, decode_cell,
};

const ACCOUNTS: u64 = 1_000;
const START: i128 = 1_000;
const BLOCKS: u64 = 5;
const PAYMENTS: u64 = 2_000;
const FEE: i128 = 1;

/// One payment: its signature must hold, and the payer must be able to pay it and the fee.
#[derive(Clone, Debug)]
struct Payment {
    from: u64,
    to: u64,
    amount: i128,
}

impl Payment {
    /// Payments that look drawn, and are the same every time.
    fn drawn(number: u64) -> Self {
        let mix = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let word = mix(mix(number) + 1);
        Self {
            from: word % ACCOUNTS,
            to: (word >> 20) % ACCOUNTS,
            amount: i128::from((word >> 40) % 400),
        }
    }

    fn run(&self, ctx: &mut BlockContext<'_>) -> Result<ExecutionStatus<&'static str>> {
        check_signature(self);
        let most = i128::MAX;
        // Every payment adds to this one number, and none waits for another because of it.
        ctx.add("fees", FEE)?;
        if !ctx.try_add(account(self.from), -self.amount - FEE, 0..=most)? {
            return Ok(ExecutionStatus::Skip("too little"));
        }
        ctx.add(account(self.to), self.amount)?;
        Ok(ExecutionStatus::Success("paid"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(directory) = env::args().nth(1) {
        return run(&directory);
    }
    // Removed when it goes out of scope, whatever happens.
    let directory = tempfile::tempdir()?;
    run(&directory.path().join("ledger").to_string_lossy())
}

fn run(directory: &str) -> Result<(), Box<dyn Error>> {
    let engine = Engine::open(directory)?;
    let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
    println!("# Height 1: {ACCOUNTS} accounts of {START} each");
    let accounts: Vec<u64> = (0..ACCOUNTS).collect();
    engine.execute_block(&executor, Timestamp::new(1), accounts, |ctx, id| {
        ctx.add(account(*id), START)?;
        Ok(ExecutionStatus::Success(()))
    })?;

    println!(
        "\n# {BLOCKS} blocks of {PAYMENTS} payments; each is made durable while the next runs"
    );
    let blocks = (0..BLOCKS).map(|block| {
        let numbers = block * PAYMENTS..(block + 1) * PAYMENTS;
        let payments: Vec<Payment> = numbers.map(Payment::drawn).collect();
        BlockInput::new(Timestamp::new(block + 2), payments)
    });
    let began = Instant::now();
    engine.execute_blocks(
        &executor,
        CommitOptions::default(),
        blocks,
        |ctx, _, payment| payment.run(ctx),
        |block| {
            let outcomes = block.output.outcomes.iter();
            let paid = outcomes.filter(|outcome| matches!(outcome, TxnOutcome::Success(_)));
            println!(
                "height {}: {} paid, {} keys changed",
                block.commit.timestamp,
                paid.count(),
                block.commit.writes,
            );
            Ok(())
        },
    )?;
    println!("all in {} ms", began.elapsed().as_millis());

    println!("\n# Every height is still there, and no money was made or lost");
    for height in 1..=engine.visible().get() {
        let past = engine.at(Timestamp::new(height))?;
        let (rich, sum) = richest(&past)?;
        let fees = decode_cell(past.get("fees")?.as_deref())?;
        println!("height {height}: fees {fees:>5}, the richest account has {rich}");
        if sum + fees != i128::from(ACCOUNTS) * START {
            return Err(format!("{sum} in accounts and {fees} of fees at height {height}").into());
        }
    }
    engine.close()?;
    Ok(())
}

/// The largest balance of a state, and the sum of all.
fn richest(state: &Snapshot) -> Result<(i128, i128)> {
    let (mut most, mut sum) = (0, 0);
    for row in state.scan("account/") {
        let (_, value) = row?;
        let balance = decode_cell(Some(&value[..]))?;
        most = most.max(balance);
        sum += balance;
    }
    Ok((most, sum))
}

fn account(id: u64) -> String {
    format!("account/{id:04}")
}

/// Stands for what makes transactions worth sharing out: some microseconds of computing.
fn check_signature(payment: &Payment) {
    let mut word = payment.from << 32 | payment.to | 1;
    for _ in 0..10_000 {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
    }
    std::hint::black_box(word);
}
