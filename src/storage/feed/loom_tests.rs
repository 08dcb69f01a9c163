//! A feed that waits for a commit, under the model checker; and the order that must lose it.

use super::Wake;
use crate::sync::{Arc, AtomicU64, Ordering, thread};

fn model(publish_first: bool) {
    loom::model(move || {
        let shared = Arc::new((Wake::default(), AtomicU64::new(0)));
        let committer = Arc::clone(&shared);
        let committer = thread::spawn(move || {
            let (wake, visible) = &*committer;
            if publish_first {
                visible.store(1, Ordering::SeqCst);
                wake.wake();
            } else {
                wake.wake();
                visible.store(1, Ordering::SeqCst);
            }
        });
        let (wake, visible) = &*shared;
        assert!(wake.wait(None, || visible.load(Ordering::SeqCst) == 1));
        assert!(committer.join().is_ok());
    });
}

#[test]
fn loom_a_feed_that_waits_hears_of_every_commit() {
    model(true);
}

/// Who wakes before it publishes leaves the feed asleep: a deadlock, which the checker finds.
#[test]
#[should_panic(expected = "deadlock")]
fn loom_control_waking_before_the_commit_is_visible_loses_it() {
    model(false);
}
