//! [`HeadLock`]: who commits.
//!
//! Whoever makes a transaction ready at the commit head arms the lock, and then tries to take it. It
//! can be taken when it is armed and free; taking it disarms it. The owner looks at the head after that; and
//! if it was armed meanwhile, it takes it once more after letting it go. So a head that is ready is never
//! without an owner, and there are never two.

use crate::sync::{AtomicU32, Ordering};

const OWNED: u32 = 1;
const ARMED: u32 = 2;

#[derive(Debug)]
pub(in crate::executor) struct HeadLock(AtomicU32);

impl HeadLock {
    /// Armed: the first transaction is ready to be run.
    pub(in crate::executor) fn new() -> Self {
        Self(AtomicU32::new(ARMED))
    }

    /// There may be something to commit.
    pub(in crate::executor) fn arm(&self) {
        self.0.fetch_or(ARMED, Ordering::AcqRel);
    }

    /// Takes it, if it is armed and free.
    pub(in crate::executor) fn try_take(&self) -> bool {
        self.can_take()
            && self
                .0
                .compare_exchange(ARMED, OWNED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Whether it is armed and free.
    pub(in crate::executor) fn can_take(&self) -> bool {
        self.0.load(Ordering::Acquire) == ARMED
    }

    /// Lets it go. Who does must try to take it again: it may have been armed meanwhile.
    pub(in crate::executor) fn release(&self) {
        self.0.fetch_and(!OWNED, Ordering::AcqRel);
    }
}
