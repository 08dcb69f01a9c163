//! The soak: rounds of work on one store, each from opening it to closing it, over one run and the next.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use sapwood::{
    BlockExecutor, BlockExecutorConfig, Engine, ErrorKind, Position, ReadView, Timestamp,
};

use crate::{
    content::{Content, Scale, mix},
    counts::{Count, Counts},
    follower::Marks,
    keeper::{Keeping, config, ensure_clean},
    measure::{Process, directory_bytes},
    model::{Commit, Model, Step},
    rule,
    sample::{Kind, Sample, Samples},
    state::State,
    world::{Shared, World, lock},
};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(250);
/// A tick that took longer than this was not run: the process or the machine stood still.
const LONGEST_TICK: Duration = Duration::from_secs(2);
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
const SAY_EVERY: Duration = Duration::from_secs(60);
/// Rounds from one compaction of everything to the next.
const COMPACT_EVERY: u64 = 4;
/// How long a store may stay locked after its last handle has gone: a prune may be under way.
const LOCKED: Duration = Duration::from_secs(60);
/// Whole states that are compared when the store was opened.
const STATES: usize = 4;

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) seed: Option<u64>,
    /// All runs together.
    pub(crate) hours: f64,
    /// This run, at most.
    pub(crate) minutes: Option<f64>,
    /// Of each thread, in each round. Then nothing depends on the clock.
    pub(crate) operations: Option<u64>,
    /// Rounds of this run.
    pub(crate) rounds: Option<u64>,
    pub(crate) restart_every: Duration,
    pub(crate) rest: f64,
    pub(crate) stop: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(crate) struct Soak {
    options: Options,
    shared: Arc<Shared>,
    keeping: Keeping,
    samples: Samples,
    state: State,
    is_loaded: bool,
    was_dropped: bool,
    ticked: Instant,
    sampled: Instant,
    said: Instant,
    /// When this run began, in seconds of all runs.
    began: f64,
}

/// Runs until it is enough, or something is wrong.
pub(crate) fn run(options: Options) -> Result<()> {
    fs::create_dir_all(&options.directory)?;
    let state = match State::read(&options.directory)? {
        Some(state) => state,
        None => State {
            seed: options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
            ..State::default()
        },
    };
    if let Some(failed) = &state.failed {
        bail!(
            "{} has failed already: {failed}\nto begin anew, remove it",
            options.directory.display()
        );
    }
    let mut soak = Soak::new(options, state)?;
    let done = soak.rounds();
    if let Err(error) = &done {
        soak.state.failed = Some(format!("{error:#}"));
    }
    soak.save()?;
    let (seed, run, round) = (soak.state.seed, soak.state.runs, soak.state.rounds);
    done.with_context(|| format!("soak failed, seed {seed}, run {run}, round {round}"))?;
    soak.say("ended, nothing wrong");
    Ok(())
}

impl Soak {
    fn new(options: Options, mut state: State) -> Result<Self> {
        let is_short = options.operations.is_some();
        let scale = if is_short { Scale::SHORT } else { Scale::LONG };
        let mut shared = Shared::new(scale, state.seed, options.rest);
        let counts = Count::ALL
            .iter()
            .map(|count| state.counts.get(count.name()));
        let counts: Vec<_> = counts.map(|count| count.copied().unwrap_or(0)).collect();
        shared.counts = Counts::from_numbers(&counts);
        // Beyond what a killed process may have used since it wrote its state.
        shared.set_unique(state.unique + (1 << 32));
        *lock(&shared.pins) = state.pins.clone();
        for witness in &state.witnesses {
            shared.add_witness(*witness);
        }
        let keeping = Keeping {
            directory: options.directory.clone(),
            retain: if is_short { 150 } else { 12_000 },
            pause: Duration::from_millis(if is_short { 0 } else { 400 }),
        };
        state.runs += 1;
        let now = Instant::now();
        Ok(Self {
            samples: Samples::open(&options.directory)?,
            began: state.seconds,
            options,
            shared: Arc::new(shared),
            keeping,
            state,
            is_loaded: false,
            was_dropped: false,
            ticked: now,
            sampled: now,
            said: now,
        })
    }

    fn store(&self) -> PathBuf {
        self.options.directory.join("store")
    }

    fn is_enough(&self) -> bool {
        let (all, this) = (self.state.seconds, self.state.seconds - self.began);
        self.options.stop.load(Ordering::SeqCst)
            || all >= self.options.hours * 3600.0
            || self.options.minutes.is_some_and(|most| this >= most * 60.0)
    }

