//! Blocks of ordered transactions in parallel: whatever the workers, the window and the schedule, what
//! comes of a block is what running it one by one gives.
//!
//! The oracle is a plain map and shares nothing with the executor. `SEEDS` says how many random blocks
//! of each kind are run, `SEED` runs just one; a failure names its seed, and shows the smallest part of
//! its block that still fails. Nothing sleeps and nothing is timed.

mod data;

#[path = "blocks/program.rs"]
mod program;

#[path = "blocks/oracle.rs"]
mod oracle;

#[path = "blocks/shapes.rs"]
mod shapes;

#[path = "blocks/seeds.rs"]
mod seeds;

#[path = "blocks/on_executor.rs"]
mod on_executor;

#[path = "blocks/compare.rs"]
mod compare;

#[path = "blocks/random.rs"]
mod random;

#[path = "blocks/tiny.rs"]
mod tiny;

#[path = "blocks/ethereum.rs"]
mod ethereum;

#[path = "blocks/failing_base.rs"]
mod failing_base;

#[path = "blocks/schedules.rs"]
mod schedules;

#[path = "blocks/outcomes.rs"]
mod outcomes;

#[path = "blocks/bad_input.rs"]
mod bad_input;

#[path = "blocks/bases.rs"]
mod bases;
