//! Named feeds: made, acknowledged, dropped and let go. All of it under the lock of floor and pins.

use std::time::{Duration, SystemTime};

use super::{
    Changes, Feed, FeedHold, FeedOptions, Position,
    holds::{Hold, Holder, now},
    record,
};
use crate::{
    backend::{Keyspace, WriteBatch},
    codec::meta,
    config::Durability,
    error::{Error, Result},
    limits::{FEED_NAME_MAX_BYTES, FEEDS_MAX},
    storage::store::Store,
    sync::Arc,
    timestamp::Timestamp,
};

impl Store {
    /// Where the store is now.
    pub(crate) fn position(&self) -> Result<Position> {
        self.in_one_epoch(|| {
            self.check_open()?;
            Ok(Position::new(self.clock.visible(), self.clock.epoch()))
        })
    }

    /// The last position that a position's past and the present have in common.
    pub(crate) fn last_common(&self, position: Position) -> Result<Position> {
        self.in_one_epoch(|| {
            let epoch = self.clock.epoch();
            match self.check_position(position.timestamp, position.epoch) {
                Ok(()) => Ok(Position::new(position.timestamp, epoch)),
                Err(error) => match self.rolled_back_to(position) {
                    Some(target) => Ok(Position::new(target, epoch)),
                    None => Err(error),
                },
            }
        })
    }

    /// A reader of all commits above a position, which holds them while it lives.
    pub(crate) fn changes(self: &Arc<Self>, from: Position) -> Result<Changes> {
        let max_age = self.options.max_snapshot_age;
        let options = FeedOptions {
            max_lag: None,
            max_age,
        };
        self.read_from(from, options)
    }

    /// The same for work of the store's own, which holds them however long it takes.
    pub(crate) fn read_from(
        self: &Arc<Self>,
        from: Position,
        options: FeedOptions,
    ) -> Result<Changes> {
        let _retention = self.retention.lock();
        self.check_start(from)?;
        let holder = self.feeds.lock().add_reader(Hold::new(from, options));
        Ok(Changes::new(self, holder, from))
    }

    /// A reader of a named feed, behind what was acknowledged last.
    pub(crate) fn feed(self: &Arc<Self>, name: &str) -> Result<Changes> {
        let _retention = self.retention.lock();
        self.check_open()?;
        let hold = self.held_feed(name)?;
        Ok(Changes::new(
            self,
            Holder::Named(name.to_owned()),
            hold.position,
        ))
    }

    /// Refuses a position that is of no past, or from which on not everything is there.
    fn check_start(&self, from: Position) -> Result<()> {
        self.check_position(from.timestamp, from.epoch)?;
        let floor = self.floor();
        if from.timestamp < floor {
            return Err(Error::pruned(from.timestamp, floor));
        }
        Ok(())
    }

