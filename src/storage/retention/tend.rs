//! Keeping to the policy: the floor is moved to where it would have it.
//!
//! A call does it at once. The background does it once there is enough to do: each prune reads all of history, so
//! it waits until a quarter of what is kept is past keeping, or history is over its limit, or the debt is.

use std::time::{Instant, SystemTime};

use super::{FloorHold, RetentionPolicy, search};
use crate::{
    backend::{Keyspace, Progress, WriteBatch},
    codec::meta,
    config::Durability,
    error::{Error, ErrorKind, Result},
    metrics::Timed,
    storage::{PruneReport, store::Store},
    sync::Arc,
    timestamp::Timestamp,
    trace,
};

/// The background prunes once this part of what is kept is past keeping.
const DUE: u64 = 4;
/// Over its limit, history is brought down by this part of it.
const SLACK: u64 = 8;

/// What the background has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tended {
    /// Nothing is due until something is committed.
    Idle,
    /// Something would be, if it were not held.
    Held,
    /// It has pruned.
    Pruned,
}

/// Where a policy would have the floor, in an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) floor: Timestamp,
    policy: RetentionPolicy,
    epoch: u64,
}

impl Store {
    /// Changes the policy, durably.
    pub(crate) fn set_retention(self: &Arc<Self>, policy: RetentionPolicy) -> Result<()> {
        policy.check()?;
        let policy = policy.as_stored();
        let retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        let mut batch = WriteBatch::default();
        batch.put(Keyspace::Meta, &[meta::RETENTION], &[&policy.encode()]);
        self.backend.write(batch, Durability::Sync)?;
        *self.keeping.policy.lock() = policy;
        drop(retention);
        self.keeping.figures.lock().wanted = Timestamp::ZERO;
        self.weigh_debt();
        self.tend_in_background();
        self.keeping.bell.ring();
        Ok(())
    }

    /// Prunes what the policy no longer keeps, and gives back the space of all that is below the floor.
    pub(crate) fn apply_retention(&self, progress: Progress<'_>) -> Result<PruneReport> {
        self.check_open()?;
        self.check_not_read_only()?;
        if self.keeping.policy().history_bytes.is_some() {
            // Versions that are in memory still are history too.
            self.merge_all()?;
        }
        loop {
            let wanted = self.wanted()?;
            if let Some(report) = self.prune_to(&wanted, progress)? {
                self.weigh_debt();
                return Ok(report);
            }
        }
    }

    /// Prunes, unless another policy or epoch has come between.
    pub(super) fn prune_to(
        &self,
        wanted: &Wanted,
        progress: Progress<'_>,
    ) -> Result<Option<PruneReport>> {
        // Both are changed under the retention lock only.
        let holds = || self.keeping.policy() == wanted.policy && self.clock.epoch() == wanted.epoch;
        match self.prune_if(wanted.floor, &holds, progress) {
            // A rollback came between: the newest commit is another.
            Err(error) if matches!(error.kind(), ErrorKind::NotYet { .. }) => Ok(None),
            done => done,
        }
    }

    /// Where the policy would have the floor now; the floor, where that is higher.
    pub(super) fn wanted(&self) -> Result<Wanted> {
        loop {
            let era = self.clock.era()?;
            let policy = self.keeping.policy();
            let epoch = self.clock.epoch();
            // The floor first: commits above it are on record, whatever is pruned meanwhile.
            let (floor, visible) = (self.floor(), self.clock.visible());
            let commits = search::Commits {
                backend: self.backend.as_ref(),
                epoch,
                floor,
                visible,
            };
            let found = self
                .keeping
                .search
                .lock()
                .run(&commits, &policy, SystemTime::now());
            let by_size = match policy.history_bytes {
                Some(limit) => self.past_size(limit, visible)?,
                None => None,
            };
            // What was dropped while it was walked over, was dropped by a floor that is higher now.
            if !self.clock.is_still(era) || self.floor() != floor {
                continue;
            }
            let found = found?;
            let wanted = found.floor.max(by_size.unwrap_or(floor));
            let wanted = wanted.min(found.at_most).max(floor);
            self.keeping.figures.lock().wanted = wanted;
            return Ok(Wanted {
                floor: wanted,
                policy,
                epoch,
            });
        }
    }

