//! What a store should hold: the versions of each key, by the commits that are known.

use std::{collections::BTreeMap, sync::Arc};

use crate::plan::{self, Way};

type Value = Arc<[u8]>;

/// All versions, never pruned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    versions: BTreeMap<Vec<u8>, BTreeMap<u64, Option<Value>>>,
    /// Which operation of which thread was committed when.
    pub(crate) commits: BTreeMap<u64, (usize, u64)>,
}

impl Model {
    /// The state after some commits of a workload.
    pub(crate) fn of(seed: u64, commits: &BTreeMap<u64, (usize, u64)>) -> Self {
        let mut model = Self::default();
        for (at, (thread, number)) in commits {
            model.apply(seed, *at, *thread, *number);
        }
        model
    }

    fn apply(&mut self, seed: u64, at: u64, thread: usize, number: u64) {
        let work = plan::work(seed, thread, number);
        if work.way == Way::Range && work.range.start < work.range.end {
            for versions in self
                .versions
                .range_mut(work.range)
                .map(|(_, versions)| versions)
            {
                if versions
                    .last_key_value()
                    .is_some_and(|(_, value)| value.is_some())
                {
                    versions.insert(at, None);
                }
            }
        }
        for (key, value) in work.writes {
            let versions = self.versions.entry(key).or_default();
            versions.insert(at, value.map(Value::from));
        }
        self.commits.insert(at, (thread, number));
    }

    /// The rows that are there at a timestamp, in key order.
    pub(crate) fn state(&self, at: u64) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.versions.iter().filter_map(move |(key, versions)| {
            let (_, value) = versions.range(..=at).next_back()?;
            Some((key.as_slice(), value.as_deref()?))
        })
    }

    /// The value of a key at a timestamp.
    pub(crate) fn get(&self, key: &[u8], at: u64) -> Option<&[u8]> {
        let (_, value) = self.versions.get(key)?.range(..=at).next_back()?;
        value.as_deref()
    }

    /// The versions of a key that are alive at some time from `floor` to `visible`, newest first: start, end,
    /// value.
    pub(crate) fn history(
        &self,
        key: &[u8],
        floor: u64,
        visible: u64,
    ) -> Vec<(u64, Option<u64>, &[u8])> {
        let mut found = Vec::new();
        let mut end = None;
        let versions = self.versions.get(key).into_iter();
        for (start, value) in versions.flat_map(|versions| versions.range(..=visible).rev()) {
            if end.is_some_and(|end| end <= floor) {
                break;
            }
            if let Some(value) = value {
                found.push((*start, end, value.as_ref()));
                end = Some(*start);
            } else {
                // The time of a delete is that of the first in a row.
                end = Some(*start);
            }
        }
        found
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.versions.keys().map(Vec::as_slice)
    }
}
