//! [`History`]: the versions of one key, from both ends.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

use super::{batch::check_key, guards::Guard, lookup, prune_rule::PruneRule, store::Store};
use crate::{
    Value,
    backend::{Access, Cursor, Keyspace, Scope},
    codec::key::{self, KeyBuffer},
    error::{Error, ErrorKind, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// One version of a key: its value, alive over `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// The commit that wrote it.
    pub start: Timestamp,
    /// The commit that replaced or deleted it; `None` while it is the current one.
    pub end: Option<Timestamp>,
    /// The value.
    pub value: Value,
}

/// The versions of one key, newest first, from both ends. Where the key did not exist there is a
/// gap between an end and the next start.
///
/// Only versions that can be read are given: those that end above the prune floor or that a pin
/// holds, whether or not the others are still stored. While it lives, it holds back pruning.
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct History {
    store: Arc<Store>,
    /// On the floor, so that what was retained when this began stays until it ends.
    _guard: Guard,
    encoded: KeyBuffer,
    window: Window,
    visible: Timestamp,
    rule: PruneRule,
    /// The current version, until one of the ends has given it out.
    current: Option<Version>,
    /// Rows of `history` from here on are of versions that `current` held when it was read.
    below: Timestamp,
    front: Option<Box<dyn Cursor>>,
    back: Option<Box<dyn Cursor>>,
    /// The starts of the versions given out last at each end.
    newest: Option<Timestamp>,
    oldest: Option<Timestamp>,
    done: bool,
}

/// The versions asked for: those with `start < to` and `end > from`.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Timestamp,
    /// The largest start asked for; `None` where there can be none.
    last_start: Option<Timestamp>,
}

impl Window {
    fn new(range: &impl RangeBounds<Timestamp>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => Timestamp::new(from.get().saturating_add(1)),
            Bound::Unbounded => Timestamp::ZERO,
        };
        let last_start = match range.end_bound() {
            Bound::Included(to) => Some(*to),
            Bound::Excluded(to) => to.get().checked_sub(1).map(Timestamp::new),
            Bound::Unbounded => Some(Timestamp::MAX),
        };
        Self {
            from,
            last_start: last_start.filter(|last| *last >= from),
        }
    }

    fn holds(&self, start: Timestamp, end: Option<Timestamp>) -> bool {
        self.last_start.is_some_and(|last| start <= last) && end.is_none_or(|end| end > self.from)
    }
}

impl Store {
    /// The versions of a key that were alive at some time in `range`.
    pub(crate) fn history(
        self: &Arc<Self>,
        user_key: &[u8],
        range: &impl RangeBounds<Timestamp>,
    ) -> Result<History> {
        check_key(user_key)?;
        let guard = self.admit_floor()?;
        let visible = self.clock.visible();
        let encoded = key::encode(user_key);
        // `current` before `history`: a row that moves in between is met in the second.
        let row = self.backend.get(Keyspace::Current, &encoded)?;
        let row = row
            .map(|row| lookup::decode_current(&encoded, row))
            .transpose()?;
        let below = row.as_ref().map_or(Timestamp::MAX, |row| row.start);
        let current = row.filter(|row| row.start <= visible).map(|row| Version {
            start: row.start,
            end: None,
            value: row.value,
        });
        let pins: Vec<_> = self.pins.read().timestamps().collect();
        Ok(History {
            window: Window::new(range),
            rule: PruneRule::new(guard.at(), pins),
            store: Arc::clone(self),
            _guard: guard,
            encoded,
            visible,
            current,
            below,
            front: None,
            back: None,
            newest: None,
            oldest: None,
            done: false,
        })
    }

    /// A guard on the floor itself.
    fn admit_floor(&self) -> Result<Guard> {
        loop {
            match self.admit(self.floor()) {
                Err(error) if matches!(error.kind(), ErrorKind::Pruned { .. }) => {}
                admitted => return admitted,
            }
        }
    }
}

