//! Rows to migrate, and the comparison with what has become of them.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{Engine, ErrorKind, ReadView, Timestamp};

/// Keys and values of all bytes and many lengths: more than fit one commit of [`load`](crate::load::load).
pub(crate) fn rows() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut bytes = |shortest: usize, longest: usize| -> Vec<u8> {
        let length = random.random_range(shortest..=longest);
        (0..length).map(|_| random.random()).collect()
    };
    let mut rows: BTreeMap<_, _> = (0..25_000).map(|_| (bytes(1, 40), bytes(0, 200))).collect();
    // What encodings of keys stumble over.
    for key in [
        &b"\0"[..],
        b"\0\0",
        b"\0\xff",
        b"\xff",
        b"a\0",
        b"a\0b",
        b"a",
    ] {
        rows.insert(key.to_vec(), key.to_vec());
    }
    rows
}

/// That an engine holds these rows and no others at a timestamp, its newest, and nothing before it.
pub(crate) fn assert_holds(engine: &Engine, at: Timestamp, rows: &BTreeMap<Vec<u8>, Vec<u8>>) {
    assert_eq!((engine.visible(), engine.floor()), (at, at));
    let state = engine.at(at).unwrap();
    let mut found = 0;
    for (row, (key, value)) in state.range(..).zip(rows) {
        let row = row.unwrap();
        assert_eq!((&row.0[..], &row.1[..]), (&key[..], &value[..]));
        found += 1;
    }
    assert_eq!(found, rows.len());
    assert_eq!(state.range(..).count(), rows.len());
    let earlier = engine.at(Timestamp::new(at.get() - 1)).unwrap_err();
    assert!(matches!(earlier.kind(), ErrorKind::Pruned { .. }));
    let report = engine.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
    // It goes on from there.
    assert_eq!(engine.set(b"new", b"").unwrap().get(), at.get() + 1);
}
