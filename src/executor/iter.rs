//! [`BlockIter`]: the rows that a transaction of a block sees.

use std::{cmp::Ordering, fmt, ops::Bound};

use super::{
    base::BaseRows,
    context::count_down,
    memory::{Memory, View},
    merge::{End, Fixed, Merged, Over, Rows, end_of},
    ranges::{SeenRow, SharedRanges},
    schedule::Halt,
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    storage::{Key, KeyRange, Value},
    sync::Arc,
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
    halt: Arc<Halt>,
}

/// What lies over the base.
pub(super) enum Overlay {
    /// Run one by one: it does not change.
    Fixed(Fixed),
    Versions(Box<Versions>),
}

/// The rows that other transactions have written by now, and the own ones.
pub(super) struct Versions {
    memory: Arc<Memory>,
    txn: u32,
    own: Rows,
    /// The row of others that was met last, to be noted if it is used.
    met: Option<SeenRow>,
    front: Vec<SeenRow>,
    back: Vec<SeenRow>,
}

impl Overlay {
    pub(super) fn versions(view: &View<'_>, own: Rows) -> Self {
        Self::Versions(Box::new(Versions {
            memory: Arc::clone(view.memory),
            txn: view.txn,
            own,
            met: None,
            front: Vec::new(),
            back: Vec::new(),
        }))
    }

    /// The rows of others that were used since the last call, at one end.
    fn take_seen(&mut self, end: End) -> Vec<SeenRow> {
        match (self, end) {
            (Self::Fixed(_), _) => Vec::new(),
            (Self::Versions(versions), End::Front) => std::mem::take(&mut versions.front),
            (Self::Versions(versions), End::Back) => std::mem::take(&mut versions.back),
        }
    }
}

impl Over for Overlay {
    fn next(
        &mut self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
    ) -> Result<Option<(Key, Option<Value>)>, Stop> {
        match self {
            Self::Fixed(over) => over.next(between, end),
            Self::Versions(versions) => versions.next(between, end),
        }
    }

    fn taken(&mut self, end: End) {
        if let Self::Versions(versions) = self
            && let Some(row) = versions.met.take()
        {
            match end {
                End::Front => versions.front.push(row),
                End::Back => versions.back.push(row),
            }
        }
    }
}

impl Versions {
    fn next(
        &mut self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
    ) -> Result<Option<(Key, Option<Value>)>, Stop> {
        let own = end_of(&self.own, between, end);
        let other = self.memory.next_row(between, end, self.txn)?;
        self.met = None;
        let order = match (&own, &other) {
            (_, None) => return Ok(own),
            (None, Some(_)) => Ordering::Greater,
            (Some((own, _)), Some(other)) => match end {
                End::Front => own.cmp(&other.key),
                End::Back => other.key.cmp(own),
            },
        };
        if order == Ordering::Less {
            return Ok(own);
        }
        let Some(other) = other else { return Ok(own) };
        // That of others is noted where the own write covers it, too: it is there.
        let value = other.seen.value.clone();
        self.met = Some(other.seen);
        Ok(if order == Ordering::Equal {
            own
        } else {
            Some((other.key, value))
        })
    }
}

impl BlockIter {
    pub(super) fn new(
        stored: BaseRows,
        over: Overlay,
        range: &KeyRange,
        ranges: SharedRanges,
        number: usize,
        halt: Arc<Halt>,
    ) -> Self {
        Self(Inner::Open(Box::new(Open {
            rows: Merged::new(stored, over, range),
            ranges,
            number,
            halt,
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
        let seen = self.rows.over().take_seen(end);
        let mut ranges = self.ranges.lock();
        let Some(run) = &mut ranges.run else {
            return Err(ended());
        };
        match row {
            Ok(row) => {
                if let Some(read) = run.reads.get_mut(self.number) {
                    read.extend(row.as_ref().map(|(key, _)| key), end, seen);
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
        if self.halt.is_set() {
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
