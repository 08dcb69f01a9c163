//! [`Statuses`]: what is going on with each transaction.
//!
//! ```text
//!            claim             finish              take (head)          commit
//!   Ready ---------> Running ---------> Finished --------------> Running --------> Committed
//!     ^                | |                  |                      ^
//!     |   wait_for     | | give_back        | abort                | by the head: claim or take
//!     +---- Waiting <--+ +--> Ready         +--> Running (the next incarnation, by who aborted it)
//!      resume
//! ```
//!
//! **Invariants:**
//! - one thread runs a transaction at a time, and one takes or aborts a run that finished;
//! - what a run wrote is in the memory before its status says that it finished;
//! - a transaction waits only for a lower one that will finish, and is resumed once.

use smallvec::SmallVec;

use crate::sync::{CachePadded, Mutex};

#[derive(Debug)]
pub(in crate::executor) struct Statuses<R> {
    /// The index of the first.
    first: u32,
    txns: Box<[CachePadded<Mutex<Txn<R>>>]>,
}

#[derive(Debug)]
struct Txn<R> {
    phase: Phase<R>,
    incarnation: u32,
    /// Those that wait for it.
    dependents: SmallVec<[u32; 2]>,
}

#[derive(Debug)]
enum Phase<R> {
    Ready,
    Running,
    Waiting,
    Finished(R),
    Committed,
}

/// What the head finds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::executor) enum Head<R> {
    /// Another runs it. Who does will arm the head's lock.
    Busy,
    /// A finished run, to be checked.
    Finished { incarnation: u32, run: R },
    /// Nobody runs it: the head does, as this incarnation.
    Claimed { incarnation: u32 },
}

impl<R> Statuses<R> {
    pub(in crate::executor) fn new(first: u32, count: usize) -> Self {
        let new = || {
            CachePadded::new(Mutex::new(Txn {
                phase: Phase::Ready,
                incarnation: 0,
                dependents: SmallVec::new(),
            }))
        };
        Self {
            first,
            txns: std::iter::repeat_with(new).take(count).collect(),
        }
    }

    fn with<A>(&self, index: u32, change: impl FnOnce(&mut Txn<R>) -> A) -> Option<A> {
        let txn = self.txns.get(index.checked_sub(self.first)? as usize)?;
        Some(change(&mut txn.lock()))
    }

    /// Begins a run, if one is due. Returns its incarnation.
    pub(in crate::executor) fn claim(&self, index: u32) -> Option<u32> {
        self.with(index, |txn| {
            let is_ready = matches!(txn.phase, Phase::Ready);
            is_ready.then(|| {
                txn.phase = Phase::Running;
                txn.incarnation
            })
        })?
    }

    /// Ends a run, which then waits to be committed. Returns those that waited for it.
    pub(in crate::executor) fn finish(&self, index: u32, run: R) -> SmallVec<[u32; 2]> {
        let finished = self.with(index, |txn| {
            txn.phase = Phase::Finished(run);
            std::mem::take(&mut txn.dependents)
        });
        finished.unwrap_or_default()
    }

    /// Gives a run up: another is due.
    pub(in crate::executor) fn give_back(&self, index: u32) {
        self.with(index, |txn| {
            txn.phase = Phase::Ready;
            txn.incarnation += 1;
        });
    }

    /// Gives a run up, until `on`, which lies below, has finished. Returns false where it has already:
    /// then the run is still the caller's.
    pub(in crate::executor) fn wait_for(&self, index: u32, on: u32) -> bool {
        let registered = self.with(on, |below| {
            if matches!(below.phase, Phase::Finished(_) | Phase::Committed) {
                return false;
            }
            below.dependents.push(index);
            // Under the lock of the lower: it cannot finish in between. Locks are taken upwards only.
            self.with(index, |txn| txn.phase = Phase::Waiting);
            true
        });
        registered.unwrap_or(false)
    }

    /// Makes a run due again that was waiting. Returns whether it was.
    pub(in crate::executor) fn resume(&self, index: u32) -> bool {
        let resumed = self.with(index, |txn| {
            let is_waiting = matches!(txn.phase, Phase::Waiting);
            if is_waiting {
                txn.phase = Phase::Ready;
                txn.incarnation += 1;
            }
            is_waiting
        });
        resumed.unwrap_or(false)
    }

