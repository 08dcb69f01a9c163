//! The rows of commits.
//!
//! A commit at `ts` writes, over all keyspaces:
//!
//! ```text
//! the key is live       its row moves to history with end = ts
//!   and is set          current = (ts, previous_end = ts, value)
//!   and is deleted      current goes; deleted = ts
//! the key is not live
//!   and is set          current = (ts, previous_end = its last delete or 0, value)
//!   and is deleted      nothing
//! always                commits += (ts, the keys)
//! ```
//!
//! Re-creating a key leaves its row in `deleted`: a reader may have looked at `current` before
//! and look at `deleted` after.

use std::collections::HashMap;

use bytes::Bytes;

use crate::{
    backend::{Backend, Keyspace, WriteBatch},
    codec::{
        CurrentRow,
        commit::{self, Operation},
        deleted,
        key::{self, KeyBuffer},
        record,
    },
    error::{Error, Result},
    limits::COMMIT_MAX_BYTES,
    storage::{Key, batch::Write, lookup},
    timestamp::Timestamp,
};

/// How many old rows are read at once: a commit too large must be refused before it fills the memory.
const READ_AT_ONCE: usize = 1024;

/// What is stored for a key until the next commit writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OldRow {
    /// It is live: its row of `current`.
    Live(Bytes),
    /// It is not; when it was deleted last, or 0.
    Absent { deleted: Timestamp },
}

impl OldRow {
    /// When it was deleted last, where it is not live; 0 where it never was.
    pub(crate) fn deleted(&self) -> Timestamp {
        match self {
            Self::Live(_) => Timestamp::ZERO,
            Self::Absent { deleted } => *deleted,
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Live(row) => row.len(),
            Self::Absent { .. } => 0,
        }
    }

    /// The decoded row of a live key.
    pub(crate) fn current(&self, user_key: &[u8]) -> Result<Option<CurrentRow>> {
        match self {
            Self::Live(row) => {
                lookup::decode_current(&key::encode(user_key), row.clone()).map(Some)
            }
            Self::Absent { .. } => Ok(None),
        }
    }
}

/// The rows of the commits of a group, as one batch.
pub(super) struct Rows<'b> {
    backend: &'b dyn Backend,
    batch: WriteBatch,
    /// What this batch leaves for each key that it writes; only kept where other commits follow.
    left: HashMap<Key, OldRow>,
}

