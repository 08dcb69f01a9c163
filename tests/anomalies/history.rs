//! Histories: what transactions read and wrote, as the checker takes them.
//!
//! A history is written down by hand or by a recorder beside a store. It knows nothing of how the
//! store works: transactions, in no particular order, each with what it did and how it ended, and
//! for each key the order of its versions. Timestamps are optional; without them only what the
//! graph of dependencies shows is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::{Bound, RangeBounds},
};

pub(crate) type Key = String;

/// Bounds of a scan, as far as it was consumed.
pub(crate) type Range = (Bound<Key>, Bound<Key>);

/// The number of a transaction in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

/// A version of a key, as a read tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// There was nothing: version 0, before all others, or a later delete. Where the history has
    /// deletes and timestamps, the reader's snapshot tells which.
    Missing,
    /// What a transaction's write of this number (counted from 0 over all keys) wrote; this may be
    /// a delete.
    Written(Id, usize),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing"),
            Self::Written(by, nth) => write!(f, "{by}.{nth}"),
        }
    }
}

/// What a transaction is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Its reads are those of one state, and nobody else wrote what it writes meanwhile.
    Snapshot,
    /// It might as well have run alone.
    Serializable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A set, or a delete where it is not `live`.
    Write { key: Key, live: bool },
    /// A point read. One that is not `tracked` is promised the snapshot only.
    Read {
        key: Key,
        saw: Version,
        tracked: bool,
    },
    /// A scan: the rows that it found. What it did not find within its range was missing; a row
    /// that is a delete says so of a key, and which delete.
    Scan {
        range: Range,
        rows: BTreeMap<Key, Version>,
    },
    /// Remembers the writes up to here, under the number of savepoints before it.
    Savepoint,
    /// Takes back what was written after the savepoint of this number, and all later savepoints.
    RollbackTo(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With its timestamp; that of its snapshot where it wrote nothing.
    Committed(Option<u64>),
    Aborted,
}

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) level: Level,
    pub(crate) events: Vec<Event>,
    pub(crate) outcome: Outcome,
    /// The timestamp whose state it reads.
    pub(crate) snapshot: Option<u64>,
    /// Numbers of one counter for the whole history, taken before it began and after it had ended.
    pub(crate) span: Option<(u64, u64)>,
}

impl Transaction {
    pub(crate) fn new(level: Level) -> Self {
        Self {
            level,
            events: Vec::new(),
            outcome: Outcome::Aborted,
            snapshot: None,
            span: None,
        }
    }

    pub(crate) fn is_committed(&self) -> bool {
        matches!(self.outcome, Outcome::Committed(_))
    }

    /// When it was committed, where it was and where that is known.
    pub(crate) fn timestamp(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Committed(timestamp) => timestamp,
            Outcome::Aborted => None,
        }
    }

    /// All of its writes, those that it took back too, in order.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&Key, bool)> {
        self.events.iter().filter_map(|event| match event {
            Event::Write { key, live } => Some((key, *live)),
            _ => None,
        })
    }

    /// What its commit installs: the number of the last write of each key, and whether that is a
    /// value.
    pub(crate) fn installs(&self) -> BTreeMap<Key, (usize, bool)> {
        let mut own = Own::default();
        self.events.iter().for_each(|event| own.apply(event));
        own.writes
    }
}

/// What a transaction has written up to some event.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) writes: BTreeMap<Key, (usize, bool)>,
    count: usize,
    savepoints: Vec<BTreeMap<Key, (usize, bool)>>,
}

impl Own {
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Write { key, live } => {
                self.writes.insert(key.clone(), (self.count, *live));
                self.count += 1;
            }
            Event::Savepoint => self.savepoints.push(self.writes.clone()),
            Event::RollbackTo(number) => {
                self.writes = self.savepoints[*number].clone();
                self.savepoints.truncate(number + 1);
            }
            Event::Read { .. } | Event::Scan { .. } => {}
        }
    }
}

