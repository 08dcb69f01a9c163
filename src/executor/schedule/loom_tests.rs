//! The protocols between workers under the model checker. Each has a control: the same with its order
//! broken, which must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::{Cursor, Halt, Head, HeadLock, Idle, Schedule, status::Statuses};
use crate::sync::{Arc, AtomicBool, AtomicU32, Mutex, Ordering};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// The model must find an execution that fails.
fn control(what: &str, run: impl Fn() + Send + Sync + 'static) {
    let outcome = catch_unwind(AssertUnwindSafe(|| model(run)));
    assert!(outcome.is_err(), "the model does not see that {what}");
}

/// Claims of one worker while another makes the first index due again. `is_status_first` is the rule.
fn claims_beside_a_rewind(is_status_first: bool) {
    let shared = Arc::new((Cursor::new(0), Statuses::<()>::new(0, 2)));
    assert_eq!(
        (shared.0.claim(0, 2), shared.1.claim(0)),
        (Some(0), Some(0))
    );
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let claimed = shared.0.claim(0, 2);
            claimed.filter(|index| shared.1.claim(*index).is_some())
        })
    };
    if is_status_first {
        shared.1.give_back(0);
        shared.0.rewind(0);
    } else {
        shared.0.rewind(0);
        shared.1.give_back(0);
    }
    let mut run = vec![other.join().unwrap()];
    while let Some(index) = shared.0.claim(0, 2) {
        run.push(shared.1.claim(index).map(|_| index));
    }
    let mut run: Vec<_> = run.into_iter().flatten().collect();
    run.sort_unstable();
    assert_eq!(run, [0, 1], "an index was lost, or run twice");
}

#[test]
fn loom_an_index_that_was_rewound_to_is_proposed_again() {
    model(|| claims_beside_a_rewind(true));
}

#[test]
fn loom_control_a_rewind_before_the_status_loses_an_index() {
    control("the index is lost", || claims_beside_a_rewind(false));
}

#[test]
fn loom_who_waits_is_resumed_once() {
    model(|| {
        let statuses = Arc::new(Statuses::<()>::new(0, 3));
        for index in 0..3 {
            statuses.claim(index);
        }
        let waiters: Vec<_> = [1, 2]
            .map(|index| {
                let statuses = Arc::clone(&statuses);
                thread::spawn(move || statuses.wait_for(index, 0))
            })
            .into();
        let dependents = statuses.finish(0, ());
        let resumed = dependents
            .iter()
            .filter(|index| statuses.resume(**index))
            .count();
        let waiting = waiters.into_iter().map(|waiter| waiter.join().unwrap());
        assert_eq!(
            waiting.filter(|is_waiting| *is_waiting).count(),
            resumed,
            "a waiter was lost"
        );
    });
}

/// The same without the lock of the lower transaction held from the look to the registration.
#[test]
fn loom_control_registering_after_looking_loses_a_waiter() {
    control("a waiter is lost", || {
        let finished = Arc::new(Mutex::new((false, 0)));
        let other = {
            let finished = Arc::clone(&finished);
            thread::spawn(move || {
                let is_finished = finished.lock().0;
                if !is_finished {
                    finished.lock().1 += 1;
                }
                !is_finished
            })
        };
        let resumed = {
            let mut finished = finished.lock();
            finished.0 = true;
            finished.1
        };
        assert_eq!(usize::from(other.join().unwrap()), resumed);
    });
}

#[test]
fn loom_a_finished_run_is_taken_by_one() {
    model(|| {
        let statuses = Arc::new(Statuses::new(0, 1));
        statuses.claim(0);
        statuses.finish(0, "run");
        let aborters: Vec<_> = (0..2)
            .map(|_| {
                let statuses = Arc::clone(&statuses);
                thread::spawn(move || {
                    let (incarnation, ()) = statuses.look(0, |_| ())?;
                    statuses.abort(0, incarnation)
                })
            })
            .collect();
        let by_head = matches!(statuses.take(0), Head::Finished { .. });
        let aborted = aborters
            .into_iter()
            .filter_map(|aborter| aborter.join().unwrap())
            .count();
        assert_eq!(
            aborted + usize::from(by_head),
            1,
            "taken by none, or by two"
        );
    });
}

/// An aborter that looks at the incarnation under one lock and takes it under another.
#[test]
fn loom_control_aborting_without_looking_again_takes_twice() {
    control("a run is taken twice", || {
        let is_finished = Arc::new(Mutex::new(true));
        let abort = |is_finished: &Mutex<bool>| {
            let could = *is_finished.lock();
            if could {
                *is_finished.lock() = false;
            }
            could
        };
        let other = {
            let is_finished = Arc::clone(&is_finished);
            thread::spawn(move || abort(&is_finished))
        };
        let own = abort(&is_finished);
        assert!(!(own && other.join().unwrap()));
    });
}

