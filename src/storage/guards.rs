//! Guards: registered reads that pruning takes into account.
//!
//! A reader registers its timestamp first and loads the prune floor second; pruning publishes the
//! new floor first and looks at the guards second. Both go through the same lock, so one of the two
//! sees the other: either the reader finds the new floor and gives up, or pruning finds the guard
//! and keeps what it sees.
//!
//! A guard must not be registered again for the same read: [`Guards::below`] looks at one shard after
//! the other, and would miss a hold that moves from a shard it has not seen to one that it has. Share
//! the guard itself (`Arc<Guard>`).
//!
//! A guard holds what its one timestamp sees, not all that lies above it: a prune that overlooked it
//! treats it like a pin.
//!
//! The registry is cut into shards, so that readers on different threads seldom meet.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    thread,
    time::{Duration, Instant},
};

use crate::{
    sync::{Arc, CachePadded, Mutex},
    timestamp::Timestamp,
};

const SHARDS: usize = if cfg!(loom) { 1 } else { 16 };

/// All registered reads of one store.
#[derive(Debug)]
pub(crate) struct Guards {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    hasher: RandomState,
}

/// Timestamps read at, each with how many guards hold it and since when the oldest does.
type Shard = BTreeMap<Timestamp, Held>;

#[derive(Debug)]
struct Held {
    guards: usize,
    since: Option<Instant>,
}

/// One registered read. What its timestamp sees is kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    guards: Arc<Guards>,
    shard: usize,
    at: Timestamp,
}

impl Guards {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS)
            .map(|_| CachePadded::new(Mutex::new(Shard::new())))
            .collect();
        Arc::new(Self {
            shards,
            hasher: RandomState::new(),
        })
    }

    /// Registers a read at `at`. The caller must load the floor after this, and only then read.
    pub(crate) fn register(self: &Arc<Self>, at: Timestamp) -> Guard {
        let shard = if SHARDS == 1 { 0 } else { self.own_shard() };
        if let Some(held) = self.shards.get(shard) {
            let mut held = held.lock();
            held.entry(at)
                .or_insert_with(|| Held {
                    guards: 0,
                    since: now(),
                })
                .guards += 1;
        }
        Guard {
            guards: Arc::clone(self),
            shard,
            at,
        }
    }

    fn own_shard(&self) -> usize {
        usize::try_from(self.hasher.hash_one(thread::current().id())).unwrap_or(0) % SHARDS
    }

    /// The oldest timestamp at or above `floor` that a guard holds.
    pub(crate) fn oldest_from(&self, floor: Timestamp) -> Option<Timestamp> {
        self.shards
            .iter()
            .filter_map(|shard| shard.lock().range(floor..).next().map(|(at, _)| *at))
            .min()
    }

    /// Every timestamp below `floor` that a guard holds.
    pub(crate) fn below(&self, floor: Timestamp) -> Vec<Timestamp> {
        let held = |shard: &CachePadded<Mutex<Shard>>| -> Vec<Timestamp> {
            shard.lock().range(..floor).map(|(at, _)| *at).collect()
        };
        self.shards.iter().flat_map(held).collect()
    }

    /// The oldest timestamp that a guard holds, and for how long it has been held.
    pub(crate) fn oldest(&self) -> Option<(Timestamp, Duration)> {
        self.shards
            .iter()
            .filter_map(|shard| {
                let shard = shard.lock();
                let (at, held) = shard.first_key_value()?;
                Some((
                    *at,
                    held.since.map_or(Duration::ZERO, |since| since.elapsed()),
                ))
            })
            .min()
    }

    fn release(&self, shard: usize, at: Timestamp) {
        let Some(shard) = self.shards.get(shard) else {
            return;
        };
        let mut shard = shard.lock();
        if let Some(held) = shard.get_mut(&at) {
            held.guards -= 1;
            if held.guards == 0 {
                shard.remove(&at);
            }
        }
    }
}

/// The time since when a guard is held is for people only; the model checker has none.
fn now() -> Option<Instant> {
    (!cfg!(loom)).then(Instant::now)
}

impl Guard {
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.guards.release(self.shard, self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_held_until_its_last_guard_goes() {
        let at = Timestamp::new;
        let guards = Guards::new();
        let (first, second) = (guards.register(at(5)), guards.register(at(5)));
        let third = guards.register(at(9));
        assert_eq!(guards.oldest_from(at(0)), Some(at(5)));
        assert_eq!(guards.oldest_from(at(6)), Some(at(9)));
        assert_eq!(guards.below(at(9)), [at(5)]);
        drop(first);
        assert_eq!(guards.oldest().map(|(at, _)| at), Some(at(5)));
        drop(second);
        assert_eq!(guards.oldest_from(at(0)), Some(at(9)));
        drop(third);
        assert_eq!(guards.oldest(), None);
    }
}
