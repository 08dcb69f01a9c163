//! [`Checkpoints`]: checkpoints by a policy, in a directory of their own.
//!
//! There is no thread: whoever drives it asks often, after commits or from a timer, and pays for the checkpoint that is
//! due then. What is due follows from the checkpoints that are there, so it goes on rightly after a restart.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Checkpoint, MANIFEST, place};
use crate::{
    engine::Engine,
    error::{Error, ErrorKind, Result},
};

/// When checkpoints are taken, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointPolicy {
    /// One is due when the visible timestamp is so far above that of the last: so many commits, or blocks.
    ///
    /// Unit: timestamps. Default: `None`, none is due for that.
    pub every_commits: Option<u64>,
    /// One is due when the last is so old, and something was committed since.
    ///
    /// Unit: a duration. Default: `None`, none is due for that.
    pub every: Option<Duration>,
    /// How many are kept; the oldest go first.
    ///
    /// Unit: checkpoints, at least 1. Default: it has to be said.
    pub keep: usize,
}

impl CheckpointPolicy {
    /// Keeps so many. None is due until it is said when.
    pub fn keep(keep: usize) -> Self {
        Self {
            every_commits: None,
            every: None,
            keep,
        }
    }

    /// One each time that the visible timestamp has gone up by so much.
    #[must_use]
    pub fn every_commits(mut self, commits: u64) -> Self {
        self.every_commits = Some(commits);
        self
    }

    /// One each time that so much time has gone by, where something was committed.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }
}

/// Checkpoints of an engine, taken and removed by a policy when it is asked.
///
/// # Examples
/// ```
/// use sapwood::{CheckpointPolicy, Checkpoints, Engine};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = |name: &str| directory.path().join(name);
/// let engine = Engine::open(path("state"))?;
/// let policy = CheckpointPolicy::keep(2).every_commits(10);
/// let mut checkpoints = Checkpoints::new(&engine, path("checkpoints"), policy)?;
/// for height in 1..=35u64 {
///     engine.set(b"height", height.to_string())?;
///     checkpoints.poll()?;
/// }
/// let kept = checkpoints.list()?;
/// let kept: Vec<_> = kept.iter().map(|checkpoint| checkpoint.timestamp.get()).collect();
/// assert_eq!(kept, [21, 31]);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
pub struct Checkpoints {
    engine: Engine,
    directory: PathBuf,
    policy: CheckpointPolicy,
    /// The newest.
    last: Option<Checkpoint>,
}

impl Checkpoints {
    /// Goes on with those that lie in a directory, which is made with the first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a policy that keeps none, or one at every 0 commits; as
    /// [`Checkpoints::list`].
    pub fn new(
        engine: &Engine,
        directory: impl AsRef<Path>,
        policy: CheckpointPolicy,
    ) -> Result<Self> {
        if policy.keep == 0 || policy.every_commits == Some(0) {
            return Err(Error::invalid(
                "a policy keeps at least one checkpoint, and takes one after at least one commit",
            ));
        }
        let mut checkpoints = Self {
            engine: engine.clone(),
            directory: directory.as_ref().to_path_buf(),
            policy,
            last: None,
        };
        checkpoints.last = checkpoints.list()?.pop();
        Ok(checkpoints)
    }

    /// The checkpoints that there are, by epoch and timestamp, whatever their names. What is none is left out.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    pub fn list(&self) -> Result<Vec<Checkpoint>> {
        if !self.directory.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for path in place::list(&self.directory)? {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => found.push(checkpoint),
                Err(error) if *error.kind() == ErrorKind::Io => return Err(error),
                Err(_) => {}
            }
        }
        found.sort_by_key(|checkpoint| (checkpoint.epoch, checkpoint.timestamp));
        Ok(found)
    }

    /// Takes a checkpoint if one is due, and removes those that are no longer kept. One is due at once where there is
    /// none, and where a rollback has gone below the last.
    ///
    /// # Errors
    /// As [`Engine::create_checkpoint`].
    pub fn poll(&mut self) -> Result<Option<Checkpoint>> {
        if !self.is_due() {
            return Ok(None);
        }
        let (visible, epoch) = (self.engine.visible(), self.engine.epoch());
        let path = self.directory.join(format!("{visible}-{epoch}"));
        let checkpoint = self.engine.create_checkpoint(path)?;
        self.last = Some(checkpoint.clone());
        self.remove_old()?;
        Ok(Some(checkpoint))
    }

    fn is_due(&self) -> bool {
        let Some(last) = &self.last else {
            return true;
        };
        if self
            .engine
            .check_position(last.timestamp, last.epoch)
            .is_err()
        {
            return true;
        }
        let commits = self
            .engine
            .visible()
            .get()
            .saturating_sub(last.timestamp.get());
        let is_due = |every| commits >= every;
        let age = SystemTime::now().duration_since(last.created);
        let is_old = |every| commits > 0 && age.is_ok_and(|age| age >= every);
        self.policy.every_commits.is_some_and(is_due) || self.policy.every.is_some_and(is_old)
    }

    fn remove_old(&self) -> Result<()> {
        let all = self.list()?;
        let old = all.len().saturating_sub(self.policy.keep);
        for checkpoint in all.iter().take(old) {
            // From here on it is none, crash or not.
            let manifest = checkpoint.path.join(MANIFEST);
            fs::remove_file(&manifest)
                .map_err(|source| place::failed("removed", &manifest, source))?;
            place::remove(&checkpoint.path)?;
        }
        Ok(())
    }
}
