//! [`Gate`]: where writers wait while the retention debt is above its limit.
//!
//! Who waits here holds nothing that the prune waits for: neither the turn to commit nor a lock, and where it is a
//! transaction, no snapshot yet. What else the thread holds (a snapshot, say, and just the one that holds the
//! floor) cannot be known, so the wait is bounded.

use std::time::Instant;

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// What `state` says, to be asked without the lock.
    is_shut: AtomicBool,
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    has_ended: bool,
}

impl Gate {
    pub(crate) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::SeqCst)
    }

    /// Waits until it is open, no longer than until `deadline`. Whether it is.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while state.is_shut {
            let (guard, is_late) = self.opened.wait_until(state, deadline);
            state = guard;
            if is_late {
                break;
            }
        }
        !state.is_shut
    }

    /// Shuts it or opens it. Once it has ended it stays open.
    pub(crate) fn set(&self, is_shut: bool) {
        let mut state = self.state.lock();
        state.is_shut = is_shut && !state.has_ended;
        self.is_shut.store(state.is_shut, Ordering::SeqCst);
        if !state.is_shut {
            self.opened.notify_all();
        }
    }

    /// Opens it for good: whoever waits is told by others what has happened.
    pub(crate) fn end(&self) {
        self.state.lock().has_ended = true;
        self.set(false);
    }
}
