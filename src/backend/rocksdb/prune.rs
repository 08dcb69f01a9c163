//! The compaction driver: RocksDB compacts the last level again only when told to, so a filter
//! alone gives nothing back.
//!
//! For each pruned keyspace: flush, read every row once to learn which files hold rows that the
//! rule lets go, then compact just the key ranges of those. Files without any are left alone, and what is kept of the
//! others is written once.

use std::ops::Range;

use rocksdb::LiveFile;

use super::{
    RocksDBBackend,
    compact::before,
    rewrite::{self, Older, Span},
};
use crate::{
    backend::{Access, Backend, Keyspace, Progress, Reclaimed, Scope, ended::Kept, filter},
    error::Result,
    failpoint::{Point, reach},
};

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
    /// The files that it had when the rule was armed.
    files: Older,
}

/// Reads a keyspace and counts, for each file of its last level, the rows that the rule lets go.
fn survey(backend: &RocksDBBackend, keyspace: Keyspace, kept: &mut Kept) -> Result<Survey> {
    let rule = backend.filters.rule();
    let (older, files) = Older::see(backend, keyspace)?;
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
        files: older,
    })
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

/// Writes the segments that hold droppable rows anew, with what lies above them.
fn compact(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    survey: &Survey,
    tell: &mut dyn FnMut(f64),
) -> Result<()> {
    let span = |run: &Range<usize>| -> Span {
        // Both ends are included: the file behind is none of this.
        let end = survey.start_of(run.end).map(before);
        (survey.start_of(run.start).map(<[u8]>::to_vec), end)
    };
    let spans: Vec<_> = survey.runs().iter().map(span).collect();
    let may_drop = |first: &[u8], last: &[u8]| survey.may_drop(first, last);
    let mut step = |part| {
        reach(Point::PruneCompacts);
        tell(part);
    };
    survey
        .files
        .rewrite(backend, keyspace, &spans, may_drop, &mut step)?;
    if keyspace == Keyspace::Commits && !spans.is_empty() {
        // Records that were trimmed hide those with values, which take most of the space. They come in the order of
        // time, so what is moved down now is not written again by what comes later.
        step(1.0);
        rewrite::settle(backend, keyspace, None, None);
    }
    tell(1.0);
    Ok(())
}

#[cfg(test)]
mod tests;
