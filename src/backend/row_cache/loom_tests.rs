//! That a row in memory is the one that is stored, under the model checker loom.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::*;
use crate::sync::{Arc, AtomicU32, Ordering};

const KEY: &[u8] = b"key";

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Forgotten before the write, and not taken in until it has ended.
    Kept,
    ForgottenBefore,
    ForgottenAfter,
}

fn read(cache: &RowCache, stored: &AtomicU32) -> u32 {
    let row = match cache.get(KEY) {
        Known::Row(row) => row,
        Known::Unknown(ticket) => {
            let row = stored.load(Ordering::SeqCst).to_le_bytes();
            cache.keep(&ticket, KEY, Some(&row))
        }
    };
    u32::from_le_bytes(row.unwrap()[..].try_into().unwrap())
}

fn readers_beside_a_write(rule: Rule) {
    let shared = Arc::new((RowCache::new(SET_BYTES).unwrap(), AtomicU32::new(1)));
    let writer = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (cache, stored) = &*shared;
            let forget = || cache.write([KEY].into_iter());
            let writing = (rule != Rule::ForgottenAfter).then(forget);
            let writing = writing.filter(|_| rule == Rule::Kept);
            stored.store(2, Ordering::SeqCst);
            if let Some(writing) = writing {
                writing.written([(KEY, Some(&2_u32.to_le_bytes()[..]))].into_iter());
            }
            if rule == Rule::ForgottenAfter {
                drop(forget());
            }
        })
    };
    let (cache, stored) = &*shared;
    let first = read(cache, stored);
    // What is seen elsewhere of a write is not taken back here.
    let seen = stored.load(Ordering::SeqCst).max(first);
    assert!(
        read(cache, stored) >= seen,
        "an older row after a newer one"
    );
    writer.join().unwrap();
    assert_eq!(read(cache, stored), 2, "a row that was written over");
}

fn model(rule: Rule) {
    loom::model(move || readers_beside_a_write(rule));
}

#[test]
fn loom_a_cached_row_is_the_one_that_is_stored() {
    model(Rule::Kept);
}

#[test]
fn loom_control_rows_forgotten_before_a_write_only_or_after_it_only_are_stale() {
    for rule in [Rule::ForgottenBefore, Rule::ForgottenAfter] {
        let outcome = catch_unwind(AssertUnwindSafe(|| model(rule)));
        assert!(
            outcome.is_err(),
            "the model does not see that a row is stale"
        );
    }
}

/// Two who write the same key, one of whom is told too late that its write has ended.
fn two_writers(takes_in_always: bool) {
    let shared = Arc::new((RowCache::new(SET_BYTES).unwrap(), AtomicU32::new(1)));
    let write = move |shared: &(RowCache, AtomicU32), number: u32| {
        let (cache, stored) = shared;
        let writing = cache.write([KEY].into_iter());
        stored.store(number, Ordering::SeqCst);
        let row = number.to_le_bytes();
        if takes_in_always {
            let hash = writing.forgotten[0].hash;
            drop(writing);
            let mut set = cache.set(hash).unwrap().lock();
            let generation = set.generation;
            set.insert(hash, generation, Entry::new(KEY, Some(&row)).unwrap());
        } else {
            writing.written([(KEY, Some(&row[..]))].into_iter());
        }
    };
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || write(&shared, 2))
    };
    write(&shared, 3);
    other.join().unwrap();
    let (cache, stored) = &*shared;
    assert_eq!(
        read(cache, stored),
        stored.load(Ordering::SeqCst),
        "an older row"
    );
}

#[test]
fn loom_of_two_writes_of_a_key_the_later_is_cached_or_none() {
    loom::model(|| two_writers(false));
}

#[test]
fn loom_control_a_row_that_comes_in_whoever_else_writes_is_stale() {
    let outcome = catch_unwind(AssertUnwindSafe(|| loom::model(|| two_writers(true))));
    assert!(
        outcome.is_err(),
        "the model does not see that a row is stale"
    );
}
