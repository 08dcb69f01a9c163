//! Operations in any order on the engine in memory, against the reference of `tests/model`.

#[path = "../../../tests/model/reference.rs"]
#[allow(dead_code, reason = "the tests of the model ask for more")]
mod reference;

use arbitrary::Arbitrary;
use reference::Reference;
use sapwood::{
    Batch, CommitOptions, Engine, Isolation, KeyRange, PinOptions, ReadView, Timestamp, Transaction,
};
use std::collections::BTreeSet;

/// Few keys, so that they meet again: the empty one, prefixes, zeros.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Key(u8);

impl Key {
    fn bytes(self) -> Vec<u8> {
        const KEYS: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"ab", b"\xFF"];
        KEYS[usize::from(self.0) % KEYS.len()].to_vec()
    }
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Commit {
        writes: Vec<(Key, Option<u8>)>,
        gap: u8,
    },
    Pin {
        name: u8,
        back: u8,
    },
    Unpin {
        name: u8,
    },
    Prune {
        back: u8,
    },
    Read {
        key: Key,
        back: u8,
    },
    History {
        key: Key,
    },
    Diff {
        back: u8,
        further: u8,
    },
    Rollback {
        back: u8,
    },
    /// A transaction, and a commit beside it.
    Race {
        ours: Vec<Step>,
        theirs: Vec<(Key, Option<u8>)>,
        serializable: bool,
    },
}

/// What a transaction does.
#[derive(Arbitrary, Debug)]
enum Step {
    Get(Key),
    /// Some rows of all.
    Scan(u8),
    Write(Key, Option<u8>),
}

