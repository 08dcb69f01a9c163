//! Records of commits, read whole, with the values that they set.

use std::time::SystemTime;

use super::{CommitRecord, holds::time};
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Scope},
    codec::commit::{self, Operation, Part},
    error::{Error, Result},
    storage::{Key, Value, batch::display, diff::Change, lookup, store::Store},
    timestamp::Timestamp,
};

/// Commits are read ahead until there are so many,
const COMMITS_AHEAD: usize = if cfg!(test) { 3 } else { 256 };
/// or so many bytes of keys and values.
const BYTES_AHEAD: usize = if cfg!(test) { 64 } else { 1 << 20 };
/// Keys that are looked up at once.
const KEYS_AT_ONCE: usize = if cfg!(test) { 2 } else { 1024 };

/// A commit whose record was read.
#[derive(Debug)]
struct Commit {
    timestamp: Timestamp,
    time: SystemTime,
    changes: Vec<Change>,
    /// The changes that set a value which the record no longer holds.
    valueless: Vec<usize>,
}

/// When the first commit above a timestamp was made, if there is one.
pub(super) fn first_time_above(backend: &dyn Backend, at: Timestamp) -> Result<Option<SystemTime>> {
    let mut rows = open(backend, at, Timestamp::MAX)?;
    rows.seek_to_first()?;
    let Some((row_key, value)) = rows.row() else {
        return Ok(None);
    };
    let (_, _, part) = decode(row_key, value)?;
    Ok(part.time_ms.map(time))
}

impl Store {
    /// The next commits above `after`, up to `until`, as far as one reads ahead; at least one, where there is one.
    /// What lies above `after` must be held by the caller, who looks at the floor afterwards.
    pub(super) fn read_commits(
        &self,
        after: Timestamp,
        until: Timestamp,
        with_old: bool,
    ) -> Result<Vec<CommitRecord>> {
        let mut rows = open(self.backend.as_ref(), after, until)?;
        rows.seek_to_first()?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < COMMITS_AHEAD && bytes < BYTES_AHEAD {
            let Some(mut commit) = read_commit(rows.as_mut())? else {
                break;
            };
            self.add_values(&mut commit)?;
            if with_old {
                self.add_old_values(&mut commit)?;
            }
            let size = |value: &Option<Value>| value.as_ref().map_or(0, Value::len);
            let sizes = commit.changes.iter();
            let sizes = sizes.map(|it| it.key.len() + size(&it.old) + size(&it.new));
            bytes += sizes.sum::<usize>();
            records.push(CommitRecord {
                timestamp: commit.timestamp,
                epoch: self.clock.epoch(),
                time: commit.time,
                changes: commit.changes,
            });
        }
        Ok(records)
    }

    /// The newest commit at or below a timestamp that has a record.
    pub(crate) fn last_recorded(&self, at: Timestamp) -> Result<Option<Timestamp>> {
        let scope = Scope {
            start: Vec::new(),
            end: Some(commit::encode_key(at, u32::MAX).to_vec()),
        };
        let mut rows = self
            .backend
            .cursor(Keyspace::Commits, scope, Access::Scan)?;
        rows.seek_to_last()?;
        let Some((row_key, _)) = rows.row() else {
            return Ok(None);
        };
        let (timestamp, _) = commit::decode_key(row_key)
            .map_err(|error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error))?;
        Ok(Some(timestamp))
    }

    /// Reads the values that the record does not hold any more, from the state that the commit left.
    fn add_values(&self, commit: &mut Commit) -> Result<()> {
        if commit.valueless.is_empty() {
            return Ok(());
        }
        let guard = self.admit(commit.timestamp)?;
        for places in commit.valueless.chunks(KEYS_AT_ONCE) {
            let keys = places.iter().filter_map(|place| commit.changes.get(*place));
            let keys: Vec<Key> = keys.map(|change| change.key.clone()).collect();
            let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
            let values = self.multi_get_guarded(&keys, &guard)?;
            for (place, value) in places.iter().zip(values) {
                let Some(change) = commit.changes.get_mut(*place) else {
                    continue;
                };
                if value.is_none() {
                    return Err(Error::corrupt(
                        format!(
                            "the version of {} at {}",
                            display(&change.key),
                            commit.timestamp
                        ),
                        "the record of the commit has it, and it is not there",
                    ));
                }
                change.new = value;
            }
        }
        Ok(())
    }

    /// Reads what the keys of a commit were before it.
    fn add_old_values(&self, commit: &mut Commit) -> Result<()> {
        let before = Timestamp::new(commit.timestamp.get().saturating_sub(1));
        let guard = self.admit(before)?;
        for changes in commit.changes.chunks_mut(KEYS_AT_ONCE) {
            let keys: Vec<_> = changes.iter().map(|change| change.key.clone()).collect();
            let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
            let values = self.multi_get_guarded(&keys, &guard)?;
            for (change, value) in changes.iter_mut().zip(values) {
                change.old = value;
            }
        }
        Ok(())
    }
}

/// The records of the commits in `(after, until]`.
fn open(backend: &dyn Backend, after: Timestamp, until: Timestamp) -> Result<Box<dyn Cursor>> {
    let scope = Scope {
        start: commit::encode_key(after, u32::MAX).to_vec(),
        end: Some(commit::encode_key(until, u32::MAX).to_vec()),
    };
    backend.cursor(Keyspace::Commits, scope, Access::Scan)
}

fn decode<'a>(row_key: &[u8], value: &'a [u8]) -> Result<(Timestamp, u32, Part<'a>)> {
    let corrupt = |error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error);
    let (timestamp, number) = commit::decode_key(row_key).map_err(corrupt)?;
    let part = commit::decode_part(number, value).map_err(corrupt)?;
    Ok((timestamp, number, part))
}

/// Reads the commit whose first part is at the cursor, and moves behind it.
fn read_commit(rows: &mut dyn Cursor) -> Result<Option<Commit>> {
    let mut commit: Option<Commit> = None;
    let mut next = 0;
    while let Some((row_key, value)) = rows.row() {
        let (timestamp, number, part) = decode(row_key, value)?;
        let missing = || {
            let place = lookup::place(Keyspace::Commits, row_key);
            Error::corrupt(place, "a part of a commit is missing before it")
        };
        if number != next {
            return Err(missing());
        }
        let commit = commit.get_or_insert_with(|| Commit {
            timestamp,
            time: time(part.time_ms.unwrap_or_default()),
            changes: Vec::with_capacity(part.changes().len()),
            valueless: Vec::new(),
        });
        if commit.timestamp != timestamp {
            return Err(missing());
        }
        for changed in part.changes() {
            if changed.operation == Operation::Set && changed.value.is_none() {
                commit.valueless.push(commit.changes.len());
            }
            commit.changes.push(Change {
                key: Key::copy_from_slice(changed.key),
                old: None,
                new: changed.value.map(Value::copy_from_slice),
            });
        }
        let is_last = part.last;
        rows.next()?;
        if is_last {
            break;
        }
        next += 1;
        if rows.row().is_none() {
            return Err(Error::corrupt(
                format!("the commit {timestamp} in commits"),
                format!("its part {next} is missing"),
            ));
        }
    }
    Ok(commit)
}
