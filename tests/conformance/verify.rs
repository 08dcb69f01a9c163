//! What a store has written itself is found to be right.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sapwood::{Engine, PinOptions, Storage};

use crate::support::{Place, at, delete, kind, set};

suite!(
    inv_63_what_a_store_has_written_is_right,
    inv_63_what_is_looked_at_is_one_moment,
    inv_63_all_rows_are_counted,
    inv_63_a_closed_store_is_refused,
);

#[track_caller]
fn assert_clean(storage: &impl Storage) {
    let report = storage.verify().expect("verify");
    assert!(report.is_clean(), "{:#?}", report.violations);
}

pub(crate) fn inv_63_what_a_store_has_written_is_right(place: &impl Place) {
    let mut storage = place.open();
    assert_clean(&storage);
    for round in 0..10u64 {
        for key in 0..20u64 {
            let key = format!("key{}", key * (round % 3 + 1));
            let write = if (round + key.len() as u64).is_multiple_of(5) {
                delete(&key)
            } else {
                set(&key, round.to_string())
            };
            storage
                .write_batch(vec![write, set("all", "v")])
                .expect("commit");
        }
        let visible = storage.visible();
        match round % 10 {
            2 => drop(storage.pin(&round.to_string(), visible, PinOptions::default())),
            5 => drop(storage.prune_before(at(visible.get() - 50)).expect("prune")),
            7 => drop(
                storage
                    .rollback_to(at(visible.get() - 15))
                    .expect("roll back"),
            ),
            _ => {}
        }
        storage = place.settle(storage, assert_clean);
    }
}

pub(crate) fn inv_63_what_is_looked_at_is_one_moment(place: &impl Place) {
    let storage = place.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..400u64 {
                let key = format!("{:03}", round * 37 % 101);
                let write = if round % 4 == 0 {
                    delete(&key)
                } else {
                    set(&key, "v")
                };
                storage
                    .write_batch(vec![write, set("all", "v")])
                    .expect("commit");
                let visible = storage.visible().get();
                match round % 40 {
                    10 => drop(storage.prune_before(at(visible / 2)).expect("prune")),
                    20 => drop(storage.pin(&round.to_string(), at(visible), PinOptions::default())),
                    25 => storage.unpin(&(round - 5).to_string()).expect("unpin"),
                    30 => drop(storage.rollback_to(at(visible - 3)).expect("roll back")),
                    _ => {}
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) && !writer.is_finished() {
            assert_clean(&storage);
        }
    });
    assert_clean(&storage);
}

pub(crate) fn inv_63_all_rows_are_counted(place: &impl Place) {
    let storage = place.open();
    storage
        .write_batch(vec![set("a", "1"), set("b", "1")])
        .expect("commit");
    storage
        .write_batch(vec![set("a", "2"), delete("b")])
        .expect("commit");
    storage.pin("p", at(1), PinOptions::default()).expect("pin");
    let report = storage.verify().expect("verify");
    let rows: Vec<_> = report
        .rows
        .iter()
        .map(|read| (read.keyspace, read.rows))
        .collect();
    let versions = [
        ("current", 1),
        ("history", 2),
        ("deleted", 1),
        ("commits", 2),
    ];
    assert_eq!(rows.get(..4), Some(&versions[..]));
    assert_eq!(
        (report.visible, report.floor, report.epoch),
        (at(2), at(0), 0)
    );
}

pub(crate) fn inv_63_a_closed_store_is_refused(place: &impl Place) {
    let storage = place.open();
    Engine::new(&storage).close().expect("close");
    assert_eq!(kind(storage.verify()), "closed");
}
