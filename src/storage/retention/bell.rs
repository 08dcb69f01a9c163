//! [`Bell`]: wakes the thread that keeps to the policy.
//!
//! Whoever commits rings; only the first ring after the thread has begun to look costs more than a swap. The thread
//! stops listening before it looks, so a commit that it does not see rings again.

use std::time::Instant;

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Rung since the thread looked last.
    is_rung: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    has_ended: bool,
}

impl Bell {
    /// There is something new.
    pub(crate) fn ring(&self) {
        // A swap on both sides: either this one comes later and rings, or the thread that looks sees what was done
        // before it. A load could see an old ring that the thread has stopped listening to.
        if !self.is_rung.swap(true, Ordering::SeqCst) {
            // Whoever has found it silent under the lock waits by then.
            drop(self.state.lock());
            self.changed.notify_all();
        }
    }

    /// Ends all waiting, for good.
    pub(crate) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Waits until it is rung, but no longer than until `deadline`. False once it has ended.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while !state.has_ended && !self.is_rung.load(Ordering::SeqCst) {
            let (guard, is_late) = self.changed.wait_until(state, deadline);
            state = guard;
            if is_late {
                break;
            }
        }
        !state.has_ended
    }

    /// Lets time pass, rung or not. False once it has ended.
    pub(crate) fn rest(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.has_ended {
            let (guard, is_late) = self.changed.wait_until(state, Some(deadline));
            state = guard;
            if is_late {
                break;
            }
        }
        !state.has_ended
    }

    /// To be called before looking: what comes from now on rings again.
    pub(crate) fn listen(&self) {
        self.is_rung.swap(false, Ordering::SeqCst);
    }
}
