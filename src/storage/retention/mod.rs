//! Retention: the floor moves by itself, as a policy says.
//!
//! | module | owns |
//! |---|---|
//! | `policy` | what is kept at most and at least |
//! | `search` | where a policy would have the floor |
//! | `tend` | moving it there: by a call, or when there is enough to do |
//! | `debt` | what is stored and kept for nobody, and who holds the floor |
//! | `worker`, `bell` | the thread that does it in the background |
//! | `gate` | where writers wait while the debt is too large |
//!
//! **Invariants:**
//! - the policy in memory is durable in `meta`;
//! - the floor moves by `prune_before` only, so all that is said there of guards, pins and crashes holds here;
//! - the floor never passes what `at_least_commits` keeps.

mod bell;
mod debt;
mod gate;
#[cfg(all(test, loom))]
mod loom_tests;
mod policy;
mod search;
mod tend;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
#[cfg(not(any(loom, shuttle)))]
mod worker;

use bell::Bell;
use debt::Figures;
pub use debt::{FloorHold, RetentionStatus};
use gate::Gate;
pub use policy::RetentionPolicy;
use search::Search;

use crate::{
    backend::{Keyspace, depths::Depths, ended::Ended},
    codec::meta,
    error::{Error, Result},
    storage::store::Store,
    sync::{Arc, Mutex},
    timestamp::Timestamp,
};

/// What a store knows of its policy.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// Changed under the retention lock only.
    policy: Mutex<RetentionPolicy>,
    search: Mutex<Search>,
    figures: Mutex<Figures>,
    bell: Arc<Bell>,
    gate: Gate,
    #[cfg(not(any(loom, shuttle)))]
    worker: Mutex<Option<crate::sync::thread::JoinHandle<()>>>,
}

impl Keeping {
    pub(crate) fn policy(&self) -> RetentionPolicy {
        *self.policy.lock()
    }

    /// A group of commits was made.
    pub(crate) fn committed(&self) {
        self.bell.ring();
    }

    /// Versions were moved to `history`.
    pub(crate) fn merged(&self, ended: &Ended) {
        self.figures.lock().add(ended);
    }

    /// All of `history` was walked over.
    pub(crate) fn walked(&self, depths: Depths) {
        self.figures.lock().depths = depths;
    }

    /// The store was rolled back.
    pub(crate) fn rewind(&self, target: Timestamp) {
        self.figures.lock().rewind(target);
    }

    /// Pins were removed: what they alone held may go.
    pub(crate) fn unpinned(&self) {
        self.figures.lock().unpinned();
        self.bell.ring();
    }

    /// Ends the thread and all waiting.
    pub(crate) fn end(&self) {
        self.bell.end();
        self.gate.end();
    }

    /// Waits for the end of the thread. Not to be called with anything that a prune waits for.
    pub(crate) fn join(&self) {
        #[cfg(not(any(loom, shuttle)))]
        {
            let worker = self.worker.lock().take();
            let is_self = |worker: &crate::sync::thread::JoinHandle<()>| {
                worker.thread().id() == crate::sync::thread::current().id()
            };
            if let Some(worker) = worker.filter(|worker| !is_self(worker)) {
                // It does not panic; if it did, there is nothing left to be done.
                drop(worker.join());
            }
        }
    }
}

impl Store {
    /// Reads the policy of a store that is being opened, and how much history there is.
    pub(super) fn recall_retention(&self) -> Result<()> {
        if let Some(value) = self.backend.get(Keyspace::Meta, meta::RETENTION)? {
            let policy = RetentionPolicy::decode(&value)
                .map_err(|error| Error::corrupt("the retention policy in meta", error))?;
            *self.keeping.policy.lock() = policy;
        }
        let (floor, visible) = (self.floor(), self.clock.visible());
        if floor < visible {
            let bytes = self.backend.size_bytes(Keyspace::History)?;
            self.keeping.figures.lock().recall(bytes, floor, visible);
        }
        Ok(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.end();
    }
}
