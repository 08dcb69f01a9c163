//! The thread that keeps to the policy in the background.
//!
//! It is there while a policy has something to do, holds the store only while it looks, and waits for commits
//! otherwise. It ends with `close`, which waits for it, or soon after the last handle has gone.

use std::time::{Duration, Instant};

use super::{bell::Bell, tend::Tended};
use crate::{
    error::{Error, ErrorKind, Result},
    storage::store::Store,
    sync::{
        Arc, Weak,
        thread::{self, JoinHandle},
    },
};

/// How long commits gather before it looks.
const GATHER: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// When it looks again without commits, where something is held or has failed.
const AGAIN: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 5000 });
/// The same while writers wait.
const SOON: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

impl Store {
    /// Starts the thread, if there is something for it to do and it is not there yet.
    pub(crate) fn tend_in_background(self: &Arc<Self>) {
        if self.keeping.policy().keeps_all() || self.backend.is_read_only() {
            return;
        }
        let mut worker = self.keeping.worker.lock();
        if worker.is_none() {
            match start(Arc::downgrade(self), Arc::clone(&self.keeping.bell)) {
                Ok(started) => *worker = Some(started),
                Err(error) => self.keeping.figures.lock().failure = Some(error.to_string()),
            }
        }
    }

    /// Looks once, and notes what has failed. Returns when to look again, whether or not anything is committed.
    fn look(&self) -> Option<Duration> {
        let outcome = self.tend();
        if matches!(&outcome, Err(error) if *error.kind() == ErrorKind::Closed) {
            return None;
        }
        let again = match &outcome {
            Ok(Tended::Idle) => None,
            Ok(Tended::Pruned) => Some(GATHER),
            Ok(Tended::Held) | Err(_) => Some(AGAIN),
        };
        self.keeping.figures.lock().failure = outcome.err().map(|error| error.to_string());
        if self.keeping.gate.is_shut() {
            Some(SOON)
        } else {
            again
        }
    }
}

fn start(store: Weak<Store>, bell: Arc<Bell>) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("sapwood-retention".to_owned());
    let started = thread.spawn(move || work(&store, &bell));
    started.map_err(|source| Error::io("the retention thread could not be started", source))
}

fn work(store: &Weak<Store>, bell: &Bell) {
    // What was there before it was started.
    bell.ring();
    let mut again = None;
    loop {
        let gather = again.unwrap_or(GATHER).min(GATHER);
        if !bell.wait(again.map(after)) || !bell.rest(after(gather)) {
            return;
        }
        bell.listen();
        let Some(store) = store.upgrade() else { return };
        again = store.look();
    }
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}