    fn rounds(&mut self) -> Result<()> {
        let last = self.options.rounds.map(|rounds| self.state.rounds + rounds);
        while !self.is_enough() && last.is_none_or(|last| self.state.rounds < last) {
            self.state.rounds += 1;
            self.round()?;
        }
        Ok(())
    }

    /// From opening the store to closing it.
    fn round(&mut self) -> Result<()> {
        self.keeping.remove_copies()?;
        self.shared.go_on();
        let engine = self.open()?;
        let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
        self.check_opened(&engine, &executor)?;
        self.work(&engine, &executor)?;
        self.shared
            .counts
            .add(Count::Conflicts, engine.stats().conflicts);
        let kind = self.end(&engine)?;
        self.was_dropped = self.state.rounds.is_multiple_of(3);
        if !self.was_dropped {
            engine.close()?;
        }
        drop(engine);
        drop(executor);
        self.tick();
        self.state.is_closed = true;
        self.sample(kind, None)?;
        self.save()?;
        self.judge()
    }

    fn open(&mut self) -> Result<Engine> {
        let begun = Instant::now();
        loop {
            match Engine::open_with(config(&self.store())?) {
                Ok(engine) => {
                    self.shared.done(Count::Restarts);
                    return Ok(engine);
                }
                Err(error)
                    if *error.kind() == ErrorKind::Locked
                        && self.was_dropped
                        && begun.elapsed() < LOCKED =>
                {
                    std::thread::sleep(TICK);
                }
                Err(error) => return Err(error).context("opening"),
            }
        }
    }

    /// After opening: everything is as it was.
    fn check_opened(&mut self, engine: &Engine, executor: &BlockExecutor) -> Result<()> {
        ensure_clean("the store", &engine.verify()?)?;
        let marks = Marks::of(engine);
        let last = Marks {
            epoch: self.state.epoch,
            visible: self.state.visible,
            floor: self.state.floor,
        };
        marks.follow(&last)?;
        if self.state.is_closed {
            let (at, was) = ((marks.visible, marks.epoch), (last.visible, last.epoch));
            ensure!(
                at == was,
                "the store was closed at {was:?}, and is at {at:?}"
            );
        }
        let is_new = !self.is_loaded && !self.state.is_filled;
        if !self.is_loaded {
            self.load(engine, executor)?;
        }
        let world = self.world(engine.clone(), executor);
        if is_new {
            world.fill()?;
        }
        drop(world);
        self.state.is_filled = true;
        let world = self.world(engine.clone(), executor);
        world.read_pins()?;
        let mut random = fastrand::Rng::with_seed(self.seed(0));
        for _ in 0..STATES {
            world.whole(&world.hold(&mut random)?)?;
        }
        self.is_loaded = true;
        self.state.is_closed = false;
        self.save()
    }

    /// In a new process: takes the model from the store, and checks that states which were right are what they were.
    fn load(&self, engine: &Engine, executor: &BlockExecutor) -> Result<()> {
        let (at, epoch) = (engine.floor(), engine.epoch());
        let base = engine.at(at)?;
        let mut model = Model::new(at.get(), epoch);
        for row in base.range(..) {
            let (key, value) = row?;
            model.begin_with(&key, Content::of(&value));
        }
        let mut changes = engine.changes(Position::new(at, epoch))?;
        while let Some(commit) = changes.poll()? {
            let writes = commit.changes.iter().map(|change| {
                let content = change.new.as_ref().map(|value| Content::of(value));
                (change.key.to_vec(), content)
            });
            let step = Step {
                writes: writes.collect(),
                ..Step::default()
            };
            model.tell(commit.timestamp.get(), Commit::of(step))?;
        }
        let visible = engine.visible().get();
        ensure!(
            model.applied() == visible && model.missing().is_none(),
            "the feed ends at {} instead of {visible}",
            model.applied()
        );
        *self.shared.model_mut() = model;
        if !self.state.is_closed {
            self.adopt_pins(engine)?;
        }
        let world = self.world(engine.clone(), executor);
        for witness in &self.state.witnesses {
            let position = Timestamp::new(witness.timestamp);
            let is_there = witness.timestamp >= engine.floor().get()
                && engine.check_position(position, witness.epoch).is_ok();
            if is_there {
                world.read_again(witness).context("after a restart")?;
            }
        }
        Ok(())
    }

