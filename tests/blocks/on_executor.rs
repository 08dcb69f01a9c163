//! Programs on the executor, and its answer in the oracle's words.

use std::{
    collections::BTreeMap,
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sapwood::{
    AccessSets, BlockBase, BlockContext, BlockEnd, BlockExecutor, BlockExecutorConfig,
    BlockFailure, BlockOutput, BlockSavepoint, BlockStats, ChangeSet, Error, ExecutionStatus, Key,
    ReadView, Result, TxnOutcome, Value, decode_cell,
};

use crate::{
    oracle::{Answer, Changes, End, Outcome, Rows},
    program::{Ended, Ends, Output, Part, Program, Row, State, Stop, run, take},
    shapes::Case,
};

/// How often others are let run before a transaction goes on without them.
const TURNS: u32 = 60;

/// A block's result.
pub(crate) struct Ran {
    pub(crate) answer: Answer,
    /// Whether the block was not refused.
    pub(crate) is_whole: bool,
    pub(crate) access: AccessSets,
    pub(crate) digest: [u8; 32],
    pub(crate) stats: BlockStats,
}

/// The options of an executor that runs every block in parallel, to its end.
pub(crate) fn parallel(workers: usize, window: usize) -> BlockExecutorConfig {
    let mut config = BlockExecutorConfig::default();
    config.workers = workers;
    config.window = window;
    config.min_parallel_txns = 0;
    config.adaptive = false;
    config
}

pub(crate) fn executor(config: BlockExecutorConfig) -> BlockExecutor {
    BlockExecutor::new(config).expect("an executor")
}

/// An executor that runs every block in parallel, to its end.
pub(crate) fn forced(workers: usize, window: usize) -> BlockExecutor {
    executor(parallel(workers, window))
}

/// A state, as a block's base.
pub(crate) fn base(rows: &Rows) -> Arc<dyn BlockBase> {
    let rows = rows
        .iter()
        .map(|(key, value)| (Key::copy_from_slice(key), Value::copy_from_slice(value)));
    Arc::new(rows.collect::<BTreeMap<Key, Value>>())
}

/// What the code of a transaction makes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It returns them.
    Proper,
    /// It goes on as if there had been nothing to read.
    Careless,
    /// It panics.
    Unwrapping,
}

/// Runs a case.
pub(crate) fn execute(executor: &BlockExecutor, case: &Case) -> Ran {
    execute_with(executor, case, Manner::Proper)
}

/// Runs a case, with code of some manner.
pub(crate) fn execute_with(executor: &BlockExecutor, case: &Case, manner: Manner) -> Ran {
    execute_all(executor, base(&case.base), case, Vec::new(), manner).0
}

/// Runs a case on some base, which has its rows. The changes as well as they came.
pub(crate) fn execute_on(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    case: &Case,
) -> (Ran, ChangeSet) {
    execute_all(executor, base, case, Vec::new(), Manner::Proper)
}

/// The same, with keys to fetch ahead.
pub(crate) fn execute_hinted(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    case: &Case,
    hints: Vec<Key>,
) -> (Ran, ChangeSet) {
    execute_all(executor, base, case, hints, Manner::Proper)
}

fn execute_all(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    case: &Case,
    hints: Vec<Key>,
    manner: Manner,
) -> (Ran, ChangeSet) {
    let has_ended: Vec<_> = case.block.iter().map(|_| AtomicBool::new(false)).collect();
    let programs = case.block.clone();
    let result = executor.execute_with(base, programs, hints, move |ctx, program| {
        run_on(ctx, program, &has_ended, manner)
    });
    let (output, end) = match result {
        Ok(output) => {
            let end = match output.end {
                BlockEnd::Complete => End::Complete,
                BlockEnd::SkipRest(index) => End::SkipRest(index),
                BlockEnd::Limit(index) => End::Limit(index),
                other => panic!("a new end: {other:?}"),
            };
            (output, end)
        }
        Err(error) => {
            let end = match *error.failure {
                BlockFailure::Aborted { index, output } => End::Aborted(index, output),
                BlockFailure::Panicked { index, message } => End::Panicked(index, message),
                BlockFailure::Failed { index, .. } => End::Failed(index),
                other => panic!("the block failed otherwise: {other:?}"),
            };
            (*error.committed, end)
        }
    };
    let is_whole = matches!(end, End::Complete | End::SkipRest(_) | End::Limit(_));
    let changes = output.changes.clone();
    (ran(output, end, is_whole), changes)
}

fn ran(output: BlockOutput<Output>, end: End, is_whole: bool) -> Ran {
    let outcome = |outcome: TxnOutcome<Output>| match outcome {
        TxnOutcome::Success(output) => Outcome::Success(output),
        TxnOutcome::Skipped(output) => Outcome::Skipped(output),
        TxnOutcome::OutOfOperations => Outcome::OutOfOperations,
        TxnOutcome::NotExecuted => Outcome::NotExecuted,
        other => panic!("a new outcome: {other:?}"),
    };
    let digest = output.digest();
    Ran {
        answer: Answer {
            outcomes: output.outcomes.into_iter().map(outcome).collect(),
            access: Vec::new(),
            changes: changes(&output.changes),
            end,
            charged: output.charged,
        },
        is_whole,
        access: output.access,
        digest,
        stats: output.stats,
    }
}

