//! [`Store`]: the one inner that all handles of a store share.
//!
//! It owns the backend, the clock, the guards, the floor and the pins. Every write of every handle
//! goes through [`commit`](super::commit); every read of a past timestamp is admitted here.
//!
//! **Lock order:** the turn to commit; the driving lock; the retention lock, which a transaction in its turn may
//! ask for; the state of commits; the merge; that of a rollback which changes rows; then those of the
//! queue, of who waits in it, of what the policy keeps, of the conflict records, of recent versions, of guards,
//! of pins, of feeds and of epochs, none
//! of which is held while another is taken, but that segments lie under the list of them. Reads take none of
//! the first five, and that of a rollback only to wait for its end.

use std::time::Duration;

use super::{
    clock::Clock,
    commit::{CommitState, Commits, Conflicts, Counts},
    epochs::Epochs,
    feed::{Feeds, Wake},
    guards::{Guard, Guards},
    habit::Habit,
    lineage,
    merge::MergeState,
    pins::Pins,
    recent::Recent,
    recovery::Marks,
    retention::Keeping,
    rollback,
};
use crate::{
    backend::{Backend, Keyspace, WriteBatch},
    codec::meta,
    config::{Durability, TimestampSource},
    error::{Error, ErrorKind, Result},
    failpoint::{Point, reach},
    metrics::{BlockCounts, Meter},
    prune_rule::PruneRule,
    sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, RwLock},
    timestamp::Timestamp,
};

/// What a store was opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreOptions {
    pub(crate) durability: Durability,
    pub(crate) timestamps: TimestampSource,
    pub(crate) max_snapshot_age: Option<Duration>,
    pub(crate) conflict_log_size: usize,
    pub(crate) recent_versions_size: usize,
}

#[cfg(test)]
impl StoreOptions {
    pub(crate) fn for_tests(recent_versions_size: usize) -> Self {
        Self {
            durability: Durability::Buffered,
            timestamps: TimestampSource::Engine,
            max_snapshot_age: None,
            conflict_log_size: 1 << 20,
            recent_versions_size,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) options: StoreOptions,
    pub(crate) clock: Clock,
    pub(crate) guards: Arc<Guards>,
    /// The floor that reads are checked against. Changed under `retention` only; never goes down.
    pub(crate) floor: AtomicU64,
    pub(crate) pins: RwLock<Pins>,
    /// Where feeds have come. Entered, and moved but up, under `retention` only.
    pub(crate) feeds: Mutex<Feeds>,
    /// Feeds that wait for a commit.
    pub(crate) wake: Wake,
    /// What was rolled back when.
    pub(crate) epochs: RwLock<Epochs>,
    /// Held while the floor or the pins change, and by a rollback.
    pub(crate) retention: Mutex<()>,
    /// Held by the one prune that drives the backend. The rule that the last one drove to its end, and in which
    /// epoch.
    pub(crate) driven: Mutex<Option<(Arc<PruneRule>, u64)>>,
    /// Who commits, for whom.
    pub(crate) commits: Commits,
    /// Taken by the holder of the turn to commit only.
    pub(crate) commit: Mutex<CommitState>,
    pub(crate) conflicts: Arc<Conflicts>,
    pub(crate) recent: Recent,
    /// Who answers reads of the past.
    pub(super) habit: Habit,
    /// Held by the one thread that merges.
    pub(crate) merge: Mutex<MergeState>,
    /// Set once a write of a commit or of the merge has failed.
    pub(crate) write_failed: AtomicBool,
    /// Keys that those who committed owe to the merge.
    pub(crate) debt: AtomicU64,
    pub(crate) counts: Counts,
    pub(crate) block_counts: BlockCounts,
    /// Where durations are recorded, if they are.
    pub(crate) meter: Meter,
    /// What the policy keeps.
    pub(crate) keeping: Keeping,
    closed: AtomicBool,
}

impl Store {
    /// A store over a backend that holds nothing yet and need not be told its format.
    pub(crate) fn new(backend: Box<dyn Backend>, options: StoreOptions) -> Arc<Self> {
        Arc::new(Self::assemble(
            backend,
            options,
            &Marks::default(),
            Pins::default(),
            Feeds::default(),
            Epochs::default(),
        ))
    }

    /// Opens a store over a backend: reads its state, and only then arms the filters.
    pub(crate) fn open(backend: Box<dyn Backend>, options: StoreOptions) -> Result<Arc<Self>> {
        reach(Point::Opened);
        check_format(backend.as_ref())?;
        // Before anything else is believed.
        let epochs = rollback::finish(backend.as_ref())?;
        reach(Point::OpenedFinished);
        let marks = Marks::load(backend.as_ref())?;
        let pins = Pins::load(backend.as_ref())?;
        let feeds = Feeds::load(backend.as_ref())?;
        let store = Self::assemble(backend, options, &marks, pins, feeds, epochs);
        if !store.backend.is_read_only() {
            // What a crash has left of an export that was being applied.
            lineage::settle(store.backend.as_ref(), marks.last)?;
        }
        store.recall(&marks)?;
        store.recall_retention()?;
        reach(Point::OpenedRecalled);
        let store = Arc::new(store);
        store.tend_in_background();
        Ok(store)
    }

