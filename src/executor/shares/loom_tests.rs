//! Shares that are done by two, under the model checker: whoever waits for all has all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::*;
use crate::sync::Arc;

/// One opens three shares while another leaves by way of them, and asks for what came of them.
fn shared_out(finish: fn(&Shares<usize>) -> Vec<Option<usize>>) {
    let shares = Arc::new(Shares::default());
    let helper = {
        let shares = Arc::clone(&shares);
        thread::spawn(move || shares.take_part(|share| share))
    };
    shares.open(3);
    assert_eq!(finish(&shares), [Some(0), Some(1), Some(2)]);
    helper.join().unwrap();
}

#[test]
fn loom_every_share_is_done_before_the_results_are_taken() {
    loom::model(|| shared_out(|shares| shares.finish(|share| share)));
}

#[test]
fn loom_control_results_that_are_not_waited_for_are_missing() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        loom::model(|| {
            shared_out(|shares| {
                shares.take_part(|share| share);
                std::mem::take(&mut shares.state.lock().results)
            });
        });
    }));
    assert!(
        outcome.is_err(),
        "the model does not see that one is missing"
    );
}
