//! Reading a timestamp: what is seen, what is not, and that all ways to read agree.

use sapwood::{Engine, Isolation, KeyRange, PinOptions, ReadView, Storage};

use crate::{
    grid::{Grid, WORLD},
    support::{Place, all_at, at, bytes, delete, error, kind, reversed, row, rows, set, visited},
};

suite!(
    inv_01_a_read_finds_the_newest_version_at_or_before_it,
    inv_01_who_answers_most_reads_of_the_past_changes_none,
    inv_02_a_version_is_seen_from_its_timestamp_on_and_not_before,
    inv_03_nothing_is_seen_before_the_first_commit,
    inv_03_above_the_visible_timestamp_is_not_yet,
    inv_05_an_empty_value_is_not_a_missing_one,
    inv_07_a_scan_is_the_gets_of_its_keys,
    inv_07_rows_that_are_shown_are_those_of_the_range,
    inv_08_backward_is_forward_mirrored,
    inv_11_many_newer_versions_do_not_change_a_read,
    inv_12_a_key_that_begins_later_is_skipped_both_ways,
    inv_13_thousands_of_deleted_keys_are_passed_over,
    inv_15_all_ways_to_read_agree,
    inv_15_multi_get_answers_in_the_order_asked_for,
    inv_16_filters_hide_no_version,
    inv_30_a_snapshot_does_not_change,
);

pub(crate) fn inv_01_a_read_finds_the_newest_version_at_or_before_it(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for (key, line) in WORLD.0 {
            for column in 0..=WORLD.last() {
                let got = storage.get_at(key.as_bytes(), at(column)).expect("get_at");
                assert_eq!(got, Grid::value(line, column), "{key} at {column}");
            }
            let newest = Grid::value(line, WORLD.last());
            assert_eq!(storage.get(key.as_bytes()).expect("get"), newest, "{key}");
        }
        assert_eq!(storage.get(b"unicorn").expect("get"), None);
        assert_eq!(storage.get_at(b"unicorn", at(5)).expect("get_at"), None);
    });
}

/// A store may look into history first where most reads are answered there: what is not there is elsewhere.
pub(crate) fn inv_01_who_answers_most_reads_of_the_past_changes_none(place: &impl Place) {
    const KEYS: u64 = 60;
    let storage = place.open();
    let name = |number: u64| format!("k{number}");
    let write_all = |text: &str| {
        for number in 0..KEYS {
            let writes = vec![set(name(number), format!("{text}{number}"))];
            storage.write_batch(writes).expect("commit");
        }
    };
    let engine = Engine::new(&storage);
    storage
        .write_batch(vec![set("stays", "here"), set("goes", "away")])
        .expect("commit");
    storage.write_batch(vec![delete("goes")]).expect("commit");
    write_all("first");
    let get = |key: &str, at| storage.get_at(key.as_bytes(), at).expect("get_at");
    for (text, next) in [
        ("first", "second"),
        ("second", "third"),
        ("third", "fourth"),
    ] {
        let at = storage.visible();
        write_all(next);
        // Merges it; what was looked into before stays open.
        engine.status().expect("status");
        for _ in 0..3 {
            for number in 0..KEYS {
                let value = get(&name(number), at);
                assert_eq!(value, Some(bytes(format!("{text}{number}"))), "at {at}");
            }
        }
        assert_eq!(get("stays", at), Some(bytes("here")), "at {at}");
        assert_eq!((get("goes", at), get("never", at)), (None, None), "at {at}");
    }
}

