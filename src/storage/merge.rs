//! The merge: recent versions become rows of `current`, `history` and `deleted`.
//!
//! For each key of a sealed segment, in key order, as one atomic batch a key or more:
//!
//! ```text
//! the key is live       its row moves to history with end = the first version's start
//!   or came and went    each version that was replaced or deleted goes to history, both ends known
//! the last version sets     current = (its start, when the version before it ended, value)
//!                  deletes  current goes
//! any of them deleted   deleted = the last of these
//! ```
//!
//! So these keyspaces hold what they would hold if each commit had written its rows itself. Then the mark
//! `merged` moves to the segment's newest commit, the segment is let go, and its records in `commits` are
//! written again without their values.
//!
//! **Who merges.** The threads that commit: each, after its commit, owes a little more work than it made.
//! What is owed is prepared by whoever finds nobody else at it, and goes out with the next group of
//! commits, in its one write. So there is no thread to start and to stop, the work keeps up with the
//! commits by itself, and it never stands in their way; only where both halves of the memory are full
//! does a commit wait. Pruning and compacting merge everything first.
//!
//! **Crashes.** Records and rows go through one log in order, so rows never survive without the records that
//! they come from. What was half merged is merged again: versions at or below the row in `current`, or,
//! where there is none, at or below the key's delete, are passed over. The prune floor never goes above
//! the mark, so no such row was pruned meanwhile, and no record that is still needed.
//!
//! After a failed write its outcome is unknown: nothing is merged or committed any more until the store is
//! opened again. What is read stays right: nothing was let go.

#[cfg(all(test, not(any(loom, shuttle))))]
mod oracle;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use bytes::Bytes;

use super::{
    lookup,
    recent::{RecentKey, RecentVersion, Segment, Versions},
    store::Store,
};
use crate::{
    backend::{Access, Keyspace, Scope, WriteBatch, ended::Ended},
    codec::{
        commit, deleted,
        key::{self, KeyBuffer},
        meta,
        record::{self, CurrentRow},
    },
    config::Durability,
    error::{Error, Result},
    failpoint::{Point, reach},
    metrics::Timed,
    sync::{Arc, MutexGuard, Ordering},
    timestamp::Timestamp,
    trace,
};

/// Keys of a piece that a commit takes along: enough to share a look-up, few enough to wait for.
const KEYS_ALONG: usize = if cfg!(test) { 2 } else { 16 };
/// Keys of a piece that is written by itself.
const KEYS_AT_ONCE: usize = if cfg!(test) { 3 } else { 256 };
/// Parts of records whose values are taken out at once.
const PARTS_AT_ONCE: usize = if cfg!(test) { 2 } else { 128 };
/// A write of the merge is closed once it holds this many bytes.
const BATCH_BYTES: usize = if cfg!(test) { 128 } else { 1 << 20 };
/// What a commit owes for each key that it writes, in keys to be merged.
const OWED_KEYS: u64 = 2;

/// What a key has before the next of its versions is merged.
#[derive(Clone, Copy, Debug)]
enum Newest<'v> {
    Live(CurrentRow<&'v [u8]>),
    /// Nothing; when it was deleted last, or 0.
    Absent {
        deleted: Timestamp,
    },
}

/// What is stored for a key that versions are merged over.
#[derive(Debug)]
enum OldRow {
    /// It is live: its row of `current`.
    Live(Bytes),
    /// It is not; when it was deleted last, or 0.
    Absent { deleted: Timestamp },
}

/// How far the merge has come. Held by the one thread that merges.
#[derive(Debug)]
pub(crate) struct MergeState {
    /// The last key of the oldest sealed segment that was merged.
    key: Option<RecentKey>,
    /// Records up to here have no values any more.
    trimmed: Timestamp,
    /// Everything up to here is below.
    merged: Timestamp,
    /// The next piece of work, for the next group of commits to take along.
    prepared: Option<Piece>,
    /// The last segment that was merged, until somebody gives its memory back outside of the turn.
    merged_segment: Option<Arc<Segment>>,
}

/// A piece of work.
#[derive(Debug)]
struct Piece {
    batch: WriteBatch,
    then: Then,
}

