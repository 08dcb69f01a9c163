//! Keeping to a [`RetentionPolicy`].

use super::Engine;
use crate::{
    error::Result,
    storage::{PruneReport, RetentionPolicy, RetentionStatus},
};

impl Engine {
    /// How the prune floor moves by itself. [`RetentionPolicy::keep_all`] until it is set.
    pub fn retention(&self) -> RetentionPolicy {
        self.store.keeping.policy()
    }

    /// Changes how the prune floor moves by itself. The policy belongs to the store: it is durable when this returns,
    /// and goes with checkpoints and backups. What was pruned does not come back. Once this has returned, nothing is
    /// pruned by the policy before.
    ///
    /// While there is something to keep to, a thread does so in the background: a moment after commits, once a
    /// quarter of what is kept is past keeping, or history or the retention debt is over its limit. It ends with the
    /// store; [`close`](Engine::close) waits for it, also where it prunes. Until then a prune under way keeps the files
    /// open, even when the last handle has gone.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a policy that would not keep the newest commit,
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) where the store was opened to read, and as every call of
    /// [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// See [`RetentionPolicy`].
    pub fn set_retention(&self, policy: RetentionPolicy) -> Result<()> {
        self.store.set_retention(policy)
    }

    /// Keeps to the policy at once: moves the floor to where it would have it, as far as snapshots allow, and gives
    /// back the space of all that is below the floor.
    ///
    /// # Errors
    /// As [`Engine::prune_before`].
    ///
    /// # Examples
    /// See [`RetentionPolicy`].
    pub fn apply_retention(&self) -> Result<PruneReport> {
        self.apply_retention_with(|_, _| {})
    }

    /// The same, telling how far it has come: a part of 1, and what it works on. What it tells must not prune in its
    /// turn.
    ///
    /// # Errors
    /// As [`Engine::prune_before`].
    pub fn apply_retention_with(&self, mut progress: impl FnMut(f64, &str)) -> Result<PruneReport> {
        self.store.apply_retention(&mut progress)
    }

    /// What is kept, how much is kept for nobody, and who holds it. Costs little: where the policy counts commits or
    /// their age, it walks over those that came since it was asked last.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, FloorHold, RetentionPolicy, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// for height in 1..=100u64 {
    ///     engine.set(b"height", height.to_string())?;
    /// }
    /// let forgotten = engine.at(Timestamp::new(40))?;
    /// engine.set_retention(RetentionPolicy::keep_all().commits(10))?;
    /// engine.apply_retention()?;
    /// let status = engine.retention_status()?;
    /// assert_eq!((status.floor, status.wanted), (Timestamp::new(40), Timestamp::new(91)));
    /// let Some(FloorHold::Snapshot { timestamp, .. }) = status.held_by else { panic!() };
    /// assert_eq!(timestamp, Timestamp::new(40));
    /// assert!(status.debt_bytes > 0); // of the versions that ended from 41 to 91
    ///
    /// drop(forgotten);
    /// engine.apply_retention()?;
    /// assert_eq!(engine.retention_status()?.debt_bytes, 0);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn retention_status(&self) -> Result<RetentionStatus> {
        self.store.retention_status()
    }
}
