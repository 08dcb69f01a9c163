//! Sapwood worked on for hours: everything at once on one store, checked all along, with what it takes measured.
//!
//! | module | owns |
//! |---|---|
//! | `soak` | runs, and rounds from opening the store to closing it |
//! | `world` | what all threads share |
//! | `content` | keys and values |
//! | `model` | what the store should hold |
//! | `writers`, `readers`, `follower`, `keeper` | who works on it, and what they check |
//! | `counts`, `measure`, `sample` | what was done, what it takes, and the CSV file of both |
//! | `rule` | what may grow |
//! | `state` | what a later run has to know |
//! | `report`, `picture` | what was really run, for the document |

mod content;
mod counts;
mod follower;
mod keeper;
mod measure;
mod model;
mod picture;
mod readers;
mod report;
mod rule;
mod sample;
mod soak;
mod state;
mod world;
mod writers;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Debug, Parser)]
#[command(about = "Works on a store for hours, and checks it all along")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until all runs in the directory together have taken so many hours; Ctrl-C ends it cleanly
    Run(Run),
    /// Writes into a document what was really run, and draws its picture
    Report {
        /// Where it was run
        #[arg(long, default_value = "target/soak")]
        directory: PathBuf,
        #[arg(long, default_value = "docs/soak.md")]
        document: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Where the store, the samples and the state lie. What was run there before is resumed.
    #[arg(long, default_value = "target/soak")]
    directory: PathBuf,
    /// All runs together
    #[arg(long, default_value_t = 24.0)]
    hours: f64,
    /// This run, at most
    #[arg(long)]
    minutes: Option<f64>,
    /// Of a new directory
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds from one restart to the next
    #[arg(long, default_value_t = 150)]
    restart: u64,
    /// After each operation a thread rests so many times as long as it took
    #[arg(long, default_value_t = 0.0)]
    rest: f64,
    /// The short form: so many operations of each thread in each round, on a small store
    #[arg(long)]
    operations: Option<u64>,
    /// So many rounds, from opening the store to closing it
    #[arg(long)]
    rounds: Option<u64>,
    /// Loses memory, which `make leaks` must find
    #[arg(long, hide = true)]
    plant: bool,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => begin(run),
        Command::Report {
            directory,
            document,
        } => report::run(&directory, &document),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            soak::eprint(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn begin(run: Run) -> Result<()> {
    ensure!(
        run.hours > 0.0 && run.rest >= 0.0,
        "hours are above 0, and rest is not below it"
    );
    if run.plant {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1_000]));
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second ends it at once.
        signal_hook::flag::register_conditional_shutdown(signal, 2, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    soak::run(soak::Options {
        directory: run.directory,
        seed: run.seed,
        hours: run.hours,
        minutes: run.minutes,
        operations: run.operations,
        rounds: run.rounds,
        restart_every: Duration::from_secs(run.restart),
        rest: run.rest,
        stop,
    })
}
