//! Pruning: how the floor moves, and how pins are set and removed.
//!
//! [`Store::prune_before`] moves the floor in this order:
//!
//! 1. clip the new floor to the oldest guard and feed at or above the present one; a floor never goes down;
//! 2. write it to `meta`, synced: from here on the rows below it may go, crash or not;
//! 3. publish it to reads: new ones below it fail;
//! 4. collect the guards that were registered below it in between, or that read at a pin;
//! 5. give the filters the floor, the pins and those guards, as one value;
//! 6. drive the backend over what that rule lets go.
//!
//! A guard of step 4 needs no waiting for: it sees exactly what a pin at its timestamp would see,
//! so it is treated as one. That is where this differs from the usual protocol, which waits; one
//! forgotten reader cannot stop it.
//!
//! Before step 1, all commits are merged: the floor stays at or below the merge mark. And guards past the age
//! limit, where there is one, are let go, and feeds that are further behind than they may be: they count no more.
//!
//! Steps 1 to 5, pin and unpin share one lock. A pin is only granted at or above the floor, or where
//! another pin holds already. A filter that took an older floor drops nothing that a timestamp above
//! that floor sees; so a pin counts as soon as it is in memory, even for filters that do not know it.

use std::time::SystemTime;

use super::{
    pins::{self, Pin, PinOptions},
    store::Store,
};
use crate::{
    backend::{Keyspace, Progress, WriteBatch},
    codec::meta,
    config::Durability,
    error::{Error, Result},
    failpoint::{Point, reach},
    metrics::Timed,
    sync::Ordering,
    timestamp::Timestamp,
    trace,
};

/// What [`Engine::prune_before`](crate::Engine::prune_before) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// The floor now. Lower than asked where a snapshot or a feed holds it.
    pub floor: Timestamp,
    /// The timestamp of the oldest snapshot or feed, where it kept the floor lower than asked.
    pub held_by: Option<Timestamp>,
    /// Ended versions that were stored before.
    pub rows_before: u64,
    /// Ended versions that are stored now.
    pub rows_after: u64,
    /// Ended versions that were dropped.
    pub rows_dropped: u64,
    /// Rows of other keyspaces that were dropped: times of deletes, keys of commits.
    pub bookkeeping_rows_dropped: u64,
    /// Rows that could not be read and were kept; `verify` names them.
    pub undecodable_rows: u64,
    /// Bytes that history took before, by the backend's count of its files.
    pub bytes_before: u64,
    /// Bytes that history takes now.
    pub bytes_after: u64,
}

impl PruneReport {
    /// The bytes that were given back.
    pub fn bytes_reclaimed(&self) -> u64 {
        self.bytes_before.saturating_sub(self.bytes_after)
    }
}

impl Store {
    /// Moves the floor to `before`, as far as guards allow, and drops what nobody can read.
    pub(crate) fn prune_before(
        &self,
        before: Timestamp,
        progress: Progress<'_>,
    ) -> Result<PruneReport> {
        let report = self.prune_if(before, &|| true, progress)?;
        Ok(report.unwrap_or_default())
    }

    /// The same, unless what asks for it does not hold any more once nothing can change it: neither the policy nor
    /// the epoch.
    pub(super) fn prune_if(
        &self,
        before: Timestamp,
        holds: &dyn Fn() -> bool,
        progress: Progress<'_>,
    ) -> Result<Option<PruneReport>> {
        let _timing = self.meter.time(Timed::Prune);
        let span = trace::prune(before).entered();
        let report = self.prune_in_steps(before, holds, progress)?;
        if let Some(report) = &report {
            span.record("floor", report.floor.get());
            span.record("held_by", report.held_by.map(Timestamp::get));
            span.record("rows_dropped", report.rows_dropped);
            span.record("bytes_reclaimed", report.bytes_reclaimed());
        }
        Ok(report)
    }

