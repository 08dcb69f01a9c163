//! The protocols of the commit pipeline, under the model checker: the hand-off of the turn, its
//! failure, the visible timestamp, and the check of transactions. Each with orders that must fail.

use loom::thread;

use super::{
    conflicts::{Conflicts, Record, Reliance},
    queue::{Lost, Queue, Wait},
};
use crate::{
    storage::{Key, clock::Clock},
    sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering},
    timestamp::Timestamp,
};

/// Explores every interleaving with at most so many preemptions: bugs of protocols this small need one
/// or two (Musuvathi and Qadeer, "Iterative Context Bounding", 2007).
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// A store that can tell whether two threads wrote to it at once.
#[derive(Default)]
struct Busy {
    busy: AtomicBool,
    done: Mutex<Vec<u64>>,
}

impl Busy {
    fn work(&self, requests: Vec<u64>) -> Vec<u64> {
        assert!(
            !self.busy.swap(true, Ordering::SeqCst),
            "two at work at once"
        );
        self.done.lock().extend(&requests);
        self.busy.store(false, Ordering::SeqCst);
        requests.iter().map(|request| request * 10).collect()
    }
}

fn hand_off(bypass: bool) {
    model(4, move || {
        let queue = Arc::new(Queue::<u64, u64>::new());
        let busy = Arc::new(Busy::default());
        let submit = move |request: u64, queue: &Queue<u64, u64>, busy: &Busy| {
            if bypass && request == 2 {
                busy.work(vec![request]);
            } else {
                let outcome = queue.submit(request, 1, 10, Wait::Looking, |requests| {
                    busy.work(requests)
                });
                assert_eq!(outcome, Ok(Ok(request * 10)));
            }
        };
        let threads: Vec<_> = [1, 2]
            .into_iter()
            .map(|request| {
                let (queue, busy) = (Arc::clone(&queue), Arc::clone(&busy));
                thread::spawn(move || submit(request, &queue, &busy))
            })
            .collect();
        submit(3, &queue, &busy);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let mut done = std::mem::take(&mut *busy.done.lock());
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3], "each request is done once");
    });
}

#[test]
fn loom_each_request_is_done_once_by_one_thread_at_a_time() {
    hand_off(false);
}

#[test]
#[should_panic(expected = "two at work at once")]
fn loom_control_a_thread_that_does_not_wait_for_the_turn_meets_another() {
    hand_off(true);
}

/// A request beside a thread that takes the turn alone.
fn turn_beside_request(keeps_it: bool) {
    model(4, move || {
        let queue = Arc::new(Queue::<u64, u64>::new());
        let alone = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let turn = queue.turn().unwrap();
                if keeps_it {
                    std::mem::forget(turn);
                }
            })
        };
        assert_eq!(
            queue.submit(1, 1, 10, Wait::Looking, |requests| requests),
            Ok(Ok(1))
        );
        alone.join().unwrap();
    });
}

#[test]
fn loom_a_turn_is_handed_on() {
    turn_beside_request(false);
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_control_a_turn_that_is_not_handed_on_leaves_one_waiting() {
    turn_beside_request(true);
}

#[test]
fn loom_whoever_waits_for_a_thread_that_gives_no_outcome_is_told() {
    model(4, || {
        let queue = Arc::new(Queue::<u64, u64>::new());
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                queue
                    .submit(2, 1, 10, Wait::Looking, |_| Vec::new())
                    .unwrap()
            })
        };
        let own = queue
            .submit(1, 1, 10, Wait::Looking, |_| Vec::new())
            .unwrap();
        assert_eq!((own, other.join().unwrap()), (Err(Lost), Err(Lost)));
        assert_eq!(
            queue.submit(3, 1, 10, Wait::Looking, |requests| requests),
            Ok(Ok(3))
        );
    });
}

/// The first write fails. Nobody is told `Ok` for it or after it, and each is told once.
fn failure(goes_on: bool) {
    model(4, move || {
        let queue = Arc::new(Queue::<u64, bool>::new());
        let (failed, writes) = (Arc::new(Mutex::new(false)), Arc::new(AtomicU64::new(0)));
        let submit = {
            let (queue, failed, writes) = (Arc::clone(&queue), Arc::clone(&failed), writes);
            move |request| {
                queue.submit(request, 1, 10, Wait::Looking, |requests| {
                    let mut failed = failed.lock();
                    let is_written = if *failed && !goes_on {
                        false
                    } else {
                        writes.fetch_add(1, Ordering::SeqCst) > 0
                    };
                    *failed |= !is_written;
                    requests.iter().map(|_| is_written).collect()
                })
            }
        };
        let other = {
            let submit = submit.clone();
            thread::spawn(move || submit(2).unwrap().unwrap())
        };
        let own = submit(1).unwrap().unwrap();
        let other = other.join().unwrap();
        assert!(
            !own && !other,
            "a commit was acknowledged behind a failed one"
        );
    });
}

