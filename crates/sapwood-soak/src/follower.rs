//! Who follows a feed: every commit comes once, whole, in order; and the marks of the store never go back.

use std::{sync::Mutex, time::Duration};

use anyhow::{Result, ensure};
use sapwood::{Changes, CommitRecord, Engine, ErrorKind, FeedOptions};

use crate::{
    content::Content,
    counts::Count,
    world::{World, lock},
};

pub(crate) const FEED: &str = "soak";
/// Commits that are read before they are acknowledged.
const AT_ONCE: usize = 64;
const WAIT: Duration = Duration::from_millis(100);

/// The marks of a store, which go back only with a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) epoch: u64,
    pub(crate) visible: u64,
    pub(crate) floor: u64,
}

impl Marks {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self {
            epoch: engine.epoch(),
            visible: engine.visible().get(),
            floor: engine.floor().get(),
        }
    }

    /// Whether these marks may come after others. In one epoch the visible timestamp does not go back; the floor never.
    pub(crate) fn follow(&self, last: &Self) -> Result<()> {
        let is_right = self.floor >= last.floor
            && self.epoch >= last.epoch
            && (self.epoch > last.epoch || self.visible >= last.visible);
        ensure!(is_right, "the marks went back: {self:?}, and were {last:?}");
        Ok(())
    }
}

impl World<'_> {
    /// Looks at the marks. Nobody may roll back meanwhile.
    fn watch(&self, last: &Mutex<Marks>) -> Result<()> {
        let mut last = lock(last);
        let now = Marks::of(&self.engine);
        now.follow(&last)?;
        *last = now;
        Ok(())
    }

    /// Reads some commits of the feed, compares and acknowledges them.
    pub(crate) fn follow(
        &self,
        changes: &mut Option<Changes>,
        last: &Mutex<Marks>,
        retain: u64,
    ) -> Result<()> {
        let _turn = self.shared.turn();
        self.watch(last)?;
        let mut reader = match changes.take() {
            Some(reader) => reader,
            None => self.open_feed(retain)?,
        };
        let mut position = None;
        for _ in 0..AT_ONCE {
            let next = reader.position().timestamp.get() + 1;
            match reader.wait(if position.is_none() {
                WAIT
            } else {
                Duration::ZERO
            }) {
                Ok(Some(commit)) => {
                    self.check_commit(&commit, next)?;
                    position = Some(commit.position());
                }
                Ok(None) => break,
                // It was rolled back, or let go: it is opened anew.
                Err(error) if *error.kind() == ErrorKind::TooOld => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(position) = position {
            match self.engine.acknowledge(FEED, position) {
                Ok(()) => {}
                Err(error) if *error.kind() == ErrorKind::TooOld => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        *changes = Some(reader);
        Ok(())
    }

    /// Opens the feed: behind what was acknowledged, or what of that was not rolled back.
    fn open_feed(&self, retain: u64) -> Result<Changes> {
        let feeds = self.engine.feeds()?;
        match feeds.iter().find(|feed| feed.name == FEED) {
            None => self.create_feed(retain)?,
            Some(feed) if feed.is_let_go => {
                self.engine.drop_feed(FEED)?;
                self.create_feed(retain)?;
            }
            Some(feed) => {
                let common = self.engine.last_common(feed.position)?;
                if common != feed.position {
                    self.engine.acknowledge(FEED, common)?;
                }
            }
        }
        Ok(self.engine.feed(FEED)?)
    }

    fn create_feed(&self, retain: u64) -> Result<()> {
        let options = FeedOptions::default().max_lag(2 * retain);
        let position = self.engine.position()?;
        self.engine.create_feed(FEED, position, options)?;
        Ok(())
    }

    fn check_commit(&self, commit: &CommitRecord, next: u64) -> Result<()> {
        let at = commit.timestamp.get();
        ensure!(
            at == next,
            "the feed has left something out: {at} comes instead of {next}"
        );
        self.wait_told(at)?;
        let model = self.shared.model();
        ensure!(
            commit.epoch == model.epoch(),
            "the feed gives {at} in epoch {} instead of {}",
            commit.epoch,
            model.epoch()
        );
        let Some(expected) = model.changed(at) else {
            return Ok(()); // Pruned, or not told before the end.
        };
        let found = commit.changes.iter().map(|change| {
            let content = change.new.as_ref().map(|value| Content::of(value));
            (change.key.as_ref(), content)
        });
        let is_right = found.eq(expected
            .iter()
            .map(|(key, content)| (key.as_ref(), *content)));
        ensure!(
            is_right,
            "the feed gives {} changes for {at}, and they are not the {} that were committed",
            commit.changes.len(),
            expected.len()
        );
        self.shared.done(Count::FeedCommits);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_go_back_are_noticed() {
        let marks = |epoch, visible, floor| Marks {
            epoch,
            visible,
            floor,
        };
        let last = marks(1, 10, 5);
        assert!(marks(1, 10, 5).follow(&last).is_ok());
        assert!(marks(2, 7, 5).follow(&last).is_ok());
        assert!(marks(1, 9, 5).follow(&last).is_err());
        assert!(marks(1, 11, 4).follow(&last).is_err());
        assert!(marks(0, 11, 5).follow(&last).is_err());
        assert!(marks(2, 7, 4).follow(&last).is_err());
    }
}
