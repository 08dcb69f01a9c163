//! [`Block`]: one block on its way through the executor.
//!
//! It is a job of the pool. The thread that takes it runs it, part by part, and tells the caller, who
//! waits for no longer than the deadline allows.

use std::time::Instant;

use super::{
    access::AccessSets,
    base::BlockBase,
    changes::ChangeSet,
    config::BlockExecutorConfig,
    context::BlockContext,
    ledger::Ledger,
    outcome::{
        BlockEnd, BlockError, BlockFailure, BlockOutput, BlockStats, ExecutionStatus, TxnOutcome,
    },
    pool::Job,
    serial::Serial,
};
use crate::{
    error::{Error, Result},
    storage::Key,
    sync::{Arc, AtomicBool, Condvar, Mutex, Ordering},
};

/// What the caller gets.
pub(super) type Outcome<O> = std::result::Result<BlockOutput<O>, BlockError<O>>;

pub(super) struct Block<T, O, F> {
    pub(super) txns: Arc<[T]>,
    pub(super) f: Arc<F>,
    pub(super) config: Arc<BlockExecutorConfig>,
    /// Set once the block has ended, for runs that are under way.
    pub(super) halted: Arc<AtomicBool>,
    /// What is done so far; whoever takes it goes on.
    progress: Mutex<Option<Progress<O>>>,
    told: Mutex<Told<O>>,
    tell: Condvar,
}

enum Told<O> {
    Nothing,
    Outcome(Box<Outcome<O>>),
    /// The caller has it, or has gone.
    Gone,
}

/// What is done of a block.
pub(super) struct Progress<O> {
    base: Arc<dyn BlockBase>,
    hints: Vec<Key>,
    pub(super) ledger: Ledger<O>,
    changes: ChangeSet,
    access: AccessSets,
    pub(super) stats: BlockStats,
}

impl<T, O, F> Block<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    pub(super) fn new(
        config: &Arc<BlockExecutorConfig>,
        base: Arc<dyn BlockBase>,
        txns: Arc<[T]>,
        hints: Vec<Key>,
        f: Arc<F>,
    ) -> Arc<Self> {
        let progress = Progress {
            base,
            hints,
            ledger: Ledger::new(config.block_limit, txns.len()),
            changes: ChangeSet::default(),
            access: AccessSets::default(),
            stats: BlockStats::default(),
        };
        Arc::new(Self {
            txns,
            f,
            config: Arc::clone(config),
            halted: Arc::new(AtomicBool::new(false)),
            progress: Mutex::new(Some(progress)),
            told: Mutex::new(Told::Nothing),
            tell: Condvar::default(),
        })
    }

    /// Waits for the outcome; `None` where the deadline comes first.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Outcome<O>> {
        let mut told = self.told.lock();
        loop {
            match std::mem::replace(&mut *told, Told::Nothing) {
                Told::Outcome(outcome) => {
                    *told = Told::Gone;
                    return Some(*outcome);
                }
                Told::Gone => return None,
                Told::Nothing => {}
            }
            let is_late;
            (told, is_late) = self.tell.wait_until(told, deadline);
            if is_late && matches!(*told, Told::Nothing) {
                *told = Told::Gone;
                self.halted.store(true, Ordering::Release);
                return None;
            }
        }
    }

    fn finish(&self, outcome: Outcome<O>) {
        self.halted.store(true, Ordering::Release);
        let mut told = self.told.lock();
        if matches!(*told, Told::Nothing) {
            *told = Told::Outcome(Box::new(outcome));
            drop(told);
            self.tell.notify_one();
        }
    }

    fn drive(&self, mut progress: Progress<O>) {
        if self.run_serially(&mut progress) {
            self.finish(progress.into_outcome(self.txns.len()));
        }
    }

    /// Returns whether the block has come to its end: false where it was halted.
    fn run_serially(&self, progress: &mut Progress<O>) -> bool {
        let mut serial = Serial::new(
            Arc::clone(&progress.base),
            Arc::clone(&self.halted),
            self.config.operations_limit,
            0,
        );
        for keys in progress.hints.chunks(PREFETCH_KEYS) {
            progress.stats.prefetched += serial.prefetch(keys);
        }
        for txn in self.txns.iter() {
            progress.stats.executions += 1;
            match serial.run_one(txn, &*self.f, &mut progress.ledger) {
                None => return false,
                Some(true) => {}
                Some(false) => break,
            }
        }
        progress.stats.serial = progress.ledger.outcomes.len() as u64;
        let (changes, part) = serial.end();
        progress.changes = changes;
        progress.access.push(part);
        true
    }
}

/// Base values that are fetched together.
const PREFETCH_KEYS: usize = 128;

impl<O> Progress<O> {
    fn into_outcome(mut self, transactions: usize) -> Outcome<O> {
        self.stats.committed = self.ledger.outcomes.len() as u64;
        let mut output = BlockOutput {
            outcomes: self.ledger.outcomes,
            changes: self.changes,
            access: self.access,
            end: self.ledger.end,
            charged: self.ledger.charged,
            stats: self.stats,
        };
        match self.ledger.failure {
            Some(failure) => {
                output.end = BlockEnd::Complete;
                Err(BlockError::new(failure, output))
            }
            None => {
                output
                    .outcomes
                    .resize_with(transactions, || TxnOutcome::NotExecuted);
                Ok(output)
            }
        }
    }
}

impl<T, O, F> Job for Block<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    fn work(self: Arc<Self>) {
        let progress = self.progress.lock().take();
        if let Some(progress) = progress {
            self.drive(progress);
        }
    }

    fn fail(&self) {
        let error = Error::corrupt("the executor", "a worker panicked outside of a transaction");
        self.finish(Err(BlockError::new(
            BlockFailure::Refused(error),
            BlockOutput::empty(),
        )));
    }

    fn is_over(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }
}
