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
//! **Age.** Where there is an age limit, a prune lets go of the guards past it, and only then moves the
//! floor; a reader asks [`Guard::check`] after each read. So whatever such a read found missing, it
//! is refused, and a forgotten snapshot does not hold back pruning for ever.
//!
//! **Rollback.** A rollback marks the guards above its target, after the visible timestamp has moved
//! down; a reader registers first and looks at the visible timestamp second. So a guard above the target is
//! marked, or is not given. What [`Guard::check`] is asked after each read, it says for both.
//!
//! The registry is cut into shards, so that readers on different threads seldom meet.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    sync::{Arc, AtomicBool, AtomicU64, CachePadded, Mutex, Ordering, thread},
    timestamp::Timestamp,
};

const SHARDS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 16 };

/// All registered reads of one store.
#[derive(Debug)]
pub(crate) struct Guards {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    hasher: RandomState,
    max_age: Option<Duration>,
}

/// The reads that are registered here, oldest timestamp first.
#[derive(Debug, Default)]
struct Shard {
    held: BTreeMap<(Timestamp, u64), Arc<Held>>,
    next: u64,
}

#[derive(Debug)]
struct Held {
    /// For people and for the age limit; the model checkers have no time.
    since: Option<Instant>,
    let_go: AtomicBool,
    /// What the store was rolled back to, below this; [`NOT_ROLLED_BACK`] where it was not.
    rolled_back_to: AtomicU64,
    /// Whether a read was refused, for its age or after a rollback.
    was_refused: AtomicBool,
}

/// No store is rolled back to this.
const NOT_ROLLED_BACK: u64 = u64::MAX;

/// One registered read. What its timestamp sees is kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    guards: Arc<Guards>,
    shard: usize,
    at: Timestamp,
    id: u64,
    held: Arc<Held>,
}

impl Guards {
    /// No reads. Those older than `max_age` do not hold back pruning.
    pub(crate) fn new(max_age: Option<Duration>) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| CachePadded::default()).collect();
        Arc::new(Self {
            shards,
            hasher: RandomState::new(),
            max_age,
        })
    }

    /// Registers a read at `at`. The caller must load the floor after this, and only then read.
    pub(crate) fn register(self: &Arc<Self>, at: Timestamp) -> Guard {
        let index = if SHARDS == 1 { 0 } else { self.own_shard() };
        let held = Arc::new(Held {
            since: now(),
            let_go: AtomicBool::new(false),
            rolled_back_to: AtomicU64::new(NOT_ROLLED_BACK),
            was_refused: AtomicBool::new(false),
        });
        let mut id = 0;
        if let Some(shard) = self.shards.get(index) {
            let mut shard = shard.lock();
            id = shard.next;
            shard.next += 1;
            shard.held.insert((at, id), Arc::clone(&held));
        }
        Guard {
            guards: Arc::clone(self),
            shard: index,
            at,
            id,
            held,
        }
    }

    fn own_shard(&self) -> usize {
        usize::try_from(self.hasher.hash_one(thread::current().id())).unwrap_or(0) % SHARDS
    }

    /// The oldest timestamp at or above `floor` that a guard holds.
    pub(crate) fn oldest_from(&self, floor: Timestamp) -> Option<Timestamp> {
        self.held_from(floor).map(|(at, _)| at)
    }

    /// The same, and for how long it has been held.
    pub(crate) fn held_from(&self, floor: Timestamp) -> Option<(Timestamp, Duration)> {
        self.shards
            .iter()
            .filter_map(|shard| {
                let shard = shard.lock();
                let mut held = shard.held.range((floor, 0)..);
                held.next().map(|((at, _), held)| (*at, held.age()))
            })
            .min_by_key(|(at, age)| (*at, std::cmp::Reverse(*age)))
    }

    /// Every timestamp below `floor` that a guard holds.
    pub(crate) fn below(&self, floor: Timestamp) -> Vec<Timestamp> {
        let held = |shard: &CachePadded<Mutex<Shard>>| -> Vec<Timestamp> {
            let shard = shard.lock();
            let below = shard.held.range(..(floor, 0));
            below.map(|((at, _), _)| *at).collect()
        };
        self.shards.iter().flat_map(held).collect()
    }

    /// The oldest timestamp that a guard holds, and for how long it has been held.
    pub(crate) fn oldest(&self) -> Option<(Timestamp, Duration)> {
        self.shards
            .iter()
            .filter_map(|shard| {
                let shard = shard.lock();
                let ((at, _), held) = shard.held.first_key_value()?;
                Some((*at, held.age()))
            })
            .min_by_key(|(at, age)| (*at, std::cmp::Reverse(*age)))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let count = |shard: &CachePadded<Mutex<Shard>>| shard.lock().held.len();
        self.shards.iter().map(count).sum()
    }

    /// Lets go of the guards past the age limit: their next read is refused.
    pub(crate) fn let_go_of_the_old(&self) {
        let Some(max_age) = self.max_age else { return };
        for shard in &self.shards {
            shard.lock().held.retain(|_, held| {
                let young = held.age() <= max_age;
                if !young {
                    held.let_go.store(true, Ordering::SeqCst);
                }
                young
            });
        }
    }

    /// Lets go of the guards above the target of a rollback: their next read is refused.
    pub(crate) fn let_go_above(&self, target: Timestamp) {
        let Some(above) = target.next() else { return };
        for shard in &self.shards {
            let rolled_back = shard.lock().held.split_off(&(above, 0));
            for held in rolled_back.values() {
                held.rolled_back_to.store(target.get(), Ordering::SeqCst);
            }
        }
    }

    fn release(&self, shard: usize, at: Timestamp, id: u64) {
        if let Some(shard) = self.shards.get(shard) {
            shard.lock().held.remove(&(at, id));
        }
    }
}

