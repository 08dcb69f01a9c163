//! [`BlockContext`]: all that a transaction of a block sees and does.

use std::{
    cell::RefCell,
    fmt,
    ops::{RangeBounds, RangeInclusive},
    panic::resume_unwind,
};

use super::{
    counter::{decode_cell, encode_cell},
    frame::{Captured, Frame, Own, Seen},
    iter::{BlockIter, Overlay},
    memory::View,
    merge::Fixed,
    outcome::TxnIndex,
    ranges::{RangeRead, Ranges, Run, SharedRanges},
    schedule::Halt,
    serial::Below as SerialBelow,
    stop::Stop,
};
use crate::{
    error::{Error, Result},
    read_view::ReadView,
    storage::{Key, KeyRange, Value, check_key, check_value},
    sync::{Arc, Mutex},
};

/// What a transaction of a block sees and does: the state that the transactions before it left, with its
/// own writes over it. Reading is [`ReadView`].
///
/// The same transaction may be run more than once, and a run in vain may see values that never were
/// together; what such a run does through its context is forgotten. So a transaction must do nothing else
/// that lasts, and everything that it depends on must come from its context or be the same every time.
///
/// # Errors
/// An error of reading stays: once a call has failed with one, all later calls do, and whatever the
/// transaction makes of it, the run counts as failed. Code that ignores it and goes on calling is ended after
/// 1,000 more calls: by unwinding, which code that catches panics must let pass. An error that refuses one call (a key that is too
/// long, adding to a value that is no cell) is the caller's to handle.
///
/// # Examples
/// ```
/// use sapwood::{BlockContext, ExecutionStatus, ReadView, Result, decode_cell};
///
/// struct Transfer { from: &'static str, to: &'static str, amount: i128 }
///
/// fn transfer(ctx: &mut BlockContext<'_>, txn: &Transfer) -> Result<ExecutionStatus<()>> {
///     ctx.add("fees", 1)?; // does not make transactions wait for each other
///     if !ctx.try_add(txn.from, -txn.amount, 0..=i128::MAX)? {
///         return Ok(ExecutionStatus::Skip(()));
///     }
///     ctx.add(txn.to, txn.amount)?;
///     Ok(ExecutionStatus::Success(()))
/// }
/// ```
pub struct BlockContext<'a> {
    state: RefCell<State<'a>>,
    index: TxnIndex,
}

/// A state of a transaction's writes, to go back to.
///
/// # Examples
/// See [`BlockContext::savepoint`].
#[derive(Clone, Debug)]
pub struct BlockSavepoint {
    index: TxnIndex,
    number: u64,
}

/// What a run works on.
pub(super) struct State<'a> {
    pub(super) frame: &'a mut Frame,
    pub(super) below: Below<'a>,
    pub(super) halt: &'a Arc<Halt>,
    pub(super) operations_left: u64,
    pub(super) charged: u64,
    pub(super) stop: Option<Stop>,
    pub(super) ranges: Option<SharedRanges>,
    /// Calls since the run was stopped.
    pub(super) calls_in_vain: u32,
    /// Calls until a run ahead of the head looks whether it is stale already.
    pub(super) until_look: u64,
}

/// Calls that code may make in a run that was stopped, to come to its end; then it is ended.
const CALLS_IN_VAIN: u32 = 1_000;
/// Calls after which a run ahead looks whether it is stale already: it could go on for ever because of what
/// it saw.
pub(super) const UNTIL_LOOK: u64 = 1_024;

/// What a run is ended with that does not end itself.
struct GivenUp;

/// What lies below a run.
pub(super) enum Below<'a> {
    Serial(&'a mut SerialBelow),
    Parallel(View<'a>),
}

/// What a run left behind.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) stop: Option<Stop>,
    pub(super) charged: u64,
    pub(super) ranges: Vec<RangeRead>,
}

