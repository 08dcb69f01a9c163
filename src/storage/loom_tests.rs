//! The protocols of what is kept and for whom, under the model checker: guards and pins against the
//! moving floor.
//!
//! A version alive over `[1, 2)` is read at 1 while a prune moves the floor to 2. In every interleaving
//! the reader is refused, or finds the version.

use loom::thread;

use super::{Batch, CommitOptions, MemoryStorage, PinOptions, Storage, guards::Guards};
use crate::{
    MemoryConfig, PruneRule,
    sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering},
    timestamp::Timestamp,
};

const AT: Timestamp = Timestamp::new(1);
const FLOOR: Timestamp = Timestamp::new(2);

struct Shared {
    guards: Arc<Guards>,
    floor: AtomicU64,
    /// Whether the one pin, at [`AT`], is set.
    pin: AtomicBool,
    retention: Mutex<()>,
    dropped: AtomicBool,
}

impl Shared {
    fn new(pin: bool) -> Arc<Self> {
        Arc::new(Self {
            guards: Guards::new(None),
            floor: AtomicU64::new(0),
            pin: AtomicBool::new(pin),
            retention: Mutex::new(()),
            dropped: AtomicBool::new(false),
        })
    }

    /// What a filter does with the version, given the floor, the pin and what guards hold.
    fn filter(&self, held: Vec<Timestamp>) {
        let floor = Timestamp::new(self.floor.load(Ordering::SeqCst));
        let pin = self.pin.load(Ordering::SeqCst).then_some(AT);
        if PruneRule::new(floor, held.into_iter().chain(pin)).drops_history(AT, FLOOR) {
            self.dropped.store(true, Ordering::SeqCst);
        }
    }

    /// What a prune does, in its order: publish the floor, then look at the guards.
    fn prune(&self, guards_first: bool) {
        let _retention = self.retention.lock();
        let mut held = Vec::new();
        if guards_first {
            held = self.guards.below(FLOOR);
        }
        self.floor.store(FLOOR.get(), Ordering::SeqCst);
        if !guards_first {
            held = self.guards.below(FLOOR);
        }
        self.filter(held);
    }

    /// What a reader does, in its order: register, then load the floor. Returns whether the version
    /// was there, or `None` where the read was refused.
    fn read(&self, floor_first: bool) -> Option<bool> {
        let admitted =
            || self.floor.load(Ordering::SeqCst) <= AT.get() || self.pin.load(Ordering::SeqCst);
        if floor_first && !admitted() {
            return None;
        }
        let _guard = self.guards.register(AT);
        if !floor_first && !admitted() {
            return None;
        }
        Some(!self.dropped.load(Ordering::SeqCst))
    }

    /// What setting a pin does: look at the floor and count, under the lock of prunes.
    fn pin(&self, without_lock: bool) -> bool {
        let lock = (!without_lock).then(|| self.retention.lock());
        let granted = self.floor.load(Ordering::SeqCst) <= AT.get();
        if granted {
            self.pin.store(true, Ordering::SeqCst);
        }
        drop(lock);
        granted
    }

    /// What removing a pin does: it counts no more, then filters get what guards still hold.
    fn unpin(&self, guards_first: bool) {
        let _retention = self.retention.lock();
        let mut held = Vec::new();
        if guards_first {
            held = self.guards.below(FLOOR);
        }
        self.pin.store(false, Ordering::SeqCst);
        if !guards_first {
            held = self.guards.below(FLOOR);
        }
        self.filter(held);
    }
}

fn guard_against_floor(guards_first: bool, floor_first: bool) {
    loom::model(move || {
        let shared = Shared::new(false);
        let pruner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.prune(guards_first))
        };
        assert_ne!(
            shared.read(floor_first),
            Some(false),
            "an admitted read lost its version"
        );
        pruner.join().unwrap();
    });
}

#[test]
fn loom_an_admitted_read_keeps_its_version() {
    guard_against_floor(false, false);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_a_reader_that_loads_the_floor_first_loses() {
    guard_against_floor(false, true);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_a_prune_that_looks_at_guards_first_loses() {
    guard_against_floor(true, false);
}

fn pin_against_prune(without_lock: bool) {
    loom::model(move || {
        let shared = Shared::new(false);
        let pruner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.prune(false))
        };
        let granted = shared.pin(without_lock);
        pruner.join().unwrap();
        if granted {
            assert_eq!(shared.read(false), Some(true), "a pin lost its version");
        }
    });
}

#[test]
fn loom_a_granted_pin_keeps_its_version() {
    pin_against_prune(false);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_a_pin_without_the_lock_of_prunes_loses() {
    pin_against_prune(true);
}

fn read_against_unpin(guards_first: bool, floor_first: bool) {
    loom::model(move || {
        let shared = Shared::new(true);
        shared.prune(false);
        let unpinner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.unpin(guards_first))
        };
        assert_ne!(
            shared.read(floor_first),
            Some(false),
            "an admitted read lost its version"
        );
        unpinner.join().unwrap();
    });
}

#[test]
fn loom_a_read_at_a_pin_outlives_the_pin() {
    read_against_unpin(false, false);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_an_unpin_that_looks_at_guards_first_loses() {
    read_against_unpin(true, false);
}

/// The code itself, on the memory backend: a commit, a prune and a pin beside each other.
#[test]
fn loom_a_pin_beside_a_prune_keeps_what_it_sees() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(5);
    builder.check(|| {
        let storage = MemoryStorage::new();
        for value in [b"1", b"2", b"3"] {
            let mut batch = Batch::new();
            batch.set(b"key", value);
            storage.commit(batch, CommitOptions::default()).unwrap();
        }
        let pruner = {
            let storage = storage.clone();
            thread::spawn(move || storage.prune_before(Timestamp::new(3)).unwrap())
        };
        let pin = storage.pin("pin", AT, PinOptions::default());
        let report = pruner.join().unwrap();
        assert_eq!(report.floor, Timestamp::new(3));
        let read = storage.get_at(b"key", AT);
        match pin {
            Ok(_) => assert_eq!(read.unwrap(), Some(b"1".to_vec())),
            Err(_) => assert_eq!(read.unwrap_err().kind().name(), "pruned"),
        }
    });
}

/// The code itself: a state is read by a latest get, a scan and a get in the past, while what it lies in is
/// sealed, merged and let go, and the key is deleted.
#[test]
fn loom_a_state_is_the_same_wherever_it_lies() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let config = MemoryConfig {
            recent_versions_size: 0,
            ..MemoryConfig::default()
        };
        let storage = MemoryStorage::with_config(config);
        storage.set(b"key", b"1").unwrap();
        let other = {
            let storage = storage.clone();
            thread::spawn(move || {
                storage.delete(b"key").unwrap();
                storage.set(b"other", b"3").unwrap();
            })
        };
        let (before, latest) = (storage.visible(), storage.get(b"key").unwrap());
        let after = storage.visible();
        let is_there = latest.is_some();
        assert!(if is_there { before <= AT } else { after > AT });
        let rows = storage.scan_at(b"key", before).unwrap();
        assert_eq!(rows.len(), usize::from(before <= AT), "at {before}");
        assert_eq!(storage.get_at(b"key", AT).unwrap(), Some(b"1".to_vec()));
        other.join().unwrap();
        assert_eq!(storage.get(b"key").unwrap(), None);
    });
}
