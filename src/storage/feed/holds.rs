//! [`Feeds`]: where each feed has come, and what that holds.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Feed, FeedOptions, Position};
use crate::{
    backend::{Access, Backend, Keyspace, Scope},
    codec::meta::{self, FeedRow},
    error::{Error, Result},
};

/// Whose hold it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A named feed.
    Named(String),
    /// A reader that nobody knows by name: its number.
    Reader(u64),
}

/// Where a feed has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(super) position: Position,
    /// When it came there.
    pub(super) since: SystemTime,
    pub(super) options: FeedOptions,
    pub(super) is_let_go: bool,
}

/// The feeds of a store.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    holds: BTreeMap<Holder, Hold>,
    next_reader: u64,
}

impl Hold {
    pub(super) fn new(position: Position, options: FeedOptions) -> Self {
        Self {
            position,
            since: now(),
            options,
            is_let_go: false,
        }
    }

    pub(super) fn to_row(self) -> FeedRow {
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        // No bound is written as 0.
        let max_age_ms = self.options.max_age.map_or(0, |age| millis(age).max(1));
        FeedRow {
            timestamp: self.position.timestamp,
            epoch: self.position.epoch,
            acknowledged_ms: millis(since),
            max_lag: self.options.max_lag.unwrap_or(0),
            max_age_ms,
            is_let_go: self.is_let_go,
        }
    }

    fn from_row(row: &FeedRow) -> Self {
        let bound = |number: u64| (number > 0).then_some(number);
        Self {
            position: Position::new(row.timestamp, row.epoch),
            since: time(row.acknowledged_ms),
            options: FeedOptions {
                max_lag: bound(row.max_lag),
                max_age: bound(row.max_age_ms).map(Duration::from_millis),
            },
            is_let_go: row.is_let_go,
        }
    }

    pub(super) fn to_feed(self, name: &str) -> Feed {
        Feed {
            name: name.to_owned(),
            position: self.position,
            acknowledged: self.since,
            options: self.options,
            is_let_go: self.is_let_go,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Now, as precisely as it is stored.
pub(super) fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    time(millis(since.unwrap_or_default()))
}

/// The moment so many milliseconds after 1970.
pub(super) fn time(ms: u64) -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    time.unwrap_or(UNIX_EPOCH)
}

impl Feeds {
    /// Reads the named feeds from `meta`.
    pub(crate) fn load(backend: &dyn Backend) -> Result<Self> {
        let mut feeds = Self::default();
        let scope = Scope {
            start: meta::FEED_PREFIX.to_vec(),
            end: None,
        };
        let mut cursor = backend.cursor(Keyspace::Meta, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((key, value)) = cursor.row() {
            let Some(name) = key.strip_prefix(meta::FEED_PREFIX) else {
                break;
            };
            let corrupt =
                |what: &str| Error::corrupt(format!("the feed {}", name.escape_ascii()), what);
            let row = meta::decode_feed(value).map_err(|error| corrupt(error.0))?;
            let name = std::str::from_utf8(name).map_err(|_| corrupt("its name is not UTF-8"))?;
            feeds.put(Holder::Named(name.to_owned()), Hold::from_row(&row));
            cursor.next()?;
        }
        Ok(feeds)
    }

    pub(super) fn get(&self, holder: &Holder) -> Option<Hold> {
        self.holds.get(holder).copied()
    }

    pub(super) fn put(&mut self, holder: Holder, hold: Hold) {
        self.holds.insert(holder, hold);
    }

    pub(super) fn remove(&mut self, holder: &Holder) {
        self.holds.remove(holder);
    }

    /// Enters a reader without a name.
    pub(super) fn add_reader(&mut self, hold: Hold) -> Holder {
        let holder = Holder::Reader(self.next_reader);
        self.next_reader += 1;
        self.put(holder.clone(), hold);
        holder
    }

    /// A reader without a name has given out what lies up to here.
    pub(super) fn advance(&mut self, holder: &Holder, position: Position) {
        if let (Holder::Reader(_), Some(hold)) = (holder, self.holds.get_mut(holder)) {
            hold.position = position;
            hold.since = now();
        }
    }

    pub(super) fn let_go(&mut self, holder: &Holder) {
        if let Some(hold) = self.holds.get_mut(holder) {
            hold.is_let_go = true;
        }
    }

    /// Those that were not let go.
    pub(super) fn held(&self) -> Vec<(Holder, Hold)> {
        let held = self.holds.iter().filter(|(_, hold)| !hold.is_let_go);
        held.map(|(holder, hold)| (holder.clone(), *hold)).collect()
    }

    /// The named ones, by name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, Hold)> {
        self.holds.iter().filter_map(|(holder, hold)| match holder {
            Holder::Named(name) => Some((name.as_str(), *hold)),
            Holder::Reader(_) => None,
        })
    }
}
