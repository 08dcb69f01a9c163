//! [`Iter`]: the rows of one state, from both ends.

use std::ops::ControlFlow;

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
/// After how many rows that are lent where they lie it is asked whether they are still wanted: the store may have been
/// closed or rolled back, or the read be too old.
const ROWS_BETWEEN_CHECKS: usize = if cfg!(test) { 2 } else { 64 };

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
    /// What neither end has given out yet: the two must not pass each other.
    range: KeyRange,
    /// In which the walks were opened.
    era: Option<Era>,
    front: Option<Walk>,
    back: Option<Walk>,
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

    /// Shows what is left from the front, where it lies, until `see` breaks.
    pub(crate) fn visit<B>(
        mut self,
        mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        loop {
            if let State::Open(open) = &mut self.0
                && let Some(broken) = open.visit(&mut see)?
            {
                return Ok(Some(broken));
            }
            // What cannot be shown where it lies.
            let Some(row) = self.next() else {
                return Ok(None);
            };
            let (key, value) = row?;
            if let ControlFlow::Break(broken) = see(&key, &value) {
                return Ok(Some(broken));
            }
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
        let is_passed = match direction {
            Direction::Forward => self.range.end.as_ref().is_some_and(|end| *key >= **end),
            Direction::Backward => *key < *self.range.start,
        };
        if is_passed {
            return Ok(None);
        }
        match direction {
            Direction::Forward => {
                self.range.start.clear();
                self.range.start.extend_from_slice(&key);
                self.range.start.push(0);
            }
            Direction::Backward => {
                let end = self.range.end.get_or_insert_default();
                end.clear();
                end.extend_from_slice(&key);
            }
        }
        Ok(Some((key, value)))
    }

    /// Shows rows where they lie, for as long as that can be done; what `see` broke with, if it did.
    fn visit<B>(
        &mut self,
        see: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let era = self.store.clock.era()?;
        if self.era != Some(era) {
            self.begin_anew(era);
        }
        if self.range.is_empty() {
            return Ok(None);
        }
        let (store, guard, range) = (&self.store, &self.guard, &self.range);
        let walk = opened(&mut self.front, store, guard, range, Direction::Forward)?;
        // Without a walk from the back, all that is met lies before the end.
        let end = self.back.as_ref().and(self.range.end.as_deref());
        // That the views were opened in this era is known once that is asked after a row was read. From then on nothing
        // can change the rows of one view, and the question is only whether they are still wanted; of several views
        // one may be opened on the way.
        let rows_between_checks = if walk.is_whole() {
            ROWS_BETWEEN_CHECKS
        } else {
            1
        };
        let (mut broken, mut has_shown, mut unchecked) = (None, false, 0);
        let walked = walk.walk_shown(|key, value| {
            if unchecked == 0 {
                let is_wanted = store.clock.is_still(era)
                    && store.check_open().is_ok()
                    && guard.check().is_ok();
                if !is_wanted {
                    return ControlFlow::Break(());
                }
                unchecked = rows_between_checks;
            }
            if end.is_some_and(|end| key >= end) {
                return ControlFlow::Break(());
            }
            unchecked -= 1;
            has_shown = true;
            see(key, value).map_break(|with| broken = Some(with))
        });
        if let Err(error) = walked {
            // Of a walk that a rollback has overtaken an error says nothing: `step` walks anew.
            return if store.clock.is_still(era) {
                Err(error)
            } else {
                Ok(None)
            };
        }
        if broken.is_none() && has_shown {
            walk.cut_off_shown(&mut self.range)?;
        }
        Ok(broken)
    }

    /// Walks of before a rollback would meet some rows as they were, some as they are: the rest of the range
    /// is walked anew.
    fn begin_anew(&mut self, era: Era) {
        self.era = Some(era);
        (self.front, self.back) = (None, None);
    }

    fn walk(&mut self, direction: Direction) -> Result<Option<(Key, Value)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let end = match direction {
            Direction::Forward => &mut self.front,
            Direction::Backward => &mut self.back,
        };
        opened(end, &self.store, &self.guard, &self.range, direction)?.step()
    }
}

/// The walk from one end, opened when it is first asked for.
///
/// The two ends see different moments of the backend, and the same state: what a guarded timestamp sees does not
/// change.
fn opened<'w>(
    walk: &'w mut Option<Walk>,
    store: &Arc<Store>,
    guard: &Guard,
    range: &KeyRange,
    direction: Direction,
) -> Result<&'w mut Walk> {
    Ok(match walk {
        Some(walk) => walk,
        none => none.insert(Walk::new(
            store,
            guard.at(),
            range,
            direction,
            Access::Scan,
        )?),
    })
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
