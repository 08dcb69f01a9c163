//! [`Ledger`]: what is decided of a block, transaction by transaction, in order.
//!
//! Both paths end here, so that a block ends in the same place however it was run.

use super::{
    outcome::{BlockEnd, BlockFailure, TxnIndex, TxnOutcome},
    run::Ending,
};

#[derive(Debug)]
pub(super) struct Ledger<O> {
    pub(super) outcomes: Vec<TxnOutcome<O>>,
    pub(super) charged: u64,
    pub(super) end: BlockEnd,
    pub(super) failure: Option<BlockFailure<O>>,
    limit: Option<u64>,
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Whether it is part of the block.
    pub(super) is_committed: bool,
    /// Whether its writes are.
    pub(super) keeps_writes: bool,
    pub(super) goes_on: bool,
}

impl<O> Ledger<O> {
    pub(super) fn new(limit: Option<u64>, transactions: usize) -> Self {
        Self {
            outcomes: Vec::with_capacity(transactions),
            charged: 0,
            end: BlockEnd::Complete,
            failure: None,
            limit,
        }
    }

    /// The transaction whose turn it is.
    pub(super) fn next(&self) -> TxnIndex {
        TxnIndex::try_from(self.outcomes.len()).unwrap_or(TxnIndex::MAX)
    }

    /// Decides about the next transaction, by the one run of it that counts.
    pub(super) fn decide(&mut self, ending: Ending<O>, charged: u64) -> Decision {
        const ENDS: Decision = Decision {
            is_committed: false,
            keeps_writes: false,
            goes_on: false,
        };
        let index = self.next();
        let total = self.charged.saturating_add(charged);
        if self.limit.is_some_and(|limit| total > limit) {
            self.end = BlockEnd::Limit(index);
            return ENDS;
        }
        let (outcome, keeps_writes, goes_on) = match ending {
            Ending::Success(output) => (TxnOutcome::Success(output), true, true),
            Ending::Skip(output) => (TxnOutcome::Skipped(output), false, true),
            Ending::OutOfOperations => (TxnOutcome::OutOfOperations, false, true),
            Ending::SkipRest(output) => {
                self.end = BlockEnd::SkipRest(index);
                (TxnOutcome::Success(output), true, false)
            }
            Ending::Abort(output) => {
                self.failure = Some(BlockFailure::Aborted { index, output });
                return ENDS;
            }
            Ending::Failed(error) => {
                self.failure = Some(BlockFailure::Failed { index, error });
                return ENDS;
            }
            Ending::Panicked(message) => {
                self.failure = Some(BlockFailure::Panicked { index, message });
                return ENDS;
            }
        };
        self.charged = total;
        self.outcomes.push(outcome);
        Decision {
            is_committed: true,
            keeps_writes,
            goes_on,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_before_the_transaction_that_would_pass_it() {
        let mut ledger = Ledger::new(Some(10), 3);
        assert!(ledger.decide(Ending::Success(()), 4).goes_on);
        assert!(ledger.decide(Ending::Skip(()), 6).goes_on);
        let cut = ledger.decide(Ending::Abort(()), 1);
        assert!(!cut.is_committed && !cut.goes_on);
        assert_eq!((ledger.end, ledger.charged), (BlockEnd::Limit(2), 10));
        assert!(
            ledger.failure.is_none(),
            "what is cut off cannot refuse the block"
        );
    }

    #[test]
    fn what_ends_a_block_is_part_of_it_or_not() {
        let ending = |ending| {
            let mut ledger = Ledger::new(None, 1);
            let decision = ledger.decide(ending, 0);
            (
                decision.is_committed,
                decision.goes_on,
                ledger.outcomes.len(),
            )
        };
        assert_eq!(ending(Ending::SkipRest(())), (true, false, 1));
        assert_eq!(ending(Ending::Abort(())), (false, false, 0));
        assert_eq!(ending(Ending::Panicked(String::new())), (false, false, 0));
        assert_eq!(ending(Ending::OutOfOperations), (true, true, 1));
    }
}
