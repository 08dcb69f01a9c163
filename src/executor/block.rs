//! [`Block`]: one block on its way through the executor.
//!
//! It is run in parts, one by one or in parallel, each on what the parts before it left. The thread that
//! ends a part begins the next; the one that ends the last tells the caller, who waits for no longer
//! than the deadline allows.

use std::time::Instant;

use super::{
    access::{AccessSets, Part},
    base::{BlockBase, BlockOverlay},
    changes::ChangeSet,
    config::{BlockExecutorConfig, Mode},
    context::BlockContext,
    kept::Kept,
    ledger::Ledger,
    outcome::{
        BlockEnd, BlockError, BlockFailure, BlockOutput, BlockStats, ExecutionStatus, TxnOutcome,
    },
    pace::{Pace, WORTH},
    parallel::{Ended, PREFETCH_KEYS, Parallel},
    pool::{Inside, Job, Shared},
    schedule::Halt,
    serial::Serial,
};
use crate::{
    error::{Error, Result},
    storage::Key,
    sync::{Arc, AtomicBool, Condvar, Mutex, Ordering},
};

/// What the caller gets.
pub(super) type Outcome<O> = std::result::Result<BlockOutput<O>, BlockError<O>>;

/// Transactions that are run one by one before they are judged, in groups that are timed.
const SAMPLE: u32 = 16;
const GROUP: u32 = 4;
/// Times that a block goes from one by one to parallel, at most: each lays another layer over the base.
const MAX_SWITCHES: u64 = 8;
pub(super) struct Block<T, O, F> {
    pub(super) txns: Arc<[T]>,
    pub(super) f: Arc<F>,
    pub(super) config: Arc<BlockExecutorConfig>,
    pool: Arc<Shared>,
    pub(super) kept: Arc<Kept>,
    /// The beginning of the block, until somebody takes it.
    start: Mutex<Option<Progress<O>>>,
    is_over: AtomicBool,
    /// The part under way.
    part: Mutex<Option<Arc<Halt>>>,
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
    pub(super) hints: Vec<Key>,
    pub(super) ledger: Ledger<O>,
    changes: Arc<ChangeSet>,
    access: AccessSets,
    pub(super) stats: BlockStats,
    /// Transactions to be run one by one, whatever they are like.
    penalty: u32,
    began: Instant,
}

/// What comes after some transactions that were run one by one.
enum Next {
    Parallel,
    End,
    Halted,
}

