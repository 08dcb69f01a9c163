//! Commits: their timestamps, their atomicity, and the writes that look before they write.

use sapwood::{
    Batch, CommitOptions, Durability, Engine, ErrorKind, KeyRange, Storage, Timestamp,
    TimestampSource,
};

use crate::{
    grid::WORLD,
    support::{Place, all_at, at, bytes, delete, error, kind, row, rows, set, versions},
};

suite!(
    inv_17_the_last_write_of_a_key_in_a_batch_counts,
    inv_18_deletes_always_succeed_and_keys_come_back,
    inv_23_nothing_is_written_into_the_past,
    inv_23_timestamps_may_leave_gaps_up_to_the_largest,
    inv_23_a_store_that_is_numbered_by_its_caller_numbers_nothing,
    inv_23_the_largest_timestamp_can_be_given,
    inv_24_a_batch_is_one_commit,
    inv_24_every_commit_takes_its_timestamp,
    inv_25_the_current_state_is_the_newest_of_history,
    inv_26_a_range_delete_deletes_each_key_that_is_live,
    inv_27_compare_and_set_looks_at_the_newest_value,
    inv_27_a_failed_compare_and_set_changes_nothing,
);

pub(crate) fn inv_17_the_last_write_of_a_key_in_a_batch_counts(place: &impl Place) {
    let storage = place.open();
    let writes = vec![
        set("b", "1"),
        set("a", "1"),
        delete("b"),
        set("a", "2"),
        set("c", "1"),
        set("b", "3"),
        delete("c"),
        set("d", "1"),
        set("d", "2"),
    ];
    storage.write_batch(writes).expect("commit");
    storage
        .write_batch(vec![
            delete("a"),
            set("a", "5"),
            delete("a"),
            set("a", "4"),
            set("e", "1"),
            delete("e"),
        ])
        .expect("commit");
    place.settle(storage, |storage| {
        let first = [row("a", "2"), row("b", "3"), row("d", "2")];
        assert_eq!(rows(all_at(storage, at(1))), first);
        assert_eq!(versions(storage, "a"), ["2.. 4", "1..2 2"]);
        assert_eq!(versions(storage, "b"), ["1.. 3"]);
        assert_eq!(versions(storage, "c"), [""; 0]);
        assert_eq!(versions(storage, "d"), ["1.. 2"]);
        assert_eq!(versions(storage, "e"), [""; 0]);
    });
}

pub(crate) fn inv_18_deletes_always_succeed_and_keys_come_back(place: &impl Place) {
    let storage = place.open();
    let steps = [
        storage.delete(b"k"),         // 1: it never was
        storage.set(b"k", b"first"),  // 2
        storage.delete(b"k"),         // 3
        storage.delete(b"k"),         // 4: gone already
        storage.set(b"k", b"second"), // 5
        storage.set(b"k", b"third"),  // 6
        storage.delete(b"k"),         // 7
        storage.set(b"k", b"fourth"), // 8
    ];
    for (number, step) in (1..).zip(steps) {
        assert_eq!(
            step.expect("a commit"),
            at(number),
            "each takes a timestamp"
        );
    }
    place.settle(storage, |storage| {
        let values = ["", "", "first", "", "", "second", "third", "", "fourth"];
        for (timestamp, value) in (0..).zip(values) {
            let value = (!value.is_empty()).then(|| bytes(value));
            assert_eq!(
                storage.get_at(b"k", at(timestamp)).expect("get_at"),
                value,
                "{timestamp}"
            );
            let scanned: Vec<_> = value.map(|value| row("k", value)).into_iter().collect();
            assert_eq!(rows(all_at(storage, at(timestamp))), scanned, "{timestamp}");
            assert_eq!(
                rows(all_at(storage, at(timestamp)).rev()),
                scanned,
                "{timestamp}"
            );
        }
        let wanted = ["8.. fourth", "6..7 third", "5..6 second", "2..3 first"];
        assert_eq!(versions(storage, "k"), wanted);
    });
}

