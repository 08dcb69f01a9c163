//! The versions of each key: `current`, `deleted` and `history`, side by side in key order.
//!
//! Of a key only the newer neighbour of a row is held, so its history may be as long as it likes.

use super::{
    report::{Findings, Rule},
    rows::Rows,
    sums::Told,
};
use crate::{
    backend::Keyspace,
    codec::{self, CurrentRow, HistoryRow, commit::Operation, deleted},
    error::Result,
    limits::KEY_MAX_BYTES,
    timestamp::Timestamp,
};

/// The timestamps that rules speak of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) floor: Timestamp,
    pub(super) visible: Timestamp,
}

/// The three keyspaces of a store's versions.
pub(super) struct Versions<'v> {
    pub(super) current: &'v mut Rows,
    pub(super) deleted: &'v mut Rows,
    pub(super) history: &'v mut Rows,
    pub(super) bounds: Bounds,
}

/// What is told to, change by change.
pub(super) type Tell<'t> = &'t mut dyn FnMut(Told<'_>) -> Result<()>;

/// What is known of the version after the one that is looked at.
#[derive(Clone, Copy, Debug)]
enum Newer {
    /// There is none.
    Nothing,
    /// It cannot be read.
    Unknown,
    Row {
        start: Timestamp,
        previous_end: Timestamp,
    },
}

/// A key whose rows are walked, newest first.
struct OneKey<'k> {
    encoded: &'k [u8],
    user_key: &'k [u8],
    bounds: Bounds,
    newer: Newer,
    /// Whether all that was met could be read.
    is_whole: bool,
    /// When it was deleted last, by its versions; `None` as long as they do not tell.
    last_delete: Option<Timestamp>,
}

/// The row of a key in `current` or `deleted`.
enum Met<T> {
    Nothing,
    Unreadable,
    Row(T),
}

