//! How keys and records lie on disk. Pure functions: no I/O, no locks, no clock.
//!
//! All numbers are big-endian, so that the order of bytes is the order of numbers.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | current | [`K`](key) | `start:8 previous_end:8 flags:1 value` ([`CurrentRow`]) |
//! | history | `K !start:8` | `end:8 previous_end:8 flags:1 value` ([`HistoryRow`]) |
//! | deleted | `K` | `timestamp:8` ([`deleted`]) |
//! | commits | `timestamp:8 part:4` | the keys of that commit, packed ([`commit`]) |
//! | meta | a name | see [`meta`] |
//!
//! **Invariant:** every encoding has exactly one form: what decodes encodes back to the same
//! bytes. Whatever does not decode is an error that names the field; nothing is guessed.

pub mod commit;
pub mod deleted;
pub mod key;
pub mod meta;
pub(crate) mod record;
pub mod retention;

pub use record::{CurrentRow, HistoryRow, RECORD_HEADER_BYTES};

use std::fmt;

/// Why bytes could not be decoded. Where they lie is known only to the caller, who adds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(pub(crate) &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DecodeError {}

/// The bytes before `at` and those from it on; `None` where there are fewer.
pub(crate) fn split(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    (at <= bytes.len()).then(|| bytes.split_at(at))
}

/// Reads a big-endian `u64` from the front.
pub(crate) fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    use byteorder::{BigEndian, ByteOrder};
    let (head, rest) = split(bytes, 8)?;
    Some((BigEndian::read_u64(head), rest))
}

/// Reads a big-endian `u32` from the front.
pub(crate) fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    use byteorder::{BigEndian, ByteOrder};
    let (head, rest) = split(bytes, 4)?;
    Some((BigEndian::read_u32(head), rest))
}