impl State<'_> {
    fn number_of(&mut self, key: &[u8]) -> u32 {
        match &self.below {
            Below::Serial(_) => self.frame.slot_of(key, |_| 0),
            Below::Parallel(view) => {
                let memory = view.memory;
                self.frame.slot_of(key, |hash| memory.locate(hash, key))
            }
        }
    }

    /// Whether everything below is decided.
    fn is_exact(&self) -> bool {
        match &self.below {
            Below::Serial(_) => true,
            Below::Parallel(view) => view.is_exact,
        }
    }

    /// The value below the run's own writes. `noted` says whether it is what the run reads.
    fn read_below(&mut self, number: u32, noted: bool) -> Result<Option<Value>, Stop> {
        match &mut self.below {
            Below::Serial(below) => {
                if noted && self.frame.note_read(number)? {
                    below.note_distance(self.frame.slot(number)?.writer);
                }
                below.read(self.frame.slot_mut(number)?)
            }
            Below::Parallel(view) => {
                match self.frame.captured(number) {
                    Some(captured) if captured.seen == Seen::BASE => {
                        return Ok(self.frame.slot(number)?.current.clone());
                    }
                    Some(captured) if captured.seen != Seen::BOUNDED => {
                        return Ok(captured.value.clone());
                    }
                    _ => {}
                }
                let (slot, arena) = self.frame.slot_and_arena(number)?;
                let read = view.read(slot, arena);
                if let Err(Stop::Storage(_)) = &read {
                    // That it was the base that could not be read is what the run relies on.
                    self.frame.capture(number, Captured::FAILED)?;
                }
                let captured = read?;
                let value = if captured.seen == Seen::BASE {
                    self.frame.slot(number)?.current.clone()
                } else {
                    captured.value.clone()
                };
                if noted {
                    let told = self.frame.bounded(number).and_then(|bounded| bounded.value);
                    if told.is_some() && decode_cell(value.as_deref()).ok() != told {
                        return Err(Stop::Stale);
                    }
                    self.frame.capture(number, captured)?;
                }
                Ok(value)
            }
        }
    }

    fn read(&mut self, number: u32) -> Result<Option<Value>, Stop> {
        match self.frame.own(number) {
            None => self.read_below(number, true),
            Some(Own::Value(value)) => Ok(value.clone()),
            Some(Own::Added(total)) => {
                let total = encode_cell(total.get());
                self.read_below(number, true)?;
                Ok(Some(total))
            }
            Some(Own::Delta(sum)) => {
                let sum = sum.get();
                let below = self.read_below(number, true)?;
                let total = decode_cell(below.as_deref()).ok();
                let total = total.and_then(|total| total.checked_add(sum));
                // With all below decided it would have been refused.
                total
                    .map(|total| Some(encode_cell(total)))
                    .ok_or(Stop::Stale)
            }
        }
    }

    /// The rows of a range that the run has written.
    fn own_rows(&mut self, range: &KeyRange) -> Result<super::merge::Rows, Stop> {
        let mut rows = super::merge::Rows::new();
        if !self.frame.has_writes() {
            return Ok(rows);
        }
        let written: Vec<_> = self.frame.written().collect();
        for number in written {
            let key = Key::copy_from_slice(&self.frame.slot(number)?.key);
            if range.contains(&key) {
                let value = self.read(number)?;
                rows.insert(key, value);
            }
        }
        Ok(rows)
    }

    /// Counts calls.
    fn count(&mut self, calls: u64) -> Result<(), Stop> {
        if let Some(stop) = &self.stop {
            self.calls_in_vain += 1;
            return Err(stop.again());
        }
        self.until_look = self.until_look.saturating_sub(calls);
        if self.until_look == 0 {
            self.look()?;
        }
        if self.halt.is_set() {
            return Err(Stop::Halted);
        }
        let Some(ranges) = &self.ranges else {
            return count_down(&mut self.operations_left, calls);
        };
        let mut ranges = ranges.lock();
        let Some(run) = &mut ranges.run else {
            return Ok(());
        };
        match &run.stop {
            Some(stop) => Err(stop.again()),
            None => count_down(&mut run.operations_left, calls),
        }
    }

    /// Looks whether what the run has read is still so.
    fn look(&mut self) -> Result<(), Stop> {
        // So that looking takes no longer than reading did.
        self.until_look = UNTIL_LOOK.max(self.frame.reads.len() as u64);
        let Below::Parallel(view) = &self.below else {
            return Ok(());
        };
        if view.is_exact {
            return Ok(());
        }
        let (memory, txn) = (view.memory, view.txn);
        for (number, captured) in self.frame.reads.iter().zip(&self.frame.captured) {
            let location = self.frame.slot(*number)?.location;
            if !memory.point_holds(location, captured, txn).unwrap_or(false) {
                return Err(Stop::Stale);
            }
        }
        for bounded in &self.frame.bounds {
            let location = self.frame.slot(bounded.slot)?.location;
            let holds = memory.bound_holds(location, bounded.allowed, txn);
            if !holds.unwrap_or(false) {
                return Err(Stop::Stale);
            }
        }
        Ok(())
    }

    /// Adds where the number below is known.
    fn add_exactly(
        &mut self,
        number: u32,
        delta: i128,
        bounds: Option<&RangeInclusive<i128>>,
    ) -> Result<Result<bool>, Stop> {
        let own = self.frame.own(number).cloned();
        let is_below_unread = !matches!(own, Some(Own::Value(_)));
        if is_below_unread && bounds.is_some() {
            self.read_below(number, true)?;
        }
        let current = match &own {
            Some(Own::Value(value)) => decode_cell(value.as_deref()),
            Some(Own::Added(total)) => Ok(total.get()),
            Some(Own::Delta(_)) => decode_cell(self.read(number)?.as_deref()),
            None => decode_cell(self.read_below(number, false)?.as_deref()),
        };
        let total = match (current.map(|current| current.checked_add(delta)), bounds) {
            (Ok(Some(total)), None) => total,
            (Ok(Some(total)), Some(bounds)) if bounds.contains(&total) => total,
            (Ok(_), Some(_)) => return Ok(Ok(false)),
            (refused, _) => {
                if is_below_unread {
                    // The refusal tells something of the value.
                    self.read_below(number, true)?;
                }
                return Ok(Err(refused.err().unwrap_or_else(|| {
                    Error::invalid(
                        "the sum does not fit into an integer cell of 128 bits; bound it with try_add",
                    )
                })));
            }
        };
        let sum = if is_below_unread {
            Own::Added(total.into())
        } else {
            Own::Value(Some(encode_cell(total)))
        };
        Ok(self.frame.write(number, sum).map(|()| true))
    }

    fn add(
        &mut self,
        number: u32,
        delta: i128,
        bounds: Option<&RangeInclusive<i128>>,
    ) -> Result<Result<bool>, Stop> {
        let before = match self.frame.own(number) {
            Some(Own::Value(_) | Own::Added(_)) => None,
            Some(Own::Delta(sum)) => Some(sum.get()),
            None => Some(0),
        };
        let is_read = self
            .frame
            .captured(number)
            .is_some_and(|read| read.seen != Seen::BOUNDED);
        match before {
            Some(before) if !self.is_exact() && !is_read => {
                // With all below decided, its answer is known.
                let sum = before.checked_add(delta).ok_or(Stop::Stale)?;
                match bounds {
                    Some(bounds) => self.try_add_ahead(number, sum, bounds),
                    None => self.add_ahead(number, sum),
                }
            }
            _ => self.add_exactly(number, delta, bounds),
        }
    }

    /// Adds without knowing what lies below. `sum` is all that the run adds.
    fn add_ahead(&mut self, number: u32, sum: i128) -> Result<Result<bool>, Stop> {
        let bounded = self.frame.bounded_mut(number).ok_or(Stop::Stale)?;
        bounded.allowed.inside(sum, &(i128::MIN..=i128::MAX));
        if bounded
            .value
            .is_some_and(|value| !bounded.allowed.contains(value))
        {
            return Err(Stop::Stale);
        }
        Ok(self
            .frame
            .write(number, Own::Delta(sum.into()))
            .map(|()| true))
    }

    /// Adds if that is within bounds, and relies on that answer only.
    fn try_add_ahead(
        &mut self,
        number: u32,
        sum: i128,
        bounds: &RangeInclusive<i128>,
    ) -> Result<Result<bool>, Stop> {
        let told = self.frame.bounded(number).and_then(|bounded| bounded.value);
        let value = match told {
            Some(value) => value,
            None => {
                let below = self.read_below(number, false)?;
                decode_cell(below.as_deref()).map_err(|_| Stop::Stale)?
            }
        };
        if self.frame.captured(number).is_none() {
            self.frame.capture(number, Captured::BOUNDED)?;
        }
        let bounded = self.frame.bounded_mut(number).ok_or(Stop::Stale)?;
        bounded.value = Some(value);
        let is_inside = value
            .checked_add(sum)
            .is_some_and(|total| bounds.contains(&total));
        if is_inside {
            bounded.allowed.inside(sum, bounds);
        } else if !bounds.is_empty() {
            bounded.allowed.outside(value, sum, bounds);
        }
        if !bounded.allowed.contains(value) {
            return Err(Stop::Stale);
        }
        if !is_inside {
            return Ok(Ok(false));
        }
        Ok(self
            .frame
            .write(number, Own::Delta(sum.into()))
            .map(|()| true))
    }
}

