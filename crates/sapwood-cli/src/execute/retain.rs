//! The commands that decide what is kept, and what never was; and whether it is whole.

use std::time::{Duration, SystemTime};

use sapwood::{Compression, Compressions, KeyRange, OnlineOptions, PinOptions, Timestamp};

use crate::{
    answer::Answer,
    failure::{Failure, Result},
    language::text::printable,
    progress,
    render::clock,
    session::Session,
};

impl Session {
    pub(super) fn pin(&self, name: &str, at: Timestamp, ttl: Option<Duration>) -> Result<Answer> {
        let mut options = PinOptions::default();
        if let Some(ttl) = ttl {
            // An expiry that cannot be written as a date is refused before anything is done.
            let expires = SystemTime::now().checked_add(ttl);
            if expires.and_then(clock::rfc3339).is_none() {
                return Err(Failure::invalid(format!(
                    "ttl={} reaches beyond the year 9999; leave it out for a pin without end",
                    ttl.as_secs()
                )));
            }
            options = options.ttl(ttl);
        }
        self.engine.pin(name, at, options)?;
        Ok(Answer::Pins(self.engine.pins()?))
    }

    pub(super) fn prune(&self, before: Timestamp) -> Result<Answer> {
        let bar = progress::part("pruning");
        let report = self.engine.prune_with(before, |part, what| {
            progress::set_part(&bar, part, what);
        })?;
        bar.finish_and_clear();
        Ok(Answer::Pruned(report))
    }

    pub(super) fn compact(
        &self,
        range: KeyRange,
        compression: Option<Compression>,
    ) -> Result<Answer> {
        if let Some(compression) = compression {
            let compressions = Compressions::all(compression);
            let options = OnlineOptions::default().compression(compressions);
            self.engine.set_options(&options)?;
        }
        let bar = progress::part("compacting");
        self.engine.compact_range_with(range, |part, what| {
            progress::set_part(&bar, part, what);
        })?;
        bar.finish_and_clear();
        Ok(Answer::Done)
    }

    pub(super) fn verify(&self) -> Result<Answer> {
        let bar = progress::part("verifying");
        let report = self.engine.verify_with(|part, what| {
            progress::set_part(&bar, part, what);
        })?;
        bar.finish_and_clear();
        Ok(Answer::Verified(report))
    }

    pub(super) fn rollback_to(&self, target: Timestamp) -> Result<Answer> {
        if let Some(name) = self.transactions.first() {
            return Err(Failure::invalid(format!(
                "the transaction {:?} is open; commit it or roll it back first",
                printable(name)
            )));
        }
        let _spinner = progress::spinner("rolling back");
        Ok(Answer::RolledBack(self.engine.rollback_to(target)?))
    }
}
