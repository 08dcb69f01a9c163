//! From events to reads of versions.
//!
//! Replays each transaction against its own writes, and turns what it saw of others' into places in
//! the version orders. What cannot be such a place is an anomaly by itself: aborted, intermediate
//! and impossible versions, and own writes that are not seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeBounds,
};

use crate::{
    anomaly::{Anomaly, Class},
    history::{Event, History, Id, Key, Own, Transaction, Version},
};

/// A version's place in the order of its key: 0 is before everything, 1 the first.
pub(crate) type Place = usize;

/// An installed version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Installed {
    pub(crate) by: Id,
    pub(crate) version: Version,
    pub(crate) live: bool,
    pub(crate) timestamp: Option<u64>,
}

/// The version orders, with what is known of each version.
#[derive(Debug)]
pub(crate) struct Orders {
    keys: BTreeMap<Key, Vec<Installed>>,
    places: BTreeMap<Version, Place>,
    /// What each transaction would install, committed or not.
    pub(crate) installs: Vec<BTreeMap<Key, (usize, bool)>>,
}

impl Orders {
    pub(crate) fn new(history: &History) -> Self {
        let installs = history.transactions.iter().map(Transaction::installs);
        let mut orders = Self {
            keys: BTreeMap::new(),
            places: BTreeMap::new(),
            installs: installs.collect(),
        };
        for (key, versions) in &history.order {
            for version in versions {
                orders.push(history, key, *version);
            }
        }
        orders.check_complete(history);
        orders
    }

    fn push(&mut self, history: &History, key: &Key, version: Version) {
        let Version::Written(by, nth) = version else {
            panic!("{key}: version 0 is not in the order");
        };
        let transaction = &history.transactions[by.0];
        let live = match self.installs[by.0].get(key) {
            Some((last, live)) if *last == nth && transaction.is_committed() => *live,
            _ => panic!("{key}: {version} is in the order, but was not installed"),
        };
        let order = self.keys.entry(key.clone()).or_default();
        let timestamp = transaction.timestamp();
        order.push(Installed {
            by,
            version,
            live,
            timestamp,
        });
        let before = self.places.insert(version, order.len());
        assert_eq!(before, None, "{key}: {version} is in the order twice");
    }

    /// Every value that was committed has its place. A delete of what was not there needs none.
    fn check_complete(&self, history: &History) {
        for (number, transaction) in history.transactions.iter().enumerate() {
            if transaction.is_committed() {
                for (key, (nth, live)) in &self.installs[number] {
                    let version = Version::Written(Id(number), *nth);
                    let placed = !live || self.places.contains_key(&version);
                    assert!(placed, "{key}: {version} is missing from the order");
                }
            }
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&Key, &[Installed])> {
        self.keys.iter().map(|(key, order)| (key, order.as_slice()))
    }

    pub(crate) fn of(&self, key: &str) -> &[Installed] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// The version at a place; `None` is version 0.
    pub(crate) fn at(&self, key: &str, place: Place) -> Option<&Installed> {
        self.of(key).get(place.checked_sub(1)?)
    }

    /// The place of what a transaction wrote.
    pub(crate) fn place_by(&self, by: Id, key: &str) -> Option<Place> {
        let (nth, _) = self.installs[by.0].get(key)?;
        self.places.get(&Version::Written(by, *nth)).copied()
    }

    pub(crate) fn is_live(&self, key: &str, place: Place) -> bool {
        self.at(key, place).is_some_and(|installed| installed.live)
    }

    /// Where a key became absent that is absent at a place.
    pub(crate) fn absent_since(&self, key: &str, place: Place) -> Place {
        let mut since = place;
        while since > 0 && !self.is_live(key, since - 1) {
            since -= 1;
        }
        since
    }

    /// The place that a timestamp sees: the last version at or below it.
    pub(crate) fn seen_at(&self, key: &str, timestamp: u64) -> Place {
        let old = |installed: &Installed| installed.timestamp.is_some_and(|at| at <= timestamp);
        self.of(key).partition_point(old)
    }

    /// How a version is spoken of.
    pub(crate) fn name(&self, key: &str, place: Place) -> String {
        match self.at(key, place) {
            None => format!("{key}[0]"),
            Some(Installed { version, live, .. }) => {
                let what = if *live { "" } else { ", a delete" };
                format!("{key}[{place}] ({version}{what})")
            }
        }
    }
}

/// How something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key itself: by name, or as a row of a scan.
    Item,
    /// Its absence, by a scan.
    Predicate,
}

/// A read of what others wrote.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) by: Id,
    pub(crate) key: Key,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) tracked: bool,
}

/// The reads of all transactions, those of aborted ones too, and what is wrong with them already.
pub(crate) fn collect(history: &History, orders: &Orders) -> (Vec<Read>, Vec<Anomaly>) {
    let keys = history.keys();
    let mut found = (Vec::new(), Vec::new());
    for (number, transaction) in history.transactions.iter().enumerate() {
        let mut reader = Reader {
            history,
            orders,
            keys: &keys,
            by: Id(number),
            transaction,
            own: Own::default(),
            reads: &mut found.0,
            anomalies: &mut found.1,
        };
        transaction
            .events
            .iter()
            .for_each(|event| reader.replay(event));
    }
    found
}

