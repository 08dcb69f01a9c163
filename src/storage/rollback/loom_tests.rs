//! Reads beside a rollback, under the model checker: the era, and the guards above the target.
//!
//! Two rows are 2, as of timestamp 2. A rollback to 1 makes both 1, and a commit after it gives timestamp 2 again, with
//! 9. In every interleaving a reader sees two equal rows, and one at timestamp 2 never sees what was there at 1.

use loom::thread;

use crate::{
    storage::{
        clock::Clock,
        guards::{Guard, Guards},
    },
    sync::{Arc, AtomicU64, Ordering},
    timestamp::Timestamp,
};

const TARGET: Timestamp = Timestamp::new(1);
const ABOVE: Timestamp = Timestamp::new(2);

struct Shared {
    clock: Clock,
    guards: Arc<Guards>,
    rows: [AtomicU64; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::new(ABOVE, 0),
            guards: Guards::new(None),
            rows: [AtomicU64::new(2), AtomicU64::new(2)],
        })
    }

    fn write(&self, value: u64) {
        // Against the direction in which they are read.
        for row in self.rows.iter().rev() {
            row.store(value, Ordering::Release);
        }
    }

    fn roll_back(&self, guards_first: bool) {
        let rolling_back = self.clock.begin_rollback();
        self.write(1);
        if guards_first {
            self.guards.let_go_above(TARGET);
        }
        self.clock.rewind(TARGET);
        if !guards_first {
            self.guards.let_go_above(TARGET);
        }
        rolling_back.end();
    }

    /// Both rows, read in one epoch, or without a look at it behind.
    fn read(&self, looks_behind: bool) -> [u64; 2] {
        loop {
            let era = self.clock.era().unwrap();
            let [first, second] = &self.rows;
            let first = first.load(Ordering::Acquire);
            let rows = [first, second.load(Ordering::Acquire)];
            if !looks_behind || self.clock.is_still(era) {
                return rows;
            }
        }
    }

    /// The row as of timestamp 2, where it is not refused.
    fn read_at(&self, guard: &Guard) -> Option<u64> {
        let [row, _] = self.read(true);
        guard.check_epoch().ok().map(|()| row)
    }
}

fn read_beside_a_rollback(looks_behind: bool) {
    loom::model(move || {
        let shared = Shared::new();
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.roll_back(false))
        };
        let [first, second] = shared.read(looks_behind);
        assert_eq!(first, second, "a rollback was seen half-way");
        other.join().unwrap();
    });
}

#[test]
fn loom_a_read_beside_a_rollback_sees_all_of_it_or_nothing() {
    read_beside_a_rollback(true);
}

#[test]
#[should_panic(expected = "seen half-way")]
fn loom_control_a_read_that_does_not_look_at_the_era_behind_is_torn() {
    read_beside_a_rollback(false);
}

fn guard_against_rollback(guards_first: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let shared = Shared::new();
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.roll_back(guards_first);
                shared.write(9);
                shared.clock.publish(ABOVE);
            })
        };
        let guard = shared.guards.register(ABOVE);
        if shared.clock.visible() >= ABOVE
            && let Some(row) = shared.read_at(&guard)
        {
            assert_ne!(row, 1, "a state above the target is that of the target");
        }
        other.join().unwrap();
    });
}

#[test]
fn loom_a_guard_above_the_target_is_refused_or_not_given() {
    guard_against_rollback(false);
}

#[test]
#[should_panic(expected = "above the target")]
fn loom_control_a_rollback_that_marks_guards_before_the_clock_misses_one() {
    guard_against_rollback(true);
}