pub(crate) fn inv_02_a_version_is_seen_from_its_timestamp_on_and_not_before(place: &impl Place) {
    let storage = place.open();
    storage
        .commit_at(at(10), vec![set("k", "ten")])
        .expect("commit");
    storage
        .commit_at(at(20), vec![set("k", "twenty")])
        .expect("commit");
    storage
        .commit_at(at(30), vec![delete("k")])
        .expect("commit");
    storage
        .commit_at(at(40), vec![set("k", "forty")])
        .expect("commit");
    place.settle(storage, |storage| {
        let expected = [
            (9, None),
            (10, Some("ten")),
            (11, Some("ten")),
            (19, Some("ten")),
            (20, Some("twenty")),
            (29, Some("twenty")),
            (30, None),
            (39, None),
            (40, Some("forty")),
        ];
        for (timestamp, value) in expected {
            let wanted = value.map(bytes);
            assert_eq!(
                storage.get_at(b"k", at(timestamp)).expect("get_at"),
                wanted,
                "{timestamp}"
            );
            let scanned: Vec<_> = value.map(|value| row("k", value)).into_iter().collect();
            assert_eq!(rows(all_at(storage, at(timestamp))), scanned, "{timestamp}");
        }
    });
}

pub(crate) fn inv_03_nothing_is_seen_before_the_first_commit(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    assert_eq!(storage.visible(), at(0));
    assert_eq!(storage.get(b"k").expect("get"), None);
    assert_eq!(storage.get_at(b"k", at(0)).expect("get_at"), None);
    assert_eq!(storage.scan(b"").expect("scan"), []);
    assert_eq!(engine.snapshot().expect("snapshot").timestamp(), at(0));
    drop(engine);
    storage
        .commit_at(at(7), vec![set("k", "v")])
        .expect("commit");
    place.settle(storage, |storage| {
        for timestamp in [0, 1, 6] {
            assert_eq!(storage.get_at(b"k", at(timestamp)).expect("get_at"), None);
            assert_eq!(rows(all_at(storage, at(timestamp))), []);
            assert_eq!(rows(all_at(storage, at(timestamp)).rev()), []);
        }
        assert_eq!(rows(all_at(storage, at(7))), [row("k", "v")]);
    });
}

pub(crate) fn inv_03_above_the_visible_timestamp_is_not_yet(place: &impl Place) {
    let storage = place.open();
    storage
        .commit_at(at(7), vec![set("k", "v")])
        .expect("commit");
    place.settle(storage, |storage| {
        for timestamp in [8, 1000, u64::MAX - 1, u64::MAX] {
            let requested = at(timestamp);
            let wanted = sapwood::ErrorKind::NotYet {
                requested,
                visible: at(7),
            };
            assert_eq!(error(storage.get_at(b"k", requested)).kind(), &wanted);
            assert_eq!(kind(storage.contains_at(b"k", requested)), "not_yet");
            assert_eq!(kind(storage.multi_get_at(&[b"k"], requested)), "not_yet");
            assert_eq!(kind(storage.scan_at(b"", requested)), "not_yet");
            let mut iter = all_at(storage, requested);
            assert_eq!(kind(iter.next().expect("an error")), "not_yet");
            assert!(iter.next().is_none() && iter.next_back().is_none());
            assert_eq!(kind(Engine::new(storage).at(requested)), "not_yet");
            assert_eq!(kind(storage.diff(at(7), requested)), "not_yet");
            assert_eq!(
                kind(storage.pin("later", requested, PinOptions::default())),
                "not_yet"
            );
            assert_eq!(kind(storage.prune_before(requested)), "not_yet");
        }
    });
}

pub(crate) fn inv_05_an_empty_value_is_not_a_missing_one(place: &impl Place) {
    let storage = place.open();
    storage.set(b"k", b"").expect("set");
    storage.delete(b"k").expect("delete");
    storage.set(b"k", b"").expect("set");
    storage.set(b"k", b"full").expect("set");
    storage.set(b"k", b"").expect("set");
    place.settle(storage, |storage| {
        let values = [None, Some(""), None, Some(""), Some("full"), Some("")];
        for (column, value) in (0..).zip(values) {
            let value = value.map(bytes);
            assert_eq!(
                storage.get_at(b"k", at(column)).expect("get_at"),
                value,
                "{column}"
            );
            assert_eq!(
                storage.contains_at(b"k", at(column)).expect("contains"),
                value.is_some()
            );
            assert_eq!(
                rows(all_at(storage, at(column))).len(),
                usize::from(value.is_some())
            );
        }
    });
}

