//! The table against a plain map: whatever was added, sealed and let go, and in whichever direction.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Recent, RecentCursor};
use crate::{
    Value,
    backend::Scope,
    codec::key::{self, KeyBuffer},
    storage::walk::Direction,
    timestamp::Timestamp,
};

type Rows = Vec<(Vec<u8>, Option<Value>)>;
/// The versions of each encoded key, oldest first.
type Versions = BTreeMap<Vec<u8>, Vec<(u64, Option<Value>)>>;

#[derive(Clone, Debug)]
enum Op {
    /// A commit: keys, and whether each gets a value.
    Commit(BTreeMap<u8, bool>),
    Seal,
    LetGo,
    /// Begins to read: bounds, how far below the newest, in which direction.
    Open(u8, Option<u8>, u64, bool),
    /// Takes rows from all cursors.
    Take(usize),
    /// Looks up and lists a key.
    Look(u8, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let commit = prop::collection::btree_map(0..24u8, any::<bool>(), 1..8);
    prop_oneof![
        6 => commit.prop_map(Op::Commit),
        2 => Just(Op::Seal),
        1 => Just(Op::LetGo),
        2 => (0..26u8, prop::option::of(0..26u8), 0..12u64, any::<bool>())
            .prop_map(|(start, end, behind, backward)| Op::Open(start, end, behind, backward)),
        4 => (1..5usize).prop_map(Op::Take),
        4 => (0..24u8, 0..12u64).prop_map(|(key, behind)| Op::Look(key, behind)),
    ]
}

/// Some keys are longer than what is kept inline; they are in the order of their numbers.
fn encoded(number: u8) -> KeyBuffer {
    let tail = vec![0; if number.is_multiple_of(3) { 50 } else { 0 }];
    key::encode(&[&[number], &tail[..]].concat())
}

/// Some values are longer than what is copied; values of one commit are in one block.
fn value(at: u64, number: u8) -> Value {
    let length = if number.is_multiple_of(7) { 5000 } else { 3 };
    Value::from([vec![number; length], at.to_be_bytes().to_vec()].concat())
}

#[derive(Default)]
struct Model {
    /// Oldest first; the last is active.
    segments: Vec<Versions>,
    last: u64,
}

impl Model {
    fn versions_of(&self, key: &[u8], until: u64) -> Vec<(u64, Option<Value>)> {
        let of = |segment: &Versions| segment.get(key).cloned().unwrap_or_default();
        let versions = self.segments.iter().flat_map(of);
        versions.filter(|(start, _)| *start <= until).collect()
    }

