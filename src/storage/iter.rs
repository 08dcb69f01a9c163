//! [`Iter`]: the rows of one state, from both ends.

use bytes::Bytes;

use super::{
    clock::Era,
    guards::Guard,
    key_range::KeyRange,
    store::Store,
    walk::{Direction, Walk},
};
use crate::{backend::Access, error::Result, sync::Arc, timestamp::Timestamp};

/// A user key, as iterators give it.
pub type Key = Bytes;
/// A value; cheap to clone.
pub type Value = Bytes;

/// The rows of a range at one timestamp, in key order, from both ends.
///
/// It owns all that it needs: it can be stored, sent to another thread, and outlive the engine's
/// handle. While it lives, it holds back pruning at its timestamp. After an error it ends.
///
/// # Examples
/// ```
/// use sapwood::{Engine, ReadView};
///
/// let engine = Engine::in_memory();
/// for key in [b"a", b"b", b"c"] {
///     engine.set(key, b"1")?;
/// }
/// let mut rows = engine.range(..);
/// assert_eq!(rows.next().unwrap()?.0, "a");
/// assert_eq!(rows.next_back().unwrap()?.0, "c");
/// assert_eq!(rows.next().unwrap()?.0, "b");
/// assert!(rows.next().is_none() && rows.next_back().is_none());
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct Iter(State);

#[derive(Debug)]
enum State {
    Open(Box<Open>),
    /// An error that is still to be given out.
    Failed(crate::Error),
    Done,
}

#[derive(Debug)]
struct Open {
    store: Arc<Store>,
    guard: Arc<Guard>,
    range: KeyRange,
    /// In which the walks were opened.
    era: Option<Era>,
    front: Option<Walk>,
    back: Option<Walk>,
    /// The last keys given out at each end: the two ends must not pass each other.
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
}

impl Iter {
    /// The rows of `range` at the guard's timestamp.
    pub(crate) fn new(store: &Arc<Store>, guard: Arc<Guard>, range: KeyRange) -> Self {
        if range.is_empty() {
            return Self(State::Done);
        }
        Self(State::Open(Box::new(Open {
            store: Arc::clone(store),
            guard,
            range,
            era: None,
            front: None,
            back: None,
            first: None,
            last: None,
        })))
    }

    /// An iterator whose first and only item is an error.
    pub(crate) fn failed(error: crate::Error) -> Self {
        Self(State::Failed(error))
    }

    /// The timestamp whose state this reads; `None` once it has ended.
    pub fn timestamp(&self) -> Option<Timestamp> {
        match &self.0 {
            State::Open(open) => Some(open.guard.at()),
            State::Failed(_) | State::Done => None,
        }
    }

    fn step(&mut self, direction: Direction) -> Option<Result<(Key, Value)>> {
        let result = match &mut self.0 {
            State::Open(open) => open.step(direction),
            State::Failed(_) => {
                let State::Failed(error) = std::mem::replace(&mut self.0, State::Done) else {
                    return None;
                };
                return Some(Err(error));
            }
            State::Done => return None,
        };
        match result {
            Ok(Some(row)) => Some(Ok(row)),
            Ok(None) => {
                self.0 = State::Done;
                None
            }
            Err(error) => {
                self.0 = State::Done;
                Some(Err(error))
            }
        }
    }
}

impl Open {
    fn step(&mut self, direction: Direction) -> Result<Option<(Key, Value)>> {
        self.store.check_open()?;
        let row = loop {
            let era = self.store.clock.era()?;
            if self.era != Some(era) {
                self.begin_anew(era);
            }
            let row = self.walk(direction);
            if self.store.clock.is_still(era) {
                break row?;
            }
        };
        self.guard.check()?;
        let Some((key, value)) = row else {
            return Ok(None);
        };
        let passed = match direction {
            Direction::Forward => self.last.as_ref().is_some_and(|last| *key >= **last),
            Direction::Backward => self.first.as_ref().is_some_and(|first| *key <= **first),
        };
        if passed {
            return Ok(None);
        }
        let given = match direction {
            Direction::Forward => &mut self.first,
            Direction::Backward => &mut self.last,
        };
        let given = given.get_or_insert_default();
        given.clear();
        given.extend_from_slice(&key);
        Ok(Some((key, value)))
    }

    /// Walks of before a rollback would meet some rows as they were, some as they are: the rest of the range
    /// is walked anew.
    fn begin_anew(&mut self, era: Era) {
        self.era = Some(era);
        (self.front, self.back) = (None, None);
        if let Some(first) = &self.first {
            self.range.start.clone_from(first);
            self.range.start.push(0);
        }
        if let Some(last) = &self.last {
            self.range.end = Some(last.clone());
        }
    }

    fn walk(&mut self, direction: Direction) -> Result<Option<(Key, Value)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let walk = match direction {
            Direction::Forward => &mut self.front,
            Direction::Backward => &mut self.back,
        };
        // The two ends see different moments of the backend, and the same state: what a guarded
        // timestamp sees does not change.
        let walk = match walk {
            Some(walk) => walk,
            none => none.insert(Walk::new(
                &self.store,
                self.guard.at(),
                &self.range,
                direction,
                Access::Scan,
            )?),
        };
        walk.step()
    }
}

impl Iterator for Iter {
    type Item = Result<(Key, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Direction::Forward)
    }
}

impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(Direction::Backward)
    }
}

impl std::iter::FusedIterator for Iter {}