#[test]
fn loom_a_failed_write_fails_its_group_and_all_behind_it() {
    failure(false);
}

#[test]
#[should_panic(expected = "acknowledged behind a failed one")]
fn loom_control_going_on_after_a_failed_write_acknowledges_what_lies_behind_it() {
    failure(true);
}

/// One key whose value is the number of its versions; `values[ts]` is what commit `ts` wrote.
struct Counter {
    clock: Clock,
    conflicts: Arc<Conflicts>,
    queue: Queue<(), ()>,
    last: Mutex<Timestamp>,
    values: [AtomicU64; 4],
}

const KEY: Key = Key::from_static(b"counter");

/// What is done in which order.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Right,
    /// The transaction is checked before it has the turn.
    CheckFirst,
    /// The commit is published before it is written.
    PublishFirst,
    /// The commit becomes visible without its record.
    NoRecord,
}

impl Counter {
    fn new() -> Self {
        Self {
            clock: Clock::new(Timestamp::ZERO, 0),
            conflicts: Conflicts::new(Timestamp::ZERO, 1 << 20),
            queue: Queue::new(),
            last: Mutex::new(Timestamp::ZERO),
            values: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn value_at(&self, at: Timestamp) -> u64 {
        self.values[usize::try_from(at.get()).unwrap()].load(Ordering::SeqCst)
    }

    /// Adds one, if nobody else does meanwhile.
    fn increment(&self, order: Order) -> bool {
        let open = self.conflicts.open(&self.clock);
        let value = self.value_at(open.snapshot());
        let mut reliance = Reliance::new(open, vec![KEY], Vec::new());
        if self.conflicts.precheck(&mut reliance, &[]).is_err() {
            return false;
        }
        let _turn = self.queue.turn().unwrap();
        if order != Order::CheckFirst && self.conflicts.check(&reliance, &[]).is_err() {
            return false;
        }
        let timestamp = self.last.lock().next().unwrap();
        *self.last.lock() = timestamp;
        let record = Record {
            timestamp,
            keys: if order == Order::NoRecord {
                Vec::new()
            } else {
                vec![KEY]
            },
        };
        let write = || {
            let index = usize::try_from(timestamp.get()).unwrap();
            self.values[index].store(value + 1, Ordering::SeqCst);
        };
        if order == Order::PublishFirst {
            self.conflicts.publish(vec![record], &self.clock);
            write();
            return true;
        }
        write();
        self.conflicts.publish(vec![record], &self.clock);
        true
    }
}

fn increments(order: Order) {
    model(4, move || {
        let counter = Arc::new(Counter::new());
        let other = {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.increment(order))
        };
        let reader = {
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let visible = counter.clock.visible();
                let value = counter.value_at(visible);
                assert_eq!(
                    value,
                    visible.get(),
                    "a commit was visible before it was written"
                );
            })
        };
        let own = counter.increment(order);
        let committed = u64::from(own) + u64::from(other.join().unwrap());
        reader.join().unwrap();
        assert!(committed > 0, "both lost");
        let visible = counter.clock.visible();
        assert_eq!(counter.value_at(visible), committed, "an update was lost");
        assert_eq!(counter.conflicts.kept().keys, 0, "records were left behind");
    });
}

#[test]
fn loom_no_update_is_lost_and_none_is_seen_before_it_is_written() {
    increments(Order::Right);
}

#[test]
#[should_panic(expected = "an update was lost")]
fn loom_control_a_check_before_the_turn_loses_updates() {
    increments(Order::CheckFirst);
}

#[test]
#[should_panic(expected = "visible before it was written")]
fn loom_control_publishing_before_the_write_shows_what_is_not_there() {
    increments(Order::PublishFirst);
}

#[test]
#[should_panic(expected = "an update was lost")]
fn loom_control_a_commit_without_its_record_loses_updates() {
    increments(Order::NoRecord);
}
