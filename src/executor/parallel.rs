//! [`Parallel`]: a part of a block that all workers share.
//!
//! Workers run transactions ahead of the commit head, each on what those below it have written so far. Whoever
//! finds the transaction at the head finished checks whether all that it read is still so, now that
//! everything below is committed, and commits it; if it is not so, or nobody runs it, it is run right there,
//! and then nothing can make it stale. So what happened ahead of the head is only ever a proposal.

use std::time::Instant;

use super::{
    access::Part as Accesses,
    block::{Block, Progress},
    changes::ChangeSet,
    context::{Below, BlockContext, Left, State, UNTIL_LOOK},
    counts::{self, WorkerCounts},
    keys::Keys,
    memory::{Changes, Memory, Reliance, View},
    outcome::ExecutionStatus,
    pool::{Inside, Job},
    ranges,
    run::{Ending, Ran, run, without_panic},
    schedule::{Halt, Head, Schedule},
    shares::Shares,
    stop::Stop,
    worker::Worker,
};
use crate::{
    error::{Error, Result},
    storage::Key,
    sync::{Arc, AtomicU32, Mutex, Ordering},
};

/// Commits after which the window is looked at.
const ROUND: u32 = 64;
/// Runs ahead that are looked at by a worker that has nothing else to do.
const LOOKED_AT: u32 = 16;
/// Base values that are fetched together.
pub(super) const PREFETCH_KEYS: usize = 128;
/// Locations whose changes are collected together.
const COLLECTED: u32 = 1_024;
/// One run in so many is timed.
const TIMED: u32 = 8;

pub(super) struct Parallel<T, O, F> {
    block: Arc<Block<T, O, F>>,
    memory: Arc<Memory>,
    schedule: Schedule<Finished<O>>,
    halt: Arc<Halt>,
    /// The owner of the head's, and locked by it alone.
    head: Mutex<AtHead<O>>,
    /// What aborted runs have left in the memory, until the next run of theirs takes its place.
    leftovers: Box<[Mutex<Vec<u32>>]>,
    first: u32,
    hints: Vec<Key>,
    next_hint: AtomicU32,
    /// Those of each worker so far.
    counts: Mutex<Vec<Arc<WorkerCounts>>>,
    /// What was changed, once the part has ended.
    collecting: Shares<Changes>,
}

/// A run that waits to be committed.
#[derive(Debug)]
struct Finished<O> {
    ending: Ending<O>,
    charged: u64,
    reliance: Arc<Reliance>,
}

struct AtHead<O> {
    /// Absent once the part has ended.
    progress: Option<Progress<O>>,
    accesses: Accesses,
    round: Round,
    smallest_window: u32,
}

/// What happened since the window was looked at last.
#[derive(Default)]
struct Round {
    commits: u32,
    stale: u32,
}

/// How a part ended, for the one worker that ended it.
pub(super) struct Ended<O> {
    pub(super) progress: Progress<O>,
    /// Whether the rest is better run one by one.
    pub(super) is_given_up: bool,
}

