//! Pruning: what goes, what stays, and what reads find afterwards.

use std::collections::BTreeMap;

use sapwood::{Engine, ErrorKind, PinOptions, ReadView, Storage};

use crate::{
    grid::{Grid, WORLD, columns},
    support::{Place, all_at, at, bytes, delete, error, kind, row, rows, set, versions},
};

suite!(
    inv_31_an_iterator_holds_the_floor,
    inv_31_a_history_keeps_its_list,
    inv_31_a_diff_holds_the_floor,
    inv_47_reads_from_the_floor_on_are_unchanged_and_below_it_refused,
    inv_47_a_diff_from_the_floor_is_whole,
    inv_48_exactly_what_nobody_can_read_is_dropped,
    inv_48_the_version_that_the_floor_sees_stays_however_old,
    inv_49_a_deleted_key_stays_deleted_whichever_files_its_versions_are_in,
    inv_49_a_key_that_is_deleted_again_is_read_before_that,
    inv_50_a_floor_never_goes_down,
    inv_50_a_prune_above_the_visible_timestamp_is_not_yet,
    inv_50_a_snapshot_holds_the_floor,
    inv_51_the_floor_is_there_after_reopening,
    inv_52_versions_of_one_key_over_many_files_are_pruned_rightly,
    inv_54_the_counts_are_those_of_a_recount_and_space_is_given_back,
    inv_55_everything_can_be_pruned,
);

/// The versions of a grid that ended, as (start, end), over all keys.
fn ended(grid: Grid) -> Vec<(u64, u64)> {
    let mut ended = Vec::new();
    for (_, line) in grid.0 {
        let mut start = None;
        for column in 1..=grid.last() {
            let (old, new) = (Grid::value(line, column - 1), Grid::value(line, column));
            if old != new {
                if let Some(start) = start.take() {
                    ended.push((start, column));
                }
                start = new.is_some().then_some(column);
            }
        }
    }
    ended
}

/// The rows beside versions that a floor lets go of, where there are no pins: the lists of keys of
/// commits, and the times of last deletes.
fn bookkeeping_below(grid: Grid, floor: u64) -> u64 {
    let last_delete = |line: &str| {
        (1..=grid.last()).rev().find(|column| {
            Grid::value(line, *column).is_none() && Grid::value(line, column - 1).is_some()
        })
    };
    let deletes = grid.0.iter().filter_map(|(_, line)| last_delete(line));
    floor + deletes.filter(|deleted| *deleted <= floor).count() as u64
}

pub(crate) fn inv_47_reads_from_the_floor_on_are_unchanged_and_below_it_refused(
    place: &impl Place,
) {
    let mut storage = place.open();
    WORLD.play(&storage);
    for floor in 1..=WORLD.last() {
        let report = storage.prune_before(at(floor)).expect("prune");
        assert_eq!((report.floor, report.held_by), (at(floor), None));
        storage = place.settle(storage, |storage| {
            (0..floor).for_each(|column| WORLD.check_pruned(storage, column));
            WORLD.check_from(storage, floor);
        });
    }
}

pub(crate) fn inv_47_a_diff_from_the_floor_is_whole(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    storage.prune_before(at(7)).expect("prune");
    place.settle(storage, |storage| {
        for new in 7..=WORLD.last() {
            let mut state: BTreeMap<_, _> = WORLD.state(7).into_iter().collect();
            for change in storage.diff(at(7), at(new)).expect("diff") {
                let change = change.expect("a change");
                match change.new {
                    Some(value) => state.insert(change.key.into(), value.into()),
                    None => state.remove(change.key.as_ref()),
                };
            }
            assert_eq!(
                state.into_iter().collect::<Vec<_>>(),
                WORLD.state(new),
                "7 to {new}"
            );
        }
    });
}

