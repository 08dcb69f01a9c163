//! A walk over the state at one timestamp, in one direction: recent versions, `current` and `deleted`
//! merged, with a look into `history` for each key that has changed since.
//!
//! The recent versions are taken first, `current` is opened before `deleted`, and `history` after both: a
//! version that leaves one of them in between is met in the next. Recent versions decide where there is
//! one at or below the timestamp, `current` where it has a row for the key, `deleted` only where neither
//! does. The caller holds a guard at the timestamp.
//!
//! A walk that looks no further back than the last merge needs no `deleted` and no `history`: its view of
//! `current` then is the state below the recent versions, exactly.

use std::{cmp::Ordering, ops::ControlFlow};

use super::{
    iter::{Key, Value},
    key_range::KeyRange,
    lookup::{self, Lookup},
    recent::RecentCursor,
    store::Store,
    visibility::{self, Verdict},
};
use crate::{
    backend::{Access, Cursor, Keyspace, Scope},
    codec::{
        CurrentRow,
        key::{self, KeyBuffer},
    },
    error::{Error, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// How many rows of `history` are stepped over before it is sought anew: a few steps are cheaper
/// than a seek, many are not.
const STEPS_BEFORE_SEEK: usize = if cfg!(test) { 2 } else { 8 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// `Less` where the first key comes before the second.
    pub(crate) fn compare(self, first: &[u8], second: &[u8]) -> Ordering {
        match self {
            Self::Forward => first.cmp(second),
            Self::Backward => second.cmp(first),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Walk {
    store: Arc<Store>,
    at: Timestamp,
    direction: Direction,
    scope: Scope,
    recent: RecentCursor,
    current: Box<dyn Cursor>,
    /// Absent where the view of `current` is the whole state at `at`.
    deleted: Option<Box<dyn Cursor>>,
    history: Option<Box<dyn Cursor>>,
}

/// Which cursors stand on the next key.
enum Next {
    Current { deleted_too: bool },
    Deleted,
}

impl Walk {
    pub(crate) fn new(
        store: &Arc<Store>,
        at: Timestamp,
        range: &KeyRange,
        direction: Direction,
        access: Access,
    ) -> Result<Self> {
        let scope = range.scope();
        let open = |keyspace| -> Result<Box<dyn Cursor>> {
            let mut cursor = store.backend.cursor(keyspace, scope.clone(), access)?;
            match direction {
                Direction::Forward => cursor.seek_to_first()?,
                Direction::Backward => cursor.seek_to_last()?,
            }
            Ok(cursor)
        };
        let recent = store.recent.cursor(&scope, at, direction);
        let current = open(Keyspace::Current)?;
        // Loaded after the view was opened: what a merge had written by then had begun.
        let is_whole = store.recent.merging() <= at;
        let deleted = if is_whole {
            None
        } else {
            Some(open(Keyspace::Deleted)?)
        };
        let store = Arc::clone(store);
        Ok(Self {
            store,
            at,
            direction,
            scope,
            recent,
            current,
            deleted,
            history: None,
        })
    }

    /// The next key that is alive, with its value.
    pub(crate) fn step(&mut self) -> Result<Option<(Key, Value)>> {
        loop {
            if self.deleted.is_none()
                && let Some(row) = self.step_whole()?
            {
                return Ok(Some(row));
            }
            let Some(recent) = self.recent.key() else {
                break;
            };
            let below = self.key_below();
            let order = below.map_or(Ordering::Less, |below| {
                self.direction.compare(recent, below)
            });
            if order == Ordering::Greater {
                match self.step_below(1)? {
                    Some(row) => return Ok(Some(row)),
                    None => continue,
                }
            }
            let Some((encoded, value)) = self.recent.take() else {
                break;
            };
            if order == Ordering::Equal {
                self.pass_below(&encoded)?;
            }
            if let Some(value) = value {
                let user_key = user_key(Keyspace::Commits, &encoded)?;
                return Ok(Some((user_key, value)));
            }
        }
        self.step_below(usize::MAX)
    }

    /// The next key in `current` or `deleted`.
    fn key_below(&self) -> Option<&[u8]> {
        let current = self.current.row().map(|(key, _)| key);
        let deleted = self.deleted.as_ref().and_then(|cursor| cursor.row());
        match (current, deleted) {
            (Some(current), Some((deleted, _))) => {
                Some(match self.direction.compare(current, deleted) {
                    Ordering::Greater => deleted,
                    Ordering::Less | Ordering::Equal => current,
                })
            }
            (current, deleted) => current.or(deleted.map(|(key, _)| key)),
        }
    }

    /// Goes on behind a key that a recent version has decided.
    fn pass_below(&mut self, encoded: &[u8]) -> Result<()> {
        let cursors = std::iter::once(&mut self.current).chain(&mut self.deleted);
        for cursor in cursors {
            if cursor.row().is_some_and(|(key, _)| key == encoded) {
                advance(cursor.as_mut(), self.direction)?;
            }
        }
        Ok(())
    }

    /// The next of at most so many keys below the recent versions that is alive.
    fn step_below(&mut self, keys: usize) -> Result<Option<(Key, Value)>> {
        if self.deleted.is_none() {
            return self.step_whole();
        }
        for _ in 0..keys {
            let Some(next) = self.next_key() else {
                break;
            };
            let found = match next {
                Next::Current { deleted_too } => {
                    let found = self.read_current()?;
                    advance(self.current.as_mut(), self.direction)?;
                    if deleted_too && let Some(deleted) = &mut self.deleted {
                        advance(deleted.as_mut(), self.direction)?;
                    }
                    found
                }
                Next::Deleted => {
                    let found = self.read_deleted()?;
                    if let Some(deleted) = &mut self.deleted {
                        advance(deleted.as_mut(), self.direction)?;
                    }
                    found
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Where the view of `current` is the whole state, its rows are the answer as they come: those before the next
    /// recent key.
    fn step_whole(&mut self) -> Result<Option<(Key, Value)>> {
        let Some((encoded, row)) = self.current.row() else {
            return Ok(None);
        };
        if let Some(recent) = self.recent.key()
            && self.direction.compare(recent, encoded) != Ordering::Greater
        {
            return Ok(None);
        }
        let row = lookup::peek_current(encoded, row)?;
        if row.start > self.at {
            return Err(Error::corrupt(
                lookup::place(Keyspace::Current, encoded),
                format!("it starts at {}, after the last merge", row.start),
            ));
        }
        let user_key = user_key(Keyspace::Current, encoded)?;
        let value = Value::copy_from_slice(row.value);
        advance(self.current.as_mut(), self.direction)?;
        Ok(Some((user_key, value)))
    }

    /// Whether the rows of `current` are the state below the recent versions.
    pub(crate) fn is_whole(&self) -> bool {
        self.deleted.is_none()
    }

    /// Shows user keys and values where they lie, going forward, for as long as that can be done and `see` goes on. The key
    /// at which this ends is the next one still.
    pub(crate) fn walk_shown(
        &mut self,
        see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        debug_assert_eq!(self.direction, Direction::Forward, "see `cut_off_shown`");
        if self.is_whole() {
            self.walk_whole(see)
        } else {
            self.walk_past(see)
        }
    }

    /// For as long as rows of `current` are the answer as they come.
    fn walk_whole(&mut self, mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<()> {
        let (at, recent) = (self.at, self.recent.key());
        let mut decoded = Vec::new();
        self.current.walk(&mut |encoded, row| {
            if recent.is_some_and(|key| key <= encoded) {
                return ControlFlow::Break(());
            }
            let user_key = match key::unescaped(encoded) {
                Some(user_key) => Ok(user_key),
                None => key::decode_into(encoded, &mut decoded).map(|()| decoded.as_slice()),
            };
            match (user_key, CurrentRow::peek(row)) {
                (Ok(user_key), Ok(row)) if row.start <= at => see(user_key, row.value),
                // What is wrong with it, `step` says.
                _ => ControlFlow::Break(()),
            }
        })
    }

    /// For as long as rows of `current`, or versions of their keys in `history`, are the answer.
    fn walk_past(&mut self, mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<()> {
        let mut decoded = Vec::new();
        while let Some((encoded, row)) = self.current.row() {
            let is_at_or_before = |other: Option<&[u8]>| other.is_some_and(|key| key <= encoded);
            let deleted = self.deleted.as_ref().and_then(|cursor| cursor.row());
            if is_at_or_before(self.recent.key()) || is_at_or_before(deleted.map(|(key, _)| key)) {
                break;
            }
            let user_key = match key::unescaped(encoded) {
                Some(user_key) => Ok(user_key),
                None => key::decode_into(encoded, &mut decoded).map(|()| decoded.as_slice()),
            };
            // What is wrong with a row, or missing, `step` says.
            let (Ok(user_key), Ok(row)) = (user_key, CurrentRow::peek(row)) else {
                break;
            };
            let shown = match visibility::current_at(&row, self.at) {
                Verdict::Alive => see(user_key, row.value),
                Verdict::Absent => ControlFlow::Continue(()),
                Verdict::InHistory { .. } => {
                    let history = opened(&mut self.history, &self.store, &self.scope)?;
                    seek_version(history, encoded, self.at, Direction::Forward)?;
                    match lookup::alive_in_history(history, encoded, self.at) {
                        Some(value) => see(user_key, value),
                        None => ControlFlow::Break(()),
                    }
                }
            };
            if shown.is_break() {
                break;
            }
            self.current.next()?;
        }
        Ok(())
    }

    /// Cuts off a range, going forward, what was shown of it: all that lies before the next key.
    pub(crate) fn cut_off_shown(&self, range: &mut KeyRange) -> Result<()> {
        let next = self.recent.key().into_iter().chain(self.key_below()).min();
        match next {
            Some(encoded) => range.start = lookup::decode_key(Keyspace::Current, encoded)?,
            None => range.end = Some(range.start.clone()),
        }
        Ok(())
    }

    fn next_key(&self) -> Option<Next> {
        let current = self.current.row().map(|(key, _)| key);
        let deleted = self
            .deleted
            .as_ref()
            .and_then(|cursor| cursor.row())
            .map(|(key, _)| key);
        match (current, deleted) {
            (None, None) => None,
            (Some(_), None) => Some(Next::Current { deleted_too: false }),
            (None, Some(_)) => Some(Next::Deleted),
            (Some(current), Some(deleted)) => {
                Some(match self.direction.compare(current, deleted) {
                    Ordering::Less => Next::Current { deleted_too: false },
                    Ordering::Equal => Next::Current { deleted_too: true },
                    Ordering::Greater => Next::Deleted,
                })
            }
        }
    }

    fn read_current(&mut self) -> Result<Option<(Key, Value)>> {
        let Some((encoded, row)) = self.current.row() else {
            return Ok(None);
        };
        let row = lookup::peek_current(encoded, row)?;
        match visibility::current_at(&row, self.at) {
            Verdict::Alive => {
                let user_key = user_key(Keyspace::Current, encoded)?;
                Ok(Some((user_key, Value::copy_from_slice(row.value))))
            }
            Verdict::Absent => Ok(None),
            Verdict::InHistory { successor } => {
                let encoded = KeyBuffer::from_slice(encoded);
                self.read_history(Keyspace::Current, &encoded, successor)
            }
        }
    }

    fn read_deleted(&mut self) -> Result<Option<(Key, Value)>> {
        let row = self.deleted.as_ref().and_then(|cursor| cursor.row());
        let Some((encoded, row)) = row else {
            return Ok(None);
        };
        let deleted = lookup::decode_deleted(encoded, row)?;
        match visibility::deleted_at(Some(deleted), self.at) {
            Verdict::InHistory { successor } => {
                let encoded = KeyBuffer::from_slice(encoded);
                self.read_history(Keyspace::Deleted, &encoded, successor)
            }
            Verdict::Alive | Verdict::Absent => Ok(None),
        }
    }

    fn read_history(
        &mut self,
        keyspace: Keyspace,
        encoded: &KeyBuffer,
        successor: Timestamp,
    ) -> Result<Option<(Key, Value)>> {
        let history = opened(&mut self.history, &self.store, &self.scope)?;
        seek_version(history, encoded, self.at, self.direction)?;
        match lookup::in_history(history, encoded, self.at, successor)? {
            Lookup::Found(value) => {
                let user_key = user_key(keyspace, encoded)?;
                Ok(Some((user_key, value)))
            }
            Lookup::Missing { successor }
                if visibility::is_hole(successor, self.at, self.store.floor()) =>
            {
                Err(lookup::hole(encoded, self.at, successor))
            }
            Lookup::Missing { .. } | Lookup::Absent => Ok(None),
        }
    }
}

/// The cursor over `history`, opened when it is first asked for.
fn opened<'c>(
    history: &'c mut Option<Box<dyn Cursor>>,
    store: &Store,
    scope: &Scope,
) -> Result<&'c mut dyn Cursor> {
    let history = match history {
        Some(history) => history,
        none => {
            let backend = &store.backend;
            none.insert(backend.cursor(Keyspace::History, scope.clone(), Access::Scan)?)
        }
    };
    Ok(history.as_mut())
}

fn user_key(keyspace: Keyspace, encoded: &[u8]) -> Result<Key> {
    match key::unescaped(encoded) {
        Some(user_key) => Ok(Key::copy_from_slice(user_key)),
        None => lookup::decode_key(keyspace, encoded).map(Key::from),
    }
}

/// To the newest version of a key at or below a timestamp, or behind its last.
fn seek_version(
    history: &mut dyn Cursor,
    encoded: &[u8],
    at: Timestamp,
    direction: Direction,
) -> Result<()> {
    let mut target = KeyBuffer::from_slice(encoded);
    key::push_start(&mut target, at);
    seek_near(history, &target, direction)
}

/// To the first row at or after `target`; in a forward walk, by steps where it is near.
fn seek_near(cursor: &mut dyn Cursor, target: &[u8], direction: Direction) -> Result<()> {
    // Only from a smaller row on: before a row that is not smaller there may be others that are not smaller
    // either.
    if direction == Direction::Forward && cursor.pass(target, STEPS_BEFORE_SEEK)? {
        return Ok(());
    }
    cursor.seek(target)
}

fn advance(cursor: &mut dyn Cursor, direction: Direction) -> Result<()> {
    match direction {
        Direction::Forward => cursor.next(),
        Direction::Backward => cursor.prev(),
    }
}
