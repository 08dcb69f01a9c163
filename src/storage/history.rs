//! [`History`]: the versions of one key, from both ends.

use std::{
    collections::VecDeque,
    ops::{Bound, RangeBounds},
};

use bytes::Bytes;

use super::{batch::check_key, guards::Guard, lookup, recent::RecentVersion, store::Store};
use crate::{
    PruneRule, Value,
    backend::{Access, Cursor, Keyspace, Scope},
    codec::{
        CurrentRow,
        key::{self, KeyBuffer},
    },
    error::{Error, Result},
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
/// holds, whether or not the others are still stored. They are listed as of the newest timestamp
/// when it was asked for; while it lives, it holds back pruning there.
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct History {
    store: Arc<Store>,
    /// On the newest timestamp, as of which the versions are listed.
    guard: Guard,
    encoded: KeyBuffer,
    window: Window,
    rule: PruneRule,
    /// The versions above `history`, newest first, that none of the ends has given out.
    above: VecDeque<Version>,
    /// Rows of `history` from here on are of versions that were found above it.
    below: Timestamp,
    front: End,
    back: End,
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
        let window = Window::new(range);
        // Its views are opened here; a rollback afterwards does not show in them.
        self.in_one_epoch(|| self.list_versions(user_key, window))
    }

    fn list_versions(self: &Arc<Self>, user_key: &[u8], window: Window) -> Result<History> {
        let guard = self.admit_latest()?;
        let encoded = key::encode(user_key);
        // Recent versions, then `current`, then `history`: what moves in between is met in the next.
        let recent = self.recent.versions_of(&encoded, guard.at());
        let row = self.backend.get(Keyspace::Current, &encoded)?;
        let row = row
            .map(|row| lookup::decode_current(&encoded, row))
            .transpose()?;
        let (above, below) = above_history(recent, row, guard.at());
        let view = || -> Result<End> {
            let cursor =
                self.backend
                    .cursor(Keyspace::History, versions_of(&encoded), Access::Scan)?;
            Ok(End {
                cursor,
                is_placed: false,
            })
        };
        let (front, back) = (view()?, view()?);
        // The floor after the views, and the pins after the floor: what a filter had dropped when
        // the views were opened, this rule drops too, so both ends agree.
        let floor = self.floor();
        let pins: Vec<_> = self.pins.read().timestamps().collect();
        let rule = PruneRule::new(floor, pins.into_iter().chain([guard.at()]));
        Ok(History {
            store: Arc::clone(self),
            guard,
            encoded,
            window,
            rule,
            above,
            below,
            front,
            back,
            newest: None,
            oldest: None,
            done: false,
        })
    }
}

/// The versions above `history`, newest first, and the start of the oldest row that they come from: rows
/// of `history` from there on are of the same versions.
fn above_history(
    recent: Vec<RecentVersion>,
    current: Option<CurrentRow>,
    at: Timestamp,
) -> (VecDeque<Version>, Timestamp) {
    let oldest_recent = recent.first().map(|version| version.start);
    let current_start = current.as_ref().map(|row| row.start);
    let below = oldest_recent.into_iter().chain(current_start).min();
    // A row of `current` that was merged from recent versions is one of them.
    let current = current
        .filter(|row| row.start <= at && oldest_recent.is_none_or(|oldest| row.start < oldest));
    let changes = current.map(|row| (row.start, Some(row.value)));
    let recent = recent
        .into_iter()
        .map(|version| (version.start, version.value));
    let mut changes = changes.into_iter().chain(recent).peekable();
    let mut above = VecDeque::new();
    while let Some((start, value)) = changes.next() {
        if let Some(value) = value {
            let end = changes.peek().map(|(next, _)| *next);
            above.push_front(Version { start, end, value });
        }
    }
    (above, below.unwrap_or(Timestamp::MAX))
}

/// Where the versions of a key lie in `history`.
fn versions_of(encoded: &KeyBuffer) -> Scope {
    let mut end = encoded.to_vec();
    // The key's end marker, grown by one: behind all its versions.
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Scope {
        start: encoded.to_vec(),
        end: Some(end),
    }
}

/// A view of the key's rows for one end, opened with the other and placed when it is first asked.
#[derive(Debug)]
struct End {
    cursor: Box<dyn Cursor>,
    is_placed: bool,
}

impl History {
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

    /// Whether a row of `history` is of a version that is asked for, as of the visible timestamp.
    fn admits_row(&self, version: &mut Version) -> bool {
        version.start < self.below && version.start <= self.guard.at() && self.admits(version)
    }

    /// Whether a version is one of those asked for, as of the visible timestamp.
    fn admits(&self, version: &mut Version) -> bool {
        let Some(end) = version.end else {
            return self.window.holds(version.start, None);
        };
        if self.rule.drops_history(version.start, end) {
            return false;
        }
        // Ended by a commit that cannot be seen yet.
        version.end = (end <= self.guard.at()).then_some(end);
        self.window.holds(version.start, version.end)
    }

    /// The next newest version that has not been given out.
    fn step_front(&mut self) -> Result<Option<Version>> {
        self.store.check_open()?;
        while let Some(mut version) = self.above.pop_front() {
            if self.admits(&mut version) {
                return Ok(Some(version));
            }
        }
        let Some(last_start) = self.window.last_start else {
            return Ok(None);
        };
        if !self.front.is_placed {
            self.front.cursor.seek(&self.target(last_start))?;
            self.front.is_placed = true;
        }
        while let Some(mut version) = self.version(self.front.cursor.as_ref())? {
            if version.end.is_some_and(|end| end <= self.window.from) {
                break;
            }
            self.front.cursor.next()?;
            if self.admits_row(&mut version) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// The next oldest version that has not been given out.
    fn step_back(&mut self) -> Result<Option<Version>> {
        self.store.check_open()?;
        if !self.back.is_placed {
            // The version alive at the window's start, or the oldest after it.
            self.back.cursor.seek(&self.target(self.window.from))?;
            if self.back.cursor.row().is_none() {
                self.back.cursor.seek_to_last()?;
            }
            self.back.is_placed = true;
        }
        while let Some(mut version) = self.version(self.back.cursor.as_ref())? {
            self.back.cursor.prev()?;
            if self.admits_row(&mut version) {
                return Ok(Some(version));
            }
        }
        while let Some(mut version) = self.above.pop_back() {
            if self.admits(&mut version) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    fn finish(&mut self, result: Result<Option<Version>>) -> Option<Result<Version>> {
        match result.and_then(|version| self.guard.check().map(|()| version)) {
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