pub(super) fn count_down(left: &mut u64, calls: u64) -> Result<(), Stop> {
    *left = left.checked_sub(calls).ok_or(Stop::OutOfOperations)?;
    Ok(())
}

impl<'a> BlockContext<'a> {
    pub(super) fn new(state: State<'a>, index: TxnIndex) -> Self {
        Self {
            state: RefCell::new(state),
            index,
        }
    }

    /// Ends the run, its iterators too.
    pub(super) fn end(self) -> Left {
        let state = self.state.into_inner();
        let mut left = Left {
            stop: state.stop,
            charged: state.charged,
            ranges: Vec::new(),
        };
        if let Some(run) = state.ranges.and_then(|ranges| ranges.lock().run.take()) {
            left.ranges = run.reads;
            left.stop = left.stop.or(run.stop);
        }
        left
    }

    /// Does something that can stop the run.
    fn run<R>(
        &self,
        calls: u64,
        call: impl FnOnce(&mut State<'a>) -> Result<R, Stop>,
    ) -> Result<R> {
        let mut state = self.state.borrow_mut();
        let outcome = state.count(calls).and_then(|()| call(&mut state));
        let stop = match outcome {
            Ok(result) => return Ok(result),
            Err(stop) => stop,
        };
        let error = stop.error();
        state.stop.get_or_insert(stop);
        let goes_on_in_vain = state.calls_in_vain > CALLS_IN_VAIN;
        drop(state);
        // Not while its code unwinds already, and calls from a destructor.
        if goes_on_in_vain && !std::thread::panicking() {
            resume_unwind(Box::new(GivenUp));
        }
        Err(error)
    }

    /// The position of the transaction in its block.
    pub fn index(&self) -> TxnIndex {
        self.index
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`TooLarge`](crate::ErrorKind::TooLarge) over a [limit](crate::limits); nothing is changed then.
    /// And see [`BlockContext`].
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        check_value(key.as_ref(), value.as_ref())?;
        self.write(key.as_ref(), Some(value.as_ref()))
    }

