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
    pub executor: BlockExecutorConfig,
    /// Which heights stay readable. [`Keep::All`].
    pub keep: Keep,
    /// How many heights may be past [`keep`](Self::keep) before a block prunes them: giving back space
    /// reads all of history, so it is done for many heights at once. `None`: only
    /// [`Runtime::prune`] does. 256.
    pub prune_every: Option<u64>,
    /// How blocks are committed; their height is set by the block. The store's own durability.
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Key, PinOptions, ReadView, storage::MemoryStorage};

    /// A transaction is the key that it sets to the height; an empty one fails the block.
    struct Heights;

    impl VirtualMachine for Heights {
        type Txn = &'static str;
        type Output = u64;
        type Call = str;
        type Answer = Option<String>;

        fn execute(
            &self,
            ctx: &mut BlockContext<'_>,
            height: Timestamp,
            txn: &&'static str,
        ) -> Result<ExecutionStatus<u64>> {
            if txn.is_empty() {
                return Err(Error::of_machine(ErrorKind::Unsupported, "an empty key"));
            }
            ctx.set(txn, height.to_string())?;
            Ok(ExecutionStatus::Success(height.get()))
        }

        fn call(&self, state: &Snapshot, key: &str) -> Result<Option<String>> {
            let value = state.get(key)?;
            Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
        }
    }

    fn runtime(storage: &MemoryStorage, keep: Keep, prune_every: Option<u64>) -> Runtime<Heights> {
        let config = RuntimeConfig {
            keep,
            prune_every,
            ..RuntimeConfig::default()
        };
        Runtime::new(storage, Heights, config).unwrap()
    }

    /// Waits for threads that are not quite done with earlier blocks: they hold back pruning.
    fn settle(runtime: &Runtime<Heights>) {
        while runtime.engine().stats().open_snapshots > 0 {
            std::thread::yield_now();
        }
    }

    fn height(number: u64) -> Timestamp {
        Timestamp::new(number)
    }

    #[test]
    fn every_height_answers_as_it_did_when_it_was_the_newest() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        for number in 1..=20 {
            let keys: &[_] = if number % 3 == 0 { &["a"] } else { &["b"] };
            runtime.execute_block(height(number), keys).unwrap();
            let newest = runtime.call_latest("a").unwrap();
            assert_eq!(runtime.call_at(height(number), "a").unwrap(), newest);
        }
        for number in 1..=20 {
            let third = number - number % 3;
            let expected = (third > 0).then(|| third.to_string());
            assert_eq!(runtime.call_at(height(number), "a").unwrap(), expected);
        }
    }

    #[test]
    fn an_empty_block_takes_its_height() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        let block = runtime.execute_block(height(7), []).unwrap();
        assert!(block.block.output.changes.is_empty());
        assert_eq!(block.block.commit.timestamp, height(7));
        assert_eq!(runtime.height(), height(7));
    }

    #[test]
    fn a_height_is_taken_once() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        runtime.execute_block(height(5), ["a"]).unwrap();
        for number in [0, 4, 5, u64::MAX] {
            let error = runtime.execute_block(height(number), ["a"]).unwrap_err();
            assert_eq!(*error.into_error().kind(), ErrorKind::Invalid, "{number}");
        }
        assert_eq!(runtime.height(), height(5));
    }

    #[test]
    fn a_block_that_fails_leaves_nothing() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        runtime.execute_block(height(1), ["a"]).unwrap();
        let error = runtime.execute_block(height(2), ["a", "", "b"]);
        let error = error.unwrap_err();
        assert_eq!(error.index(), Some(1));
        assert_eq!(*error.into_error().kind(), ErrorKind::Unsupported);
        assert_eq!(runtime.height(), height(1));
        assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("1"));
        runtime.execute_block(height(2), ["b"]).unwrap();
        assert_eq!(runtime.call_latest("b").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn many_blocks_are_handed_out_in_order_and_pruned_on_the_way() {
        let runtime = runtime(&MemoryStorage::new(), Keep::Last(2), Some(2));
        let blocks = (1..=9).map(|number| BlockInput::new(height(number), ["a"]));
        let mut heights = Vec::new();
        let count = runtime.execute_blocks(blocks, |block| {
            let number = block.block.commit.timestamp;
            assert_eq!(runtime.call_at(number, "a")?, Some(number.to_string()));
            assert!(!matches!(block.pruned, Some(Err(_))));
            heights.push(number.get());
            Ok(())
        });
        assert_eq!(count.unwrap(), 9);
        assert_eq!(heights, (1..=9).collect::<Vec<_>>());
        settle(&runtime);
        runtime.prune().unwrap();
        assert_eq!(runtime.engine().floor(), height(8));
    }

    #[test]
    fn the_last_heights_are_kept_and_pruned_in_steps() {
        let runtime = runtime(&MemoryStorage::new(), Keep::Last(4), Some(3));
        for number in 1..=20 {
            settle(&runtime);
            let block = runtime.execute_block(height(number), ["a"]).unwrap();
            // Between 4 and 6 heights can be read.
            let floor = runtime.engine().floor().get();
            assert!(
                floor + 3 <= number.max(3) && floor + 6 > number,
                "{floor} at {number}"
            );
            let pruned = block.pruned.map(Result::unwrap);
            assert_eq!(pruned.is_some(), number >= 6 && number % 3 == 0, "{number}");
            assert_eq!(
                runtime.call_at(height(number), "a").unwrap(),
                Some(number.to_string())
            );
        }
        let error = runtime.call_at(height(10), "a").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Pruned { .. }));
        // Asked for, it does not wait for more.
        settle(&runtime);
        assert_eq!(runtime.prune().unwrap().unwrap().floor, height(17));
        assert_eq!(runtime.prune().unwrap(), None);
        assert_eq!(
            runtime.call_at(height(17), "a").unwrap().as_deref(),
            Some("17")
        );
    }

    #[test]
    fn abandoned_heights_are_refused_until_there_are_other_blocks_at_them() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        for (number, key) in (1..).zip(["a", "b", "a", "c", "b"]) {
            runtime.execute_block(height(number), [key]).unwrap();
        }
        let held = [2, 4].map(|number| runtime.engine().at(height(number)).unwrap());
        let report = runtime.rollback_to(height(2)).unwrap();
        assert_eq!((report.visible, report.epoch), (height(2), 1));
        assert_eq!(runtime.height(), height(2));
        for number in 3..=5 {
            let error = runtime.call_at(height(number), "a").unwrap_err();
            let expected = Error::not_yet(height(number), height(2));
            assert_eq!(error.kind(), expected.kind());
        }
        // Calls that had begun: the one goes on, the other would answer from what never was.
        let [kept, abandoned] = held.map(|state| runtime.machine().call(&state, "b"));
        assert_eq!(kept.unwrap().as_deref(), Some("2"));
        assert_eq!(*abandoned.unwrap_err().kind(), ErrorKind::TooOld);

        runtime.execute_block(height(3), ["c"]).unwrap();
        let states = [
            (1, [Some("1"), None, None]),
            (2, [Some("1"), Some("2"), None]),
            (3, [Some("1"), Some("2"), Some("3")]),
        ];
        for (number, values) in states {
            let answers = ["a", "b", "c"].map(|key| runtime.call_at(height(number), key).unwrap());
            assert_eq!(answers.each_ref().map(Option::as_deref), values, "{number}");
        }
        assert!(runtime.call_at(height(4), "a").is_err());
    }

    #[test]
    fn a_rollback_into_a_gap_to_the_newest_height_and_to_nothing() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        for number in [10, 20, 30] {
            runtime.execute_block(height(number), ["a"]).unwrap();
        }
        assert_eq!(runtime.rollback_to(height(30)).unwrap().epoch, 0);
        assert_eq!(runtime.rollback_to(height(25)).unwrap().epoch, 1);
        assert_eq!(runtime.height(), height(25));
        assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("20"));
        assert!(runtime.execute_block(height(25), ["a"]).is_err());
        runtime.execute_block(height(26), ["b"]).unwrap();
        assert_eq!(runtime.rollback_to(height(0)).unwrap().epoch, 2);
        assert_eq!(runtime.call_latest("a").unwrap(), None);
        runtime.execute_block(height(1), ["b"]).unwrap();
        assert_eq!(runtime.call_latest("b").unwrap().as_deref(), Some("1"));
    }

    #[test]
    fn a_rollback_that_cannot_be_changes_nothing() {
        let runtime = runtime(&MemoryStorage::new(), Keep::Last(4), None);
        for number in 1..=6 {
            runtime.execute_block(height(number), ["a"]).unwrap();
        }
        settle(&runtime);
        runtime.prune().unwrap();
        let engine = runtime.engine();
        engine
            .pin("five", height(5), PinOptions::default())
            .unwrap();
        let refused = |number| {
            let error = runtime.rollback_to(height(number)).unwrap_err();
            assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("6"));
            error.kind().name()
        };
        assert_eq!([7, 4, 2].map(refused), ["not_yet", "invalid", "pruned"]);
        assert_eq!(engine.epoch(), 0);
        engine.unpin("five").unwrap();
        runtime.rollback_to(height(3)).unwrap();
        assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("3"));
    }

    #[test]
    fn between_blocks_nothing_is_rolled_back() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        let blocks = (1..=3).map(|number| BlockInput::new(height(number), ["a"]));
        let done = runtime.execute_blocks(blocks, |block| {
            let before = block.block.commit.timestamp.get() - 1;
            let error = runtime.rollback_to(height(before)).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Invalid);
            Ok(())
        });
        assert_eq!(done.unwrap(), 3);
        assert_eq!(runtime.height(), height(3));
        assert_eq!(runtime.engine().epoch(), 0);
    }

    /// What was hinted at, and what the executor has in its memory, is of blocks that never were.
    #[test]
    fn hints_of_abandoned_blocks_do_no_harm() {
        let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
        runtime.execute_block(height(1), ["a"]).unwrap();
        for keys in [["b", "a", "c"], ["c", "d", "d"], ["a", "b", "b"]] {
            let hints = ["a", "b", "c", "d", "e"].map(Key::from).to_vec();
            let block = BlockInput::new(height(2), keys).hints(hints);
            runtime.execute_blocks([block], |_| Ok(())).unwrap();
            for key in ["a", "b", "c", "d"] {
                let expected = if keys.contains(&key) { Some("2") } else { None };
                let expected = expected.or((key == "a").then_some("1"));
                assert_eq!(runtime.call_latest(key).unwrap().as_deref(), expected);
            }
            runtime.rollback_to(height(1)).unwrap();
        }
    }

    #[test]
    fn what_was_pruned_does_not_come_back_and_is_not_pruned_again() {
        let runtime = runtime(&MemoryStorage::new(), Keep::Last(3), None);
        let to = |last: u64| {
            for number in runtime.height().get() + 1..=last {
                runtime.execute_block(height(number), ["a"]).unwrap();
            }
            settle(&runtime);
            runtime.prune().unwrap().map(|report| report.floor.get())
        };
        assert_eq!(to(10), Some(8));
        runtime.rollback_to(height(8)).unwrap();
        assert!(runtime.rollback_to(height(7)).is_err());
        // Only where three heights above the floor are there again is there something to give up.
        assert_eq!([8, 10, 11, 11].map(to), [None, None, Some(9), None]);
    }

    #[test]
    fn a_prune_beside_rollbacks_looks_again_at_what_is_kept() {
        let runtime = runtime(&MemoryStorage::new(), Keep::Last(3), None);
        std::thread::scope(|scope| {
            let chain = scope.spawn(|| {
                for _ in 0..200 {
                    for _ in 0..4 {
                        let next = runtime.height().next().unwrap();
                        runtime.execute_block(next, ["a"]).unwrap();
                    }
                    let back = runtime.height().get() - 3;
                    match runtime.rollback_to(height(back)) {
                        Ok(_) => assert_eq!(runtime.height(), height(back)),
                        Err(error) => assert_eq!(error.kind().name(), "pruned"),
                    }
                }
            });
            while !chain.is_finished() {
                runtime.prune().unwrap();
            }
        });
    }

    #[test]
    fn a_configuration_that_keeps_nothing_is_refused() {
        let storage = MemoryStorage::new();
        for (keep, prune_every) in [(Keep::Last(0), None), (Keep::All, Some(0))] {
            let config = RuntimeConfig {
                keep,
                prune_every,
                ..RuntimeConfig::default()
            };
            let error = Runtime::new(&storage, Heights, config).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Invalid);
        }
    }
}