impl History {
    fn open(&self) -> Result<Box<dyn Cursor>> {
        let mut end = self.encoded.to_vec();
        // The key's end marker, grown by one: behind all its versions.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let scope = Scope {
            start: self.encoded.to_vec(),
            end: Some(end),
        };
        self.store
            .backend
            .cursor(Keyspace::History, scope, Access::Scan)
    }

    fn target(&self, start: Timestamp) -> KeyBuffer {
        let mut target = self.encoded.clone();
        key::push_start(&mut target, start);
        target
    }

    /// The version under a cursor.
    fn version(&self, cursor: &dyn Cursor) -> Result<Option<Version>> {
        let Some((version_key, row)) = cursor.row() else {
            return Ok(None);
        };
        let (_, start) = key::split_version(version_key).map_err(|error| {
            Error::corrupt(lookup::place(Keyspace::History, version_key), error)
        })?;
        let row = lookup::peek_history(&self.encoded, start, row)?;
        let value = Bytes::copy_from_slice(row.value);
        Ok(Some(Version {
            start,
            end: Some(row.end),
            value,
        }))
    }

    /// Whether a version is one of those asked for, as of the visible timestamp.
    fn admits(&self, version: &mut Version) -> bool {
        let Some(end) = version.end else {
            return self.window.holds(version.start, None);
        };
        if version.start >= self.below || version.start > self.visible {
            return false;
        }
        if self.rule.drops_history(version.start, end) {
            return false;
        }
        // Ended by a commit that cannot be seen yet.
        version.end = (end <= self.visible).then_some(end);
        self.window.holds(version.start, version.end)
    }

    /// The next newest version that has not been given out.
    fn step_front(&mut self) -> Result<Option<Version>> {
        if let Some(mut current) = self.current.take()
            && self.admits(&mut current)
        {
            return Ok(Some(current));
        }
        let Some(last_start) = self.window.last_start else {
            return Ok(None);
        };
        let mut cursor = match self.front.take() {
            Some(cursor) => cursor,
            None => {
                let mut cursor = self.open()?;
                cursor.seek(&self.target(last_start))?;
                cursor
            }
        };
        let mut found = None;
        while let Some(mut version) = self.version(cursor.as_ref())? {
            if version.end.is_some_and(|end| end <= self.window.from) {
                break;
            }
            cursor.next()?;
            if self.admits(&mut version) {
                found = Some(version);
                break;
            }
        }
        self.front = Some(cursor);
        Ok(found)
    }

    /// The next oldest version that has not been given out.
    fn step_back(&mut self) -> Result<Option<Version>> {
        let mut cursor = match self.back.take() {
            Some(cursor) => cursor,
            None => {
                let mut cursor = self.open()?;
                // The version alive at the window's start, or the oldest after it.
                cursor.seek(&self.target(self.window.from))?;
                if cursor.row().is_none() {
                    cursor.seek_to_last()?;
                }
                cursor
            }
        };
        while let Some(mut version) = self.version(cursor.as_ref())? {
            cursor.prev()?;
            if self.admits(&mut version) {
                self.back = Some(cursor);
                return Ok(Some(version));
            }
        }
        self.back = Some(cursor);
        let current = self.current.take();
        Ok(current.filter(|current| self.window.holds(current.start, None)))
    }

    fn finish(&mut self, result: Result<Option<Version>>) -> Option<Result<Version>> {
        match result {
            Ok(Some(version)) => Some(Ok(version)),
            Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

impl Iterator for History {
    type Item = Result<Version>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let mut result = self.step_front();
        if let Ok(Some(version)) = &result {
            if self.oldest.is_some_and(|oldest| version.start <= oldest) {
                result = Ok(None);
            } else {
                self.newest = Some(version.start);
            }
        }
        self.finish(result)
    }
}

impl DoubleEndedIterator for History {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let mut result = self.step_back();
        if let Ok(Some(version)) = &result {
            if self.newest.is_some_and(|newest| version.start >= newest) {
                result = Ok(None);
            } else {
                self.oldest = Some(version.start);
            }
        }
        self.finish(result)
    }
}

impl std::iter::FusedIterator for History {}
