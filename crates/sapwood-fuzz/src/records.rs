//! Rows, the parts of commits, and the marks of `meta`: what was encoded decodes, and what decodes encodes back.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use bytes::Bytes;
use sapwood::{
    Timestamp,
    codec::{CurrentRow, HistoryRow, commit, deleted, meta, retention},
};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Any bytes, as a record of this kind; the number is a version's start, or that of a part.
    Bytes {
        kind: u8,
        number: u64,
        bytes: &'a [u8],
    },
    Row {
        start: u64,
        end: u64,
        previous_end: u64,
        value: &'a [u8],
    },
    Commit {
        time_ms: u64,
        changes: BTreeMap<&'a [u8], Option<(&'a [u8], u16)>>,
    },
    Marks(Marks<'a>),
}

#[derive(Arbitrary, Debug)]
struct Marks<'a> {
    numbers: [u64; 5],
    name: &'a str,
    flag: bool,
    expires: Option<u64>,
    created: Option<u64>,
    policy: BTreeMap<u8, u64>,
}

/// Two such values fill a part.
const VALUE_BYTES: usize = 200 << 10;

/// Whether a number is a timestamp that can be stored.
fn is_stored(number: u64) -> bool {
    number <= Timestamp::MAX.get()
}

pub(super) fn run(input: &[u8]) {
    match super::read(input) {
        Some(Input::Bytes {
            kind,
            number,
            bytes,
        }) => any_bytes(kind, number, bytes),
        Some(Input::Row {
            start,
            end,
            previous_end,
            value,
        }) => row(start, end, previous_end, value),
        Some(Input::Commit { time_ms, changes }) => changed(time_ms, &changes),
        Some(Input::Marks(marks)) => marked(&marks),
        None => {}
    }
}

fn row(start: u64, end: u64, previous_end: u64, value: &[u8]) {
    let is_commit = |number: u64| number > 0 && is_stored(number);
    let [start_at, end_at, previous] = [start, end, previous_end].map(Timestamp::new);
    let current = CurrentRow {
        start: start_at,
        previous_end: previous,
        value,
    };
    let bytes = current.encode();
    let wanted = (is_commit(start) && previous_end <= start).then_some(current);
    assert_eq!(CurrentRow::peek(&bytes).ok(), wanted);
    let shared = CurrentRow::decode(Bytes::from(bytes)).ok();
    assert_eq!(
        shared.map(|row| row.value),
        wanted.map(|row| Bytes::copy_from_slice(row.value))
    );

    let history = HistoryRow {
        end: end_at,
        previous_end: previous,
        value,
    };
    let bytes = history.encode();
    let is_right = start > 0 && end > start && is_stored(end) && previous_end <= start;
    let wanted = is_right.then_some(history);
    assert_eq!(HistoryRow::peek(start_at, &bytes).ok(), wanted);
    let shared = HistoryRow::decode(start_at, Bytes::from(bytes)).ok();
    assert_eq!(
        shared.map(|row| row.value),
        wanted.map(|row| Bytes::copy_from_slice(row.value))
    );

    let bytes = deleted::encode(start_at);
    assert_eq!(
        deleted::decode(&bytes).ok(),
        is_commit(start).then_some(start_at)
    );
}

/// A commit comes back from its parts, with its values and without.
fn changed(time_ms: u64, changes: &BTreeMap<&[u8], Option<(&[u8], u16)>>) {
    // A short input makes values long enough for several parts.
    let long = |(value, times): &(&[u8], u16)| {
        value.repeat(usize::from(*times).min(VALUE_BYTES / value.len().max(1)))
    };
    let changes: Vec<_> = changes
        .iter()
        .map(|(key, value)| (*key, value.as_ref().map(long)))
        .collect();
    let borrowed = changes.iter().map(|(key, value)| (*key, value.as_deref()));
    let parts = commit::encode_parts(time_ms, borrowed);
    let mut wanted = changes.iter();
    for (number, bytes) in (0..).zip(&parts) {
        let is_last = number as usize + 1 == parts.len();
        let part = commit::decode_part(number, bytes).unwrap();
        let time = (number == 0).then_some(time_ms);
        assert_eq!(
            (part.time_ms, part.last, part.has_values),
            (time, is_last, true)
        );
        let keys = commit::without_values(number, bytes).unwrap().unwrap();
        let trimmed = commit::decode_part(number, &keys).unwrap();
        assert_eq!(
            (trimmed.time_ms, trimmed.last, trimmed.has_values),
            (time, is_last, false)
        );
        assert_eq!(commit::without_values(number, &keys), Ok(None));
        assert_eq!(trimmed.changes().len(), part.changes().len());
        for (with, without) in part.changes().zip(trimmed.changes()) {
            let (key, value) = wanted.next().unwrap();
            assert_eq!((with.key, with.value), (*key, value.as_deref()));
            assert_eq!((without.key, without.value), (*key, None));
            assert_eq!(with.operation, without.operation);
            assert_eq!(with.operation == commit::Operation::Delete, value.is_none());
        }
    }
    assert!(wanted.next().is_none());
    assert_eq!(commit::peek(&parts[0]), Ok((time_ms, parts.len() == 1)));
}

