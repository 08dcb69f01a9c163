//! The compaction driver: RocksDB compacts the last level again only when told to, so a filter
//! alone gives nothing back.
//!
//! For each pruned keyspace: flush, read every row once to learn which files hold rows that the
//! rule lets go, then compact just the key ranges of those. Files without any are left alone, and what is kept of the
//! others is written once.

use std::{collections::BTreeSet, ops::Range, thread, time::Duration};

use rocksdb::{BottommostLevelCompaction, LiveFile};

use super::{RocksDBBackend, compact::before, convert};
use crate::{
    backend::{Access, Backend, Keyspace, Progress, Reclaimed, Scope, ended::Kept, filter},
    error::Result,
    failpoint::{Point, reach},
};

/// How long a prune waits at a time while writes stall.
const STALL_WAIT: Duration = Duration::from_millis(50);
/// How often it waits before it goes on all the same: the stall may need the very space back.
const STALL_WAITS: usize = 200;
/// How often it waits for compactions that run, before it goes on all the same.
const QUIET_WAITS: usize = 20;

/// A part of a keyspace, as large as one file of its last level.
#[derive(Debug, Default)]
struct Segment {
    /// The first row of the part.
    start: Vec<u8>,
    rows: u64,
    droppable: u64,
}

pub(super) fn prune(backend: &RocksDBBackend, progress: Progress<'_>) -> Result<Reclaimed> {
    let mut reclaimed = Reclaimed {
        bytes_before: size_bytes(backend)?,
        ..Reclaimed::default()
    };
    let steps = Keyspace::PRUNED.len();
    for (step, keyspace) in Keyspace::PRUNED.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "three steps")]
        let (from, width) = (step as f64 / steps as f64, 1.0 / steps as f64);
        let name = keyspace.name();
        let mut tell = |part: f64| progress(from + width * part, name);
        let (dropped_before, _) = backend.filters.counts(keyspace);
        let survey = survey(backend, keyspace, &mut reclaimed.kept)?;
        tell(0.3);
        compact(backend, keyspace, &survey, &mut |part| {
            tell(0.3 + 0.7 * part);
        })?;
        let (dropped, _) = backend.filters.counts(keyspace);
        // Filters see rows as often as they are written, and those of files that are left alone not at all.
        reclaimed.undecodable_rows += survey.undecodable;
        match keyspace {
            Keyspace::History => {
                reclaimed.rows_before = survey.segments.iter().map(|segment| segment.rows).sum();
                reclaimed.rows_dropped = dropped - dropped_before;
            }
            _ => reclaimed.bookkeeping_rows_dropped += dropped - dropped_before,
        }
    }
    reclaimed.bytes_after = size_bytes(backend)?;
    Ok(reclaimed)
}

fn size_bytes(backend: &RocksDBBackend) -> Result<u64> {
    Keyspace::PRUNED
        .into_iter()
        .map(|keyspace| backend.size_bytes(keyspace))
        .sum()
}

/// A keyspace as a prune has found it.
#[derive(Debug, Default)]
struct Survey {
    segments: Vec<Segment>,
    /// Rows that cannot be decoded.
    undecodable: u64,
    /// The names of its files. What is written later has met the filter by the present rule. `None` where that cannot be
    /// told, because a compaction ran that may have begun before the rule was armed.
    files: Option<BTreeSet<String>>,
}

/// Reads a keyspace and counts, for each file of its last level, the rows that the rule lets go.
fn survey(backend: &RocksDBBackend, keyspace: Keyspace, kept: &mut Kept) -> Result<Survey> {
    let db = backend.database.db();
    db.flush_cf(backend.database.handle(keyspace))
        .map_err(|e| convert(&e))?;
    // In this order: the rule is armed, nothing runs, these are the files.
    let rule = backend.filters.rule();
    let is_quiet = has_become_quiet(backend);
    let files = files(backend, keyspace)?;
    let names = files.iter().map(|file| file.name.clone());
    let names = is_quiet.then(|| names.collect());
    let mut bounds = boundaries(files).into_iter().peekable();
    let mut segments = vec![Segment::default()];
    let mut undecodable = 0;
    let mut cursor = backend.cursor(keyspace, Scope::default(), Access::Sweep)?;
    cursor.seek_to_first()?;
    while let Some((key, value)) = cursor.row() {
        while let Some(start) = bounds.next_if(|bound| bound.as_slice() <= key) {
            segments.push(Segment {
                start,
                ..Segment::default()
            });
        }
        if let Some(segment) = segments.last_mut() {
            segment.rows += 1;
            match filter::drops(&rule, keyspace, key, value) {
                Ok(true) => segment.droppable += 1,
                Ok(false) => kept.see(&rule, keyspace, key, value),
                Err(_) => undecodable += 1,
            }
        }
        cursor.next()?;
    }
    Ok(Survey {
        segments,
        undecodable,
        files: names,
    })
}

