//! What a round took: wall time, and the CPU time that it cost.

use std::time::{Duration, Instant};

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

    #[cfg(unix)]
    fn cpu(self) -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};

        // Threads that have ended count as well.
        let time = clock_gettime(match self {
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Process => ClockId::ProcessCPUTime,
        });
        let seconds = u64::try_from(time.tv_sec).ok()?;
        Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
    }

    #[cfg(not(unix))]
    fn cpu(self) -> Option<Duration> {
        None
    }
}
