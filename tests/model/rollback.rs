//! Rollbacks in the schedule: what is above the target is refused from then on, the rest goes on.

use rand::RngExt;
use sapwood::{Iter, ReadView, Result, Snapshot};

use crate::{
    schedule::{Schedule, at},
    transactions::Open,
};

/// How far back a rollback mostly goes.
const DEPTH: u64 = 12;

/// The stable name of the kind of an error, or that there is none.
fn told<T>(done: Result<T>) -> &'static str {
    done.map_or_else(|error| error.kind().name(), |_| "ok")
}

impl Schedule {
    pub(crate) fn roll_back(&mut self) {
        let (floor, visible) = (self.reference.floor, self.reference.visible);
        let lowest = floor.max(visible.saturating_sub(DEPTH)).saturating_sub(1);
        let target = self.random.random_range(lowest..=visible + 1);
        self.note(format!("roll back to {target}"));
        self.positions.push((visible, self.reference.epoch()));
        let is_pinned = self.reference.pins.values().any(|pin| *pin > target);
        let expected = match target {
            _ if target > visible => "not_yet",
            _ if target < floor => "pruned",
            _ if is_pinned => "invalid",
            _ => "ok",
        };
        let done = self.engine().rollback_to(at(target));
        if let Ok(report) = &done {
            self.reference.roll_back(target);
            let found = (report.visible.get(), report.epoch);
            self.same(found, (target, self.reference.epoch()), "its report");
            self.refuse_above(target);
        }
        self.same(told(done), expected, "a rollback");
        let visible = self.reference.visible;
        self.same(self.engine().visible().get(), visible, "visible");
        self.check_positions();
    }

    /// What was held above the target of a rollback is refused, and let go.
    fn refuse_above(&mut self, target: u64) {
        let is_above = |snapshot: &mut Snapshot| snapshot.timestamp() > at(target);
        let above: Vec<_> = self.snapshots.extract_if(.., is_above).collect();
        for snapshot in above {
            self.same(told(snapshot.get(b"a")), "too_old", "a snapshot above");
        }
        let is_above =
            |(iter, _): &mut (Iter, _)| iter.timestamp().is_some_and(|held| held > at(target));
        let above: Vec<_> = self.iterators.extract_if(.., is_above).collect();
        for (mut iter, _) in above {
            let found = iter.next().map(told);
            self.same(found, Some("too_old"), "an iterator above");
        }
        let is_above = |open: &mut Open| open.timestamp() > target;
        let above: Vec<_> = self.transactions.extract_if(.., is_above).collect();
        for open in above {
            let found = told(open.transaction.commit());
            self.same(found, "too_old", "a transaction above");
        }
    }

    /// Positions of the past are told from those that can still be seen.
    pub(crate) fn check_positions(&self) {
        for (number, epoch) in &self.positions {
            // Below the floor nobody asks.
            if *number < self.reference.floor {
                continue;
            }
            let expected = if self.reference.is_abandoned(*number, *epoch) {
                "too_old"
            } else if *number > self.reference.visible {
                "not_yet"
            } else {
                "ok"
            };
            let found = told(self.engine().check_position(at(*number), *epoch));
            self.same(found, expected, &format!("{number} of epoch {epoch}"));
        }
    }
}