    fn prune_in_steps(
        &self,
        before: Timestamp,
        holds: &dyn Fn() -> bool,
        progress: Progress<'_>,
    ) -> Result<Option<PruneReport>> {
        let (mut driven, retention) = loop {
            self.check_open()?;
            self.check_not_read_only()?;
            // After a rollback that has failed half-way nothing is pruned: what will finish it needs the rows.
            let era = self.clock.era()?;
            let visible = self.clock.visible();
            if before > visible {
                return Err(Error::not_yet(before, visible));
            }
            // The floor must not pass what is merged: the rows of commits above the merge mark are needed.
            // Before the locks: this waits for the turn to commit, whose holder may wait for them.
            if before > self.floor() {
                self.merge_all()?;
            }
            reach(Point::PruneMerged);
            let (driven, retention) = (self.driven.lock(), self.retention.lock());
            // After a rollback that came between, neither need hold.
            if self.clock.is_still(era) {
                break (driven, retention);
            }
        };
        self.check_open()?;
        if !holds() {
            return Ok(None);
        }
        self.expire_pins(SystemTime::now())?;
        self.guards.let_go_of_the_old();
        self.let_go_of_feeds(before)?;
        let held_by = self.move_floor(before)?;
        let rule = (self.publish_rule(), self.clock.epoch());
        // Driving may take long; pins can be set and removed meanwhile, and what a rollback leaves to be dropped
        // is left to the next prune.
        drop(retention);
        reach(Point::PruneArmed);
        let mut report = PruneReport {
            floor: rule.0.floor(),
            held_by,
            ..PruneReport::default()
        };
        // Nothing can have become droppable since the same rule was driven to its end.
        if driven.as_ref() == Some(&rule) {
            return Ok(Some(report));
        }
        self.begin_pass();
        let reclaimed = self.backend.prune(progress);
        self.end_pass(
            reclaimed
                .as_ref()
                .ok()
                .map(|reclaimed| reclaimed.kept.clone()),
        );
        let reclaimed = reclaimed?;
        reach(Point::PruneDriven);
        *driven = Some(rule);
        report.rows_before = reclaimed.rows_before;
        report.rows_after = reclaimed.rows_before.saturating_sub(reclaimed.rows_dropped);
        report.rows_dropped = reclaimed.rows_dropped;
        report.bookkeeping_rows_dropped = reclaimed.bookkeeping_rows_dropped;
        report.undecodable_rows = reclaimed.undecodable_rows;
        report.bytes_before = reclaimed.bytes_before;
        report.bytes_after = reclaimed.bytes_after;
        Ok(Some(report))
    }

    /// Steps 1 to 3. Returns the guard or feed that the floor stopped at, if one did.
    fn move_floor(&self, before: Timestamp) -> Result<Option<Timestamp>> {
        let floor = self.floor();
        if before <= floor {
            return Ok(None);
        }
        let guard = self.guards.oldest_from(floor);
        let oldest = guard.into_iter().chain(self.oldest_feed()).min();
        let held_by = oldest.filter(|oldest| *oldest < before);
        let target = held_by.unwrap_or(before);
        if target > floor {
            let mut batch = WriteBatch::default();
            batch.put(
                Keyspace::Meta,
                &[meta::FLOOR],
                &[&meta::encode_timestamp(target)],
            );
            self.backend.write(batch, Durability::Sync)?;
            reach(Point::PruneFloorWritten);
            self.floor.store(target.get(), Ordering::SeqCst);
            reach(Point::PruneFloorPublished);
        }
        Ok(held_by)
    }

    /// Sets a pin.
    pub(crate) fn pin(&self, name: &str, at: Timestamp, options: PinOptions) -> Result<Pin> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        // A rollback that has failed half-way will go below what is visible still.
        self.clock.era()?;
        let (floor, visible) = (self.floor(), self.clock.visible());
        if at > visible {
            return Err(Error::not_yet(at, visible));
        }
        let now = SystemTime::now();
        self.expire_pins(now)?;
        if at < floor && !self.pins.read().holds(at) {
            return Err(Error::pruned(at, floor));
        }
        self.pins.read().check_new(name)?;
        let expires = match options.ttl {
            Some(ttl) => Some(now.checked_add(ttl).ok_or_else(|| {
                Error::invalid(format!("a pin cannot hold for {} seconds", ttl.as_secs()))
            })?),
            None => None,
        };
        let pin = Pin {
            name: name.to_owned(),
            timestamp: at,
            expires,
            created: pins::as_stored(now),
        };
        pins::write(self.backend.as_ref(), &pin)?;
        reach(Point::PinWritten);
        self.pins.write().insert(pin.clone());
        self.publish_rule();
        reach(Point::PinKept);
        Ok(pin)
    }

    /// Removes a pin. Snapshots that read at it keep what they see.
    pub(crate) fn unpin(&self, name: &str) -> Result<()> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_not_read_only()?;
        if self.pins.read().get(name).is_none() {
            return Err(Error::not_found(format!("there is no pin named {name:?}")));
        }
        self.remove_pins(&[name.to_owned()])
    }

    /// The pins, by name, without those that have expired.
    pub(crate) fn pins(&self) -> Result<Vec<Pin>> {
        let _retention = self.retention.lock();
        self.check_open()?;
        self.expire_pins(SystemTime::now())?;
        Ok(self.pins.read().iter().cloned().collect())
    }

    pub(super) fn expire_pins(&self, now: SystemTime) -> Result<()> {
        if self.backend.is_read_only() {
            // What they held stays; so may they.
            return Ok(());
        }
        let expired = self.pins.read().expired(now);
        if expired.is_empty() {
            Ok(())
        } else {
            self.remove_pins(&expired)
        }
    }

    /// Durably first, then in memory, then for the filters.
    fn remove_pins(&self, names: &[String]) -> Result<()> {
        pins::erase(self.backend.as_ref(), names)?;
        reach(Point::PinErased);
        let mut pins = self.pins.write();
        names.iter().for_each(|name| pins.remove(name));
        drop(pins);
        self.publish_rule();
        self.keeping.unpinned();
        Ok(())
    }
}
