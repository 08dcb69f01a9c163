//! The compaction driver: RocksDB compacts the last level again only when told to, so a filter
//! alone gives nothing back.
//!
//! For each pruned keyspace: flush, read every row once to learn which files hold rows that the
//! rule lets go, then compact just the key ranges of those. Files without any are left alone.

use std::{thread, time::Duration};

use super::{RocksDBBackend, convert};
use crate::{
    backend::{Access, Backend, Keyspace, Progress, Reclaimed, Scope, ended::Kept, filter},
    error::Result,
    failpoint::{Point, reach},
};

/// How long a prune waits at a time while writes stall.
const STALL_WAIT: Duration = Duration::from_millis(50);
/// How often it waits before it goes on all the same: the stall may need the very space back.
const STALL_WAITS: usize = 200;

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
        let (dropped_before, undecodable_before) = backend.filters.counts(keyspace);
        let segments = survey(backend, keyspace, &mut reclaimed.kept)?;
        tell(0.3);
        compact(backend, keyspace, &segments, &mut |part| {
            tell(0.3 + 0.7 * part);
        });
        let (dropped, undecodable) = backend.filters.counts(keyspace);
        reclaimed.undecodable_rows += undecodable - undecodable_before;
        match keyspace {
            Keyspace::History => {
                reclaimed.rows_before = segments.iter().map(|segment| segment.rows).sum();
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

/// Reads a keyspace and counts, for each file of its last level, the rows that the rule lets go.
fn survey(backend: &RocksDBBackend, keyspace: Keyspace, kept: &mut Kept) -> Result<Vec<Segment>> {
    let db = backend.database.db();
    db.flush_cf(backend.database.handle(keyspace))
        .map_err(|e| convert(&e))?;
    let rule = backend.filters.rule();
    let mut bounds = boundaries(backend, keyspace)?.into_iter().peekable();
    let mut segments = vec![Segment::default()];
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
            let drops = matches!(filter::drops(&rule, keyspace, key, value), Ok(true));
            segment.droppable += u64::from(drops);
            if !drops {
                kept.see(&rule, keyspace, key, value);
            }
        }
        cursor.next()?;
    }
    Ok(segments)
}

/// The first keys of the files of the last level that has any, in order, without the first.
fn boundaries(backend: &RocksDBBackend, keyspace: Keyspace) -> Result<Vec<Vec<u8>>> {
    let mut files = backend
        .database
        .db()
        .live_files()
        .map_err(|e| convert(&e))?;
    files.retain(|file| file.column_family_name == keyspace.name());
    let last_level = files.iter().map(|file| file.level).max().unwrap_or(0);
    let at_last = files
        .into_iter()
        .filter(|file| file.level == last_level && last_level > 0);
    let mut starts: Vec<_> = at_last.filter_map(|file| file.start_key).collect();
    starts.sort_unstable();
    Ok(starts.into_iter().skip(1).collect())
}

/// Compacts the segments that hold droppable rows, neighbours together.
fn compact(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    segments: &[Segment],
    tell: &mut dyn FnMut(f64),
) {
    let mut done = 0;
    while let Some(rest) = segments.get(done..)
        && !rest.is_empty()
    {
        let clean = rest
            .iter()
            .take_while(|segment| segment.droppable == 0)
            .count();
        let run = rest
            .iter()
            .skip(clean)
            .take_while(|segment| segment.droppable > 0)
            .count();
        let first = rest.get(clean);
        done += clean + run;
        if let Some(first) = first {
            wait_while_writes_stall(backend);
            reach(Point::PruneCompacts);
            let end = segments.get(done).map(|next| next.start.as_slice());
            let start = (!first.start.is_empty()).then_some(first.start.as_slice());
            backend.compact_range(keyspace, start, end);
        }
        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        tell(done as f64 / segments.len() as f64);
    }
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