    /// Takes the transaction at the commit head, for its owner alone.
    pub(in crate::executor) fn take(&self, index: u32) -> Head<R> {
        let taken = self.with(index, |txn| {
            match std::mem::replace(&mut txn.phase, Phase::Running) {
                Phase::Running => Head::Busy,
                Phase::Committed => {
                    txn.phase = Phase::Committed;
                    Head::Busy
                }
                Phase::Finished(run) => Head::Finished {
                    incarnation: txn.incarnation,
                    run,
                },
                Phase::Ready => Head::Claimed {
                    incarnation: txn.incarnation,
                },
                // Whoever resumes it will find that it does not wait any more.
                Phase::Waiting => {
                    txn.incarnation += 1;
                    Head::Claimed {
                        incarnation: txn.incarnation,
                    }
                }
            }
        });
        taken.unwrap_or(Head::Busy)
    }

    /// The next incarnation of a transaction that the caller runs.
    pub(in crate::executor) fn next_incarnation(&self, index: u32) -> u32 {
        let next = self.with(index, |txn| {
            txn.incarnation += 1;
            txn.incarnation
        });
        next.unwrap_or(0)
    }

    /// Ends a transaction for good. Returns those that waited for it.
    pub(in crate::executor) fn commit(&self, index: u32) -> SmallVec<[u32; 2]> {
        let committed = self.with(index, |txn| {
            txn.phase = Phase::Committed;
            std::mem::take(&mut txn.dependents)
        });
        committed.unwrap_or_default()
    }

    /// Something of a finished run, and its incarnation.
    pub(in crate::executor) fn look<A>(
        &self,
        index: u32,
        at: impl FnOnce(&R) -> A,
    ) -> Option<(u32, A)> {
        self.with(index, |txn| match &txn.phase {
            Phase::Finished(run) => Some((txn.incarnation, at(run))),
            _ => None,
        })?
    }

    /// Takes a finished run back, if it is still this one: the caller runs the transaction again. Of
    /// several that try, the head included, one gets it.
    pub(in crate::executor) fn abort(&self, index: u32, incarnation: u32) -> Option<R> {
        self.with(index, |txn| {
            if txn.incarnation != incarnation || !matches!(txn.phase, Phase::Finished(_)) {
                return None;
            }
            txn.incarnation += 1;
            match std::mem::replace(&mut txn.phase, Phase::Running) {
                Phase::Finished(run) => Some(run),
                _ => None,
            }
        })?
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_run_by_one_at_a_time() {
        let statuses: Statuses<&str> = Statuses::new(10, 2);
        assert_eq!(statuses.claim(10), Some(0));
        assert_eq!(statuses.claim(10), None);
        assert_eq!(statuses.take(10), Head::Busy);
        statuses.give_back(10);
        assert_eq!(statuses.claim(10), Some(1));
        statuses.finish(10, "run");
        assert_eq!(statuses.claim(10), None);
        assert_eq!(
            statuses.take(10),
            Head::Finished {
                incarnation: 1,
                run: "run"
            }
        );
        assert_eq!(statuses.abort(10, 1), None, "the head has it");
        statuses.commit(10);
        assert_eq!(statuses.take(10), Head::Busy);
        assert_eq!((statuses.claim(9), statuses.claim(12)), (None, None));
    }

    #[test]
    fn who_waits_is_resumed_once_by_whom_it_waits_for() {
        let statuses: Statuses<()> = Statuses::new(0, 4);
        for index in 0..4 {
            statuses.claim(index);
        }
        assert!(statuses.wait_for(2, 0) && statuses.wait_for(3, 0));
        assert_eq!(statuses.finish(0, ()).as_slice(), [2, 3]);
        assert!(statuses.resume(2) && !statuses.resume(2));
        assert_eq!(statuses.claim(2), Some(1));
        assert!(!statuses.wait_for(1, 0), "it has finished already");
        assert_eq!(statuses.take(3), Head::Claimed { incarnation: 1 });
        assert!(!statuses.resume(3), "the head has it");
    }

    #[test]
    fn a_finished_run_is_taken_back_once_and_by_its_incarnation() {
        let statuses = Statuses::new(0, 1);
        statuses.claim(0);
        statuses.finish(0, "first");
        assert_eq!(statuses.look(0, |run| *run), Some((0, "first")));
        assert_eq!(statuses.abort(0, 0), Some("first"));
        assert_eq!(
            (statuses.abort(0, 0), statuses.look(0, |_| ())),
            (None, None)
        );
        statuses.finish(0, "second");
        assert_eq!(statuses.abort(0, 0), None, "that was another run");
        assert_eq!(statuses.abort(0, 1), Some("second"));
    }
}