/// What a run writes stands for the memory; `is_entry_first` is the rule.
fn entries_beside_the_head(is_entry_first: bool) {
    let schedule = Arc::new(Schedule::new(0, 1, 1));
    let entry = Arc::new(AtomicU32::new(0));
    let runner = {
        let (schedule, entry) = (Arc::clone(&schedule), Arc::clone(&entry));
        thread::spawn(move || {
            if schedule.claim().is_some() {
                if is_entry_first {
                    entry.store(7, Ordering::Relaxed);
                    schedule.finish(0, ());
                } else {
                    schedule.finish(0, ());
                    entry.store(7, Ordering::Relaxed);
                }
            }
        })
    };
    if schedule.try_take_head()
        && let Some((0, Head::Finished { .. })) = schedule.at_head()
    {
        assert_eq!(
            entry.load(Ordering::Relaxed),
            7,
            "finished without its entries"
        );
    }
    runner.join().unwrap();
}

#[test]
fn loom_what_a_run_wrote_is_there_once_it_has_finished() {
    model(|| entries_beside_the_head(true));
}

#[test]
fn loom_control_finishing_before_writing_shows_a_run_without_its_entries() {
    control("entries are missing", || entries_beside_the_head(false));
}

#[derive(Clone, Copy, PartialEq)]
enum HeadRule {
    Kept,
    /// The owner does not try again after letting go.
    NoSecondLook,
    /// Armed before the status is changed.
    ArmedFirst,
}

/// Two workers each finish a transaction and commit what they can; in the end all must be committed, and no
/// two may ever commit together.
fn two_at_the_head(rule: HeadRule) {
    struct Shared {
        head: HeadLock,
        statuses: Statuses<()>,
        committed: AtomicU32,
        owners: AtomicU32,
    }
    impl Shared {
        fn commit(&self, rule: HeadRule) {
            while self.head.try_take() {
                assert_eq!(self.owners.fetch_add(1, Ordering::Relaxed), 0, "two owners");
                loop {
                    let index = self.committed.load(Ordering::Relaxed);
                    let Head::Finished { .. } = self.statuses.take(index) else {
                        break;
                    };
                    self.statuses.commit(index);
                    self.committed.store(index + 1, Ordering::Release);
                }
                self.owners.fetch_sub(1, Ordering::Relaxed);
                self.head.release();
                if rule == HeadRule::NoSecondLook {
                    break;
                }
            }
        }

        fn finish(&self, index: u32, rule: HeadRule) {
            let arm = || {
                if self.committed.load(Ordering::Acquire) >= index {
                    self.head.arm();
                }
            };
            if rule == HeadRule::ArmedFirst {
                arm();
                self.statuses.finish(index, ());
            } else {
                self.statuses.finish(index, ());
                arm();
            }
            self.commit(rule);
        }
    }
    let shared = Arc::new(Shared {
        head: HeadLock::new(),
        statuses: Statuses::new(0, 2),
        committed: AtomicU32::new(0),
        owners: AtomicU32::new(0),
    });
    for index in 0..2 {
        shared.statuses.claim(index);
    }
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || shared.finish(1, rule))
    };
    shared.finish(0, rule);
    other.join().unwrap();
    assert_eq!(
        shared.committed.load(Ordering::Relaxed),
        2,
        "a head that is ready has no owner"
    );
}

#[test]
fn loom_the_head_has_one_owner_and_a_ready_one_has_one() {
    model(|| two_at_the_head(HeadRule::Kept));
}

#[test]
fn loom_control_an_owner_that_does_not_look_again_leaves_a_ready_head() {
    control("the head is left", || {
        two_at_the_head(HeadRule::NoSecondLook)
    });
}

#[test]
fn loom_control_arming_before_finishing_leaves_a_ready_head() {
    control("the head is left", || two_at_the_head(HeadRule::ArmedFirst));
}

