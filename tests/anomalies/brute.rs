//! The levels by their definitions, tried out in every order.
//!
//! Knows nothing of graphs, timestamps or the rest of the checker: a history is serializable if its
//! transactions can be run one after the other and read and write what they did; it is snapshot
//! isolated if there are moments for their begins and commits such that each reads the state at its
//! begin, and nobody else commits a write to what it writes in between.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History, Id, Key, Own, Version};

/// The newest version of each key, and how many values it has had.
#[derive(Clone, Default)]
struct State {
    newest: BTreeMap<Key, Version>,
    values: BTreeMap<Key, usize>,
    installed: BTreeMap<Key, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Open,
    Done,
}

pub(crate) struct Trial<'a> {
    history: &'a History,
    keys: BTreeSet<&'a Key>,
    installs: Vec<BTreeMap<Key, (usize, bool)>>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(history: &'a History) -> Self {
        let installs = history
            .transactions
            .iter()
            .map(crate::history::Transaction::installs);
        Self {
            history,
            keys: history.keys(),
            installs: installs.collect(),
        }
    }

    pub(crate) fn is_serializable(&self) -> bool {
        let mut phases = self.phases();
        self.run_one(&State::default(), &mut phases)
    }

    pub(crate) fn is_snapshot_isolated(&self) -> bool {
        let mut phases = self.phases();
        let mut begun = vec![BTreeMap::new(); phases.len()];
        self.go_on(&State::default(), &mut phases, &mut begun)
    }

    fn phases(&self) -> Vec<Phase> {
        let phase = |committed| {
            if committed {
                Phase::Waiting
            } else {
                Phase::Done
            }
        };
        let transactions = self.history.transactions.iter();
        transactions
            .map(|transaction| phase(transaction.is_committed()))
            .collect()
    }

    fn run_one(&self, state: &State, phases: &mut [Phase]) -> bool {
        if phases.iter().all(|phase| *phase == Phase::Done) {
            return true;
        }
        for id in 0..phases.len() {
            if phases[id] == Phase::Waiting
                && self.reads_fit(id, state)
                && let Some(next) = self.installed(id, state)
            {
                phases[id] = Phase::Done;
                if self.run_one(&next, phases) {
                    return true;
                }
                phases[id] = Phase::Waiting;
            }
        }
        false
    }

    fn go_on(
        &self,
        state: &State,
        phases: &mut [Phase],
        begun: &mut [BTreeMap<Key, usize>],
    ) -> bool {
        if phases.iter().all(|phase| *phase == Phase::Done) {
            return true;
        }
        for id in 0..phases.len() {
            let before = phases[id];
            if before == Phase::Waiting && self.reads_fit(id, state) {
                begun[id] = state.installed.clone();
                phases[id] = Phase::Open;
                if self.go_on(state, phases, begun) {
                    return true;
                }
            }
            let untouched = |key: &Key| begun[id].get(key) == state.installed.get(key);
            if before == Phase::Open
                && self.installs[id].keys().all(untouched)
                && let Some(next) = self.installed(id, state)
            {
                phases[id] = Phase::Done;
                if self.go_on(&next, phases, begun) {
                    return true;
                }
            }
            phases[id] = before;
        }
        false
    }

    /// The state after a transaction, where its versions come next in the orders.
    fn installed(&self, id: usize, state: &State) -> Option<State> {
        let mut state = state.clone();
        for (key, (nth, live)) in &self.installs[id] {
            let version = Version::Written(Id(id), *nth);
            let place = state.installed.entry(key.clone()).or_default();
            if self.history.order[key].get(*place) != Some(&version) {
                return None;
            }
            *place += 1;
            *state.values.entry(key.clone()).or_default() += usize::from(*live);
            state.newest.insert(key.clone(), version);
        }
        Some(state)
    }

    fn reads_fit(&self, id: usize, state: &State) -> bool {
        let mut own = Own::default();
        let is_own = |saw: Version| matches!(saw, Version::Written(by, _) if by == Id(id));
        self.history.transactions[id].events.iter().all(|event| {
            let fits = match event {
                Event::Read { key, saw, .. } => fits(id, key, *saw, &own, state),
                Event::Scan { range, rows } => self
                    .keys
                    .iter()
                    .filter(|key| std::ops::RangeBounds::contains(range, **key))
                    .all(|key| {
                        let saw = rows.get(*key).copied().unwrap_or(Version::Missing);
                        if own.writes.contains_key(*key) || self.is_value(saw) || is_own(saw) {
                            fits(id, key, saw, &own, state)
                        } else {
                            self.is_absent_as(key, saw, state)
                        }
                    }),
                _ => true,
            };
            own.apply(event);
            fits
        })
    }

    /// Whether a key is absent, and is so since the same value ended.
    fn is_absent_as(&self, key: &Key, saw: Version, state: &State) -> bool {
        let order = self.history.order.get(key).map_or(&[][..], Vec::as_slice);
        let values = match order.iter().position(|version| *version == saw) {
            Some(place) => order[..place].iter().filter(|v| self.is_value(**v)).count(),
            None if saw == Version::Missing => 0,
            None => return false,
        };
        let now = state.newest.get(key).copied().unwrap_or(Version::Missing);
        !self.is_value(now) && state.values.get(key).copied().unwrap_or(0) == values
    }

    fn is_value(&self, version: Version) -> bool {
        match version {
            Version::Missing => false,
            Version::Written(by, nth) => {
                let mut writes = self.history.transactions[by.0].writes();
                writes.nth(nth).is_some_and(|(_, live)| live)
            }
        }
    }
}

/// Whether a transaction sees a version: its own last one, else the newest.
fn fits(id: usize, key: &Key, saw: Version, own: &Own, state: &State) -> bool {
    match own.writes.get(key) {
        Some((nth, live)) => {
            saw == Version::Written(Id(id), *nth) || !live && saw == Version::Missing
        }
        None => saw == state.newest.get(key).copied().unwrap_or(Version::Missing),
    }
}
