//! [`Meter`]: durations, on their way to a recorder.
//!
//! Without a recorder nothing is timed: a store asks one flag for each commit.

use std::time::{Duration, Instant};

#[cfg(feature = "metrics")]
use super::table::{Metric, rows};

/// What is timed: each is a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timed {
    CommitQueue,
    CommitCheck,
    CommitWrite,
    CommitSync,
    CommitPublish,
    CommitWhole,
    WaitForMerge,
    WaitForDebt,
    Prune,
    Compact,
    Checkpoint,
    Backup,
    Verify,
    Rollback,
    Export,
    Apply,
    BlockExecute,
    BlockCommit,
}

impl Timed {
    /// All of them, by their numbers: the metric, and the value of its label.
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [(&'static Metric, &'static str); 18] = [
        (&rows::COMMIT_SECONDS, "queue"),
        (&rows::COMMIT_SECONDS, "check"),
        (&rows::COMMIT_SECONDS, "write"),
        (&rows::COMMIT_SECONDS, "sync"),
        (&rows::COMMIT_SECONDS, "publish"),
        (&rows::COMMIT_SECONDS, "whole"),
        (&rows::COMMIT_WAIT_SECONDS, "merge"),
        (&rows::COMMIT_WAIT_SECONDS, "retention_debt"),
        (&rows::OPERATION_SECONDS, "prune"),
        (&rows::OPERATION_SECONDS, "compact"),
        (&rows::OPERATION_SECONDS, "checkpoint"),
        (&rows::OPERATION_SECONDS, "backup"),
        (&rows::OPERATION_SECONDS, "verify"),
        (&rows::OPERATION_SECONDS, "rollback"),
        (&rows::OPERATION_SECONDS, "export"),
        (&rows::OPERATION_SECONDS, "apply"),
        (&rows::BLOCK_SECONDS, "execute"),
        (&rows::BLOCK_SECONDS, "commit"),
    ];
}

/// Where a store's durations go: nowhere, until it is given a recorder.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    #[cfg(feature = "metrics")]
    handles: std::sync::OnceLock<super::Handles>,
}

impl Meter {
    /// Has durations recorded from now on. Returns the name that the store has in the recorder: another one, where it
    /// was named before.
    #[cfg(feature = "metrics")]
    pub(crate) fn turn_on(&self, handles: impl FnOnce() -> super::Handles) -> &str {
        self.handles.get_or_init(handles).store()
    }

    /// Now, where durations are recorded.
    pub(crate) fn start(&self) -> Option<Instant> {
        self.is_on().then(Instant::now)
    }

    #[cfg(feature = "metrics")]
    fn is_on(&self) -> bool {
        self.handles.get().is_some()
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn is_on(&self) -> bool {
        false
    }

    /// Records the time since `began`.
    pub(crate) fn note(&self, timed: Timed, began: Option<Instant>) {
        if let Some(began) = began {
            self.note_time(timed, began.elapsed());
        }
    }

    /// Records the time since `began`, and begins anew.
    pub(crate) fn lap(&self, timed: Timed, began: &mut Option<Instant>) {
        if let Some(began) = began {
            let now = Instant::now();
            self.note_time(timed, now - *began);
            *began = now;
        }
    }

    /// Records a duration.
    #[cfg(feature = "metrics")]
    pub(crate) fn note_time(&self, timed: Timed, took: Duration) {
        if let Some(handles) = self.handles.get() {
            handles.record(timed, took);
        }
    }

    /// Records a duration.
    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn note_time(&self, _: Timed, _: Duration) {}

    /// Times an operation until what is returned is dropped.
    pub(crate) fn time(&self, timed: Timed) -> Timing<'_> {
        Timing {
            meter: self,
            timed,
            began: self.start(),
        }
    }
}

/// An operation that is being timed, however it ends.
#[derive(Debug)]
#[must_use = "it times until it is dropped"]
pub(crate) struct Timing<'m> {
    meter: &'m Meter,
    timed: Timed,
    began: Option<Instant>,
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.meter.note(self.timed, self.began);
    }
}
