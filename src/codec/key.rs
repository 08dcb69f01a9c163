//! Encoded user keys and version keys.
//!
//! **Encoded user key `K`.** Each byte `00` of the user key becomes `00 FF`; the end is `00 01`.
//! The encoding keeps the order of keys and is prefix-free: no encoded key is a prefix of another,
//! so the versions of one key never lie between those of another. That is the classic bug of
//! appending a timestamp to a key of variable length. The scheme is the one of `FoundationDB`'s
//! tuple layer and of toydb's keycode, with a terminator of its own.
//!
//! ```text
//! user key      61 00 62
//! K             61 00 FF 62 00 01
//! version key   61 00 FF 62 00 01 | FF FF FF FF FF FF FF FD      start = 2
//! ```
//!
//! **Version key.** `K` followed by the inverted start timestamp (`!start`, 8 bytes), so that the
//! newest version of a key comes first.

use byteorder::{BigEndian, ByteOrder};
use smallvec::SmallVec;

use super::{DecodeError, take_u64};
use crate::timestamp::Timestamp;

const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xFF;
const END: u8 = 0x01;

/// The bytes that the inverted timestamp takes at the end of a version key.
pub const TIMESTAMP_BYTES: usize = 8;

/// An encoded key on the stack, where it is short enough: most keys never touch the heap.
pub type KeyBuffer = SmallVec<[u8; 96]>;

/// Encodes a user key.
///
/// # Examples
/// ```
/// use sapwood::codec::key;
///
/// let encoded = key::encode(b"a\0b");
/// assert_eq!(encoded.as_slice(), b"a\0\xFFb\0\x01");
/// assert_eq!(key::decode(&encoded)?, b"a\0b");
/// # Ok::<(), sapwood::codec::DecodeError>(())
/// ```
pub fn encode(user_key: &[u8]) -> KeyBuffer {
    let mut encoded = KeyBuffer::with_capacity(user_key.len() + 2 + TIMESTAMP_BYTES);
    push_escaped(&mut encoded, user_key);
    encoded.extend_from_slice(&[ESCAPE, END]);
    encoded
}

/// Encodes a user key and the start of one of its versions.
///
/// # Examples
/// ```
/// use sapwood::{Timestamp, codec::key};
///
/// let newer = key::encode_version(b"k", Timestamp::new(9));
/// let older = key::encode_version(b"k", Timestamp::new(8));
/// assert!(newer < older, "the newest version comes first");
/// ```
pub fn encode_version(user_key: &[u8], start: Timestamp) -> KeyBuffer {
    let mut encoded = encode(user_key);
    push_start(&mut encoded, start);
    encoded
}

/// Appends an inverted start timestamp to an encoded user key.
pub fn push_start(encoded: &mut KeyBuffer, start: Timestamp) {
    let mut inverted = [0; TIMESTAMP_BYTES];
    BigEndian::write_u64(&mut inverted, !start.get());
    encoded.extend_from_slice(&inverted);
}

/// Splits a version key into the encoded user key and the start timestamp.
///
/// # Errors
/// Where it is too short to be a version key.
pub fn split_version(version_key: &[u8]) -> Result<(&[u8], Timestamp), DecodeError> {
    let at = version_key
        .len()
        .checked_sub(TIMESTAMP_BYTES)
        .filter(|at| *at >= 2)
        .ok_or(DecodeError("the version key is too short"))?;
    let (encoded, inverted) = version_key.split_at(at);
    let (inverted, _) = take_u64(inverted).ok_or(DecodeError("the version key is too short"))?;
    Ok((encoded, Timestamp::new(!inverted)))
}

/// Decodes an encoded user key.
///
/// # Errors
/// Where the bytes are no encoded key: a wrong escape, no end, or something behind the end.
pub fn decode(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    // Exact for keys without zeros: a row's key is then allocated once and never moved.
    let mut user_key = Vec::with_capacity(encoded.len().saturating_sub(2));
    decode_into(encoded, &mut user_key)?;
    Ok(user_key)
}