impl<T, O, F> Block<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    pub(super) fn new(
        config: &Arc<BlockExecutorConfig>,
        (pool, kept): (&Arc<Shared>, &Arc<Kept>),
        base: Arc<dyn BlockBase>,
        txns: Arc<[T]>,
        hints: Vec<Key>,
        f: Arc<F>,
    ) -> Arc<Self> {
        let progress = Progress {
            base,
            hints,
            ledger: Ledger::new(config.block_limit, txns.len()),
            changes: Arc::default(),
            access: AccessSets::default(),
            stats: BlockStats {
                workers: 1,
                ..BlockStats::default()
            },
            penalty: kept.verdict.penalty(),
            began: Instant::now(),
        };
        Arc::new(Self {
            txns,
            f,
            config: Arc::clone(config),
            pool: Arc::clone(pool),
            kept: Arc::clone(kept),
            start: Mutex::new(Some(progress)),
            is_over: AtomicBool::new(false),
            part: Mutex::new(None),
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
                drop(told);
                self.halt();
                return None;
            }
        }
    }

    /// Stops the block where nobody has waited for it. Returns whether it was still under way.
    pub(super) fn stop(&self) -> bool {
        let mut told = self.told.lock();
        let is_under_way = matches!(*told, Told::Nothing);
        if is_under_way {
            *told = Told::Gone;
            drop(told);
            self.halt();
        }
        is_under_way
    }

    /// Stops whatever is under way.
    fn halt(&self) {
        self.is_over.store(true, Ordering::Release);
        let part = self.part.lock().take();
        if let Some(part) = part {
            part.set();
        }
    }

    /// Begins a part; `None` where the block is over.
    fn begin_part(&self) -> Option<Arc<Halt>> {
        let halt = Arc::new(Halt::new());
        *self.part.lock() = Some(Arc::clone(&halt));
        // Looked at after: who ends the block looks for the part after.
        (!self.is_over.load(Ordering::Acquire)).then_some(halt)
    }

    fn finish(&self, outcome: Outcome<O>) {
        self.is_over.store(true, Ordering::Release);
        let mut told = self.told.lock();
        if matches!(*told, Told::Nothing) {
            *told = Told::Outcome(Box::new(outcome));
            drop(told);
            self.tell.notify_one();
        }
    }

    /// Goes on after a parallel part.
    pub(super) fn go_on(self: &Arc<Self>, ended: Ended<O>, inside: &Inside) {
        let mut progress = ended.progress;
        if ended.is_given_up {
            progress.penalty = self.kept.verdict.note_in_vain();
            progress.stats.switches += 1;
            self.drive(progress, inside);
        } else {
            self.kept.verdict.note_end(true);
            self.finish(progress.into_outcome(self.txns.len()));
        }
    }

    /// Whether what is left may be run in parallel.
    fn may_be_parallel(&self, progress: &Progress<O>) -> bool {
        let left = self.txns.len() - progress.ledger.outcomes.len();
        let is_possible = self.config.mode != Mode::Serial && left >= self.config.min_parallel_txns;
        let is_worth =
            self.config.workers > 1 && left > 1 && progress.stats.switches < MAX_SWITCHES;
        is_possible && (is_worth || !self.config.adaptive)
    }

    /// Runs the rest of the block, or as much of it as comes before a part that others may end.
    fn drive(self: &Arc<Self>, mut progress: Progress<O>, inside: &Inside) {
        let is_begun = !progress.ledger.outcomes.is_empty();
        let is_tried = !self.config.adaptive || (!is_begun && self.kept.verdict.is_parallel());
        let is_parallel = is_tried && self.may_be_parallel(&progress);
        let next = if is_parallel {
            Next::Parallel
        } else {
            self.run_serially(&mut progress)
        };
        match next {
            Next::Parallel => self.run_in_parallel(progress, inside),
            Next::End => {
                // A block too short to be run in parallel says nothing of the next.
                if self.txns.len() >= self.config.min_parallel_txns {
                    self.kept.verdict.note_end(false);
                }
                self.finish(progress.into_outcome(self.txns.len()));
            }
            Next::Halted => {}
        }
    }

    fn run_in_parallel(self: &Arc<Self>, progress: Progress<O>, inside: &Inside) {
        let Some(halt) = self.begin_part() else {
            return;
        };
        let left = self.txns.len() - progress.ledger.outcomes.len();
        let helpers = (self.config.workers - 1).min(left.saturating_sub(1));
        let part = Parallel::new(self, progress, halt);
        let job: Arc<dyn Job> = Arc::<Parallel<T, O, F>>::clone(&part);
        // Without them it takes longer.
        let _ = self.pool.post(&job, helpers);
        let ended = part.take_part(inside);
        if let Some(ended) = ended {
            self.pool.withdraw(&job);
            self.go_on(ended, inside);
        }
    }

    fn run_serially(&self, progress: &mut Progress<O>) -> Next {
        let Some(halt) = self.begin_part() else {
            return Next::Halted;
        };
        let reach = u32::try_from(self.config.workers - 1)
            .unwrap_or(u32::MAX)
            .clamp(1, 16);
        let frame = self.kept.take_frame();
        let mut serial = Serial::new(
            frame,
            progress.base(),
            halt,
            self.config.operations_limit,
            reach,
        );
        let first = progress.ledger.outcomes.len();
        let began = Instant::now();
        let next = self.run_each(&mut serial, progress);
        progress.stats.run_time += began.elapsed();
        progress.stats.serial += (progress.ledger.outcomes.len() - first) as u64;
        let (changes, part, frame) = serial.end();
        self.kept.keep_frame(frame);
        progress.add(changes, part);
        if matches!(next, Next::Parallel) {
            progress.stats.switches += 1;
        }
        next
    }

    fn run_each(&self, serial: &mut Serial, progress: &mut Progress<O>) -> Next {
        if !self.may_be_parallel(progress) || self.config.workers == 1 {
            for keys in std::mem::take(&mut progress.hints).chunks(PREFETCH_KEYS) {
                progress.stats.prefetched += serial.prefetch(keys);
            }
        }
        // The first are slow whatever they do.
        let mut is_warm = progress.stats.switches > 0;
        let mut pace = Pace::new(WORTH);
        let mut began = Instant::now();
        for count in 1_u32.. {
            let Some(txn) = self.txns.get(progress.ledger.outcomes.len()) else {
                break;
            };
            progress.stats.executions += 1;
            match serial.run_one(txn, &*self.f, &mut progress.ledger) {
                None => return Next::Halted,
                Some(false) => break,
                Some(true) => {}
            }
            if !self.config.adaptive || !count.is_multiple_of(GROUP) {
                continue;
            }
            let now = Instant::now();
            if is_warm {
                pace.note((now - began) / GROUP);
            }
            began = now;
            if count.is_multiple_of(SAMPLE) {
                is_warm = true;
                progress.penalty = progress.penalty.saturating_sub(SAMPLE);
                // Few read what one just before them wrote.
                let is_apart = std::mem::take(&mut serial.near) <= u64::from(SAMPLE) / 2;
                let is_worth = is_apart && pace.is_long();
                if progress.penalty == 0 && is_worth && self.may_be_parallel(progress) {
                    return Next::Parallel;
                }
            }
        }
        Next::End
    }
}