/// Two workers run a block of increments of one number, as the executor does: ahead on what is there,
/// and again at the head where that was stale.
#[test]
fn loom_a_block_ends_when_all_is_committed_and_not_before() {
    model(|| {
        const COUNT: u32 = 2;
        struct Shared {
            schedule: Schedule<u32>,
            halt: Halt,
            /// The number after each transaction.
            written: [AtomicU32; COUNT as usize],
            ended: AtomicU32,
        }
        impl Shared {
            fn below(&self, index: u32) -> u32 {
                let below = index
                    .checked_sub(1)
                    .and_then(|index| self.written.get(index as usize));
                below.map_or(0, |below| below.load(Ordering::Acquire))
            }

            fn write(&self, index: u32, read: u32) {
                self.written[index as usize].store(read + 1, Ordering::Release);
            }

            fn commit(&self) {
                while self.schedule.try_take_head() {
                    loop {
                        let Some((index, found)) = self.schedule.at_head() else {
                            self.ended.fetch_add(1, Ordering::Relaxed);
                            self.halt.set();
                            return;
                        };
                        match found {
                            Head::Busy => break,
                            Head::Finished { run: read, .. } if read == self.below(index) => {}
                            _ => self.write(index, self.below(index)),
                        }
                        self.schedule.commit(index);
                    }
                    self.schedule.release_head();
                }
            }

            fn work(&self) {
                while !self.halt.is_set() {
                    self.commit();
                    if let Some((index, _)) = self.schedule.claim() {
                        let read = self.below(index);
                        self.write(index, read);
                        self.schedule.finish(index, read);
                    } else {
                        self.schedule.sleep(&self.halt);
                    }
                }
            }
        }
        let shared = Arc::new(Shared {
            schedule: Schedule::new(0, COUNT, COUNT),
            halt: Halt::new(),
            written: [AtomicU32::new(0), AtomicU32::new(0)],
            ended: AtomicU32::new(0),
        });
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work())
        };
        shared.work();
        other.join().unwrap();
        assert_eq!(shared.schedule.committed(), COUNT);
        assert_eq!(
            shared.written[1].load(Ordering::Relaxed),
            COUNT,
            "an update was lost"
        );
        assert_eq!(
            shared.ended.load(Ordering::Relaxed),
            1,
            "the block ended twice"
        );
    });
}

/// The end as the paper has it, by counting who is active, with the two steps of a claim in the order that
/// lost updates in a chain's node: the index first, the count after.
fn ending_by_counting(is_count_first: bool) {
    let next = Arc::new((AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false)));
    let worker = {
        let next = Arc::clone(&next);
        thread::spawn(move || {
            let (index, active, is_done) = &*next;
            if is_count_first {
                active.fetch_add(1, Ordering::SeqCst);
                index.fetch_add(1, Ordering::SeqCst);
            } else {
                index.fetch_add(1, Ordering::SeqCst);
                active.fetch_add(1, Ordering::SeqCst);
            }
            assert!(
                !is_done.load(Ordering::SeqCst),
                "ended while one is at work"
            );
            active.fetch_sub(1, Ordering::SeqCst);
        })
    };
    let (index, active, is_done) = &*next;
    if index.load(Ordering::SeqCst) == 1 && active.load(Ordering::SeqCst) == 0 {
        is_done.store(true, Ordering::SeqCst);
    }
    worker.join().unwrap();
}

#[test]
fn loom_control_ending_by_counting_ends_too_early() {
    model(|| ending_by_counting(true));
    control("a block ends while one is at work", || {
        ending_by_counting(false)
    });
}

/// One makes something to do and wakes; the other sleeps only if there is nothing.
fn sleeping_beside_a_wake(is_prepared_first: bool) {
    let shared = Arc::new((Idle::default(), AtomicBool::new(false)));
    let sleeper = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (idle, has_work) = &*shared;
            if is_prepared_first {
                let ticket = idle.prepare();
                if has_work.load(Ordering::Relaxed) {
                    idle.cancel(ticket);
                } else {
                    idle.sleep(ticket);
                }
            } else if !has_work.load(Ordering::Relaxed) {
                let ticket = idle.prepare();
                idle.sleep(ticket);
            }
        })
    };
    let (idle, has_work) = &*shared;
    has_work.store(true, Ordering::Relaxed);
    idle.wake_all();
    sleeper.join().unwrap();
    assert!(!idle.has_sleepers());
}

#[test]
fn loom_no_wake_is_lost() {
    model(|| sleeping_beside_a_wake(true));
}

#[test]
fn loom_control_looking_before_saying_so_sleeps_for_ever() {
    control("a worker sleeps for ever", || sleeping_beside_a_wake(false));
}

#[test]
fn loom_a_halt_wakes_whoever_sleeps() {
    model(|| {
        let shared = Arc::new((Schedule::<()>::new(0, 1, 1), Halt::new()));
        // Another owns the head, and runs the one transaction.
        assert!(shared.0.try_take_head() && shared.0.claim().is_some());
        let sleeper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while !shared.1.is_set() {
                    shared.0.sleep(&shared.1);
                }
            })
        };
        shared.1.set();
        sleeper.join().unwrap();
    });
}
