//! What the process keeps in memory, and loses with it.

use std::collections::{BTreeMap, VecDeque};

use sapwood::{Timestamp, storage::PruneRule};

use super::{
    control::Control,
    disk::{Disk, PinName},
    filter::Pass,
    guards::{GuardId, Guards},
    writer::InFlight,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The newest timestamp that may be read.
    pub(crate) visible: Timestamp,
    /// The newest commit that has begun to be written.
    pub(crate) started: Timestamp,
    /// The read floor.
    pub(crate) floor: Timestamp,
    pub(crate) pins: BTreeMap<PinName, Timestamp>,
    pub(crate) guards: Guards,
    /// What the next filter is given.
    pub(crate) rule: PruneRule,
    pub(crate) passes: Vec<Pass>,
    pub(crate) writing: VecDeque<InFlight>,
    pub(crate) controls: Vec<Control>,
    /// Which of them goes on, for a while.
    pub(crate) favoured: u64,
    /// How far each change feed has been read: a hold.
    pub(crate) feeds: Vec<Timestamp>,
    /// Guards that others hold.
    pub(crate) others: Vec<GuardId>,
}

impl Memory {
    /// What opening finds; filters keep everything until they are armed.
    pub(crate) fn open(disk: &Disk) -> Self {
        Self {
            visible: disk.last_commit,
            started: disk.last_commit,
            floor: disk.meta.floor,
            pins: disk.meta.pins.clone(),
            rule: PruneRule::keep_all(),
            ..Self::default()
        }
    }

    /// The floor and the named pins, as readers know them.
    pub(crate) fn named_rule(&self) -> PruneRule {
        PruneRule::new(self.floor, self.pins.values().copied())
    }
}
