//! [`Idle`]: where workers sleep that find nothing to do.
//!
//! A worker says that it is about to sleep, looks once more for something to do, and sleeps only if nobody
//! has woken anybody since it said so. Whoever makes something to do looks for sleepers after. Both
//! write to the same counter, so one of them sees the other.

use crate::sync::{AtomicU32, Condvar, Mutex, Ordering};

#[derive(Debug, Default)]
pub(in crate::executor) struct Idle {
    sleepers: Sleepers,
    /// How often somebody was woken.
    wakes: Mutex<u64>,
    wake: Condvar,
}

#[derive(Debug)]
struct Sleepers(AtomicU32);

impl Default for Sleepers {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

/// The word of a worker that it is about to sleep.
#[derive(Debug)]
#[must_use = "who does not sleep has to say so"]
pub(in crate::executor) struct Ticket(u64);

impl Idle {
    /// Says that the worker is about to sleep. It must look for something to do after this.
    pub(in crate::executor) fn prepare(&self) -> Ticket {
        let wakes = *self.wakes.lock();
        self.sleepers.0.fetch_add(1, Ordering::AcqRel);
        Ticket(wakes)
    }

    /// There was something to do after all.
    pub(in crate::executor) fn cancel(&self, _: Ticket) {
        self.sleepers.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sleeps until somebody is woken.
    pub(in crate::executor) fn sleep(&self, Ticket(before): Ticket) {
        let mut wakes = self.wakes.lock();
        while *wakes == before {
            wakes = self.wake.wait(wakes);
        }
        drop(wakes);
        self.sleepers.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether somebody sleeps, or is about to. What was made to do before the call is seen by those that
    /// are not counted.
    pub(in crate::executor) fn has_sleepers(&self) -> bool {
        // A write, so that it comes before or after that of a worker about to sleep.
        self.sleepers.0.fetch_add(0, Ordering::AcqRel) > 0
    }

    /// Wakes whoever sleeps.
    pub(in crate::executor) fn wake_all(&self) {
        if self.has_sleepers() {
            *self.wakes.lock() += 1;
            self.wake.notify_all();
        }
    }
}