/// How far the merge has come once a piece of work was written.
#[derive(Debug)]
enum Then {
    /// Up to this key of the oldest sealed segment; what it moved to `history`.
    Keys(RecentKey, Ended),
    /// Everything of the oldest sealed segment, whose newest commit this is.
    Segment(Timestamp),
    /// Records up to here have no values any more.
    Trimmed(Timestamp),
}

impl MergeState {
    pub(super) fn new(trimmed: Timestamp, merged: Timestamp) -> Self {
        Self {
            key: None,
            trimmed: trimmed.min(merged),
            merged,
            prepared: None,
            merged_segment: None,
        }
    }

    /// Goes on from the target of a rollback, which has merged everything.
    pub(super) fn rewind(&mut self, target: Timestamp) {
        debug_assert!(self.prepared.is_none(), "everything was merged");
        *self = Self::new(self.trimmed, target);
    }
}

/// A piece of work that goes out with a group of commits. Nobody else merges while it lives.
pub(super) struct Alongside<'s> {
    store: &'s Store,
    state: MutexGuard<'s, MergeState>,
    then: Then,
}

impl Alongside<'_> {
    /// To be called after the write succeeded.
    pub(super) fn written(mut self) {
        self.store.advance(&mut self.state, self.then);
    }
}

impl Store {
    /// Pays for a commit that wrote so many keys, by preparing what the next commit takes along, where there
    /// is something to merge. The commit was made: what fails here fails again for one that has to wait
    /// for it.
    pub(super) fn pay(&self, keys: usize) {
        const ALONG: u64 = KEYS_ALONG as u64;
        const AT_ONCE: u64 = KEYS_AT_ONCE as u64;
        let owed = u64::try_from(keys)
            .unwrap_or(u64::MAX)
            .saturating_mul(OWED_KEYS);
        self.debt.fetch_add(owed, Ordering::Relaxed);
        while self.debt.load(Ordering::Relaxed) >= ALONG {
            let Some(mut state) = self.merge.try_lock() else {
                return;
            };
            state.merged_segment = None;
            // Taken off by who holds the lock only.
            let debt = self.debt.load(Ordering::Relaxed);
            let (worked, paid) = if debt >= 2 * AT_ONCE {
                // What a large commit owes it writes itself.
                let paid = if state.prepared.is_some() { 0 } else { AT_ONCE };
                (self.merge_piece(&mut state), paid)
            } else if debt >= ALONG && state.prepared.is_none() {
                (self.prepare(&mut state, KEYS_ALONG), ALONG)
            } else {
                return;
            };
            if worked.unwrap_or(false) {
                self.debt.fetch_sub(paid, Ordering::Relaxed);
            } else {
                self.debt.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Adds the prepared piece of work, if there is one, to the batch of a group of commits.
    pub(super) fn take_along(&self, batch: &mut WriteBatch) -> Option<Alongside<'_>> {
        let mut state = self.merge.try_lock()?;
        let Piece {
            batch: piece, then, ..
        } = state.prepared.take()?;
        batch.append_batch(&piece);
        reach(Point::MergeTakenAlong);
        Some(Alongside {
            store: self,
            state,
            then,
        })
    }

    /// Makes room for the next commits, where the active segment is full: seals it, once what was sealed
    /// before is merged. By the holder of the turn, while every commit is published.
    pub(super) fn make_room(&self) -> Result<()> {
        if self.recent.is_full() {
            let began = self.meter.start();
            let _span = trace::merge().entered();
            self.merge_sealed()?;
            self.meter.note(Timed::WaitForMerge, began);
            self.recent.seal();
            reach(Point::MergeSealed);
        }
        Ok(())
    }

    /// Merges every commit that is visible by now. Where the store was opened to read, there is nothing to merge in a
    /// checkpoint, and no way to do it beside another process.
    pub(crate) fn merge_all(&self) -> Result<()> {
        if self.backend.is_read_only() {
            return if self.recent.is_empty() {
                Ok(())
            } else {
                Err(Error::read_only(
                    "the last commits are not merged yet, which only the process can do that has the store open; ask \
                     that one, or a checkpoint that it makes",
                ))
            };
        }
        {
            // A thread that has the turn already, in a transaction that kept losing, may seal as well: it is
            // not committing.
            let _turn = self.commits.turn().ok();
            self.check_writable(&self.commit.lock())?;
            self.recent.seal();
        }
        self.merge_sealed()
    }

    fn merge_sealed(&self) -> Result<()> {
        let mut state = self.merge.lock();
        while self.merge_piece(&mut state)? {}
        state.merged_segment = None;
        Ok(())
    }

    /// Does the next piece of work. Returns whether there was any.
    fn merge_piece(&self, state: &mut MergeState) -> Result<bool> {
        self.check_open()?;
        if self.write_failed.load(Ordering::SeqCst) {
            return Err(Error::write_failed());
        }
        if !self.prepare(state, KEYS_AT_ONCE)? {
            return Ok(false);
        }
        let Some(Piece { batch, then }) = state.prepared.take() else {
            return Ok(false);
        };
        reach(Point::MergeReady);
        if let Err(error) = self.backend.write(batch, Durability::Buffered) {
            self.write_failed.store(true, Ordering::SeqCst);
            return Err(error);
        }
        reach(Point::MergeWritten);
        self.advance(state, then);
        Ok(true)
    }

    /// Prepares the next piece of work, of so many keys, if none is. Returns whether there is any.
    fn prepare(&self, state: &mut MergeState, keys: usize) -> Result<bool> {
        if state.prepared.is_none() {
            state.prepared = if state.trimmed < state.merged {
                Some(self.prepare_trim(state)?)
            } else if let Some(segment) = self.recent.oldest_sealed() {
                Some(self.prepare_keys(state, &segment, keys)?)
            } else {
                None
            };
        }
        Ok(state.prepared.is_some())
    }

    fn prepare_keys(&self, state: &MergeState, segment: &Segment, keys: usize) -> Result<Piece> {
        let mut batch = WriteBatch::default();
        let keys = segment.next_keys(state.key.as_ref(), keys, BATCH_BYTES);
        let old_rows = self.old_rows(&keys)?;
        let mut last = None;
        let mut ended = Ended::default();
        for ((encoded, versions), old) in keys.iter().zip(old_rows) {
            // What keys bring was weighed, the old versions that move were not.
            if batch.size_bytes() >= BATCH_BYTES {
                break;
            }
            merge_key(&mut batch, &mut ended, encoded, versions, &old)?;
            last = Some(encoded.clone());
        }
        // Before the first of them is written.
        self.recent.begin_merge(segment.newest());
        let then = match last {
            Some(last) => Then::Keys(last, ended),
            None => {
                let value = meta::encode_timestamp(segment.newest());
                batch.put(Keyspace::Meta, &[meta::MERGED], &[&value]);
                Then::Segment(segment.newest())
            }
        };
        Ok(Piece { batch, then })
    }

    /// Notes that a piece of work was written.
    fn advance(&self, state: &mut MergeState, then: Then) {
        match then {
            Then::Keys(last, ended) => {
                state.key = Some(last);
                self.keeping.merged(&ended);
            }
            Then::Segment(newest) => {
                state.merged_segment = self.recent.let_go();
                state.key = None;
                state.merged = newest;
            }
            Then::Trimmed(trimmed) => state.trimmed = trimmed,
        }
    }

    /// What is stored for keys, which are in order.
    fn old_rows(&self, keys: &[(RecentKey, Versions)]) -> Result<Vec<OldRow>> {
        let encoded: Vec<_> = keys.iter().map(|(key, _)| key.as_slice()).collect();
        let current = self.backend.multi_get(Keyspace::Current, &encoded)?;
        let absent = encoded.iter().zip(&current);
        let absent: Vec<_> = absent
            .filter(|(_, row)| row.is_none())
            .map(|(key, _)| *key)
            .collect();
        let mut deleted = if absent.is_empty() {
            Vec::new()
        } else {
            self.backend.multi_get(Keyspace::Deleted, &absent)?
        }
        .into_iter();
        let row = |(key, row): (&&[u8], Option<_>)| match row {
            Some(row) => Ok(OldRow::Live(row)),
            None => {
                let deleted = deleted.next().flatten();
                let deleted = deleted.map(|row| lookup::decode_deleted(key, &row));
                Ok(OldRow::Absent {
                    deleted: deleted.transpose()?.unwrap_or_default(),
                })
            }
        };
        encoded.iter().zip(current).map(row).collect()
    }

    /// Takes the values out of the next records of commits that were merged.
    fn prepare_trim(&self, state: &MergeState) -> Result<Piece> {
        let scope = Scope {
            start: commit::encode_key(state.trimmed, u32::MAX).to_vec(),
            end: Some(commit::encode_key(state.merged, u32::MAX).to_vec()),
        };
        let mut cursor = self
            .backend
            .cursor(Keyspace::Commits, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        let mut batch = WriteBatch::default();
        let (mut parts, mut trimmed) = (0, state.trimmed);
        while let Some((row_key, value)) = cursor.row() {
            let corrupt = |error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error);
            let (timestamp, part) = commit::decode_key(row_key).map_err(corrupt)?;
            // Only between two commits.
            if timestamp > trimmed && (parts >= PARTS_AT_ONCE || batch.size_bytes() >= BATCH_BYTES)
            {
                break;
            }
            trimmed = timestamp;
            parts += 1;
            if let Some(keys) = commit::without_values(part, value).map_err(corrupt)? {
                batch.put(Keyspace::Commits, &[row_key], &[&keys]);
            }
            cursor.next()?;
        }
        if cursor.row().is_none() {
            trimmed = state.merged;
        }
        let value = meta::encode_timestamp(trimmed);
        batch.put(Keyspace::Meta, &[meta::TRIMMED], &[&value]);
        Ok(Piece {
            batch,
            then: Then::Trimmed(trimmed),
        })
    }
}

/// Adds the rows of a key's versions.
fn merge_key(
    batch: &mut WriteBatch,
    ended: &mut Ended,
    encoded: &[u8],
    versions: &[RecentVersion],
    old: &OldRow,
) -> Result<()> {
    let mut newest = match old {
        OldRow::Live(row) => Newest::Live(lookup::peek_current(encoded, row)?),
        OldRow::Absent { deleted } => Newest::Absent { deleted: *deleted },
    };
    let merged = match newest {
        Newest::Live(row) => row.start,
        Newest::Absent { deleted } => deleted,
    };
    let (mut is_changed, mut last_delete) = (false, None);
    for RecentVersion { start, value } in versions {
        if *start <= merged {
            continue;
        }
        is_changed = true;
        let previous_end = match newest {
            Newest::Live(row) => {
                ended.add(*start, move_to_history(batch, encoded, row, *start));
                *start
            }
            Newest::Absent { deleted } => deleted,
        };
        newest = match value {
            Some(value) => Newest::Live(CurrentRow {
                start: *start,
                previous_end,
                value,
            }),
            None => {
                last_delete = Some(*start);
                Newest::Absent { deleted: *start }
            }
        };
    }
    if !is_changed {
        return Ok(());
    }
    if let Some(timestamp) = last_delete {
        batch.put(
            Keyspace::Deleted,
            &[encoded],
            &[&deleted::encode(timestamp)],
        );
    }
    match newest {
        Newest::Live(row) => {
            let header = record::header(row.start, row.previous_end);
            batch.put(Keyspace::Current, &[encoded], &[&header, row.value]);
        }
        Newest::Absent { .. } => batch.remove(Keyspace::Current, encoded),
    }
    Ok(())
}

/// Moves a version that ends at `end`. Returns its bytes in history.
fn move_to_history(
    batch: &mut WriteBatch,
    encoded: &[u8],
    row: CurrentRow<&[u8]>,
    end: Timestamp,
) -> u64 {
    let mut version_key = KeyBuffer::from_slice(encoded);
    key::push_start(&mut version_key, row.start);
    let header = record::header(end, row.previous_end);
    batch.put(Keyspace::History, &[&version_key], &[&header, row.value]);
    (version_key.len() + header.len() + row.value.len()) as u64
}
