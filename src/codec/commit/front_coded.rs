//! Changes without values, front-coded: of each key only what differs from the one before it.
//!
//! ```text
//! keys    apple/1 set | apple/25 deleted
//! bytes   00 07 61 70 70 6C 65 2F 31 | 0D 02 32 35        shared 0 and 6, lengths of the rest 7 and 2
//! ```
//!
//! Keys that lie side by side mostly begin alike (an account, a contract), and a compression that looks back over a few
//! kilobytes finds that again each time, for three bytes. Each list of keys has one encoding: what is said to be shared is
//! all that is. Nothing here asks for the order of keys; `verify` does.
//!
//! A few bytes can stand for a key as long as the one before. So the keys in full are no longer than they were in the part
//! that they come from, and what says otherwise is refused before it is made.

use super::{Changed, Operation, PART_BYTES, SHORT, Slot, push_varint, take_counted, take_varint};
use crate::codec::DecodeError;

const TOO_LONG: DecodeError = DecodeError("the keys of the commit's part are too long");

/// Appends changes, whose keys but for the last are together shorter than a part.
pub(super) fn encode<'a>(
    part: &mut Vec<u8>,
    changes: impl Iterator<Item = Changed<'a>>,
) -> Result<(), DecodeError> {
    let mut before: &[u8] = &[];
    let mut length = 0;
    for Changed { key, operation, .. } in changes {
        if length >= PART_BYTES {
            return Err(TOO_LONG);
        }
        length += key.len();
        let shared = shared(before, key);
        let rest = key.get(shared..).unwrap_or_default();
        push_varint(part, shared << 1 | usize::from(operation.number()));
        push_varint(part, rest.len());
        part.extend_from_slice(rest);
        before = key;
    }
    Ok(())
}

/// Reads changes: all keys, one after the other, and which are where.
pub(super) fn decode(mut bytes: &[u8]) -> Result<(Vec<u8>, Vec<Slot<'static>>), DecodeError> {
    let (mut keys, mut changes) = (Vec::with_capacity(bytes.len()), Vec::new());
    let mut before = 0..0;
    while !bytes.is_empty() {
        if keys.len() >= PART_BYTES {
            return Err(TOO_LONG);
        }
        let (number, after) = take_varint(bytes).ok_or(SHORT)?;
        let (rest, after) = take_counted(after).ok_or(SHORT)?;
        let operation = match number & 1 {
            0 => Operation::Set,
            _ => Operation::Delete,
        };
        let shared = number >> 1;
        if shared > before.len() {
            return Err(DecodeError(
                "a key of the commit shares more with the one before it than there is",
            ));
        }
        let next = before.start + shared;
        if next < before.end && keys.get(next) == rest.first() {
            return Err(DecodeError(
                "a key of the commit shares more with the one before it than is said",
            ));
        }
        let start = keys.len();
        keys.extend_from_within(before.start..next);
        keys.extend_from_slice(rest);
        before = start..keys.len();
        changes.push(Slot {
            key: before.clone(),
            operation,
            value: None,
        });
        bytes = after;
    }
    Ok((keys, changes))
}