pub(crate) fn inv_23_nothing_is_written_into_the_past(place: &impl Place) {
    let storage = place.open();
    storage
        .commit_at(at(10), vec![set("k", "ten")])
        .expect("commit");
    let storage = place.settle(storage, |storage| {
        for timestamp in [0, 1, 9, 10] {
            let writes = vec![set("k", "past"), set("other", "past")];
            let refused = error(storage.commit_at(at(timestamp), writes));
            assert_eq!(refused.kind(), &ErrorKind::Invalid, "{timestamp}");
            assert!(refused.to_string().contains("10"), "{refused}");
        }
        assert_eq!(storage.visible(), at(10));
        assert_eq!(versions(storage, "k"), ["10.. ten"]);
        assert_eq!(rows(all_at(storage, at(9))), []);
    });
    assert_eq!(storage.set(b"k", b"eleven").expect("set"), at(11));
}

pub(crate) fn inv_23_timestamps_may_leave_gaps_up_to_the_largest(place: &impl Place) {
    let storage = place.open();
    let commits = [5, 6, 1_000, 1 << 40, u64::MAX - 2];
    for timestamp in commits {
        let value = timestamp.to_string();
        let got = storage
            .commit_at(at(timestamp), vec![set("k", value)])
            .expect("commit");
        assert_eq!((got, storage.visible()), (at(timestamp), at(timestamp)));
    }
    assert_eq!(
        kind(storage.commit_at(at(u64::MAX), vec![set("k", "never")])),
        "invalid"
    );
    assert_eq!(storage.set(b"k", b"last").expect("set"), Timestamp::MAX);
    let storage = place.settle(storage, |storage| {
        assert_eq!(storage.visible(), Timestamp::MAX);
        assert_eq!(kind(storage.set(b"k", b"never")), "invalid");
        assert_eq!(kind(storage.commit_at(Timestamp::MAX, vec![])), "invalid");
        assert_eq!(kind(storage.commit_at(at(u64::MAX), vec![])), "invalid");
        assert_eq!(kind(storage.get_at(b"k", at(u64::MAX))), "not_yet");
        for (index, timestamp) in commits.into_iter().enumerate() {
            let wanted = Some(bytes(timestamp.to_string()));
            assert_eq!(storage.get_at(b"k", at(timestamp)).expect("get_at"), wanted);
            let next = commits
                .get(index + 1)
                .map_or(Timestamp::MAX, |next| at(*next));
            let before = at(next.get() - 1);
            assert_eq!(storage.get_at(b"k", before).expect("get_at"), wanted);
        }
        assert_eq!(storage.get_at(b"k", at(4)).expect("get_at"), None);
        assert_eq!(storage.get(b"k").expect("get"), Some(bytes("last")));
    });
    let report = storage.prune_before(Timestamp::MAX).expect("prune");
    assert_eq!((report.floor, report.rows_dropped), (Timestamp::MAX, 5));
    assert_eq!(storage.get(b"k").expect("get"), Some(bytes("last")));
}

pub(crate) fn inv_23_the_largest_timestamp_can_be_given(place: &impl Place) {
    let storage = place.open();
    assert_eq!(kind(storage.commit_at(at(u64::MAX), vec![])), "invalid");
    let largest = storage
        .commit_at(Timestamp::MAX, vec![set("k", "v")])
        .expect("commit");
    assert_eq!(largest, Timestamp::MAX);
    place.settle(storage, |storage| {
        assert_eq!(
            storage.get_at(b"k", Timestamp::MAX).expect("get_at"),
            Some(bytes("v"))
        );
        assert_eq!(
            storage.get_at(b"k", at(u64::MAX - 2)).expect("get_at"),
            None
        );
        assert_eq!(
            storage
                .history(b"k", at(0), at(u64::MAX))
                .expect("history")
                .count(),
            1
        );
    });
}

