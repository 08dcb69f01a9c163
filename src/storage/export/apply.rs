//! Applying an export: its commits are made again, at their timestamps, where they are what follows.
//!
//! 1. read all of it: what is cut or changed is refused before anything is done;
//! 2. with the turn to commit: refuse it where the store is not where it begins, or on another history;
//! 3. note the branches that the commits will be of;
//! 4. make them, those that the store holds already passed over;
//! 5. let the store's own branch begin above the last, synced.
//!
//! **Crashes.** What was applied is a prefix of the export's commits, and the store's own branch begins above its end
//! when it is opened again; so the same export goes on there. After a commit of its own it is on a branch of its own,
//! and is refused.

use std::path::Path;

use super::frames::{self, Header};
use crate::{
    config::Durability,
    error::{Error, Result},
    metrics::Timed,
    storage::{CommitOptions, commit::CommitTurn, lineage, store::Store},
    timestamp::Timestamp,
    trace,
};

/// How an export is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// The last timestamp that is applied.
    ///
    /// Unit: a timestamp. Default: `None`, all are applied.
    pub up_to: Option<Timestamp>,
}

impl ApplyOptions {
    /// Applies nothing above a timestamp.
    #[must_use]
    pub fn up_to(mut self, timestamp: Timestamp) -> Self {
        self.up_to = Some(timestamp);
        self
    }
}

/// What applying an export did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Commits that were made.
    pub commits: u64,
    /// Commits that the store held already.
    pub skipped: u64,
    /// The newest timestamp now.
    pub visible: Timestamp,
}

impl Store {
    /// Makes the commits of an export.
    pub(crate) fn apply_export(&self, path: &Path, options: ApplyOptions) -> Result<Applied> {
        let _timing = self.meter.time(Timed::Apply);
        let span = trace::apply(path).entered();
        let applied = self.apply_in_turn(path, options)?;
        span.record("commits", applied.commits);
        span.record("visible", applied.visible.get());
        Ok(applied)
    }

    fn apply_in_turn(&self, path: &Path, options: ApplyOptions) -> Result<Applied> {
        self.check_open()?;
        self.check_not_read_only()?;
        let (header, _) = frames::check(path)?;
        let turn = self.commit_turn()?;
        self.check_open()?;
        self.check_writable(&turn.state())?;
        let visible = self.clock.visible();
        let until = options.up_to.unwrap_or(header.until);
        {
            let _retention = self.retention.lock();
            // Known to be its own where it has none yet and nothing was committed.
            let lineage = if visible == Timestamp::ZERO {
                lineage::Lineage::load(self.backend.as_ref())?
            } else {
                self.lineage()?
            };
            check_follows(&header, &lineage, visible)?;
            if until > header.until || until < visible {
                return Err(Error::invalid(format!(
                    "the export can be applied up to a timestamp from {} to {}, not {until}",
                    visible.max(header.after),
                    header.until
                )));
            }
            let branches = lineage::Lineage::new(header.branches.iter().copied());
            self.adopt(&lineage, &branches.between(visible, until), until)?;
        }
        let applied = self.replay(&turn, path, &header, until);
        // However it ended; but after a failed write whether the commit is there is only known once the store is
        // opened again, which does this then.
        let settled = self
            .check_writable(&turn.state())
            .and_then(|()| lineage::settle(self.backend.as_ref(), self.clock.visible()));
        let (commits, skipped) = applied?;
        settled?;
        self.backend.sync()?;
        Ok(Applied {
            commits,
            skipped,
            visible: self.clock.visible(),
        })
    }

    fn replay(
        &self,
        turn: &CommitTurn<'_>,
        path: &Path,
        header: &Header,
        until: Timestamp,
    ) -> Result<(u64, u64)> {
        let (mut commits, mut skipped) = (0, 0);
        let held = self.clock.visible();
        let mut reader = frames::open(path)?;
        if reader.header() != header {
            return Err(Error::invalid(format!(
                "{} was changed while it was applied; apply it again",
                path.display()
            )));
        }
        while let Some(commit) = reader.next()? {
            if commit.timestamp > until {
                break;
            }
            if commit.timestamp <= held {
                skipped += 1;
                continue;
            }
            let options = CommitOptions::default()
                .at(commit.timestamp)
                .time(commit.time)
                .durability(Durability::Buffered);
            turn.replay(commit.writes, options)?;
            commits += 1;
        }
        Ok((commits, skipped))
    }
}

/// Refuses an export that is not what follows the newest commit of a store.
fn check_follows(header: &Header, lineage: &lineage::Lineage, visible: Timestamp) -> Result<()> {
    let Header {
        after, until, base, ..
    } = *header;
    if visible < base {
        return Err(Error::invalid(format!(
            "the export begins after {after}, and the store ends at {visible}: apply what lies between first, \
             or begin with a checkpoint of {after}"
        )));
    }
    let common = visible.min(until);
    if lineage.branch_at(common) != Some(header.branch_at(common)) {
        return Err(Error::invalid(format!(
            "the export is of another history: what the store holds up to {common} is not what the export is \
             of or goes on from; apply it to a checkpoint of its own store, or to what its earlier exports made"
        )));
    }
    if visible >= until && until > after {
        return Err(Error::invalid(format!(
            "the export was applied already: it ends at {until}, and the store at {visible}"
        )));
    }
    Ok(())
}