pub(crate) fn inv_48_exactly_what_nobody_can_read_is_dropped(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    let ended = ended(WORLD);
    let (mut rows, mut bookkeeping) = (ended.len() as u64, 0);
    for floor in 1..=WORLD.last() {
        let report = storage.prune_before(at(floor)).expect("prune");
        let left = ended.iter().filter(|(_, end)| *end > floor).count() as u64;
        assert_eq!(report.rows_before, rows, "floor {floor}");
        assert_eq!(report.rows_after, left, "floor {floor}");
        assert_eq!(report.rows_dropped, rows - left, "floor {floor}");
        assert_eq!(report.undecodable_rows, 0);
        bookkeeping += report.bookkeeping_rows_dropped;
        assert_eq!(
            bookkeeping,
            bookkeeping_below(WORLD, floor),
            "floor {floor}"
        );
        rows = left;
    }
    assert_eq!(rows, 0);
}

pub(crate) fn inv_48_the_version_that_the_floor_sees_stays_however_old(place: &impl Place) {
    let storage = place.open();
    storage
        .write_batch(vec![set("old", "1"), set("ended", "1")])
        .expect("commit");
    for value in 2..=50 {
        storage
            .set(b"busy", value.to_string().as_bytes())
            .expect("set");
    }
    storage.delete(b"ended").expect("delete");
    storage.prune_before(at(50)).expect("prune");
    place.settle(storage, |storage| {
        let state = [row("busy", "50"), row("ended", "1"), row("old", "1")];
        assert_eq!(rows(all_at(storage, at(50))), state);
        assert_eq!(versions(storage, "ended"), ["1..51 1"]);
        assert_eq!(versions(storage, "old"), ["1.. 1"]);
    });
}

/// The versions of a key, its deletes and the keys around it are put in files of their own, which
/// are pruned in parts: no order of that brings a deleted key back.
pub(crate) fn inv_49_a_deleted_key_stays_deleted_whichever_files_its_versions_are_in(
    place: &impl Place,
) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    for round in 0..6 {
        storage
            .write_batch(vec![set("k", round.to_string()), set("a", "x")])
            .expect("commit");
        if round % 2 == 0 {
            engine.flush().expect("flush");
        }
        storage
            .write_batch(vec![delete("k"), set("z", round.to_string())])
            .expect("commit");
        if round % 3 == 0 {
            engine.compact().expect("compact");
        }
    }
    for floor in 1..=12u64 {
        storage.prune_before(at(floor)).expect("prune");
        for timestamp in floor..=12 {
            let wanted = (timestamp % 2 == 1).then(|| bytes(((timestamp - 1) / 2).to_string()));
            let got = storage.get_at(b"k", at(timestamp)).expect("get_at");
            assert_eq!(got, wanted, "at {timestamp}, floor {floor}");
            let scanned = storage.scan_at(b"k", at(timestamp)).expect("scan_at");
            assert_eq!(scanned.len(), usize::from(wanted.is_some()));
        }
        engine.compact().expect("compact");
    }
    assert_eq!(storage.get(b"k").expect("get"), None);
    assert_eq!(versions(&storage, "k"), [""; 0]);
}

/// The row that says when a key was deleted is the same one each time: pruning an old time must not
/// take the new one with it.
pub(crate) fn inv_49_a_key_that_is_deleted_again_is_read_before_that(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    storage.set(b"k", b"first").expect("set"); // 1
    storage.delete(b"k").expect("delete"); // 2
    engine.flush().expect("flush");
    storage.set(b"k", b"second").expect("set"); // 3
    storage.delete(b"k").expect("delete"); // 4
    storage.prune_before(at(2)).expect("prune");
    assert_eq!(
        storage.get_at(b"k", at(3)).expect("get_at"),
        Some(bytes("second"))
    );
    storage.set(b"k", b"third").expect("set"); // 5
    storage.prune_before(at(4)).expect("prune");
    storage.delete(b"k").expect("delete"); // 6
    drop(engine);
    place.settle(storage, |storage| {
        for (timestamp, value) in [(4, None), (5, Some("third")), (6, None)] {
            let wanted = value.map(bytes);
            assert_eq!(
                storage.get_at(b"k", at(timestamp)).expect("get_at"),
                wanted,
                "{timestamp}"
            );
            assert_eq!(
                rows(all_at(storage, at(timestamp))).len(),
                usize::from(wanted.is_some())
            );
        }
    });
}

