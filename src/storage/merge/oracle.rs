//! What must be read, and what must lie in `current`, `history` and `deleted`: computed commit by commit, as
//! if each wrote its rows itself.

use std::collections::BTreeMap;

use crate::{
    backend::{Access, Backend, Keyspace, Scope},
    codec::{CurrentRow, HistoryRow, commit, deleted, key, meta},
    storage::{KeyRange, store::Store},
    sync::Arc,
    timestamp::Timestamp,
};

pub(super) type Key = Vec<u8>;
pub(super) type Value = Vec<u8>;
pub(super) type Writes = Vec<(Key, Option<Value>)>;
/// The rows of a state, in key order.
pub(super) type State = BTreeMap<Key, Value>;
/// A version: its start, its end, its value.
pub(super) type Version = (u64, Option<u64>, Value);
/// Rows by keyspace and key.
type Rows = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// All that was committed, and from where on it can be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    commits: BTreeMap<u64, BTreeMap<Key, Option<Value>>>,
    pub(super) floor: u64,
    pub(super) pins: Vec<u64>,
}

impl Truth {
    /// Notes a commit; of two writes of a key the last counts.
    pub(super) fn commit(&mut self, at: u64, writes: Writes) {
        self.commits.insert(at, writes.into_iter().collect());
    }

    /// The same without what came after.
    pub(super) fn until(&self, at: u64) -> Self {
        let commits = self.commits.range(..=at);
        Self {
            commits: commits.map(|(at, writes)| (*at, writes.clone())).collect(),
            floor: self.floor,
            pins: self.pins.clone(),
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.commits.keys().next_back().copied().unwrap_or(0)
    }

    pub(super) fn state(&self, at: u64) -> State {
        let mut state = State::new();
        for (key, value) in self.commits.range(..=at).flat_map(|(_, writes)| writes) {
            match value {
                Some(value) => drop(state.insert(key.clone(), value.clone())),
                None => drop(state.remove(key)),
            }
        }
        state
    }

    /// The versions of a key that can be read, newest first.
    pub(super) fn versions(&self, key: &[u8]) -> Vec<Version> {
        let mut versions: Vec<Version> = Vec::new();
        for (at, writes) in &self.commits {
            let Some(value) = writes.get(key) else {
                continue;
            };
            if let Some((_, end, _)) = versions.last_mut() {
                end.get_or_insert(*at);
            }
            if let Some(value) = value {
                versions.push((*at, None, value.clone()));
            }
        }
        versions.retain(|(start, end, _)| {
            let is_pinned = |end| self.pins.iter().any(|pin| (*start..end).contains(pin));
            end.is_none_or(|end| end > self.floor || is_pinned(end))
        });
        versions.reverse();
        versions
    }

    /// The rows that commits leave which write them at once.
    pub(super) fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        let mut live: BTreeMap<Key, CurrentRow<Value>> = BTreeMap::new();
        let mut deletes: BTreeMap<Key, Timestamp> = BTreeMap::new();
        for (at, writes) in &self.commits {
            let start = Timestamp::new(*at);
            for (key, value) in writes {
                let old = live.remove(key);
                let ended = old.is_some();
                if let Some(old) = old {
                    let row = HistoryRow {
                        end: start,
                        previous_end: old.previous_end,
                        value: old.value,
                    };
                    let version_key = key::encode_version(key, old.start);
                    rows.insert(
                        (Keyspace::History.name(), version_key.to_vec()),
                        row.encode(),
                    );
                }
                let previous_end = if ended {
                    start
                } else {
                    deletes.get(key).copied().unwrap_or_default()
                };
                match value {
                    Some(value) => {
                        let row = CurrentRow {
                            start,
                            previous_end,
                            value: value.clone(),
                        };
                        live.insert(key.clone(), row);
                    }
                    None if ended => drop(deletes.insert(key.clone(), start)),
                    None => {}
                }
            }
        }
        let encoded = |key: &Key| key::encode(key).to_vec();
        for (key, row) in &live {
            rows.insert((Keyspace::Current.name(), encoded(key)), row.encode());
        }
        for (key, at) in &deletes {
            let row = deleted::encode(*at).to_vec();
            rows.insert((Keyspace::Deleted.name(), encoded(key)), row);
        }
        rows
    }

