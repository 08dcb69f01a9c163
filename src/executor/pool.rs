//! [`Pool`]: plain threads, with names and stacks of a given size, that sleep when there is nothing to do.
//!
//! A job is a ticket for any thread; a job may be posted several times, for several threads to share it.
//! Threads are made when they are first needed. One that does not come back from a job that is over is
//! left to itself and replaced: a transaction can loop for ever without calling its context.
//!
//! **Invariants:**
//! - a ticket that was posted is taken, unless it is withdrawn or the pool ends;
//! - a thread that was given up takes no more tickets;
//! - no lock of the pool is held while a job works or is dropped.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    error::{Error, Result},
    sync::{
        Arc, AtomicBool, Condvar, Mutex, Ordering,
        thread::{self, JoinHandle, ThreadId},
    },
};

/// What threads share.
pub(super) trait Job: Send + Sync {
    /// Works for as long as there is something to do.
    fn work(self: Arc<Self>, inside: &Inside);

    /// The work unwound, by a mistake of the executor's own.
    fn fail(&self);

    /// Whether nobody waits for it any more.
    fn is_over(&self) -> bool;
}

/// Whether a thread is inside of code that may never return.
///
/// It is set first, and whether there is still anything to run for is asked after; who wonders whether a thread
/// is lost asks in the other order. So a thread that is not inside comes back.
#[derive(Clone, Debug)]
pub(super) struct Inside(Arc<AtomicBool>);

impl Inside {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    pub(super) fn enter(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    workers: usize,
    stack_size_bytes: usize,
}

#[derive(Default)]
struct State {
    tickets: VecDeque<Arc<dyn Job>>,
    idle: usize,
    threads: Vec<Thread>,
    /// How many threads there were, for their names.
    made: u64,
    is_closed: bool,
}

struct Thread {
    id: ThreadId,
    handle: JoinHandle<()>,
    job: Option<Arc<dyn Job>>,
    inside: Inside,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(workers: usize, stack_size_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                wake: Condvar::default(),
                workers,
                stack_size_bytes,
            }),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Pool {
    /// Threads that sleep, or are on their way back from a job, end and are waited for; those inside of code that
    /// may never return end when it does.
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        let tickets = std::mem::take(&mut state.tickets);
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.shared.wake.notify_all();
        drop(tickets);
        for thread in threads {
            let is_over = thread.job.as_ref().is_none_or(|job| job.is_over());
            // Its own copy of the job is dropped by the thread.
            drop(thread.job);
            if is_over && !thread.inside.is_set() && thread.id != thread::current().id() {
                let _ = thread.handle.join();
            }
        }
    }
}

impl Shared {
    /// Whether the calling thread is one of the pool's, at work.
    pub(super) fn is_inside(&self) -> bool {
        let id = thread::current().id();
        self.state
            .lock()
            .threads
            .iter()
            .any(|thread| thread.id == id)
    }

    /// Has some threads work on a job.
    ///
    /// # Errors
    /// `Io` where the system gives no thread, and there is none.
    pub(super) fn post(self: &Arc<Self>, job: &Arc<dyn Job>, count: usize) -> Result<()> {
        let mut state = self.state.lock();
        for _ in 0..count {
            state.tickets.push_back(Arc::clone(job));
        }
        let mut given_up = Vec::new();
        let mut missing = state.tickets.len().saturating_sub(state.idle);
        while missing > 0 {
            if state.threads.len() >= self.workers {
                let is_lost = |thread: &Thread| {
                    let is_over = thread.job.as_ref().is_some_and(|job| job.is_over());
                    is_over && thread.inside.is_set()
                };
                // Only where nobody else would take the ticket: it may come back.
                let lost = state
                    .threads
                    .iter()
                    .position(is_lost)
                    .filter(|_| state.idle == 0);
                let Some(lost) = lost else { break };
                given_up.push(state.threads.swap_remove(lost));
            }
            if let Err(error) = self.make_thread(&mut state) {
                if state.threads.is_empty() {
                    return Err(error);
                }
                break;
            }
            missing -= 1;
        }
        drop(state);
        for _ in 0..count {
            self.wake.notify_one();
        }
        drop(given_up);
        Ok(())
    }

    /// Takes back the tickets of a job that nobody has taken yet.
    pub(super) fn withdraw(&self, job: &Arc<dyn Job>) {
        let mut withdrawn = Vec::new();
        let mut state = self.state.lock();
        for ticket in std::mem::take(&mut state.tickets) {
            if Arc::ptr_eq(&ticket, job) {
                withdrawn.push(ticket);
            } else {
                state.tickets.push_back(ticket);
            }
        }
        drop(state);
    }

    /// Gives up the threads that are at work on jobs that are over.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        let threads = std::mem::take(&mut state.threads);
        let (given_up, kept) = threads
            .into_iter()
            .partition::<Vec<_>, _>(|thread| thread.job.as_ref().is_some_and(|job| job.is_over()));
        state.threads = kept;
        drop(state);
        drop(given_up);
    }

    fn make_thread(self: &Arc<Self>, state: &mut State) -> Result<()> {
        let shared = Arc::clone(self);
        let inside = Inside::new();
        let of_thread = inside.clone();
        let builder = thread::Builder::new()
            .name(format!("sapwood-block-{}", state.made))
            .stack_size(self.stack_size_bytes);
        let made = builder.spawn(move || shared.serve(&of_thread));
        let handle = made.map_err(|error| Error::io("the system gave no thread", error))?;
        state.made += 1;
        state.threads.push(Thread {
            id: handle.thread().id(),
            handle,
            job: None,
            inside,
        });
        Ok(())
    }

    /// What a thread does.
    fn serve(&self, inside: &Inside) {
        let id = thread::current().id();
        while let Some(job) = self.take(id) {
            let working = Arc::clone(&job);
            if catch_unwind(AssertUnwindSafe(|| working.work(inside))).is_err() {
                inside.leave();
                job.fail();
            }
            drop(job);
        }
    }

    /// Waits for a ticket; `None` where the thread is to end.
    fn take(&self, id: ThreadId) -> Option<Arc<dyn Job>> {
        let mut state = self.state.lock();
        let thread = state.threads.iter_mut().find(|thread| thread.id == id)?;
        if let Some(done) = thread.job.take() {
            // Dropping it may be long.
            drop(state);
            drop(done);
            state = self.state.lock();
        }
        loop {
            if state.is_closed {
                return None;
            }
            let position = state.threads.iter().position(|thread| thread.id == id)?;
            if let Some(job) = state.tickets.pop_front() {
                let thread = state.threads.get_mut(position)?;
                thread.job = Some(Arc::clone(&job));
                return Some(job);
            }
            state.idle += 1;
            state = self.wake.wait(state);
            state.idle -= 1;
        }
    }
}
