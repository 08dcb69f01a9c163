//! Change feeds of an [`Engine`], and its log of commits.

use std::ops::RangeBounds;

use super::Engine;
use crate::{
    error::Result,
    storage::{Changes, CommitLog, Feed, FeedHold, FeedOptions, Position},
    timestamp::Timestamp,
};

impl Engine {
    /// The newest position: all commits so far lie before it.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    pub fn position(&self) -> Result<Position> {
        self.store.position()
    }

    /// Reads the commits above a position, in the order of their timestamps, each whole, and those that come. They
    /// are kept while the reader lives, and where the store has an age limit for snapshots, no longer than it is
    /// that far behind. For a reader that outlives the process see [`create_feed`](Self::create_feed).
    ///
    /// # Errors
    /// [`TooOld`](crate::ErrorKind::TooOld) where a rollback has abandoned the position,
    /// [`Pruned`](crate::ErrorKind::Pruned) below the floor, also where a pin holds it,
    /// [`NotYet`](crate::ErrorKind::NotYet) above the visible timestamp; and as every call of
    /// [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Position};
    ///
    /// let engine = Engine::in_memory();
    /// let changes = engine.changes(Position::START)?;
    /// let follower = std::thread::spawn(move || {
    ///     // Without `take` it would wait for more, until the engine is closed.
    ///     let first = changes.take(2);
    ///     first.map(|commit| Ok(commit?.changes.len())).sum::<sapwood::Result<usize>>()
    /// });
    /// engine.set(b"alice", b"100")?;
    /// engine.set(b"bob", b"30")?;
    /// assert_eq!(follower.join().unwrap()?, 2);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn changes(&self, from: Position) -> Result<Changes> {
        self.store.changes(from)
    }

    /// Makes a named feed at a position. From here on the prune floor does not pass what was
    /// [acknowledged](Self::acknowledge) last, also after the store was opened again; at most as far as the options
    /// allow. It is durable when this returns.
    ///
    /// # Errors
    /// As [`changes`](Self::changes); [`Invalid`](crate::ErrorKind::Invalid) for a name that is taken, empty or
    /// too long, [`TooLarge`](crate::ErrorKind::TooLarge) where there are
    /// [`FEEDS_MAX`](crate::limits::FEEDS_MAX), [`ReadOnly`](crate::ErrorKind::ReadOnly).
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, FeedOptions, Position};
    ///
    /// let engine = Engine::in_memory();
    /// engine.create_feed("index", Position::START, FeedOptions::default().max_lag(100_000))?;
    /// let last = engine.set(b"key", b"value")?;
    ///
    /// let mut changes = engine.feed("index")?;
    /// while let Some(commit) = changes.poll()? {
    ///     // ... deal with commit.changes, durably; then:
    ///     engine.acknowledge("index", commit.position())?;
    /// }
    /// assert_eq!(engine.feeds()?[0].position.timestamp, last);
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn create_feed(&self, name: &str, from: Position, options: FeedOptions) -> Result<Feed> {
        self.store.create_feed(name, from, options)
    }

    /// Reads a named feed, from behind what was acknowledged last.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none of that name,
    /// [`TooOld`](crate::ErrorKind::TooOld) where it was let go; and as every call of
    /// [`Storage`](crate::Storage).
    pub fn feed(&self, name: &str) -> Result<Changes> {
        self.store.feed(name)
    }

    /// Notes that everything up to a position was dealt with: a named feed goes on behind it, and holds no more
    /// below it. Each commit is given out once or, where an acknowledgement was lost with the machine, again.
    ///
    /// After a rollback below what was acknowledged, undo what lies above [`last_common`](Self::last_common), and
    /// acknowledge that.
    ///
    /// # Errors
    /// As [`feed`](Self::feed) and [`check_position`](Self::check_position);
    /// [`Invalid`](crate::ErrorKind::Invalid) below what was acknowledged before,
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly).
    pub fn acknowledge(&self, name: &str, position: Position) -> Result<()> {
        self.store.acknowledge(name, position)
    }

    /// Removes a named feed, and what it holds. Who reads from it is told so.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none of that name; and as every call of
    /// [`Storage`](crate::Storage).
    pub fn drop_feed(&self, name: &str) -> Result<()> {
        self.store.drop_feed(name)
    }

    /// The named feeds, by name.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    pub fn feeds(&self) -> Result<Vec<Feed>> {
        self.store.feeds()
    }

    /// What feeds hold the prune floor at, lowest first: named ones, and readers that live.
    pub fn feed_holds(&self) -> Vec<FeedHold> {
        self.store.feed_holds()
    }

    /// The commits of a range of timestamps above the prune floor, oldest first, from both ends: when each was made, and
    /// how many keys it changed. It costs the keys that they name, and no look-up.
    ///
    /// # Errors
    /// As every call of [`Storage`](crate::Storage).
    ///
    /// # Examples
    /// See [`CommitLog`].
    pub fn commit_log(&self, range: impl RangeBounds<Timestamp>) -> Result<CommitLog> {
        self.store.commit_log(&range)
    }

    /// The last position that the past of a position has in common with the present: the position itself, in the
    /// present epoch, or what a later rollback went back to.
    ///
    /// # Errors
    /// [`NotYet`](crate::ErrorKind::NotYet) and [`Invalid`](crate::ErrorKind::Invalid) as
    /// [`check_position`](Self::check_position).
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, Position, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// for block in [b"1", b"2", b"3"] {
    ///     engine.set(b"block", block)?;
    /// }
    /// let position = engine.position()?;
    /// engine.rollback_to(Timestamp::new(2))?;
    /// assert!(engine.changes(position).is_err());
    /// assert_eq!(engine.last_common(position)?, Position::new(Timestamp::new(2), 1));
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    pub fn last_common(&self, position: Position) -> Result<Position> {
        self.store.last_common(position)
    }
}
