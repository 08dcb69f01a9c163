//! Ranges: their bounds, their two ends, and how many rows are taken.

use std::ops::Bound;

use sapwood::{Engine, KeyRange, ReadView, Storage, Timestamp};

use crate::{
    grid::WORLD,
    support::{Place, Row, at, bytes, reversed, row, rows, set},
};

suite!(
    inv_09_bounds_are_included_excluded_or_open,
    inv_09_a_range_that_ends_before_it_begins_is_empty,
    inv_09_ranges_intersect,
    inv_10_both_ends_of_an_iterator_meet_once,
    inv_10_an_iterator_that_has_ended_stays_so,
    inv_14_a_limit_takes_the_first_rows_and_the_rest_follows,
);

/// Four keys at timestamps 1 and 2, two of them neighbours; one is deleted and one is new at 2.
fn four_keys(storage: &impl Storage) {
    let first = ["b", "b\0", "d", "f"].map(|key| set(key, "1"));
    storage.write_batch(first.to_vec()).expect("commit");
    storage
        .write_batch(vec![set("b", "2"), (bytes("d"), None), set("h", "2")])
        .expect("commit");
}

pub(crate) fn inv_09_bounds_are_included_excluded_or_open(place: &impl Place) {
    let storage = place.open();
    four_keys(&storage);
    // At keys, directly beside them, and between.
    let points = [
        "", "a", "b", "b\0", "c", "d", "d\0", "f", "g", "h", "h\0", "z",
    ];
    place.settle(storage, |storage| {
        let engine = Engine::new(storage);
        let states = [
            vec![row("b", "1"), row("b\0", "1"), row("d", "1"), row("f", "1")],
            vec![row("b", "2"), row("b\0", "1"), row("f", "1"), row("h", "2")],
        ];
        for (timestamp, state) in (1..).zip(&states) {
            let view = engine.at(at(timestamp)).expect("at");
            let mut bounds = vec![Bound::Unbounded];
            bounds.extend(points.map(|point| Bound::Included(bytes(point))));
            bounds.extend(points.map(|point| Bound::Excluded(bytes(point))));
            for from in &bounds {
                for to in &bounds {
                    let range = (from.clone(), to.clone());
                    let inside = inside(state, &range);
                    assert_eq!(rows(view.range(range.clone())), inside, "{range:?}");
                    let backward = rows(view.range(range.clone()).rev());
                    assert_eq!(backward, reversed(inside), "{range:?}");
                }
            }
        }
    });
}

/// The rows of a state between two bounds, by what the bounds say.
fn inside(state: &[Row], (from, to): &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Vec<Row> {
    let after = |key: &Vec<u8>| match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    let before = |key: &Vec<u8>| match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    };
    state
        .iter()
        .filter(|(key, _)| after(key) && before(key))
        .cloned()
        .collect()
}

pub(crate) fn inv_09_a_range_that_ends_before_it_begins_is_empty(place: &impl Place) {
    let storage = place.open();
    four_keys(&storage);
    place.settle(storage, |storage| {
        for (from, to) in [("f", "b"), ("b", "b"), ("z", "a"), ("c", "c"), ("h", "")] {
            for timestamp in [1, 2] {
                let range = KeyRange::new(bytes(from)..bytes(to));
                assert_eq!(rows(storage.range_at(range.clone(), at(timestamp))), []);
                assert_eq!(rows(storage.range_at(range, at(timestamp)).rev()), []);
            }
        }
    });
}

pub(crate) fn inv_09_ranges_intersect(place: &impl Place) {
    let storage = place.open();
    four_keys(&storage);
    let range = |from: &str, to: &str| KeyRange::new(bytes(from)..bytes(to));
    let both = range("b", "g").intersection(range("c", "z"));
    assert_eq!(
        rows(storage.range_at(both, at(1))),
        [row("d", "1"), row("f", "1")]
    );
    let prefixed = KeyRange::all().intersection(KeyRange::prefix(b"h"));
    assert_eq!(rows(storage.range(prefixed)), [row("h", "2")]);
    let apart = range("a", "c").intersection(range("f", "z"));
    assert!(apart.is_empty() && rows(storage.range(apart)).is_empty());
}

/// Takes from the front or from the back as the bits of a number say: every way to change direction.
pub(crate) fn inv_10_both_ends_of_an_iterator_meet_once(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for column in [1, 4, 8, WORLD.last()] {
            let state = WORLD.state(column);
            for directions in 0..1u32 << (state.len() + 1) {
                let mut iter = storage.range_at(KeyRange::all(), at(column));
                let mut left: std::collections::VecDeque<_> = state.iter().cloned().collect();
                for step in 0..=state.len() {
                    let (got, wanted) = if directions >> step & 1 == 0 {
                        (iter.next(), left.pop_front())
                    } else {
                        (iter.next_back(), left.pop_back())
                    };
                    let got = rows(got.into_iter());
                    let wanted: Vec<_> = wanted.into_iter().collect();
                    assert_eq!(got, wanted, "at {column}, {directions:b}, step {step}");
                }
            }
        }
    });
}

pub(crate) fn inv_10_an_iterator_that_has_ended_stays_so(place: &impl Place) {
    let storage = place.open();
    four_keys(&storage);
    let mut iter = storage.range(KeyRange::all());
    assert_eq!(iter.timestamp(), Some(at(2)));
    assert_eq!(iter.by_ref().count(), 4);
    storage.set(b"z", b"3").expect("set");
    for _ in 0..3 {
        assert!(iter.next().is_none() && iter.next_back().is_none());
    }
    assert_eq!(iter.timestamp(), None);
}

pub(crate) fn inv_14_a_limit_takes_the_first_rows_and_the_rest_follows(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for column in 0..=WORLD.last() {
            let state = WORLD.state(column);
            for limit in 0..=state.len() + 1 {
                let first = rows(storage.range_at(KeyRange::all(), at(column)).take(limit));
                assert_eq!(first, state[..limit.min(state.len())]);
                if limit > 0 {
                    assert_eq!(in_pages(storage, at(column), limit), state);
                }
            }
        }
    });
}

/// Reads a state in pages, each from behind the last key of the one before.
fn in_pages(storage: &impl Storage, timestamp: Timestamp, limit: usize) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    loop {
        let from = all
            .last()
            .map_or(Bound::Unbounded, |row| Bound::Excluded(row.0.clone()));
        let range = KeyRange::new((from, Bound::Unbounded));
        let page = rows(storage.range_at(range, timestamp).take(limit));
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
