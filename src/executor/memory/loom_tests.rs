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
    /// Looks for an index first, and puts the entries in after.
    fn publish_in_the_wrong_order(&self, txn: u32, number: u32) {
        if self.has_index.load(Ordering::Relaxed) {
            self.enter_in_index(&[number]);
        }
        let location = self.tables.locations.get(number).unwrap();
        location.is_written.store(true, Ordering::Release);
        location.chain.write().put(txn, 0, Own::Value(None));
    }

    /// Leaves the index to whoever has written the key first.
    fn publish_for_the_first_only(&self, txn: u32, number: u32) {
        let location = self.tables.locations.get(number).unwrap();
        let is_first = !location.is_written.load(Ordering::Acquire);
        location.is_written.store(true, Ordering::Release);
        location.chain.write().put(txn, 0, Own::Value(None));
        fence(Ordering::SeqCst);
        if is_first && self.has_index.load(Ordering::Relaxed) {
            self.enter_in_index(&[number]);
        }
    }

    fn publish_one(&self, txn: u32, number: u32) {
        let write = (number, Own::Value(None));
        self.publish((txn, 0), 0, [write].into_iter(), &[number], &[]);
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
    assert_eq!(
        memory.still_holds(&reliance, 1).ok(),
        Some(is_same),
        "a phantom"
    );
}

#[test]
fn loom_a_row_that_a_range_missed_is_found_later() {
    model(|| {
        write_beside_a_range(|memory, number| memory.publish_one(0, number));
    });
}

#[test]
fn loom_control_entries_behind_the_look_for_an_index_are_phantoms() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        model(|| {
            write_beside_a_range(|memory, number| memory.publish_in_the_wrong_order(0, number));
        });
    }));
    assert!(outcome.is_err(), "the model does not see the phantom");
}

/// Transactions 0 and 2 write the same key; 1 reads the range, and is looked at once 0 has published.
fn two_writes_beside_a_range(publish: fn(&Memory, u32, u32)) {
    let base = Arc::new(BTreeMap::<Key, Value>::new());
    let memory = Arc::new(Memory::new(base, &Kept::new(1)));
    let number = memory.locate(KeyHash::of(&memory.hasher(), b"key"), b"key");
    let writers = [0, 2].map(|txn| {
        let memory = Arc::clone(&memory);
        thread::spawn(move || publish(&memory, txn, number))
    });
    memory.open_index();
    let [below, above] = writers;
    below.join().unwrap();
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let met = memory.next_row(everything, End::Front, 1).unwrap();
    assert!(met.is_some(), "what is committed is not met");
    above.join().unwrap();
}

#[test]
fn loom_a_row_is_met_whoever_wrote_its_key_first() {
    model(|| two_writes_beside_a_range(|memory, txn, number| memory.publish_one(txn, number)));
}

#[test]
fn loom_control_a_row_that_is_left_to_the_first_writer_is_not_met() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        model(|| {
            two_writes_beside_a_range(|memory, txn, number| {
                memory.publish_for_the_first_only(txn, number);
            });
        });
    }));
    assert!(
        outcome.is_err(),
        "the model does not see that the row is missing"
    );
}
