//! The commit path: the one function through which every write of every handle goes.
//!
//! A commit at `ts` is one atomic batch over all keyspaces:
//!
//! ```text
//! the key is live       its row moves to history with end = ts
//!   and is set          current = (ts, previous_end = ts, value)
//!   and is deleted      current goes; deleted = ts
//! the key is not live
//!   and is set          current = (ts, previous_end = its last delete or 0, value)
//!   and is deleted      nothing
//! always                commits += (ts, the keys); last_commit = ts
//! ```
//!
//! Re-creating a key leaves its row in `deleted`: a reader may have looked at `current` before
//! and look at `deleted` after.
//!
//! **Invariant:** after a failed write its outcome is unknown, so nothing is written any more and
//! its timestamp is not given again, until the store is opened anew and asks the backend.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    batch::{Batch, CommitInfo, CommitOptions, Write, display},
    key_range::KeyRange,
    lookup,
    store::{CommitState, Store},
};
use crate::{
    backend::{Access, Backend, Keyspace, WriteBatch},
    codec::{
        commit::{self, Operation},
        deleted,
        key::{self, KeyBuffer},
        meta,
    },
    config::TimestampSource,
    error::{Error, ErrorKind, Result},
    limits::{BATCH_MAX_WRITES, COMMIT_MAX_BYTES},
    sync::MutexGuard,
    timestamp::Timestamp,
};

impl Store {
    /// Commits a batch.
    pub(crate) fn commit(&self, batch: Batch, options: CommitOptions) -> Result<CommitInfo> {
        let writes = batch.into_sorted()?;
        let state = self.begin_commit()?;
        self.finish_commit(state, &writes, options)
    }

    /// Deletes every key of a range that is live, as one commit.
    pub(crate) fn delete_range(
        &self,
        range: &KeyRange,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        let state = self.begin_commit()?;
        let mut writes = Vec::new();
        let mut cursor = self
            .backend
            .cursor(Keyspace::Current, range.scope(), Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((encoded, _)) = cursor.row() {
            if writes.len() == BATCH_MAX_WRITES {
                return Err(Error::too_large(format!(
                    "the range holds more than {BATCH_MAX_WRITES} keys; delete it in parts"
                )));
            }
            writes.push((lookup::decode_key(Keyspace::Current, encoded)?, None));
            cursor.next()?;
        }
        self.finish_commit(state, &writes, options)
    }

    /// Sets or deletes one key, if its newest committed value is the expected one.
    pub(crate) fn compare_and_set(
        &self,
        user_key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        let batch = Batch::from(vec![(user_key.to_vec(), new.map(<[u8]>::to_vec))]);
        let writes = batch.into_sorted()?;
        let state = self.begin_commit()?;
        let encoded = key::encode(user_key);
        let row = self.backend.get(Keyspace::Current, &encoded)?;
        let current = row
            .map(|row| lookup::decode_current(&encoded, row))
            .transpose()?;
        if current.as_ref().map(|row| row.value.as_ref()) != expected {
            let committed = current.map_or(state.last, |row| row.start);
            let kind = ErrorKind::Conflict {
                key: user_key.to_vec(),
                read: state.last,
                committed,
            };
            return Err(Error::new(
                kind,
                format!(
                    "the value of {} is not the expected one; read it again",
                    display(user_key)
                ),
            ));
        }
        self.finish_commit(state, &writes, options)
    }

    /// Takes the turn to commit.
    fn begin_commit(&self) -> Result<MutexGuard<'_, CommitState>> {
        let state = self.commit.lock();
        self.check_open()?;
        if state.failed {
            return Err(Error::new(
                ErrorKind::Io,
                "an earlier write failed and its outcome is unknown; close the store and open it \
                 again to go on writing",
            ));
        }
        Ok(state)
    }

