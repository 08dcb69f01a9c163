//! The block executor: an ordered block of transactions on all cores, with the one right answer, that of
//! running them one by one.
//!
//! The algorithm is of the family of Block-STM (Gelashvili and others, "Block-STM: Scaling Blockchain
//! Execution by Turning Ordering Curse to a Performance Blessing", 2022), with one change that most of the
//! rest follows from: **authority at the commit head**. What runs ahead of the head is only ever a
//! proposal. At the head, with everything below committed, a run is checked once; where it is stale it is
//! run again in place, and then nothing can make it stale. So there are no waves of validation, nobody
//! counts who is active to find the end, and no transaction runs more than once beyond its proposals.
//!
//! ```text
//!              committed                       window
//!   0 1 2 3 4 5 | 6      7 8 9 ...               | ...
//!               | head   run ahead, proposals    | not begun
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `context`, `iter`, `ranges` | what a transaction sees and does |
//! | `worker`, `frame`, `hash` | what a thread keeps, of keys, and of the run at hand |
//! | `run` | calling a transaction's code: panics, errors, what it ended with |
//! | `ledger` | what is decided, in order: both paths end there |
//! | `serial` | one by one: a map over the base |
//! | `parallel` | ahead of the head and at it; the window |
//! | `memory` | what transactions have written, version by version |
//! | `schedule`, `shares` | the protocols between workers |
//! | `block`, `pace` | the parts of a block, and when it goes from one path to the other |
//! | `pool`, `kept` | threads and memory that serve block after block |
//! | `base`, `merge`, `counter` | the state below; rows over rows; integer cells |
//! | `config`, `outcome`, `changes`, `access` | what goes in and comes out |
//!
//! **Invariants:**
//! - A run counts only if, with everything below it committed, all that it read is still so. That holds for
//!   its panics, errors and charges too.
//! - What a transaction leaves is decided in one place, in order ([`ledger`]), however it was run.
//! - The first read of a key counts for the whole run: a run never sees two values of one key.
//! - An error of reading stays with the run, whatever its code makes of it.
//! - Outcomes, changes, access sets and ends do not depend on workers, window or timing; only
//!   [`BlockStats`] does.
//!
//! It knows nothing of the store: the base is a trait, the changes are handed back. Transactions are shared
//! with the pool's threads and have to be `'static`: threads that outlive the call cannot borrow
//! without `unsafe`.

mod access;
mod base;
mod block;
mod changes;
mod config;
mod context;
mod counter;
mod counts;
mod frame;
mod hash;
mod iter;
mod kept;
mod keys;
mod ledger;
mod memory;
mod merge;
mod outcome;
mod pace;
mod parallel;
mod pool;
mod ranges;
mod run;
mod running;
mod schedule;
mod serial;
mod shares;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod stop;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod worker;

pub use access::{AccessSets, TxnAccess};
pub use base::{BaseRows, BlockBase, BlockOverlay};
pub use changes::ChangeSet;
pub use config::{BlockExecutorConfig, Mode};
pub use context::{BlockContext, BlockSavepoint};
pub use counter::{decode_cell, encode_cell};
pub use iter::BlockIter;
pub use outcome::{
    BlockEnd, BlockError, BlockFailure, BlockOutput, BlockStats, ExecutionStatus, TxnIndex,
    TxnOutcome,
};
pub use running::RunningBlock;

use self::{kept::Kept, pool::Pool};
use crate::{
    error::{Error, Result},
    limits::BLOCK_MAX_TXNS,
    storage::Key,
    sync::Arc,
};

/// Runs ordered blocks of transactions on a pool of threads of its own, with the result of running them
/// one by one.
///
/// Handles are cheap to clone and share the pool. When the last is dropped the threads end. A block that is
/// begun while another runs shares the threads with it.
///
/// The outcomes, the changes, their digest and the access sets of a block are equal for any number of
/// workers, any window and any timing, as long as its transactions follow the rules of [`BlockContext`].
///
/// # Examples
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use sapwood::{
///     BlockExecutor, BlockExecutorConfig, ExecutionStatus, Key, TxnOutcome, Value, decode_cell,
///     encode_cell,
/// };
///
/// let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
/// let base: BTreeMap<Key, Value> = [("alice".into(), encode_cell(100))].into();
/// let transfers = vec![("alice", "bob", 70), ("alice", "carol", 70), ("bob", "carol", 20)];
/// let block = executor.execute(Arc::new(base), transfers, |ctx, (from, to, amount)| {
///     if !ctx.try_add(from, -amount, 0..=i128::MAX)? {
///         return Ok(ExecutionStatus::Skip("too little"));
///     }
///     ctx.add(to, *amount)?;
///     Ok(ExecutionStatus::Success("paid"))
/// })?;
/// assert_eq!(block.outcomes[1], TxnOutcome::Skipped("too little"));
/// let alice = block.changes.get(b"alice").flatten();
/// assert_eq!(decode_cell(alice.map(|value| &value[..]))?, 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BlockExecutor {
    config: Arc<BlockExecutorConfig>,
    pool: Arc<Pool>,
    kept: Arc<Kept>,
}

