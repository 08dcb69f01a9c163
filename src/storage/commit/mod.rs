//! The commit pipeline: the one way in for every write of every handle.
//!
//! ```text
//!  threads    prepare     sorted writes, limits
//!     |
//!  queue      wait        for the turn, or for another that commits for all
//!     |
//!  group      check       transactions against commits since their snapshots, and within the group
//!             number      last + 1, or the caller's timestamp
//!             rows        one record for each commit, one atomic batch for the group
//!             write       once, and once to the disk
//!             remember    the versions, in memory
//!             publish     conflict records and visible timestamp, together
//!     |
//!  threads    merge       a little, for those that come later: see `merge`
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `queue` | who works, for whom, in which order |
//! | `conflicts` | which keys were committed lately, and which transactions will ask |
//! | `group` | what one turn does |
//! | `rows` | the record of a commit |
//!
//! **Invariants:**
//! - Groups enter the backend one at a time, in timestamp order.
//! - Until the write, an error fails its one commit and changes nothing. After a failed write the
//!   outcome is unknown: its whole group fails, nothing is committed any more, and its timestamps are
//!   not given again, until the store is opened anew and asks the backend.
//! - A commit is visible only after it was written, wholly, and with all commits below it.

mod conflicts;
mod group;
#[cfg(all(test, loom))]
mod loom_tests;
mod queue;
mod rows;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) use conflicts::{Clash, Refusal};
pub(crate) use conflicts::{Conflicts, OpenTransaction, Reliance};
pub(crate) use group::{CommitState, Counts};
use group::{Expected, Request, Requires};
use queue::{Lost, Queue, Reentered, Turn, Wait};

use super::{
    batch::{Batch, CommitInfo, CommitOptions, Write},
    iter::Value,
    key_range::KeyRange,
    store::Store,
    walk::{Direction, Walk},
};
use crate::{
    backend::Access,
    config::Durability,
    error::{Error, ErrorKind, Result},
    failpoint::{Point, reach},
    limits::{BATCH_MAX_WRITES, GROUP_MAX_BYTES},
    metrics::Timed,
    sync::{Arc, MutexGuard},
    timestamp::Timestamp,
};

/// The queue of commits.
pub(crate) type Commits = Queue<Request, Result<CommitInfo>>;

/// The turn to commit. Nothing is committed while it is held, but through it.
pub(crate) struct CommitTurn<'s> {
    store: &'s Store,
    _turn: Turn<'s, Request, Result<CommitInfo>>,
}

impl Store {
    /// Commits a batch.
    pub(crate) fn commit(&self, batch: Batch, options: CommitOptions) -> Result<CommitInfo> {
        self.wait_for_debt()?;
        self.submit(Request {
            writes: batch.into_sorted()?,
            live: None,
            requires: Requires::Nothing,
            options,
            asked: None,
        })
    }

    /// Sets or deletes one key, if its newest committed value is the expected one.
    pub(crate) fn compare_and_set(
        &self,
        user_key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        let mut batch = Batch::new();
        match new {
            Some(value) => batch.set(user_key, value),
            None => batch.delete(user_key),
        };
        let expected = Expected(expected.map(Value::copy_from_slice));
        self.wait_for_debt()?;
        self.submit(Request {
            writes: batch.into_sorted()?,
            live: None,
            requires: Requires::Value(expected),
            options,
            asked: None,
        })
    }

    /// Commits what a transaction wrote, if what it relies on still holds.
    ///
    /// `writes` are in key order, each key once. What its deletes will find is looked up here, before the
    /// turn: if none of these keys was committed since the snapshot, as will be checked, then it is the same
    /// then.
    pub(crate) fn commit_transaction(
        &self,
        writes: Vec<Write>,
        mut reliance: Reliance,
        options: CommitOptions,
        turn: Option<&CommitTurn<'_>>,
    ) -> Result<CommitInfo> {
        self.check_open()?;
        self.conflicts
            .precheck(&mut reliance, &writes)
            .map_err(|refusal| self.refused(reliance.snapshot(), refusal))?;
        let live = Some(rows::Rows::default().live(self, &writes)?);
        let request = Request {
            writes,
            live,
            requires: Requires::Unchanged(reliance),
            options,
            asked: None,
        };
        match turn {
            Some(turn) if std::ptr::eq(turn.store, self) => turn.commit(request),
            _ => self.submit(request),
        }
    }

