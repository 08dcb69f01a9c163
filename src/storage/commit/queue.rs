//! [`Queue`]: many threads, one of which works for all.
//!
//! A thread that submits a request either finds nobody at work and takes the turn, or waits. Whoever
//! has the turn takes its own request and those that wait behind it as one group, does them, tells each
//! its outcome, and hands the turn to the first that came meanwhile. So requests are done in the
//! order in which they came, by one thread at a time, and no thread is woken in vain. The scheme is that
//! of `RocksDB`'s and `LevelDB`'s write queues.
//!
//! [`Queue::turn`] waits for the turn without a request, for work that nothing may come between. A
//! group ends before such a waiter.
//!
//! **Invariants:**
//! - at most one thread has the turn; while requests wait, one has it or has been told that it has;
//! - each request gets exactly one outcome. Where the thread that works for it unwinds, that is
//!   [`Lost`];
//! - a thread that has the turn cannot wait for it: [`Reentered`].

use std::{collections::VecDeque, hint};

use crate::sync::{
    Arc, AtomicBool, Condvar, Mutex, Ordering,
    thread::{self, ThreadId},
};

/// How often the first that waits looks before it sleeps: for as long as a few small commits take.
///
/// Waking takes longer than such a commit, so two threads that commit in turn would mostly wait for
/// each other to wake. It is better than doing the other's work instead, too: each thread writes near
/// the rows that it has just read.
const LOOKS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 4_000 };

/// The thread that worked for a request unwound before it told the outcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// The calling thread has the turn already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reentered;

#[derive(Debug)]
pub(crate) struct Queue<T, R> {
    state: Mutex<State<T, R>>,
}

#[derive(Debug)]
struct State<T, R> {
    waiting: VecDeque<Waiting<T, R>>,
    /// Who has the turn.
    turn: Option<ThreadId>,
}

#[derive(Debug)]
struct Waiting<T, R> {
    /// Absent for one that waits for the turn itself.
    request: Option<Weighed<T>>,
    waiter: Arc<Waiter<R>>,
}

#[derive(Debug)]
struct Weighed<T> {
    request: T,
    weight: usize,
}

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Looks a while before it sleeps: for requests that are done in less time than waking takes.
    Looking,
    /// Sleeps at once.
    Asleep,
}

#[derive(Debug)]
struct Waiter<R> {
    thread: ThreadId,
    told: Mutex<Told<R>>,
    /// Set once it was told something.
    is_told: AtomicBool,
    wake: Condvar,
}

#[derive(Debug)]
enum Told<R> {
    Nothing,
    /// The turn has come, and the request, if there is one, comes back with it.
    Turn,
    Done(Result<R, Lost>),
}

impl<R> Waiter<R> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current().id(),
            told: Mutex::new(Told::Nothing),
            is_told: AtomicBool::new(false),
            wake: Condvar::default(),
        })
    }

    fn tell(&self, what: Told<R>) {
        *self.told.lock() = what;
        self.is_told.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits to be told: the outcome, or that the turn has come. Looks for it a while before it sleeps.
    fn wait(&self, looks: u32) -> Option<Result<R, Lost>> {
        for _ in 0..looks {
            if self.is_told.load(Ordering::Acquire) {
                break;
            }
            hint::spin_loop();
        }
        let mut told = self.told.lock();
        loop {
            match std::mem::replace(&mut *told, Told::Nothing) {
                Told::Nothing => told = self.wake.wait(told),
                Told::Turn => return None,
                Told::Done(outcome) => return Some(outcome),
            }
        }
    }
}

/// The turn. Dropping it hands it on.
#[derive(Debug)]
pub(crate) struct Turn<'q, T, R> {
    queue: &'q Queue<T, R>,
    /// The own request, where the thread waited with one.
    own: Option<T>,
}

impl<T, R> Drop for Turn<'_, T, R> {
    fn drop(&mut self) {
        self.queue.hand_on();
    }
}

/// Requests that are done together, and who waits for them. Those that get no outcome are lost.
#[derive(Debug)]
struct Group<R> {
    waiters: VecDeque<Arc<Waiter<R>>>,
}

