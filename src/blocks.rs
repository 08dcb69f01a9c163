//! Blocks into the store: each executed block is one commit, at its height.
//!
//! ```text
//! execute    N          N + 1          N + 2
//!            on N - 1   on N's result  on N + 1's result
//! commit                N, durable     N + 1, durable   N + 2, durable
//! hand out                N              N + 1            N + 2
//! ```
//!
//! While the executor's threads run block N + 1, the calling thread makes block N durable. N + 1 is run on
//! N's changes over the state before; it is committed only after N was, so what is handed out, and what is
//! visible to anyone else, is durable and in order. At most two blocks are under way.
//!
//! From the first running block to the last durable one the caller has the turn to commit: other commits
//! wait, so the state below a block is the state that it is committed on. Reads do not wait.

use std::{collections::VecDeque, time::Duration};

use crate::{
    engine::Engine,
    error::{Error, Result},
    executor::{
        BlockBase, BlockContext, BlockError, BlockExecutor, BlockOutput, BlockOverlay,
        ExecutionStatus, RunningBlock,
    },
    metrics::{BlockCounts, Meter, Timed},
    snapshot::Snapshot,
    storage::{Batch, CommitInfo, CommitOptions, Key, commit::CommitTurn},
    sync::{Arc, AtomicU64, Ordering},
    timestamp::Timestamp,
    trace,
};

/// A block to be executed.
///
/// # Examples
/// See [`Engine::execute_blocks`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BlockInput<T> {
    /// The timestamp of its commit.
    pub height: Timestamp,
    /// Its transactions, in order.
    pub txns: Arc<[T]>,
    /// Keys that they are likely to read, in that order, to be fetched ahead.
    pub hints: Vec<Key>,
}

impl<T> BlockInput<T> {
    /// A block without hints.
    pub fn new(height: Timestamp, txns: impl Into<Arc<[T]>>) -> Self {
        Self {
            height,
            txns: txns.into(),
            hints: Vec::new(),
        }
    }

    /// Has these keys fetched ahead: [`AccessSets::keys_read`](crate::AccessSets::keys_read) of a similar
    /// block, say.
    #[must_use]
    pub fn hints(mut self, hints: Vec<Key>) -> Self {
        self.hints = hints;
        self
    }
}

/// A block that was executed and committed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Block<O> {
    /// Its commit: the height, and how many keys it wrote.
    pub commit: CommitInfo,
    /// What came of it: outcomes, changes, reads and writes.
    pub output: BlockOutput<O>,
}

/// A block that was executed on a state, and is not committed yet.
struct Executed<O> {
    height: Timestamp,
    output: BlockOutput<O>,
    changes: Arc<crate::ChangeSet>,
}

