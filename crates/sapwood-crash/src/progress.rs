//! How far it has come, for people.

use std::time::{Duration, Instant};

use crate::kill::eprint;

/// How often progress is shown.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    done: u64,
    all: u64,
    begun: Instant,
    shown: Instant,
}

impl Progress {
    pub(crate) fn new(what: &'static str, all: u64) -> Self {
        let now = Instant::now();
        Self {
            what,
            done: 0,
            all,
            begun: now,
            shown: now,
        }
    }

    pub(crate) fn say(&self, text: &str) {
        eprint(&format!("{}: {text}", self.what));
    }

    pub(crate) fn step(&mut self, count: u64) {
        self.done += count;
        if self.shown.elapsed() >= EVERY {
            self.shown = Instant::now();
            let seconds = self.begun.elapsed().as_secs();
            self.say(&format!("{} of {}, {seconds} s", self.done, self.all));
        }
    }

    pub(crate) fn done(&self, text: &str) {
        self.say(&format!("{text} ({} s)", self.begun.elapsed().as_secs()));
    }
}
