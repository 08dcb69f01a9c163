//! What a round took: wall time, and the CPU time that it cost.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

/// One side's round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// What was done, in the row's unit: operations or bytes.
    pub(crate) done: u64,
    pub(crate) wall: Duration,
    /// CPU time, where the system tells it.
    pub(crate) cpu: Option<Duration>,
    /// Answers that were not what they should have been.
    pub(crate) wrong: u64,
    /// The 99th percentile of single operations, where it was taken.
    pub(crate) p99: Option<Duration>,
    /// Synced writes to the log, where they were counted.
    pub(crate) syncs: Option<u64>,
}

/// Whose CPU time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The calling thread's: for reads, which do all their work themselves.
    Thread,
    /// All threads': for writes, whose flushes and compactions are work too.
    Process,
}

impl Clock {
    /// Times some work, which says how much it did and how much of that was wrong.
    pub(crate) fn time(self, work: impl FnOnce() -> Result<(u64, u64)>) -> Result<Sample> {
        let cpu = self.cpu();
        let start = Instant::now();
        let (done, wrong) = work()?;
        let wall = start.elapsed();
        let cpu = self
            .cpu()
            .zip(cpu)
            .map(|(end, start)| end.saturating_sub(start));
        Ok(Sample {
            done,
            wall,
            cpu,
            wrong,
            p99: None,
            syncs: None,
        })
    }

    /// From Linux's scheduler statistics, which a program may read without unsafe code. They move
    /// in steps of some milliseconds; a round is hundreds long.
    fn cpu(self) -> Option<Duration> {
        match self {
            Self::Thread => on_cpu(Path::new("/proc/thread-self/schedstat")),
            Self::Process => fs::read_dir("/proc/self/task")
                .ok()?
                .filter_map(|task| on_cpu(&task.ok()?.path().join("schedstat")))
                .reduce(|a, b| a + b),
        }
    }
}

/// The first number: nanoseconds on a CPU.
fn on_cpu(path: &Path) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
