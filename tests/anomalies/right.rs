//! Right histories: those of a store that is a list of versions and nothing else.
//!
//! It runs some transactions at once, an event of one after an event of another, and checks each at
//! its commit against everything that was committed since its snapshot. With one at a time the
//! histories are serial.

use std::{collections::BTreeMap, ops::Bound};

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::history::{Event, History, Id, Key, Level, Outcome, Own, Range, Version};

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What a version list holds: when, what, and whether it is a value.
type Entry = (u64, Version, bool);

pub(crate) struct Right {
    random: ChaCha8Rng,
    history: History,
    versions: BTreeMap<Key, Vec<Entry>>,
    clock: u64,
    /// Numbers of begins and ends.
    moment: u64,
}

struct Open {
    id: Id,
    own: Own,
    savepoints: usize,
    left: usize,
    began: u64,
}

impl Right {
    /// A history of some transactions, of which up to `open` are open at once.
    pub(crate) fn history(
        seed: u64,
        transactions: usize,
        open: usize,
        levels: &[Level],
    ) -> History {
        let mut right = Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            history: History::default(),
            versions: BTreeMap::new(),
            clock: 0,
            moment: 0,
        };
        let mut running: Vec<Open> = Vec::new();
        while right.history.transactions.len() < transactions || !running.is_empty() {
            let begun = right.history.transactions.len();
            if begun < transactions
                && (running.is_empty() || running.len() < open && right.random.random_bool(0.3))
            {
                running.push(right.begin(levels));
            }
            let chosen = right.random.random_range(0..running.len());
            if running[chosen].left == 0 {
                right.end(&running.swap_remove(chosen));
            } else {
                running[chosen].left -= 1;
                right.step(&mut running[chosen]);
            }
        }
        let versions = right.versions.iter();
        right.history.order = versions
            .map(|(key, entries)| (key.clone(), entries.iter().map(|entry| entry.1).collect()))
            .collect();
        right.history
    }

    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn begin(&mut self, levels: &[Level]) -> Open {
        let began = self.tick();
        let id = self
            .history
            .begin(*levels.choose(&mut self.random).unwrap());
        self.history.transactions[id.0].snapshot = Some(self.clock);
        let left = self.random.random_range(0..6);
        let own = Own::default();
        Open {
            id,
            own,
            savepoints: 0,
            left,
            began,
        }
    }

    fn step(&mut self, open: &mut Open) {
        let key = (*KEYS.choose(&mut self.random).unwrap()).to_owned();
        let event = match self.random.random_range(0..20) {
            0..=4 => Event::Write { key, live: true },
            5..=6 => Event::Write { key, live: false },
            7..=13 => {
                let saw = self.saw(open, &key);
                let tracked = self.random.random_bool(0.9);
                Event::Read { key, saw, tracked }
            }
            14..=17 => self.scan(open),
            18 => {
                open.savepoints += 1;
                Event::Savepoint
            }
            _ if open.savepoints == 0 => return,
            _ => {
                let number = self.random.random_range(0..open.savepoints);
                open.savepoints = number + 1;
                Event::RollbackTo(number)
            }
        };
        open.own.apply(&event);
        self.history.event(open.id, event);
    }

    fn saw(&self, open: &Open, key: &str) -> Version {
        if let Some((nth, live)) = open.own.writes.get(key) {
            return if *live {
                Version::Written(open.id, *nth)
            } else {
                Version::Missing
            };
        }
        let snapshot = self.history.transactions[open.id.0].snapshot;
        let entries = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let entry = entries.iter().rfind(|entry| Some(entry.0) <= snapshot);
        entry
            .filter(|entry| entry.2)
            .map_or(Version::Missing, |entry| entry.1)
    }

    fn scan(&mut self, open: &Open) -> Event {
        let mut ends = [0, 0].map(|_: usize| self.random.random_range(0..=KEYS.len()));
        ends.sort_unstable();
        let start = Bound::Included(KEYS.get(ends[0]).map_or("f", |key| key).to_owned());
        let end = Bound::Excluded(KEYS.get(ends[1]).map_or("f", |key| key).to_owned());
        let range: Range = (start, end);
        let keys = KEYS[ends[0]..ends[1]].iter();
        let rows = keys.map(|key| ((*key).to_owned(), self.saw(open, key)));
        let rows = rows.filter(|(_, saw)| *saw != Version::Missing).collect();
        Event::Scan { range, rows }
    }

    fn end(&mut self, open: &Open) {
        let ended = self.tick();
        let id = open.id;
        self.history.transactions[id.0].span = Some((open.began, ended));
        if self.random.random_bool(0.15) || !self.may_commit(open) {
            return;
        }
        let snapshot = self.history.transactions[id.0].snapshot;
        let mut outcome = Outcome::Committed(snapshot);
        if !open.own.writes.is_empty() {
            self.clock += self.random.random_range(1..=3);
            outcome = Outcome::Committed(Some(self.clock));
            for (key, (nth, live)) in &open.own.writes {
                let entries = self.versions.entry(key.clone()).or_default();
                entries.push((self.clock, Version::Written(id, *nth), *live));
            }
        }
        self.history.transactions[id.0].outcome = outcome;
    }

    /// Whether nothing has come between.
    fn may_commit(&self, open: &Open) -> bool {
        let transaction = &self.history.transactions[open.id.0];
        let same = |key: &str| {
            let newest = self.versions.get(key).and_then(|entries| entries.last());
            newest.is_none_or(|entry| Some(entry.0) <= transaction.snapshot)
        };
        let held = |event: &Event| match event {
            Event::Read { key, tracked, .. } => !tracked || same(key),
            Event::Scan { range, .. } => {
                let inside =
                    |key: &&&str| std::ops::RangeBounds::contains(range, &(**key).to_owned());
                KEYS.iter().filter(inside).all(|key| same(key))
            }
            _ => true,
        };
        open.own.writes.is_empty()
            || open.own.writes.keys().all(|key| same(key))
                && (transaction.level == Level::Snapshot || transaction.events.iter().all(held))
    }
}
