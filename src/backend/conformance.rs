//! What every backend must do alike. Run by each backend's own test.

use std::sync::Arc;

use bytes::Bytes;
use proptest::{prelude::*, test_runner::TestRunner};

use super::{Access, Backend, Cursor, Keyspace, Scope, WriteBatch};
use crate::{
    Timestamp,
    codec::{HistoryRow, key},
    config::Durability,
    prune_rule::PruneRule,
};

/// Runs the whole suite; `open` makes an empty backend.
pub(crate) fn check<B: Backend>(open: impl Fn() -> B) {
    keyspaces_are_apart(&open());
    a_batch_is_applied_in_order(&open());
    a_cursor_keeps_its_view(&open());
    cursors_agree_with_an_ordered_map(&open());
    one_key_cursors_find_the_neighbours_of_a_version(&open());
    pruning_drops_what_the_armed_rule_drops(&open());
    an_unarmed_filter_keeps_everything(&open());
}

fn put(backend: &impl Backend, keyspace: Keyspace, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::default();
    batch.put(keyspace, &[key], &[value]);
    backend.write(batch, Durability::Buffered).unwrap();
}

fn rows(cursor: &mut dyn Cursor) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    cursor.seek_to_first().unwrap();
    while let Some((key, value)) = cursor.row() {
        rows.push((key.to_vec(), value.to_vec()));
        cursor.next().unwrap();
    }
    rows
}

fn keyspaces_are_apart(backend: &impl Backend) {
    for keyspace in Keyspace::ALL {
        put(
            backend,
            keyspace,
            b"a key of length",
            keyspace.name().as_bytes(),
        );
    }
    for keyspace in Keyspace::ALL {
        let value = backend.get(keyspace, b"a key of length").unwrap();
        assert_eq!(value.as_deref(), Some(keyspace.name().as_bytes()));
    }
}

fn a_batch_is_applied_in_order(backend: &impl Backend) {
    let mut batch = WriteBatch::default();
    batch.put(Keyspace::Current, &[b"k"], &[b"1"]);
    batch.remove(Keyspace::Current, b"k");
    batch.put(Keyspace::Current, &[b"k", b"2"], &[b"", b"x", b"y"]);
    batch.put(Keyspace::Current, &[b"l"], &[]);
    batch.remove(Keyspace::Current, b"absent");
    assert_eq!(batch.size_bytes(), 1 + 1 + 1 + 2 + 2 + 1 + 6);
    backend.write(batch, Durability::Sync).unwrap();
    let keys: [&[u8]; 3] = [b"k", b"k2", b"l"];
    let values = backend.multi_get(Keyspace::Current, &keys).unwrap();
    assert_eq!(values, [None, Some(Bytes::from("xy")), Some(Bytes::new())]);
    assert!(
        backend
            .multi_get(Keyspace::Current, &[])
            .unwrap()
            .is_empty()
    );
}

fn a_cursor_keeps_its_view(backend: &impl Backend) {
    put(backend, Keyspace::Current, b"a", b"1");
    let mut before = backend
        .cursor(Keyspace::Current, Scope::default(), Access::Scan)
        .unwrap();
    put(backend, Keyspace::Current, b"b", b"2");
    backend.flush().unwrap();
    assert_eq!(rows(before.as_mut()), [(b"a".to_vec(), b"1".to_vec())]);
}

#[derive(Clone, Debug)]
enum Step {
    Seek(Vec<u8>),
    SeekForPrev(Vec<u8>),
    First,
    Last,
    Next,
    Prev,
    Pass(Vec<u8>, usize),
}

fn short_key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(0u8), Just(b'a'), Just(b'b'), Just(0xFF)],
        0..4,
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        short_key().prop_map(Step::Seek),
        short_key().prop_map(Step::SeekForPrev),
        Just(Step::First),
        Just(Step::Last),
        Just(Step::Next),
        Just(Step::Prev),
        (short_key(), 0..4usize).prop_map(|(to, rows)| Step::Pass(to, rows)),
    ]
}

fn cursors_agree_with_an_ordered_map(backend: &impl Backend) {
    let mut runner = TestRunner::default();
    let inputs = (
        proptest::collection::btree_set(short_key(), 0..6),
        short_key(),
        proptest::option::of(short_key()),
        proptest::collection::vec(step(), 1..20),
    );
    runner
        .run(&inputs, |(keys, start, end, steps)| {
            for key in &all_short_keys() {
                let mut batch = WriteBatch::default();
                batch.remove(Keyspace::Deleted, key);
                backend.write(batch, Durability::Buffered).unwrap();
            }
            keys.iter()
                .for_each(|key| put(backend, Keyspace::Deleted, key, key));
            let inside: Vec<_> = keys
                .iter()
                .filter(|key| **key >= start && end.as_ref().is_none_or(|end| *key < end))
                .cloned()
                .collect();
            let scope = Scope { start, end };
            let mut cursor = backend
                .cursor(Keyspace::Deleted, scope, Access::Scan)
                .unwrap();
            let mut expected: Option<usize> = None;
            for step in steps {
                let before = expected;
                expected = match &step {
                    Step::Seek(to) => inside.iter().position(|key| key >= to),
                    Step::SeekForPrev(to) => inside.iter().rposition(|key| key <= to),
                    Step::First => (!inside.is_empty()).then_some(0),
                    Step::Last => inside.len().checked_sub(1),
                    Step::Next => expected.map(|i| i + 1).filter(|i| *i < inside.len()),
                    Step::Prev => expected.and_then(|i| i.checked_sub(1)),
                    Step::Pass(to, rows) => expected
                        .map(|i| {
                            let smaller = inside[i..].iter().take_while(|key| *key < to);
                            i + smaller.take(*rows).count()
                        })
                        .filter(|i| *i < inside.len()),
                };
                match &step {
                    Step::Seek(to) => cursor.seek(to),
                    Step::SeekForPrev(to) => cursor.seek_for_prev(to),
                    Step::First => cursor.seek_to_first(),
                    Step::Last => cursor.seek_to_last(),
                    Step::Next => cursor.next(),
                    Step::Prev => cursor.prev(),
                    Step::Pass(to, rows) => cursor.pass(to, *rows).map(|is_there| {
                        let is_at = expected.is_some_and(|i| inside[i] >= *to);
                        assert_eq!(is_there, is_at && expected != before, "after {step:?}");
                    }),
                }
                .unwrap();
                let found = cursor.row().map(|(key, _)| key.to_vec());
                prop_assert_eq!(
                    found,
                    expected.map(|i| inside[i].clone()),
                    "after {:?}",
                    step
                );
            }
            Ok(())
        })
        .unwrap();
}

