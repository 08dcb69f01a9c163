//! Rows of `commits`: which keys a commit changed, and when it was made.
//!
//! A commit is one row or, where it changed many keys, several parts:
//!
//! ```text
//! key    | timestamp: 8 | part: 4 |
//! value  | format: 1 | last: 1 | time: 8 | change ... |         part 0
//!        | format: 1 | last: 1 | change ... |                   the parts behind it
//! change | operation: 1 | length: varint | user key |
//! ```
//!
//! `last` is 1 in the last part. `time` is the time of day of the commit, in milliseconds since
//! 1970-01-01 UTC; it orders nothing. The changes are in key order, over all parts. The length is
//! an unsigned LEB128 number in its shortest form.

use super::{DecodeError, split, take_u32, take_u64};
use crate::timestamp::Timestamp;

const FORMAT: u8 = 0;
/// A part is closed once it holds this many bytes: large enough to be cheap, small enough that
/// no reader needs a large buffer.
const PART_BYTES: usize = 256 << 10;

/// What a commit did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It wrote a value.
    Set,
    /// It deleted the key, which existed.
    Delete,
}

/// The key of one part of a commit.
pub fn encode_key(timestamp: Timestamp, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&timestamp.get().to_be_bytes());
    tail.copy_from_slice(&part.to_be_bytes());
    key
}

/// Reads the key of a part: the commit's timestamp and the part's number.
///
/// # Errors
/// Where it is not 12 bytes long.
pub fn decode_key(key: &[u8]) -> Result<(Timestamp, u32), DecodeError> {
    const WRONG: DecodeError = DecodeError("the key of a commit is not 12 bytes long");
    let (number, rest) = take_u64(key).ok_or(WRONG)?;
    match take_u32(rest) {
        Some((part, [])) => Ok((Timestamp::new(number), part)),
        _ => Err(WRONG),
    }
}

/// Packs a commit's changes, which must be in key order, into the values of its parts.
pub fn encode_parts<'a>(
    time_ms: u64,
    changes: impl IntoIterator<Item = (&'a [u8], Operation)>,
) -> Vec<Vec<u8>> {
    let mut parts = Vec::with_capacity(1);
    let mut part = vec![FORMAT, 0];
    part.extend_from_slice(&time_ms.to_be_bytes());
    for (user_key, operation) in changes {
        if part.len() >= PART_BYTES {
            parts.push(std::mem::replace(&mut part, vec![FORMAT, 0]));
        }
        part.push(match operation {
            Operation::Set => 0,
            Operation::Delete => 1,
        });
        push_varint(&mut part, user_key.len());
        part.extend_from_slice(user_key);
    }
    if let Some(last) = part.get_mut(1) {
        *last = 1;
    }
    parts.push(part);
    parts
}

/// One part of a commit, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The time of day of the commit, in milliseconds since 1970; only in part 0.
    pub time_ms: Option<u64>,
    /// Whether no part follows.
    pub last: bool,
    /// The user keys that the commit changed, in order.
    pub changes: Vec<(Vec<u8>, Operation)>,
}

/// Reads the value of part number `part`.
///
/// # Errors
/// Where the bytes are not those of a part, or of a later format.
pub fn decode_part(part: u32, value: &[u8]) -> Result<Part, DecodeError> {
    const SHORT: DecodeError = DecodeError("the commit's part is cut off");
    let [format, last, rest @ ..] = value else {
        return Err(SHORT);
    };
    if *format != FORMAT || *last > 1 {
        return Err(DecodeError("the commit's part is of a later format"));
    }
    let (time_ms, mut rest) = if part == 0 {
        let (time_ms, rest) = take_u64(rest).ok_or(SHORT)?;
        (Some(time_ms), rest)
    } else {
        (None, rest)
    };
    let mut changes = Vec::new();
    while let Some((operation, after)) = rest.split_first() {
        let operation = match operation {
            0 => Operation::Set,
            1 => Operation::Delete,
            _ => return Err(DecodeError("the commit holds an unknown operation")),
        };
        let (length, after) = take_varint(after).ok_or(SHORT)?;
        let (user_key, after) = split(after, length).ok_or(SHORT)?;
        changes.push((user_key.to_vec(), operation));
        rest = after;
    }
    Ok(Part {
        time_ms,
        last: *last == 1,
        changes,
    })
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(0x80 | u8::try_from(number & 0x7F).unwrap_or(0));
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

fn take_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            // A longer form of the same number would be a second encoding of it.
            return if *byte == 0 && index > 0 {
                None
            } else {
                Some((number, bytes.get(index + 1..)?))
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn changes_come_back(
            keys in proptest::collection::btree_set(
                proptest::collection::vec(any::<u8>(), 0..300), 0..40),
            time_ms in any::<u64>(),
        ) {
            let keys: Vec<_> = keys.into_iter().collect();
            let op = |i: usize| if i.is_multiple_of(3) { Operation::Delete } else { Operation::Set };
            let parts = encode_parts(
                time_ms, keys.iter().enumerate().map(|(i, key)| (key.as_slice(), op(i))));
            let part = decode_part(0, &parts[0]).unwrap();
            prop_assert_eq!(part.time_ms, Some(time_ms));
            prop_assert!(part.last);
            let want: Vec<_> = keys.into_iter().enumerate().map(|(i, key)| (key, op(i))).collect();
            prop_assert_eq!(part.changes, want);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_part(0, &bytes);
            let _ = decode_part(1, &bytes);
        }
    }

    #[test]
    fn many_keys_are_cut_into_parts() {
        let keys: Vec<_> = (0..100_000_u32).map(u32::to_be_bytes).collect();
        let parts = encode_parts(7, keys.iter().map(|key| (&key[..], Operation::Set)));
        assert!(parts.len() > 1, "{} parts", parts.len());
        let mut back = Vec::new();
        for (number, value) in parts.iter().enumerate() {
            let part = decode_part(u32::try_from(number).unwrap(), value).unwrap();
            assert_eq!(part.last, number + 1 == parts.len());
            assert_eq!(part.time_ms, (number == 0).then_some(7));
            back.extend(part.changes.into_iter().map(|(key, _)| key));
        }
        assert_eq!(
            back,
            keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_cut_part_is_refused() {
        let parts = encode_parts(7, [(&b"key"[..], Operation::Set)]);
        for cut in 0..parts[0].len() {
            // Cut directly behind the header it is a commit of no keys; everywhere else, wrong.
            assert_eq!(
                decode_part(0, &parts[0][..cut]).is_ok(),
                cut == 10,
                "cut at {cut}"
            );
        }
    }
}