impl<R> Drop for Group<R> {
    fn drop(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.tell(Told::Done(Err(Lost)));
        }
    }
}

impl<T, R> Queue<T, R> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                turn: None,
            }),
        }
    }

    /// Has a request done, by this thread with `work` or by another. `work` gets the requests of a
    /// group, in order, and gives their outcomes, in the same order. A group holds requests of at
    /// most `limit` in weight, or a single one. `wait` says how it waits for another.
    pub(crate) fn submit(
        &self,
        request: T,
        weight: usize,
        limit: usize,
        wait: Wait,
        work: impl FnOnce(Vec<T>) -> Vec<R>,
    ) -> Result<Result<R, Lost>, Reentered> {
        let mut turn = match self.enter(Some(Weighed { request, weight }), wait)? {
            Entered::Turn(turn) => turn,
            Entered::Done(outcome) => return Ok(outcome),
        };
        let Some(own) = turn.own.take() else {
            return Ok(Err(Lost));
        };
        let mut group = Group {
            waiters: VecDeque::new(),
        };
        let mut requests = vec![own];
        self.gather(&mut requests, &mut group, weight, limit);
        let mut outcomes = work(requests).into_iter();
        let own = outcomes.next().ok_or(Lost);
        for outcome in outcomes {
            if let Some(waiter) = group.waiters.pop_front() {
                waiter.tell(Told::Done(Ok(outcome)));
            }
        }
        Ok(own)
    }

    /// Whether this thread has the turn.
    pub(crate) fn is_mine(&self) -> bool {
        self.state.lock().turn == Some(thread::current().id())
    }

    /// Waits for the turn, for work that nothing may come between.
    pub(crate) fn turn(&self) -> Result<Turn<'_, T, R>, Reentered> {
        match self.enter(None, Wait::Asleep)? {
            Entered::Turn(turn) => Ok(turn),
            // Only requests are done by others.
            Entered::Done(_) => Err(Reentered),
        }
    }

    fn enter(
        &self,
        mut request: Option<Weighed<T>>,
        wait: Wait,
    ) -> Result<Entered<'_, T, R>, Reentered> {
        let mut state = self.state.lock();
        let entered = |own: Option<Weighed<T>>| {
            let own = own.map(|own| own.request);
            Entered::Turn(Turn { queue: self, own })
        };
        match state.turn {
            None => {
                state.turn = Some(thread::current().id());
                Ok(entered(request))
            }
            Some(owner) if owner == thread::current().id() => Err(Reentered),
            Some(_) => {
                let waiter = Waiter::new();
                // With more that wait there is more to do than there are cores.
                let is_looking = wait == Wait::Looking && state.waiting.is_empty();
                let looks = if is_looking { LOOKS } else { 0 };
                state.waiting.push_back(Waiting {
                    request: request.take(),
                    waiter: Arc::clone(&waiter),
                });
                drop(state);
                match waiter.wait(looks) {
                    Some(outcome) => Ok(Entered::Done(outcome)),
                    None => Ok(entered(self.take_back(&waiter))),
                }
            }
        }
    }

    /// Takes the request of a waiter that got the turn: it is the first that waits.
    fn take_back(&self, waiter: &Arc<Waiter<R>>) -> Option<Weighed<T>> {
        let mut state = self.state.lock();
        let first = state.waiting.front()?;
        debug_assert!(Arc::ptr_eq(&first.waiter, waiter), "the first has the turn");
        state.waiting.pop_front()?.request
    }

    /// Takes the requests that wait, in order, up to the limit or to one that waits for the turn.
    fn gather(&self, requests: &mut Vec<T>, group: &mut Group<R>, weight: usize, limit: usize) {
        let mut state = self.state.lock();
        let mut total = weight;
        while let Some(Waiting {
            request: Some(next),
            ..
        }) = state.waiting.front()
        {
            total = total.saturating_add(next.weight);
            if total > limit {
                break;
            }
            let Some(Waiting {
                request: Some(next),
                waiter,
            }) = state.waiting.pop_front()
            else {
                break;
            };
            requests.push(next.request);
            group.waiters.push_back(waiter);
        }
    }

    /// Gives the turn to the first that waits. It stays in the queue until it has woken.
    fn hand_on(&self) {
        let mut state = self.state.lock();
        state.turn = state.waiting.front().map(|next| next.waiter.thread);
        let next = state.waiting.front().map(|next| Arc::clone(&next.waiter));
        drop(state);
        if let Some(next) = next {
            next.tell(Told::Turn);
        }
    }
}