pub(crate) fn inv_07_a_scan_is_the_gets_of_its_keys(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for column in 0..=WORLD.last() {
            let gets: Vec<_> = WORLD
                .0
                .iter()
                .filter_map(|(key, _)| {
                    let value = storage
                        .get_at(key.as_bytes(), at(column))
                        .expect("get_at")?;
                    Some((bytes(key), value))
                })
                .collect();
            assert!(gets.is_sorted());
            assert_eq!(rows(all_at(storage, at(column))), gets, "at {column}");
            for from in ["", "ant", "b", "cat", "dog!", "hen", "zebra"] {
                for to in ["", "antelope", "c", "dog", "fox", "hen", "zebra"] {
                    let range = KeyRange::new(bytes(from)..bytes(to));
                    let inside = gets.iter().filter(|(key, _)| range.contains(key));
                    let inside: Vec<_> = inside.cloned().collect();
                    let scanned = rows(storage.range_at(range.clone(), at(column)));
                    assert_eq!(scanned, inside, "{from}..{to} at {column}");
                    let backward = rows(storage.range_at(range, at(column)).rev());
                    assert_eq!(backward, reversed(inside), "{from}..{to} at {column}");
                }
            }
        }
    });
}

/// Rows in files and in memory take turns, keys with zeros are among them, and each view has its own way to them.
pub(crate) fn inv_07_rows_that_are_shown_are_those_of_the_range(place: &impl Place) {
    const KEYS: u8 = 200;
    let storage = place.open();
    let engine = Engine::new(&storage);
    let key = |number: u8| vec![b'k', number, 0, 0xFF, number];
    let write = |which: &dyn Fn(u8) -> bool, text: &str| {
        let numbers = (0..KEYS).filter(|number| which(*number));
        // Another key each time, between those of before.
        let writes = numbers.flat_map(|number| {
            let beside = [&key(number), text.as_bytes()].concat();
            [key(number), beside].map(|key| set(key, format!("{text}{number}")))
        });
        storage.write_batch(writes.collect()).expect("commit");
    };
    let check = |what: &str| {
        for timestamp in 0..=storage.visible().get() {
            let past = engine.at(at(timestamp)).expect("a snapshot");
            let all = rows(past.range(..));
            for (from, to) in [(0, KEYS), (3, 120), (7, 8), (9, 9), (150, 10)] {
                let range = key(from)..key(to);
                let inside = all.iter().filter(|(key, _)| range.contains(key));
                let mut inside: Vec<_> = inside.cloned().collect();
                let shown = visited(&past, range.clone(), usize::MAX).expect("rows");
                assert_eq!(shown, inside, "{what}: {from}..{to} at {timestamp}");
                let shown = visited(&past, range, 2).expect("rows");
                inside.truncate(2);
                assert_eq!(
                    shown, inside,
                    "{what}: the first of {from}..{to} at {timestamp}"
                );
            }
        }
        let all = rows(engine.range(..));
        assert_eq!(
            visited(&engine, .., usize::MAX).expect("rows"),
            all,
            "{what}"
        );
        let mut transaction = engine.begin(Isolation::Serializable).expect("begin");
        transaction.set(key(5), "mine").expect("set");
        transaction.delete(key(6)).expect("delete");
        let mine = rows(transaction.range(..));
        assert_ne!(mine, all);
        assert_eq!(
            visited(&transaction, .., usize::MAX).expect("rows"),
            mine,
            "{what}"
        );
    };
    check("nothing");
    write(&|_| true, "first");
    check("all in memory");
    engine.compact().expect("compact");
    check("all in files");
    write(&|number| number % 7 == 3 || number > 190, "second");
    storage
        .write_batch(vec![delete(key(4)), delete(key(199))])
        .expect("commit");
    check("in both");
    engine.compact().expect("compact");
    write(&|number| number < 3, "third");
    check("with a past");
}