    /// After a process that was killed: pins may have been set and removed since the state was written. Those that
    /// were there already hold what they held.
    fn adopt_pins(&self, engine: &Engine) -> Result<()> {
        let mut pins = lock(&self.shared.pins);
        let found = engine.pins()?;
        pins.retain(|name, witness| {
            let at = Timestamp::new(witness.timestamp);
            found
                .iter()
                .any(|pin| pin.name == *name && pin.timestamp == at)
        });
        for pin in found {
            if !pins.contains_key(&pin.name) {
                engine.unpin(&pin.name)?;
            }
        }
        Ok(())
    }

    fn seed(&self, who: u64) -> u64 {
        mix(&[self.state.seed, self.state.runs, self.state.rounds, who])
    }

    fn world<'a>(&'a self, engine: Engine, executor: &'a BlockExecutor) -> World<'a> {
        World {
            shared: &self.shared,
            engine,
            executor,
            operations: self.options.operations,
        }
    }

    fn work(&mut self, engine: &Engine, executor: &BlockExecutor) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let world = World {
            shared: &shared,
            engine: engine.clone(),
            executor,
            operations: self.options.operations,
        };
        let seeds: [u64; 8] = std::array::from_fn(|who| self.seed(who as u64 + 1));
        let keeping = self.keeping.clone();
        let watched = std::thread::scope(|scope| {
            let threads = spawn(scope, &world, &keeping, seeds);
            let watched = self.watch(engine, || {
                threads
                    .iter()
                    .all(std::thread::ScopedJoinHandle::is_finished)
            });
            shared.stop();
            watched
        });
        if let Some(failure) = shared.failure() {
            bail!(failure);
        }
        watched
    }

    /// Looks at the clock while the threads work, until it is enough.
    fn watch(&mut self, engine: &Engine, is_done: impl Fn() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !is_done() && !self.shared.is_stopped() {
            std::thread::sleep(TICK);
            self.tick();
            if self.options.operations.is_some() {
                continue;
            }
            if self.is_enough() || begun.elapsed() >= self.options.restart_every {
                break;
            }
            if self.sampled.elapsed() >= SAMPLE_EVERY {
                self.sampled = Instant::now();
                self.sample(Kind::Open, Some(engine))?;
                self.save()?;
            }
            if self.said.elapsed() >= SAY_EVERY {
                self.said = Instant::now();
                self.say("");
            }
        }
        Ok(())
    }

    /// Adds the time that was really run.
    fn tick(&mut self) {
        let now = Instant::now();
        let passed = now - self.ticked;
        self.ticked = now;
        self.state.seconds += passed.min(LONGEST_TICK).as_secs_f64();
    }

    /// The end of a round: all that was acknowledged is there. Now and then everything is compacted.
    fn end(&mut self, engine: &Engine) -> Result<Kind> {
        let missing = self.shared.model().missing();
        ensure!(
            missing.is_none(),
            "the commit {missing:?} was never acknowledged"
        );
        let mut kind = Kind::Closed;
        if self.state.rounds.is_multiple_of(COMPACT_EVERY) {
            engine.prune_before(engine.floor())?;
            engine.compact()?;
            self.shared.done(Count::Compactions);
            kind = Kind::Compacted;
        }
        let marks = Marks::of(engine);
        let applied = self.shared.model().applied();
        ensure!(
            marks.visible == applied,
            "the last commit is {}, and the last acknowledged {applied}",
            marks.visible
        );
        self.shared.prune_model(marks.floor);
        (self.state.visible, self.state.floor, self.state.epoch) =
            (marks.visible, marks.floor, marks.epoch);
        Ok(kind)
    }

    fn sample(&mut self, kind: Kind, open: Option<&Engine>) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let process = Process::measure()?;
        let (amount, counts) = (shared.model().amount(), shared.counts.numbers());
        let pins = lock(&shared.pins).len() as u64;
        let mut sample = Sample {
            run: self.state.runs,
            kind,
            hours: self.state.seconds / 3600.0,
            resident_bytes: process.resident_bytes,
            handles: process.handles,
            threads: process.threads,
            directory_bytes: directory_bytes(&self.options.directory),
            store_bytes: directory_bytes(&self.store()),
            live_rows: amount.live_rows,
            live_bytes: amount.live_bytes,
            history_rows: amount.history_rows,
            history_bytes: amount.history_bytes,
            pins,
            visible: self.state.visible,
            floor: self.state.floor,
            epoch: self.state.epoch,
            counts,
        };
        if let Some(engine) = open {
            let _turn = shared.turn();
            let marks = Marks::of(engine);
            (self.state.visible, self.state.floor, self.state.epoch) =
                (marks.visible, marks.floor, marks.epoch);
            (sample.visible, sample.floor, sample.epoch) =
                (marks.visible, marks.floor, marks.epoch);
            if let Some(conflicts) = sample.counts.get_mut(Count::Conflicts as usize) {
                *conflicts += engine.stats().conflicts;
            }
        }
        self.samples.take(sample)
    }

    fn judge(&self) -> Result<()> {
        let found = rule::violations(&self.samples.taken);
        ensure!(found.is_empty(), "{}", found.join("; "));
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let shared = &self.shared;
        let numbers = shared.counts.numbers();
        let names = Count::ALL.iter().map(|count| count.name().to_owned());
        self.state.counts = names.zip(numbers).collect();
        self.state.witnesses = shared.witnesses();
        self.state.pins = lock(&shared.pins).clone();
        self.state.unique = shared.last_unique();
        self.state.write(&self.options.directory)
    }

    fn say(&self, what: &str) {
        let Some(last) = self.samples.taken.last() else {
            let (hours, all) = (self.state.seconds / 3600.0, self.options.hours);
            eprint(&format!("soak: {hours:.3} of {all} h were run already"));
            return;
        };
        let mib = |bytes: u64| bytes >> 20;
        eprint(&format!(
            "soak: {:.3} of {} h; commits {}, transactions {}, blocks {}, reads {}, prunes {}, checkpoints {}, \
             rollbacks {}, restarts {}; memory {} MiB, handles {}, directory {} MiB, store {} MiB {what}",
            self.state.seconds / 3600.0,
            self.options.hours,
            last.count(Count::Commits),
            last.count(Count::Transactions),
            last.count(Count::Blocks),
            last.count(Count::Reads),
            last.count(Count::Prunes),
            last.count(Count::Checkpoints),
            last.count(Count::Rollbacks),
            last.count(Count::Restarts),
            mib(last.resident_bytes),
            last.handles,
            mib(last.directory_bytes),
            mib(last.store_bytes),
        ));
    }
}

