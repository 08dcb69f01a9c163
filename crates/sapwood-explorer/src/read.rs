//! Rows of a state, a value, and the versions of a key.

use std::ops::Bound;

use sapwood::{Engine, ReadView, Snapshot, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{At, Preview},
    failure::Result,
    hexadecimal::Hexadecimal,
    page::{self, Room},
};

/// Bytes of a value in one answer, unless it says otherwise, and at most.
const PART: usize = 64 << 10;
const PART_MAX: usize = 1 << 20;

/// The state at a timestamp, or the newest.
pub(crate) fn state(engine: &Engine, at: Option<At>) -> Result<Snapshot> {
    Ok(match at {
        Some(At(at)) => engine.at(at)?,
        None => engine.snapshot()?,
    })
}

/// Which rows of which state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysQuery {
    at: Option<At>,
    prefix: Option<Hexadecimal>,
    after: Option<Hexadecimal>,
    limit: Option<usize>,
    preview: Option<usize>,
}

/// Rows of a state.
#[derive(Debug, Serialize)]
pub(crate) struct KeysPage {
    at: At,
    rows: Vec<Row>,
    /// The last key, where there are more behind it.
    next: Option<Hexadecimal>,
}

#[derive(Debug, Serialize)]
struct Row {
    key: Hexadecimal,
    value: Preview,
}

/// A page of the rows of a state.
pub(crate) fn keys(engine: &Engine, query: KeysQuery) -> Result<KeysPage> {
    let mut room = Room::new(query.limit, query.preview)?;
    let state = state(engine, query.at)?;
    let (mut rows, mut next) = (Vec::new(), None);
    for row in state.range(page::keys(query.prefix, query.after.as_ref())) {
        if !room.is_left() {
            next = rows.last().map(|row: &Row| row.key.clone());
            break;
        }
        let (key, value) = row?;
        room.take_row(key.len() + value.len());
        rows.push(Row {
            key: Hexadecimal(key.to_vec()),
            value: Preview::new(&value, room.preview),
        });
    }
    Ok(KeysPage {
        at: At(state.timestamp()),
        rows,
        next,
    })
}

/// Which part of which value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueQuery {
    key: Hexadecimal,
    at: Option<At>,
    offset: Option<usize>,
    length: Option<usize>,
}

/// A version of a key at a timestamp, or that there was none.
#[derive(Debug, Serialize)]
pub(crate) struct ValueAnswer {
    key: Hexadecimal,
    at: At,
    version: Option<VersionPart>,
}

#[derive(Debug, Serialize)]
struct VersionPart {
    start: At,
    end: Option<At>,
    size: usize,
    offset: usize,
    bytes: Hexadecimal,
}

/// The version of a key that a timestamp sees, with a part of its value.
pub(crate) fn value(engine: &Engine, query: ValueQuery) -> Result<ValueAnswer> {
    let length = page::bounded("length", query.length, PART, 0..=PART_MAX)?;
    let offset = query.offset.unwrap_or(0);
    let state = state(engine, query.at)?;
    let at = state.timestamp();
    let version = engine.history(&query.key.0, at..=at)?.next().transpose()?;
    let version = version.map(|version| {
        let behind = version.value.get(offset..).unwrap_or_default();
        let part = behind.get(..length).unwrap_or(behind);
        VersionPart {
            start: At(version.start),
            end: version.end.map(At),
            size: version.value.len(),
            offset,
            bytes: Hexadecimal(part.to_vec()),
        }
    });
    Ok(ValueAnswer {
        key: query.key,
        at: At(at),
        version,
    })
}

/// Which versions of which key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    key: Hexadecimal,
    before: Option<At>,
    limit: Option<usize>,
    preview: Option<usize>,
}

/// Versions of a key, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct HistoryPage {
    versions: Vec<VersionRow>,
    /// The start of the last, where there are more before it.
    next: Option<At>,
}

#[derive(Debug, Serialize)]
struct VersionRow {
    start: At,
    end: Option<At>,
    value: Preview,
}

/// A page of the versions of a key.
pub(crate) fn history(engine: &Engine, query: &HistoryQuery) -> Result<HistoryPage> {
    let mut room = Room::new(query.limit, query.preview)?;
    let end = query.before.map(|At(before)| before);
    let end = end.map_or(Bound::Unbounded, Bound::Excluded);
    let history = engine.history(&query.key.0, (Bound::<Timestamp>::Unbounded, end))?;
    let (mut versions, mut next) = (Vec::new(), None);
    for version in history {
        if !room.is_left() {
            next = versions.last().map(|version: &VersionRow| version.start);
            break;
        }
        let version = version?;
        room.take_row(version.value.len());
        versions.push(VersionRow {
            start: At(version.start),
            end: version.end.map(At),
            value: Preview::new(&version.value, room.preview),
        });
    }
    Ok(HistoryPage { versions, next })
}