    /// The floor that brings history down, where it is over its limit.
    fn past_size(&self, limit: u64, visible: Timestamp) -> Result<Option<Timestamp>> {
        let size = self.backend.size_bytes(Keyspace::History)?;
        if size <= limit {
            return Ok(None);
        }
        let excess = size - (limit - limit / SLACK);
        let figures = self.keeping.figures.lock();
        // The rows are counted in other bytes than those that they take.
        let counted = figures.ended.total().saturating_add(figures.pinned_bytes);
        let excess = (u128::from(excess) * u128::from(counted)).div_ceil(u128::from(size));
        let end = figures
            .ended
            .reaching(u64::try_from(excess).unwrap_or(u64::MAX).max(1));
        Ok(Some(end.unwrap_or(visible).min(visible)))
    }

    /// Keeps to the policy, where there is enough to do.
    pub(super) fn tend(&self) -> Result<Tended> {
        self.check_open()?;
        if self.keeping.policy().keeps_all() {
            return Ok(Tended::Idle);
        }
        // Those that have expired may be all that there is to do.
        self.pins()?;
        let wanted = self.wanted()?;
        self.weigh_debt();
        self.let_go_before(wanted.floor)?;
        let hold = self.floor_hold(wanted.floor);
        let reached = hold.as_ref().map_or(wanted.floor, FloorHold::timestamp);
        if !self.is_due(&wanted.policy, reached)? {
            return Ok(if hold.is_some() {
                Tended::Held
            } else {
                Tended::Idle
            });
        }
        self.prune_to(&wanted, &mut |_, _| {})?;
        Ok(Tended::Pruned)
    }

    /// Lets go of what may not hold the floor below `before` any longer, as a prune does first.
    fn let_go_before(&self, before: Timestamp) -> Result<()> {
        let _retention = self.retention.lock();
        self.guards.let_go_of_the_old();
        self.let_go_of_feeds(before)
    }

    /// Whether moving the floor to `reached` is worth a pass. Timestamps stand in for commits: where there are gaps, it
    /// is done a little earlier or later.
    fn is_due(&self, policy: &RetentionPolicy, reached: Timestamp) -> Result<bool> {
        let past = reached.get().saturating_sub(self.floor().get());
        let kept = self.clock.visible().get().saturating_sub(reached.get());
        let (debt, below) = self.debt();
        let (total, is_unpinned) = {
            let figures = self.keeping.figures.lock();
            (figures.ended.total(), figures.is_unpinned)
        };
        if is_unpinned && below.saturating_mul(DUE) > total {
            return Ok(true);
        }
        if past == 0 {
            return Ok(false);
        }
        if past.saturating_mul(DUE) > kept
            || policy.debt_limit_bytes.is_some_and(|limit| debt > limit)
        {
            return Ok(true);
        }
        match policy.history_bytes {
            Some(limit) => Ok(self.backend.size_bytes(Keyspace::History)? > limit),
            None => Ok(false),
        }
    }

    /// Waits while the retention debt is above its limit. To be called before anything is held that a prune
    /// waits for.
    pub(crate) fn wait_for_debt(&self) -> Result<()> {
        // In a turn of its own it would be waited for.
        if !self.keeping.gate.is_shut() || self.commits.is_mine() {
            return Ok(());
        }
        let policy = self.keeping.policy();
        let deadline = Instant::now().checked_add(policy.wait());
        self.keeping.bell.ring();
        let began = self.meter.start();
        let span = trace::wait_for_debt().entered();
        let is_open = self.keeping.gate.wait(deadline);
        drop(span);
        self.meter.note(Timed::WaitForDebt, began);
        if is_open {
            // Where the store was closed meanwhile, what comes next says so.
            return Ok(());
        }
        let (bytes, _) = self.debt();
        let limit_bytes = policy.debt_limit_bytes.unwrap_or_default();
        let wanted = self.keeping.figures.lock().wanted;
        let why = match self.floor_hold(wanted) {
            Some(hold @ FloorHold::Snapshot { .. }) => {
                format!("{hold}, keeps it from being pruned: let go of it")
            }
            Some(hold @ FloorHold::Feed { .. }) => {
                format!("{hold}, keeps it from being pruned: acknowledge what was read, or drop it")
            }
            None => "pruning does not keep up with the writers".to_owned(),
        };
        Err(Error::new(
            ErrorKind::RetentionDebt { bytes, limit_bytes },
            format!(
                "history that the retention policy no longer keeps takes {bytes} bytes, more than the \
                 limit of {limit_bytes}; {why}, then try again"
            ),
        ))
    }

    #[cfg(any(loom, shuttle))]
    #[expect(clippy::unused_self, reason = "models have no thread of their own")]
    pub(crate) fn tend_in_background(self: &Arc<Self>) {}
}