/// Starts all that work on a store.
fn spawn<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    world: &'scope World<'scope>,
    keeping: &'scope Keeping,
    seeds: [u64; 8],
) -> Vec<std::thread::ScopedJoinHandle<'scope, ()>> {
    let [direct, one, two, block, first, second, keeper, _] = seeds;
    let mut threads = Vec::new();
    threads.push(scope.spawn(move || {
        let mut random = fastrand::Rng::with_seed(direct);
        world.repeat("commits", || world.direct(&mut random));
    }));
    for seed in [one, two] {
        threads.push(scope.spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed);
            world.repeat("transactions", || world.transaction(&mut random));
        }));
    }
    threads.push(scope.spawn(move || {
        let mut random = fastrand::Rng::with_seed(block);
        world.repeat("blocks", || world.block(&mut random));
    }));
    for seed in [first, second] {
        threads.push(scope.spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut kept = Vec::new();
            world.repeat("reads", || world.read(&mut random, &mut kept));
        }));
    }
    threads.push(scope.spawn(move || {
        let (mut changes, last) = (None, Mutex::default());
        world.repeat("feed", || world.follow(&mut changes, &last, keeping.retain));
    }));
    threads.push(scope.spawn(move || {
        let mut random = fastrand::Rng::with_seed(keeper);
        world.repeat("keeper", || world.keep(keeping, &mut random));
    }));
    threads
}

#[expect(clippy::print_stderr, reason = "its one way to speak")]
pub(crate) fn eprint(text: &str) {
    eprintln!("{text}");
}

/// Judges all runs of a directory by their samples.
pub(crate) fn judge_all(samples: &[Sample]) -> Vec<String> {
    let mut found = Vec::new();
    for run in samples.chunk_by(|one, next| one.run == next.run) {
        found.extend(rule::violations(run));
    }
    found
}

/// Whether something was run in a directory, and what was found.
pub(crate) fn state(directory: &Path) -> Result<State> {
    let state = State::read(directory)?;
    state.with_context(|| format!("nothing was run in {}", directory.display()))
}
