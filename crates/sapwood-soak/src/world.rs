//! What all threads share: the engine, the model of what it should hold, what was done, and the first failure.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use sapwood::{BlockExecutor, Durability, Engine, ErrorKind, Snapshot, Timestamp};

use crate::{
    content::Scale,
    counts::{Count, Counts},
    model::{Commit, Model},
    state::Witness,
};

/// How many states are kept to be read again by a later run.
const WITNESSES: usize = 16;
/// Milliseconds between a commit and word of it, at most.
const WAIT_TOLD: u32 = 60_000;

/// What outlives the engine: it is opened again and again.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) scale: Scale,
    pub(crate) seed: u64,
    model: RwLock<Model>,
    /// Timestamps that somebody reads at: the model keeps their states.
    held: Mutex<BTreeMap<u64, usize>>,
    pub(crate) counts: Counts,
    unique: AtomicU64,
    witnesses: Mutex<VecDeque<Witness>>,
    pub(crate) pins: Mutex<BTreeMap<String, Witness>>,
    /// Held to commit; and alone, to roll back.
    turn: RwLock<()>,
    stop: AtomicBool,
    failure: Mutex<Option<String>>,
    /// After each operation a thread rests so many times as long as that took.
    pub(crate) rest: f64,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(scale: Scale, seed: u64, rest: f64) -> Self {
        Self {
            scale,
            seed,
            model: RwLock::default(),
            held: Mutex::default(),
            counts: Counts::default(),
            unique: AtomicU64::new(1),
            witnesses: Mutex::default(),
            pins: Mutex::default(),
            turn: RwLock::default(),
            stop: AtomicBool::new(false),
            failure: Mutex::default(),
            rest,
        }
    }

    pub(crate) fn model(&self) -> RwLockReadGuard<'_, Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn model_mut(&self) -> RwLockWriteGuard<'_, Model> {
        self.model.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is rolled back while it is held.
    pub(crate) fn turn(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is committed or read while it is held.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no value has.
    pub(crate) fn unique(&self) -> u64 {
        self.unique.fetch_add(1, Ordering::Relaxed)
    }

    /// A number below which all may be in values.
    pub(crate) fn last_unique(&self) -> u64 {
        self.unique.load(Ordering::Relaxed)
    }

    pub(crate) fn set_unique(&self, next: u64) {
        self.unique.store(next, Ordering::Relaxed);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(crate) fn go_on(&self) {
        self.stop.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Notes a failure, if it is the first, and stops everybody.
    pub(crate) fn fail(&self, why: String) {
        lock(&self.failure).get_or_insert(why);
        self.stop();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    pub(crate) fn add_witness(&self, witness: Witness) {
        let mut witnesses = lock(&self.witnesses);
        if witnesses.len() >= WITNESSES {
            witnesses.pop_front();
        }
        witnesses.push_back(witness);
    }

    pub(crate) fn witnesses(&self) -> Vec<Witness> {
        lock(&self.witnesses).iter().copied().collect()
    }

    pub(crate) fn done(&self, count: Count) {
        self.counts.add(count, 1);
    }

    /// Forgets what lies below the floor, but for what somebody reads.
    pub(crate) fn prune_model(&self, floor: u64) {
        let mut model = self.model_mut();
        let lowest = lock(&self.held).first_key_value().map(|(at, _)| *at);
        model.prune(lowest.map_or(floor, |lowest| lowest.min(floor)));
    }
}

/// A state that is held in the store and in the model.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    shared: &'a Shared,
    pub(crate) at: u64,
    pub(crate) epoch: u64,
    pub(crate) snapshot: Snapshot,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = lock(&self.shared.held);
        if let Some(count) = held.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.at);
            }
        }
    }
}

/// The store while it is open.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) engine: Engine,
    pub(crate) executor: &'a BlockExecutor,
    /// Operations of each thread, where they are counted.
    pub(crate) operations: Option<u64>,
}

impl<'a> World<'a> {
    /// Does something again and again, until it is enough.
    pub(crate) fn repeat(&self, who: &str, mut operation: impl FnMut() -> Result<()>) {
        let mut done = 0;
        while !self.shared.is_stopped() && self.operations.is_none_or(|most| done < most) {
            let begun = Instant::now();
            if let Err(error) = operation() {
                self.shared.fail(format!("{who}: {error:#}"));
            }
            done += 1;
            if self.shared.rest > 0.0 {
                let rest = begun.elapsed().mul_f64(self.shared.rest);
                std::thread::sleep(rest.min(Duration::from_secs(1)));
            }
        }
    }

    /// Takes in an acknowledged commit.
    pub(crate) fn tell(&self, at: Timestamp, commit: Commit) -> Result<()> {
        self.shared.done(Count::Commits);
        self.shared.model_mut().tell(at.get(), commit)
    }

    /// Waits until a commit that is there was told of: who made it may be between the two.
    pub(crate) fn wait_told(&self, at: u64) -> Result<()> {
        for round in 0..WAIT_TOLD {
            if self.shared.model().applied() >= at || self.shared.failure().is_some() {
                return Ok(());
            }
            if round < 100 {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let missing = self.shared.model().missing().unwrap_or(at);
        bail!("the commit {missing} is there, and nobody has made it");
    }

    /// Opens a state: mostly one of the newest, or any, or that at the floor.
    pub(crate) fn hold(&self, random: &mut fastrand::Rng) -> Result<Held<'a>> {
        let choice = random.u32(..10);
        loop {
            let floor = self.engine.floor().get();
            let (at, epoch) = {
                let model = self.shared.model();
                let (lowest, newest) = (floor.max(model.floor()), model.applied());
                let lowest = lowest.min(newest);
                let at = match choice {
                    0..3 => newest,
                    3..5 => lowest,
                    _ => random.u64(lowest..=newest),
                };
                *lock(&self.shared.held).entry(at).or_default() += 1;
                (at, model.epoch())
            };
            match self.engine.at(Timestamp::new(at)) {
                Ok(snapshot) => {
                    return Ok(Held {
                        shared: self.shared,
                        at,
                        epoch,
                        snapshot,
                    });
                }
                Err(error) => {
                    let mut held = lock(&self.shared.held);
                    if let Some(count) = held.get_mut(&at) {
                        *count -= 1;
                    }
                    held.retain(|_, count| *count > 0);
                    // The floor has passed it meanwhile.
                    if !matches!(error.kind(), ErrorKind::Pruned { .. }) {
                        return Err(anyhow!(error).context(format!("opening the state at {at}")));
                    }
                }
            }
        }
    }
}

/// One of four commits waits for the disk.
pub(crate) fn durability(random: &mut fastrand::Rng) -> Durability {
    match random.u32(..4) {
        0 => Durability::Sync,
        _ => Durability::Buffered,
    }
}