impl Versions<'_> {
    /// Walks all keys. `tell` is told each change above the floor that left a version, newest first for each
    /// key; `tick` is called after each key.
    pub(super) fn walk(
        &mut self,
        findings: &mut Findings,
        tell: Tell<'_>,
        tick: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        self.current.first(findings)?;
        self.deleted.first(findings)?;
        self.history.first(findings)?;
        let mut encoded = Vec::new();
        while self.next_key(&mut encoded) {
            self.key(&encoded, findings, tell)?;
            let passed = [&self.current, &self.deleted, &self.history];
            tick(passed.iter().map(|rows| rows.passed_bytes).sum())?;
        }
        Ok(())
    }

    /// The smallest key that a row is of.
    fn next_key(&self, next: &mut Vec<u8>) -> bool {
        let current = self.current.row().map(|(key, _)| key);
        let deleted = self.deleted.row().map(|(key, _)| key);
        let history = self.history.row().map(|(key, _)| key_of_version(key));
        let Some(least) = [current, deleted, history].into_iter().flatten().min() else {
            return false;
        };
        next.clear();
        next.extend_from_slice(least);
        true
    }

    fn key(&mut self, encoded: &[u8], findings: &mut Findings, tell: Tell<'_>) -> Result<()> {
        let user_key = match codec::key::decode(encoded) {
            Ok(user_key) => user_key,
            Err(error) => return self.pass_wrong_key(encoded, error.0, findings),
        };
        if user_key.len() > KEY_MAX_BYTES {
            let keyspace = self.keyspace_of(encoded);
            findings.add(Rule::Key, keyspace, Some(&user_key), &[], || {
                format!("the key is {} bytes long", user_key.len())
            });
        }
        let current = self.read_current(encoded, &user_key, findings, tell)?;
        let deleted = self.read_deleted(encoded, &user_key, findings)?;
        let mut key = OneKey {
            encoded,
            user_key: &user_key,
            bounds: self.bounds,
            newer: match &current {
                Met::Nothing => Newer::Nothing,
                Met::Unreadable => Newer::Unknown,
                Met::Row(row) => Newer::Row {
                    start: row.start,
                    previous_end: row.previous_end,
                },
            },
            is_whole: !matches!(current, Met::Unreadable),
            last_delete: None,
        };
        if let Met::Row(row) = &current
            && row.previous_end < row.start
        {
            key.last_delete = Some(row.previous_end);
        }
        // The newest version, or newer ones than the next row.
        if self.current.may_hide(encoded) || self.history.may_hide(encoded) {
            (key.newer, key.is_whole) = (Newer::Unknown, false);
        }
        while let Some((version_key, row)) = self.history.row() {
            if !version_key.starts_with(encoded) {
                break;
            }
            if key_of_version(version_key) == encoded {
                key.version(version_key, row, findings, tell)?;
            } else {
                findings.add(Rule::Key, Keyspace::History, Some(version_key), &[], || {
                    "there is no start behind the key".to_owned()
                });
            }
            let gaps = self.history.gaps();
            self.history.step(findings)?;
            if self.history.gaps() > gaps {
                // Between this row and the next there may be others.
                key.newer = Newer::Unknown;
            }
        }
        key.is_whole &= !self.history.may_hide(encoded);
        if key.is_whole {
            key.check_oldest(findings);
            match deleted {
                Met::Nothing if self.deleted.may_hide(encoded) => {}
                Met::Unreadable => {}
                Met::Nothing => key.check_deleted(&current, None, findings),
                Met::Row(deleted) => key.check_deleted(&current, Some(deleted), findings),
            }
        }
        Ok(())
    }

    fn read_current(
        &mut self,
        encoded: &[u8],
        user_key: &[u8],
        findings: &mut Findings,
        tell: Tell<'_>,
    ) -> Result<Met<CurrentRow<()>>> {
        let row = self.current.row();
        let Some((_, row)) = row.filter(|(key, _)| *key == encoded) else {
            return Ok(Met::Nothing);
        };
        let met = match CurrentRow::peek(row) {
            Ok(row) => Met::Row(CurrentRow {
                start: row.start,
                previous_end: row.previous_end,
                value: (),
            }),
            Err(error) => {
                findings.add(Rule::Row, Keyspace::Current, Some(user_key), &[], || {
                    error.0.to_owned()
                });
                Met::Unreadable
            }
        };
        self.current.step(findings)?;
        if let Met::Row(row) = &met {
            self.bounds
                .check(Keyspace::Current, user_key, row.start, findings);
            if self.bounds.holds(row.start) {
                tell((encoded, row.start, Operation::Set))?;
            }
        }
        Ok(met)
    }

    fn read_deleted(
        &mut self,
        encoded: &[u8],
        user_key: &[u8],
        findings: &mut Findings,
    ) -> Result<Met<Timestamp>> {
        let row = self.deleted.row();
        let Some((_, row)) = row.filter(|(key, _)| *key == encoded) else {
            return Ok(Met::Nothing);
        };
        let met = match deleted::decode(row) {
            Ok(deleted) if deleted > self.bounds.visible => {
                self.bounds
                    .check(Keyspace::Deleted, user_key, deleted, findings);
                Met::Unreadable
            }
            Ok(deleted) => Met::Row(deleted),
            Err(error) => {
                findings.add(Rule::Row, Keyspace::Deleted, Some(user_key), &[], || {
                    error.0.to_owned()
                });
                Met::Unreadable
            }
        };
        self.deleted.step(findings)?;
        Ok(met)
    }

    /// Goes past the rows of what is no key.
    fn pass_wrong_key(
        &mut self,
        encoded: &[u8],
        what: &'static str,
        findings: &mut Findings,
    ) -> Result<()> {
        for rows in [&mut *self.current, &mut *self.deleted, &mut *self.history] {
            let keyspace = rows.keyspace();
            while let Some((key, _)) = rows.row() {
                let of = match keyspace {
                    Keyspace::History => key_of_version(key),
                    _ => key,
                };
                if of != encoded {
                    break;
                }
                findings.add(Rule::Key, keyspace, Some(key), &[], || what.to_owned());
                rows.step(findings)?;
            }
        }
        Ok(())
    }

    fn keyspace_of(&self, encoded: &[u8]) -> Keyspace {
        let is_at = |rows: &Rows| rows.row().is_some_and(|(key, _)| key == encoded);
        if is_at(self.current) {
            Keyspace::Current
        } else if is_at(self.deleted) {
            Keyspace::Deleted
        } else {
            Keyspace::History
        }
    }
}

