//! [`Runtime`]: a [`VirtualMachine`] over a store. It owns what a chain does to its state: blocks, each one
//! commit at its height; calls in the past beside them; heights given back; pruning by policy.
//!
//! It knows nothing of what a transaction is. Speculation, conflicts and retries are the executor's; order,
//! versions and locks are the store's; nothing is kept here but the configuration.

use std::fmt;

use crate::{
    blocks::{Block, BlockInput},
    engine::Engine,
    error::{Error, ErrorKind, Result},
    executor::{BlockContext, BlockError, BlockExecutor, BlockExecutorConfig, ExecutionStatus},
    snapshot::Snapshot,
    storage::{CommitOptions, PruneReport, RollbackReport, Storage},
    sync::Arc,
    timestamp::Timestamp,
};

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

/// What executes transactions and answers questions about past states: the part that a chain brings.
///
/// # Examples
/// See [`Runtime`].
pub trait VirtualMachine: Send + Sync + 'static {
    /// What a block is made of.
    type Txn: Send + Sync + 'static;
    /// What a transaction leaves beside its writes: a receipt.
    type Output: PartialEq + Send + 'static;
    /// A question about a state.
    type Call: ?Sized;
    /// Its answer.
    type Answer;

    /// Executes one transaction of the block at `height`. It may be called more than once for the same
    /// transaction, from several threads at a time: see [`BlockContext`] for what it may do.
    ///
    /// What a transaction does wrong is an outcome ([`ExecutionStatus::Skip`], say), not an error.
    ///
    /// # Errors
    /// Those of the context, handed on as they are: such a run may be one in vain, and then counts for
    /// nothing. Any other fails the block, and is made with [`Error::of_machine`].
    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &Self::Txn,
    ) -> Result<ExecutionStatus<Self::Output>>;

    /// Answers from a past state; the height is the snapshot's timestamp.
    ///
    /// # Errors
    /// Those of reading, and the machine's own.
    fn call(&self, state: &Snapshot, call: &Self::Call) -> Result<Self::Answer>;
}

impl Error {
    /// An error of a [`VirtualMachine`]'s own.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Error, ErrorKind};
    ///
    /// let error = Error::of_machine(ErrorKind::Unsupported, "the code has no interpreter here");
    /// assert_eq!(error.kind().name(), "unsupported");
    /// ```
    pub fn of_machine(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message)
    }
}

/// Which heights stay readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// All.
    #[default]
    All,
    /// The last so many heights, the newest included; at least 1. Pins hold what they hold. A
    /// [rollback](Runtime::rollback_to) needs what it goes back to.
    Last(u64),
}

/// How a [`Runtime`] is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// How blocks are executed.
    ///
    /// Unit: options of their own. Default: those of [`BlockExecutorConfig`].
    pub executor: BlockExecutorConfig,
    /// Which heights stay readable.
    ///
    /// Unit: a choice. Default: [`Keep::All`].
    pub keep: Keep,
    /// How many heights may be past [`keep`](Self::keep) before a block prunes them: giving back space
    /// reads all of history, so it is done for many heights at once. `None`: only
    /// [`Runtime::prune`] does.
    ///
    /// Unit: heights, at least 1. Default: 256.
    pub prune_every: Option<u64>,
    /// How blocks are committed; their height is set by the block.
    ///
    /// Unit: options of their own. Default: those of [`CommitOptions`], so the store's own durability.
    pub commit: CommitOptions,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            executor: BlockExecutorConfig::default(),
            keep: Keep::All,
            prune_every: Some(256),
            commit: CommitOptions::default(),
        }
    }
}

/// A block that was executed and committed.
#[derive(Debug)]
#[non_exhaustive]
pub struct RuntimeBlock<O> {
    /// Its commit, and what came of its transactions.
    pub block: Block<O>,
    /// What pruning gave back, where it was this block's turn to prune. The block is committed whether or
    /// not that succeeded.
    pub pruned: Option<Result<PruneReport>>,
}

