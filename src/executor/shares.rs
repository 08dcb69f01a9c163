//! [`Shares`]: work in numbered shares, done by whoever has nothing else to do, for one who waits for all.

#[cfg(all(test, loom))]
mod loom_tests;

use super::run::without_panic;
use crate::sync::{Condvar, Mutex};

#[derive(Debug)]
pub(super) struct Shares<R> {
    state: Mutex<State<R>>,
    done: Condvar,
}

#[derive(Debug)]
struct State<R> {
    /// The next share that nobody has taken.
    next: usize,
    /// Those that were taken and are not done yet.
    under_way: usize,
    /// What came of each; nothing where the work panicked.
    results: Vec<Option<R>>,
}

impl<R> Default for Shares<R> {
    /// Without any.
    fn default() -> Self {
        let state = State {
            next: 0,
            under_way: 0,
            results: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            done: Condvar::default(),
        }
    }
}

impl<R> Shares<R> {
    /// There are so many. Once.
    pub(super) fn open(&self, count: usize) {
        self.state.lock().results.resize_with(count, || None);
    }

    /// Does shares until all are taken.
    pub(super) fn take_part(&self, work: impl Fn(usize) -> R) {
        loop {
            let mut state = self.state.lock();
            let share = state.next;
            if share >= state.results.len() {
                return;
            }
            state.next += 1;
            state.under_way += 1;
            drop(state);
            let result = without_panic(|| work(share));
            let mut state = self.state.lock();
            if let Some(place) = state.results.get_mut(share) {
                *place = result;
            }
            state.under_way -= 1;
            if state.under_way == 0 {
                self.done.notify_all();
            }
        }
    }

    /// Takes part, and waits for those under way. The results in order.
    pub(super) fn finish(&self, work: impl Fn(usize) -> R) -> Vec<Option<R>> {
        self.take_part(work);
        let mut state = self.state.lock();
        while state.under_way > 0 {
            state = self.done.wait(state);
        }
        std::mem::take(&mut state.results)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::thread;

    use super::*;
    use crate::sync::{AtomicU32, Ordering};

    #[test]
    fn results_stand_in_order_and_a_panic_leaves_none() {
        let shares = Shares::default();
        assert!(
            shares.finish(|share| share).is_empty(),
            "nothing was opened"
        );
        shares.open(3);
        let results = shares.finish(|share| {
            assert_ne!(share, 1);
            share
        });
        assert_eq!(results, [Some(0), None, Some(2)]);
        shares.take_part(|_| unreachable!("all are taken"));
    }

    /// One does a share for as long as the other needs for the rest, and for a while longer.
    #[test]
    fn each_share_is_done_once_and_waited_for() {
        let shares = Shares::default();
        shares.open(3);
        let done = [0; 3].map(AtomicU32::new);
        let work = |share: usize| {
            let before = done[share].fetch_add(1, Ordering::SeqCst);
            if share == 0 && before == 0 {
                while done[2].load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                (0..1_000).for_each(|_| thread::yield_now());
            }
            share
        };
        let results = thread::scope(|scope| {
            scope.spawn(|| shares.take_part(work));
            while done[0].load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            shares.finish(work)
        });
        assert_eq!(results, [0, 1, 2].map(Some));
        assert_eq!(done.map(AtomicU32::into_inner), [1; 3]);
    }
}
