//! [`Cursor`]: which transaction is to be run next, ahead of the commit head.
//!
//! A claim is only a proposal: whether there is anything to run, the transaction's status says. So a
//! rewind comes after the status was changed, and an index that was rewound to is proposed again.

use crate::sync::{AtomicU32, Ordering};

#[derive(Debug)]
pub(in crate::executor) struct Cursor(AtomicU32);

impl Cursor {
    pub(in crate::executor) fn new(first: u32) -> Self {
        Self(AtomicU32::new(first))
    }

    /// Proposes the next index at or above `from` and below `limit`.
    pub(in crate::executor) fn claim(&self, from: u32, limit: u32) -> Option<u32> {
        let mut next = self.0.load(Ordering::Acquire);
        loop {
            let claimed = next.max(from);
            if claimed >= limit {
                return None;
            }
            match self.0.compare_exchange_weak(
                next,
                claimed + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(claimed),
                Err(now) => next = now,
            }
        }
    }

    /// Has `index` proposed again.
    pub(in crate::executor) fn rewind(&self, index: u32) {
        self.0.fetch_min(index, Ordering::AcqRel);
    }

    /// Whether there is anything to propose.
    pub(in crate::executor) fn has_any(&self, from: u32, limit: u32) -> bool {
        self.0.load(Ordering::Acquire).max(from) < limit
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn indices_are_proposed_in_order_and_again_after_a_rewind() {
        let cursor = Cursor::new(0);
        assert_eq!(
            [(); 3].map(|()| cursor.claim(0, 2)),
            [Some(0), Some(1), None]
        );
        cursor.rewind(0);
        cursor.rewind(1);
        assert_eq!(cursor.claim(0, 2), Some(0));
        assert_eq!(
            cursor.claim(5, 7),
            Some(5),
            "what is committed is passed over"
        );
        assert!(cursor.has_any(0, 7) && !cursor.has_any(0, 6));
    }
}
