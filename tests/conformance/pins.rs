//! Pins: named holds on single timestamps.

use std::time::{Duration, SystemTime};

use sapwood::{Engine, ErrorKind, PinOptions, ReadView, Storage};

use crate::{
    grid::WORLD,
    support::{Place, at, error, kind, rows, set, versions},
};

suite!(
    inv_31_a_snapshot_at_a_pin_outlives_it,
    inv_47_a_pinned_state_is_read_after_pruning,
    inv_47_a_pinned_state_is_whole_right_after_each_prune,
    inv_47_a_key_that_a_pin_does_not_see_is_absent_not_lost,
    inv_48_a_pin_keeps_exactly_what_it_sees,
    inv_48_what_only_a_pin_held_goes_once_it_is_gone,
    inv_48_history_lists_what_can_be_read_not_what_is_stored,
    inv_50_a_pin_is_granted_from_the_floor_to_the_visible_timestamp,
    inv_50_names_of_pins_are_unique,
    inv_50_two_pins_at_one_timestamp_hold_it_until_both_are_gone,
    inv_50_a_pin_that_has_expired_holds_nothing,
    inv_51_pins_are_there_after_reopening,
);

fn pin(storage: &impl Storage, timestamp: u64) {
    storage
        .pin(&timestamp.to_string(), at(timestamp), PinOptions::default())
        .expect("pin");
}

fn unpin(storage: &impl Storage, timestamp: u64) {
    storage.unpin(&timestamp.to_string()).expect("unpin");
}

pub(crate) fn inv_47_a_pinned_state_is_read_after_pruning(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let pinned = [0, 1, 4, 5];
    for timestamp in pinned {
        pin(&storage, timestamp);
    }
    storage.prune_before(at(8)).expect("prune");
    place.settle(storage, |storage| {
        for column in 0..8 {
            if pinned.contains(&column) {
                WORLD.check_at(storage, column);
            } else {
                WORLD.check_pruned(storage, column);
            }
        }
        WORLD.check_from(storage, 8);
    });
}

pub(crate) fn inv_47_a_pinned_state_is_whole_right_after_each_prune(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let pinned = [1, 3, 6, 7, 11];
    for timestamp in pinned {
        pin(&storage, timestamp);
    }
    for floor in 1..=WORLD.last() {
        storage.prune_before(at(floor)).expect("prune");
        for timestamp in pinned {
            WORLD.check_at(&storage, timestamp);
        }
        WORLD.check_from(&storage, floor);
    }
    for gone in pinned {
        unpin(&storage, gone);
        storage.prune_before(storage.floor()).expect("prune");
        WORLD.check_pruned(&storage, gone);
        for left in pinned.into_iter().filter(|timestamp| *timestamp > gone) {
            WORLD.check_at(&storage, left);
        }
    }
}

/// The version that a pin does not see may have been pruned: that is no sign of a loss.
pub(crate) fn inv_47_a_key_that_a_pin_does_not_see_is_absent_not_lost(place: &impl Place) {
    let storage = place.open();
    storage.set(b"other", b"1").expect("set"); // 1, pinned
    storage.set(b"back", b"2").expect("set"); // 2
    storage.delete(b"back").expect("delete"); // 3
    storage.set(b"gone", b"4").expect("set"); // 4
    storage.set(b"gone", b"5").expect("set"); // 5
    storage.delete(b"gone").expect("delete"); // 6
    storage.set(b"back", b"7").expect("set"); // 7
    pin(&storage, 1);
    storage.prune_before(at(7)).expect("prune");
    place.settle(storage, |storage| {
        for key in [&b"back"[..], b"gone"] {
            assert_eq!(storage.get_at(key, at(1)).expect("absent"), None);
        }
        assert_eq!(storage.scan_at(b"", at(1)).expect("scan").len(), 1);
        let absent = storage
            .multi_get_at(&[b"gone", b"back"], at(1))
            .expect("multi_get");
        assert_eq!(absent, [None, None]);
    });
}

