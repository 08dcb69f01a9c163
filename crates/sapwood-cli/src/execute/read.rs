//! The commands that read.

use sapwood::{ReadView, Timestamp, Version};

use crate::{
    answer::{Answer, Stats},
    failure::Result,
    language::command::{History, Scan},
    progress,
    scrape::Reading,
    session::Session,
};

impl Session {
    pub(super) fn get(&self, key: &[u8], at: Option<Timestamp>) -> Result<Answer> {
        let value = match at {
            Some(at) => self.engine.at(at)?.get(key)?,
            None => self.engine.get(key)?,
        };
        Ok(Answer::Value(value))
    }

    pub(super) fn scan(&self, scan: Scan, at: Option<Timestamp>) -> Result<Answer> {
        let state = match at {
            Some(at) => self.engine.at(at)?,
            None => self.engine.snapshot()?,
        };
        rows(&state, scan)
    }

    /// The versions with `start < to` and `end > from`, in that order of words: where `to` is not
    /// above `from`, those that began before the one and ended after the other.
    pub(super) fn history(&self, history: &History) -> Result<Answer> {
        let from = history.from.unwrap_or(Timestamp::ZERO);
        let versions = match history.to {
            Some(to) if to > from => self.engine.history(&history.key, from..to)?,
            Some(_) => self.engine.history(&history.key, ..)?,
            None => self.engine.history(&history.key, from..)?,
        };
        let asked = |version: &Version| {
            history.to.is_none_or(|to| version.start < to)
                && version.end.is_none_or(|end| end > from)
        };
        let versions = versions.filter(|version| version.as_ref().map_or(true, asked));
        let versions = ends(versions, history.reverse, history.limit)?;
        Ok(Answer::Versions(versions))
    }

    pub(super) fn diff(&self, old: Timestamp, new: Timestamp) -> Result<Answer> {
        let _spinner = progress::spinner("comparing");
        let changes = self.engine.diff(old, new)?;
        Ok(Answer::Changes(changes.collect::<sapwood::Result<_>>()?))
    }

    pub(super) fn stats(&self, explain: bool) -> Result<Answer> {
        let _spinner = progress::spinner("counting");
        Ok(Answer::Stats(Stats {
            status: self.engine.status()?,
            sizes: self.engine.sizes()?,
            pins: self.engine.pins()?,
            retention: self.engine.retention_status()?,
            readings: self.readings()?,
            explain,
        }))
    }
}

impl Session {
    /// All counters and gauges.
    fn readings(&self) -> Result<Vec<Reading>> {
        let samples = self.engine.samples()?.into_iter();
        let readings = samples.map(|sample| Reading {
            name: sample.metric.name.to_owned(),
            value: sample.value.as_f64(),
            labels: sample
                .labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
        });
        Ok(readings.collect())
    }
}

/// The rows of a state that a scan asks for.
pub(super) fn rows(state: &impl ReadView, scan: Scan) -> Result<Answer> {
    let _spinner = progress::spinner("scanning");
    let rows = ends(state.range(scan.range), scan.reverse, scan.limit)?;
    Ok(Answer::Rows(rows))
}

/// The first items from one of both ends.
fn ends<T>(
    items: impl DoubleEndedIterator<Item = sapwood::Result<T>>,
    reverse: bool,
    limit: Option<usize>,
) -> sapwood::Result<Vec<T>> {
    let limit = limit.unwrap_or(usize::MAX);
    if reverse {
        items.rev().take(limit).collect()
    } else {
        items.take(limit).collect()
    }
}