/// How many bytes two keys begin with alike.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{decode_part, encode_parts, without_values},
        *,
    };
    use crate::limits::KEY_MAX_BYTES;

    type Keys = Vec<(Vec<u8>, Operation)>;

    fn encoded(keys: &Keys) -> Result<Vec<u8>, DecodeError> {
        let changes = keys.iter().map(|(key, operation)| Changed {
            key,
            operation: *operation,
            value: None,
        });
        let mut bytes = Vec::new();
        encode(&mut bytes, changes).map(|()| bytes)
    }

    fn decoded(bytes: &[u8]) -> Result<Keys, DecodeError> {
        let (keys, changes) = decode(bytes)?;
        let key = |slot: Slot<'_>| (keys[slot.key].to_vec(), slot.operation);
        Ok(changes.into_iter().map(key).collect())
    }

    fn refused(bytes: &[u8]) -> String {
        decoded(bytes).unwrap_err().to_string()
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![Just(Operation::Set), Just(Operation::Delete)]
    }

    proptest! {
        #[test]
        fn keys_come_back(
            keys in proptest::collection::vec((proptest::collection::vec(0..3u8, 0..200), operation()), 0..40),
        ) {
            prop_assert_eq!(decoded(&encoded(&keys).unwrap()).unwrap(), keys);
        }

        #[test]
        fn what_decodes_encodes_back(bytes in proptest::collection::vec(0..9u8, 0..40)) {
            if let Ok(keys) = decoded(&bytes) {
                prop_assert_eq!(encoded(&keys).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn of_a_key_only_the_rest_is_there() {
        let keys = [("apple/1", Operation::Set), ("apple/25", Operation::Delete)];
        let keys: Keys = keys.map(|(key, it)| (key.into(), it)).into();
        let bytes = b"\x00\x07apple/1\x0D\x0225";
        assert_eq!(encoded(&keys).unwrap(), bytes);
        for cut in 0..bytes.len() {
            let left = decoded(&bytes[..cut]);
            // Between two keys they are fewer; everywhere else, wrong.
            let between = [0, 9].contains(&cut);
            assert_eq!(left.is_ok(), between, "cut at {cut}");
        }
    }

    #[test]
    fn a_key_shares_all_that_it_can_and_no_more() {
        assert!(refused(b"\x02\x00").contains("than there is"));
        assert!(refused(b"\x00\x01a\x04\x00").contains("than there is"));
        assert!(refused(b"\x00\x02ab\x00\x01a").contains("than is said"));
        assert!(refused(b"\x00\x02ab\x02\x02bc").contains("than is said"));
        assert!(refused(b"\x00\x02ab\x82\x00\x01c").contains("cut off"));
        // Out of order and twice the same is not for here to say.
        assert_eq!(decoded(b"\x00\x01b\x00\x01a\x02\x00").unwrap().len(), 3);
    }

    /// Four bytes for 64 KiB: a part of the usual length would make gigabytes.
    #[test]
    fn a_few_bytes_do_not_make_many() {
        let mut bytes = vec![0];
        push_varint(&mut bytes, KEY_MAX_BYTES);
        bytes.resize(bytes.len() + KEY_MAX_BYTES, b'k');
        for _ in 0..PART_BYTES / 5 {
            push_varint(&mut bytes, KEY_MAX_BYTES << 1);
            bytes.push(0);
        }
        assert_eq!(decoded(&bytes), Err(TOO_LONG));
        // Nor by doubling.
        let mut bytes = b"\x00\x01k".to_vec();
        let mut length = 1;
        while length < PART_BYTES {
            push_varint(&mut bytes, length << 1);
            push_varint(&mut bytes, 1);
            bytes.push(b'k');
            length += 1;
        }
        assert_eq!(decoded(&bytes), Err(TOO_LONG));
    }

    /// The longest keys, which are all but the same: what one part holds of them, one part holds without values.
    #[test]
    fn every_part_that_is_written_can_do_without_its_values() {
        for (count, length) in [(40, KEY_MAX_BYTES), (3_000, 1_000), (300_000, 4)] {
            let key = |number: u32| {
                let mut key = vec![b'k'; length];
                key[length - 4..].copy_from_slice(&number.to_be_bytes());
                key
            };
            let keys: Vec<_> = (0..count).map(key).collect();
            let parts = encode_parts(7, keys.iter().map(|key| (key.as_slice(), None)));
            assert!(parts.len() > 1);
            let mut back = Vec::new();
            for (number, part) in (0..).zip(&parts) {
                let trimmed = without_values(number, part).unwrap().unwrap();
                assert!(trimmed.len() < part.len());
                let part = decode_part(number, &trimmed).unwrap();
                back.extend(part.changes().map(|change| change.key.to_vec()));
            }
            assert!(back == keys, "{count} keys of {length} bytes");
        }
    }

    #[test]
    fn keys_that_no_part_holds_are_refused() {
        let keys = |count| vec![(vec![b'k'; PART_BYTES / 2], Operation::Set); count];
        let mut bytes = encoded(&keys(2)).unwrap();
        assert_eq!(decoded(&bytes).unwrap(), keys(2));
        assert_eq!(encoded(&keys(3)), Err(TOO_LONG));
        bytes.extend_from_slice(&[0, 0]);
        assert_eq!(decoded(&bytes), Err(TOO_LONG));
    }
}