pub(super) fn run(input: &[u8]) {
    let engine = Engine::in_memory();
    let mut reference = Reference::default();
    for operation in super::read::<Vec<Operation>>(input).unwrap_or_default() {
        apply(operation, &engine, &mut reference);
    }
    let report = engine.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Whether a transaction that took these steps relies on a key; checks what it reads.
fn take(
    tx: &mut Transaction,
    steps: Vec<Step>,
    reference: &Reference,
) -> impl Fn(&Vec<u8>) -> bool + use<> {
    let mut state = reference.state(reference.visible);
    let (mut points, mut ranges) = (BTreeSet::new(), Vec::new());
    let mut written = BTreeSet::new();
    for step in steps {
        match step {
            Step::Get(key) => {
                let key = key.bytes();
                let value = tx.get(&key).unwrap().map(|value| value.to_vec());
                assert_eq!(value, state.get(&key).cloned());
                if !written.contains(&key) {
                    points.insert(key);
                }
            }
            Step::Scan(count) => {
                let count = usize::from(count % 8);
                let rows: Vec<_> = tx.range(..).take(count).map(|row| row.unwrap()).collect();
                let found = rows
                    .iter()
                    .map(|(key, value)| (key.to_vec(), value.to_vec()));
                let expected = state.clone().into_iter().take(count);
                assert!(found.eq(expected));
                match rows.last() {
                    _ if rows.len() < count => ranges.push(KeyRange::all()),
                    Some((last, _)) => ranges.push(KeyRange::new(..=last.to_vec())),
                    None => {}
                }
            }
            Step::Write(key, value) => {
                let key = key.bytes();
                match value {
                    Some(value) => {
                        tx.set(&key, [value]).unwrap();
                        state.insert(key.clone(), vec![value]);
                    }
                    None => {
                        tx.delete(&key).unwrap();
                        state.remove(&key);
                    }
                }
                written.insert(key);
            }
        }
    }
    move |key| points.contains(key) || ranges.iter().any(|range| range.contains(key))
}

fn apply(operation: Operation, engine: &Engine, reference: &mut Reference) {
    match operation {
        Operation::Commit { writes, gap } => {
            let writes: Vec<_> = writes
                .into_iter()
                .map(|(key, value)| (key.bytes(), value.map(|value| vec![value])))
                .collect();
            let timestamp = reference.visible + 1 + u64::from(gap % 3);
            let options = CommitOptions::default().at(Timestamp::new(timestamp));
            engine.commit(Batch::from(writes.clone()), options).unwrap();
            reference.commit(timestamp, &writes);
        }
        Operation::Race {
            ours,
            theirs,
            serializable,
        } => race(ours, theirs, serializable, engine, reference),
        Operation::Pin { name, back: b } => {
            let (name, at) = (format!("{}", name % 3), back(b, reference));
            let done = engine.pin(&name, Timestamp::new(at), PinOptions::default());
            let legal = reference.is_readable(at) && !reference.pins.contains_key(&name);
            assert_eq!(done.is_ok(), legal);
            if legal {
                reference.pins.insert(name, at);
            }
        }
        Operation::Unpin { name } => {
            let name = format!("{}", name % 3);
            assert_eq!(
                engine.unpin(&name).is_ok(),
                reference.pins.remove(&name).is_some()
            );
        }
        Operation::Prune { back: b } => {
            let before = back(b, reference);
            engine.prune_before(Timestamp::new(before)).unwrap();
            reference.floor = reference.floor.max(before);
        }
        Operation::Rollback { back: b } => {
            let target = back(b % 8, reference);
            let is_pinned = reference.pins.values().any(|pin| *pin > target);
            let is_legal = target >= reference.floor && !is_pinned;
            let done = engine.rollback_to(Timestamp::new(target));
            assert_eq!(done.is_ok(), is_legal, "{done:?}");
            if is_legal {
                reference.roll_back(target);
            }
            assert_eq!(engine.visible().get(), reference.visible);
            assert_eq!(engine.epoch(), reference.epoch());
        }
        reading => look(reading, engine, reference),
    }
}

/// A transaction, with a commit between its steps and its end.
fn race(
    ours: Vec<Step>,
    theirs: Vec<(Key, Option<u8>)>,
    serializable: bool,
    engine: &Engine,
    reference: &mut Reference,
) {
    let isolation = if serializable {
        Isolation::Serializable
    } else {
        Isolation::Snapshot
    };
    let mut writes = std::collections::BTreeMap::new();
    for step in &ours {
        if let Step::Write(key, value) = step {
            writes.insert(key.bytes(), value.map(|value| vec![value]));
        }
    }
    let mut tx = engine.begin(isolation).unwrap();
    let snapshot = reference.visible;
    let relies_on = take(&mut tx, ours, reference);
    apply(
        Operation::Commit {
            writes: theirs,
            gap: 0,
        },
        engine,
        reference,
    );
    let lost = reference
        .written_since(snapshot)
        .into_iter()
        .any(|key| writes.contains_key(key) || serializable && relies_on(key));
    let done = tx.commit();
    assert_eq!(done.is_err(), lost && !writes.is_empty());
    if done.is_ok() && !writes.is_empty() {
        let writes: Vec<_> = writes.into_iter().collect();
        reference.commit(reference.visible + 1, &writes);
    }
}

/// Reads, and compares.
fn look(operation: Operation, engine: &Engine, reference: &Reference) {
    match operation {
        Operation::Read { key, back: b } => {
            let (key, at) = (key.bytes(), back(b, reference));
            let snapshot = engine.at(Timestamp::new(at));
            assert_eq!(snapshot.is_ok(), reference.is_readable(at));
            let Ok(snapshot) = snapshot else { return };
            let value = snapshot.get(&key).unwrap().map(|value| value.to_vec());
            assert_eq!(value, reference.get(&key, at));
            let rows: Vec<_> = snapshot.range(..).map(Result::unwrap).collect();
            let state = reference.state(at);
            assert!(
                rows.iter()
                    .map(|(key, value)| (key.as_ref(), value.as_ref()))
                    .eq(state
                        .iter()
                        .map(|(key, value)| (key.as_slice(), value.as_slice())))
            );
            let mut reversed: Vec<_> = snapshot.range(..).rev().map(Result::unwrap).collect();
            reversed.reverse();
            assert_eq!(rows, reversed);
        }
        Operation::History { key } => {
            let versions: Vec<_> = engine
                .history(key.bytes(), ..)
                .unwrap()
                .map(Result::unwrap)
                .map(|v| (v.start.get(), v.end.map(Timestamp::get), v.value.to_vec()))
                .collect();
            assert_eq!(versions, reference.versions(&key.bytes()));
        }
        Operation::Diff { back: b, further } => {
            let new = back(b, reference);
            let old = new.saturating_sub(u64::from(further % 32));
            if !reference.is_readable(old) || !reference.is_readable(new) {
                return;
            }
            let changes: Vec<_> = engine
                .diff(Timestamp::new(old), Timestamp::new(new))
                .unwrap()
                .map(Result::unwrap)
                .map(|c| (c.key.to_vec(), c.old.map(Vec::from), c.new.map(Vec::from)))
                .collect();
            assert_eq!(changes, reference.diff(old, new));
        }
        changing => unreachable!("it changes something: {changing:?}"),
    }
}

/// A timestamp so far behind the newest.
fn back(by: u8, reference: &Reference) -> u64 {
    reference.visible.saturating_sub(u64::from(by % 32))
}
