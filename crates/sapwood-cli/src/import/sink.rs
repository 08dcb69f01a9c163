//! [`Sink`]: what an import does with the commits of its source.
//!
//! **The rule for a database that is not empty:** the commits up to its newest timestamp are read
//! but not written; the state that they lead to must be the database's newest, or the import is
//! refused before anything is written. So an import that stopped is simply run again, and a database
//! that holds something else is left alone.

use std::{collections::BTreeMap, time::SystemTime};

use sapwood::{Batch, CommitOptions, Engine, ReadView, Timestamp};

use crate::{
    answer::Imported,
    failure::{Failure, Result},
};

/// One commit of a source.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// Its ordinal or height.
    pub(super) timestamp: u64,
    /// The time of day that it carries.
    pub(super) time: Option<SystemTime>,
    /// Keys and their new values; `None` deletes.
    pub(super) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Takes the commits of a source, in order.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    engine: &'a Engine,
    /// The newest timestamp at the beginning.
    begin: u64,
    /// The state that the skipped commits lead to; taken when it has been compared.
    expected: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// The last timestamp that was seen.
    last: u64,
    done: Imported,
}

impl<'a> Sink<'a> {
    /// A sink into `engine`.
    pub(super) fn new(engine: &'a Engine) -> Self {
        let begin = engine.visible();
        Self {
            engine,
            begin: begin.get(),
            expected: (begin > Timestamp::ZERO).then(BTreeMap::new),
            last: 0,
            done: Imported {
                commits: 0,
                skipped: 0,
                writes: 0,
                visible: begin,
            },
        }
    }

    /// Takes one commit.
    pub(super) fn take(&mut self, commit: Commit) -> Result<()> {
        let timestamp = commit.timestamp;
        self.check_order(timestamp)?;
        if timestamp <= self.begin {
            self.skip(commit);
        } else {
            self.compare()?;
            self.done.writes += commit.writes.len() as u64;
            let mut options = CommitOptions::default().at(Timestamp::new(timestamp));
            if let Some(time) = commit.time {
                options = options.time(time);
            }
            let made = self.engine.commit(Batch::from(commit.writes), options)?;
            self.done.visible = made.timestamp;
            self.done.commits += 1;
        }
        self.last = timestamp;
        Ok(())
    }

    /// Ends the import.
    pub(super) fn finish(mut self) -> Result<Imported> {
        self.compare()?;
        Ok(self.done)
    }

    /// A failure of the source, with where the import stopped.
    pub(super) fn stopped(&self, failure: Failure) -> Failure {
        let held = self.engine.visible();
        failure.explain(|message| {
            format!(
                "{message}; stopped behind {}, and the database holds all up to {held}; once that \
                 is mended, the same import goes on from there",
                self.last
            )
        })
    }

    /// Refuses commits that are not in order.
    fn check_order(&self, timestamp: u64) -> Result<()> {
        if timestamp > self.last {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "commit {timestamp} comes behind {}; ordinals begin at 1 and grow",
            self.last
        )))
    }

    fn skip(&mut self, commit: Commit) {
        self.done.skipped += 1;
        let Some(expected) = &mut self.expected else {
            return;
        };
        for (key, value) in commit.writes {
            match value {
                Some(value) => expected.insert(key, value),
                None => expected.remove(&key),
            };
        }
    }

    /// Compares the database with what the skipped commits lead to, once.
    fn compare(&mut self) -> Result<()> {
        let Some(expected) = self.expected.take() else {
            return Ok(());
        };
        if self.last != self.begin {
            return Err(self.refused());
        }
        let mut expected = expected.into_iter();
        for row in self.engine.snapshot()?.range(..) {
            let (key, value) = row?;
            let same = expected
                .next()
                .is_some_and(|(wanted, state)| wanted == *key && state == *value);
            if !same {
                return Err(self.refused());
            }
        }
        match expected.next() {
            None => Ok(()),
            Some(_) => Err(self.refused()),
        }
    }

    fn refused(&self) -> Failure {
        Failure::invalid(format!(
            "the database's newest state, at timestamp {}, is not what this history has there; \
             import it into a new database with --db",
            self.begin
        ))
    }
}