    /// Numbers, writes and publishes a commit. Until the write has begun, an error changes nothing.
    fn finish_commit(
        &self,
        mut state: MutexGuard<'_, CommitState>,
        writes: &[Write],
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        let timestamp = self.number(state.last, options.timestamp)?;
        let time_ms = unix_ms(options.time.unwrap_or_else(SystemTime::now));
        let batch = rows(self.backend.as_ref(), timestamp, time_ms, writes)?;
        let durability = options.durability.unwrap_or(self.options.durability);
        self.clock.start(timestamp);
        if let Err(error) = self.backend.write(batch, durability) {
            state.failed = true;
            return Err(error);
        }
        state.last = timestamp;
        self.clock.publish(timestamp);
        Ok(CommitInfo { timestamp })
    }

    /// The timestamp of the next commit.
    fn number(&self, last: Timestamp, given: Option<Timestamp>) -> Result<Timestamp> {
        match (given, self.options.timestamps) {
            (None, TimestampSource::Engine) => last.next().ok_or_else(|| {
                Error::invalid(format!(
                    "no timestamp is left above {last}; the largest is {}",
                    Timestamp::MAX
                ))
            }),
            (None, TimestampSource::CallerGiven) => Err(Error::invalid(
                "this store's commits are numbered by their caller; give a timestamp (commit_at)",
            )),
            (Some(timestamp), _) if timestamp <= last => Err(Error::invalid(format!(
                "the timestamp {timestamp} is not above the last commit, {last}"
            ))),
            (Some(timestamp), _) if timestamp > Timestamp::MAX => Err(Error::invalid(format!(
                "the timestamp {timestamp} is above the largest, {}",
                Timestamp::MAX
            ))),
            (Some(timestamp), _) => Ok(timestamp),
        }
    }
}

/// The rows of one commit.
fn rows(
    backend: &dyn Backend,
    timestamp: Timestamp,
    time_ms: u64,
    writes: &[Write],
) -> Result<WriteBatch> {
    let encoded: Vec<_> = writes
        .iter()
        .map(|(user_key, _)| key::encode(user_key))
        .collect();
    let keys: Vec<_> = encoded.iter().map(KeyBuffer::as_slice).collect();
    let old_rows = backend.multi_get(Keyspace::Current, &keys)?;

    let created = writes.iter().zip(&old_rows).zip(&keys);
    let created: Vec<_> = created
        .filter(|(((_, new), old), _)| new.is_some() && old.is_none())
        .map(|(_, key)| *key)
        .collect();
    let mut last_deletes = backend.multi_get(Keyspace::Deleted, &created)?.into_iter();

    let start = timestamp.get().to_be_bytes();
    let mut batch = WriteBatch::default();
    let mut changes = Vec::with_capacity(writes.len());
    for (((user_key, new), key), old) in writes.iter().zip(&encoded).zip(old_rows) {
        let previous_end = match old {
            Some(old) => {
                move_to_history(&mut batch, key, &old, timestamp)?;
                timestamp
            }
            None if new.is_some() => match last_deletes.next().flatten() {
                Some(row) => lookup::decode_deleted(key, &row)?,
                None => Timestamp::ZERO,
            },
            None => continue,
        };
        match new {
            Some(value) => {
                let previous_end = previous_end.get().to_be_bytes();
                batch.put(
                    Keyspace::Current,
                    &[key],
                    &[&start, &previous_end, &[0], value],
                );
                changes.push((user_key.as_slice(), Operation::Set));
            }
            None => {
                batch.remove(Keyspace::Current, key);
                batch.put(Keyspace::Deleted, &[key], &[&deleted::encode(timestamp)]);
                changes.push((user_key.as_slice(), Operation::Delete));
            }
        }
    }
    for (part, value) in (0..).zip(commit::encode_parts(time_ms, changes)) {
        batch.put(
            Keyspace::Commits,
            &[&commit::encode_key(timestamp, part)],
            &[&value],
        );
    }
    let last_commit = meta::encode_timestamp(timestamp);
    batch.put(Keyspace::Meta, &[meta::LAST_COMMIT], &[&last_commit]);
    if batch.size_bytes() > COMMIT_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the commit would write {} bytes, old versions included; at most {COMMIT_MAX_BYTES} \
             are allowed: split it",
            batch.size_bytes()
        )));
    }
    Ok(batch)
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

/// Milliseconds since 1970; a time before that counts as 0.
fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
