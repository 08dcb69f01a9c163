//! The bell and the gate under the model checker, each with an order that must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::{bell::Bell, gate::Gate};
use crate::sync::{Arc, AtomicU64, Ordering};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// One that commits and rings, and one that looks until it has seen it: it is never left asleep. `listen_first`
/// says in which order it looks.
fn bell(listen_first: bool) {
    model(move || {
        let (bell, visible) = (Arc::new(Bell::default()), Arc::new(AtomicU64::new(0)));
        let committer = {
            let (bell, visible) = (Arc::clone(&bell), Arc::clone(&visible));
            thread::spawn(move || {
                for commit in 1..=2 {
                    visible.store(commit, Ordering::SeqCst);
                    bell.ring();
                }
            })
        };
        loop {
            assert!(bell.wait(None));
            let seen = if listen_first {
                bell.listen();
                visible.load(Ordering::SeqCst)
            } else {
                let seen = visible.load(Ordering::SeqCst);
                bell.listen();
                seen
            };
            if seen == 2 {
                break;
            }
        }
        committer.join().unwrap();
    });
}

#[test]
fn loom_no_commit_is_slept_over() {
    bell(true);
}

#[test]
fn loom_listening_after_looking_sleeps_over_a_commit() {
    // Loom calls it a deadlock.
    assert!(catch_unwind(AssertUnwindSafe(|| bell(false))).is_err());
}

#[test]
fn loom_the_end_wakes_whoever_waits() {
    model(|| {
        let bell = Arc::new(Bell::default());
        let waiter = {
            let bell = Arc::clone(&bell);
            thread::spawn(move || while bell.wait(None) {})
        };
        bell.end();
        waiter.join().unwrap();
    });
}

#[test]
fn loom_an_open_gate_lets_all_through() {
    model(|| {
        let gate = Arc::new(Gate::default());
        gate.set(true);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || assert!(!gate.is_shut() || gate.wait(None)))
            })
            .collect();
        gate.set(false);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn loom_an_ended_gate_is_not_shut_again() {
    model(|| {
        let gate = Arc::new(Gate::default());
        let worker = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.set(true))
        };
        let writer = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || assert!(!gate.is_shut() || gate.wait(None)))
        };
        gate.end();
        worker.join().unwrap();
        writer.join().unwrap();
        assert!(!gate.is_shut());
    });
}