pub(crate) fn inv_50_a_floor_never_goes_down(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    assert_eq!(storage.prune_before(at(0)).expect("prune").floor, at(0));
    let first = storage.prune_before(at(6)).expect("prune");
    assert!(first.rows_dropped > 0);
    let storage = place.settle(storage, |storage| {
        for before in [6, 5, 1, 0] {
            let report = storage.prune_before(at(before)).expect("nothing to do");
            assert_eq!((report.floor, report.held_by), (at(6), None));
            assert_eq!(
                (report.rows_dropped, report.bookkeeping_rows_dropped),
                (0, 0)
            );
            assert_eq!(storage.floor(), at(6));
        }
        WORLD.check_from(storage, 6);
    });
    storage.prune_before(at(7)).expect("prune");
    WORLD.check_pruned(&storage, 6);
}

pub(crate) fn inv_50_a_prune_above_the_visible_timestamp_is_not_yet(place: &impl Place) {
    let storage = place.open();
    let wanted = ErrorKind::NotYet {
        requested: at(1),
        visible: at(0),
    };
    assert_eq!(error(storage.prune_before(at(1))).kind(), &wanted);
    WORLD.play(&storage);
    for before in [13, u64::MAX - 1, u64::MAX] {
        assert_eq!(kind(storage.prune_before(at(before))), "not_yet");
    }
    assert_eq!(storage.floor(), at(0));
    WORLD.check_from(&storage, 0);
}

pub(crate) fn inv_50_a_snapshot_holds_the_floor(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let (old, new) = (engine.at(at(4)).expect("at"), engine.at(at(9)).expect("at"));
    let clone = old.clone();
    let again = engine.at(at(4)).expect("at");
    let oldest = |engine: &Engine| {
        engine
            .status()
            .expect("status")
            .oldest_snapshot
            .map(|(timestamp, _)| timestamp)
    };
    for _ in 0..2 {
        let report = storage.prune_before(at(11)).expect("prune");
        assert_eq!((report.floor, report.held_by), (at(4), Some(at(4))));
        assert_eq!(storage.floor(), at(4));
        assert_eq!(oldest(&engine), Some(at(4)));
        engine.compact().expect("compact");
        assert_eq!(rows(old.range(..)), WORLD.state(4));
        assert_eq!(rows(new.range(..)), WORLD.state(9));
    }
    drop(old);
    assert_eq!(
        storage.prune_before(at(11)).expect("prune").floor,
        at(4),
        "a clone holds it too"
    );
    drop(clone);
    let report = storage.prune_before(at(11)).expect("prune");
    assert_eq!(
        report.floor,
        at(4),
        "and so does another snapshot of the same state"
    );
    drop(again);
    let report = storage.prune_before(at(11)).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(9), Some(at(9))));
    let report = storage.prune_before(at(9)).expect("prune");
    assert_eq!(
        (report.floor, report.held_by),
        (at(9), None),
        "no lower than asked"
    );
    drop(new);
    let report = storage.prune_before(at(11)).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(11), None));
    assert_eq!(oldest(&engine), None);
    WORLD.check_from(&storage, 11);
}

