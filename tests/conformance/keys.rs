//! Keys: any bytes, in the order of their bytes.

use sapwood::{Engine, KeyRange, ReadView, Storage};

use crate::support::{Place, all_at, at, bytes, keys, reversed, row, rows, set, versions};

suite!(
    inv_04_awkward_keys_stay_distinct_and_ordered,
    inv_04_keys_that_end_like_a_timestamp_stay_apart,
    inv_04_histories_of_neighbouring_keys_do_not_mix,
    inv_06_the_empty_key_is_a_key,
    inv_09_a_prefix_holds_what_begins_with_it,
);

/// In order. Prefixes of each other, zeros, the bytes around them, and the largest.
const AWKWARD: &[&[u8]] = &[
    b"",
    b"\0",
    b"\0\0",
    b"\0\0\0",
    b"\0\0\x01",
    b"\0\x01",
    b"\0\x01\xFF",
    b"\0\xFE",
    b"\0\xFF",
    b"\0\xFF\xFF",
    b"\x01",
    b"\x01\0",
    b"\x01\x01",
    b"a",
    b"a\0",
    b"a\0\0",
    b"a\0\x01",
    b"a\0\xFF",
    b"a\x01",
    b"aa",
    b"aaa",
    b"b",
    b"\xFE",
    b"\xFE\xFF",
    b"\xFF",
    b"\xFF\0",
    b"\xFF\0\x01",
    b"\xFF\xFE",
    b"\xFF\xFF",
    b"\xFF\xFF\xFF",
];

/// Writes every awkward key three times, in a different order each time, and deletes every third.
fn write_awkward_keys(storage: &impl Storage) {
    for round in 0..3u8 {
        let mut writes: Vec<_> = AWKWARD.iter().map(|key| set(key, [round])).collect();
        let middle = writes.len() / (usize::from(round) + 2);
        writes.rotate_left(middle);
        storage.write_batch(writes).expect("commit");
    }
    let deleted = AWKWARD
        .iter()
        .step_by(3)
        .map(|key| (key.to_vec(), None))
        .collect();
    storage.write_batch(deleted).expect("commit");
}

pub(crate) fn inv_04_awkward_keys_stay_distinct_and_ordered(place: &impl Place) {
    let storage = place.open();
    write_awkward_keys(&storage);
    assert!(AWKWARD.is_sorted());
    place.settle(storage, |storage| {
        for timestamp in 1..=4u64 {
            let mut state: Vec<_> = AWKWARD.iter().map(|key| row(key, [2])).collect();
            if timestamp < 4 {
                let value = u8::try_from(timestamp - 1).expect("a round");
                for row in &mut state {
                    row.1 = vec![value];
                }
            } else {
                let mut index = 0;
                state.retain(|_| {
                    index += 1;
                    index % 3 != 1
                });
            }
            assert_eq!(
                rows(all_at(storage, at(timestamp))),
                state,
                "at {timestamp}"
            );
            assert_eq!(
                rows(all_at(storage, at(timestamp)).rev()),
                reversed(state.clone())
            );
            for key in AWKWARD {
                let value = state
                    .iter()
                    .find(|(other, _)| other == key)
                    .map(|row| row.1.clone());
                assert_eq!(
                    storage.get_at(key, at(timestamp)).expect("get_at"),
                    value,
                    "{key:?}"
                );
            }
        }
    });
}

/// A version's place is made of the key and a timestamp: keys whose tails look like one, or like
/// the marks around one, must not be taken for a version of the key before.
pub(crate) fn inv_04_keys_that_end_like_a_timestamp_stay_apart(place: &impl Place) {
    let storage = place.open();
    let mut keys = vec![bytes("k")];
    for timestamp in [0u64, 1, 2, 3, u64::MAX - 2, u64::MAX] {
        for mark in [&b""[..], b"\0\x01", b"\0\xFF", b"\0", b"\x01"] {
            for number in [timestamp.to_be_bytes(), (!timestamp).to_be_bytes()] {
                keys.push([b"k", mark, &number].concat());
            }
        }
    }
    keys.sort();
    keys.dedup();
    for round in ["one", "two", "three"] {
        for key in &keys {
            storage.set(key, round.as_bytes()).expect("set");
        }
    }
    let count = keys.len() as u64;
    place.settle(storage, |storage| {
        for (round, value) in (1..).zip(["one", "two", "three"]) {
            let state: Vec<_> = keys.iter().map(|key| row(key, value)).collect();
            assert_eq!(rows(all_at(storage, at(round * count))), state);
            assert_eq!(
                rows(all_at(storage, at(round * count)).rev()),
                reversed(state)
            );
        }
        for key in &keys {
            assert_eq!(versions(storage, key).len(), 3, "{}", key.escape_ascii());
        }
    });
}

pub(crate) fn inv_04_histories_of_neighbouring_keys_do_not_mix(place: &impl Place) {
    let storage = place.open();
    write_awkward_keys(&storage);
    place.settle(storage, |storage| {
        for (index, key) in AWKWARD.iter().enumerate() {
            let last = if index % 3 == 0 { "3..4" } else { "3.." };
            let wanted = [&format!("{last} \\x02"), "2..3 \\x01", "1..2 \\x00"];
            assert_eq!(versions(storage, key), wanted, "{}", key.escape_ascii());
        }
    });
}

pub(crate) fn inv_06_the_empty_key_is_a_key(place: &impl Place) {
    let storage = place.open();
    storage.set(b"", b"nobody").expect("set");
    storage.set(b"\0", b"zero").expect("set");
    storage.set(b"", b"somebody").expect("set");
    place.settle(storage, |storage| {
        assert_eq!(storage.get(b"").expect("get"), Some(bytes("somebody")));
        assert_eq!(
            storage.get_at(b"", at(2)).expect("get_at"),
            Some(bytes("nobody"))
        );
        assert_eq!(
            storage.scan(b"").expect("scan"),
            [row("", "somebody"), row("\0", "zero")]
        );
        let only = KeyRange::new(vec![]..=vec![]);
        assert_eq!(rows(storage.range(only)), [row("", "somebody")]);
        assert_eq!(versions(storage, ""), ["3.. somebody", "1..3 nobody"]);
    });
}

pub(crate) fn inv_09_a_prefix_holds_what_begins_with_it(place: &impl Place) {
    let storage = place.open();
    storage
        .write_batch(AWKWARD.iter().map(|key| set(key, "1")).collect())
        .expect("commit");
    storage
        .write_batch(AWKWARD.iter().map(|key| set(key, "2")).collect())
        .expect("commit");
    place.settle(storage, |storage| {
        let engine = Engine::new(storage);
        for prefix in AWKWARD {
            let begins: Vec<_> = AWKWARD
                .iter()
                .filter(|key| key.starts_with(prefix))
                .copied()
                .collect();
            let now = storage.scan(prefix).expect("scan");
            assert_eq!(keys(&now), begins, "prefix {}", prefix.escape_ascii());
            let then = storage.scan_at(prefix, at(1)).expect("scan_at");
            assert_eq!(keys(&then), begins, "prefix {}", prefix.escape_ascii());
            assert_eq!(rows(engine.scan(prefix).rev()), reversed(now));
        }
    });
}