pub(crate) fn inv_48_a_pin_keeps_exactly_what_it_sees(place: &impl Place) {
    let storage = place.open();
    for value in 1..=10 {
        storage
            .set(b"k", value.to_string().as_bytes())
            .expect("set");
    }
    pin(&storage, 4);
    let report = storage.prune_before(at(9)).expect("prune");
    // Of the versions that ended at 2 to 9, the one over [4, 5) stays: at its start.
    assert_eq!(
        (report.rows_before, report.rows_dropped, report.rows_after),
        (9, 7, 2)
    );
    place.settle(storage, |storage| {
        assert_eq!(versions(storage, "k"), ["10.. 10", "9..10 9", "4..5 4"]);
        assert_eq!(
            storage.get_at(b"k", at(4)).expect("pinned"),
            Some(b"4".to_vec())
        );
        assert_eq!(kind(storage.get_at(b"k", at(3))), "pruned");
        assert_eq!(kind(storage.get_at(b"k", at(5))), "pruned");
    });
}

pub(crate) fn inv_48_what_only_a_pin_held_goes_once_it_is_gone(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    pin(&storage, 4);
    storage.prune_before(at(10)).expect("prune");
    let storage = place.settle(storage, |storage| WORLD.check_at(storage, 4));
    unpin(&storage, 4);
    WORLD.check_pruned(&storage, 4);
    let before = Engine::new(&storage).status().expect("status").versions;
    let report = storage
        .prune_before(at(10))
        .expect("the floor stays, the rows go");
    assert_eq!(report.floor, at(10));
    assert!(
        report.rows_dropped > 0 && report.bookkeeping_rows_dropped > 0,
        "{report:?}"
    );
    place.settle(storage, |storage| {
        WORLD.check_from(storage, 10);
        let status = Engine::new(storage).status().expect("status");
        assert_eq!(
            status.versions, before,
            "those that could be read are those that are left"
        );
        assert_eq!(status.versions - status.keys, report.rows_after);
    });
}

pub(crate) fn inv_48_history_lists_what_can_be_read_not_what_is_stored(place: &impl Place) {
    let storage = place.open();
    for value in 1..=10 {
        storage
            .set(b"k", value.to_string().as_bytes())
            .expect("set");
    }
    pin(&storage, 4);
    storage.prune_before(at(9)).expect("prune");
    let held = Engine::new(&storage).at(at(4)).expect("a pinned timestamp");
    unpin(&storage, 4);
    storage.prune_before(at(9)).expect("prune");
    assert_eq!(held.get(b"k").expect("held").as_deref(), Some(&b"4"[..]));
    assert_eq!(versions(&storage, "k"), ["10.. 10", "9..10 9"]);
    assert_eq!(Engine::new(&storage).status().expect("status").versions, 2);
    let oldest = storage
        .history(b"k", at(0), at(20))
        .expect("history")
        .next_back();
    assert_eq!(oldest.expect("one").expect("a version").start, at(9));
}

pub(crate) fn inv_31_a_snapshot_at_a_pin_outlives_it(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    pin(&storage, 4);
    storage.prune_before(at(9)).expect("prune");
    let snapshot = engine.at(at(4)).expect("a pinned timestamp");
    let mut begun = snapshot.range(..);
    let first = rows(begun.next().into_iter());
    unpin(&storage, 4);
    assert_eq!(kind(engine.at(at(4))), "pruned", "no new ones");
    for _ in 0..2 {
        let report = storage.prune_before(at(12)).expect("prune");
        assert_eq!(
            (report.floor, report.held_by),
            (at(12), None),
            "it does not hold the floor"
        );
        engine.compact().expect("compact");
        assert_eq!(rows(snapshot.range(..)), WORLD.state(4));
        for (key, _) in WORLD.0 {
            let wanted = WORLD
                .state(4)
                .into_iter()
                .find(|row| row.0 == key.as_bytes());
            let got = snapshot.get(key).expect("get").map(|value| value.to_vec());
            assert_eq!(got, wanted.map(|row| row.1));
        }
    }
    drop(snapshot);
    storage.prune_before(at(12)).expect("prune");
    engine.compact().expect("compact");
    let rest = rows(begun);
    assert_eq!(
        [first, rest].concat(),
        WORLD.state(4),
        "the iterator holds it too"
    );
    let report = storage.prune_before(at(12)).expect("prune");
    assert!(report.rows_dropped > 0, "now nobody does: {report:?}");
}