pub(crate) fn inv_23_a_store_that_is_numbered_by_its_caller_numbers_nothing(place: &impl Place) {
    let storage = place.open_numbered(TimestampSource::CallerGiven);
    assert_eq!(kind(storage.set(b"k", b"v")), "invalid");
    assert_eq!(kind(storage.delete(b"k")), "invalid");
    assert_eq!(kind(storage.write_batch(vec![set("k", "v")])), "invalid");
    assert_eq!(
        kind(storage.compare_and_set(b"k", None, Some(b"v"))),
        "invalid"
    );
    assert_eq!(kind(storage.delete_range(&KeyRange::all())), "invalid");
    assert_eq!(
        kind(storage.commit(Batch::new(), CommitOptions::default())),
        "invalid"
    );
    assert_eq!(storage.visible(), at(0));
    storage
        .commit_at(at(100), vec![set("k", "v")])
        .expect("commit");
    assert_eq!(kind(storage.set(b"k", b"w")), "invalid");
    assert_eq!(storage.visible(), at(100));
    assert_eq!(storage.get(b"k").expect("get"), Some(bytes("v")));
    let engine = Engine::new(&storage);
    let height = |height| CommitOptions::default().at(at(height));
    engine
        .compare_and_set_with("k", Some(b"v"), Some(b"w"), height(200))
        .expect("compare and set at a height");
    engine
        .delete_range_with(KeyRange::all(), height(300))
        .expect("delete at a height");
    assert_eq!(storage.visible(), at(300));
    assert_eq!(
        storage.get_at(b"k", at(200)).expect("get"),
        Some(bytes("w"))
    );
    assert!(!storage.contains(b"k").expect("contains"));
}

pub(crate) fn inv_24_a_batch_is_one_commit(place: &impl Place) {
    let storage = place.open();
    let keys: Vec<_> = (0..50).map(|number| format!("key{number:02}")).collect();
    for round in ["one", "two"] {
        let writes = keys.iter().map(|key| set(key, round)).collect();
        storage.write_batch(writes).expect("commit");
    }
    storage
        .write_batch(keys.iter().map(delete).collect())
        .expect("commit");
    place.settle(storage, |storage| {
        let state = |value: &str| keys.iter().map(|key| row(key, value)).collect::<Vec<_>>();
        assert_eq!(rows(all_at(storage, at(0))), []);
        assert_eq!(rows(all_at(storage, at(1))), state("one"));
        assert_eq!(rows(all_at(storage, at(2))), state("two"));
        assert_eq!(rows(all_at(storage, at(3))), []);
        assert_eq!(storage.visible(), at(3));
    });
}

pub(crate) fn inv_24_every_commit_takes_its_timestamp(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    assert_eq!(storage.write_batch(vec![]).expect("an empty batch"), at(1));
    assert_eq!(storage.delete(b"absent").expect("delete"), at(2));
    assert_eq!(
        storage
            .delete_range(&KeyRange::all())
            .expect("delete_range"),
        at(3)
    );
    assert_eq!(storage.commit_at(at(9), vec![]).expect("commit_at"), at(9));
    let synced = CommitOptions::default().durability(Durability::Sync);
    assert_eq!(
        engine
            .commit(Batch::new(), synced)
            .expect("commit")
            .timestamp,
        at(10)
    );
    assert_eq!(engine.set("k", "v").expect("set"), at(11));
    assert_eq!(engine.set("k", "v").expect("the same again"), at(12));
    drop(engine);
    let storage = place.settle(storage, |storage| {
        assert_eq!(storage.visible(), at(12));
        assert_eq!(versions(storage, "k"), ["12.. v", "11..12 v"]);
    });
    assert_eq!(storage.delete(b"absent").expect("delete"), at(13));
    assert_eq!(
        place.reopen(storage).visible(),
        at(13),
        "even where the last commit wrote nothing"
    );
}

pub(crate) fn inv_25_the_current_state_is_the_newest_of_history(place: &impl Place) {
    let storage = place.open();
    for column in 1..=WORLD.last() {
        WORLD.play_to(&storage, column);
        for (key, _) in WORLD.0 {
            let newest = storage
                .history(key.as_bytes(), at(0), Timestamp::MAX)
                .expect("history")
                .next()
                .map(|version| version.expect("a version"));
            let current = newest.filter(|version| version.end.is_none());
            let current = current.map(|version| version.value.to_vec());
            assert_eq!(
                storage.get(key.as_bytes()).expect("get"),
                current,
                "{key} at {column}"
            );
        }
    }
    place.settle(storage, |storage| {
        let status = Engine::new(storage).status().expect("status");
        assert_eq!(status.keys, WORLD.state(WORLD.last()).len() as u64);
        let listed = WORLD
            .0
            .iter()
            .map(|(key, _)| versions(storage, key).len() as u64);
        assert_eq!(status.versions, listed.sum::<u64>());
    });
}

