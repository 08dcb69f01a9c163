//! [`Worker`]: what one thread keeps while it works on a part of a block.

use super::{
    counter::encode_cell,
    counts::WorkerCounts,
    frame::{Frame, Own},
    hash::KeyHasher,
    kept::Kept,
    memory::Reliance,
    pace::{Pace, WORTH_AHEAD},
    pool::Inside,
    ranges::RangeRead,
};
use crate::sync::Arc;

/// How many records of committed runs are kept for later ones.
const SPARE: usize = 64;

pub(super) struct Worker {
    kept: Arc<Kept>,
    pub(super) inside: Inside,
    pub(super) frame: Frame,
    /// A transaction that was handed over, to be run next.
    pub(super) handed: Option<u32>,
    pub(super) counts: Arc<WorkerCounts>,
    /// How long its runs take.
    pub(super) pace: Pace,
    /// What the last run leaves at each location.
    pub(super) writes: Vec<(u32, Own)>,
    /// Emptied, their memory is used again: otherwise each run would take some, and another thread would
    /// give it back.
    spare: Vec<Arc<Reliance>>,
}

impl Worker {
    pub(super) fn new(kept: &Arc<Kept>, hasher: KeyHasher, inside: &Inside) -> Self {
        let mut frame = kept.take_frame();
        frame.set_hasher(hasher);
        Self {
            kept: Arc::clone(kept),
            inside: inside.clone(),
            frame,
            handed: None,
            counts: Arc::default(),
            pace: Pace::new(WORTH_AHEAD),
            writes: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Ends a run: what it relies on and where it wrote. What it wrote is left in `writes`.
    pub(super) fn end_run(&mut self, ranges: Vec<RangeRead>) -> Arc<Reliance> {
        let mut reliance = self.spare.pop().unwrap_or_default();
        if Arc::get_mut(&mut reliance).is_none() {
            reliance = Arc::default();
        }
        if let Some(reliance) = Arc::get_mut(&mut reliance) {
            self.fill(reliance);
            reliance.ranges = ranges;
        }
        reliance
    }

    fn fill(&mut self, reliance: &mut Reliance) {
        reliance.bounds.extend(self.frame.bounds());
        reliance.points.extend(self.frame.take_reads());
        self.writes.clear();
        self.frame.settle(|slot, own| {
            let own = match own {
                Own::Added(total) => Own::Value(Some(encode_cell(total.get()))),
                Own::Delta(_) => {
                    reliance.deltas.push(slot.location);
                    own
                }
                Own::Value(_) => own,
            };
            reliance.written.push(slot.location);
            self.writes.push((slot.location, own));
        });
    }

    /// A run was committed: nobody looks any more at what it relied on.
    pub(super) fn recycle(&mut self, mut reliance: Arc<Reliance>) {
        if self.spare.len() < SPARE
            && let Some(used) = Arc::get_mut(&mut reliance)
        {
            used.clear();
            self.spare.push(reliance);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kept.keep_frame(std::mem::take(&mut self.frame));
    }
}
