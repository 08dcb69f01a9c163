//! Who runs which transaction, and who commits: the protocols between workers, each small enough for a
//! model checker.
//!
//! | module | owns |
//! |---|---|
//! | `cursor` | which transaction is proposed next |
//! | `status` | what is going on with each transaction; who waits for whom |
//! | `head` | who commits |
//! | `idle` | who sleeps, and who wakes it |

mod cursor;
mod head;
mod idle;
#[cfg(all(test, loom))]
mod loom_tests;
mod status;

use smallvec::SmallVec;

pub(super) use self::status::Head;
use self::{cursor::Cursor, head::HeadLock, idle::Idle, status::Statuses};
use crate::sync::{AtomicBool, AtomicU32, CachePadded, Ordering};

/// What can be halted: runs that are under way ask, sleepers are woken.
#[derive(Debug)]
pub(super) struct Halt {
    /// Asked by every call of a transaction.
    is_set: CachePadded<AtomicBool>,
    idle: CachePadded<Idle>,
}

impl Halt {
    pub(super) fn new() -> Self {
        Self {
            is_set: CachePadded::new(AtomicBool::new(false)),
            idle: CachePadded::default(),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        self.idle.wake_all();
    }
}

/// The schedule of one part of a block: from its first transaction to the end of the block.
///
/// It ends in one way only: the owner of the head halts it, because it has committed the last transaction
/// or because the block, or this part of it, ends earlier. Nobody counts who is still active.
#[derive(Debug)]
pub(super) struct Schedule<R> {
    cursor: CachePadded<Cursor>,
    statuses: Statuses<R>,
    head: CachePadded<HeadLock>,
    /// Everything below this is committed.
    committed: CachePadded<AtomicU32>,
    /// How far ahead of that transactions may run.
    window: AtomicU32,
    /// The index after the last.
    end: u32,
}

impl<R> Schedule<R> {
    pub(super) fn new(first: u32, end: u32, window: u32) -> Self {
        Self {
            cursor: CachePadded::new(Cursor::new(first)),
            statuses: Statuses::new(first, end.saturating_sub(first) as usize),
            head: CachePadded::new(HeadLock::new()),
            committed: CachePadded::new(AtomicU32::new(first)),
            window: AtomicU32::new(window),
            end,
        }
    }

    pub(super) fn committed(&self) -> u32 {
        self.committed.load(Ordering::Acquire)
    }

    pub(super) fn window(&self) -> u32 {
        self.window.load(Ordering::Relaxed)
    }

    pub(super) fn set_window(&self, window: u32) {
        self.window.store(window, Ordering::Relaxed);
    }

    fn limit(&self, committed: u32) -> u32 {
        committed.saturating_add(self.window()).min(self.end)
    }

    /// Takes the next transaction that is due, and begins a run of it.
    pub(super) fn claim(&self) -> Option<(u32, u32)> {
        loop {
            let committed = self.committed();
            let index = self.cursor.claim(committed, self.limit(committed))?;
            if let Some(incarnation) = self.statuses.claim(index) {
                return Some((index, incarnation));
            }
        }
    }

    /// The same for a transaction that was handed over.
    pub(super) fn claim_at(&self, index: u32) -> Option<(u32, u32)> {
        Some((index, self.statuses.claim(index)?))
    }

    /// Ends a run; what it wrote is in the memory. Returns a transaction that waited for it, handed over
    /// to the caller.
    pub(super) fn finish(&self, index: u32, run: R) -> Option<u32> {
        let dependents = self.statuses.finish(index, run);
        self.arm_for(index);
        self.resume(dependents)
    }

    /// Gives a run up that cannot succeed before everything below it is committed.
    pub(super) fn defer(&self, index: u32) {
        self.statuses.give_back(index);
        self.arm_for(index);
    }

    /// Gives a run up until a lower transaction has finished. Returns false where it has: then the caller
    /// runs it again.
    pub(super) fn wait_for(&self, index: u32, on: u32) -> bool {
        let is_waiting = self.statuses.wait_for(index, on);
        if is_waiting {
            self.arm_for(index);
        }
        is_waiting
    }

    pub(super) fn next_incarnation(&self, index: u32) -> u32 {
        self.statuses.next_incarnation(index)
    }

    /// The status of a transaction was changed: if it is at the head, or below, somebody has to look.
    ///
    /// The owner moves the head first and looks at the status after; here the status was changed first. So
    /// one of the two sees the other.
    fn arm_for(&self, index: u32) {
        if self.committed() >= index {
            self.head.arm();
        }
    }

    /// Makes those due that waited. The lowest is the caller's, who has just made what they wait for.
    fn resume(&self, dependents: SmallVec<[u32; 2]>) -> Option<u32> {
        let mut handed = None;
        for index in dependents {
            if !self.statuses.resume(index) {
                continue;
            }
            self.arm_for(index);
            let other = match handed {
                Some(lower) if lower < index => Some(index),
                higher => {
                    handed = Some(index);
                    higher
                }
            };
            if let Some(other) = other {
                self.cursor.rewind(other);
            }
        }
        handed
    }

    /// A transaction that was handed over and not run: somebody else may.
    pub(super) fn hand_back(&self, index: u32) {
        self.cursor.rewind(index);
    }

    pub(super) fn try_take_head(&self) -> bool {
        self.head.try_take()
    }

    pub(super) fn release_head(&self) {
        self.head.release();
    }

    /// What is at the head: for its owner. `None` at the end of the block.
    pub(super) fn at_head(&self) -> Option<(u32, Head<R>)> {
        let index = self.committed();
        (index < self.end).then(|| (index, self.statuses.take(index)))
    }

    /// Commits the transaction at the head. Returns one that waited for it, handed over.
    pub(super) fn commit(&self, index: u32) -> Option<u32> {
        let dependents = self.statuses.commit(index);
        self.committed.store(index + 1, Ordering::Release);
        self.resume(dependents)
    }

    /// A finished run a little above the head that nobody has looked at, from `from` on.
    pub(super) fn look<A>(&self, index: u32, at: impl FnOnce(&R) -> A) -> Option<(u32, A)> {
        self.statuses.look(index, at)
    }

    /// Takes a finished run back; the caller runs the transaction again.
    pub(super) fn abort(&self, index: u32, incarnation: u32) -> Option<R> {
        self.statuses.abort(index, incarnation)
    }

    fn has_work(&self) -> bool {
        let committed = self.committed();
        self.head.can_take() || self.cursor.has_any(committed, self.limit(committed))
    }

    /// Sleeps until there may be something to do.
    pub(super) fn sleep(&self, halt: &Halt) {
        let ticket = halt.idle.prepare();
        if halt.is_set() || self.has_work() {
            halt.idle.cancel(ticket);
        } else {
            halt.idle.sleep(ticket);
        }
    }

    /// Wakes those that sleep, if there is enough to do to be worth it. The caller stays awake, so nothing is
    /// left undone where nobody is woken.
    pub(super) fn wake(&self, halt: &Halt) {
        if !halt.idle.has_sleepers() {
            return;
        }
        let committed = self.committed();
        let limit = self.limit(committed);
        let worth = (self.window() / 2)
            .clamp(1, 8)
            .min(limit.saturating_sub(committed));
        if worth > 0
            && self
                .cursor
                .has_any(committed, limit.saturating_sub(worth - 1))
        {
            halt.idle.wake_all();
        }
    }
}
