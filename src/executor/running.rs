//! [`RunningBlock`]: a block that the pool executes while its caller does something else.

use std::{fmt, time::Instant};

use super::{
    BlockContext, BlockError, BlockExecutor, BlockExecutorConfig, BlockFailure, BlockOutput,
    ExecutionStatus, Mode,
    base::BlockBase,
    block::{Block, difference},
    pool::Job,
};
use crate::{error::Result, storage::Key, sync::Arc};

/// A block that was begun by [`BlockExecutor::begin`]. Dropping it stops it.
#[must_use = "dropping it stops the block"]
pub struct RunningBlock<O>(Box<dyn Running<O>>);

impl<O> RunningBlock<O> {
    /// Waits for the block.
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`].
    pub fn wait(mut self) -> Result<BlockOutput<O>, BlockError<O>> {
        self.0.wait()
    }
}

impl<O> Drop for RunningBlock<O> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<O> fmt::Debug for RunningBlock<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningBlock").finish_non_exhaustive()
    }
}

trait Running<O>: Send {
    fn wait(&mut self) -> Result<BlockOutput<O>, BlockError<O>>;
    fn stop(&mut self);
}

/// A block without transactions.
struct Empty;

impl<O> Running<O> for Empty {
    fn wait(&mut self) -> Result<BlockOutput<O>, BlockError<O>> {
        Ok(BlockOutput::empty())
    }

    fn stop(&mut self) {}
}

/// What a block is made of, to run it again.
struct Parts<T, F> {
    base: Arc<dyn BlockBase>,
    txns: Arc<[T]>,
    f: Arc<F>,
}

struct Begun<T, O, F> {
    executor: BlockExecutor,
    deadline: Option<Instant>,
    block: Arc<Block<T, O, F>>,
    /// To be run one by one as well, and compared.
    verify: Option<Parts<T, F>>,
}

impl BlockExecutor {
    pub(super) fn begin_parts<T, O, F>(
        &self,
        base: Arc<dyn BlockBase>,
        txns: Arc<[T]>,
        hints: Vec<Key>,
        f: F,
    ) -> Result<RunningBlock<O>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        if txns.is_empty() {
            return Ok(RunningBlock(Box::new(Empty)));
        }
        let time = self.config.deadline;
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let parts = Parts {
            base,
            txns,
            f: Arc::new(f),
        };
        let mut config = Arc::clone(&self.config);
        let verifies = config.mode == Mode::Verify;
        if verifies {
            let mut parallel = BlockExecutorConfig::clone(&config);
            parallel.adaptive = false;
            config = Arc::new(parallel);
        }
        let block = self.post(&config, &parts, hints)?;
        Ok(RunningBlock(Box::new(Begun {
            executor: self.clone(),
            deadline,
            block,
            verify: verifies.then_some(parts),
        })))
    }

    fn post<T, O, F>(
        &self,
        config: &Arc<BlockExecutorConfig>,
        parts: &Parts<T, F>,
        hints: Vec<Key>,
    ) -> Result<Arc<Block<T, O, F>>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        let pool = self.pool.shared();
        let (base, txns) = (Arc::clone(&parts.base), Arc::clone(&parts.txns));
        let shared = (pool, &self.kept);
        let block = Block::new(config, shared, base, txns, hints, Arc::clone(&parts.f));
        let job: Arc<dyn Job> = Arc::<Block<T, O, F>>::clone(&block);
        pool.post(&job, 1).map_err(BlockError::refused)?;
        Ok(block)
    }
}

impl<T, O, F> Begun<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    fn give_up(&self) {
        let job: Arc<dyn Job> = Arc::<Block<T, O, F>>::clone(&self.block);
        let pool = self.executor.pool.shared();
        pool.withdraw(&job);
        pool.give_up();
    }

    fn wait_for_block(&self) -> Result<BlockOutput<O>, BlockError<O>> {
        self.block.wait(self.deadline).unwrap_or_else(|| {
            self.give_up();
            let none = BlockOutput::empty();
            Err(BlockError::new(BlockFailure::Deadline, none))
        })
    }
}

impl<T, O, F> Running<O> for Begun<T, O, F>
where
    T: Send + Sync + 'static,
    O: PartialEq + Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    fn wait(&mut self) -> Result<BlockOutput<O>, BlockError<O>> {
        let parallel = self.wait_for_block();
        let Some(parts) = self.verify.take() else {
            return parallel;
        };
        let mut config = BlockExecutorConfig::clone(&self.executor.config);
        config.mode = Mode::Serial;
        self.block = self.executor.post(&Arc::new(config), &parts, Vec::new())?;
        let serial = self.wait_for_block();
        match difference(&parallel, &serial) {
            None => parallel,
            Some(what) => {
                let what = what.to_owned();
                let none = BlockOutput::empty();
                Err(BlockError::new(BlockFailure::Diverged { what }, none))
            }
        }
    }

    fn stop(&mut self) {
        if self.block.stop() {
            self.give_up();
        }
    }
}