    /// Deletes a key; one that is not there stays so.
    ///
    /// # Errors
    /// As [`BlockContext::set`].
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.write(key.as_ref(), None)
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        check_key(key)?;
        self.run(1, |state| {
            let number = state.number_of(key);
            let value = value.map(|value| state.frame.copy(value));
            Ok(state.frame.write(number, Own::Value(value)))
        })?
    }

    /// Adds to the integer cell of a key; one that does not exist is 0. Transactions that only add to a
    /// cell do not wait for each other.
    ///
    /// A cell is an `i128` in 16 bytes, big-endian: [`encode_cell`](crate::encode_cell) and
    /// [`decode_cell`](crate::decode_cell) are its bytes, and [`get`](ReadView::get) reads it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the value is no integer cell, or the sum does not fit
    /// into one; nothing is changed then. And as [`BlockContext::set`].
    pub fn add(&mut self, key: impl AsRef<[u8]>, delta: i128) -> Result<()> {
        let key = key.as_ref();
        check_key(key)?;
        self.run(1, |state| {
            let number = state.number_of(key);
            state.add(number, delta, None)
        })??;
        Ok(())
    }

    /// Adds to an integer cell if the sum then lies within `bounds`. Returns whether it did. Transactions
    /// wait for each other only where the answer of one depends on another.
    ///
    /// # Errors
    /// As [`BlockContext::add`]; a sum that does not fit into a cell lies in no bounds.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{BlockContext, Result};
    ///
    /// fn buy(ctx: &mut BlockContext<'_>) -> Result<bool> {
    ///     ctx.try_add("tickets/left", -1, 0..=i128::MAX)
    /// }
    /// ```
    pub fn try_add(
        &mut self,
        key: impl AsRef<[u8]>,
        delta: i128,
        bounds: RangeInclusive<i128>,
    ) -> Result<bool> {
        let key = key.as_ref();
        check_key(key)?;
        self.run(1, |state| {
            let number = state.number_of(key);
            state.add(number, delta, Some(&bounds))
        })?
    }

    /// Charges for what the transaction does, whatever its outcome. What the transactions of a block have
    /// charged is summed up in their order; see
    /// [`block_limit`](super::BlockExecutorConfig::block_limit).
    ///
    /// # Errors
    /// See [`BlockContext`].
    pub fn charge(&mut self, units: u64) -> Result<()> {
        self.run(1, |state| {
            state.charged = state.charged.saturating_add(units);
            Ok(())
        })
    }

    /// Marks a state of the writes, to go back to.
    ///
    /// # Examples
    /// ```
    /// use sapwood::{BlockContext, Result};
    ///
    /// fn call(ctx: &mut BlockContext<'_>) -> Result<()> {
    ///     let savepoint = ctx.savepoint();
    ///     ctx.set("approved", b"1")?;
    ///     if !ctx.try_add("allowance", -5, 0..=i128::MAX)? {
    ///         ctx.rollback_to(&savepoint)?; // "approved" is as it was
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn savepoint(&mut self) -> BlockSavepoint {
        BlockSavepoint {
            index: self.index,
            number: self.state.get_mut().frame.savepoint(),
        }
    }

    /// Takes back what was written since a savepoint; the savepoint stays, later ones go. What was read,
    /// and charged, since counts all the same: the transaction knows it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a savepoint of another transaction, or of a state
    /// that was taken back. And see [`BlockContext`].
    pub fn rollback_to(&mut self, savepoint: &BlockSavepoint) -> Result<()> {
        let is_own = savepoint.index == self.index;
        self.run(1, |state| {
            if is_own && state.frame.rollback_to(savepoint.number) {
                return Ok(Ok(()));
            }
            Ok(Err(Error::not_found(
                "the savepoint belongs to another transaction, or was taken back with what was before it",
            )))
        })?
    }
}

