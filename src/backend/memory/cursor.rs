//! Cursors over an unchanging map: each step is a look-up from the last key.

use std::ops::Bound;

use bytes::Bytes;

use super::Rows;
use crate::{
    backend::{Cursor, Scope},
    error::Result,
};

#[derive(Debug)]
pub(super) struct MemoryCursor {
    rows: Rows,
    start: Bytes,
    end: Option<Bytes>,
    row: Option<(Bytes, Bytes)>,
}

impl MemoryCursor {
    pub(super) fn new(rows: Rows, scope: Scope) -> Self {
        Self {
            rows,
            start: scope.start.into(),
            end: scope.end.map(Bytes::from),
            row: None,
        }
    }

    fn upper(&self) -> Bound<Bytes> {
        self.end.clone().map_or(Bound::Unbounded, Bound::Excluded)
    }

    /// The first row from `lower` on, inside the scope.
    fn ascend(&mut self, lower: Bound<Bytes>) {
        let lower = match lower {
            Bound::Included(key) | Bound::Excluded(key) if key < self.start => {
                Bound::Included(self.start.clone())
            }
            Bound::Unbounded => Bound::Included(self.start.clone()),
            other => other,
        };
        self.row = if Self::is_empty(&lower, &self.upper()) {
            None
        } else {
            self.rows.range((lower, self.upper())).next().map(owned)
        };
    }

    /// The last row up to `upper`, inside the scope.
    fn descend(&mut self, upper: Bound<Bytes>) {
        let upper = match (upper, &self.end) {
            (Bound::Included(key), Some(end)) if key >= *end => Bound::Excluded(end.clone()),
            (Bound::Excluded(key), Some(end)) if key > *end => Bound::Excluded(end.clone()),
            (Bound::Unbounded, _) => self.upper(),
            (other, _) => other,
        };
        let lower = Bound::Included(self.start.clone());
        self.row = if Self::is_empty(&lower, &upper) {
            None
        } else {
            self.rows.range((lower, upper)).next_back().map(owned)
        };
    }

    /// Whether no key lies between the bounds; ordered maps refuse such ranges.
    fn is_empty(lower: &Bound<Bytes>, upper: &Bound<Bytes>) -> bool {
        match (lower, upper) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
            (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper))
            | (Bound::Excluded(lower), Bound::Included(upper)) => lower >= upper,
        }
    }
}

fn owned((key, value): (&Bytes, &Bytes)) -> (Bytes, Bytes) {
    (key.clone(), value.clone())
}

impl Cursor for MemoryCursor {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.ascend(Bound::Included(Bytes::copy_from_slice(key)));
        Ok(())
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<()> {
        self.descend(Bound::Included(Bytes::copy_from_slice(key)));
        Ok(())
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.ascend(Bound::Unbounded);
        Ok(())
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.descend(Bound::Unbounded);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        if let Some((key, _)) = self.row.take() {
            self.ascend(Bound::Excluded(key));
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        if let Some((key, _)) = self.row.take() {
            self.descend(Bound::Excluded(key));
        }
        Ok(())
    }

    fn row(&self) -> Option<(&[u8], &[u8])> {
        self.row
            .as_ref()
            .map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
}