struct Reader<'a> {
    history: &'a History,
    orders: &'a Orders,
    keys: &'a BTreeSet<&'a Key>,
    by: Id,
    transaction: &'a Transaction,
    own: Own,
    reads: &'a mut Vec<Read>,
    anomalies: &'a mut Vec<Anomaly>,
}

impl Reader<'_> {
    fn replay(&mut self, event: &Event) {
        match event {
            Event::Read { key, saw, tracked } => self.see(key, *saw, Kind::Item, *tracked),
            Event::Scan { range, rows } => {
                for (key, saw) in rows {
                    assert!(
                        range.contains(key),
                        "{}: {key} is outside its scan",
                        self.by
                    );
                    let kind = if self.is_value(*saw) {
                        Kind::Item
                    } else {
                        Kind::Predicate
                    };
                    self.see(key, *saw, kind, true);
                }
                let absent = |key: &&&Key| range.contains(**key) && !rows.contains_key(**key);
                for key in self.keys.iter().filter(absent) {
                    self.see(key, Version::Missing, Kind::Predicate, true);
                }
            }
            Event::Write { .. } | Event::Savepoint | Event::RollbackTo(_) => {}
        }
        self.own.apply(event);
    }

    fn is_value(&self, version: Version) -> bool {
        let Version::Written(by, nth) = version else {
            return false;
        };
        let writer = self.history.transactions.get(by.0);
        // One that was never written is told of where it is looked for.
        writer
            .and_then(|writer| writer.writes().nth(nth))
            .is_none_or(|(_, live)| live)
    }

    fn see(&mut self, key: &Key, saw: Version, kind: Kind, tracked: bool) {
        let by = self.by;
        let own = self.own.writes.get(key).copied();
        if let Some((nth, live)) = own {
            let right = saw == Version::Written(by, nth) || !live && saw == Version::Missing;
            if !right {
                let own = Version::Written(by, nth);
                let story = format!("{by} read {key} as {saw} after its own write {own}");
                self.anomalies.push(Anomaly::new(Class::Internal, story));
            }
            return;
        }
        match self.place(key, saw) {
            Ok(place) => {
                let since = self.orders.absent_since(key, place);
                let ended = self.orders.at(key, since).map(|installed| installed.by);
                if kind == Kind::Predicate && ended == Some(by) {
                    let story = format!("{by} saw that {key} was gone, before its own delete");
                    self.anomalies.push(Anomaly::new(Class::Internal, story));
                    return;
                }
                let key = key.clone();
                self.reads.push(Read {
                    by,
                    key,
                    place,
                    kind,
                    tracked,
                });
            }
            // G1 is about committed readers. What others see, their snapshots tell.
            Err((Class::G1a | Class::G1b, why)) if !self.transaction.is_committed() => {
                if self.transaction.snapshot.is_some() {
                    let story = format!("{by}, aborted later, read {key} as {saw}, {why}");
                    self.anomalies
                        .push(Anomaly::new(Class::NotOfSnapshot, story));
                }
            }
            Err((class, why)) => {
                let story = format!("{by} read {key} as {saw}, {why}");
                self.anomalies.push(Anomaly::new(class, story));
            }
        }
    }

    /// The place of a version that was seen, or what it is instead.
    fn place(&self, key: &Key, saw: Version) -> Result<Place, (Class, String)> {
        let Version::Written(by, nth) = saw else {
            return Ok(self.missing(key));
        };
        let writer = self.history.transactions.get(by.0);
        let written = writer.and_then(|writer| Some((writer, writer.writes().nth(nth)?)));
        let Some((writer, (_, live))) = written.filter(|(_, write)| write.0 == key) else {
            return Err((Class::ThinAir, "which nobody wrote".to_owned()));
        };
        if by == self.by {
            return Err((
                Class::Internal,
                "which it had not written, or taken back".to_owned(),
            ));
        }
        if !writer.is_committed() {
            return Err((Class::G1a, format!("but {by} was aborted")));
        }
        if self.orders.installs[by.0].get(key).map(|(last, _)| *last) != Some(nth) {
            return Err((Class::G1b, format!("but {by} did not leave it at that")));
        }
        let place = self.orders.places.get(&saw).copied();
        assert!(place.is_some() || !live, "{key}: {saw} has no place");
        Ok(place.unwrap_or_else(|| self.missing(key)))
    }

    /// Which "nothing" was seen: with a snapshot the newest that it could see, else version 0.
    fn missing(&self, key: &Key) -> Place {
        let newest = self
            .transaction
            .snapshot
            .map(|at| self.orders.seen_at(key, at));
        let mut place = newest.unwrap_or(0);
        while self.orders.is_live(key, place) {
            place -= 1;
        }
        place
    }
}