impl ReadView for BlockContext<'_> {
    type Iter = BlockIter;

    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.run(1, |state| {
            let number = state.number_of(key.as_ref());
            state.read(number)
        })
    }

    fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.run(keys.len() as u64, |state| {
            let numbers = keys.iter().map(|key| state.number_of(key.as_ref()));
            let numbers: Vec<_> = numbers.collect();
            state.fetch(&numbers)?;
            numbers
                .into_iter()
                .map(|number| state.read(number))
                .collect()
        })
    }

    fn range(&self, range: impl RangeBounds<Vec<u8>>) -> BlockIter {
        let range = KeyRange::new(range);
        let opened = self.run(1, |state| state.open(range));
        opened.unwrap_or_else(BlockIter::failed)
    }
}

impl State<'_> {
    /// Fetches the base values of some slots that are not known yet, together.
    fn fetch(&mut self, numbers: &[u32]) -> Result<(), Stop> {
        let mut missing = Vec::new();
        for number in numbers {
            if !self.frame.slot(*number)?.is_known && self.frame.own(*number).is_none() {
                missing.push(*number);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.len() < 2 {
            return Ok(());
        }
        match &mut self.below {
            Below::Serial(below) => {
                let keys = missing
                    .iter()
                    .map(|number| Ok(&*self.frame.slot(*number)?.key));
                let keys = keys.collect::<Result<Vec<&[u8]>>>()?;
                // What cannot be read will be read again, one by one, and fail where it is asked for.
                if let Ok(values) = below.base.multi_get(&keys) {
                    for (number, value) in missing.iter().zip(values) {
                        let slot = self.frame.slot_mut(*number)?;
                        slot.current = value;
                        slot.is_known = true;
                    }
                }
            }
            Below::Parallel(view) => {
                let locations = missing
                    .iter()
                    .map(|number| Ok(self.frame.slot(*number)?.location));
                view.memory.fetch(&locations.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(())
    }

    fn open(&mut self, range: KeyRange) -> Result<BlockIter, Stop> {
        let own = self.own_rows(&range)?;
        let left = self.operations_left;
        let shared = self.ranges.get_or_insert_with(|| {
            Arc::new(Mutex::new(Ranges {
                run: Some(Run {
                    reads: Vec::new(),
                    operations_left: left,
                    stop: None,
                }),
            }))
        });
        let shared = Arc::clone(shared);
        let mut ranges = shared.lock();
        let Some(run) = &mut ranges.run else {
            return Err(Stop::Halted);
        };
        let number = run.reads.len();
        run.reads.push(RangeRead::new(range.clone()));
        drop(ranges);
        let (stored, over) = match &mut self.below {
            Below::Serial(below) => {
                let rows = below.rows(self.frame).clone();
                let over = if own.is_empty() {
                    rows
                } else {
                    own.union(rows)
                };
                (below.base.range(&range), Overlay::Fixed(Fixed::new(over)))
            }
            Below::Parallel(view) => {
                view.memory.open_index();
                (view.memory.base.range(&range), Overlay::versions(view, own))
            }
        };
        Ok(BlockIter::new(
            stored,
            over,
            &range,
            shared,
            number,
            Arc::clone(self.halt),
        ))
    }
}

impl fmt::Debug for BlockContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockContext")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