pub(crate) fn inv_31_an_iterator_holds_the_floor(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let mut iters: Vec<_> = columns(WORLD)
        .map(|timestamp| all_at(&storage, timestamp))
        .collect();
    let started: Vec<_> = iters
        .iter_mut()
        .map(|iter| {
            (
                rows(iter.next().into_iter()),
                rows(iter.next_back().into_iter()),
            )
        })
        .collect();
    storage
        .write_batch(vec![delete("bee"), set("cat", "later")])
        .expect("commit");
    engine.flush().expect("flush");
    storage
        .delete_range(&sapwood::KeyRange::all())
        .expect("delete_range");
    engine.compact().expect("compact");
    assert_eq!(
        storage
            .prune_before(storage.visible())
            .expect("prune")
            .held_by,
        Some(at(1))
    );
    drop(engine);
    drop(storage);
    for (column, (iter, (first, last))) in (0..).zip(iters.into_iter().zip(started)) {
        let all = [first, rows(iter), last].concat();
        assert_eq!(all, WORLD.state(column), "they outlive every handle");
    }
}

pub(crate) fn inv_31_a_history_keeps_its_list(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    storage.prune_before(at(2)).expect("prune");
    let mut history = engine.history("bee", ..).expect("history");
    let newest = history.next().expect("one").expect("a version");
    let report = storage.prune_before(at(12)).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(12), None));
    engine.compact().expect("compact");
    assert_eq!((newest.start, history.count()), (at(12), 10));
}

pub(crate) fn inv_31_a_diff_holds_the_floor(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    storage.prune_before(at(2)).expect("prune");
    let mut diff = storage.diff(at(5), at(12)).expect("diff");
    let first = diff.next().expect("one").expect("a change");
    let report = storage.prune_before(at(12)).expect("prune");
    assert_eq!((report.floor, report.held_by), (at(5), Some(at(5))));
    engine.compact().expect("compact");
    let keys: Vec<_> = std::iter::once(Ok(first))
        .chain(diff)
        .map(|c| c.expect("one").key)
        .collect();
    assert_eq!(keys, ["ant", "bee", "fox", "gnu"]);
    assert_eq!(storage.prune_before(at(12)).expect("prune").floor, at(12));
}

pub(crate) fn inv_51_the_floor_is_there_after_reopening(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    storage.prune_before(at(5)).expect("prune");
    let storage = place.reopen(storage);
    assert_eq!((storage.floor(), storage.visible()), (at(5), at(12)));
    WORLD.check_pruned(&storage, 4);
    WORLD.check_from(&storage, 5);
    let storage = place.reopen(storage);
    assert_eq!(storage.prune_before(at(3)).expect("prune").floor, at(5));
    let report = storage.prune_before(at(12)).expect("prune goes on");
    assert!(report.rows_dropped > 0);
    let storage = place.reopen(storage);
    assert_eq!(storage.floor(), at(12));
    WORLD.check_from(&storage, 12);
}

pub(crate) fn inv_52_versions_of_one_key_over_many_files_are_pruned_rightly(place: &impl Place) {
    const VERSIONS: u64 = 600;
    let storage = place.open();
    let engine = Engine::new(&storage);
    // 600 versions of 200 bytes, in files of a few KiB; neighbours on both sides.
    let value = |version: u64| format!("{version:0200}");
    for version in 1..=VERSIONS {
        let mut writes = vec![set("k", value(version))];
        if version % 100 == 0 {
            writes.extend([set("a", version.to_string()), set("z", version.to_string())]);
        }
        storage.write_batch(writes).expect("commit");
        if version % 150 == 0 {
            engine.flush().expect("flush");
        }
    }
    engine.compact().expect("compact");
    storage
        .pin("early", at(77), PinOptions::default())
        .expect("pin");
    for floor in [200, 201, 450, VERSIONS] {
        let report = storage.prune_before(at(floor)).expect("prune");
        let others = 2 * (VERSIONS / 100 - 1 - (floor / 100 - 1).min(5));
        assert_eq!(
            report.rows_after,
            VERSIONS - floor + 1 + others,
            "floor {floor}: {report:?}"
        );
        for timestamp in [77, floor, floor + 1, VERSIONS] {
            if timestamp <= VERSIONS {
                let got = storage.get_at(b"k", at(timestamp)).expect("get_at");
                assert_eq!(
                    got,
                    Some(bytes(value(timestamp))),
                    "at {timestamp}, floor {floor}"
                );
                assert_eq!(storage.scan_at(b"k", at(timestamp)).expect("scan").len(), 1);
            }
        }
        assert_eq!(kind(storage.get_at(b"k", at(76))), "pruned");
    }
    let kept = versions(&storage, "k");
    assert_eq!(
        kept,
        [
            format!("600.. {}", value(600)),
            format!("77..78 {}", value(77))
        ]
    );
}

