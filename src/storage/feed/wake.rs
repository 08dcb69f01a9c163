//! [`Wake`]: how a feed waits for the next commit.
//!
//! Who waits says so first and looks second; who has moved the visible timestamp looks for waiters after. So one
//! of the two sees the other, and a commit costs a load where nobody waits. Who waits has the lock from before it
//! said so until it sleeps, so that it is not woken before.

use std::time::Instant;

use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, fence};

#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(super) waiting: AtomicU64,
    lock: Mutex<()>,
    moved: Condvar,
}

impl Wake {
    /// To be called after what is waited for has changed.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.moved.notify_all();
        }
    }

    /// Waits until something has changed, no longer than until the deadline. Returns whether it has.
    pub(super) fn wait(&self, deadline: Option<Instant>, has_changed: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let (mut changed, mut is_late) = (has_changed(), false);
        while !changed && !is_late {
            (guard, is_late) = self.moved.wait_until(guard, deadline);
            changed = has_changed();
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(guard);
        changed
    }
}
