//! Rows of `commits`: what a commit changed, and when it was made.
//!
//! A commit is one row or, where it changed much, several parts:
//!
//! ```text
//! key    | timestamp: 8 | part: 4 |
//! value  | format: 1 | last: 1 | time: 8 | change ... |         part 0
//!        | format: 1 | last: 1 | change ... |                   the parts behind it
//! change | operation: 1 | length: varint | user key | length: varint | value |      format 1: with values
//!        | 2 * shared + operation: varint | length: varint | rest of the user key |  format 2: keys only
//!        | operation: 1 | length: varint | user key |        format 0: keys only, of older builds
//! ```
//!
//! A commit is written with its values, which are taken out once its versions lie in `current` and
//! `history`. What is left are keys in order, of each only what it does not `share` with the one before it in its
//! part: see `front_coded`. `last` is 1 in the last part. `time` is the time of day of the commit, in milliseconds since
//! 1970-01-01 UTC; it orders nothing. An operation is 0 for a set and 1 for a delete, whose value is
//! not there. The changes are in key order, over all parts. A length is an unsigned LEB128 number in
//! its shortest form.

mod front_coded;

use std::{borrow::Cow, ops::Range};

use super::{DecodeError, split, take_u32, take_u64};
use crate::timestamp::Timestamp;

const FORMAT_VALUES: u8 = 1;
const FORMAT_FRONT_CODED: u8 = 2;
/// A part is closed once it holds this many bytes: large enough to be cheap, small enough that
/// few readers need a large buffer. DO NOT CHANGE: that its keys are no longer is part of format 2.
const PART_BYTES: usize = 256 << 10;
/// What stands before the changes in part 0.
const HEAD_BYTES: usize = 10;

const SHORT: DecodeError = DecodeError("the commit's part is cut off");

/// What a commit did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It wrote a value.
    Set,
    /// It deleted the key, which existed.
    Delete,
}

impl Operation {
    fn number(self) -> u8 {
        match self {
            Self::Set => 0,
            Self::Delete => 1,
        }
    }
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

/// Packs a commit's changes, which must be in key order, into the values of its parts: each user key with
/// its value, or `None` where it was deleted.
pub fn encode_parts<'a>(
    time_ms: u64,
    changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> Vec<Vec<u8>> {
    let mut parts = Vec::with_capacity(1);
    let mut part = vec![FORMAT_VALUES, 0];
    part.extend_from_slice(&time_ms.to_be_bytes());
    for (user_key, value) in changes {
        if part.len() >= PART_BYTES {
            parts.push(std::mem::replace(&mut part, vec![FORMAT_VALUES, 0]));
        }
        let operation = match value {
            Some(_) => Operation::Set,
            None => Operation::Delete,
        };
        part.push(operation.number());
        push_varint(&mut part, user_key.len());
        part.extend_from_slice(user_key);
        if let Some(value) = value {
            push_varint(&mut part, value.len());
            part.extend_from_slice(value);
        }
    }
    if let Some(last) = part.get_mut(1) {
        *last = 1;
    }
    parts.push(part);
    parts
}

/// One part of a commit, read.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The time of day of the commit, in milliseconds since 1970; only in part 0.
    pub time_ms: Option<u64>,
    /// Whether no part follows.
    pub last: bool,
    /// Whether it holds values: then its versions may not lie anywhere else yet.
    pub has_values: bool,
    /// What the keys lie in: the bytes that were read, or a buffer for those that are not there in full.
    keys: Cow<'a, [u8]>,
    changes: Vec<Slot<'a>>,
}

/// A change, as it is kept: where its key lies, and its value.
#[derive(Clone, Debug)]
struct Slot<'a> {
    key: Range<usize>,
    operation: Operation,
    value: Option<&'a [u8]>,
}

/// What a commit did to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed<'a> {
    /// The user key.
    pub key: &'a [u8],
    /// What was done to it.
    pub operation: Operation,
    /// What it was set to, in a part with values.
    pub value: Option<&'a [u8]>,
}

impl Part<'_> {
    /// What the commit changed, in key order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Changed<'_>> {
        self.changes.iter().map(|slot| Changed {
            key: self.keys.get(slot.key.clone()).unwrap_or_default(),
            operation: slot.operation,
            value: slot.value,
        })
    }
}

/// Reads of the value of part 0 when the commit was made, in milliseconds since 1970, and whether no part
/// follows. What it changed is not looked at.
///
/// # Errors
/// As [`decode_part`].
pub fn peek(value: &[u8]) -> Result<(u64, bool), DecodeError> {
    let (head, _) = split(value, HEAD_BYTES).ok_or(SHORT)?;
    let part = decode_part(0, head)?;
    Ok((part.time_ms.unwrap_or_default(), part.last))
}

/// Reads the value of part number `part`. What that takes of memory is a few times the length of the value and of a
/// part, whatever the bytes are.
///
/// # Errors
/// Where the bytes are not those of a part, or of a later format.
pub fn decode_part(part: u32, value: &[u8]) -> Result<Part<'_>, DecodeError> {
    let [format, last, rest @ ..] = value else {
        return Err(SHORT);
    };
    if *format > FORMAT_FRONT_CODED || *last > 1 {
        return Err(DecodeError("the commit's part is of a later format"));
    }
    let has_values = *format == FORMAT_VALUES;
    let (time_ms, rest) = if part == 0 {
        let (time_ms, rest) = take_u64(rest).ok_or(SHORT)?;
        (Some(time_ms), rest)
    } else {
        (None, rest)
    };
    let (keys, changes) = if *format == FORMAT_FRONT_CODED {
        let (keys, changes) = front_coded::decode(rest)?;
        (Cow::Owned(keys), changes)
    } else {
        (Cow::Borrowed(rest), decode_plain(rest, has_values)?)
    };
    Ok(Part {
        time_ms,
        last: *last == 1,
        has_values,
        keys,
        changes,
    })
}