impl BlockExecutor {
    /// An executor; its threads are made when they are first needed.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a configuration with which nothing could run.
    pub fn new(config: BlockExecutorConfig) -> Result<Self> {
        config.check()?;
        Ok(Self {
            pool: Arc::new(Pool::new(config.workers, config.stack_size_bytes)),
            kept: Kept::new(config.workers),
            config: Arc::new(config),
        })
    }

    /// How it was made.
    pub fn config(&self) -> &BlockExecutorConfig {
        &self.config
    }

    /// Executes a block on `base`: calls `f` for each transaction, as if in order.
    ///
    /// `f` may be called more than once for a transaction, and from several threads; see
    /// [`BlockContext`] for what it may do. A panic in it is caught, and counts only if the transaction
    /// would have panicked when run in its order (the panic hook is called all the same).
    ///
    /// Where `f` never returns and never calls its context, only a
    /// [`deadline`](BlockExecutorConfig::deadline) ends the call; the thread is lost to it until it
    /// does return, and is replaced. A run in vain can do so where the valid one would not: code that loops
    /// until two values agree should call its context in the loop. When the call returns, runs in vain of this block may still be coming to
    /// their ends.
    ///
    /// # Errors
    /// A [`BlockError`], with what was decided before it.
    pub fn execute<T, O, F>(
        &self,
        base: Arc<dyn BlockBase>,
        txns: impl Into<Arc<[T]>>,
        f: F,
    ) -> Result<BlockOutput<O>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        self.execute_with(base, txns, Vec::new(), f)
    }

    /// The same, where it is known, or likely, which keys will be read: they are fetched ahead. Keys
    /// stand in the order in which they will be needed. The result is the same without them; a similar
    /// block has left them in [`AccessSets::keys_read`].
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`].
    pub fn execute_with<T, O, F>(
        &self,
        base: Arc<dyn BlockBase>,
        txns: impl Into<Arc<[T]>>,
        hints: Vec<Key>,
        f: F,
    ) -> Result<BlockOutput<O>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        self.begin(base, txns, hints, f)?.wait()
    }

    /// Begins a block, and returns while the pool executes it: to make the block before it durable
    /// meanwhile, say. Otherwise as [`BlockExecutor::execute_with`].
    ///
    /// # Errors
    /// A [`BlockError`] for a block that cannot be begun.
    ///
    /// # Examples
    /// ```
    /// use std::{collections::BTreeMap, sync::Arc};
    /// use sapwood::{BlockExecutor, BlockExecutorConfig, ExecutionStatus, Key, Value};
    ///
    /// let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
    /// let base = Arc::new(BTreeMap::<Key, Value>::new());
    /// let running = executor.begin(base, vec![1_u8, 2], Vec::new(), |ctx, number| {
    ///     ctx.set([*number], b"seen")?;
    ///     Ok(ExecutionStatus::Success(()))
    /// })?;
    /// // something else
    /// assert_eq!(running.wait()?.changes.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin<T, O, F>(
        &self,
        base: Arc<dyn BlockBase>,
        txns: impl Into<Arc<[T]>>,
        hints: Vec<Key>,
        f: F,
    ) -> Result<RunningBlock<O>, BlockError<O>>
    where
        T: Send + Sync + 'static,
        O: PartialEq + Send + 'static,
        F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
    {
        let txns = txns.into();
        self.check(txns.len()).map_err(BlockError::refused)?;
        self.begin_parts(base, txns, hints, f)
    }

    fn check(&self, transactions: usize) -> Result<()> {
        if transactions > BLOCK_MAX_TXNS {
            return Err(Error::too_large(format!(
                "the block has {transactions} transactions; at most {BLOCK_MAX_TXNS} are allowed: split it"
            )));
        }
        if self.pool.shared().is_inside() {
            return Err(Error::invalid(
                "a transaction cannot have its own executor run a block: make another executor for it",
            ));
        }
        Ok(())
    }
}
