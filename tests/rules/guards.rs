//! The registry of guards, in two shards that pruning looks at one after the other.

use std::collections::BTreeMap;

use sapwood::Timestamp;

pub(crate) const SHARDS: [u8; 2] = [0, 1];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GuardId(u64);

#[derive(Debug, Default)]
pub(crate) struct Guards {
    held: BTreeMap<GuardId, (u8, Timestamp)>,
    next: u64,
}

impl Guards {
    pub(crate) fn register(&mut self, shard: u8, at: Timestamp) -> GuardId {
        let id = GuardId(self.next);
        self.next += 1;
        self.held.insert(id, (shard, at));
        id
    }

    pub(crate) fn release(&mut self, id: GuardId) {
        self.held.remove(&id);
    }

    /// The oldest timestamp at or above `floor` that a guard of this shard holds.
    pub(crate) fn oldest_from(&self, shard: u8, floor: Timestamp) -> Option<Timestamp> {
        self.of(shard).filter(|at| *at >= floor).min()
    }

    /// The timestamps below `floor` that guards of this shard hold.
    pub(crate) fn below(&self, shard: u8, floor: Timestamp) -> Vec<Timestamp> {
        self.of(shard).filter(|at| *at < floor).collect()
    }

    /// Whether somebody reads at this timestamp.
    pub(crate) fn hold(&self, at: Timestamp) -> bool {
        self.held.values().any(|held| held.1 == at)
    }

    fn of(&self, shard: u8) -> impl Iterator<Item = Timestamp> {
        self.held
            .values()
            .filter(move |held| held.0 == shard)
            .map(|held| held.1)
    }
}