    /// Commits batches as one group.
    #[cfg(test)]
    pub(super) fn commit_together(
        &self,
        batches: Vec<(Batch, CommitOptions)>,
    ) -> Vec<Result<CommitInfo>> {
        let outcomes = self.commit_unpaid(batches);
        let written = outcomes.iter().flatten().map(|info| info.writes);
        self.pay(written.sum());
        outcomes
    }

    /// The same, by threads that do nothing for the merge.
    #[cfg(test)]
    pub(super) fn commit_unpaid(
        &self,
        batches: Vec<(Batch, CommitOptions)>,
    ) -> Vec<Result<CommitInfo>> {
        let request = |(batch, options): (Batch, CommitOptions)| Request {
            writes: batch.into_sorted().unwrap_or_default(),
            live: None,
            requires: Requires::Nothing,
            options,
            asked: None,
        };
        self.commit_group(batches.into_iter().map(request).collect())
    }

    /// Deletes every key of a range that is live, as one commit.
    pub(crate) fn delete_range(
        self: &Arc<Self>,
        range: &KeyRange,
        options: CommitOptions,
    ) -> Result<CommitInfo> {
        self.wait_for_debt()?;
        let turn = self.commit_turn()?;
        self.check_open()?;
        let mut writes = Vec::new();
        let mut size_bytes = 0;
        let at = self.clock.visible();
        let mut walk = Walk::new(self, at, range, Direction::Forward, Access::Scan)?;
        while let Some((user_key, _)) = walk.step()? {
            if writes.len() == BATCH_MAX_WRITES {
                return Err(Error::too_large(format!(
                    "the range holds more than {BATCH_MAX_WRITES} keys; delete it in parts"
                )));
            }
            size_bytes += user_key.len();
            rows::check_size(size_bytes)?;
            writes.push((user_key, None));
        }
        let live = Some(vec![true; writes.len()]);
        turn.commit(Request {
            writes,
            live,
            requires: Requires::Nothing,
            options,
            asked: None,
        })
    }

    /// Waits for the turn to commit. All commits that came before are done then.
    pub(crate) fn commit_turn(&self) -> Result<CommitTurn<'_>> {
        let turn = self.commits.turn().map_err(|Reentered| reentered())?;
        Ok(CommitTurn {
            store: self,
            _turn: turn,
        })
    }

    fn submit(&self, mut request: Request) -> Result<CommitInfo> {
        self.check_open()?;
        let asked = self.meter.start();
        request.asked = asked;
        let weight = request.weight();
        let wait = match request
            .options
            .durability
            .unwrap_or(self.options.durability)
        {
            Durability::Buffered => Wait::Looking,
            Durability::Sync => Wait::Asleep,
        };
        let info = self
            .commits
            .submit(request, weight, GROUP_MAX_BYTES, wait, |requests| {
                self.commit_group(requests)
            })
            .map_err(|Reentered| reentered())?
            .unwrap_or_else(|Lost| Err(lost()))?;
        reach(Point::CommitAnswered);
        self.meter.note(Timed::CommitWhole, asked);
        self.pay(info.writes);
        Ok(info)
    }
}

impl CommitTurn<'_> {
    fn commit(&self, request: Request) -> Result<CommitInfo> {
        let asked = self.store.meter.start();
        let info = self
            .store
            .commit_group(vec![request])
            .pop()
            .unwrap_or_else(|| Err(lost()))?;
        self.store.meter.note(Timed::CommitWhole, asked);
        self.store.pay(info.writes);
        Ok(info)
    }

    /// Commits a batch.
    pub(crate) fn commit_batch(&self, batch: Batch, options: CommitOptions) -> Result<CommitInfo> {
        self.commit(Request {
            writes: batch.into_sorted()?,
            live: None,
            requires: Requires::Nothing,
            options,
            asked: None,
        })
    }

    /// Makes a commit again. Its writes are in key order, each key once.
    pub(crate) fn replay(&self, writes: Vec<Write>, options: CommitOptions) -> Result<CommitInfo> {
        self.commit(Request {
            writes,
            live: None,
            requires: Requires::Nothing,
            options,
            asked: None,
        })
    }

    /// The last commit.
    pub(crate) fn last(&self) -> Timestamp {
        self.state().last
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, CommitState> {
        self.store.commit.lock()
    }
}

fn reentered() -> Error {
    Error::invalid(
        "this thread holds the turn to commit: in the last attempt of a transaction that kept losing, \
         write through that transaction; between blocks, through blocks; and do the rest after it",
    )
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Io,
        "the thread that was writing this commit ended; whether it took effect is unknown: close the \
         store, open it again, then read",
    )
}