    /// Checks everything that can be read of these keys, at every timestamp.
    pub(super) fn check(&self, store: &Arc<Store>, keys: &[Key]) {
        let last = self.last();
        assert_eq!(store.clock.visible().get(), last, "the visible timestamp");
        let names: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        for at in self.pins.iter().copied().chain(self.floor..=last) {
            let (state, timestamp) = (self.state(at), Timestamp::new(at));
            let wanted: Vec<_> = keys.iter().map(|key| state.get(key).cloned()).collect();
            for (key, wanted) in keys.iter().zip(&wanted) {
                let found = store.get_at(key, timestamp).unwrap();
                assert_eq!(found.map(Vec::from), *wanted, "{key:?} at {at}");
            }
            let guard = store.admit(timestamp).unwrap();
            let found = store.multi_get_guarded(&names, &guard).unwrap();
            let found: Vec<_> = found
                .into_iter()
                .map(|value| value.map(Vec::from))
                .collect();
            assert_eq!(found, wanted, "multi-get at {at}");
            assert_eq!(rows_at(store, timestamp, false), state, "scan at {at}");
            assert_eq!(rows_at(store, timestamp, true), state, "back at {at}");
        }
        let state = self.state(last);
        for key in keys {
            let found = store.get_latest(key).unwrap().map(Vec::from);
            assert_eq!(found, state.get(key).cloned(), "{key:?} now");
            let (newest, value) = store.newest(&key::encode(key)).unwrap();
            let versions = self.versions(key);
            assert_eq!(value.map(Vec::from), state.get(key).cloned(), "in the turn");
            if state.contains_key(key) {
                assert_eq!(newest.get(), versions[0].0, "when {key:?} was written");
            }
            let history = || store.history(key, &(..)).unwrap();
            assert_eq!(listed(history()), versions, "history of {key:?}");
            let mut back = listed(history().rev());
            back.reverse();
            assert_eq!(back, versions, "history of {key:?} from behind");
        }
        let found = store.multi_get_latest(&names).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|value| value.map(Vec::from))
            .collect();
        let wanted: Vec<_> = keys.iter().map(|key| state.get(key).cloned()).collect();
        assert_eq!(found, wanted, "multi-get now");
        let encoded: Vec<_> = keys.iter().map(|key| key::encode(key)).collect();
        let live: Vec<_> = wanted.iter().map(Option::is_some).collect();
        assert_eq!(store.are_live(&encoded).unwrap(), live, "what is live");
        for old in [self.floor, self.floor.midpoint(last)] {
            self.check_diff(store, old, last);
        }
    }

    fn check_diff(&self, store: &Arc<Store>, old: u64, new: u64) {
        let (before, after) = (self.state(old), self.state(new));
        let mut wanted: BTreeMap<Key, (Option<Value>, Option<Value>)> = BTreeMap::new();
        for key in before.keys().chain(after.keys()) {
            let (before, after) = (before.get(key).cloned(), after.get(key).cloned());
            if before != after {
                wanted.insert(key.clone(), (before, after));
            }
        }
        let diff = store.diff(Timestamp::new(old), Timestamp::new(new));
        let found = diff.unwrap().map(|change| {
            let change = change.unwrap();
            let values = (change.old.map(Vec::from), change.new.map(Vec::from));
            (change.key.to_vec(), values)
        });
        let found: BTreeMap<_, _> = found.collect();
        assert_eq!(found, wanted, "diff from {old} to {new}");
    }
}

/// The rows of a scan, in either direction.
pub(super) fn rows_at(store: &Arc<Store>, at: Timestamp, backward: bool) -> State {
    let rows = store.range_at(KeyRange::all(), at);
    let row = |row: crate::Result<(crate::Key, crate::Value)>| {
        let (key, value) = row.unwrap();
        (key.to_vec(), value.to_vec())
    };
    let mut rows: Vec<_> = if backward {
        rows.rev().map(row).collect()
    } else {
        rows.map(row).collect()
    };
    if backward {
        rows.reverse();
    }
    assert!(
        rows.is_sorted_by(|a, b| a.0 < b.0),
        "each key once, in order"
    );
    rows.into_iter().collect()
}

pub(super) fn listed(
    history: impl Iterator<Item = crate::Result<crate::storage::Version>>,
) -> Vec<Version> {
    let version = |version: crate::Result<crate::storage::Version>| {
        let version = version.unwrap();
        let end = version.end.map(Timestamp::get);
        (version.start.get(), end, version.value.to_vec())
    };
    history.map(version).collect()
}

/// What a backend holds in the keyspaces that are merged into.
pub(super) fn stored(backend: &dyn Backend) -> Rows {
    let mut rows = Rows::new();
    for keyspace in [Keyspace::Current, Keyspace::History, Keyspace::Deleted] {
        let cursor = backend.cursor(keyspace, Scope::default(), Access::Scan);
        let mut cursor = cursor.unwrap();
        cursor.seek_to_first().unwrap();
        while let Some((key, value)) = cursor.row() {
            rows.insert((keyspace.name(), key.to_vec()), value.to_vec());
            cursor.next().unwrap();
        }
    }
    rows
}

/// The marks of a backend, checked against each other and against its records: the last commit that has one,
/// and the prune floor.
pub(super) fn marks(backend: &dyn Backend) -> (u64, u64) {
    let mark = |name| {
        let value = backend.get(Keyspace::Meta, name).unwrap();
        value.map_or(0, |value| meta::decode_timestamp(&value).unwrap().get())
    };
    let (merged, trimmed) = (mark(meta::MERGED), mark(meta::TRIMMED));
    let floor = mark(meta::FLOOR);
    assert!(trimmed <= merged, "{trimmed} above {merged}");
    let cursor = backend.cursor(Keyspace::Commits, Scope::default(), Access::Scan);
    let mut cursor = cursor.unwrap();
    cursor.seek_to_first().unwrap();
    let mut last = 0;
    while let Some((row_key, value)) = cursor.row() {
        let (at, part) = commit::decode_key(row_key).unwrap();
        let part = commit::decode_part(part, value).unwrap();
        last = at.get();
        assert_eq!(part.has_values, last > trimmed, "the record of {last}");
        let changed_nothing = part.changes().len() == 0;
        assert!(
            last > floor || last <= merged || changed_nothing,
            "{floor} above {merged}"
        );
        cursor.next().unwrap();
    }
    (last.max(floor).max(merged), floor)
}