pub(crate) fn inv_54_the_counts_are_those_of_a_recount_and_space_is_given_back(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    for round in 0..20u32 {
        let value = |key: u32| {
            (0..200)
                .map(|i| (i * (key + round) % 251) as u8)
                .collect::<Vec<_>>()
        };
        let writes = (0..100)
            .map(|key| set(format!("key{key}"), value(key)))
            .collect();
        storage.write_batch(writes).expect("commit");
    }
    storage
        .write_batch((0..50).map(|key| delete(format!("key{key}"))).collect())
        .expect("commit");
    let history = |engine: &Engine| {
        let sizes = engine.sizes().expect("sizes");
        sizes
            .iter()
            .find(|size| size.keyspace == "history")
            .expect("history")
            .size_bytes
    };
    engine.compact().expect("compact");
    let before = history(&engine);
    let recount = |storage: &_| -> u64 {
        (0..100)
            .map(|key| versions(storage, format!("key{key}")).len() as u64)
            .sum()
    };
    let status = engine.status().expect("status");
    assert_eq!((status.keys, status.versions), (50, 2_000));
    assert_eq!(recount(&storage), 2_000);
    let report = storage.prune_before(at(20)).expect("prune");
    assert_eq!(
        (report.rows_before, report.rows_dropped, report.rows_after),
        (1_950, 1_900, 50)
    );
    assert!(report.bytes_after < report.bytes_before / 4, "{report:?}");
    assert!(report.bytes_reclaimed() > before / 2, "{report:?}");
    assert!(
        history(&engine) < before / 4,
        "{} of {before}",
        history(&engine)
    );
    drop(engine);
    place.settle(storage, |storage| {
        let status = Engine::new(storage).status().expect("status");
        assert_eq!((status.keys, status.versions), (50, 100));
        assert_eq!(
            (status.visible, status.floor, status.epoch),
            (at(21), at(20), 0)
        );
        assert_eq!(recount(storage), 100);
    });
}

pub(crate) fn inv_55_everything_can_be_pruned(place: &impl Place) {
    let storage = place.open();
    let nothing = storage.prune_before(at(0)).expect("of an empty store");
    assert_eq!((nothing.floor, nothing.rows_before), (at(0), 0));
    storage
        .write_batch((0..500).map(|key| set(format!("key{key}"), "v")).collect())
        .expect("set");
    storage
        .delete_range(&sapwood::KeyRange::all())
        .expect("delete_range");
    let report = storage.prune_before(at(2)).expect("prune");
    assert_eq!(
        (report.rows_before, report.rows_dropped, report.rows_after),
        (500, 500, 0)
    );
    assert_eq!(report.bookkeeping_rows_dropped, 502);
    let storage = place.settle(storage, |storage| {
        assert_eq!(storage.scan(b"").expect("scan"), []);
        assert_eq!(Engine::new(storage).status().expect("status").versions, 0);
        assert_eq!(versions(storage, "key1"), [""; 0]);
    });
    assert_eq!(storage.set(b"key1", b"again").expect("set"), at(3));
    place.settle(storage, |storage| {
        assert_eq!(versions(storage, "key1"), ["3.. again"]);
        assert_eq!(rows(all_at(storage, at(2))), []);
    });
}