fn marked(marks: &Marks<'_>) {
    let [number, epoch, acknowledged_ms, max_lag, max_age_ms] = marks.numbers;
    let at = Timestamp::new(number);
    let stored = is_stored(number);
    let pin = (at, marks.expires.filter(|ms| *ms > 0), marks.created);
    assert_eq!(
        meta::decode_pin(&meta::encode_pin(at, marks.expires, marks.created)).ok(),
        stored.then_some(pin)
    );
    let feed = meta::FeedRow {
        timestamp: at,
        epoch,
        acknowledged_ms,
        max_lag,
        max_age_ms,
        is_let_go: marks.flag,
    };
    assert_eq!(
        meta::decode_feed(&meta::encode_feed(&feed)).ok(),
        stored.then_some(feed)
    );
    assert_eq!(
        meta::decode_timestamp(&meta::encode_timestamp(at)).ok(),
        stored.then_some(at)
    );
    assert_eq!(
        meta::decode_lineage_key(&meta::lineage_key(at)).ok(),
        stored.then_some(at)
    );
    let rollback = meta::encode_rollback(at, marks.flag);
    assert_eq!(
        meta::decode_rollback(&rollback).ok(),
        stored.then_some((at, marks.flag))
    );
    assert_eq!(
        meta::decode_rollback_key(&meta::rollback_key(epoch)),
        Ok(epoch)
    );
    let version = u32::try_from(max_lag).unwrap_or(u32::MAX);
    assert_eq!(
        meta::decode_format(&meta::encode_format(version)),
        Ok(version)
    );
    let names = [
        (meta::pin_key(marks.name), meta::PIN_PREFIX),
        (meta::feed_key(marks.name), meta::FEED_PREFIX),
    ];
    for (name, prefix) in names {
        assert_eq!(name.strip_prefix(prefix), Some(marks.name.as_bytes()));
    }
    let policy: Vec<_> = marks
        .policy
        .iter()
        .map(|(tag, number)| (*tag, *number))
        .collect();
    assert_eq!(
        retention::decode(&retention::encode(policy.iter().copied())),
        Ok(policy)
    );
}

fn any_bytes(kind: u8, number: u64, bytes: &[u8]) {
    let start = Timestamp::new(number);
    match kind % 10 {
        0 => {
            if let Ok(row) = CurrentRow::peek(bytes) {
                assert_eq!(row.encode(), bytes);
            }
        }
        1 => {
            if let Ok(row) = HistoryRow::peek(start, bytes) {
                assert_eq!(row.encode(), bytes);
            }
        }
        2 => {
            if let Ok(timestamp) = deleted::decode(bytes) {
                assert_eq!(deleted::encode(timestamp), bytes);
            }
        }
        3 => {
            part(bytes);
            let decoded = commit::decode_part(1, bytes).is_ok();
            assert_eq!(commit::without_values(1, bytes).is_ok(), decoded);
            let _ = commit::peek(bytes);
            if let Ok((timestamp, part)) = commit::decode_key(bytes) {
                assert_eq!(commit::encode_key(timestamp, part), bytes);
            }
        }
        4 => {
            if let Ok((timestamp, expires, created)) = meta::decode_pin(bytes) {
                assert_eq!(meta::encode_pin(timestamp, expires, created), bytes);
            }
        }
        5 => {
            if let Ok(feed) = meta::decode_feed(bytes) {
                assert_eq!(meta::encode_feed(&feed), bytes);
            }
        }
        6 => {
            if let Ok((target, has_ended)) = meta::decode_rollback(bytes) {
                assert_eq!(meta::encode_rollback(target, has_ended), bytes);
            }
            if let Ok(epoch) = meta::decode_rollback_key(bytes) {
                assert_eq!(meta::rollback_key(epoch), bytes);
            }
        }
        7 => {
            if let Ok(start) = meta::decode_lineage_key(bytes) {
                assert_eq!(meta::lineage_key(start), bytes);
            }
            if let Ok(branch) = meta::decode_lineage(bytes) {
                assert_eq!(branch, bytes);
            }
        }
        8 => {
            if let Ok(numbers) = retention::decode(bytes) {
                assert_eq!(retention::encode(numbers), bytes);
            }
        }
        _ => {
            if let Ok(timestamp) = meta::decode_timestamp(bytes) {
                assert_eq!(meta::encode_timestamp(timestamp), bytes);
            }
            if let Ok(version) = meta::decode_format(bytes) {
                assert_eq!(meta::encode_format(version), bytes);
            }
        }
    }
}

/// Part 0 of a commit: what decodes encodes back, where it is of the form that is written.
fn part(bytes: &[u8]) {
    let Ok(part) = commit::decode_part(0, bytes) else {
        return;
    };
    assert_eq!(commit::peek(bytes), Ok((part.time_ms.unwrap(), part.last)));
    let value = |change: commit::Changed<'_>| match change.operation {
        commit::Operation::Set => Some(change.value.unwrap_or_default().to_vec()),
        commit::Operation::Delete => None,
    };
    let changes: Vec<_> = part.changes().map(|it| (it.key, value(it))).collect();
    let changes = changes.iter().map(|(key, value)| (*key, value.as_deref()));
    let again = commit::encode_parts(part.time_ms.unwrap(), changes);
    // One part, and the last of its commit, is the form that is written. What older builds wrote is not.
    if let [again] = &again[..]
        && part.last
        && bytes[0] > 0
    {
        let trimmed = commit::without_values(0, again).unwrap().unwrap();
        let again = if part.has_values { again } else { &trimmed };
        assert_eq!(again.as_slice(), bytes);
    }
}