/// Waits a while for compactions that run. Whether none does.
fn has_become_quiet(backend: &RocksDBBackend) -> bool {
    let db = backend.database.db();
    for _ in 0..QUIET_WAITS {
        let running = db.property_int_value("rocksdb.num-running-compactions");
        if matches!(running, Ok(Some(0))) {
            return true;
        }
        thread::sleep(STALL_WAIT);
    }
    false
}

/// The files of a keyspace, by their first keys.
fn files(backend: &RocksDBBackend, keyspace: Keyspace) -> Result<Vec<LiveFile>> {
    let db = backend.database.db();
    let mut files = db.live_files().map_err(|e| convert(&e))?;
    files.retain(|file| file.column_family_name == keyspace.name());
    files.sort_unstable_by(|a, b| a.start_key.cmp(&b.start_key));
    Ok(files)
}

/// The first keys of the files of the last level that has any, in order, without the first.
fn boundaries(files: Vec<LiveFile>) -> Vec<Vec<u8>> {
    let last_level = files.iter().map(|file| file.level).max().unwrap_or(0);
    let at_last = files
        .into_iter()
        .filter(|file| file.level == last_level && last_level > 0);
    at_last.filter_map(|file| file.start_key).skip(1).collect()
}

impl Survey {
    /// The segments that hold droppable rows, neighbours together.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            match runs.last_mut() {
                _ if segment.droppable == 0 => {}
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        runs
    }

    /// The first key of a segment. Not of the first one, which has no start, and not behind the last one.
    fn start_of(&self, segment: usize) -> Option<&[u8]> {
        let segment = self.segments.get(segment)?;
        (!segment.start.is_empty()).then_some(segment.start.as_slice())
    }

    /// The first and the last keys of the files that may hold droppable rows still, neighbours together. `files` are
    /// those that are there now.
    fn left(&self, files: &[LiveFile]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut left: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut is_beside = false;
        for file in files {
            let (Some(start), Some(end)) = (&file.start_key, &file.end_key) else {
                continue;
            };
            let was_there = self.files.as_ref();
            let was_there = was_there.is_none_or(|names| names.contains(&file.name));
            if !was_there || !self.may_drop(start, end) {
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

    /// Whether a segment in which one of these keys may lie holds droppable rows.
    fn may_drop(&self, first: &[u8], last: &[u8]) -> bool {
        let up_to = |key: &[u8]| {
            self.segments
                .partition_point(|segment| segment.start.as_slice() <= key)
        };
        let touched = up_to(first).saturating_sub(1)..up_to(last);
        let touched = self.segments.get(touched).unwrap_or_default();
        touched.iter().any(|segment| segment.droppable > 0)
    }
}

/// Compacts the segments that hold droppable rows.
///
/// First what lies above the last level is moved down, through the filter, with all that it meets. Then those files of the
/// last level that this has not written anew are. RocksDB could do both in one call. But it would either write
/// everything in the last level again (`Force`), which is twice the bytes; or (`ForceOptimized`) end at the first
/// `max_compaction_bytes` in which all is new, with old files behind them.
fn compact(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    survey: &Survey,
    tell: &mut dyn FnMut(f64),
) -> Result<()> {
    let runs = survey.runs();
    let step = |start: Option<&[u8]>, end: Option<&[u8]>, last_level| {
        wait_while_writes_stall(backend);
        reach(Point::PruneCompacts);
        backend.push_down(keyspace, start, end, last_level);
    };
    for run in &runs {
        // Both ends are included: the file behind is none of this.
        let end = survey.start_of(run.end).map(before);
        let start = survey.start_of(run.start);
        step(start, end.as_deref(), BottommostLevelCompaction::Skip);
    }
    tell(0.4);
    let left = match runs.as_slice() {
        [] => Vec::new(),
        _ => survey.left(&files(backend, keyspace)?),
    };
    for (done, (start, end)) in left.iter().enumerate() {
        step(Some(start), Some(end), BottommostLevelCompaction::Force);
        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        tell(0.4 + 0.6 * (done + 1) as f64 / left.len() as f64);
    }
    if keyspace == Keyspace::Commits && !runs.is_empty() {
        // Records that were trimmed hide those with values, which take most of the space. They come in the order of
        // time, so what is moved down now is not written again by what comes later.
        step(None, None, BottommostLevelCompaction::Skip);
    }
    tell(1.0);
    Ok(())
}

/// Compactions for pruning must not take from those that end a write stall.
pub(super) fn wait_while_writes_stall(backend: &RocksDBBackend) {
    let db = backend.database.db();
    for _ in 0..STALL_WAITS {
        let stopped = db.property_int_value("rocksdb.is-write-stopped");
        let delayed = db.property_int_value("rocksdb.actual-delayed-write-rate");
        if matches!((stopped, delayed), (Ok(Some(0) | None), Ok(Some(0) | None))) {
            return;
        }
        thread::sleep(STALL_WAIT);
    }
}

#[cfg(test)]
mod tests;
