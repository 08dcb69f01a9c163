//! Sizes: at their limits and one above, on every path.

use sapwood::{
    Batch, CommitOptions, Engine, PinOptions, ReadView, Storage,
    limits::{BATCH_MAX_BYTES, KEY_MAX_BYTES, PIN_NAME_MAX_BYTES, VALUE_MAX_BYTES},
};

use crate::support::{Place, all_at, at, bytes, delete, kind, rows, set, versions};

suite!(
    inv_06_a_key_at_its_limit_is_a_key_and_a_longer_one_is_refused,
    inv_28_values_of_every_size_behave_alike,
    inv_28_a_value_over_its_limit_is_refused,
    inv_28_a_batch_over_its_limit_is_refused,
    inv_50_a_pin_has_a_name_of_some_length,
);

pub(crate) fn inv_06_a_key_at_its_limit_is_a_key_and_a_longer_one_is_refused(place: &impl Place) {
    let storage = place.open();
    // Zeros are the worst case: each takes two bytes where it lies.
    let (longest, sibling) = (vec![0; KEY_MAX_BYTES], vec![0xFF; KEY_MAX_BYTES]);
    let too_long = vec![0; KEY_MAX_BYTES + 1];
    storage
        .write_batch(vec![set(&longest, "1"), set(&sibling, "1")])
        .expect("commit");
    storage.set(&longest, b"2").expect("set");
    place.settle(storage, |storage| {
        assert_eq!(storage.get(&longest).expect("get"), Some(bytes("2")));
        assert_eq!(
            storage.get_at(&longest, at(1)).expect("get_at"),
            Some(bytes("1"))
        );
        assert_eq!(
            storage.get_at(&sibling, at(1)).expect("get_at"),
            Some(bytes("1"))
        );
        assert_eq!(versions(storage, &longest), ["2.. 2", "1..2 1"]);
        assert_eq!(rows(all_at(storage, at(2))).len(), 2);
        let engine = Engine::new(storage);
        let snapshot = engine.snapshot().expect("snapshot");
        let key = too_long.as_slice();
        let short: &[u8] = b"k";
        let refused = [
            kind(storage.set(key, b"v")),
            kind(storage.delete(key)),
            kind(storage.write_batch(vec![set("k", "v"), delete(key)])),
            kind(storage.commit_at(at(9), vec![set(key, "v")])),
            kind(storage.compare_and_set(key, None, Some(b"v"))),
            kind(storage.get(key)),
            kind(storage.get_at(key, at(1))),
            kind(storage.contains(key)),
            kind(storage.contains_at(key, at(1))),
            kind(storage.multi_get(&[short, key])),
            kind(storage.multi_get_at(&[short, key], at(1))),
            kind(storage.history(key, at(0), at(9))),
            kind(snapshot.get(key)),
            kind(snapshot.multi_get(&[key])),
        ];
        assert_eq!(refused, ["too_large"; 14]);
        assert_eq!(storage.visible(), at(2));
    });
}

pub(crate) fn inv_28_values_of_every_size_behave_alike(place: &impl Place) {
    let storage = place.open();
    let sizes = [0, 1, 100, 4 << 10, 64 << 10, 1 << 20, 5 << 20];
    let value = |size: usize, round: u8| {
        vec![round.wrapping_add(u8::try_from(size % 251).expect("small")); size]
    };
    for round in [1, 2] {
        for size in sizes {
            storage
                .set(size.to_string().as_bytes(), &value(size, round))
                .expect("set");
        }
    }
    let count = sizes.len() as u64;
    place.settle(storage, |storage| {
        for size in sizes {
            let key = size.to_string();
            let now = storage.get(key.as_bytes()).expect("get");
            assert!(now == Some(value(size, 2)), "{size}");
            let then = storage.get_at(key.as_bytes(), at(count)).expect("get_at");
            assert!(then == Some(value(size, 1)), "{size}");
            let history = Engine::new(storage).history(key, ..).expect("history");
            let sizes: Vec<_> = history.map(|v| v.expect("a version").value.len()).collect();
            assert_eq!(sizes, [size, size]);
        }
        let total: usize = all_at(storage, at(count))
            .map(|row| row.expect("a row").1.len())
            .sum();
        assert_eq!(total, sizes.iter().sum());
    });
}

pub(crate) fn inv_28_a_value_over_its_limit_is_refused(place: &impl Place) {
    let storage = place.open();
    let mut value = vec![0; VALUE_MAX_BYTES + 1];
    assert_eq!(kind(storage.set(b"k", &value)), "too_large");
    assert_eq!(
        kind(storage.compare_and_set(b"k", None, Some(&value))),
        "too_large"
    );
    assert_eq!(storage.visible(), at(0));
    value.pop();
    storage.set(b"k", &value).expect("at the limit");
    let storage = place.reopen(storage);
    assert!(storage.get(b"k").expect("get") == Some(value));
}

pub(crate) fn inv_28_a_batch_over_its_limit_is_refused(place: &impl Place) {
    let storage = place.open();
    let zeros = |key: &str, size: usize| (bytes(key), Some(vec![0; size]));
    let mut writes: Vec<_> = (0..8)
        .map(|n| zeros(&n.to_string(), BATCH_MAX_BYTES / 8 - 1))
        .collect();
    writes.push(zeros("", 1));
    let batch = Batch::from(writes);
    assert_eq!(batch.len(), 9);
    assert_eq!(
        kind(storage.commit(batch, CommitOptions::default())),
        "too_large"
    );
    assert_eq!(storage.visible(), at(0));
    assert_eq!(storage.scan(b"").expect("scan"), []);
}

pub(crate) fn inv_50_a_pin_has_a_name_of_some_length(place: &impl Place) {
    let storage = place.open();
    let longest = "p".repeat(PIN_NAME_MAX_BYTES);
    let pin = |name: &str| storage.pin(name, at(0), PinOptions::default());
    assert_eq!(kind(pin("")), "invalid");
    assert_eq!(kind(pin(&format!("{longest}p"))), "invalid");
    assert_eq!(pin(&longest).expect("at the limit").name, longest);
    assert_eq!(
        pin("a/b \u{e9} \0").expect("any text").name,
        "a/b \u{e9} \0"
    );
}
