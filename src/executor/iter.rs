//! [`BlockIter`]: the rows that a transaction of a block sees.

use std::{fmt, ops::Bound};

use super::{
    base::BaseRows,
    context::count_down,
    merge::{End, Fixed, Merged, Over},
    ranges::SharedRanges,
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    storage::{Key, KeyRange, Value},
    sync::{Arc, AtomicBool, Ordering},
};

/// The rows of a range as a transaction of a block sees them: what the transactions before it left, and
/// its own writes up to the moment at which the iterator was made. In key order, from both ends.
///
/// It owns all that it needs. The transaction relies on the range as far as it was asked for, the keys
/// that are missing there included. Once the run has ended it fails with
/// [`Invalid`](crate::ErrorKind::Invalid). After an error it ends.
#[must_use = "iterators do nothing until they are asked"]
pub struct BlockIter(Inner);

enum Inner {
    Open(Box<Open>),
    /// An error that is still to be given out.
    Failed(Error),
    Done,
}

struct Open {
    rows: Merged<Overlay>,
    ranges: SharedRanges,
    /// Its number among the ranges of the run.
    number: usize,
    halted: Arc<AtomicBool>,
}

/// What lies over the base.
pub(super) enum Overlay {
    Fixed(Fixed),
}

impl Over for Overlay {
    fn next(
        &mut self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
    ) -> Result<Option<(Key, Option<Value>)>, Stop> {
        match self {
            Self::Fixed(over) => over.next(between, end),
        }
    }
}

impl BlockIter {
    pub(super) fn new(
        stored: BaseRows,
        over: Overlay,
        range: &KeyRange,
        ranges: SharedRanges,
        number: usize,
        halted: Arc<AtomicBool>,
    ) -> Self {
        Self(Inner::Open(Box::new(Open {
            rows: Merged::new(stored, over, range),
            ranges,
            number,
            halted,
        })))
    }

    pub(super) fn failed(error: Error) -> Self {
        Self(Inner::Failed(error))
    }

    fn step(&mut self, end: End) -> Option<Result<(Key, Value)>> {
        match std::mem::replace(&mut self.0, Inner::Done) {
            Inner::Done => None,
            Inner::Failed(error) => Some(Err(error)),
            Inner::Open(mut open) => {
                let row = open.step(end);
                if matches!(row, Ok(Some(_))) {
                    self.0 = Inner::Open(open);
                }
                row.transpose()
            }
        }
    }
}

impl Open {
    fn step(&mut self, end: End) -> Result<Option<(Key, Value)>> {
        self.begin_step()?;
        // Nobody else asks for rows of this run meanwhile but its other iterators: no lock is held while the
        // base is read.
        let row = self.rows.step(end);
        let mut ranges = self.ranges.lock();
        let Some(run) = &mut ranges.run else {
            return Err(ended());
        };
        match row {
            Ok(row) => {
                if let Some(read) = run.reads.get_mut(self.number) {
                    read.extend(row.as_ref().map(|(key, _)| key), end);
                }
                Ok(row)
            }
            Err(stop) => {
                let error = stop.error();
                run.stop.get_or_insert(stop);
                Err(error)
            }
        }
    }

    fn begin_step(&self) -> Result<()> {
        let mut ranges = self.ranges.lock();
        let Some(run) = &mut ranges.run else {
            return Err(ended());
        };
        if self.halted.load(Ordering::Relaxed) {
            run.stop.get_or_insert(Stop::Halted);
        }
        if run.stop.is_none()
            && let Err(stop) = count_down(&mut run.operations_left, 1)
        {
            run.stop = Some(stop);
        }
        run.stop.as_ref().map_or(Ok(()), |stop| Err(stop.error()))
    }
}

fn ended() -> Error {
    Error::invalid("the run of the transaction that this iterator reads for has ended")
}

impl Iterator for BlockIter {
    type Item = Result<(Key, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(End::Front)
    }
}

impl DoubleEndedIterator for BlockIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(End::Back)
    }
}

impl std::iter::FusedIterator for BlockIter {}

impl fmt::Debug for BlockIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockIter").finish_non_exhaustive()
    }
}
