//! The one place where a version of a key is looked up in the backend, where no recent version has
//! answered before.
//!
//! The rules are those of [`visibility`](super::visibility); here they meet the backend, in the
//! order `current`, `deleted`, `history`, each looked up after the one before.

use bytes::Bytes;

use super::visibility::{self, Verdict};
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Scope},
    codec::{self, CurrentRow, HistoryRow, deleted, key::KeyBuffer},
    error::{Error, Result},
    storage::batch::display,
    timestamp::Timestamp,
};

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Bytes),
    /// The key did not exist.
    Absent,
    /// Nothing was found in `history`, where a version older than `successor` was looked for: the
    /// caller must ask [`visibility::is_hole`] with a floor that it loads after this.
    Missing {
        successor: Timestamp,
    },
}

/// Looks up the version of an encoded user key that is alive at `at`. Also says whether it was found in `history`.
pub(crate) fn lookup(
    backend: &dyn Backend,
    encoded: &KeyBuffer,
    at: Timestamp,
) -> Result<(Lookup, bool)> {
    let row = backend.get(Keyspace::Current, encoded)?;
    let current = row.map(|row| decode_current(encoded, row)).transpose()?;
    let is_newest = current.as_ref().is_some_and(|row| row.start <= at);
    let answer = lookup_from(backend, encoded, at, current)?;
    let is_history = !is_newest && matches!(answer, Lookup::Found(_));
    Ok((answer, is_history))
}

/// Looks only into `history`, before all else: what it finds is the answer, but that it finds nothing says nothing.
pub(crate) fn from_history(
    backend: &dyn Backend,
    encoded: &KeyBuffer,
    at: Timestamp,
) -> Result<Option<Bytes>> {
    let history = seek_version(backend, encoded, at)?;
    let Some((start, row)) = history_row(history.as_ref(), encoded)? else {
        return Ok(None);
    };
    let version = peek_history(encoded, start, row)?;
    let is_alive = visibility::history_at(&version, at);
    Ok(is_alive.then(|| Bytes::copy_from_slice(version.value)))
}

/// A cursor at the newest version of a key in `history` with `start <= at`, or behind its last.
fn seek_version(
    backend: &dyn Backend,
    encoded: &KeyBuffer,
    at: Timestamp,
) -> Result<Box<dyn Cursor>> {
    let mut history = backend.cursor(Keyspace::History, Scope::default(), Access::OneKey)?;
    let mut target = encoded.clone();
    codec::key::push_start(&mut target, at);
    history.seek(&target)?;
    Ok(history)
}

/// The same, where `current` was read already.
pub(crate) fn lookup_from(
    backend: &dyn Backend,
    encoded: &KeyBuffer,
    at: Timestamp,
    current: Option<CurrentRow>,
) -> Result<Lookup> {
    match current {
        Some(row) => match visibility::current_at(&row, at) {
            Verdict::Alive => Ok(Lookup::Found(row.value)),
            older => settle(backend, encoded, at, older),
        },
        None => {
            let deleted = get_deleted(backend, encoded)?;
            settle(backend, encoded, at, visibility::deleted_at(deleted, at))
        }
    }
}

fn get_deleted(backend: &dyn Backend, encoded: &KeyBuffer) -> Result<Option<Timestamp>> {
    let row = backend.get(Keyspace::Deleted, encoded)?;
    row.map(|row| decode_deleted(encoded, &row)).transpose()
}

/// What `current` and `deleted` left open is answered by `history`.
fn settle(
    backend: &dyn Backend,
    encoded: &KeyBuffer,
    at: Timestamp,
    verdict: Verdict,
) -> Result<Lookup> {
    let Verdict::InHistory { successor } = verdict else {
        return Ok(Lookup::Absent);
    };
    let mut history = seek_version(backend, encoded, at)?;
    in_history(history.as_mut(), encoded, at, successor)
}

