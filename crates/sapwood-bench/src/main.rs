//! Sapwood measured against other engines, side by side in one process.
//!
//! A figure is a ratio: our work and a peer's on the same data with the same options, in
//! alternating rounds, so that what else the machine does falls on both. Every row checks at its
//! end that what was read or written is what should have been; a row that fails is written with
//! `"checked": false`, and the process ends with 1. A row without a peer has its own figure and that
//! check, and no ratio.
//!
//! | module | owns |
//! |---|---|
//! | [`rows`] | what is measured, one file a row |
//! | [`harness`] | how: rounds, clocks, medians, counts |
//! | [`data`], [`dataset`] | keys, values, and the stores that most rows read |
//! | [`stores`] | ourselves and the peers, each in its best configuration |
//! | [`report`] | `summary.json`, the table, the pictures |

mod args;
mod convert;
mod data;
mod dataset;
#[cfg(test)]
mod guard;
mod harness;
mod report;
mod rows;
mod stores;
mod zipf;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::{args::Args, harness::Bench};

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let Some(task) = &args.child {
        rows::as_child(task)?;
        return Ok(ExitCode::SUCCESS);
    }
    args.check()?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("the directory {} cannot be made", args.out.display()))?;
    let bench = Bench::new(&args)?;
    let (figures, counts) = rows::run(&bench)?;
    bench.finish();
    report::write(&args.out, &figures, &counts, &bench.remarks())?;
    let failed = figures.iter().any(|figure| !figure.checked);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
