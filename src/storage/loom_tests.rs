//! The protocol of guards against the moving floor, under the model checker.
//!
//! A version alive over `[1, 2)` is read at 1 while a prune moves the floor to 2. In every
//! interleaving the reader is refused, or finds the version.

use loom::thread;

use super::guards::Guards;
use crate::{
    PruneRule,
    sync::{Arc, AtomicBool, AtomicU64, Ordering},
    timestamp::Timestamp,
};

const AT: Timestamp = Timestamp::new(1);
const FLOOR: Timestamp = Timestamp::new(2);

struct Shared {
    guards: Arc<Guards>,
    floor: AtomicU64,
    dropped: AtomicBool,
}

/// What a prune does, in its order: publish the floor, then look at the guards.
fn prune(shared: &Shared, guards_first: bool) {
    let mut held = if guards_first {
        shared.guards.below(FLOOR)
    } else {
        Vec::new()
    };
    shared.floor.store(FLOOR.get(), Ordering::SeqCst);
    if !guards_first {
        held = shared.guards.below(FLOOR);
    }
    if PruneRule::new(FLOOR, held).drops_history(AT, FLOOR) {
        shared.dropped.store(true, Ordering::SeqCst);
    }
}

/// What a reader does, in its order: register, then load the floor. Returns whether the version was
/// there, or `None` where the read was refused.
fn read(shared: &Shared, floor_first: bool) -> Option<bool> {
    let admitted = || shared.floor.load(Ordering::SeqCst) <= AT.get();
    if floor_first && !admitted() {
        return None;
    }
    let _guard = shared.guards.register(AT);
    if !floor_first && !admitted() {
        return None;
    }
    Some(!shared.dropped.load(Ordering::SeqCst))
}

fn model(guards_first: bool, floor_first: bool) {
    loom::model(move || {
        let shared = Arc::new(Shared {
            guards: Guards::new(None),
            floor: AtomicU64::new(0),
            dropped: AtomicBool::new(false),
        });
        let pruner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || prune(&shared, guards_first))
        };
        assert_ne!(
            read(&shared, floor_first),
            Some(false),
            "an admitted read lost its version"
        );
        pruner.join().unwrap();
    });
}

#[test]
fn loom_an_admitted_read_keeps_its_version() {
    model(false, false);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_a_reader_that_loads_the_floor_first_loses() {
    model(false, true);
}

#[test]
#[should_panic(expected = "lost its version")]
fn loom_control_a_prune_that_looks_at_guards_first_loses() {
    model(true, false);
}