    pub(crate) fn create_feed(
        &self,
        name: &str,
        from: Position,
        options: FeedOptions,
    ) -> Result<Feed> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        self.check_start(from)?;
        check_new(name, options)?;
        let named: Vec<_> = self
            .feeds
            .lock()
            .named()
            .map(|(name, _)| name.to_owned())
            .collect();
        if named.iter().any(|taken| taken == name) {
            return Err(Error::invalid(format!(
                "there is a feed named {name:?} already; drop it first, or take another name"
            )));
        }
        if named.len() >= FEEDS_MAX {
            return Err(Error::too_large(format!(
                "there are {FEEDS_MAX} feeds already; drop some"
            )));
        }
        let hold = Hold::new(from, options);
        self.write_feed(name, hold, Durability::Sync)?;
        self.feeds.lock().put(Holder::Named(name.to_owned()), hold);
        Ok(hold.to_feed(name))
    }

    /// Notes that everything up to a position was dealt with.
    ///
    /// It is not synced: a floor that relies on it comes later in the same log, and is. After a power cut the feed
    /// may be where it was a little before.
    pub(crate) fn acknowledge(&self, name: &str, position: Position) -> Result<()> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        let mut hold = self.held_feed(name)?;
        self.check_position(position.timestamp, position.epoch)?;
        let lowest = self.held_at(&hold);
        if position.timestamp < lowest {
            return Err(Error::invalid(format!(
                "the feed {name:?} is at {lowest} already, and what lies above {} may be pruned; acknowledge \
                 positions in order",
                position.timestamp
            )));
        }
        hold.position = position;
        hold.since = now();
        self.write_feed(name, hold, Durability::Buffered)?;
        self.feeds.lock().put(Holder::Named(name.to_owned()), hold);
        Ok(())
    }

    pub(crate) fn drop_feed(&self, name: &str) -> Result<()> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        let holder = Holder::Named(name.to_owned());
        if self.feeds.lock().get(&holder).is_none() {
            return Err(no_feed(name));
        }
        let mut batch = WriteBatch::default();
        batch.remove(Keyspace::Meta, &meta::feed_key(name));
        self.backend.write(batch, Durability::Sync)?;
        self.feeds.lock().remove(&holder);
        self.wake.wake();
        Ok(())
    }

    /// The named feeds, by name.
    pub(crate) fn feeds(&self) -> Result<Vec<Feed>> {
        self.check_open()?;
        let feeds = self.feeds.lock();
        let feeds = feeds.named().map(|(name, hold)| hold.to_feed(name));
        Ok(feeds.collect())
    }

    /// What feeds hold the floor at, lowest first.
    pub(crate) fn feed_holds(&self) -> Vec<FeedHold> {
        let all = self.feeds.lock().held();
        let told = |(holder, hold): (Holder, Hold)| FeedHold {
            name: match holder {
                Holder::Named(name) => Some(name),
                Holder::Reader(_) => None,
            },
            timestamp: self.held_at(&hold),
            age: hold.since.elapsed().unwrap_or_default(),
        };
        let mut holds: Vec<_> = all.into_iter().map(told).collect();
        holds.sort_by(|a, b| (a.timestamp, &a.name).cmp(&(b.timestamp, &b.name)));
        holds
    }

    /// The lowest timestamp, at or above the floor, that a feed holds the floor at.
    pub(crate) fn oldest_feed(&self) -> Option<Timestamp> {
        let floor = self.floor();
        let held = self.feeds.lock().held();
        let held = held.iter().map(|(_, hold)| self.held_at(hold));
        held.filter(|at| *at >= floor).min()
    }

    /// Lets go of the feeds that keep the floor below `before` and are further behind than they may be, named ones
    /// durably. By a prune, before it moves the floor.
    pub(crate) fn let_go_of_feeds(&self, before: Timestamp) -> Result<()> {
        let held = self.feeds.lock().held();
        let mut overdue = Vec::new();
        for (holder, hold) in held {
            if self.held_at(&hold) < before && self.is_overdue(&hold)? {
                overdue.push((holder, hold));
            }
        }
        if overdue.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for (holder, hold) in &mut overdue {
            hold.is_let_go = true;
            if let Holder::Named(name) = holder {
                let row = meta::encode_feed(&hold.to_row());
                batch.put(Keyspace::Meta, &[&meta::feed_key(name)], &[&row]);
            }
        }
        if batch.size_bytes() > 0 {
            self.backend.write(batch, Durability::Sync)?;
        }
        let mut feeds = self.feeds.lock();
        overdue.iter().for_each(|(holder, _)| feeds.let_go(holder));
        drop(feeds);
        self.wake.wake();
        Ok(())
    }

    /// Whether a feed is further behind than it may be.
    fn is_overdue(&self, hold: &Hold) -> Result<bool> {
        let at = self.held_at(hold);
        let lag = self.clock.visible().get().saturating_sub(at.get());
        if hold.options.max_lag.is_some_and(|max| lag > max) {
            return Ok(true);
        }
        let Some(max_age) = hold.options.max_age else {
            return Ok(false);
        };
        let Some(committed) = record::first_time_above(self.backend.as_ref(), at)? else {
            return Ok(false);
        };
        // Times of commits are what callers say: one of long ago does not make the feed late at once.
        let since = committed.max(hold.since);
        let age = SystemTime::now().duration_since(since);
        Ok(age.unwrap_or(Duration::ZERO) > max_age)
    }

    /// Where a hold lies: at its position, or at what a rollback has left of it.
    fn held_at(&self, hold: &Hold) -> Timestamp {
        let position = hold.position;
        self.rolled_back_to(position).unwrap_or(position.timestamp)
    }

    fn rolled_back_to(&self, position: Position) -> Option<Timestamp> {
        let epochs = self.epochs.read();
        epochs.rolled_back_to(position.timestamp, position.epoch)
    }

    /// Whether a feed still holds what lies above its position.
    pub(super) fn check_held(&self, holder: &Holder) -> Result<()> {
        let hold = self.feeds.lock().get(holder);
        match (hold, holder) {
            (Some(hold), _) if !hold.is_let_go => Ok(()),
            (Some(_), Holder::Named(name)) => Err(let_go(name)),
            (None, Holder::Named(name)) => Err(no_feed(name)),
            (_, Holder::Reader(_)) => Err(Error::too_old(
                "this feed left a commit unread for longer than the age limit of the store and was let go; take \
                 the present state (a snapshot), and read on from its position",
            )),
        }
    }

    fn held_feed(&self, name: &str) -> Result<Hold> {
        let hold = self.feeds.lock().get(&Holder::Named(name.to_owned()));
        match hold {
            Some(hold) if hold.is_let_go => Err(let_go(name)),
            Some(hold) => Ok(hold),
            None => Err(no_feed(name)),
        }
    }

    fn write_feed(&self, name: &str, hold: Hold, durability: Durability) -> Result<()> {
        let mut batch = WriteBatch::default();
        let row = meta::encode_feed(&hold.to_row());
        batch.put(Keyspace::Meta, &[&meta::feed_key(name)], &[&row]);
        self.backend.write(batch, durability)
    }
}

fn check_new(name: &str, options: FeedOptions) -> Result<()> {
    if name.is_empty() || name.len() > FEED_NAME_MAX_BYTES {
        return Err(Error::invalid(format!(
            "the name of a feed has 1 to {FEED_NAME_MAX_BYTES} bytes, not {}",
            name.len()
        )));
    }
    if options.max_lag == Some(0) {
        return Err(Error::invalid(
            "a feed cannot be acknowledged before the commit: max_lag is at least 1, or left out",
        ));
    }
    Ok(())
}

fn no_feed(name: &str) -> Error {
    Error::not_found(format!(
        "there is no feed named {name:?}; create it at the position from which it is to begin"
    ))
}

fn let_go(name: &str) -> Error {
    Error::too_old(format!(
        "the feed {name:?} was further behind than it may be and was let go: what it missed may be pruned; drop \
         it, take the present state (a snapshot or a checkpoint), and make it anew at the position of that"
    ))
}