    fn assemble(
        backend: Box<dyn Backend>,
        options: StoreOptions,
        marks: &Marks,
        pins: Pins,
        feeds: Feeds,
        epochs: Epochs,
    ) -> Self {
        let Marks {
            last,
            floor,
            merged,
            trimmed,
        } = *marks;
        let store = Self {
            backend,
            options,
            clock: Clock::new(last, epochs.current()),
            guards: Guards::new(options.max_snapshot_age),
            floor: AtomicU64::new(floor.get()),
            pins: RwLock::new(pins),
            feeds: Mutex::new(feeds),
            wake: Wake::default(),
            epochs: RwLock::new(epochs),
            retention: Mutex::new(()),
            driven: Mutex::new(None),
            commits: Commits::new(),
            conflicts: Conflicts::new(last, options.conflict_log_size),
            recent: Recent::new(merged, options.recent_versions_size),
            habit: Habit::default(),
            merge: Mutex::new(MergeState::new(trimmed, merged)),
            write_failed: AtomicBool::new(false),
            debt: AtomicU64::new(0),
            counts: Counts::default(),
            block_counts: BlockCounts::default(),
            meter: Meter::default(),
            keeping: Keeping::default(),
            commit: Mutex::new(CommitState {
                last,
                failed: false,
                is_synced: false,
            }),
            closed: AtomicBool::new(false),
        };
        store.publish_rule();
        store
    }

    /// The floor below which only pinned timestamps can be read.
    pub(crate) fn floor(&self) -> Timestamp {
        Timestamp::new(self.floor.load(Ordering::SeqCst))
    }

    /// Refuses all work after `close`.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Refuses whatever would write, where the store was opened to read.
    pub(crate) fn check_not_read_only(&self) -> Result<()> {
        if self.backend.is_read_only() {
            Err(Error::opened_to_read())
        } else {
            Ok(())
        }
    }

    /// Admits a read at `at`: what it sees stays until the guard is dropped.
    ///
    /// # Errors
    /// `NotYet` above the visible timestamp, `Pruned` below the floor where no pin holds it.
    pub(crate) fn admit(&self, at: Timestamp) -> Result<Guard> {
        self.check_open()?;
        // First registered, then checked: see `guards`.
        let guard = self.guards.register(at);
        let visible = self.clock.visible();
        if at > visible {
            return Err(Error::not_yet(at, visible));
        }
        let floor = self.floor();
        if at < floor && !self.pins.read().holds(at) {
            return Err(Error::pruned(at, floor));
        }
        Ok(guard)
    }

    /// Admits a read at the newest timestamp that can be read.
    pub(crate) fn admit_latest(&self) -> Result<Guard> {
        loop {
            match self.admit(self.clock.visible()) {
                Err(error) if was_overtaken(&error) => {}
                admitted => return admitted,
            }
        }
    }

    /// Reads, and reads again where a rollback has changed rows meanwhile.
    pub(super) fn in_one_epoch<T>(&self, mut read: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            let era = self.clock.era()?;
            let answer = read();
            if self.clock.is_still(era) {
                return answer;
            }
        }
    }

    /// Whether what was seen at a timestamp, in an epoch, is still what can be seen there.
    pub(crate) fn check_position(&self, at: Timestamp, epoch: u64) -> Result<()> {
        self.check_open()?;
        self.in_one_epoch(|| self.check_position_once(at, epoch))
    }

    fn check_position_once(&self, at: Timestamp, epoch: u64) -> Result<()> {
        let current = self.clock.epoch();
        if epoch > current {
            return Err(Error::invalid(format!(
                "the epoch {epoch} is not there yet; the present one is {current}"
            )));
        }
        if let Some(target) = self.epochs.read().rolled_back_to(at, epoch) {
            return Err(Error::rolled_back("the position at", at, target));
        }
        let visible = self.clock.visible();
        if at > visible {
            return Err(Error::not_yet(at, visible));
        }
        Ok(())
    }

    /// Gives the filters the present floor and all that is held below it: pins, and guards that
    /// were registered before the floor passed them or that read at a pin.
    pub(crate) fn publish_rule(&self) -> Arc<PruneRule> {
        let floor = self.floor();
        let held = self.guards.below(floor);
        let pins: Vec<_> = self.pins.read().timestamps().collect();
        let rule = Arc::new(PruneRule::new(floor, pins.into_iter().chain(held)));
        self.backend.arm(Arc::clone(&rule));
        rule
    }

    /// Makes every commit survive the machine, and refuses all work from now on. Snapshots and
    /// iterators that are still held keep the files open, and fail.
    pub(crate) fn close(&self) -> Result<()> {
        let closed = self.end_work();
        // Without the turn: what it does may be waiting for that.
        self.keeping.join();
        closed
    }

    fn end_work(&self) -> Result<()> {
        let turn = self.commit_turn()?;
        self.closed.store(true, Ordering::SeqCst);
        self.wake.wake();
        self.keeping.end();
        let mut state = turn.state();
        // What is being merged is written by then, and nothing after it.
        let _merge = self.merge.lock();
        if !state.is_synced {
            self.backend.sync()?;
            reach(Point::Closed);
            state.is_synced = true;
        }
        Ok(())
    }
}

/// Whether a read at what was the visible timestamp was refused because others went by since it was loaded:
/// commits and a prune, or a rollback.
pub(crate) fn was_overtaken(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Pruned { .. } | ErrorKind::NotYet { .. }
    )
}

/// Notes the format in a new database; refuses one that was written by a newer build.
fn check_format(backend: &dyn Backend) -> Result<()> {
    let Some(value) = backend.get(Keyspace::Meta, meta::FORMAT)? else {
        let mut batch = WriteBatch::default();
        let version = meta::encode_format(meta::FORMAT_VERSION);
        batch.put(Keyspace::Meta, &[meta::FORMAT], &[&version]);
        return backend.write(batch, Durability::Sync);
    };
    let version = meta::decode_format(&value)
        .map_err(|error| Error::corrupt("the format's version in meta", error))?;
    if version != meta::FORMAT_VERSION {
        return Err(Error::unsupported(format!(
            "the database has format {version}, this build reads format {}; open it with a newer \
             build",
            meta::FORMAT_VERSION
        )));
    }
    Ok(())
}
