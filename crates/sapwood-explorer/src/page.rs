//! How far one request reads: bounds of pages, and where the next one begins.

use std::ops::Bound;

use sapwood::KeyRange;

use crate::{
    failure::{Failure, Result},
    hexadecimal::Hexadecimal,
};

/// Rows in a page, unless it says otherwise, and at most.
pub(crate) const ROWS: usize = 100;
pub(crate) const ROWS_MAX: usize = 1000;
/// Bytes of a value that a page shows, unless it says otherwise, and at most.
pub(crate) const PREVIEW: usize = 64;
pub(crate) const PREVIEW_MAX: usize = 1024;
/// After so many bytes of keys and values a page ends.
pub(crate) const READ_MAX_BYTES: usize = 16 << 20;

/// What a page has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    rows: usize,
    bytes: usize,
    /// Bytes of each value that are shown.
    pub(crate) preview: usize,
}

impl Room {
    /// A page as it was asked for.
    pub(crate) fn new(limit: Option<usize>, preview: Option<usize>) -> Result<Self> {
        Ok(Self {
            rows: bounded("limit", limit, ROWS, 1..=ROWS_MAX)?,
            bytes: READ_MAX_BYTES,
            preview: bounded("preview", preview, PREVIEW, 0..=PREVIEW_MAX)?,
        })
    }

    /// Whether another row may be shown.
    pub(crate) fn is_left(&self) -> bool {
        self.rows > 0 && self.bytes > 0
    }

    /// A row was shown.
    pub(crate) fn take_row(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.take_bytes(bytes);
    }

    /// Bytes were read.
    pub(crate) fn take_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A number as it was asked for, or the usual one.
pub(crate) fn bounded(
    name: &str,
    asked: Option<usize>,
    usual: usize,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<usize> {
    let number = asked.unwrap_or(usual);
    if allowed.contains(&number) {
        return Ok(number);
    }
    Err(Failure::invalid(format!(
        "{name} is {number}; it can be from {} to {}",
        allowed.start(),
        allowed.end()
    )))
}

/// The keys that begin with a prefix and lie behind the last one that was given out.
pub(crate) fn keys(prefix: Option<Hexadecimal>, after: Option<&Hexadecimal>) -> KeyRange {
    let prefix = KeyRange::prefix(&prefix.unwrap_or_default().0);
    match after {
        Some(after) => {
            let behind = (Bound::Excluded(after.0.clone()), Bound::Unbounded);
            prefix.intersection(KeyRange::new(behind))
        }
        None => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_at_its_rows_or_its_bytes() {
        let mut room = Room::new(Some(2), None).unwrap();
        room.take_row(10);
        assert!(room.is_left());
        room.take_row(10);
        assert!(!room.is_left());
        let mut room = Room::new(Some(1000), None).unwrap();
        room.take_row(READ_MAX_BYTES);
        assert!(!room.is_left());
    }

    #[test]
    fn what_is_too_much_is_refused() {
        assert!(Room::new(Some(0), None).is_err());
        assert!(Room::new(Some(ROWS_MAX + 1), None).is_err());
        assert!(Room::new(None, Some(PREVIEW_MAX + 1)).is_err());
        assert!(Room::new(Some(ROWS_MAX), Some(PREVIEW_MAX)).is_ok());
    }

    #[test]
    fn the_next_page_begins_behind_the_last_key() {
        let after = Hexadecimal(b"ab".to_vec());
        let range = keys(Some(Hexadecimal(b"a".to_vec())), Some(&after));
        assert!(!range.contains(b"ab") && range.contains(b"ab\0") && !range.contains(b"b"));
    }
}
