//! The versions of one key: which, in what order, from both ends, in a window.

use sapwood::{Engine, Storage, Timestamp, Version};

use crate::{
    grid::{Grid, WORLD},
    support::{Place, at, show, versions},
};

suite!(
    inv_19_history_lists_every_version_newest_first,
    inv_19_a_key_that_never_was_has_no_history,
    inv_20_a_window_holds_what_was_alive_in_it,
    inv_20_a_limit_takes_the_first_versions_from_either_end,
    inv_20_both_ends_of_a_history_meet_once,
    inv_21_history_does_not_depend_on_where_it_lies,
);

/// The versions of a line of a grid, oldest first.
fn listed(line: &str) -> Vec<(u64, Option<u64>, Vec<u8>)> {
    let mut versions: Vec<(u64, Option<u64>, Vec<u8>)> = Vec::new();
    for column in 1..line.len() as u64 {
        let (old, new) = (Grid::value(line, column - 1), Grid::value(line, column));
        if old == new {
            continue;
        }
        if let (Some(_), Some(last)) = (old, versions.last_mut()) {
            last.1 = Some(column);
        }
        if let Some(value) = new {
            versions.push((column, None, value));
        }
    }
    versions
}

fn plain(version: sapwood::Result<Version>) -> (u64, Option<u64>, Vec<u8>) {
    let version = version.expect("a version");
    (
        version.start.get(),
        version.end.map(Timestamp::get),
        version.value.to_vec(),
    )
}

pub(crate) fn inv_19_history_lists_every_version_newest_first(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    assert_eq!(
        versions(&storage, "antelope"),
        ["10..12 d", "6..8 c", "3..4 b", "2..3 a"],
        "gaps where it did not exist",
    );
    place.settle(storage, |storage| {
        for (key, line) in WORLD.0 {
            let mut wanted = listed(line);
            let history = || Engine::new(storage).history(key, ..).expect("history");
            let backward: Vec<_> = history().rev().map(plain).collect();
            assert_eq!(backward, wanted, "{key}, oldest first");
            wanted.reverse();
            let forward: Vec<_> = history().map(plain).collect();
            assert_eq!(forward, wanted, "{key}, newest first");
        }
    });
}

pub(crate) fn inv_19_a_key_that_never_was_has_no_history(place: &impl Place) {
    let storage = place.open();
    storage.set(b"b", b"1").expect("set");
    storage.set(b"b", b"2").expect("set");
    storage.delete(b"a").expect("delete");
    place.settle(storage, |storage| {
        for key in ["", "a", "b\0", "c"] {
            assert_eq!(versions(storage, key), [""; 0]);
        }
    });
}

/// Whether a version was alive at some time in `[from, to)`.
fn alive_in(version: &(u64, Option<u64>, Vec<u8>), from: u64, to: u64) -> bool {
    from < to && version.0 < to && version.1.is_none_or(|end| end > from)
}

pub(crate) fn inv_20_a_window_holds_what_was_alive_in_it(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for (key, line) in WORLD.0 {
            let all = listed(line);
            for from in 0..=WORLD.last() + 2 {
                for to in 0..=WORLD.last() + 2 {
                    let wanted: Vec<_> = all
                        .iter()
                        .filter(|v| alive_in(v, from, to))
                        .cloned()
                        .collect();
                    let history = || {
                        storage
                            .history(key.as_bytes(), at(from), at(to))
                            .expect("history")
                    };
                    let backward: Vec<_> = history().rev().map(plain).collect();
                    assert_eq!(backward, wanted, "{key} in {from}..{to}, oldest first");
                    let mut forward: Vec<_> = history().map(plain).collect();
                    forward.reverse();
                    assert_eq!(forward, wanted, "{key} in {from}..{to}");
                }
            }
        }
        let engine = Engine::new(storage);
        let count = |history: sapwood::Result<sapwood::History>| history.expect("history").count();
        assert_eq!(count(engine.history("bee", at(3)..=at(3))), 1);
        assert_eq!(count(engine.history("bee", at(3)..=at(4))), 2);
        assert_eq!(count(engine.history("bee", ..at(3))), 2);
        assert_eq!(count(engine.history("bee", ..=at(3))), 3);
        assert_eq!(count(engine.history("bee", at(11)..)), 2);
        let between = (
            std::ops::Bound::Excluded(at(3)),
            std::ops::Bound::Excluded(at(6)),
        );
        assert_eq!(count(engine.history("bee", between)), 2);
    });
}

pub(crate) fn inv_20_a_limit_takes_the_first_versions_from_either_end(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        let all = versions(storage, "bee");
        assert_eq!(all.len(), 12);
        let history = || {
            storage
                .history(b"bee", at(0), Timestamp::MAX)
                .expect("history")
        };
        let shown = |version: sapwood::Result<Version>| show(version.expect("a version"));
        for limit in 0..=all.len() + 1 {
            let newest: Vec<_> = history().take(limit).map(shown).collect();
            assert_eq!(newest, all[..limit.min(all.len())]);
            let mut oldest: Vec<_> = history().rev().take(limit).map(shown).collect();
            oldest.reverse();
            assert_eq!(oldest, all[all.len().saturating_sub(limit)..]);
        }
    });
}

pub(crate) fn inv_20_both_ends_of_a_history_meet_once(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for key in ["ant", "antelope", "cat", "dog", "fox"] {
            let mut all = versions(storage, key);
            all.reverse();
            for directions in 0..1u32 << (all.len() + 1) {
                let mut history = storage
                    .history(key.as_bytes(), at(0), Timestamp::MAX)
                    .expect("history");
                let mut left: std::collections::VecDeque<_> = all.iter().cloned().collect();
                for step in 0..=all.len() {
                    let (got, wanted) = if directions >> step & 1 == 0 {
                        (history.next(), left.pop_back())
                    } else {
                        (history.next_back(), left.pop_front())
                    };
                    let got = got.map(|version| show(version.expect("a version")));
                    assert_eq!(got, wanted, "{key}, {directions:b}, step {step}");
                }
            }
        }
    });
}

pub(crate) fn inv_21_history_does_not_depend_on_where_it_lies(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    // Every column somewhere else: compacted, in files of their own, and the newest in memory.
    for column in 1..=WORLD.last() {
        WORLD.play_to(&storage, column);
        match column {
            4 => engine.compact().expect("compact"),
            6 | 7 | 9 => engine.flush().expect("flush"),
            _ => {}
        }
        WORLD.check_from(&storage, 0);
    }
    drop(engine);
    place.settle(storage, |storage| {
        WORLD.check_from(storage, 0);
        for (key, line) in WORLD.0 {
            let history = Engine::new(storage).history(key, ..).expect("history");
            assert_eq!(
                history.rev().map(plain).collect::<Vec<_>>(),
                listed(line),
                "{key}"
            );
        }
    });
}