impl Bounds {
    /// Whether what happened at a timestamp lies in the records.
    pub(super) fn holds(self, at: Timestamp) -> bool {
        at > self.floor && at <= self.visible
    }

    fn check(self, keyspace: Keyspace, user_key: &[u8], at: Timestamp, findings: &mut Findings) {
        let visible = self.visible;
        if at > visible {
            findings.add(
                Rule::Future,
                keyspace,
                Some(user_key),
                &[at, visible],
                || format!("it names {at}; the last commit is {visible}"),
            );
        }
    }
}

impl OneKey<'_> {
    /// Looks at the next older row of `history`.
    fn version(
        &mut self,
        version_key: &[u8],
        row: &[u8],
        findings: &mut Findings,
        tell: Tell<'_>,
    ) -> Result<()> {
        let read = codec::key::split_version(version_key)
            .and_then(|(_, start)| Ok((start, HistoryRow::peek(start, row)?)));
        let (start, row) = match read {
            Ok(read) => read,
            Err(error) => {
                self.found(findings, Rule::Row, &[], || error.0.to_owned());
                (self.newer, self.is_whole) = (Newer::Unknown, false);
                return Ok(());
            }
        };
        let HistoryRow {
            end, previous_end, ..
        } = row;
        self.bounds
            .check(Keyspace::History, self.user_key, end, findings);
        // What else follows from an end that cannot be is not worth telling.
        self.is_whole &= end <= self.bounds.visible;
        let is_deleted = match self.newer {
            Newer::Unknown => false,
            Newer::Nothing => {
                self.last_delete = Some(end);
                true
            }
            Newer::Row {
                start: newer,
                previous_end: named,
            } => self.neighbours((start, end), (newer, named), findings),
        };
        if is_deleted && self.bounds.holds(end) {
            tell((self.encoded, end, Operation::Delete))?;
        }
        if self.bounds.holds(start) {
            tell((self.encoded, start, Operation::Set))?;
        }
        if self.last_delete.is_none() && previous_end < start {
            self.last_delete = Some(previous_end);
        }
        self.newer = Newer::Row {
            start,
            previous_end,
        };
        Ok(())
    }

    /// A version over `[start, end)`, and the next newer one, which begins at `newer` and names the end `named`.
    /// Returns whether the older one ended by a delete.
    fn neighbours(
        &self,
        (start, end): (Timestamp, Timestamp),
        (newer, named): (Timestamp, Timestamp),
        findings: &mut Findings,
    ) -> bool {
        let floor = self.bounds.floor;
        if end > newer {
            self.found(findings, Rule::Overlap, &[start, end, newer], || {
                format!("the version from {start} ends at {end}, but the next begins at {newer}")
            });
            return false;
        }
        if named > end && named > floor {
            self.missing(named, newer, findings);
        } else if named < end && (end > floor || named > Timestamp::ZERO) {
            // Below the floor it may have been forgotten when the key came back, never be another.
            self.found(findings, Rule::Chain, &[newer, named, end], || {
                format!(
                    "the version from {newer} says that the one before it ended at {named}, but that \
                     ended at {end}"
                )
            });
        }
        end < newer
    }

    /// What the oldest row names must be gone rightly.
    fn check_oldest(&self, findings: &mut Findings) {
        if let Newer::Row {
            start,
            previous_end,
        } = self.newer
            && previous_end > self.bounds.floor
        {
            self.missing(previous_end, start, findings);
        }
    }

    fn missing(&self, ended: Timestamp, newer: Timestamp, findings: &mut Findings) {
        self.found(findings, Rule::Hole, &[ended, newer], || {
            format!(
                "the version that ended at {ended} is missing; the one from {newer} names it, and the floor \
                 is {}",
                self.bounds.floor
            )
        });
    }

    /// `deleted`, against what the versions tell.
    fn check_deleted(
        &self,
        current: &Met<CurrentRow<()>>,
        deleted: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        let floor = self.bounds.floor;
        let said = deleted.unwrap_or_default();
        let is_right = match current {
            // A rollback takes the row away when the key is back by it: then nobody asks.
            Met::Row(row) => {
                let told = self.last_delete.unwrap_or_default();
                said == Timestamp::ZERO
                    || (said < row.start && said >= told && (said == told || said <= floor))
            }
            _ => {
                let told = self.last_delete.unwrap_or_default();
                if told > floor || said > floor {
                    said == told
                } else {
                    said == Timestamp::ZERO || said >= told
                }
            }
        };
        if is_right {
            return;
        }
        let told = self.last_delete.unwrap_or_default();
        let message = || {
            let said = match deleted {
                Some(said) => format!("the last delete is said to be at {said}"),
                None => "no delete is told of".to_owned(),
            };
            match self.last_delete {
                Some(told) => format!("{said}, but by its versions it was at {told}"),
                None => format!("{said}, but its versions tell of none"),
            }
        };
        let timestamps: Vec<_> = deleted.into_iter().chain([told]).collect();
        findings.add(
            Rule::Deleted,
            Keyspace::Deleted,
            Some(self.user_key),
            &timestamps,
            message,
        );
    }

    fn found(
        &self,
        findings: &mut Findings,
        rule: Rule,
        timestamps: &[Timestamp],
        message: impl FnOnce() -> String,
    ) {
        findings.add(
            rule,
            Keyspace::History,
            Some(self.user_key),
            timestamps,
            message,
        );
    }
}