pub(crate) fn inv_08_backward_is_forward_mirrored(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for column in 0..=WORLD.last() {
            let forward = rows(all_at(storage, at(column)));
            let backward = rows(all_at(storage, at(column)).rev());
            assert_eq!(forward, WORLD.state(column), "at {column}");
            assert_eq!(backward, reversed(forward.clone()), "at {column}");
            for limit in 0..=forward.len() {
                let last: Vec<_> = forward.iter().rev().take(limit).cloned().collect();
                assert_eq!(rows(all_at(storage, at(column)).rev().take(limit)), last);
            }
        }
    });
}

pub(crate) fn inv_11_many_newer_versions_do_not_change_a_read(place: &impl Place) {
    let storage = place.open();
    // Neighbours of very different depths, so that a scan must sometimes step and sometimes seek.
    let depths = [
        ("a", 1),
        ("b", 300),
        ("c", 1),
        ("d", 40),
        ("e", 9),
        ("f", 300),
        ("g", 2),
    ];
    for column in 1..=300u64 {
        let deep = depths.iter().filter(|(_, depth)| column <= *depth);
        let writes = deep
            .map(|(key, _)| set(key, format!("{key}{column}")))
            .collect();
        storage.write_batch(writes).expect("commit");
    }
    place.settle(storage, |storage| {
        for column in [1, 2, 3, 8, 9, 10, 39, 40, 41, 150, 299, 300] {
            let state: Vec<_> = depths
                .iter()
                .map(|(key, depth)| row(key, format!("{key}{}", column.min(*depth))))
                .collect();
            assert_eq!(rows(all_at(storage, at(column))), state, "at {column}");
            assert_eq!(
                rows(all_at(storage, at(column)).rev()),
                reversed(state.clone())
            );
            for (key, value) in state {
                assert_eq!(
                    storage.get_at(&key, at(column)).expect("get_at"),
                    Some(value)
                );
            }
        }
    });
}

pub(crate) fn inv_12_a_key_that_begins_later_is_skipped_both_ways(place: &impl Place) {
    let storage = place.open();
    storage
        .write_batch(vec![set("b", "1"), set("d", "1")])
        .expect("commit");
    // First, last and between; with one version, with several, and already gone again.
    storage
        .write_batch(vec![set("a", "2"), set("c", "2"), set("e", "2")])
        .expect("commit");
    storage
        .write_batch(vec![set("c", "3"), delete("e")])
        .expect("commit");
    place.settle(storage, |storage| {
        let state = vec![row("b", "1"), row("d", "1")];
        assert_eq!(rows(all_at(storage, at(1))), state);
        assert_eq!(rows(all_at(storage, at(1)).rev()), reversed(state));
        for key in ["a", "c", "e"] {
            assert_eq!(storage.get_at(key.as_bytes(), at(1)).expect("get_at"), None);
        }
    });
}

pub(crate) fn inv_13_thousands_of_deleted_keys_are_passed_over(place: &impl Place) {
    const KEYS: u32 = 5_000;
    let storage = place.open();
    let key = |number: u32| format!("key{number:06}");
    storage
        .write_batch((0..KEYS).map(|n| set(key(n), "v")).collect())
        .expect("commit");
    let deleted = (1..KEYS - 1).map(|number| delete(key(number))).collect();
    storage.write_batch(deleted).expect("commit");
    // A later commit, so that reading at 2 is reading the past.
    storage.set(b"later", b"v").expect("set");
    place.settle(storage, |storage| {
        let left = vec![row(key(0), "v"), row(key(KEYS - 1), "v")];
        assert_eq!(storage.scan(b"key").expect("scan"), left);
        assert_eq!(rows(all_at(storage, at(2)).rev()), reversed(left));
        assert_eq!(all_at(storage, at(1)).count(), KEYS as usize);
        assert_eq!(all_at(storage, at(1)).rev().count(), KEYS as usize);
    });
}

