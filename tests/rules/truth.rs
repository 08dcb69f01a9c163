//! What every read is compared with: the log of all writes, kept apart from the layout under test
//! and never pruned.

use std::collections::{BTreeMap, BTreeSet};

use sapwood::Timestamp;

use super::{
    disk::{Key, Value},
    listing::Version,
};

pub(crate) type State = BTreeMap<Key, Value>;
/// A key with its value before and after.
pub(crate) type Difference = BTreeMap<Key, (Option<Value>, Option<Value>)>;

#[derive(Debug, Default)]
pub(crate) struct Truth {
    writes: BTreeMap<Timestamp, Vec<(Key, Option<Value>)>>,
}

impl Truth {
    /// Notes a commit as the client gave it: a key may be written twice, or deleted while absent.
    pub(crate) fn write(&mut self, at: Timestamp, writes: Vec<(Key, Option<Value>)>) {
        self.writes.insert(at, writes);
    }

    /// Forgets the commits that a crash took.
    pub(crate) fn forget_above(&mut self, last: Timestamp) {
        self.writes.retain(|at, _| *at <= last);
    }

    /// The value of a key at a timestamp.
    pub(crate) fn get(&self, key: Key, at: Timestamp) -> Option<Value> {
        let mut writes = self
            .writes
            .range(..=at)
            .rev()
            .flat_map(|(_, writes)| writes.iter().rev());
        writes
            .find(|(written, _)| *written == key)
            .and_then(|(_, value)| *value)
    }

    /// Everything at a timestamp.
    pub(crate) fn state(&self, at: Timestamp) -> State {
        let mut state = State::new();
        for (key, value) in self.writes.range(..=at).flat_map(|(_, writes)| writes) {
            match value {
                Some(value) => state.insert(*key, *value),
                None => state.remove(key),
            };
        }
        state
    }

    /// What differs between two timestamps.
    pub(crate) fn difference(&self, from: Timestamp, to: Timestamp) -> Difference {
        difference(&self.state(from), &self.state(to))
    }

    /// The commits above `from`, up to `to`, each with the keys that it changed.
    pub(crate) fn commits(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Vec<Key>)> {
        let mut state = self.state(from);
        let mut commits = Vec::new();
        for (at, writes) in self.writes.range(..=to).filter(|(at, _)| **at > from) {
            let keys: BTreeSet<_> = writes.iter().map(|(key, _)| *key).collect();
            let after = self.state(*at);
            let changed = keys
                .into_iter()
                .filter(|key| state.contains_key(key) || after.contains_key(key));
            commits.push((*at, changed.collect()));
            state = after;
        }
        commits
    }

    /// A key's versions that began by `at`, oldest first, with their true ends.
    pub(crate) fn versions(&self, key: Key, at: Timestamp) -> Vec<Version> {
        let mut versions: Vec<Version> = Vec::new();
        for (time, writes) in &self.writes {
            let Some((_, value)) = writes.iter().rev().find(|(written, _)| *written == key) else {
                continue;
            };
            if let Some((_, end @ None, _)) = versions.last_mut() {
                *end = Some(*time);
            }
            versions.extend(value.map(|value| (*time, None, value)));
        }
        versions.retain(|(start, _, _)| *start <= at);
        versions
    }

    /// When the version before the one that began at `start` ended; 0 where there was none.
    pub(crate) fn previous_end(&self, key: Key, start: Timestamp) -> Timestamp {
        let mut alive = false;
        let mut ended = Timestamp::ZERO;
        for at in self.writes.range(..=start).map(|(at, _)| *at) {
            let writes = self.writes.get(&at).into_iter().flatten();
            let Some((_, value)) = writes.rev().find(|(written, _)| *written == key) else {
                continue;
            };
            if alive {
                ended = at;
            }
            alive = value.is_some();
        }
        ended
    }
}

/// What differs between two states.
pub(crate) fn difference(before: &State, after: &State) -> Difference {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    keys.into_iter()
        .map(|key| (key, (before.get(&key).copied(), after.get(&key).copied())))
        .filter(|(_, (old, new))| old != new)
        .collect()
}
