//! The protocols between commits, reads and the merge, under the model checker: each with orders that must
//! fail.
//!
//! One key. What lies below is a row of `current` and one of `deleted`, each behind a lock of its own. The
//! table is the one that ships.

use std::iter;

use loom::thread;

use super::Recent;
use crate::{
    Value,
    codec::key::{self, KeyBuffer},
    sync::{Arc, AtomicU64, Mutex, Ordering},
    timestamp::Timestamp,
};

const FIRST: Timestamp = Timestamp::new(1);
const SECOND: Timestamp = Timestamp::new(2);

/// See `commit::loom_tests`: few preemptions show the bugs of protocols this small.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

fn encoded() -> KeyBuffer {
    key::encode(b"key")
}

/// The order in which something is done that must not be done so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Right,
    /// The merge lets the segment go before its rows are written.
    LetGoFirst,
    /// The reader looks below, and then into the table.
    BelowFirst,
    /// The reader loads how far merges have begun before it opens its view of `current`.
    MergingFirst,
    /// The merge says how far it goes after it has written.
    BegunLate,
    /// The table is sealed by one who has not the turn.
    SealWithoutTurn,
}

struct Shared {
    recent: Recent,
    visible: AtomicU64,
    /// When the row of `current` began, 0 where there is none.
    current: Mutex<u64>,
    /// When the key was deleted last.
    deleted: Mutex<u64>,
    turn: Mutex<()>,
    order: Order,
}

impl Shared {
    /// A store whose last commit, the first, lies below or is in the table, sealed.
    fn new(order: Order, is_merged: bool) -> Arc<Self> {
        let merged = if is_merged { FIRST } else { Timestamp::ZERO };
        let shared = Self {
            recent: Recent::new(merged, 0),
            visible: AtomicU64::new(0),
            current: Mutex::new(merged.get()),
            deleted: Mutex::new(0),
            turn: Mutex::new(()),
            order,
        };
        if is_merged {
            shared.visible.store(FIRST.get(), Ordering::SeqCst);
        } else {
            shared.commit(FIRST, Some(Value::from_static(b"value")));
            shared.recent.seal();
        }
        Arc::new(shared)
    }

    fn commit(&self, at: Timestamp, value: Option<Value>) {
        let _turn = self.turn.lock();
        self.recent.insert(iter::once((at, encoded(), value)));
        self.visible.store(at.get(), Ordering::SeqCst);
    }

    fn seal(&self) {
        let _turn = (self.order != Order::SealWithoutTurn).then(|| self.turn.lock());
        self.recent.seal();
    }

    /// Merges the oldest sealed segment, if there is one.
    fn merge(&self) {
        let Some(segment) = self.recent.oldest_sealed() else {
            return;
        };
        let keys = segment.next_keys(None, 1, 0);
        let versions = keys.into_iter().flat_map(|(_, versions)| versions);
        if self.order == Order::LetGoFirst {
            self.recent.let_go();
        }
        if self.order != Order::BegunLate {
            self.recent.begin_merge(segment.newest());
        }
        for version in versions {
            // One batch.
            let (mut current, mut deleted) = (self.current.lock(), self.deleted.lock());
            if version.value.is_some() {
                *current = version.start.get();
            } else {
                *current = 0;
                *deleted = version.start.get();
            }
        }
        if self.order == Order::BegunLate {
            self.recent.begin_merge(segment.newest());
        }
        if self.order != Order::LetGoFirst {
            self.recent.let_go();
        }
    }

    /// Whether the newest value is there: `None` where `current` alone cannot tell.
    fn read(&self) -> Option<(u64, bool)> {
        let visible = Timestamp::new(self.visible.load(Ordering::SeqCst));
        if self.order == Order::BelowFirst {
            let is_below = *self.current.lock() > 0;
            let recent = self.recent.get(&encoded(), visible);
            let found = recent.map_or(is_below, |version| version.value.is_some());
            return Some((visible.get(), found));
        }
        if let Some(version) = self.recent.get(&encoded(), visible) {
            return Some((visible.get(), version.value.is_some()));
        }
        let merging_first = self.recent.merging();
        let current = *self.current.lock();
        let merging = match self.order {
            Order::MergingFirst => merging_first,
            _ => self.recent.merging(),
        };
        if current > 0 && current <= visible.get() {
            return Some((visible.get(), true));
        }
        // A latest get asks again; a walk looks into `deleted` and `history`.
        (merging <= visible).then_some((visible.get(), false))
    }
}

/// A commit of a key is merged while it is read.
fn read_against_let_go(order: Order) {
    model(3, move || {
        let shared = Shared::new(order, false);
        let merger = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.merge())
        };
        let read = shared.read();
        assert_eq!(read, Some((1, true)), "a version was lost on its way");
        merger.join().unwrap();
        assert_eq!(shared.read(), Some((1, true)));
        assert_eq!(shared.recent.held(), (0, 0));
    });
}

#[test]
fn loom_a_version_is_met_in_the_table_or_below() {
    read_against_let_go(Order::Right);
}

#[test]
#[should_panic(expected = "lost on its way")]
fn loom_control_a_segment_that_goes_before_its_rows_are_written_is_missed() {
    read_against_let_go(Order::LetGoFirst);
}

#[test]
#[should_panic(expected = "lost on its way")]
fn loom_control_a_reader_that_looks_below_first_misses() {
    read_against_let_go(Order::BelowFirst);
}

/// A delete is committed and merged while the state before it or after it is read: by a latest get, or by the
/// view of a walk.
fn read_against_merge(order: Order) {
    model(3, move || {
        let shared = Shared::new(order, true);
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.commit(SECOND, None);
                shared.seal();
                shared.merge();
            })
        };
        if let Some((visible, found)) = shared.read() {
            assert_eq!(found, visible == 1, "another state than that at {visible}");
        }
        writer.join().unwrap();
        assert_eq!(shared.read(), Some((2, false)));
        assert_eq!(*shared.deleted.lock(), 2);
    });
}

#[test]
fn loom_current_alone_answers_only_for_what_was_merged() {
    read_against_merge(Order::Right);
}

#[test]
#[should_panic(expected = "another state")]
fn loom_control_a_reader_that_asks_for_the_merge_before_its_view_is_misled() {
    read_against_merge(Order::MergingFirst);
}

#[test]
#[should_panic(expected = "another state")]
fn loom_control_a_merge_that_says_so_after_it_has_written_misleads() {
    read_against_merge(Order::BegunLate);
}

/// A segment is sealed and merged beside a commit.
fn seal_against_commit(order: Order) {
    model(3, move || {
        let shared = Shared::new(order, true);
        shared.commit(SECOND, Some(Value::from_static(b"second")));
        let sealer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.seal();
                shared.merge();
            })
        };
        let third = Timestamp::new(3);
        shared.commit(third, None);
        sealer.join().unwrap();
        shared.seal();
        shared.merge();
        let (held, _) = shared.recent.held();
        let left = (*shared.deleted.lock(), held);
        assert_eq!(left, (3, 0), "a commit was not merged");
    });
}

#[test]
fn loom_a_commit_is_in_the_segment_that_is_sealed_or_in_the_next() {
    seal_against_commit(Order::Right);
}

#[test]
#[should_panic(expected = "a commit was not merged")]
fn loom_control_sealing_without_the_turn_loses_a_commit() {
    seal_against_commit(Order::SealWithoutTurn);
}
