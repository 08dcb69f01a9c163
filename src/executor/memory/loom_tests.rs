//! The first write to a key beside the first range over it, under the model checker: a row that a range
//! has missed is found when the range is looked at again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::*;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

impl Memory {
    /// Looks for an index, and puts the entries in after, with nothing held in between.
    fn publish_without_the_gate(&self, txn: u32, number: u32) {
        let has_index = self.index.read().is_some();
        if has_index {
            self.enter_in_index(&[number]);
        }
        let location = self.tables.locations.get(number).unwrap();
        location.is_written.store(true, Ordering::Release);
        location.chain.write().put(txn, 0, Own::Value(None));
    }
}

/// One transaction writes a key, the one above it reads the range; then the first is committed.
fn write_beside_a_range(publish: fn(&Memory, u32)) {
    let memory = Arc::new(Memory::new(
        Arc::new(BTreeMap::<Key, Value>::new()),
        &Kept::new(1),
    ));
    let number = memory.locate(KeyHash::of(&memory.hasher(), b"key"), b"key");
    let writer = {
        let memory = Arc::clone(&memory);
        thread::spawn(move || publish(&memory, number))
    };
    memory.open_index();
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let met = memory.next_row(everything, End::Front, 1).unwrap();
    writer.join().unwrap();
    let mut read = RangeRead::new(KeyRange::all());
    read.extend(
        None,
        End::Front,
        met.into_iter().map(|row| row.seen).collect(),
    );
    let is_same = !read.front.is_empty();
    let reliance = Reliance {
        ranges: vec![read],
        ..Reliance::default()
    };
    assert_eq!(memory.still_holds(&reliance, 1), is_same, "a phantom");
}

#[test]
fn loom_a_row_that_a_range_missed_is_found_later() {
    model(|| {
        write_beside_a_range(|memory, number| {
            memory.publish(
                0,
                0,
                [(number, Own::Value(None))].into_iter(),
                &[number],
                &[],
            );
        });
    });
}

#[test]
fn loom_control_entries_that_do_not_hold_the_index_are_phantoms() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        model(|| {
            write_beside_a_range(|memory, number| memory.publish_without_the_gate(0, number));
        });
    }));
    assert!(outcome.is_err(), "the model does not see the phantom");
}
