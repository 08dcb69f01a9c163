//! One by one: a map over the base, with no locks and no versions.
//!
//! It is what the parallel path is compared with, and what runs blocks that are too small, too cheap or
//! too full of conflicts for it.

use super::{
    access::Part,
    base::BlockBase,
    changes::ChangeSet,
    context::{Below as ContextBelow, BlockContext, State, UNTIL_LOOK},
    counter::encode_cell,
    frame::{Frame, NONE, Own, Slot},
    ledger::Ledger,
    merge::Rows,
    outcome::{ExecutionStatus, TxnIndex},
    ranges,
    run::{run, without_panic},
    schedule::Halt,
    stop::Stop,
};
use crate::{
    error::Result,
    storage::{Key, Value},
    sync::Arc,
};

/// What lies below a run.
pub(super) struct Below {
    pub(super) base: Arc<dyn BlockBase>,
    /// The block's writes so far in key order, once a range was asked for.
    ordered: Option<Rows>,
    index: TxnIndex,
    /// How near a writer has to be for its reader to have conflicted with it in parallel.
    reach: u32,
    is_near: bool,
}

impl Below {
    /// The value that the slot's next reader sees.
    pub(super) fn read(&mut self, slot: &mut Slot) -> Result<Option<Value>, Stop> {
        if !slot.is_known {
            slot.current = self.base.get(&slot.key)?;
            slot.is_known = true;
        }
        Ok(slot.current.clone())
    }

    /// A slot is read that this transaction wrote last.
    pub(super) fn note_distance(&mut self, writer: TxnIndex) {
        if writer != NONE && self.index - writer <= self.reach {
            self.is_near = true;
        }
    }

    /// The block's writes so far, in key order.
    pub(super) fn rows(&mut self, frame: &Frame) -> &Rows {
        self.ordered.get_or_insert_with(|| {
            let written = frame.slots().iter().filter(|slot| slot.writer != NONE);
            written
                .map(|slot| (Key::copy_from_slice(&slot.key), slot.current.clone()))
                .collect()
        })
    }
}

/// Transactions that are run one by one.
pub(super) struct Serial {
    frame: Frame,
    below: Below,
    part: Part,
    halt: Arc<Halt>,
    operations_limit: u64,
    /// Transactions that in parallel would have run beside one whose writes they read.
    pub(super) near: u64,
}

impl Serial {
    pub(super) fn new(
        frame: Frame,
        base: Arc<dyn BlockBase>,
        halt: Arc<Halt>,
        operations_limit: u64,
        reach: u32,
    ) -> Self {
        Self {
            frame,
            below: Below {
                base,
                ordered: None,
                index: 0,
                reach,
                is_near: false,
            },
            part: Part::default(),
            halt,
            operations_limit,
            near: 0,
        }
    }

    /// Fetches base values ahead. What cannot be read is left to whoever needs it. Returns how many.
    pub(super) fn prefetch(&mut self, keys: &[Key]) -> u64 {
        let bytes: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let Some(Ok(values)) = without_panic(|| self.below.base.multi_get(&bytes)) else {
            return 0;
        };
        for (key, value) in keys.iter().zip(values) {
            let number = self.frame.slot_of(key, |_| 0);
            if let Ok(slot) = self.frame.slot_mut(number)
                && !slot.is_known
            {
                slot.current = value;
                slot.is_known = true;
            }
        }
        keys.len() as u64
    }

    /// Runs the next transaction. Returns whether the block goes on; `None` where it was halted.
    pub(super) fn run_one<T, O, F>(
        &mut self,
        txn: &T,
        f: &F,
        ledger: &mut Ledger<O>,
    ) -> Option<bool>
    where
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>>,
    {
        let index = ledger.next();
        self.frame.begin();
        self.below.index = index;
        self.below.is_near = false;
        let state = State {
            frame: &mut self.frame,
            below: ContextBelow::Serial(&mut self.below),
            halt: &self.halt,
            operations_left: self.operations_limit,
            charged: 0,
            stop: None,
            ranges: None,
            calls_in_vain: 0,
            until_look: UNTIL_LOOK,
        };
        let (ran, left) = run(BlockContext::new(state, index), txn, f);
        let ending = ran.ok()?;
        let decision = ledger.decide(ending, left.charged);
        if !decision.is_committed {
            return Some(false);
        }
        self.near += u64::from(self.below.is_near);
        if !decision.keeps_writes {
            self.frame.drop_writes();
        }
        self.part.push(
            self.frame.reads.iter().copied(),
            self.frame.written(),
            ranges::consumed(&left.ranges),
        );
        self.apply(index);
        Some(decision.goes_on)
    }

    /// Puts what the run wrote where the next one sees it.
    fn apply(&mut self, index: TxnIndex) {
        let ordered = &mut self.below.ordered;
        self.frame.settle(|slot, own| {
            let value = match own {
                Own::Value(value) => value,
                Own::Added(total) => Some(encode_cell(total.get())),
                // With everything below decided, there are none.
                Own::Delta(_) => return,
            };
            if let Some(ordered) = ordered {
                ordered.insert(Key::copy_from_slice(&slot.key), value.clone());
            }
            slot.current = value;
            slot.is_known = true;
            slot.writer = index;
        });
    }

    /// What was changed, and read; and the frame, to be used again.
    pub(super) fn end(self) -> (ChangeSet, Part, Frame) {
        let mut part = self.part;
        let mut frame = self.frame;
        let (keys, rows) = frame.take_rows();
        part.set_keys(keys.into());
        (ChangeSet::new(vec![rows]), part, frame)
    }
}