/// A virtual machine over a store: executes ordered blocks in parallel, one commit each, and answers
/// calls at every height that is kept.
///
/// The storage is chosen when it is made; nothing else differs. It can be shared between threads: blocks
/// and rollbacks wait for each other, calls wait for nothing but a rollback that changes what they read.
///
/// A block is done before all of its runs are: one that turned out to be in vain may come to its end a moment
/// later. Until then it holds what it reads, keeps a prune from going further, and a database open even when the
/// runtime is gone: opening it again at once may be refused as [`Locked`](ErrorKind::Locked). While
/// [`open_snapshots`](crate::Stats::open_snapshots) of [`Engine::stats`] is 0, there is none.
///
/// # Examples
/// ```
/// use sapwood::{
///     BlockContext, ExecutionStatus, MemoryStorage, ReadView, Result, Runtime, RuntimeConfig, Snapshot,
///     Timestamp, VirtualMachine, decode_cell,
/// };
///
/// /// Counts votes.
/// struct Ballot;
///
/// impl VirtualMachine for Ballot {
///     type Txn = &'static str;
///     type Output = ();
///     type Call = str;
///     type Answer = i128;
///
///     fn execute(
///         &self,
///         ctx: &mut BlockContext<'_>,
///         _height: Timestamp,
///         vote: &&'static str,
///     ) -> Result<ExecutionStatus<()>> {
///         ctx.add(vote, 1)?;
///         Ok(ExecutionStatus::Success(()))
///     }
///
///     fn call(&self, state: &Snapshot, name: &str) -> Result<i128> {
///         decode_cell(state.get(name)?.as_deref())
///     }
/// }
///
/// let storage = MemoryStorage::new(); // or RocksDBStorage::new(..)?
/// let runtime = Runtime::new(&storage, Ballot, RuntimeConfig::default())?;
/// runtime.execute_block(Timestamp::new(1), ["ada", "bob", "ada"])?;
/// runtime.execute_block(Timestamp::new(2), ["bob"])?;
/// assert_eq!(runtime.call_latest("bob")?, 2);
/// assert_eq!(runtime.call_at(Timestamp::new(1), "bob")?, 1);
/// runtime.rollback_to(Timestamp::new(1))?; // the chain has another block 2
/// runtime.execute_block(Timestamp::new(2), ["ada"])?;
/// assert_eq!((runtime.call_latest("ada")?, runtime.call_latest("bob")?), (3, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runtime<V> {
    engine: Engine,
    machine: Arc<V>,
    executor: BlockExecutor,
    config: RuntimeConfig,
}

impl<V: VirtualMachine> Runtime<V> {
    /// A machine over a storage. What the storage holds already is the state that it goes on from.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a configuration with which nothing could run, or nothing be kept.
    pub fn new(storage: &impl Storage, machine: V, config: RuntimeConfig) -> Result<Self> {
        if config.keep == Keep::Last(0) {
            return Err(Error::invalid(
                "the newest height is always kept: set keep to Last(1) or more",
            ));
        }
        if config.prune_every == Some(0) {
            return Err(Error::invalid(
                "pruning every 0 heights is none: set prune_every to 1 or more, or to None",
            ));
        }
        Ok(Self {
            engine: Engine::new(storage),
            machine: Arc::new(machine),
            executor: BlockExecutor::new(config.executor.clone())?,
            config,
        })
    }

    /// The engine below: for pins, history, what changed between two heights, checkpoints.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The machine.
    pub fn machine(&self) -> &V {
        &self.machine
    }

    /// The height of the newest block; [`Timestamp::ZERO`] before the first.
    pub fn height(&self) -> Timestamp {
        self.engine.visible()
    }

    /// Executes a block on the newest state and commits what it changes as one version at `height`, which
    /// must be above the last; gaps are fine. An empty block takes its height too.
    ///
    /// # Errors
    /// As [`Engine::execute_block`]. Nothing is committed then.
    pub fn execute_block(
        &self,
        height: Timestamp,
        txns: impl Into<Arc<[V::Txn]>>,
    ) -> Result<RuntimeBlock<V::Output>, BlockError<V::Output>> {
        let machine = Arc::clone(&self.machine);
        let mut executed = None;
        self.engine.execute_blocks(
            &self.executor,
            self.config.commit,
            [BlockInput::new(height, txns)],
            move |ctx, height, txn| machine.execute(ctx, height, txn),
            |block| {
                executed = Some(block);
                Ok(())
            },
        )?;
        let none = || BlockError::refused(Error::invalid("the block was not committed"));
        let block = executed.ok_or_else(none)?;
        let pruned = self.prune_when_due();
        Ok(RuntimeBlock { block, pruned })
    }

    /// Executes blocks one after the other, each while the one before is made durable: see
    /// [`Engine::execute_blocks`]. Each is handed to `done` in order, once it is committed as the
    /// configuration says. Returns how many were committed.
    ///
    /// # Errors
    /// As [`Engine::execute_blocks`].
    pub fn execute_blocks(
        &self,
        blocks: impl IntoIterator<Item = BlockInput<V::Txn>>,
        mut done: impl FnMut(RuntimeBlock<V::Output>) -> Result<()>,
    ) -> Result<u64, BlockError<V::Output>> {
        let machine = Arc::clone(&self.machine);
        self.engine.execute_blocks(
            &self.executor,
            self.config.commit,
            blocks,
            move |ctx, height, txn| machine.execute(ctx, height, txn),
            |block| {
                let pruned = self.prune_when_due();
                done(RuntimeBlock { block, pruned })
            },
        )
    }

    /// Answers a call from the state at a height.
    ///
    /// # Errors
    /// [`NotYet`](ErrorKind::NotYet) above the newest height, [`Pruned`](ErrorKind::Pruned) where it is no
    /// longer kept, [`TooOld`](ErrorKind::TooOld) where it is abandoned while the machine reads, and the
    /// machine's.
    pub fn call_at(&self, height: Timestamp, call: &V::Call) -> Result<V::Answer> {
        self.machine.call(&self.engine.at(height)?, call)
    }