impl<T, O, F> Parallel<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    pub(super) fn new(
        block: &Arc<Block<T, O, F>>,
        mut progress: Progress<O>,
        halt: Arc<Halt>,
    ) -> Arc<Self> {
        let first = progress.ledger.next();
        let end = u32::try_from(block.txns.len()).unwrap_or(u32::MAX);
        let config = &block.config;
        let window = (4 * config.workers).clamp(1, config.window);
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        let hints = std::mem::take(&mut progress.hints);
        Arc::new(Self {
            block: Arc::clone(block),
            memory: Arc::new(Memory::new(progress.base(), &block.kept)),
            schedule: Schedule::new(first, end, window),
            halt,
            head: Mutex::new(AtHead {
                progress: Some(progress),
                accesses: Accesses::with_capacity(block.txns.len()),
                round: Round::default(),
                smallest_window: window,
            }),
            leftovers: std::iter::repeat_with(Mutex::default)
                .take((end - first) as usize)
                .collect(),
            first,
            hints,
            next_hint: AtomicU32::new(0),
            counts: Mutex::default(),
            collecting: Shares::default(),
        })
    }

    /// Works until the part has ended. Returns it to whoever ended it.
    pub(super) fn take_part(&self, inside: &Inside) -> Option<Ended<O>> {
        let mut worker = Worker::new(&self.block.kept, self.memory.hasher(), inside);
        let number = {
            let mut counts = self.counts.lock();
            counts.push(Arc::clone(&worker.counts));
            counts.len()
        };
        if number == 2 {
            // One of them reads ahead of all.
            while !self.halt.is_set() && self.prefetch(&worker) {}
        }
        while !self.halt.is_set() {
            if let Some(ended) = self.commit_ready(&mut worker) {
                return Some(ended);
            }
            let handed = worker.handed.take();
            let next = handed.and_then(|index| self.schedule.claim_at(index));
            if let Some((index, incarnation)) = next.or_else(|| self.schedule.claim()) {
                worker.handed = self.run_ahead(&mut worker, index, incarnation);
            } else if !self.prefetch(&worker) && !self.abort_stale(&mut worker) {
                self.schedule.sleep(&self.halt);
            }
        }
        self.collecting.take_part(|number| self.share(number));
        None
    }

    /// Fetches some base values ahead. Returns whether there were any to fetch.
    fn prefetch(&self, worker: &Worker) -> bool {
        let chunk = self.next_hint.load(Ordering::Relaxed) as usize;
        if chunk >= self.hints.len().div_ceil(PREFETCH_KEYS) {
            return false;
        }
        let chunk = self.next_hint.fetch_add(1, Ordering::Relaxed) as usize;
        let Some(keys) = self.hints.chunks(PREFETCH_KEYS).nth(chunk) else {
            return false;
        };
        worker
            .counts
            .prefetched
            .add(self.memory.prefetch(keys.iter().map(|key| &**key)));
        true
    }

    fn run(&self, worker: &mut Worker, index: u32, is_exact: bool) -> (Ran<O>, Left) {
        worker.frame.begin();
        let number = worker.counts.executions.add(1);
        let began = number.is_multiple_of(u64::from(TIMED)).then(Instant::now);
        worker.inside.enter();
        let txn = self.block.txns.get(index as usize);
        let Some(txn) = txn.filter(|_| !self.halt.is_set()) else {
            worker.inside.leave();
            return (Err(Stop::Halted), Left::default());
        };
        let state = State {
            frame: &mut worker.frame,
            below: Below::Parallel(View {
                memory: &self.memory,
                txn: index,
                is_exact,
            }),
            halt: &self.halt,
            operations_left: self.block.config.operations_limit,
            charged: 0,
            stop: None,
            ranges: None,
            calls_in_vain: 0,
            until_look: UNTIL_LOOK,
        };
        let (ran, left) = run(BlockContext::new(state, index), txn, &*self.block.f);
        worker.inside.leave();
        if let Some(began) = began.filter(|_| ran.is_ok()) {
            let took = began.elapsed();
            worker.pace.note(took);
            worker.counts.note_time(took);
        }
        (ran, left)
    }

    /// Runs a transaction ahead of the head. Returns one that waited for it.
    fn run_ahead(&self, worker: &mut Worker, index: u32, mut incarnation: u32) -> Option<u32> {
        loop {
            let (ran, left) = self.run(worker, index, false);
            match ran {
                Ok(ending) => {
                    let finished = self.publish(worker, index, incarnation, ending, left);
                    return self.schedule.finish(index, finished);
                }
                Err(Stop::Blocked(on)) => {
                    worker.counts.dependencies.add(1);
                    if self.schedule.wait_for(index, on) {
                        return None;
                    }
                    incarnation = self.schedule.next_incarnation(index);
                }
                Err(Stop::Halted) => return None,
                Err(_) => {
                    self.schedule.defer(index);
                    return None;
                }
            }
        }
    }

    /// Puts what a run wrote into the memory, in place of what the previous one did.
    fn publish(
        &self,
        worker: &mut Worker,
        index: u32,
        incarnation: u32,
        ending: Ending<O>,
        left: Left,
    ) -> Finished<O> {
        if !ending.keeps_writes() {
            worker.frame.drop_writes();
        }
        let reliance = worker.end_run(left.ranges);
        let previous = if incarnation == 0 {
            Vec::new()
        } else {
            self.take_leftovers(index)
        };
        let committed = self.schedule.committed();
        let writes = worker.writes.drain(..);
        self.memory.publish(
            (index, incarnation),
            committed,
            writes,
            &reliance.written,
            &previous,
        );
        Finished {
            ending,
            charged: left.charged,
            reliance,
        }
    }

    fn take_leftovers(&self, index: u32) -> Vec<u32> {
        let left = self.leftovers.get((index - self.first) as usize);
        left.map(|left| std::mem::take(&mut *left.lock()))
            .unwrap_or_default()
    }

    /// A run was stale: what it wrote waits for the next.
    fn leave(&self, worker: &Worker, index: u32, reliance: &Reliance) {
        worker.counts.aborts.add(1);
        self.memory.mark_estimates(index, &reliance.written);
        if let Some(left) = self.leftovers.get((index - self.first) as usize) {
            left.lock().clone_from(&reliance.written);
        }
    }

    /// Looks for a run ahead that is stale already, and runs it again. Returns whether there was one.
    fn abort_stale(&self, worker: &mut Worker) -> bool {
        let head = self.schedule.committed();
        for index in head + 1..head.saturating_add(LOOKED_AT) {
            // Below one that has not run yet, much can still come.
            let reliance = |finished: &Finished<O>| Arc::clone(&finished.reliance);
            let Some((incarnation, reliance)) = self.schedule.look(index, reliance) else {
                return false;
            };
            worker.counts.validations.add(1);
            let holds = without_panic(|| self.memory.still_holds(&reliance, index));
            // It would be told something else, or wait for another. Nothing else is worth it: where it would be
            // told the same, this would go round and round.
            if matches!(holds, Some(Ok(false) | Err(Stop::Blocked(_))))
                && let Some(finished) = self.schedule.abort(index, incarnation)
            {
                self.leave(worker, index, &finished.reliance);
                worker.handed = self.run_ahead(worker, index, incarnation + 1);
                return true;
            }
        }
        false
    }

    /// Commits what can be committed, as long as nobody else does. Returns the part to whoever ends it.
    fn commit_ready(&self, worker: &mut Worker) -> Option<Ended<O>> {
        while self.schedule.try_take_head() {
            if let Some(ended) = self.commit_at_head(worker) {
                // The head stays taken: there is nothing more to commit.
                return Some(ended);
            }
            self.schedule.release_head();
        }
        None
    }

    fn commit_at_head(&self, worker: &mut Worker) -> Option<Ended<O>> {
        let mut at_head = self.head.lock();
        loop {
            if self.halt.is_set() {
                return None;
            }
            let (index, found) = self.schedule.at_head()?;
            let finished = match found {
                Head::Busy => return None,
                Head::Finished { run, .. } => {
                    worker.counts.validations.add(1);
                    if self.is_valid(&run, index) {
                        run
                    } else {
                        at_head.round.stale += 1;
                        self.leave(worker, index, &run.reliance);
                        let incarnation = self.schedule.next_incarnation(index);
                        self.run_at_head(worker, index, incarnation)?
                    }
                }
                Head::Claimed { incarnation } => self.run_at_head(worker, index, incarnation)?,
            };
            if let Some(other) = worker.handed.take() {
                self.schedule.hand_back(other);
            }
            let goes_on = self.commit(&mut at_head, index, finished, worker);
            let is_last = index as usize + 1 == self.block.txns.len();
            let is_given_up = goes_on && !is_last && self.look_at_round(&mut at_head, worker);
            if !goes_on || is_last || is_given_up {
                return self.end(&mut at_head, is_given_up);
            }
            // The next may be a long run in place.
            self.schedule.wake(&self.halt);
        }
    }

    /// Whether a run is what it would be now, with everything below it committed.
    fn is_valid(&self, run: &Finished<O>, index: u32) -> bool {
        let is_valid = without_panic(|| {
            self.memory
                .still_holds(&run.reliance, index)
                .unwrap_or(false)
                && (run.reliance.deltas.is_empty()
                    || self
                        .memory
                        .settle(index, &run.reliance.deltas)
                        .unwrap_or(false))
        });
        is_valid.unwrap_or(false)
    }

    /// Runs the transaction at the head: nothing can make it stale. `None` where the part was halted.
    fn run_at_head(
        &self,
        worker: &mut Worker,
        index: u32,
        incarnation: u32,
    ) -> Option<Finished<O>> {
        worker.counts.head_runs.add(1);
        let (ran, left) = self.run(worker, index, true);
        let ending = match ran {
            Ok(ending) => ending,
            Err(Stop::Halted) => return None,
            Err(_) => Ending::Failed(Error::corrupt(
                "the executor's memory",
                "what is committed waits for something",
            )),
        };
        Some(self.publish(worker, index, incarnation, ending, left))
    }

    /// Decides about the transaction at the head. Returns whether the block goes on.
    fn commit(
        &self,
        at_head: &mut AtHead<O>,
        index: u32,
        finished: Finished<O>,
        worker: &mut Worker,
    ) -> bool {
        let Finished {
            ending,
            charged,
            reliance,
        } = finished;
        let Some(progress) = &mut at_head.progress else {
            return false;
        };
        let decision = progress.ledger.decide(ending, charged);
        if decision.is_committed {
            let written = if decision.keeps_writes {
                reliance.written.as_slice()
            } else {
                &[]
            };
            at_head.accesses.push(
                reliance.points.iter().map(|(location, _)| *location),
                written.iter().copied(),
                ranges::consumed(&reliance.ranges),
            );
            worker.handed = self.schedule.commit(index);
        }
        worker.recycle(reliance);
        decision.goes_on
    }

    /// Moves the window with the share of runs that were in vain. Returns whether it is better to go on
    /// one by one.
    fn look_at_round(&self, at_head: &mut AtHead<O>, worker: &Worker) -> bool {
        at_head.round.commits += 1;
        if at_head.round.commits < ROUND {
            return false;
        }
        let Round { stale, .. } = std::mem::take(&mut at_head.round);
        let window = self.schedule.window();
        let largest = u32::try_from(self.block.config.window).unwrap_or(u32::MAX);
        if stale > ROUND / 2 {
            self.schedule.set_window((window / 2).max(1));
        } else if stale < ROUND / 8 {
            self.schedule
                .set_window(window.saturating_mul(2).min(largest));
        }
        at_head.smallest_window = at_head.smallest_window.min(self.schedule.window());
        self.block.config.adaptive && (stale > ROUND / 2 || worker.pace.is_cheap())
    }

    /// A share of what is collected at the end.
    fn share(&self, number: usize) -> Changes {
        let start = u32::try_from(number)
            .unwrap_or(u32::MAX)
            .saturating_mul(COLLECTED);
        let end = start.saturating_add(COLLECTED).min(self.memory.len());
        self.memory.changes(start..end, self.schedule.committed())
    }

    /// Collects what was changed.
    fn collect(&self) -> (ChangeSet, Keys) {
        let shares = self.collecting.finish(|number| self.share(number));
        let shares = shares.into_iter().enumerate();
        let shares = shares.map(|(number, share)| share.unwrap_or_else(|| self.share(number)));
        let (rows, keys) = shares.map(|share| (share.rows, share.keys)).unzip();
        (ChangeSet::new(rows), Keys::new(keys, COLLECTED as usize))
    }

    fn end(&self, at_head: &mut AtHead<O>, is_given_up: bool) -> Option<Ended<O>> {
        let mut progress = at_head.progress.take()?;
        let mut accesses = std::mem::take(&mut at_head.accesses);
        self.collecting
            .open(self.memory.len().div_ceil(COLLECTED) as usize);
        // Those that leave now, collect.
        self.halt.set();
        let (changes, keys) = self.collect();
        accesses.set_keys(keys);
        progress.add(changes, accesses);
        let stats = &mut progress.stats;
        let committed = self.schedule.committed() - self.first;
        stats.parallel += u64::from(committed);
        let counts = self.counts.lock();
        counts.iter().for_each(|counts| counts.add_to(stats));
        stats.run_time += counts::mean_time(&counts).saturating_mul(committed);
        stats.workers = stats.workers.max(counts.len() as u64);
        drop(counts);
        let smallest = u64::from(at_head.smallest_window);
        stats.smallest_window = match stats.smallest_window {
            0 => smallest,
            other => other.min(smallest),
        };
        Some(Ended {
            progress,
            is_given_up,
        })
    }
}

impl<T, O, F> Job for Parallel<T, O, F>
where
    T: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&mut BlockContext<'_>, &T) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    fn work(self: Arc<Self>, inside: &Inside) {
        if let Some(ended) = self.take_part(inside) {
            self.block.go_on(ended, inside);
        }
    }

    fn fail(&self) {
        self.halt.set();
        self.block.fail();
    }

    fn is_over(&self) -> bool {
        self.halt.is_set()
    }
}
