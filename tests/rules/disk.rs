//! What lies on disk: the keyspaces, `meta`, and what a crash takes back.
//!
//! Modelled: one log for everything. A synced write makes all before it durable; what was written
//! since may be lost, the newest commits first. A row that a filter dropped stays dropped.

use std::collections::BTreeMap;

use sapwood::{
    Timestamp,
    codec::{CurrentRow, HistoryRow},
};

use super::mutant::Mutant;

pub(crate) type Key = char;
/// No two writes of a run have the same value, so that a stale one is always noticed.
pub(crate) type Value = u64;
/// By key and start.
pub(crate) type History = BTreeMap<(Key, Timestamp), HistoryRow<Value>>;
/// The keys that each commit changed, by timestamp and part.
pub(crate) type Commits = BTreeMap<(Timestamp, u32), Part>;
pub(crate) type PinName = u32;
/// The changes of one commit, each key once; `None` deletes.
pub(crate) type Changes = BTreeMap<Key, Option<Value>>;

pub(crate) const KEYS: [Key; 4] = ['a', 'b', 'c', 'd'];

/// One row of `commits`. Filters drop the parts of a commit one by one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) keys: Vec<Key>,
    pub(crate) last: bool,
}

/// The four keyspaces that hold versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) current: BTreeMap<Key, CurrentRow<Value>>,
    pub(crate) deleted: BTreeMap<Key, Timestamp>,
    pub(crate) history: History,
    pub(crate) commits: Commits,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) floor: Timestamp,
    pub(crate) pins: BTreeMap<PinName, Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) rows: Rows,
    pub(crate) meta: Meta,
    pub(crate) last_commit: Timestamp,
    synced_meta: Meta,
    /// The commits since the last synced write, oldest first.
    unsynced: Vec<Unsynced>,
}

/// What a commit found, to take it back.
#[derive(Debug)]
struct Unsynced {
    timestamp: Timestamp,
    commit_before: Timestamp,
    before: Vec<(Key, Option<CurrentRow<Value>>, Option<Timestamp>)>,
}

impl Disk {
    /// Writes a commit as one atomic batch over all keyspaces.
    pub(crate) fn write(&mut self, at: Timestamp, changes: &Changes, mutant: Option<Mutant>) {
        let mut before = Vec::new();
        let mut touched = Vec::new();
        for (key, change) in changes {
            let old = self.rows.current.remove(key);
            before.push((*key, old, self.rows.deleted.get(key).copied()));
            if old.is_some() || change.is_some() {
                touched.push(*key);
            }
            self.rows.change(*key, at, old.as_ref(), *change, mutant);
        }
        self.rows.list(at, &touched);
        self.unsynced.push(Unsynced {
            timestamp: at,
            commit_before: self.last_commit,
            before,
        });
        self.last_commit = at;
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&mut self) {
        self.unsynced.clear();
        self.synced_meta = self.meta.clone();
    }

    /// How many commits a crash may take.
    pub(crate) fn unsynced_commits(&self) -> usize {
        self.unsynced.len()
    }

    /// Loses the newest `commits` and every write of `meta` since the last sync.
    pub(crate) fn crash(&mut self, commits: usize) {
        for _ in 0..commits {
            let Some(lost) = self.unsynced.pop() else {
                break;
            };
            self.rows.commits.retain(|(at, _), _| *at != lost.timestamp);
            self.last_commit = lost.commit_before;
            for (key, row, deleted) in lost.before {
                self.rows.restore(key, row, deleted);
            }
        }
        self.meta = self.synced_meta.clone();
        self.unsynced.clear();
    }
}

impl Rows {
    /// A view of one key's history.
    pub(crate) fn history_of(&self, key: Key) -> History {
        let rows = self
            .history
            .range((key, Timestamp::ZERO)..=(key, Timestamp::MAX));
        rows.map(|(at, row)| (*at, *row)).collect()
    }

    fn change(
        &mut self,
        key: Key,
        at: Timestamp,
        old: Option<&CurrentRow<Value>>,
        change: Option<Value>,
        mutant: Option<Mutant>,
    ) {
        let was_there = old.is_some();
        if let Some(&CurrentRow {
            start,
            previous_end,
            value,
        }) = old
        {
            self.history.insert(
                (key, start),
                HistoryRow {
                    end: at,
                    previous_end,
                    value,
                },
            );
        }
        if let Some(value) = change {
            let deleted = self.deleted.get(&key).copied().unwrap_or_default();
            let previous_end = if was_there { at } else { deleted };
            self.current.insert(
                key,
                CurrentRow {
                    start: at,
                    previous_end,
                    value,
                },
            );
            if mutant == Some(Mutant::RecreateRemovesDeleted) {
                self.deleted.remove(&key);
            }
        } else if was_there || mutant == Some(Mutant::DeleteOfAbsentIsNoted) {
            self.deleted.insert(key, at);
        }
    }

    /// Notes the keys of a commit, one in each part; a commit without keys has one part too.
    fn list(&mut self, at: Timestamp, keys: &[Key]) {
        let last = keys.len().saturating_sub(1);
        for part in 0..=last {
            let keys = keys.get(part).copied().into_iter().collect();
            let number = u32::try_from(part).unwrap_or(u32::MAX);
            self.commits.insert(
                (at, number),
                Part {
                    keys,
                    last: part == last,
                },
            );
        }
    }

    fn restore(&mut self, key: Key, row: Option<CurrentRow<Value>>, deleted: Option<Timestamp>) {
        self.current.remove(&key);
        self.deleted.remove(&key);
        if let Some(row) = row {
            self.history.remove(&(key, row.start));
            self.current.insert(key, row);
        }
        if let Some(deleted) = deleted {
            self.deleted.insert(key, deleted);
        }
    }
}
