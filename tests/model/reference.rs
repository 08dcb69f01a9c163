//! The reference: for each key the list of its changes, and nothing clever.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Key = Vec<u8>;
pub(crate) type Value = Vec<u8>;

/// A version as `history` gives it: start, end, value.
pub(crate) type Version = (u64, Option<u64>, Value);

#[derive(Debug, Default)]
pub(crate) struct Reference {
    /// The changes of each key, oldest first: the commit and the value, `None` for a delete.
    changes: BTreeMap<Key, Vec<(u64, Option<Value>)>>,
    /// The keys that each commit wrote, whether or not that changed them.
    written: Vec<(u64, BTreeSet<Key>)>,
    pub(crate) visible: u64,
    pub(crate) floor: u64,
    pub(crate) pins: BTreeMap<String, u64>,
    /// The targets of rollbacks; their number is the epoch.
    rollbacks: Vec<u64>,
}

impl Reference {
    pub(crate) fn commit(&mut self, timestamp: u64, writes: &[(Key, Option<Value>)]) {
        let last: BTreeMap<_, _> = writes.iter().cloned().collect();
        self.written
            .push((timestamp, last.keys().cloned().collect()));
        for (key, value) in last {
            if value.is_none() && self.get(&key, self.visible).is_none() {
                continue;
            }
            self.changes
                .entry(key)
                .or_default()
                .push((timestamp, value));
        }
        self.visible = timestamp;
    }

    /// Forgets what came after a timestamp.
    pub(crate) fn roll_back(&mut self, target: u64) {
        if target == self.visible {
            return;
        }
        for changes in self.changes.values_mut() {
            changes.retain(|(timestamp, _)| *timestamp <= target);
        }
        self.written.retain(|(timestamp, _)| *timestamp <= target);
        self.visible = target;
        self.rollbacks.push(target);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.rollbacks.len() as u64
    }

    /// Whether a rollback of a later epoch went below a timestamp.
    pub(crate) fn is_abandoned(&self, at: u64, epoch: u64) -> bool {
        let mut later = self.rollbacks.iter().zip(1_u64..);
        later.any(|(target, began)| began > epoch && *target < at)
    }

    /// The keys that were written after a timestamp.
    pub(crate) fn written_since(&self, timestamp: u64) -> BTreeSet<&Key> {
        let since = self.written.iter().filter(|(at, _)| *at > timestamp);
        since.flat_map(|(_, keys)| keys).collect()
    }

    pub(crate) fn get(&self, key: &[u8], at: u64) -> Option<Value> {
        let changes = self.changes.get(key)?;
        changes
            .iter()
            .rev()
            .find(|(timestamp, _)| *timestamp <= at)?
            .1
            .clone()
    }

    pub(crate) fn state(&self, at: u64) -> BTreeMap<Key, Value> {
        let value = |key: &Key| Some((key.clone(), self.get(key, at)?));
        self.changes.keys().filter_map(value).collect()
    }

    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        self.changes.keys().cloned().collect()
    }

    /// Whether a read at this timestamp is legal.
    pub(crate) fn is_readable(&self, at: u64) -> bool {
        at <= self.visible && (at >= self.floor || self.pins.values().any(|pin| *pin == at))
    }

    /// All readable versions of a key, newest first.
    pub(crate) fn versions(&self, key: &[u8]) -> Vec<Version> {
        let Some(changes) = self.changes.get(key) else {
            return Vec::new();
        };
        let mut versions = Vec::new();
        for (index, (start, value)) in changes.iter().enumerate() {
            let end = changes.get(index + 1).map(|(end, _)| *end);
            let Some(value) = value else { continue };
            let seen = |at: u64| at >= *start && end.is_none_or(|end| at < end);
            let readable =
                end.is_none_or(|end| end > self.floor) || self.pins.values().any(|pin| seen(*pin));
            if readable {
                versions.push((*start, end, value.clone()));
            }
        }
        versions.reverse();
        versions
    }

    /// Key, value at `old`, value at `new`, where the two differ.
    pub(crate) fn diff(&self, old: u64, new: u64) -> Vec<(Key, Option<Value>, Option<Value>)> {
        let values = |key: Key| {
            let (old, new) = (self.get(&key, old), self.get(&key, new));
            (key, old, new)
        };
        self.keys()
            .into_iter()
            .map(values)
            .filter(|(_, old, new)| old != new)
            .collect()
    }

    pub(crate) fn version_count(&self) -> usize {
        self.changes
            .keys()
            .map(|key| self.versions(key).len())
            .sum()
    }
}
