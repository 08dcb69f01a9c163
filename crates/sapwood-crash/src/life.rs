//! The life of a store: all that was told about it, in order, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Action, Event};

/// Everything that was told about a store.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) events: Vec<Event>,
}

/// What was promised by some moment, and what may be besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// Commits in this epoch that were acknowledged, at whatever moment.
    pub(crate) commits: BTreeMap<u64, (usize, u64)>,
    /// The newest commit that must be there.
    pub(crate) newest: u64,
    /// The last operation of each thread of which it is known whether it was committed.
    pub(crate) last: Vec<Option<u64>>,
    /// The floor that was acknowledged, and the highest that may be.
    pub(crate) floor: (u64, u64),
    pub(crate) pins: BTreeMap<String, u64>,
    /// Pins that may be there or not.
    pub(crate) maybe_pins: BTreeSet<(String, u64)>,
    /// Copies that must be there, with their timestamps.
    pub(crate) copies: BTreeMap<String, u64>,
    /// Copies that may be there, wholly.
    pub(crate) maybe_copies: BTreeSet<String>,
    /// The action under way at the end.
    pub(crate) under_way: Option<Action>,
}

/// Which commits must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    /// Every one that was acknowledged.
    All,
    /// Those up to the last that the disk was waited for.
    Synced,
}

impl Life {
    pub(crate) fn new(seed: u64, threads: usize) -> Self {
        Self {
            seed,
            threads,
            events: Vec::new(),
        }
    }

    /// The number of the next operation of each thread.
    pub(crate) fn next_numbers(&self) -> Vec<u64> {
        let mut next = vec![0; self.threads];
        for event in &self.events {
            if let Event::Done { thread, number, .. } | Event::Refused { thread, number } = event
                && let Some(next) = next.get_mut(*thread)
            {
                *next = number + 1;
            }
        }
        next
    }

    /// The epochs in which the store may be, by what was told before `certain`, and after.
    pub(crate) fn epochs(&self, certain: usize) -> (u64, u64) {
        let (mut lowest, mut highest, mut is_rolling_back) = (0, 0, false);
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Begin(action) => {
                    is_rolling_back = matches!(action, Action::Rollback(_));
                    highest += u64::from(is_rolling_back);
                }
                Event::End { .. } if is_rolling_back && index < certain => lowest = highest,
                _ => {}
            }
        }
        (lowest, highest)
    }

    /// What must be there and what may be, in an epoch, where the first `certain` events were told before the crash.
    pub(crate) fn promise(&self, certain: usize, epoch: u64, survives: Survives) -> Promise {
        let mut promise = Promise {
            last: vec![None; self.threads],
            ..Promise::default()
        };
        let mut reached = 0;
        for (index, event) in self.events.iter().enumerate() {
            let is_certain = index < certain;
            if let Event::Begin(Action::Rollback(target)) = event {
                if reached == epoch {
                    // It did not happen yet.
                    break;
                }
                reached += 1;
                promise.commits.split_off(&(target + 1));
                // It is durable, and so is what was before.
                promise.newest = *target;
            }
            promise.take(event, is_certain, survives);
        }
        promise
    }
}

impl Promise {
    fn take(&mut self, event: &Event, is_certain: bool, survives: Survives) {
        match event {
            Event::Done {
                thread,
                number,
                at,
                is_synced,
                ..
            } => {
                self.commits.insert(*at, (*thread, *number));
                if let Some(last) = self.last.get_mut(*thread) {
                    *last = Some(*number);
                }
                if is_certain && (*is_synced || survives == Survives::All) {
                    self.newest = self.newest.max(*at);
                }
            }
            Event::Refused { thread, number } => {
                if let Some(last) = self.last.get_mut(*thread) {
                    *last = Some(*number);
                }
            }
            Event::Begin(action) => self.begin(action),
            Event::End { value, .. } => self.end(*value, is_certain),
            _ => {}
        }
    }

    fn begin(&mut self, action: &Action) {
        match action {
            Action::Prune(before) => self.floor.1 = self.floor.1.max(*before),
            Action::Pin { name, at } => {
                self.maybe_pins.insert((name.clone(), *at));
            }
            Action::Unpin { name } => {
                if let Some(at) = self.pins.remove(name) {
                    self.maybe_pins.insert((name.clone(), at));
                }
            }
            Action::Checkpoint { name } | Action::Restore { name } => {
                self.maybe_copies.insert(name.clone());
            }
            Action::Remove { name } => {
                self.copies.remove(name);
                self.maybe_copies.remove(name);
            }
            Action::Rollback(_) | Action::Flush | Action::Compact => {}
        }
        self.under_way = Some(action.clone());
    }

    fn end(&mut self, value: u64, is_certain: bool) {
        match self.under_way.take() {
            Some(Action::Prune(_)) if is_certain => {
                self.floor = (self.floor.0.max(value), value.max(self.floor.0));
            }
            Some(Action::Pin { name, at }) if is_certain => {
                self.maybe_pins.retain(|(pin, _)| *pin != name);
                self.pins.insert(name, at);
            }
            Some(Action::Unpin { name }) if is_certain => {
                self.maybe_pins.retain(|(pin, _)| *pin != name);
            }
            Some(Action::Checkpoint { name } | Action::Restore { name }) if is_certain => {
                self.maybe_copies.remove(&name);
                self.copies.insert(name, value);
            }
            _ => {}
        }
    }
}