impl Engine {
    /// Executes a block on the newest state, and commits its changes at `height`, as one commit, also where
    /// it changes nothing. The result is that of running its transactions one by one; see
    /// [`BlockExecutor::execute`] for what `f` may do. Other commits wait meanwhile.
    ///
    /// # Errors
    /// A [`BlockError`], with nothing committed; [`Refused`](crate::BlockFailure::Refused) for a height that
    /// is not above the last commit, and for errors of the commit, as [`Engine::commit`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{BlockExecutor, BlockExecutorConfig, Engine, ExecutionStatus, ReadView, Timestamp};
    ///
    /// let engine = Engine::in_memory();
    /// let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
    /// let transfers = vec![("alice", "bob", 5), ("bob", "carol", 3)];
    /// let block = engine.execute_block(&executor, Timestamp::new(100), transfers, |ctx, (from, to, amount)| {
    ///     ctx.add(from, -amount)?;
    ///     ctx.add(to, *amount)?;
    ///     Ok(ExecutionStatus::Success(()))
    /// })?;
    /// assert_eq!(block.commit.timestamp, Timestamp::new(100));
    /// let bob = engine.get(b"bob")?;
    /// assert_eq!(sapwood::decode_cell(bob.as_deref())?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn execute_block<T, O, F>(
        &self,
        executor: &BlockExecutor,
        height: Timestamp,
        txns: impl Into<Arc<[T]>>,
        f: F,
    ) -> Result<Block<O>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        let mut blocks = VecDeque::new();
        let input = BlockInput::new(height, txns);
        let options = CommitOptions::default();
        self.execute_blocks(
            executor,
            options,
            [input],
            move |ctx, _, txn| f(ctx, txn),
            |block| {
                blocks.push_back(block);
                Ok(())
            },
        )?;
        let none = || BlockError::refused(Error::invalid("the block was not committed"));
        blocks.pop_front().ok_or_else(none)
    }

    /// Executes blocks one after the other, as [`Engine::execute_block`] would, and commits each at its
    /// height while the next is executed. Each is handed to `done` once it is committed as the options
    /// say, in order; their timestamp is not used. The next block is asked for when there is room for it:
    /// `blocks` may wait for it. Returns how many were committed.
    ///
    /// # Errors
    /// Of the first block that fails, as [`Engine::execute_block`]; the ones before it are committed and
    /// were handed to `done`, the ones behind it are not executed. An error of `done` ends the call
    /// likewise: the block that it was given is committed.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{
    ///     BlockExecutor, BlockExecutorConfig, BlockInput, CommitOptions, Durability, Engine,
    ///     ExecutionStatus, ReadView, Timestamp,
    /// };
    ///
    /// let engine = Engine::in_memory();
    /// let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
    /// let blocks = (1..=3).map(|height| BlockInput::new(Timestamp::new(height), vec!["miner"; 10]));
    /// let synced = CommitOptions::default().durability(Durability::Sync);
    /// let count = engine.execute_blocks(&executor, synced, blocks, |ctx, height, who| {
    ///     ctx.add(who, i128::from(height.get()))?;
    ///     Ok(ExecutionStatus::Success(()))
    /// }, |block| {
    ///     println!("{} is on the disk", block.commit.timestamp);
    ///     Ok(())
    /// })?;
    /// assert_eq!(count, 3);
    /// let past = engine.at(Timestamp::new(2))?.get(b"miner")?;
    /// assert_eq!(sapwood::decode_cell(past.as_deref())?, 30);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn execute_blocks<T, O, F>(
        &self,
        executor: &BlockExecutor,
        options: CommitOptions,
        blocks: impl IntoIterator<Item = BlockInput<T>>,
        f: F,
        mut done: impl FnMut(Block<O>) -> Result<()>,
    ) -> Result<u64, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, Timestamp, &T) -> Result<ExecutionStatus<O>>
            + Send
            + Sync
            + 'static,
    {
        let f = Arc::new(f);
        self.store().wait_for_debt().map_err(BlockError::refused)?;
        let turn = self.store().commit_turn().map_err(BlockError::refused)?;
        let mut last = turn.last();
        let mut committed = 0;
        let mut waiting: Option<Executed<O>> = None;
        let (meter, counts) = (&self.store().meter, &self.store().block_counts);
        let mut make_durable = |executed: Executed<O>| -> Result<(), BlockError<O>> {
            let began = meter.start();
            let span = trace::commit_block(executed.height).entered();
            let block = executed.commit(&turn, options);
            drop(span);
            meter.note(Timed::BlockCommit, began);
            let sum = if block.is_ok() {
                &counts.committed
            } else {
                &counts.failed
            };
            count(sum, 1);
            let block = block?;
            committed += 1;
            done(block).map_err(BlockError::refused)
        };
        for BlockInput {
            height,
            txns,
            hints,
        } in blocks
        {
            let running = check_height(height, last)
                .and_then(|()| self.base(waiting.as_ref()))
                .map_err(BlockError::refused)
                .and_then(|base| {
                    let f = Arc::clone(&f);
                    let run = move |ctx: &mut BlockContext<'_>, txn: &T| f(ctx, height, txn);
                    executor.begin(base, txns, hints, run)
                });
            // Whatever became of this block, the one before it was executed.
            if let Some(executed) = waiting.take() {
                make_durable(executed)?;
            }
            let span = trace::execute_block(height).entered();
            let ended = running.and_then(RunningBlock::wait);
            note_block(&ended, &span, meter, counts);
            drop(span);
            let mut output = ended?;
            let changes = Arc::new(std::mem::take(&mut output.changes));
            waiting = Some(Executed {
                height,
                output,
                changes,
            });
            last = height;
        }
        if let Some(executed) = waiting {
            make_durable(executed)?;
        }
        Ok(committed)
    }

    /// The state that the next block is executed on: the newest, with the changes over it of the block that is
    /// going to be committed.
    fn base<O>(&self, waiting: Option<&Executed<O>>) -> Result<Arc<dyn BlockBase>> {
        let snapshot: Arc<dyn BlockBase> = Arc::<Snapshot>::new(self.snapshot()?);
        Ok(match waiting {
            None => snapshot,
            Some(executed) => Arc::new(BlockOverlay::new(snapshot, Arc::clone(&executed.changes))),
        })
    }
}

impl<O> Executed<O> {
    fn commit(
        self,
        turn: &CommitTurn<'_>,
        options: CommitOptions,
    ) -> Result<Block<O>, BlockError<O>> {
        let Self {
            height,
            mut output,
            changes,
        } = self;
        let writes = changes.iter();
        let writes = writes.map(|(key, value)| (key.clone(), value.cloned()));
        let batch = Batch::from_writes(writes.collect());
        let commit = turn
            .commit_batch(batch, options.at(height))
            .map_err(BlockError::refused)?;
        // The next block may still be reading them.
        output.changes = Arc::try_unwrap(changes).unwrap_or_else(|shared| (*shared).clone());
        Ok(Block { commit, output })
    }
}

/// Counts a block that was executed, or failed.
fn note_block<O>(
    ended: &Result<BlockOutput<O>, BlockError<O>>,
    span: &tracing::Span,
    meter: &Meter,
    counts: &BlockCounts,
) {
    count(&counts.failed, u64::from(ended.is_err()));
    let Ok(BlockOutput { stats, .. }) = ended else {
        return;
    };
    span.record("transactions", stats.committed);
    span.record("incarnations", stats.executions);
    span.record("aborts", stats.aborts);
    span.record("speedup", stats.speedup());
    let (took, run_time) = (stats.took, stats.run_time);
    meter.note_time(Timed::BlockExecute, took);
    count(&counts.parallel, stats.parallel);
    count(&counts.serial, stats.serial);
    count(&counts.incarnations, stats.executions);
    count(&counts.aborts, stats.aborts);
    count(&counts.dependencies, stats.dependencies);
    count(&counts.microseconds, whole(took.as_micros()));
    count(&counts.run_microseconds, whole(run_time.as_micros()));
    let last = |of: &AtomicU64, time: Duration| of.store(whole(time.as_nanos()), Ordering::Relaxed);
    last(&counts.last_nanoseconds, took);
    last(&counts.last_run_nanoseconds, run_time);
}

fn count(sum: &AtomicU64, more: u64) {
    sum.fetch_add(more, Ordering::Relaxed);
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn check_height(height: Timestamp, last: Timestamp) -> Result<()> {
    if height <= last {
        return Err(Error::invalid(format!(
            "the height {height} is not above the last commit, {last}: give a larger one, or roll back \
             first"
        )));
    }
    Ok(())
}
