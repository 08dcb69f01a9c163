//! The spans of slow operations, for `tracing`: all with the target `sapwood`.
//!
//! Operations that somebody asks for are at the level `INFO`; what commits and blocks wait for is at `DEBUG`. A field that
//! is known only at the end is recorded then, and not at all where the operation fails. `docs/metrics.md` lists them.

use std::path::Path;

use tracing::{Span, debug_span, field::Empty, info_span};

use crate::timestamp::Timestamp;

pub(crate) fn open(path: &Path) -> Span {
    let path = path.display();
    info_span!(target: "sapwood", "open", %path, visible = Empty, floor = Empty, recent_versions = Empty)
}

pub(crate) fn prune(before: Timestamp) -> Span {
    let before = before.get();
    info_span!(
        target: "sapwood", "prune", before, floor = Empty, held_by = Empty, rows_dropped = Empty,
        bytes_reclaimed = Empty
    )
}

pub(crate) fn compact() -> Span {
    info_span!(target: "sapwood", "compact", bytes_before = Empty, bytes_after = Empty)
}

pub(crate) fn checkpoint(path: &Path) -> Span {
    info_span!(target: "sapwood", "checkpoint", path = %path.display(), timestamp = Empty)
}

pub(crate) fn backup(directory: &Path) -> Span {
    let directory = directory.display();
    info_span!(target: "sapwood", "backup", %directory, id = Empty, timestamp = Empty)
}

pub(crate) fn restore(from: &Path, path: &Path) -> Span {
    info_span!(target: "sapwood", "restore", from = %from.display(), path = %path.display())
}

pub(crate) fn rollback(target: Timestamp) -> Span {
    info_span!(target: "sapwood", "rollback", to = target.get(), epoch = Empty)
}

pub(crate) fn verify() -> Span {
    info_span!(target: "sapwood", "verify", visible = Empty, violations = Empty)
}

pub(crate) fn export(after: Timestamp, until: Timestamp, path: &Path) -> Span {
    let (after, until) = (after.get(), until.get());
    info_span!(target: "sapwood", "export", after, until, path = %path.display(), commits = Empty)
}

pub(crate) fn apply(path: &Path) -> Span {
    info_span!(target: "sapwood", "apply", path = %path.display(), commits = Empty, visible = Empty)
}

/// A commit waits until what is in memory is merged.
pub(crate) fn merge() -> Span {
    debug_span!(target: "sapwood", "merge")
}

/// A writer waits until the retention debt is below its limit.
pub(crate) fn wait_for_debt() -> Span {
    debug_span!(target: "sapwood", "wait_for_debt")
}

/// The caller waits for a block that is executed.
pub(crate) fn execute_block(height: Timestamp) -> Span {
    let height = height.get();
    debug_span!(
        target: "sapwood", "execute_block", height, transactions = Empty, incarnations = Empty,
        aborts = Empty, speedup = Empty
    )
}

pub(crate) fn commit_block(height: Timestamp) -> Span {
    debug_span!(target: "sapwood", "commit_block", height = height.get())
}
