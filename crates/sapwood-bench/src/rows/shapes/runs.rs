//! Runs of a shape: each on a store of its own, each looked at when it is over.
//!
//! A shape takes some milliseconds, so a round is as many runs of it as fill the time. What is timed of
//! a run is the work alone: the store is filled before, and what it holds is checked after.

use std::sync::Arc;

use anyhow::{Context, Error, Result, bail, ensure};
use sapwood::{
    Block, BlockContext, BlockError, BlockExecutor, BlockExecutorConfig, BlockStats, Engine,
    ExecutionStatus, Timestamp, Version,
};

use crate::{
    convert::count,
    harness::{Bench, Clock, Figure, Measured, RowSpec, Sample, Work, alone},
};

/// Workers of a block: where the shape has a thread for each core.
const WORKERS: usize = 2;

/// What came of one run.
pub(super) struct Run {
    /// What was committed, and in what time.
    pub(super) sample: Sample,
    /// What it took.
    pub(super) effort: Effort,
    /// Whether the store holds what it must.
    pub(super) check: Result<()>,
}

pub(super) enum Effort {
    /// Tries that lost against another commit, and were made again.
    Retries(u64),
    /// How a block was run.
    Block(BlockStats),
}

/// Measures a shape that is a block. The executor decides how to run it, and mostly runs such cheap
/// transactions one by one; so that the parallel way is looked at too, one more run is made that way.
pub(super) fn measure_block(
    bench: &Bench,
    row: RowSpec,
    published: &str,
    once: impl Fn(&BlockExecutor) -> Result<Run>,
) -> Result<Measured> {
    let mut config = BlockExecutorConfig::default();
    config.workers = WORKERS;
    let executor = BlockExecutor::new(config.clone())?;
    config.adaptive = false;
    let forced = once(&BlockExecutor::new(config)?)?;
    let Effort::Block(stats) = forced.effort else {
        bail!("a block tells how it was run");
    };
    let mut check = Some(forced.check);
    let forced = format!(
        "made to run in parallel: {} of {} were, in {} runs; {published}",
        stats.parallel, stats.committed, stats.executions
    );
    measure(bench, row, &forced, || {
        let run = once(&executor)?;
        Ok(Run {
            check: check.take().unwrap_or(Ok(())).and(run.check),
            ..run
        })
    })
}

/// Measures a shape. The row's check has failed if that of any run has, those before the first round
/// included.
pub(super) fn measure(
    bench: &Bench,
    row: RowSpec,
    published: &str,
    mut once: impl FnMut() -> Result<Run>,
) -> Result<Measured> {
    let (mut runs, mut each, mut retries, mut last) = (0_u64, 0, 0, None);
    let mut fault: Option<Error> = None;
    let outcome = alone(bench, Work::Filling, &mut |work, _| {
        let mut total = Sample::default();
        for _ in 0..work {
            let run = once()?;
            total.done += run.sample.done;
            total.wall += run.sample.wall;
            each = run.sample.done;
            runs += 1;
            match run.effort {
                Effort::Retries(tries) => retries += tries,
                Effort::Block(stats) => last = Some(stats),
            }
            fault = fault.take().or(run.check.err());
        }
        Ok(total)
    })?;
    let effort = match last {
        None => format!("tries that failed: {retries}"),
        Some(stats) => format!(
            "of the last block {} in parallel, {} one by one, {} runs",
            stats.parallel, stats.serial, stats.executions
        ),
    };
    bench.remark(match &fault {
        Some(fault) => format!("{}: THE CHECK FAILED: {fault:#}", row.id),
        None => format!(
            "{}: {runs} runs of {each}, each checked; {effort}; {published}",
            row.id
        ),
    });
    Ok((Figure::new(row, &outcome, fault.is_none()), Vec::new()))
}

/// Executes a block on an engine, and commits it.
pub(super) fn execute<T: Send + Sync + 'static, O: PartialEq + Send + 'static>(
    engine: &Engine,
    executor: &BlockExecutor,
    height: Timestamp,
    txns: &Arc<[T]>,
    run: impl Fn(&mut BlockContext<'_>, &T) -> sapwood::Result<O> + Send + Sync + 'static,
) -> Result<(Sample, Block<O>)> {
    let mut block = None;
    let sample = Clock::Process.time(|| {
        let run =
            move |ctx: &mut BlockContext<'_>, txn: &T| run(ctx, txn).map(ExecutionStatus::Success);
        let executed = engine.execute_block(executor, height, Arc::clone(txns), run);
        block = Some(executed.map_err(BlockError::into_error)?);
        Ok((count(txns.len()), 0))
    })?;
    Ok((sample, block.context("there is no block")?))
}

/// All versions of a key, oldest first; an error where one does not end with the start of the next.
pub(super) fn versions(engine: &Engine, key: &[u8]) -> Result<Vec<Version>> {
    let mut versions = engine.history(key, ..)?.collect::<Result<Vec<_>, _>>()?;
    versions.reverse();
    let starts = versions.iter().skip(1).map(|next| Some(next.start));
    for (version, next) in versions.iter().zip(starts.chain([None])) {
        ensure!(
            version.end == next,
            "a version of {} from {} on ends at {:?}, and the next begins at {next:?}",
            key.escape_ascii(),
            version.start,
            version.end,
        );
    }
    Ok(versions)
}
