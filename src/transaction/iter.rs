//! [`TransactionIter`]: the rows that a transaction sees.

use std::{cmp::Ordering, ops::Bound};

use super::{
    WriteSet,
    read_set::{Extent, SharedReads, note_in},
};
use crate::{
    error::{Error, Result},
    storage::{Iter, Key, KeyRange, Value},
    timestamp::Timestamp,
};

/// The rows of a range as a transaction sees them: those of its snapshot, and its own writes up to the
/// moment at which the iterator was made. In key order, from both ends.
///
/// It owns all that it needs. What it gives out is checked when a serializable transaction commits: the
/// range as far as it was asked for, the keys that are missing there included. Once the transaction has
/// ended it fails with [`Invalid`](crate::ErrorKind::Invalid). After an error it ends.
///
/// # Examples
/// ```
/// use sapwood::{Engine, Isolation, ReadView};
///
/// let engine = Engine::in_memory();
/// engine.set(b"a", b"1")?;
/// engine.set(b"b", b"1")?;
/// let mut tx = engine.begin(Isolation::Serializable)?;
/// tx.delete(b"a")?;
/// tx.set(b"c", b"2")?;
/// let keys: Result<Vec<_>, _> = tx.range(..).rev().map(|row| row.map(|(key, _)| key)).collect();
/// assert_eq!(keys?, ["c", "b"]);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct TransactionIter(Option<Open>);

#[derive(Debug)]
struct Open {
    stored: Iter,
    /// Rows that were taken from either end of `stored`, and not given out yet.
    front: Option<(Key, Value)>,
    back: Option<(Key, Value)>,
    writes: WriteSet,
    /// What lies between the two ends.
    from: Bound<Key>,
    to: Bound<Key>,
    reads: SharedReads,
    number: Option<usize>,
    failed: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl TransactionIter {
    pub(super) fn new(
        stored: Iter,
        writes: WriteSet,
        range: &KeyRange,
        reads: SharedReads,
    ) -> Self {
        let (number, failed) = match note_in(reads.lock(), |reads| reads.begin_range(range)) {
            Ok(number) => (number, None),
            Err(error) => (None, Some(error)),
        };
        if range.is_empty() && failed.is_none() {
            return Self(None);
        }
        let end = range.end.as_ref();
        Self(Some(Open {
            stored,
            front: None,
            back: None,
            writes,
            from: Bound::Included(Key::copy_from_slice(&range.start)),
            to: end.map_or(Bound::Unbounded, |end| {
                Bound::Excluded(Key::copy_from_slice(end))
            }),
            reads,
            number,
            failed,
        }))
    }

    /// The timestamp of the snapshot below the transaction's own writes; `None` once it has ended.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.0.as_ref()?.stored.timestamp()
    }

    fn step(&mut self, end: End) -> Option<Result<(Key, Value)>> {
        let row = self.0.as_mut()?.step(end);
        if !matches!(row, Ok(Some(_))) {
            self.0 = None;
        }
        row.transpose()
    }
}

impl Open {
    fn step(&mut self, end: End) -> Result<Option<(Key, Value)>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let row = self.next_row(end)?;
        let extent = match (&row, end) {
            (Some((key, _)), End::Front) => Extent::To(key),
            (Some((key, _)), End::Back) => Extent::From(key),
            // Each end has come as far as the other.
            (None, _) => Extent::Whole,
        };
        let number = self.number;
        note_in(self.reads.lock(), |reads| {
            if let Some(number) = number {
                reads.extend_range(number, &extent)?;
            }
            Ok(())
        })?;
        Ok(row)
    }

    fn next_row(&mut self, end: End) -> Result<Option<(Key, Value)>> {
        loop {
            self.peek(end)?;
            let stored = match end {
                End::Front => &mut self.front,
                End::Back => &mut self.back,
            };
            let mut written = self
                .writes
                .range::<_, Key>((self.from.as_ref(), self.to.as_ref()));
            let written = match end {
                End::Front => written.next(),
                End::Back => written.next_back(),
            };
            let order = match (&stored, written) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((stored, _)), Some((written, _))) => match end {
                    End::Front => stored.cmp(written),
                    End::Back => written.cmp(stored),
                },
            };
            // The own write covers the stored row of the same key.
            let taken = if order == Ordering::Greater {
                None
            } else {
                stored.take()
            };
            let (key, value) = match (order, written) {
                (Ordering::Equal | Ordering::Greater, Some((key, value))) => {
                    (key.clone(), value.clone())
                }
                _ => match taken {
                    Some((key, value)) => (key, Some(value)),
                    None => return Ok(None),
                },
            };
            match end {
                End::Front => self.from = Bound::Excluded(key.clone()),
                End::Back => self.to = Bound::Excluded(key.clone()),
            }
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
    }

    /// Takes the next stored row at one end, if none is at hand: the last one may have been taken from
    /// the other end.
    fn peek(&mut self, end: End) -> Result<()> {
        let (here, there) = match end {
            End::Front => (&mut self.front, &mut self.back),
            End::Back => (&mut self.back, &mut self.front),
        };
        if here.is_none() {
            let next = match end {
                End::Front => self.stored.next(),
                End::Back => self.stored.next_back(),
            };
            *here = match next {
                Some(row) => Some(row?),
                None => there.take(),
            };
        }
        Ok(())
    }
}

impl Iterator for TransactionIter {
    type Item = Result<(Key, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(End::Front)
    }
}

impl DoubleEndedIterator for TransactionIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(End::Back)
    }
}

impl std::iter::FusedIterator for TransactionIter {}