    /// Answers a call from the newest state.
    ///
    /// # Errors
    /// [`TooOld`](ErrorKind::TooOld) where that is abandoned while the machine reads, and the machine's.
    pub fn call_latest(&self, call: &V::Call) -> Result<V::Answer> {
        self.machine.call(&self.engine.snapshot()?, call)
    }

    /// Gives up the blocks above a height, which the chain has abandoned: the state is again what it was there,
    /// for good, and other blocks may take the heights above it. Nothing of the abandoned ones is remembered.
    /// Heights up to it answer as before; those above are refused until there are blocks at them again.
    ///
    /// It waits for the blocks under way. It goes no further back than what is kept, and what was pruned does not
    /// come back: [`Keep::Last`] has to cover the most heights that the chain may ever abandon, and one more.
    ///
    /// # Errors
    /// As [`Engine::rollback_to`]: [`NotYet`](ErrorKind::NotYet) above the newest height;
    /// [`Pruned`](ErrorKind::Pruned) below what is kept; [`Invalid`](ErrorKind::Invalid) where a pin holds a
    /// height above it, and from within [`execute_blocks`](Self::execute_blocks). Nothing was changed then.
    ///
    /// # Examples
    /// ```
    /// # use sapwood::{BlockContext, ExecutionStatus, ReadView, Result, Snapshot, VirtualMachine};
    /// use sapwood::{ErrorKind, MemoryStorage, Runtime, RuntimeConfig, Timestamp};
    ///
    /// # struct Register;
    /// # impl VirtualMachine for Register {
    /// #     type Txn = &'static str;
    /// #     type Output = ();
    /// #     type Call = str;
    /// #     type Answer = Option<sapwood::Value>;
    /// #     fn execute(
    /// #         &self,
    /// #         ctx: &mut BlockContext<'_>,
    /// #         _height: Timestamp,
    /// #         txn: &&'static str,
    /// #     ) -> Result<ExecutionStatus<()>> {
    /// #         ctx.set("owner", txn)?;
    /// #         Ok(ExecutionStatus::Success(()))
    /// #     }
    /// #     fn call(&self, state: &Snapshot, key: &str) -> Result<Option<sapwood::Value>> {
    /// #         state.get(key)
    /// #     }
    /// # }
    /// // A machine whose transactions say who the owner is.
    /// let runtime = Runtime::new(&MemoryStorage::new(), Register, RuntimeConfig::default())?;
    /// for (height, owner) in (1..).map(Timestamp::new).zip(["ada", "bob", "carol"]) {
    ///     runtime.execute_block(height, [owner])?;
    /// }
    ///
    /// let common = Timestamp::new(1);
    /// runtime.rollback_to(common)?;
    /// assert_eq!(runtime.height(), common);
    /// assert_eq!(runtime.call_latest("owner")?.as_deref(), Some(&b"ada"[..]));
    /// let gone = runtime.call_at(Timestamp::new(2), "owner").unwrap_err();
    /// assert!(matches!(gone.kind(), ErrorKind::NotYet { .. }));
    ///
    /// runtime.execute_block(Timestamp::new(2), ["dan"])?; // the block of the other chain
    /// assert_eq!(runtime.call_at(Timestamp::new(2), "owner")?.as_deref(), Some(&b"dan"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rollback_to(&self, height: Timestamp) -> Result<RollbackReport> {
        self.engine.rollback_to(height)
    }

    /// Prunes what the policy no longer keeps. `None` where there is nothing to give up.
    ///
    /// # Errors
    /// As [`Engine::prune_before`].
    pub fn prune(&self) -> Result<Option<PruneReport>> {
        self.prune_past_keeping(1)
    }

    /// Prunes once at least so many heights are past keeping.
    fn prune_past_keeping(&self, at_least: u64) -> Result<Option<PruneReport>> {
        let Keep::Last(kept) = self.config.keep else {
            return Ok(None);
        };
        loop {
            let target = self.height().get().saturating_sub(kept.saturating_sub(1));
            // Below the floor after a rollback: what was pruned does not come back.
            let moved = target.saturating_sub(self.engine.floor().get());
            if moved < at_least {
                return Ok(None);
            }
            match self.engine.prune_before(Timestamp::new(target)) {
                // A rollback came between: the newest height is another.
                Err(error) if matches!(error.kind(), ErrorKind::NotYet { .. }) => {}
                done => return done.map(Some),
            }
        }
    }

    fn prune_when_due(&self) -> Option<Result<PruneReport>> {
        let every = self.config.prune_every?;
        self.prune_past_keeping(every).transpose()
    }
}

impl<V> fmt::Debug for Runtime<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("height", &self.engine.visible())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