enum Entered<'q, T, R> {
    Turn(Turn<'q, T, R>),
    Done(Result<R, Lost>),
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_done_by_whoever_has_the_turn() {
        let queue = Queue::new();
        let outcome = queue.submit(3, 1, 10, Wait::Looking, |requests| {
            requests.into_iter().map(|request| request * 2).collect()
        });
        assert_eq!(outcome, Ok(Ok(6)));
    }

    #[test]
    fn a_thread_that_has_the_turn_is_told_so() {
        let queue: Queue<u64, u64> = Queue::new();
        let turn = queue.turn().unwrap();
        assert_eq!(queue.turn().map(|_| ()), Err(Reentered));
        assert_eq!(
            queue.submit(1, 1, 1, Wait::Looking, |requests| requests),
            Err(Reentered)
        );
        drop(turn);
        assert_eq!(
            queue.submit(1, 1, 1, Wait::Looking, |requests| requests),
            Ok(Ok(1))
        );
    }

    #[test]
    fn whoever_was_handed_the_turn_has_it() {
        let queue: Queue<u64, u64> = Queue::new();
        std::thread::scope(|scope| {
            let turn = queue.turn().unwrap();
            scope.spawn(|| {
                let _turn = queue.turn().unwrap();
                let owner = queue.state.lock().turn;
                assert_eq!(owner, Some(thread::current().id()));
            });
            while queue.state.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            drop(turn);
        });
        assert_eq!(queue.state.lock().turn, None);
    }

    #[test]
    fn what_waits_is_done_together_up_to_the_limit_and_up_to_a_turn() {
        let queue: Queue<usize, (usize, usize)> = Queue::new();
        let done = Mutex::new(Vec::new());
        let work = |requests: Vec<usize>| {
            done.lock().push(requests.clone());
            let size = requests.len();
            requests
                .into_iter()
                .map(|request| (request, size))
                .collect()
        };
        std::thread::scope(|scope| {
            let turn = queue.turn().unwrap();
            let waiting = |count| {
                while queue.state.lock().waiting.len() < count {
                    std::thread::yield_now();
                }
            };
            for request in 0..6 {
                let (queue, work) = (&queue, &work);
                if request == 3 {
                    scope.spawn(move || drop(queue.turn()));
                } else {
                    let outcome = move || queue.submit(request, 1, 2, Wait::Looking, work);
                    scope.spawn(move || assert_eq!(outcome().unwrap().unwrap().0, request));
                }
                waiting(request + 1);
            }
            drop(turn);
        });
        assert_eq!(*done.lock(), [vec![0, 1], vec![2], vec![4, 5]]);
    }

    #[test]
    fn a_thread_that_unwinds_loses_its_group_and_hands_the_turn_on() {
        let queue: Queue<usize, usize> = Queue::new();
        std::thread::scope(|scope| {
            let turn = queue.turn().unwrap();
            let failing =
                scope.spawn(|| queue.submit(0, 1, 2, Wait::Asleep, |_| panic!("on purpose")));
            while queue.state.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            let follower = scope.spawn(|| queue.submit(1, 1, 2, Wait::Asleep, |requests| requests));
            while queue.state.lock().waiting.len() < 2 {
                std::thread::yield_now();
            }
            drop(turn);
            assert!(failing.join().is_err());
            assert_eq!(follower.join().unwrap(), Ok(Err(Lost)));
        });
        assert_eq!(
            queue.submit(2, 1, 1, Wait::Asleep, |requests| requests),
            Ok(Ok(2))
        );
    }
}