/// One line, in order.
impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.level)?;
        if let Some(snapshot) = self.snapshot {
            write!(f, " at {snapshot}")?;
        }
        let mut nth = 0;
        for event in &self.events {
            match event {
                Event::Write { key, live } => {
                    let what = if *live { "set" } else { "delete" };
                    write!(f, ", .{nth} {what} {key}")?;
                    nth += 1;
                }
                Event::Read { key, saw, tracked } => {
                    let what = if *tracked { "" } else { "untracked " };
                    write!(f, ", {what}{key} was {saw}")?;
                }
                Event::Scan { range, rows } => {
                    let rows: Vec<_> = rows.iter().map(|(k, saw)| format!("{k} {saw}")).collect();
                    write!(f, ", scan {range:?} found [{}]", rows.join(", "))?;
                }
                Event::Savepoint => f.write_str(", savepoint")?,
                Event::RollbackTo(number) => write!(f, ", back to savepoint {number}")?,
            }
        }
        match self.outcome {
            Outcome::Committed(Some(timestamp)) => write!(f, ", committed at {timestamp}"),
            Outcome::Committed(None) => f.write_str(", committed"),
            Outcome::Aborted => f.write_str(", aborted"),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) transactions: Vec<Transaction>,
    /// The versions of each key that were installed, oldest first, without version 0.
    pub(crate) order: BTreeMap<Key, Vec<Version>>,
}

/// The words that histories are written in.
impl History {
    pub(crate) fn begin(&mut self, level: Level) -> Id {
        self.transactions.push(Transaction::new(level));
        Id(self.transactions.len() - 1)
    }

    pub(crate) fn event(&mut self, id: Id, event: Event) {
        self.transactions[id.0].events.push(event);
    }

    pub(crate) fn set(&mut self, id: Id, key: &str) -> Version {
        self.write(id, key, true)
    }

    pub(crate) fn delete(&mut self, id: Id, key: &str) -> Version {
        self.write(id, key, false)
    }

    fn write(&mut self, id: Id, key: &str, live: bool) -> Version {
        let nth = self.transactions[id.0].writes().count();
        let key = key.to_owned();
        self.event(id, Event::Write { key, live });
        Version::Written(id, nth)
    }

    pub(crate) fn read(&mut self, id: Id, key: &str, saw: Version) {
        let (key, tracked) = (key.to_owned(), true);
        self.event(id, Event::Read { key, saw, tracked });
    }

    /// A scan of a range that found these rows.
    pub(crate) fn scan(&mut self, id: Id, range: impl RangeBounds<Key>, rows: &[(&str, Version)]) {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        let rows = rows.iter().map(|(key, saw)| ((*key).to_owned(), *saw));
        let rows = rows.collect();
        self.event(id, Event::Scan { range, rows });
    }

    /// Commits; its versions become the newest of their keys.
    pub(crate) fn commit(&mut self, id: Id) {
        self.transactions[id.0].outcome = Outcome::Committed(None);
        for (key, (nth, _)) in self.transactions[id.0].installs() {
            let order = self.order.entry(key).or_default();
            order.push(Version::Written(id, nth));
        }
    }

    /// Commits at a timestamp, having read the state at another.
    pub(crate) fn commit_at(&mut self, id: Id, snapshot: u64, timestamp: u64) {
        self.commit(id);
        self.transactions[id.0].outcome = Outcome::Committed(Some(timestamp));
        self.transactions[id.0].snapshot = Some(snapshot);
    }

    /// Says in which order the versions of a key follow, where it is not that of the commits.
    pub(crate) fn order(&mut self, key: &str, versions: &[Version]) {
        self.order.insert(key.to_owned(), versions.to_vec());
    }

    /// Every key that is spoken of.
    pub(crate) fn keys(&self) -> BTreeSet<&Key> {
        let events = self.transactions.iter().flat_map(|txn| &txn.events);
        let spoken = events.flat_map(|event| match event {
            Event::Write { key, .. } | Event::Read { key, .. } => vec![key],
            Event::Scan { rows, .. } => rows.keys().collect(),
            Event::Savepoint | Event::RollbackTo(_) => Vec::new(),
        });
        spoken.chain(self.order.keys()).collect()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, transaction) in self.transactions.iter().enumerate() {
            writeln!(f, "{}: {transaction}", Id(id))?;
        }
        for (key, order) in &self.order {
            let order: Vec<_> = order.iter().map(ToString::to_string).collect();
            writeln!(f, "{key}: {}", order.join(", "))?;
        }
        Ok(())
    }
}