impl<'b> Rows<'b> {
    pub(super) fn new(backend: &'b dyn Backend) -> Self {
        Self {
            backend,
            batch: WriteBatch::default(),
            left: HashMap::new(),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.batch.size_bytes()
    }

    /// The rows that writes replace: those that the caller knows, else what an earlier commit of the
    /// group leaves, else what is stored.
    pub(super) fn old_rows(&self, writes: &[Write], known: Vec<OldRow>) -> Result<Vec<OldRow>> {
        if known.len() == writes.len() {
            return Ok(known);
        }
        let left = |(key, _): &Write| self.left.get(key).cloned();
        complete(self.backend, writes, writes.iter().map(left).collect())
    }

    /// Adds a commit's rows, all or none. `others_follow` in this batch.
    pub(super) fn add(
        &mut self,
        timestamp: Timestamp,
        time_ms: u64,
        writes: &[Write],
        old_rows: Vec<OldRow>,
        others_follow: bool,
    ) -> Result<()> {
        let begun = self.batch.mark();
        let mut left = Vec::new();
        let keep = others_follow.then_some(&mut left);
        let added = self
            .append(timestamp, time_ms, writes, old_rows, keep)
            .and_then(|()| check_size(self.batch.size_bytes() - begun.size_bytes()));
        match added {
            Ok(()) => self.left.extend(left),
            Err(_) => self.batch.cut(begun),
        }
        added
    }

    fn append(
        &mut self,
        timestamp: Timestamp,
        time_ms: u64,
        writes: &[Write],
        old_rows: Vec<OldRow>,
        mut left: Option<&mut Vec<(Key, OldRow)>>,
    ) -> Result<()> {
        let mut changes = Vec::with_capacity(writes.len());
        for ((user_key, new), old) in writes.iter().zip(old_rows) {
            let key = key::encode(user_key);
            let previous_end = match &old {
                OldRow::Live(row) => {
                    move_to_history(&mut self.batch, &key, row, timestamp)?;
                    timestamp
                }
                OldRow::Absent { deleted } if new.is_some() => *deleted,
                OldRow::Absent { .. } => continue,
            };
            match new {
                Some(value) => {
                    let header = record::header(timestamp, previous_end);
                    self.batch
                        .put(Keyspace::Current, &[&key], &[&header, value]);
                    changes.push((user_key.as_ref(), Operation::Set));
                    if let Some(left) = &mut left {
                        let row = [&header[..], value].concat();
                        left.push((user_key.clone(), OldRow::Live(row.into())));
                    }
                }
                None => {
                    self.batch.remove(Keyspace::Current, &key);
                    self.batch
                        .put(Keyspace::Deleted, &[&key], &[&deleted::encode(timestamp)]);
                    changes.push((user_key.as_ref(), Operation::Delete));
                    if let Some(left) = &mut left {
                        let row = OldRow::Absent { deleted: timestamp };
                        left.push((user_key.clone(), row));
                    }
                }
            }
        }
        for (part, value) in (0..).zip(commit::encode_parts(time_ms, changes)) {
            self.batch.put(
                Keyspace::Commits,
                &[&commit::encode_key(timestamp, part)],
                &[&value],
            );
        }
        Ok(())
    }

    pub(super) fn finish(self) -> WriteBatch {
        self.batch
    }
}

/// The rows of the keys of writes, which are in key order: those that are known, else what is stored.
pub(super) fn complete(
    backend: &dyn Backend,
    writes: &[Write],
    known: Vec<Option<OldRow>>,
) -> Result<Vec<OldRow>> {
    let unknown = writes.iter().zip(&known).filter(|(_, row)| row.is_none());
    let unknown: Vec<&Write> = unknown.map(|(write, _)| write).collect();
    let mut stored = Vec::with_capacity(unknown.len());
    let mut size_bytes = 0;
    for unknown in unknown.chunks(READ_AT_ONCE) {
        let rows = stored_rows(backend, unknown)?;
        size_bytes += rows.iter().map(OldRow::size_bytes).sum::<usize>();
        check_size(size_bytes)?;
        stored.extend(rows);
    }
    let mut stored = stored.into_iter();
    let rows = known.into_iter().map(|row| row.or_else(|| stored.next()));
    Ok(rows.flatten().collect())
}

/// What is stored for the keys of writes, which are in key order.
///
/// For a key that is deleted while it is not live, its last delete does not matter and is not looked up.
fn stored_rows(backend: &dyn Backend, writes: &[&Write]) -> Result<Vec<OldRow>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let encoded: Vec<_> = writes
        .iter()
        .map(|(user_key, _)| key::encode(user_key))
        .collect();
    let keys: Vec<_> = encoded.iter().map(KeyBuffer::as_slice).collect();
    let current = backend.multi_get(Keyspace::Current, &keys)?;

    let created = writes.iter().zip(&current).zip(&keys);
    let created: Vec<_> = created
        .map(|(((_, new), old), key)| (new.is_some() && old.is_none()).then_some(*key))
        .collect();
    let wanted: Vec<_> = created.iter().copied().flatten().collect();
    let mut deleted = if wanted.is_empty() {
        Vec::new()
    } else {
        backend.multi_get(Keyspace::Deleted, &wanted)?
    }
    .into_iter();
    let row = |(current, created): (Option<Bytes>, Option<&[u8]>)| {
        let deleted = match (current, created) {
            (Some(row), _) => return Ok(OldRow::Live(row)),
            (None, Some(key)) => {
                let row = deleted.next().flatten();
                row.map(|row| lookup::decode_deleted(key, &row))
                    .transpose()?
            }
            (None, None) => None,
        };
        Ok(OldRow::Absent {
            deleted: deleted.unwrap_or_default(),
        })
    };
    current.into_iter().zip(created).map(row).collect()
}

/// Moves a row that ends at `end`: in history its end stands where its start stood.
fn move_to_history(batch: &mut WriteBatch, key: &[u8], old: &[u8], end: Timestamp) -> Result<()> {
    let row = lookup::peek_current(key, old)?;
    if row.start >= end {
        return Err(Error::corrupt(
            lookup::place(Keyspace::Current, key),
            format!(
                "it starts at {}, which is not before the next commit {end}",
                row.start
            ),
        ));
    }
    let inverted = (!row.start.get()).to_be_bytes();
    let tail = old.get(8..).unwrap_or_default();
    batch.put(
        Keyspace::History,
        &[key, &inverted],
        &[&end.get().to_be_bytes(), tail],
    );
    Ok(())
}

pub(super) fn check_size(size_bytes: usize) -> Result<()> {
    if size_bytes > COMMIT_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the commit would write {size_bytes} bytes, old versions included; at most \
             {COMMIT_MAX_BYTES} are allowed: split it"
        )));
    }
    Ok(())
}