/// The encoded user key of a version key; all of it where it is none.
fn key_of_version(version_key: &[u8]) -> &[u8] {
    codec::key::split_version(version_key).map_or(version_key, |(key, _)| key)
}

impl Versions<'_> {
    /// Whether a change that a record tells of left what it must; `None` where that cannot be known.
    pub(super) fn has(&mut self, (encoded, at, operation): Told<'_>) -> Result<Option<bool>> {
        if self.current.may_hide(encoded) || self.history.may_hide(encoded) {
            return Ok(None);
        }
        if self.current.look_up(encoded)?.is_none() {
            return Ok(None);
        }
        let row = self.current.row().filter(|(key, _)| *key == encoded);
        let starts = match row.map(|(_, row)| CurrentRow::peek(row)) {
            None => false,
            Some(Ok(row)) => row.start == at,
            Some(Err(_)) => return Ok(None),
        };
        if starts {
            return Ok(Some(operation == Operation::Set));
        }
        let mut target = codec::key::KeyBuffer::from_slice(encoded);
        codec::key::push_start(&mut target, at);
        if self.history.look_up(&target)?.is_none() {
            return Ok(None);
        }
        let row = self.history.row();
        let Some((version_key, row)) = row.filter(|(key, _)| key.starts_with(encoded)) else {
            return Ok(Some(false));
        };
        let start = match codec::key::split_version(version_key) {
            Ok((key, start)) if key == encoded => start,
            _ => return Ok(None),
        };
        if start == at {
            return Ok(Some(operation == Operation::Set));
        }
        match HistoryRow::peek(start, row) {
            Ok(row) => Ok(Some(operation == Operation::Delete && row.end == at)),
            Err(_) => Ok(None),
        }
    }
}
