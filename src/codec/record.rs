//! The rows of `current` and `history`: a fixed header, then the value.

use bytes::{Buf, Bytes};

use super::{DecodeError, take_u64};
use crate::timestamp::Timestamp;

/// The bytes before the value: two timestamps and the flags.
pub const RECORD_HEADER_BYTES: usize = 17;

/// The only kind of row so far: the value follows, as it was given. The other 255 are kept for
/// later formats, and are refused until then.
const FLAGS_PLAIN: u8 = 0;

/// The newest version of a live key: it began at `start` and goes on.
///
/// ```text
/// | start: 8 | previous_end: 8 | flags: 1 | value ... |
/// ```
///
/// `previous_end` is when the version before this one ended: `start` where it was overwritten, an
/// earlier timestamp where the key was deleted in between, 0 where there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentRow<V = Bytes> {
    /// The commit that wrote this version.
    pub start: Timestamp,
    /// When the version before it ended; 0 where there was none.
    pub previous_end: Timestamp,
    /// The value as it was given.
    pub value: V,
}

/// A version that has ended. Its start is part of its key.
///
/// ```text
/// | end: 8 | previous_end: 8 | flags: 1 | value ... |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRow<V = Bytes> {
    /// The commit that replaced or deleted this version: it is alive over `[start, end)`.
    pub end: Timestamp,
    /// When the version before it ended; 0 where there was none.
    pub previous_end: Timestamp,
    /// The value as it was given.
    pub value: V,
}

impl<V: AsRef<[u8]>> CurrentRow<V> {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self.start, self.previous_end, self.value.as_ref())
    }
}

impl CurrentRow<Bytes> {
    /// Reads a row; the value shares its memory.
    ///
    /// # Errors
    /// Where the row is too short, has flags of a later format, or timestamps out of order.
    pub fn decode(row: Bytes) -> Result<Self, DecodeError> {
        let header = CurrentRow::peek(&row)?;
        Ok(Self {
            start: header.start,
            previous_end: header.previous_end,
            value: value_of(row),
        })
    }
}

impl<'a> CurrentRow<&'a [u8]> {
    /// Reads a row without taking hold of it.
    ///
    /// # Errors
    /// As [`CurrentRow::decode`].
    pub fn peek(row: &'a [u8]) -> Result<Self, DecodeError> {
        let (start, previous_end, value) = parse(row)?;
        if start == Timestamp::ZERO || start > Timestamp::MAX {
            return Err(DecodeError("the version's start is no commit's timestamp"));
        }
        if previous_end > start {
            return Err(DecodeError("the version before it ends after its start"));
        }
        Ok(Self {
            start,
            previous_end,
            value,
        })
    }
}

impl<V: AsRef<[u8]>> HistoryRow<V> {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self.end, self.previous_end, self.value.as_ref())
    }
}

impl HistoryRow<Bytes> {
    /// Reads the row of the version that began at `start`; the value shares its memory.
    ///
    /// # Errors
    /// Where the row is too short, has flags of a later format, or timestamps out of order.
    pub fn decode(start: Timestamp, row: Bytes) -> Result<Self, DecodeError> {
        let header = HistoryRow::peek(start, &row)?;
        Ok(Self {
            end: header.end,
            previous_end: header.previous_end,
            value: value_of(row),
        })
    }
}

impl<'a> HistoryRow<&'a [u8]> {
    /// Reads a row without taking hold of it.
    ///
    /// # Errors
    /// As [`HistoryRow::decode`].
    pub fn peek(start: Timestamp, row: &'a [u8]) -> Result<Self, DecodeError> {
        let (end, previous_end, value) = parse(row)?;
        if start == Timestamp::ZERO || end <= start || end > Timestamp::MAX {
            return Err(DecodeError("the version does not end after its start"));
        }
        if previous_end > start {
            return Err(DecodeError("the version before it ends after its start"));
        }
        Ok(Self {
            end,
            previous_end,
            value,
        })
    }
}

/// What stands before the value: `first` is a current row's start, a history row's end.
pub(crate) fn header(first: Timestamp, previous_end: Timestamp) -> [u8; RECORD_HEADER_BYTES] {
    let mut header = [FLAGS_PLAIN; RECORD_HEADER_BYTES];
    let (head, tail) = header.split_at_mut(8);
    head.copy_from_slice(&first.get().to_be_bytes());
    let (middle, _flags) = tail.split_at_mut(8);
    middle.copy_from_slice(&previous_end.get().to_be_bytes());
    header
}

fn encode(first: Timestamp, previous_end: Timestamp, value: &[u8]) -> Vec<u8> {
    [&header(first, previous_end)[..], value].concat()
}

fn parse(row: &[u8]) -> Result<(Timestamp, Timestamp, &[u8]), DecodeError> {
    const SHORT: DecodeError = DecodeError("the row is too short");
    let (first, rest) = take_u64(row).ok_or(SHORT)?;
    let (previous_end, rest) = take_u64(rest).ok_or(SHORT)?;
    let (flags, value) = rest.split_first().ok_or(SHORT)?;
    if *flags != FLAGS_PLAIN {
        return Err(DecodeError("the row's flags are of a later format"));
    }
    Ok((Timestamp::new(first), Timestamp::new(previous_end), value))
}

/// The value of a row whose header was read. Moving the front of `Bytes` copies nothing.
fn value_of(mut row: Bytes) -> Bytes {
    row.advance(RECORD_HEADER_BYTES.min(row.len()));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Timestamp {
        Timestamp::new(number)
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let row = CurrentRow {
            start: at(0x0102),
            previous_end: at(3),
            value: b"v",
        };
        assert_eq!(row.encode(), b"\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03\0v");
        assert_eq!(CurrentRow::peek(&row.encode()).unwrap().value, b"v");
        let row = HistoryRow {
            end: at(9),
            previous_end: at(0),
            value: b"",
        };
        assert_eq!(row.encode(), b"\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0");
        let back = HistoryRow::decode(at(8), row.encode().into()).unwrap();
        assert_eq!((back.end, back.value.as_ref()), (at(9), &b""[..]));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let current = |start, previous_end| {
            CurrentRow::peek(&encode(at(start), at(previous_end), b"")).is_ok()
        };
        assert!(current(5, 0) && current(5, 5) && !current(5, 6) && !current(0, 0));
        assert!(!current(u64::MAX, 0));
        let history = |start, end, previous_end| {
            HistoryRow::peek(at(start), &encode(at(end), at(previous_end), b"")).is_ok()
        };
        assert!(history(5, 6, 5) && !history(5, 5, 5) && !history(5, 6, 6) && !history(0, 1, 0));
        let mut flagged = encode(at(1), at(0), b"");
        flagged[16] = 1;
        assert!(CurrentRow::peek(&flagged).is_err());
        assert!(CurrentRow::peek(&flagged[..16]).is_err());
    }
}