pub(crate) fn inv_15_all_ways_to_read_agree(place: &impl Place) {
    let storage = place.open();
    for column in 1..=WORLD.last() {
        WORLD.play_to(&storage, column);
        WORLD.check_from(&storage, column);
    }
    place.settle(storage, |storage| WORLD.check_from(storage, 0));
}

pub(crate) fn inv_15_multi_get_answers_in_the_order_asked_for(place: &impl Place) {
    let storage = place.open();
    let state = [set("a", "1"), set("b", "2"), set("c", "3"), set("", "0")];
    storage.write_batch(state.to_vec()).expect("commit");
    storage
        .write_batch(vec![delete("b"), set("c", "4")])
        .expect("commit");
    place.settle(storage, |storage| {
        let asked: [&[u8]; 7] = [b"c", b"zz", b"a", b"b", b"c", b"", b"a"];
        let texts = |values: Vec<Option<Vec<u8>>>| -> Vec<String> {
            let text = |value: Option<Vec<u8>>| match value {
                Some(value) => value.escape_ascii().to_string(),
                None => "-".to_owned(),
            };
            values.into_iter().map(text).collect()
        };
        let now = texts(storage.multi_get(&asked).expect("multi_get"));
        assert_eq!(now, ["4", "-", "1", "-", "4", "0", "1"]);
        let then = texts(storage.multi_get_at(&asked, at(1)).expect("multi_get_at"));
        assert_eq!(then, ["3", "-", "1", "2", "3", "0", "1"]);
        assert_eq!(storage.multi_get(&[]).expect("multi_get"), []);
        assert_eq!(storage.multi_get_at(&[], at(1)).expect("multi_get_at"), []);
        assert_eq!(texts(storage.multi_get(&[b"c"]).expect("multi_get")), ["4"]);
    });
}

pub(crate) fn inv_16_filters_hide_no_version(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    // Each round in a file of its own: filters must let every file with the key be looked at.
    for round in 1..=6u64 {
        let mine = (0..200u64).filter(|number| number % round == 0);
        let writes: Vec<_> = mine
            .map(|number| set(format!("key{number}"), round.to_string()))
            .collect();
        engine
            .commit_at(at(round * 10), sapwood::Batch::from(writes))
            .expect("commit");
        engine.flush().expect("flush");
    }
    drop(engine);
    place.settle(storage, |storage| {
        for number in 0..200u64 {
            let key = format!("key{number}");
            let mut value = None;
            for round in 1..=6u64 {
                if number % round == 0 {
                    value = Some(bytes(round.to_string()));
                }
                for timestamp in [round * 10, (round * 10 + 9).min(60)] {
                    let got = storage
                        .get_at(key.as_bytes(), at(timestamp))
                        .expect("get_at");
                    assert_eq!(got, value, "{key} at {timestamp}");
                }
            }
        }
    });
}

pub(crate) fn inv_30_a_snapshot_does_not_change(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let mut snapshots = vec![engine.snapshot().expect("snapshot")];
    for column in 1..=WORLD.last() {
        WORLD.play_to(&storage, column);
        snapshots.push(engine.snapshot().expect("snapshot"));
    }
    for moved in [
        |_: &Engine| {},
        |e: &Engine| e.flush().expect("flush"),
        |e: &Engine| {
            e.compact().expect("compact");
        },
    ] {
        moved(&engine);
        for (column, snapshot) in (0..).zip(&snapshots) {
            assert_eq!(snapshot.timestamp(), at(column));
            assert_eq!(rows(snapshot.clone().range(..)), WORLD.state(column));
        }
    }
}