impl Held {
    fn age(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

fn now() -> Option<Instant> {
    (!cfg!(any(loom, shuttle))).then(Instant::now)
}

impl Guard {
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// To be asked after each read, before its answer is believed.
    ///
    /// # Errors
    /// `TooOld` past the age limit, or where the store was rolled back below it.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_epoch()?;
        match self.guards.max_age {
            Some(max_age) if self.held.age() > max_age => Err(self.refuse()),
            _ => self.check_held(),
        }
    }

    /// The same for work of the store's own, which may take longer than the limit where nobody prunes.
    pub(crate) fn check_held(&self) -> Result<()> {
        self.check_epoch()?;
        if self.guards.max_age.is_some() && self.held.let_go.load(Ordering::SeqCst) {
            return Err(self.refuse());
        }
        Ok(())
    }

    /// The same for what the age limit does not concern.
    pub(crate) fn check_epoch(&self) -> Result<()> {
        let target = self.held.rolled_back_to.load(Ordering::SeqCst);
        if target == NOT_ROLLED_BACK {
            return Ok(());
        }
        self.held.was_refused.store(true, Ordering::SeqCst);
        let target = Timestamp::new(target);
        Err(Error::rolled_back("the snapshot at", self.at, target))
    }

    fn refuse(&self) -> Error {
        self.held.was_refused.store(true, Ordering::SeqCst);
        let max_age = self.guards.max_age.unwrap_or_default();
        Error::too_old(format!(
            "this snapshot at {} is older than {} ms, the age limit of the store; take a new one",
            self.at,
            max_age.as_millis()
        ))
    }

    /// Whether a read was refused, for its age or after a rollback.
    pub(crate) fn was_refused(&self) -> bool {
        self.held.was_refused.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.guards.release(self.shard, self.at, self.id);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_held_until_its_last_guard_goes() {
        let at = Timestamp::new;
        let guards = Guards::new(None);
        let (first, second) = (guards.register(at(5)), guards.register(at(5)));
        let third = guards.register(at(9));
        assert_eq!(guards.oldest_from(at(0)), Some(at(5)));
        assert_eq!(guards.oldest_from(at(6)), Some(at(9)));
        assert_eq!(guards.below(at(9)), [at(5), at(5)]);
        drop(first);
        assert_eq!(guards.oldest().map(|(at, _)| at), Some(at(5)));
        drop(second);
        assert_eq!(guards.oldest_from(at(0)), Some(at(9)));
        assert_eq!(guards.count(), 1);
        drop(third);
        assert_eq!(guards.oldest(), None);
    }

    #[test]
    fn past_the_age_limit_a_guard_holds_nothing_and_says_so() {
        let guards = Guards::new(Some(Duration::ZERO));
        let guard = guards.register(Timestamp::new(5));
        // The clock need not have moved yet.
        while guard.held.age().is_zero() {}
        assert!(matches!(guard.check(), Err(error) if error.kind().name() == "too_old"));
        guards.let_go_of_the_old();
        assert_eq!(guards.oldest(), None);
        drop(guard);

        let guards = Guards::new(Some(Duration::MAX));
        let guard = guards.register(Timestamp::new(5));
        guards.let_go_of_the_old();
        assert!(guard.check().is_ok() && guards.count() == 1);
    }
}
