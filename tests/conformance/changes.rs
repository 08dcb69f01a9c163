//! Differences between two states.

use std::collections::BTreeMap;

use sapwood::{Change, Diff, PinOptions, Storage};

use crate::{
    grid::WORLD,
    support::{Place, at, bytes, delete, kind, set},
};

suite!(
    inv_22_a_diff_leads_from_one_state_to_the_other,
    inv_22_diffs_of_adjoining_windows_add_up,
    inv_22_what_changed_and_changed_back_is_no_change,
    inv_22_a_diff_of_a_large_commit_is_whole,
    inv_22_a_diff_from_a_pin_below_the_floor_merges_the_states,
    inv_22_a_diff_from_the_newer_state_is_refused,
);

type Changes = Vec<(Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)>;

fn plain(change: sapwood::Result<Change>) -> (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>) {
    let change = change.expect("a change");
    (
        change.key.to_vec(),
        change.old.map(Vec::from),
        change.new.map(Vec::from),
    )
}

fn collect(diff: Diff) -> Changes {
    diff.map(plain).collect()
}

/// The keys of two states of the grid that differ.
fn expected(old: u64, new: u64) -> Changes {
    let old: BTreeMap<_, _> = WORLD.state(old).into_iter().collect();
    let new: BTreeMap<_, _> = WORLD.state(new).into_iter().collect();
    let keys = WORLD.0.iter().map(|(key, _)| bytes(key));
    keys.map(|key| (key.clone(), old.get(&key).cloned(), new.get(&key).cloned()))
        .filter(|(_, old, new)| old != new)
        .collect()
}

pub(crate) fn inv_22_a_diff_leads_from_one_state_to_the_other(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        for old in 0..=WORLD.last() {
            for new in old..=WORLD.last() {
                let wanted = expected(old, new);
                let diff = || storage.diff(at(old), at(new)).expect("diff");
                assert_eq!(collect(diff()), wanted, "{old} to {new}");
                let mut backward: Changes = diff().rev().map(plain).collect();
                backward.reverse();
                assert_eq!(backward, wanted, "{old} to {new}, from the back");
                assert!(old != new || wanted.is_empty());
            }
        }
    });
}

pub(crate) fn inv_22_diffs_of_adjoining_windows_add_up(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    place.settle(storage, |storage| {
        let mut state = BTreeMap::new();
        for new in 1..=WORLD.last() {
            for (key, old, new) in collect(storage.diff(at(new - 1), at(new)).expect("diff")) {
                assert_eq!(state.remove(&key), old);
                new.and_then(|new| state.insert(key, new));
            }
            assert_eq!(
                state.clone().into_iter().collect::<Vec<_>>(),
                WORLD.state(new)
            );
        }
    });
}

pub(crate) fn inv_22_what_changed_and_changed_back_is_no_change(place: &impl Place) {
    let storage = place.open();
    let first = vec![
        set("back", "1"),
        set("same", "1"),
        set("gone", "1"),
        set("new value", "1"),
    ];
    storage.write_batch(first).expect("commit");
    let second = vec![
        set("back", "2"),
        set("same", "1"),
        delete("gone"),
        set("passing", "2"),
    ];
    storage.write_batch(second).expect("commit");
    let third = vec![
        set("back", "1"),
        delete("passing"),
        delete("absent"),
        set("new value", "3"),
    ];
    storage.write_batch(third).expect("commit");
    place.settle(storage, |storage| {
        let wanted = vec![
            (bytes("gone"), Some(bytes("1")), None),
            (bytes("new value"), Some(bytes("1")), Some(bytes("3"))),
        ];
        assert_eq!(collect(storage.diff(at(1), at(3)).expect("diff")), wanted);
    });
}

/// More keys than the list of a commit's keys holds in one part.
pub(crate) fn inv_22_a_diff_of_a_large_commit_is_whole(place: &impl Place) {
    const KEYS: usize = 12_000;
    let storage = place.open();
    let key = |number: usize| format!("a key that is not short, number {number:08}");
    storage.set(b"before", b"1").expect("set");
    storage
        .write_batch((0..KEYS).map(|n| set(key(n), "1")).collect())
        .expect("commit");
    storage
        .write_batch(vec![delete(key(KEYS / 2))])
        .expect("commit");
    place.settle(storage, |storage| {
        let changes = collect(storage.diff(at(1), at(2)).expect("diff"));
        let found: Vec<_> = changes.iter().map(|change| change.0.clone()).collect();
        assert_eq!(found, (0..KEYS).map(|n| bytes(key(n))).collect::<Vec<_>>());
        assert_eq!(storage.diff(at(1), at(3)).expect("diff").count(), KEYS - 1);
        assert_eq!(storage.diff(at(2), at(3)).expect("diff").count(), 1);
    });
}

pub(crate) fn inv_22_a_diff_from_a_pin_below_the_floor_merges_the_states(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    for pinned in [2, 5] {
        storage
            .pin(&pinned.to_string(), at(pinned), PinOptions::default())
            .expect("pin");
    }
    storage.prune_before(at(8)).expect("prune");
    place.settle(storage, |storage| {
        for (old, new) in [
            (2, 2),
            (2, 5),
            (2, 8),
            (2, 12),
            (5, 9),
            (5, 11),
            (8, 8),
            (8, 12),
        ] {
            let wanted = expected(old, new);
            let diff = || storage.diff(at(old), at(new)).expect("diff");
            assert_eq!(collect(diff()), wanted, "{old} to {new}");
            for directions in 0..1u32 << (wanted.len() + 1).min(6) {
                let mut diff = diff();
                let mut left: std::collections::VecDeque<_> = wanted.iter().cloned().collect();
                for step in 0..=wanted.len() {
                    let (got, wanted) = if directions >> step & 1 == 0 {
                        (diff.next(), left.pop_front())
                    } else {
                        (diff.next_back(), left.pop_back())
                    };
                    assert_eq!(got.map(plain), wanted, "{old} to {new}, {directions:b}");
                }
            }
        }
        assert_eq!(kind(storage.diff(at(3), at(9))), "pruned");
        assert_eq!(kind(storage.diff(at(2), at(3))), "pruned");
    });
}

pub(crate) fn inv_22_a_diff_from_the_newer_state_is_refused(place: &impl Place) {
    let storage = place.open();
    WORLD.play(&storage);
    assert_eq!(kind(storage.diff(at(5), at(4))), "invalid");
    assert_eq!(kind(storage.diff(at(5), at(99))), "not_yet");
}