/// The same into memory that is used again; what it held is gone.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_into(encoded: &[u8], user_key: &mut Vec<u8>) -> Result<(), DecodeError> {
    user_key.clear();
    let mut rest = encoded;
    while let Some(zero) = memchr::memchr(ESCAPE, rest) {
        let (before, from_zero) = rest.split_at(zero);
        user_key.extend_from_slice(before);
        match from_zero {
            [_, END] => return Ok(()),
            [_, END, ..] => return Err(DecodeError("there are bytes behind the key's end")),
            [_, ESCAPED_ZERO, after @ ..] => {
                user_key.push(0);
                rest = after;
            }
            _ => return Err(DecodeError("the key holds a wrong escape")),
        }
    }
    Err(DecodeError("the key has no end"))
}

/// Keys up to this length are searched for escapes without leaving early.
const SHORT_KEY_BYTES: usize = 128;

/// The user key inside of an encoded one, where nothing in it is escaped: mostly it need not be decoded.
pub(crate) fn unescaped(encoded: &[u8]) -> Option<&[u8]> {
    match encoded {
        [user_key @ .., ESCAPE, END] if !has_escape(user_key) => Some(user_key),
        _ => None,
    }
}

/// For the length of most keys a loop without a way out, which the compiler makes vectors of, is faster than a search.
fn has_escape(bytes: &[u8]) -> bool {
    if bytes.len() > SHORT_KEY_BYTES {
        return memchr::memchr(ESCAPE, bytes).is_some();
    }
    let found = bytes
        .iter()
        .fold(0, |found, byte| found | u8::from(*byte == ESCAPE));
    found > 0
}

fn push_escaped(encoded: &mut KeyBuffer, user_key: &[u8]) {
    let mut rest = user_key;
    while let Some(zero) = memchr::memchr(ESCAPE, rest) {
        let (before, after) = rest.split_at(zero + 1);
        encoded.extend_from_slice(before);
        encoded.push(ESCAPED_ZERO);
        rest = after;
    }
    encoded.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that make trouble: the escape, its neighbours and the largest.
    fn tricky_key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(0u8), Just(1), Just(0xFE), Just(0xFF), any::<u8>()],
            0..12,
        )
    }

    proptest! {
        #[test]
        fn decoding_gives_the_key_back(key in tricky_key()) {
            prop_assert_eq!(decode(&encode(&key)).unwrap(), key);
        }

        #[test]
        fn encoding_keeps_the_order(a in tricky_key(), b in tricky_key()) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn no_encoded_key_is_a_prefix_of_another(a in tricky_key(), b in tricky_key()) {
            let (a_encoded, b_encoded) = (encode(&a), encode(&b));
            prop_assert!(a == b || !b_encoded.starts_with(&a_encoded));
        }

        #[test]
        fn versions_of_two_keys_never_interleave(
            a in tricky_key(), b in tricky_key(), s in any::<u64>(), t in any::<u64>()
        ) {
            prop_assume!(a != b);
            let (s, t) = (Timestamp::new(s), Timestamp::new(t));
            prop_assert_eq!(encode_version(&a, s).cmp(&encode_version(&b, t)), a.cmp(&b));
        }

        #[test]
        fn what_decodes_encodes_back(bytes in tricky_key()) {
            if let Ok(key) = decode(&bytes) {
                let encoded = encode(&key);
                prop_assert_eq!(encoded.as_slice(), bytes.as_slice());
            }
        }
    }

    #[test]
    fn wrong_bytes_are_named() {
        for (bytes, what) in [
            (&b""[..], "no end"),
            (b"a", "no end"),
            (b"a\0", "escape"),
            (b"a\0\x02", "escape"),
            (b"\0\x01x", "behind"),
        ] {
            let error = decode(bytes).unwrap_err().to_string();
            assert!(error.contains(what), "{bytes:?}: {error}");
        }
        assert!(split_version(&[0; 9]).is_err());
        assert_eq!(split_version(&[0; 10]).unwrap().1, Timestamp::new(u64::MAX));
    }
}
