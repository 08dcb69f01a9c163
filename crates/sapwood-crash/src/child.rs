//! The child: works on a store, tells each acknowledgement, and is killed.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, anyhow, bail};
use sapwood::{
    Batch, BlockExecutor, BlockExecutorConfig, BlockInput, CommitOptions, Durability, Engine,
    ExecutionStatus, Isolation, PinOptions, ReadView, RocksDBConfig, Timestamp, TransactionOptions,
};

use crate::{
    event::{Action, Event},
    plan::{self, Way, Work, mix},
    trouble::{self, Trouble},
};

/// What a child is to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Task {
    /// The directory of the store and its copies.
    #[arg(long)]
    pub(crate) directory: PathBuf,
    #[arg(long)]
    pub(crate) seed: u64,
    /// Distinguishes what is chosen in this process.
    #[arg(long)]
    pub(crate) cycle: u64,
    /// The number of the first operation of each thread.
    #[arg(long, value_delimiter = ',')]
    pub(crate) first: Vec<u64>,
    /// Ends after so many operations of each thread.
    #[arg(long)]
    pub(crate) operations: Option<u64>,
    /// Says that it has waited for the disk, and has not.
    #[arg(long)]
    pub(crate) unsynced: bool,
    /// Calls of the disk will fail, which is no reason to fail.
    #[arg(long)]
    pub(crate) troubled: bool,
    /// Does something beside commits after one of so many.
    #[arg(long, default_value_t = 15)]
    pub(crate) keep_every: u32,
    /// Ends the process at a failpoint: NAME:OCCURRENCE.
    #[cfg(feature = "failpoints")]
    #[arg(long)]
    pub(crate) abort_at: Option<String>,
    /// Counts how often each failpoint is reached.
    #[cfg(feature = "failpoints")]
    #[arg(long)]
    pub(crate) count: bool,
}

/// The store lies here, in a child's directory.
pub(crate) fn store_path(directory: &Path) -> PathBuf {
    directory.join("store")
}

/// Small files and little memory, so that much happens; chosen anew each time that the store is opened.
pub(crate) fn config(path: &Path, seed: u64) -> Result<RocksDBConfig> {
    let mut random = fastrand::Rng::with_seed(seed);
    let text = path.to_str().context("a path that is not UTF-8")?;
    let mut config = RocksDBConfig::at(text);
    config.write_buffer_size = random.usize(1..8) << 16;
    config.block_cache_size = 8 << 20;
    config.target_file_size = random.u64(1..8) << 16;
    config.enable_compression = random.bool();
    config.max_background_jobs = random.i32(1..4);
    config.max_open_files = random.choice([-1, 64]).unwrap_or(-1);
    config.recent_versions_size = random.choice([0, 1 << 12, 1 << 16, 1 << 20]).unwrap_or(0);
    Ok(config)
}

/// Does what it is told, until it is killed.
pub(crate) fn run(task: &Task) -> Result<()> {
    #[cfg(feature = "failpoints")]
    let counts = crate::points::arm(task)?;
    tell(&Event::Opening);
    let path = store_path(&task.directory);
    let opened = Engine::open_with(config(&path, mix(&[task.seed, task.cycle, 1]))?);
    let engine = match opened {
        Err(error) if task.troubled => return trouble::tell(&error.into()),
        opened => opened?,
    };
    tell(&Event::Opened);
    let workers = BlockExecutorConfig::default();
    let child = Child {
        task,
        executor: BlockExecutor::new(workers)?,
        world: RwLock::new(()),
        keeper: Mutex::new(Keeper {
            copies: Vec::new(),
            made: 0,
        }),
        trouble: Trouble::default(),
        engine,
    };
    let failed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for (thread, first) in task.first.iter().enumerate() {
            let (child, failed) = (&child, &failed);
            scope.spawn(move || {
                let worked = child.work(thread, *first);
                let worked = worked.or_else(|error| child.trouble.take(task, error));
                if let Err(error) = worked {
                    failed.fetch_add(1, Ordering::SeqCst);
                    tell(&Event::Failed(format!("{error:#}")));
                }
            });
        }
    });
    if failed.load(Ordering::SeqCst) > 0 {
        bail!("the child failed");
    }
    if child.trouble.has_come() {
        let again = config(&path, mix(&[task.seed, task.cycle, 2]))?;
        child.trouble.judge(child.engine, again)?;
        tell(&Event::Finished);
        return Ok(());
    }
    child.engine.close()?;
    #[cfg(feature = "failpoints")]
    counts.tell();
    tell(&Event::Finished);
    Ok(())
}

/// Tells the parent. Where there is none any more, this process ends.
pub(crate) fn tell(event: &Event) {
    let line = event.to_line();
    // In one write, so that lines of threads do not mix.
    let told = std::io::stdout().lock().write_all(line.as_bytes());
    if told.is_err() {
        process::exit(3);
    }
}