pub(crate) fn inv_26_a_range_delete_deletes_each_key_that_is_live(place: &impl Place) {
    let storage = place.open();
    let keys = ["a", "b", "b\0", "c", "d", "e"];
    storage
        .write_batch(keys.iter().map(|key| set(key, "1")).collect())
        .expect("commit");
    storage.delete(b"c").expect("delete");
    let range = KeyRange::new(bytes("b")..bytes("e"));
    assert_eq!(storage.delete_range(&range).expect("delete_range"), at(3));
    assert_eq!(storage.delete_range(&range).expect("again"), at(4));
    let inverted = KeyRange::new(bytes("z")..bytes("a"));
    assert_eq!(
        storage.delete_range(&inverted).expect("an empty range"),
        at(5)
    );
    storage.set(b"d", b"6").expect("set");
    place.settle(storage, |storage| {
        let ends = [row("a", "1"), row("e", "1")];
        assert_eq!(rows(all_at(storage, at(3))), ends);
        assert_eq!(rows(all_at(storage, at(5))), ends);
        assert_eq!(versions(storage, "a"), ["1.. 1"]);
        assert_eq!(versions(storage, "b"), ["1..3 1"]);
        assert_eq!(versions(storage, "b\0"), ["1..3 1"]);
        assert_eq!(
            versions(storage, "c"),
            ["1..2 1"],
            "deleted before, and not again"
        );
        assert_eq!(versions(storage, "d"), ["6.. 6", "1..3 1"]);
        let changed: Vec<_> = storage.diff(at(3), at(5)).expect("diff").collect();
        assert!(changed.is_empty(), "{changed:?}");
    });
}

pub(crate) fn inv_27_compare_and_set_looks_at_the_newest_value(place: &impl Place) {
    let storage = place.open();
    let cas = |expected: Option<&str>, new: Option<&str>| {
        storage.compare_and_set(b"k", expected.map(str::as_bytes), new.map(str::as_bytes))
    };
    assert_eq!(cas(None, Some("one")).expect("it is not there"), at(1));
    assert_eq!(cas(Some("one"), Some("")).expect("it is one"), at(2));
    assert_eq!(cas(Some(""), None).expect("it is empty"), at(3));
    assert_eq!(cas(None, None).expect("it is gone"), at(4));
    assert_eq!(cas(None, Some("two")).expect("it is gone"), at(5));
    assert_eq!(cas(Some("two"), Some("two")).expect("it is two"), at(6));
    place.settle(storage, |storage| {
        assert_eq!(
            versions(storage, "k"),
            ["6.. two", "5..6 two", "2..3 ", "1..2 one"]
        );
    });
}

pub(crate) fn inv_27_a_failed_compare_and_set_changes_nothing(place: &impl Place) {
    let storage = place.open();
    storage.set(b"k", b"one").expect("set");
    storage.set(b"other", b"x").expect("set");
    let storage = place.settle(storage, |storage| {
        for expected in [
            None,
            Some(&b""[..]),
            Some(b"on"),
            Some(b"one "),
            Some(b"two"),
        ] {
            let refused = error(storage.compare_and_set(b"k", expected, Some(b"new")));
            let wanted = ErrorKind::Conflict {
                key: bytes("k"),
                read: at(2),
                committed: at(1),
            };
            assert_eq!(refused.kind(), &wanted, "{expected:?}");
            assert!(refused.is_retryable());
            assert_eq!(
                kind(storage.compare_and_set(b"k", expected, None)),
                "conflict"
            );
        }
        assert_eq!(
            kind(storage.compare_and_set(b"absent", Some(b""), Some(b"new"))),
            "conflict"
        );
        assert_eq!(storage.visible(), at(2));
        assert_eq!(versions(storage, "k"), ["1.. one"]);
        assert_eq!(versions(storage, "absent"), [""; 0]);
    });
    assert_eq!(
        storage.set(b"k", b"three").expect("set"),
        at(3),
        "no timestamp is lost"
    );
}