    fn rows(&self, scope: &Scope, at: u64, backward: bool) -> Rows {
        let mut rows = BTreeMap::new();
        for (key, versions) in self.segments.iter().flatten() {
            let is_inside = *key >= scope.start && scope.end.as_ref().is_none_or(|end| key < end);
            let visible = versions.iter().rfind(|(start, _)| *start <= at);
            if let (true, Some((_, value))) = (is_inside, visible) {
                rows.insert(key.clone(), value.clone());
            }
        }
        let mut rows: Rows = rows.into_iter().collect();
        if backward {
            rows.reverse();
        }
        rows
    }
}

/// Takes rows from a cursor, and compares them with the first of `rows`.
fn take(cursor: &mut RecentCursor, rows: &mut Rows, count: usize) {
    for _ in 0..count {
        let next = cursor.key().map(<[u8]>::to_vec);
        let taken = cursor.take().map(|(key, value)| (key.to_vec(), value));
        assert_eq!(next, taken.as_ref().map(|(key, _)| key.clone()));
        let wanted = (!rows.is_empty()).then(|| rows.remove(0));
        assert_eq!(taken, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_is_a_map_of_versions(ops in prop::collection::vec(op(), 1..60)) {
        let recent = Recent::new(Timestamp::ZERO, 1 << 20);
        let mut model = Model { segments: vec![Versions::new()], last: 0 };
        let mut cursors: Vec<(RecentCursor, Rows)> = Vec::new();
        for op in ops {
            match op {
                Op::Commit(keys) => {
                    model.last += 1;
                    let at = model.last;
                    let writes = keys.into_iter().map(|(number, is_set)| {
                        (encoded(number), is_set.then(|| value(at, number)))
                    });
                    let writes: Vec<_> = writes.collect();
                    let commit = writes.iter().cloned();
                    recent.insert(commit.map(|(key, value)| (Timestamp::new(at), key, value)));
                    let active = model.segments.last_mut().unwrap();
                    for (key, value) in writes {
                        active.entry(key.to_vec()).or_default().push((at, value));
                    }
                }
                Op::Seal => {
                    recent.seal();
                    if model.segments.last().is_some_and(|active| !active.is_empty()) {
                        model.segments.push(Versions::new());
                    }
                }
                Op::LetGo => {
                    let is_sealed = model.segments.len() > 1;
                    prop_assert_eq!(recent.oldest_sealed().is_some(), is_sealed);
                    prop_assert_eq!(recent.let_go().is_some(), is_sealed);
                    if is_sealed {
                        model.segments.remove(0);
                    }
                }
                Op::Open(start, end, behind, backward) => {
                    let scope = Scope {
                        start: encoded(start).to_vec(),
                        end: end.map(|end| encoded(end).to_vec()),
                    };
                    let at = model.last.saturating_sub(behind);
                    let direction = if backward { Direction::Backward } else { Direction::Forward };
                    let cursor = recent.cursor(&scope, Timestamp::new(at), direction);
                    cursors.push((cursor, model.rows(&scope, at, backward)));
                }
                Op::Take(count) => {
                    cursors.iter_mut().for_each(|(cursor, rows)| take(cursor, rows, count));
                }
                Op::Look(number, behind) => {
                    let (key, at) = (encoded(number), model.last.saturating_sub(behind));
                    let versions = model.versions_of(&key, at);
                    let plain = |version: super::RecentVersion| (version.start.get(), version.value);
                    let found = recent.get(&key, Timestamp::new(at)).map(plain);
                    prop_assert_eq!(found.as_ref(), versions.last());
                    let found = recent.versions_of(&key, Timestamp::new(at));
                    let found: Vec<_> = found.into_iter().map(plain).collect();
                    prop_assert_eq!(found, versions);
                }
            }
            let versions = model.segments.iter().flat_map(BTreeMap::values).map(Vec::len);
            let (held, bytes) = recent.held();
            prop_assert_eq!(usize::try_from(held).unwrap(), versions.sum::<usize>());
            prop_assert_eq!((bytes > 0, !recent.is_empty()), (held > 0, held > 0));
        }
        for (cursor, rows) in &mut cursors {
            take(cursor, rows, 40);
        }
    }

    /// Everything in a sealed segment is given out for the merge, each key once and with all its versions.
    #[test]
    fn the_merge_gets_every_key_of_a_segment(
        commits in prop::collection::vec(
            prop::collection::btree_map(0..24u8, any::<bool>(), 1..8), 1..12),
        limit in 1..5usize,
        limit_bytes in 0..100usize,
    ) {
        let recent = Recent::new(Timestamp::ZERO, 0);
        let mut wanted = Versions::new();
        for (at, keys) in (1..).zip(commits) {
            for (number, is_set) in keys {
                let value = is_set.then(|| value(at, number));
                let version = (Timestamp::new(at), encoded(number), value.clone());
                recent.insert(std::iter::once(version));
                wanted.entry(encoded(number).to_vec()).or_default().push((at, value));
            }
        }
        recent.seal();
        let segment = recent.oldest_sealed().unwrap();
        prop_assert_eq!(Some(segment.newest().get()),
            wanted.values().flatten().map(|(at, _)| *at).max());
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let keys = segment.next_keys(after.as_ref(), limit, limit_bytes);
            prop_assert!(keys.len() <= limit);
            let Some((last, _)) = keys.last() else { break };
            after = Some(last.clone());
            let plain = |(key, versions): (super::RecentKey, super::Versions)| {
                let versions = versions.into_iter();
                let versions = versions.map(|version| (version.start.get(), version.value));
                (key.to_vec(), versions.collect::<Vec<_>>())
            };
            found.extend(keys.into_iter().map(plain));
        }
        prop_assert_eq!(found, wanted.into_iter().collect::<Vec<_>>());
    }
}

/// What a cursor has not taken yet is read from segments that grew meanwhile, or that are gone.
#[test]
fn a_cursor_sees_neither_what_comes_nor_what_goes() {
    for direction in [Direction::Forward, Direction::Backward] {
        let recent = Recent::new(Timestamp::ZERO, 1 << 20);
        let insert = |at: u64, numbers: std::ops::Range<u8>| {
            let versions = numbers.map(|number| {
                let value = Some(Value::from(vec![number]));
                (Timestamp::new(at), encoded(number), value)
            });
            recent.insert(versions);
        };
        insert(1, 0..20);
        recent.seal();
        insert(2, 10..30);
        let mut cursor = recent.cursor(&Scope::default(), Timestamp::new(2), direction);
        let first = cursor.take().unwrap().0;
        insert(3, 0..60);
        recent.seal();
        recent.let_go().unwrap();
        insert(4, 0..60);
        let mut keys = vec![first.to_vec()];
        keys.extend(std::iter::from_fn(|| cursor.take()).map(|(key, _)| key.to_vec()));
        let mut wanted: Vec<_> = (0..30).map(|number| encoded(number).to_vec()).collect();
        if direction == Direction::Backward {
            wanted.reverse();
        }
        assert_eq!(keys, wanted);
    }
}