/// All keys that the generator can make.
fn all_short_keys() -> Vec<Vec<u8>> {
    let bytes = [0u8, b'a', b'b', 0xFF];
    let mut keys = vec![vec![]];
    let mut longest = keys.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|key| bytes.map(|byte| [key.as_slice(), &[byte]].concat()))
            .collect();
        keys.extend(longest.clone());
    }
    keys
}

fn version(start: u64, end: u64) -> Vec<u8> {
    assert!(start < end);
    HistoryRow {
        end: Timestamp::new(end),
        previous_end: Timestamp::ZERO,
        value: b"v",
    }
    .encode()
}

/// Versions of several keys, spread over files, so that prefix filters are at work.
fn one_key_cursors_find_the_neighbours_of_a_version(backend: &impl Backend) {
    let starts = [2u64, 4, 6, 8];
    for (index, start) in starts.into_iter().enumerate() {
        for name in [&b"a"[..], b"b", b"c"] {
            if name == b"b" || index % 2 == 0 {
                let key = key::encode_version(name, Timestamp::new(start));
                put(backend, Keyspace::History, &key, &version(start, start + 2));
            }
        }
        backend.flush().unwrap();
    }
    for at in 0..10u64 {
        let target = key::encode_version(b"b", Timestamp::new(at));
        let own = key::encode(b"b");
        let mut cursor = backend
            .cursor(Keyspace::History, Scope::default(), Access::OneKey)
            .unwrap();
        let start_of = |cursor: &dyn Cursor| {
            let (version_key, _) = cursor.row()?;
            let (encoded, start) = key::split_version(version_key).unwrap();
            (encoded == own.as_slice()).then_some(start.get())
        };
        cursor.seek(&target).unwrap();
        let found = start_of(cursor.as_ref());
        assert_eq!(
            found,
            starts.into_iter().rfind(|start| *start <= at),
            "at {at}"
        );
        match found {
            Some(_) => cursor.prev().unwrap(),
            None => cursor.seek_for_prev(&target).unwrap(),
        }
        let newer = starts.into_iter().find(|start| *start > at);
        assert_eq!(start_of(cursor.as_ref()), newer, "newer than {at}");
    }
}

fn pruning_drops_what_the_armed_rule_drops(backend: &impl Backend) {
    for name in 0..50u8 {
        for start in (1..20u64).step_by(2) {
            let key = key::encode_version(&[name], Timestamp::new(start));
            put(backend, Keyspace::History, &key, &version(start, start + 2));
        }
        if name % 7 == 0 {
            backend.flush().unwrap();
        }
    }
    put(backend, Keyspace::History, b"cannot be decoded", b"x");
    backend.arm(Arc::new(PruneRule::new(
        Timestamp::new(11),
        [Timestamp::new(4)],
    )));
    let reclaimed = backend.prune(&mut |_, _| {}).unwrap();
    // Of the starts 1, 3, 5, 7, 9 (ends 3 to 11), the one that the pin at 4 sees stays.
    assert_eq!((reclaimed.rows_before, reclaimed.rows_dropped), (501, 200));
    assert_eq!(reclaimed.undecodable_rows, 1);
    let mut cursor = backend
        .cursor(Keyspace::History, Scope::default(), Access::Sweep)
        .unwrap();
    let left = rows(cursor.as_mut());
    assert_eq!(left.len(), 301);
    drop(cursor);
    let again = backend.prune(&mut |_, _| {}).unwrap();
    assert_eq!((again.rows_before, again.rows_dropped), (301, 0));
    assert_eq!(again.undecodable_rows, 1);
}

fn an_unarmed_filter_keeps_everything(backend: &impl Backend) {
    let key = key::encode_version(b"k", Timestamp::new(1));
    put(backend, Keyspace::History, &key, &version(1, 2));
    backend.prune(&mut |_, _| {}).unwrap();
    let all = Scope::default();
    backend
        .compact(Keyspace::History, &all, &mut |_| {})
        .unwrap();
    assert!(backend.get(Keyspace::History, &key).unwrap().is_some());
}