pub(crate) fn inv_50_a_pin_is_granted_from_the_floor_to_the_visible_timestamp(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    storage.prune_before(at(6)).expect("prune");
    let try_pin =
        |timestamp: u64| storage.pin(&timestamp.to_string(), at(timestamp), PinOptions::default());
    let wanted = ErrorKind::Pruned {
        requested: at(5),
        floor: at(6),
    };
    assert_eq!(error(try_pin(5)).kind(), &wanted);
    assert_eq!(kind(try_pin(13)), "not_yet");
    let granted = [
        try_pin(6).expect("the floor"),
        try_pin(12).expect("the visible timestamp"),
    ];
    assert_eq!(granted.map(|pin| pin.timestamp), [at(6), at(12)]);
    storage.prune_before(at(12)).expect("prune");
    assert_eq!(
        kind(storage.pin("near", at(7), PinOptions::default())),
        "pruned",
        "not held"
    );
    storage
        .pin("again", at(6), PinOptions::default())
        .expect("where a pin holds already");
    WORLD.check_at(&storage, 6);
}

pub(crate) fn inv_50_names_of_pins_are_unique(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    pin(&storage, 3);
    assert_eq!(
        kind(storage.pin("3", at(4), PinOptions::default())),
        "invalid"
    );
    assert_eq!(kind(storage.unpin("unknown")), "not_found");
    let pins = Engine::new(&storage).pins().expect("pins");
    assert_eq!(pins.len(), 1);
    assert_eq!(
        (pins[0].name.as_str(), pins[0].timestamp, pins[0].expires),
        ("3", at(3), None)
    );
    unpin(&storage, 3);
    assert_eq!(kind(storage.unpin("3")), "not_found");
    pin(&storage, 3);
}

pub(crate) fn inv_50_two_pins_at_one_timestamp_hold_it_until_both_are_gone(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    for name in ["one", "other"] {
        storage
            .pin(name, at(4), PinOptions::default())
            .expect("pin");
    }
    storage.prune_before(at(9)).expect("prune");
    storage.unpin("one").expect("unpin");
    storage.prune_before(at(10)).expect("prune");
    WORLD.check_at(&storage, 4);
    storage.unpin("other").expect("unpin");
    WORLD.check_pruned(&storage, 4);
}

pub(crate) fn inv_50_a_pin_that_has_expired_holds_nothing(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let before = SystemTime::now();
    let brief = PinOptions::default().ttl(Duration::ZERO);
    let pin = storage.pin("brief", at(3), brief).expect("pin");
    assert!(
        pin.expires
            .is_some_and(|expires| expires >= before && expires <= SystemTime::now())
    );
    let long = PinOptions::default().ttl(Duration::from_secs(1 << 30));
    storage.pin("long", at(5), long).expect("pin");
    let names = |engine: &Engine| -> Vec<String> {
        engine
            .pins()
            .expect("pins")
            .into_iter()
            .map(|pin| pin.name)
            .collect()
    };
    assert_eq!(names(&engine), ["long"]);
    storage
        .pin("brief", at(4), brief)
        .expect("the name is free again");
    storage.prune_before(at(9)).expect("prune");
    WORLD.check_pruned(&storage, 3);
    WORLD.check_pruned(&storage, 4);
    WORLD.check_at(&storage, 5);
    let forever = PinOptions::default().ttl(Duration::MAX);
    assert_eq!(kind(storage.pin("forever", at(9), forever)), "invalid");
    drop(engine);
    let storage = place.reopen(storage);
    assert_eq!(names(&Engine::new(&storage)), ["long"]);
    WORLD.check_at(&storage, 5);
}

pub(crate) fn inv_51_pins_are_there_after_reopening(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    for timestamp in [2, 3, 6] {
        pin(&storage, timestamp);
    }
    unpin(&storage, 3);
    let storage = place.reopen(storage);
    storage.prune_before(at(8)).expect("prune");
    let storage = place.reopen(storage);
    let names: Vec<_> = Engine::new(&storage)
        .pins()
        .expect("pins")
        .into_iter()
        .map(|pin| (pin.name, pin.timestamp))
        .collect();
    assert_eq!(names, [("2".to_owned(), at(2)), ("6".to_owned(), at(6))]);
    for timestamp in [2, 6] {
        WORLD.check_at(&storage, timestamp);
    }
    WORLD.check_pruned(&storage, 3);
    storage
        .write_batch(vec![set("ant", "later")])
        .expect("commit");
    unpin(&storage, 2);
    WORLD.check_pruned(&storage, 2);
    let storage = place.reopen(storage);
    WORLD.check_pruned(&storage, 2);
    WORLD.check_at(&storage, 6);
}