impl<O> Progress<O> {
    /// What the next part is run on.
    pub(super) fn base(&self) -> Arc<dyn BlockBase> {
        let base = Arc::clone(&self.base);
        if self.changes.is_empty() {
            return base;
        }
        Arc::new(BlockOverlay::new(base, Arc::clone(&self.changes)))
    }

    /// A part has ended.
    pub(super) fn add(&mut self, changes: ChangeSet, accesses: Part) {
        self.access.push(accesses);
        let before = std::mem::take(&mut self.changes);
        self.changes = Arc::new(if before.is_empty() {
            changes
        } else {
            before.with(changes)
        });
    }

    fn into_outcome(mut self, transactions: usize) -> Outcome<O> {
        self.stats.committed = self.ledger.outcomes.len() as u64;
        self.stats.took = self.began.elapsed();
        let mut output = BlockOutput {
            outcomes: self.ledger.outcomes,
            changes: Arc::try_unwrap(self.changes).unwrap_or_else(|shared| (*shared).clone()),
            access: self.access,
            end: self.ledger.end,
            charged: self.ledger.charged,
            stats: self.stats,
        };
        if let Some(failure) = self.ledger.failure {
            output.end = BlockEnd::Complete;
            return Err(BlockError::new(failure, output));
        }
        output
            .outcomes
            .resize_with(transactions, || TxnOutcome::NotExecuted);
        Ok(output)
    }
}

impl<T, O, F> Job for Block<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    fn work(self: Arc<Self>, inside: &Inside) {
        let start = self.start.lock().take();
        if let Some(progress) = start {
            self.drive(progress, inside);
        }
    }

    fn fail(&self) {
        let error = Error::corrupt("the executor", "a worker panicked outside of a transaction");
        self.halt();
        self.finish(Err(BlockError::refused(error)));
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// In what two runs of the same block differ, if they do.
pub(super) fn difference<O: PartialEq>(
    one: &Outcome<O>,
    other: &Outcome<O>,
) -> Option<&'static str> {
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(one), Err(other)) => {
            if !is_same_failure(&one.failure, &other.failure) {
                return Some("failure");
            }
            (&*one.committed, &*other.committed)
        }
        _ => return Some("failure"),
    };
    if one.outcomes != other.outcomes {
        Some("outcome of a transaction")
    } else if one.changes != other.changes {
        Some("set of changes")
    } else if (one.end, one.charged) != (other.end, other.charged) {
        Some("end")
    } else if one.access != other.access {
        Some("access set")
    } else {
        None
    }
}

fn is_same_failure<O: PartialEq>(one: &BlockFailure<O>, other: &BlockFailure<O>) -> bool {
    use BlockFailure::{Aborted, Deadline, Failed, Panicked};
    match (one, other) {
        (
            Aborted { index, output },
            Aborted {
                index: other_index,
                output: other_output,
            },
        ) => (index, output) == (other_index, other_output),
        (
            Panicked { index, message },
            Panicked {
                index: other_index,
                message: other_message,
            },
        ) => (index, message) == (other_index, other_message),
        (
            Failed { index, error },
            Failed {
                index: other_index,
                error: other_error,
            },
        ) => (index, error.kind()) == (other_index, other_error.kind()),
        (Deadline, Deadline) => true,
        _ => false,
    }
}