/// Reads changes whose keys lie in these bytes.
fn decode_plain(bytes: &[u8], has_values: bool) -> Result<Vec<Slot<'_>>, DecodeError> {
    let mut changes = Vec::new();
    let mut rest = bytes;
    while let Some((operation, after)) = rest.split_first() {
        let operation = match operation {
            0 => Operation::Set,
            1 => Operation::Delete,
            _ => return Err(DecodeError("the commit holds an unknown operation")),
        };
        let (key, after) = take_counted(after).ok_or(SHORT)?;
        let end = bytes.len() - after.len();
        let (value, after) = if has_values && operation == Operation::Set {
            let (value, after) = take_counted(after).ok_or(SHORT)?;
            (Some(value), after)
        } else {
            (None, after)
        };
        changes.push(Slot {
            key: end - key.len()..end,
            operation,
            value,
        });
        rest = after;
    }
    Ok(changes)
}

/// The value of part number `part` without the values in it; `None` where it has none already.
///
/// # Errors
/// As [`decode_part`], and where its keys are longer than a part is.
pub fn without_values(part: u32, value: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let read = decode_part(part, value)?;
    if !read.has_values {
        return Ok(None);
    }
    let mut keys = vec![FORMAT_FRONT_CODED, u8::from(read.last)];
    if let Some(time_ms) = read.time_ms {
        keys.extend_from_slice(&time_ms.to_be_bytes());
    }
    front_coded::encode(&mut keys, read.changes())?;
    Ok(Some(keys))
}

/// Reads a length, and as many bytes.
fn take_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = take_varint(bytes)?;
    split(rest, length)
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
        fn changes_come_back_with_their_values_and_without(
            changes in proptest::collection::btree_map(
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), 0..40),
            time_ms in any::<u64>(),
        ) {
            let written = changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
            let parts = encode_parts(time_ms, written.clone());
            let operation = |value: Option<&[u8]>| match value {
                Some(_) => Operation::Set,
                None => Operation::Delete,
            };
            let with: Vec<_> = written.clone()
                .map(|(key, value)| Changed { key, operation: operation(value), value }).collect();
            let part = decode_part(0, &parts[0]).unwrap();
            prop_assert_eq!((part.time_ms, part.last, part.has_values), (Some(time_ms), true, true));
            prop_assert_eq!(part.changes().collect::<Vec<_>>(), with);

            let keys = without_values(0, &parts[0]).unwrap().unwrap();
            let without: Vec<_> = written
                .map(|(key, value)| Changed { key, operation: operation(value), value: None }).collect();
            let part = decode_part(0, &keys).unwrap();
            prop_assert_eq!((part.time_ms, part.last, part.has_values), (Some(time_ms), true, false));
            prop_assert_eq!(part.changes().collect::<Vec<_>>(), without);
            prop_assert_eq!(without_values(0, &keys).unwrap(), None);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for part in 0..2 {
                let decoded = decode_part(part, &bytes).is_ok();
                prop_assert_eq!(without_values(part, &bytes).is_ok(), decoded);
            }
        }
    }

    #[test]
    fn many_keys_are_cut_into_parts() {
        let keys: Vec<_> = (0..100_000_u32).map(u32::to_be_bytes).collect();
        let parts = encode_parts(7, keys.iter().map(|key| (&key[..], Some(&b"value"[..]))));
        assert!(parts.len() > 1, "{} parts", parts.len());
        let mut back = Vec::new();
        for (number, value) in parts.iter().enumerate() {
            let part = decode_part(u32::try_from(number).unwrap(), value).unwrap();
            assert_eq!(part.last, number + 1 == parts.len());
            assert_eq!(part.time_ms, (number == 0).then_some(7));
            if number == 0 {
                assert_eq!(peek(value), Ok((7, false)));
            }
            back.extend(part.changes().map(|change| change.key.to_vec()));
        }
        assert_eq!(
            back,
            keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>()
        );
    }

    /// As builds before front-coding wrote them, and every later one must read them.
    #[test]
    fn keys_in_full_are_read() {
        let value = b"\x00\x01\0\0\0\0\0\0\0\x07\x00\x03key\x01\x04key2";
        let part = decode_part(0, value).unwrap();
        assert_eq!((part.time_ms, part.last), (Some(7), true));
        assert!(!part.has_values);
        let changes: Vec<_> = part.changes().map(|it| (it.key, it.operation)).collect();
        let wanted = [(&b"key"[..], Operation::Set), (b"key2", Operation::Delete)];
        assert_eq!(changes, wanted);
        assert_eq!(without_values(0, value), Ok(None));
        assert_eq!(peek(value), Ok((7, true)));
        let later = [&[3], &value[1..]].concat();
        let error = decode_part(0, &later).unwrap_err();
        assert!(error.0.contains("later format"), "{error}");
    }

    #[test]
    fn a_cut_part_is_refused() {
        let parts = encode_parts(7, [(&b"key"[..], Some(&b"value"[..]))]);
        for cut in 0..parts[0].len() {
            // Cut directly behind the header it is a commit of no keys; everywhere else, wrong.
            assert_eq!(
                decode_part(0, &parts[0][..cut]).is_ok(),
                cut == 10,
                "cut at {cut}"
            );
            let head = peek(&parts[0][..cut]).ok();
            assert_eq!(head, (cut >= 10).then_some((7, true)), "cut at {cut}");
        }
    }
}
