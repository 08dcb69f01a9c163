//! Any bytes: what decodes encodes back to the same bytes, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sapwood::{
    Timestamp,
    codec::{CurrentRow, HistoryRow, commit, deleted, key, meta},
};

fuzz_target!(|input: (u8, u64, &[u8])| {
    let (kind, number, bytes) = input;
    let start = Timestamp::new(number);
    match kind % 7 {
        0 => {
            if let Ok(user_key) = key::decode(bytes) {
                assert_eq!(key::encode(&user_key).as_slice(), bytes);
            }
            assert_eq!(key::decode(&key::encode(bytes)).unwrap(), bytes);
        }
        1 => {
            if let Ok((encoded, start)) = key::split_version(bytes) {
                let mut again = key::KeyBuffer::from_slice(encoded);
                key::push_start(&mut again, start);
                assert_eq!(again.as_slice(), bytes);
            }
        }
        2 => {
            if let Ok(row) = CurrentRow::peek(bytes) {
                assert_eq!(row.encode(), bytes);
            }
        }
        3 => {
            if let Ok(row) = HistoryRow::peek(start, bytes) {
                assert_eq!(row.encode(), bytes);
            }
        }
        4 => {
            if let Ok(timestamp) = deleted::decode(bytes) {
                assert_eq!(deleted::encode(timestamp), bytes);
            }
        }
        5 => {
            if let Ok(part) = commit::decode_part(0, bytes) {
                let value = |change: commit::Changed<'_>| match change.operation {
                    commit::Operation::Set => Some(change.value.unwrap_or_default().to_vec()),
                    commit::Operation::Delete => None,
                };
                let changes = part.changes().map(|it| (it.key, value(it)));
                let changes: Vec<_> = changes.collect();
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
            let _ = commit::decode_part(1, bytes);
            let _ = commit::without_values(0, bytes);
            let _ = commit::peek(bytes);
            let _ = commit::decode_key(bytes);
        }
        _ => {
            if let Ok((timestamp, expires, created)) = meta::decode_pin(bytes) {
                assert_eq!(meta::encode_pin(timestamp, expires, created), bytes);
            }
            let _ = meta::decode_timestamp(bytes);
            let _ = meta::decode_format(bytes);
        }
    }
});
