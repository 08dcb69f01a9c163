//! Writing parts of a keyspace anew, through its filter, each row once.
//!
//! First what lies above the last level is moved down, through the filter, with all that it meets. Then those files of the
//! last level that this has not written anew are. RocksDB could do both in one call. But it would either write
//! everything in the last level again (`Force`), which is twice the bytes; or (`ForceOptimized`) end at the first
//! `max_compaction_bytes` in which all is new, with old files behind them.

use std::{collections::BTreeSet, thread, time::Duration};

use rocksdb::{BottommostLevelCompaction, CompactOptions, LiveFile};

use super::{RocksDBBackend, convert};
use crate::{backend::Keyspace, error::Result};

/// How long to wait at a time while writes stall, or compactions run.
const WAIT: Duration = Duration::from_millis(50);
/// How often to wait while writes stall before going on all the same: the stall may need the very space back.
const STALL_WAITS: usize = 200;
/// How often to wait for compactions that run, before going on all the same.
const QUIET_WAITS: usize = 20;

/// A range of keys, both ends included; `None` for no bound.
pub(super) type Span = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The files that a keyspace had. What is written later has met the filter by the rule, and has the options, of now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Older {
    /// Their names; `None` where it cannot be told which are older, because a compaction ran that may have begun earlier.
    names: Option<BTreeSet<String>>,
}

impl Older {
    /// Flushes a keyspace, and lists its files by their first keys.
    pub(super) fn see(
        backend: &RocksDBBackend,
        keyspace: Keyspace,
    ) -> Result<(Self, Vec<LiveFile>)> {
        let db = backend.database.db();
        db.flush_cf(backend.database.handle(keyspace))
            .map_err(|e| convert(&e))?;
        // In this order: rule and options are set, nothing runs, these are the files.
        let is_quiet = has_become_quiet(backend);
        let files = files(backend, keyspace)?;
        let names = is_quiet.then(|| files.iter().map(|file| file.name.clone()));
        let names = names.map(Iterator::collect);
        Ok((Self { names }, files))
    }

    /// Those of a keyspace's files that are still as they were, by their first and last keys, neighbours together.
    /// `files` are those that are there now; of them, those between whose ends something `is_meant`.
    fn left(
        &self,
        files: &[LiveFile],
        is_meant: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut left: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut is_beside = false;
        for file in files {
            let (Some(start), Some(end)) = (&file.start_key, &file.end_key) else {
                continue;
            };
            let was_there = self.names.as_ref();
            let was_there = was_there.is_none_or(|names| names.contains(&file.name));
            if !was_there || !is_meant(start, end) {
                is_beside = false;
                continue;
            }
            match left.last_mut() {
                Some((_, last)) if is_beside => *last = end.max(last).clone(),
                _ => left.push((start.clone(), end.clone())),
            }
            is_beside = true;
        }
        left
    }

    /// Writes spans of a keyspace anew, with all that lies above its last level there, and of the files of that those
    /// which are as they were and between whose ends something `is_meant`. `tell` is told the part that is done, before
    /// each step.
    pub(super) fn rewrite(
        &self,
        backend: &RocksDBBackend,
        keyspace: Keyspace,
        spans: &[Span],
        is_meant: impl Fn(&[u8], &[u8]) -> bool,
        tell: &mut dyn FnMut(f64),
    ) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        let mut step = |part, start: Option<&[u8]>, end: Option<&[u8]>, last_level| {
            tell(part);
            wait_while_writes_stall(backend);
            push_down(backend, keyspace, start, end, last_level);
        };
        for (start, end) in spans {
            let (start, end) = (start.as_deref(), end.as_deref());
            step(0.0, start, end, BottommostLevelCompaction::Skip);
        }
        let left = self.left(&files(backend, keyspace)?, is_meant);
        for (done, (start, end)) in left.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
            let part = 0.4 + 0.6 * done as f64 / left.len() as f64;
            let (start, end) = (start.as_slice(), end.as_slice());
            let last_level = BottommostLevelCompaction::Force;
            step(part, Some(start), Some(end), last_level);
        }
        Ok(())
    }
}

/// Moves what lies above the last level down to it, with what it meets there.
pub(super) fn settle(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    start: Option<&[u8]>,
    end: Option<&[u8]>,
) {
    wait_while_writes_stall(backend);
    push_down(
        backend,
        keyspace,
        start,
        end,
        BottommostLevelCompaction::Skip,
    );
}

/// Compacts a range of a keyspace, both ends included, down to the last level, through its filter; what lies there already
/// is written anew, or not.
fn push_down(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    start: Option<&[u8]>,
    end: Option<&[u8]>,
    last_level: BottommostLevelCompaction,
) {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(last_level);
    // Others may compact at the same time.
    options.set_exclusive_manual_compaction(false);
    let handle = backend.database.handle(keyspace);
    let db = backend.database.db();
    db.compact_range_cf_opt(handle, start, end, &options);
    // The files from before are held no longer than they must.
    backend.spare.clear();
}

/// The files of a keyspace, by their first keys.
fn files(backend: &RocksDBBackend, keyspace: Keyspace) -> Result<Vec<LiveFile>> {
    let db = backend.database.db();
    let mut files = db.live_files().map_err(|e| convert(&e))?;
    files.retain(|file| file.column_family_name == keyspace.name());
    files.sort_unstable_by(|a, b| a.start_key.cmp(&b.start_key));
    Ok(files)
}

/// Waits a while for compactions that run. Whether none does.
fn has_become_quiet(backend: &RocksDBBackend) -> bool {
    let db = backend.database.db();
    for _ in 0..QUIET_WAITS {
        let running = db.property_int_value("rocksdb.num-running-compactions");
        if matches!(running, Ok(Some(0))) {
            return true;
        }
        thread::sleep(WAIT);
    }
    false
}

/// Compactions by hand must not take from those that end a write stall.
fn wait_while_writes_stall(backend: &RocksDBBackend) {
    let db = backend.database.db();
    for _ in 0..STALL_WAITS {
        let stopped = db.property_int_value("rocksdb.is-write-stopped");
        let delayed = db.property_int_value("rocksdb.actual-delayed-write-rate");
        if matches!((stopped, delayed), (Ok(Some(0) | None), Ok(Some(0) | None))) {
            return;
        }
        thread::sleep(WAIT);
    }
}

#[cfg(test)]
mod tests;