struct Child<'a> {
    task: &'a Task,
    executor: BlockExecutor,
    /// Held to write where nobody may commit meanwhile, so that the parent knows what came before.
    world: RwLock<()>,
    keeper: Mutex<Keeper>,
    trouble: Trouble,
    engine: Engine,
}

/// Held by who does something beside commits.
struct Keeper {
    /// Checkpoints and databases that were made of them.
    copies: Vec<String>,
    made: u64,
}

impl Child<'_> {
    fn is_alone(&self) -> bool {
        self.task.first.len() == 1
    }

    fn work(&self, thread: usize, first: u64) -> Result<()> {
        let seed = mix(&[self.task.seed, self.task.cycle, 2, thread as u64]);
        let mut random = fastrand::Rng::with_seed(seed);
        let end = self.task.operations.map_or(u64::MAX, |count| first + count);
        for number in first..end {
            if self.trouble.has_come() {
                return Ok(());
            }
            {
                let _nobody_rolls_back = self.world.read();
                let work = plan::work(self.task.seed, thread, number);
                let is_synced = work.is_synced;
                let committed = self.commit(work);
                match committed.inspect_err(|_| self.trouble.commit_failed())? {
                    Some(at) => tell(&Event::Done {
                        thread,
                        number,
                        at: at.get(),
                        is_synced,
                        log: if self.is_alone() { self.log()? } else { None },
                    }),
                    None => tell(&Event::Refused { thread, number }),
                }
            }
            if random.u32(..50) == 0 {
                self.read(&mut random)?;
            }
            if random.u32(..self.task.keep_every) == 0
                && let Ok(mut keeper) = self.keeper.try_lock()
            {
                self.keep(&mut keeper, &mut random)?;
            }
        }
        Ok(())
    }

    /// The newest log file, and its length.
    fn log(&self) -> Result<Option<(u64, u64)>> {
        let logs = logs(&store_path(&self.task.directory))?;
        let newest = logs.last_key_value();
        newest
            .map(|(number, path)| Ok((*number, fs::metadata(path)?.len())))
            .transpose()
    }

    /// Commits an operation. `None` where it was refused.
    fn commit(&self, work: Work) -> Result<Option<Timestamp>> {
        let durability = if work.is_synced && !self.task.unsynced {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        let options = CommitOptions::default().durability(durability);
        match work.way {
            Way::Batch => {
                let batch: Batch = work.writes.into_iter().collect();
                Ok(Some(self.engine.commit(batch, options)?.timestamp))
            }
            Way::Transaction => {
                let transaction = TransactionOptions::default().isolation(Isolation::Snapshot);
                let done = self.engine.transact_with(transaction, options, |tx| {
                    for key in &work.reads {
                        tx.get(key)?;
                    }
                    for (key, value) in &work.writes {
                        match value {
                            Some(value) => tx.set(key, value)?,
                            None => tx.delete(key)?,
                        }
                    }
                    Ok::<_, sapwood::Error>(())
                })?;
                Ok(Some(done.timestamp))
            }
            Way::Range => {
                let transaction = TransactionOptions::default();
                let done = self.engine.transact_with(transaction, options, |tx| {
                    let found = tx
                        .range(work.range.clone())
                        .collect::<sapwood::Result<Vec<_>>>()?;
                    for (key, _) in found {
                        tx.delete(key)?;
                    }
                    for (key, value) in &work.writes {
                        tx.set(key, value.as_deref().unwrap_or_default())?;
                    }
                    Ok::<_, sapwood::Error>(())
                })?;
                Ok(Some(done.timestamp))
            }
            Way::Block => self.block(work, options),
        }
    }

    fn block(&self, work: Work, options: CommitOptions) -> Result<Option<Timestamp>> {
        // Others may be faster: then the height is refused.
        let height = Timestamp::new(self.engine.visible().get() + work.gap);
        let done = self.engine.execute_blocks(
            &self.executor,
            options,
            [BlockInput::new(height, work.writes)],
            |ctx, _, (key, value): &plan::Write| {
                match value {
                    Some(value) => ctx.set(key, value)?,
                    None => ctx.delete(key)?,
                }
                Ok(ExecutionStatus::Success(()))
            },
            |_| Ok(()),
        );
        match done {
            Ok(_) => Ok(Some(height)),
            Err(error) => {
                let error = error.into_error();
                if *error.kind() == sapwood::ErrorKind::Invalid && !self.is_alone() {
                    Ok(None)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Reads some past state.
    fn read(&self, random: &mut fastrand::Rng) -> Result<()> {
        let (floor, visible) = (self.engine.floor().get(), self.engine.visible().get());
        let at = random.u64(floor..=visible.max(floor));
        let Ok(snapshot) = self.engine.at(Timestamp::new(at)) else {
            return Ok(()); // Pruned or rolled back meanwhile.
        };
        for row in snapshot.range(..) {
            match row {
                Ok(_) => {}
                Err(error) if *error.kind() == sapwood::ErrorKind::TooOld => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn begin(action: Action) {
        tell(&Event::Begin(action));
    }

    fn end(&self, value: u64) -> Result<()> {
        let log = if self.is_alone() { self.log()? } else { None };
        tell(&Event::End { value, log });
        Ok(())
    }

    /// Does something beside commits.
    fn keep(&self, keeper: &mut Keeper, random: &mut fastrand::Rng) -> Result<()> {
        let (floor, visible) = (self.engine.floor().get(), self.engine.visible().get());
        match random.u32(..20) {
            0..6 => {
                let before = visible.saturating_sub(random.u64(..200));
                Self::begin(Action::Prune(before));
                let report = self.engine.prune_before(Timestamp::new(before))?;
                self.end(report.floor.get())?;
            }
            6..10 => self.pin(random)?,
            10..12 => {
                Self::begin(Action::Flush);
                self.engine.flush()?;
                self.end(0)?;
            }
            12..14 => {
                Self::begin(Action::Compact);
                self.engine.compact()?;
                self.end(0)?;
            }
            14..17 => self.copy(keeper, floor.max(visible))?,
            _ => self.roll_back(keeper, random)?,
        }
        Ok(())
    }

    fn pin(&self, random: &mut fastrand::Rng) -> Result<()> {
        let name = format!("p{}", random.u32(..4));
        if self.engine.pins()?.iter().any(|pin| pin.name == name) {
            Self::begin(Action::Unpin { name: name.clone() });
            self.engine.unpin(&name)?;
        } else {
            let (floor, visible) = (self.engine.floor().get(), self.engine.visible().get());
            let at = random.u64(floor..=visible);
            Self::begin(Action::Pin {
                name: name.clone(),
                at,
            });
            self.engine
                .pin(&name, Timestamp::new(at), PinOptions::default())?;
        }
        self.end(0)?;
        Ok(())
    }

    /// Takes a checkpoint, or makes a database of the one that there is.
    fn copy(&self, keeper: &mut Keeper, _visible: u64) -> Result<()> {
        keeper.made += 1;
        let number = format!("{}-{}", self.task.cycle, keeper.made);
        let checkpoint = keeper
            .copies
            .iter()
            .find(|name| name.starts_with("checkpoint"));
        let Some(checkpoint) = checkpoint.cloned() else {
            let name = format!("checkpoint-{number}");
            Self::begin(Action::Checkpoint { name: name.clone() });
            let made = self
                .engine
                .create_checkpoint(self.task.directory.join(&name))?;
            self.end(made.timestamp.get())?;
            keeper.copies.push(name);
            return Ok(());
        };
        let name = format!("restored-{number}");
        Self::begin(Action::Restore { name: name.clone() });
        let from = self.task.directory.join(checkpoint);
        let restored = Engine::restore(from, self.task.directory.join(&name))?;
        let at = restored.visible();
        restored.close()?;
        drop(restored);
        self.end(at.get())?;
        keeper.copies.push(name);
        self.remove_copies(keeper)
    }

    fn remove_copies(&self, keeper: &mut Keeper) -> Result<()> {
        for name in keeper.copies.drain(..) {
            Self::begin(Action::Remove { name: name.clone() });
            fs::remove_dir_all(self.task.directory.join(name))?;
            self.end(0)?;
        }
        Ok(())
    }

    fn roll_back(&self, keeper: &mut Keeper, random: &mut fastrand::Rng) -> Result<()> {
        // The parent could not tell any more what they should hold.
        self.remove_copies(keeper)?;
        let _nobody_commits = self.world.write();
        let lowest = self.engine.pins()?.iter().map(|pin| pin.timestamp).max();
        let lowest = lowest.unwrap_or_default().max(self.engine.floor()).get();
        let visible = self.engine.visible().get();
        let target = visible.saturating_sub(random.u64(1..30)).max(lowest);
        if target >= visible {
            return Ok(());
        }
        Self::begin(Action::Rollback(target));
        let report = self.engine.rollback_to(Timestamp::new(target))?;
        if report.visible.get() != target {
            return Err(anyhow!(
                "rolled back to {} instead of {target}",
                report.visible
            ));
        }
        self.end(report.epoch)?;
        Ok(())
    }
}

/// The log files of a store, by number.
pub(crate) fn logs(store: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_log = path.extension().is_some_and(|ending| ending == "log");
        if let (true, Some(Ok(number))) = (is_log, stem.map(str::parse)) {
            logs.insert(number, path);
        }
    }
    Ok(logs)
}