/// Reads the version alive at `at` from a history cursor that stands on the newest row of the key
/// with `start <= at`, or behind the key's last row.
pub(crate) fn in_history(
    history: &mut dyn Cursor,
    encoded: &[u8],
    at: Timestamp,
    successor: Timestamp,
) -> Result<Lookup> {
    if let Some((start, row)) = history_row(history, encoded)? {
        let version = peek_history(encoded, start, row)?;
        if visibility::history_at(&version, at) {
            return Ok(Lookup::Found(Bytes::copy_from_slice(version.value)));
        }
        history.prev()?;
    } else {
        // Behind the key's rows, or behind all: the newer ones lie before.
        let mut target = KeyBuffer::from_slice(encoded);
        codec::key::push_start(&mut target, at);
        history.seek_for_prev(&target)?;
    }
    // The next newer row, where there is one, is nearer than what `current` or `deleted` said.
    let successor = match history_row(history, encoded)? {
        Some((start, row)) => peek_history(encoded, start, row)?.previous_end,
        None => successor,
    };
    Ok(Lookup::Missing { successor })
}

/// The value of the version alive at `at` under a history cursor that stands as for [`in_history`]; `None` says nothing.
pub(crate) fn alive_in_history<'a>(
    history: &'a dyn Cursor,
    encoded: &[u8],
    at: Timestamp,
) -> Option<&'a [u8]> {
    let (version_key, row) = history.row()?;
    let (key, start) = codec::key::split_version(version_key).ok()?;
    let version = HistoryRow::peek(start, row).ok()?;
    (key == encoded && visibility::history_at(&version, at)).then_some(version.value)
}

/// The start and the bytes of the history row under the cursor, if it is one of this key.
fn history_row<'a>(
    history: &'a dyn Cursor,
    encoded: &[u8],
) -> Result<Option<(Timestamp, &'a [u8])>> {
    let Some((version_key, row)) = history.row() else {
        return Ok(None);
    };
    let (key, start) = codec::key::split_version(version_key)
        .map_err(|error| Error::corrupt(place(Keyspace::History, version_key), error))?;
    Ok((key == encoded).then_some((start, row)))
}

pub(crate) fn decode_current(encoded: &[u8], row: Bytes) -> Result<CurrentRow> {
    CurrentRow::decode(row)
        .map_err(|error| Error::corrupt(place(Keyspace::Current, encoded), error))
}

pub(crate) fn peek_current<'a>(encoded: &[u8], row: &'a [u8]) -> Result<CurrentRow<&'a [u8]>> {
    CurrentRow::peek(row).map_err(|error| Error::corrupt(place(Keyspace::Current, encoded), error))
}

pub(crate) fn peek_history<'a>(
    encoded: &[u8],
    start: Timestamp,
    row: &'a [u8],
) -> Result<HistoryRow<&'a [u8]>> {
    HistoryRow::peek(start, row).map_err(|error| {
        let at = format!("{} at {start}", place(Keyspace::History, encoded));
        Error::corrupt(at, error)
    })
}

pub(crate) fn decode_deleted(encoded: &[u8], row: &[u8]) -> Result<Timestamp> {
    deleted::decode(row).map_err(|error| Error::corrupt(place(Keyspace::Deleted, encoded), error))
}

pub(crate) fn decode_key(keyspace: Keyspace, encoded: &[u8]) -> Result<Vec<u8>> {
    codec::key::decode(encoded).map_err(|error| Error::corrupt(place(keyspace, encoded), error))
}

/// The error for a version that was lost: it ended at `successor`.
pub(crate) fn hole(encoded: &[u8], at: Timestamp, successor: Timestamp) -> Error {
    Error::corrupt(
        place(Keyspace::History, encoded),
        format!("the version that ended at {successor} is missing, so {at} cannot be read"),
    )
}

/// A row's place for a message: the keyspace and the user key, or its bytes where it has none.
pub(crate) fn place(keyspace: Keyspace, encoded: &[u8]) -> String {
    let user_key = codec::key::decode(encoded).or_else(|_| {
        codec::key::split_version(encoded).and_then(|(key, _)| codec::key::decode(key))
    });
    match user_key {
        Ok(user_key) => format!(
            "the row of key {} in {}",
            display(&user_key),
            keyspace.name()
        ),
        Err(_) => format!("the row {} in {}", display(encoded), keyspace.name()),
    }
}