/// Changes in the oracle's words.
pub(crate) fn changes(changes: &ChangeSet) -> Changes {
    let rows = changes.iter();
    rows.map(|(key, value)| (key.to_vec(), value.map(|value| value.to_vec())))
        .collect()
}

/// Runs a program as a transaction of a block.
pub(crate) fn run_on(
    ctx: &mut BlockContext<'_>,
    program: &Program,
    has_ended: &[AtomicBool],
    manner: Manner,
) -> Result<ExecutionStatus<Output>> {
    let index = ctx.index();
    let mut state = OnContext {
        ctx,
        has_ended,
        manner,
    };
    let ended = run(program, index, &mut state);
    if let Some(has_ended) = usize::try_from(index)
        .ok()
        .and_then(|index| has_ended.get(index))
    {
        has_ended.store(true, Ordering::SeqCst);
    }
    match ended {
        Ok((Ended::Success, output)) => Ok(ExecutionStatus::Success(output)),
        Ok((Ended::Skip, output)) => Ok(ExecutionStatus::Skip(output)),
        Ok((Ended::SkipRest, output)) => Ok(ExecutionStatus::SkipRest(output)),
        Ok((Ended::Abort, output)) => Ok(ExecutionStatus::Abort(output)),
        Err(Stop::Error(error)) => Err(error),
        // Without the message that a panic prints: runs that do not count panic as well.
        Err(Stop::Panic(message)) => panic::resume_unwind(Box::new(message)),
    }
}

/// An error of the user's own.
pub(crate) fn refusal() -> Error {
    decode_cell(Some(b"no cell")).expect_err("no cell")
}

/// A transaction's context, as programs see it.
struct OnContext<'a, 'b> {
    ctx: &'a mut BlockContext<'b>,
    has_ended: &'a [AtomicBool],
    manner: Manner,
}

impl OnContext<'_, '_> {
    /// Makes of an outcome what the code's manner is.
    fn made_of<T: Default>(&self, outcome: Result<T>) -> Result<T> {
        match (outcome, self.manner) {
            (Err(_), Manner::Careless) => Ok(T::default()),
            // As `unwrap`, without the message that it prints.
            (Err(error), Manner::Unwrapping) => panic::resume_unwind(Box::new(error.to_string())),
            (outcome, _) => outcome,
        }
    }
}

fn bytes(value: Option<Value>) -> Option<Vec<u8>> {
    value.map(|value| value.to_vec())
}

fn rows(rows: Vec<Result<(Key, Value)>>) -> Result<Vec<Row>> {
    let row = |row: Result<(Key, Value)>| row.map(|(key, value)| (key.to_vec(), value.to_vec()));
    rows.into_iter().map(row).collect()
}

impl State for OnContext<'_, '_> {
    type Error = Error;
    type Savepoint = BlockSavepoint;

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.made_of(self.ctx.get(key).map(bytes))
    }

    fn multi_get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let values = self.made_of(self.ctx.multi_get(keys))?;
        Ok(values.into_iter().map(bytes).collect())
    }

    fn contains(&mut self, key: &[u8]) -> Result<bool> {
        self.made_of(self.ctx.contains(key))
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let done = self.ctx.set(key, value);
        self.made_of(done)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        let done = self.ctx.delete(key);
        self.made_of(done)
    }

    fn add(&mut self, key: &[u8], delta: i128) -> Result<()> {
        let done = self.ctx.add(key, delta);
        self.made_of(done)
    }

    fn try_add(&mut self, key: &[u8], delta: i128, min: i128, max: i128) -> Result<bool> {
        let done = self.ctx.try_add(key, delta, min..=max);
        self.made_of(done)
    }

    fn range(&mut self, part: &Part, between: Option<(&[u8], &[u8])>) -> Result<Vec<Row>> {
        let found = self.ctx.range((part.start.clone(), part.end.clone()));
        if let Some((key, value)) = between {
            self.set(key, value)?;
        }
        self.made_of(rows(take(found, part.ends, part.limit)))
    }

    fn scan(&mut self, prefix: &[u8], ends: Ends, limit: usize) -> Result<Vec<Row>> {
        self.made_of(rows(take(self.ctx.scan(prefix), ends, limit)))
    }

    fn savepoint(&mut self) -> BlockSavepoint {
        self.ctx.savepoint()
    }

    fn rollback_to(&mut self, savepoint: &BlockSavepoint) -> Result<()> {
        let done = self.ctx.rollback_to(savepoint);
        self.made_of(done)
    }

    fn charge(&mut self, units: u64) -> Result<()> {
        let done = self.ctx.charge(units);
        self.made_of(done)
    }

    fn refusal(&self) -> Error {
        refusal()
    }

    fn wait_for(&self, index: u32) {
        let Some(has_ended) = usize::try_from(index)
            .ok()
            .and_then(|index| self.has_ended.get(index))
        else {
            return;
        };
        let waits = (0..TURNS).take_while(|_| !has_ended.load(Ordering::SeqCst));
        waits.for_each(|_| std::thread::yield_now());
    }
}
