//! What a transaction of these tests is: a small program over keys. All that it reads feeds its
//! accumulator, and what it does next may depend on that; so where the accumulator is right at its
//! end, every read was.

use std::ops::Bound;

/// A program, and the operations that it is made of.
pub(crate) type Program = Vec<Op>;

/// The ends that a range is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Front,
    Back,
    /// One row from the front, one from the back, and so on.
    Both,
}

impl Ends {
    /// Whether the row after so many is taken from the front.
    pub(crate) fn is_front(self, taken: usize) -> bool {
        match self {
            Self::Front => true,
            Self::Back => false,
            Self::Both => taken.is_multiple_of(2),
        }
    }
}

/// A part of a range: at most so many rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: Bound<Vec<u8>>,
    pub(crate) end: Bound<Vec<u8>>,
    pub(crate) ends: Ends,
    pub(crate) limit: usize,
}

/// One operation. Keys `u32` stand for [`plain`] ones or [`cell`]s, as the operation says. "Every `m`"
/// is: where the accumulator is a multiple of `m`; every 1 is always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Read(Vec<u8>),
    /// Reads the plain key `acc % count`.
    ReadDyn(u32),
    MultiGet(Vec<Vec<u8>>),
    Exists(Vec<u8>),
    /// Sets the key to what nobody else writes.
    Write(Vec<u8>),
    /// The same for the plain key `acc % count`.
    WriteDyn(u32),
    /// Sets the key to one of `m` values, so that a key often keeps its value when it is set.
    WriteOneOf(Vec<u8>, u64),
    Delete(Vec<u8>),
    DeleteDyn(u32),
    /// Sets a cell, as a plain key, to a number that depends on the accumulator.
    WriteCell(u32),
    Add(u32, i128),
    /// Adds `acc % m`.
    AddSome(u32, u32),
    TryAdd {
        cell: u32,
        delta: i128,
        min: i128,
        max: i128,
    },
    Range(Part),
    /// The rows with a prefix.
    Scan(Vec<u8>, Ends, usize),
    /// A range that is opened, then a key is set, then the rest is taken.
    HeldRange(Part, Vec<u8>),
    /// Adds 1 to the number that a plain key is.
    Increment(Vec<u8>),
    /// Moves an amount from one number to another, where there is so much.
    Transfer(Vec<u8>, Vec<u8>, u64),
    /// Finds the 6th plain key behind this one, or where there are fewer the 6th before it, or the
    /// last there is, and moves 1 from this to that.
    PayNeighbour(Vec<u8>),
    /// Two numbers make this sum, whatever else is going on.
    Check(Vec<u8>, Vec<u8>, u64),
    /// Reads two numbers until they make this sum: for ever where a run sees what never was.
    Await(Vec<u8>, Vec<u8>, u64),
    /// Every `m`: passes over the next operations.
    Branch(u64, usize),
    Savepoint,
    /// Back to one of the savepoints so far.
    Rollback(usize),
    Fail(u64),
    SkipRest(u64),
    Abort(u64),
    Panic(u64),
    /// Every `m`: returns an error.
    Refuse(u64),
    /// Every `m`: goes on as if the next operation could not fail.
    Swallow(u64),
    Charge(u64),
    /// Work that reads nothing.
    Spin(u32),
    /// Lets other threads run, so many times.
    Yield(u32),
    /// Waits until a run of this transaction has ended, or other threads had many turns.
    After(u32),
}

/// A key of the values that are set.
pub(crate) fn plain(number: u32) -> Vec<u8> {
    format!("v/{number}").into_bytes()
}

/// A key of the integer cells.
pub(crate) fn cell(number: u32) -> Vec<u8> {
    format!("c/{number}").into_bytes()
}

/// How a program ended, if no error and no panic ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Success,
    Skip,
    SkipRest,
    Abort,
}

/// What a program gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) acc: u64,
    /// Of everything that was read, in order.
    pub(crate) digest: u64,
}

/// Why a program did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    Error(E),
    /// It panics with this message.
    Panic(String),
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Self {
        Self::Error(error)
    }
}

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// What a program runs on.
pub(crate) trait State {
    type Error;
    type Savepoint;

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
    fn multi_get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Self::Error>;
    fn contains(&mut self, key: &[u8]) -> Result<bool, Self::Error>;
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
    fn delete(&mut self, key: &[u8]) -> Result<(), Self::Error>;
    fn add(&mut self, key: &[u8], delta: i128) -> Result<(), Self::Error>;
    fn try_add(
        &mut self,
        key: &[u8],
        delta: i128,
        min: i128,
        max: i128,
    ) -> Result<bool, Self::Error>;
    /// The rows of a part; where `between` is given, it is set to that value after the range was
    /// opened and before a row is taken.
    fn range(
        &mut self,
        part: &Part,
        between: Option<(&[u8], &[u8])>,
    ) -> Result<Vec<Row>, Self::Error>;
    fn scan(&mut self, prefix: &[u8], ends: Ends, limit: usize) -> Result<Vec<Row>, Self::Error>;
    fn savepoint(&mut self) -> Self::Savepoint;
    fn rollback_to(&mut self, savepoint: &Self::Savepoint) -> Result<(), Self::Error>;
    fn charge(&mut self, units: u64) -> Result<(), Self::Error>;
    /// An error of the user's own.
    fn refusal(&self) -> Self::Error;
    /// Lets others run until a run of this transaction has ended, for a while.
    fn wait_for(&self, index: u32);
}

/// Takes at most `limit` rows from the ends said.
pub(crate) fn take<T>(
    mut rows: impl DoubleEndedIterator<Item = T>,
    ends: Ends,
    limit: usize,
) -> Vec<T> {
    let mut taken = Vec::new();
    while taken.len() < limit {
        let row = if ends.is_front(taken.len()) {
            rows.next()
        } else {
            rows.next_back()
        };
        match row {
            Some(row) => taken.push(row),
            None => break,
        }
    }
    taken
}

/// The number that a value is: its first bytes.
pub(crate) fn number(value: Option<&[u8]>) -> u64 {
    let bytes = value.and_then(|value| value.first_chunk());
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn mix(sum: u64, with: u64) -> u64 {
    let mut sum = (sum ^ with).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    sum ^= sum >> 29;
    sum = sum.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    sum ^ (sum >> 32)
}

fn mix_bytes(sum: u64, bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap();
    bytes
        .iter()
        .fold(mix(sum, length), |sum, byte| mix(sum, u64::from(*byte) + 1))
}

/// A run of a program: its accumulator, and a digest that does not steer it.
struct Run<'a, S: State> {
    state: &'a mut S,
    index: u32,
    acc: u64,
    digest: u64,
    savepoints: Vec<S::Savepoint>,
}

/// Runs a program as the transaction `index` of its block.
pub(crate) fn run<S: State>(
    program: &Program,
    index: u32,
    state: &mut S,
) -> Result<(Ended, Output), Stop<S::Error>> {
    let mut run = Run {
        state,
        index,
        acc: mix(7, u64::from(index)),
        digest: 0,
        savepoints: Vec::new(),
    };
    let mut ended = Ended::Success;
    let mut next = 0;
    let mut swallow = false;
    while let Some(op) = program.get(next) {
        next += 1;
        let step = match run.step(op) {
            // The mistake: the error is thrown away.
            Err(Stop::Error(_)) if swallow => Step::Next,
            step => step?,
        };
        swallow = false;
        match step {
            Step::Next => {}
            Step::Over(count) => next += count,
            Step::Swallow => swallow = true,
            Step::End(how) => {
                ended = how;
                break;
            }
        }
    }
    let output = Output {
        acc: run.acc,
        digest: run.digest,
    };
    Ok((ended, output))
}

enum Step {
    Next,
    Over(usize),
    Swallow,
    End(Ended),
}

impl<S: State> Run<'_, S> {
    fn every(&self, m: u64) -> bool {
        self.acc.is_multiple_of(m)
    }

    fn saw(&mut self, value: Option<&[u8]>) {
        for sum in [&mut self.acc, &mut self.digest] {
            *sum = match value {
                Some(bytes) => mix_bytes(*sum, bytes),
                None => mix(*sum, 0xDEAD),
            };
        }
    }

    fn saw_rows(&mut self, rows: &[Row]) {
        for (key, value) in rows {
            self.saw(Some(key));
            self.saw(Some(value));
        }
        self.saw(None);
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, S::Error> {
        let value = self.state.get(key)?;
        self.saw(value.as_deref());
        Ok(value)
    }

    fn number(&mut self, key: &[u8]) -> Result<u64, S::Error> {
        Ok(number(self.get(key)?.as_deref()))
    }

    fn put(&mut self, key: &[u8], number: u64) -> Result<(), S::Error> {
        self.state.set(key, &number.to_be_bytes())
    }

    /// The plain key that the accumulator says.
    fn dynamic(&self, count: u32) -> Vec<u8> {
        plain(u32::try_from(self.acc % u64::from(count)).unwrap())
    }

    /// A value that nobody else writes, of some length; sometimes the empty one.
    fn value(&self) -> Vec<u8> {
        let number = mix(self.acc, u64::from(self.index) << 20);
        let mut value = number
            .to_be_bytes()
            .repeat(usize::from(!number.is_multiple_of(7)));
        value.resize(value.len() + usize::try_from(number % 5).unwrap(), 7);
        value
    }

    fn write(&mut self, key: &[u8]) -> Result<(), S::Error> {
        let value = self.value();
        self.state.set(key, &value)
    }

    fn transfer(&mut self, from: &[u8], to: &[u8], amount: u64) -> Result<(), S::Error> {
        let has = self.number(from)?;
        if has < amount || from == to {
            return Ok(());
        }
        self.put(from, has - amount)?;
        let other = self.number(to)?;
        self.put(to, other + amount)
    }

    fn pay_neighbour(&mut self, payer: &[u8]) -> Result<(), S::Error> {
        let mut part = Part {
            start: Bound::Excluded(payer.to_vec()),
            end: Bound::Excluded(b"v0".to_vec()),
            ends: Ends::Front,
            limit: 6,
        };
        let mut rows = self.state.range(&part, None)?;
        self.saw_rows(&rows);
        if rows.len() < 6 {
            part.end = std::mem::replace(&mut part.start, Bound::Included(b"v/".to_vec()));
            part.ends = Ends::Back;
            rows = self.state.range(&part, None)?;
            self.saw_rows(&rows);
        }
        match rows.pop() {
            Some((neighbour, _)) => self.transfer(payer, &neighbour, 1),
            None => Ok(()),
        }
    }

    fn sum(&mut self, left: &[u8], right: &[u8]) -> Result<u64, S::Error> {
        Ok(self.number(left)?.wrapping_add(self.number(right)?))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn step(&mut self, op: &Op) -> Result<Step, Stop<S::Error>> {
        match op {
            Op::Read(key) => {
                self.get(key)?;
            }
            Op::ReadDyn(count) => {
                self.get(&self.dynamic(*count))?;
            }
            Op::MultiGet(keys) => {
                for value in self.state.multi_get(keys)? {
                    self.saw(value.as_deref());
                }
            }
            Op::Exists(key) => {
                let found = self.state.contains(key)?;
                self.saw(found.then_some(b"yes"));
            }
            Op::Write(key) => self.write(key)?,
            Op::WriteDyn(count) => self.write(&self.dynamic(*count))?,
            Op::WriteOneOf(key, m) => self.put(key, self.acc % m)?,
            Op::Delete(key) => self.state.delete(key)?,
            Op::DeleteDyn(count) => self.state.delete(&self.dynamic(*count))?,
            Op::WriteCell(number) => {
                let value = i128::from(self.acc % 1000) - 300;
                self.state.set(&cell(*number), &value.to_be_bytes())?;
            }
            Op::Add(number, delta) => self.state.add(&cell(*number), *delta)?,
            Op::AddSome(number, m) => {
                let delta = i128::from(self.acc % u64::from(*m));
                self.state.add(&cell(*number), delta)?;
            }
            Op::TryAdd {
                cell: number,
                delta,
                min,
                max,
            } => {
                let done = self.state.try_add(&cell(*number), *delta, *min, *max)?;
                self.saw(done.then_some(b"added"));
            }
            Op::Range(part) => {
                let rows = self.state.range(part, None)?;
                self.saw_rows(&rows);
            }
            Op::Scan(prefix, ends, limit) => {
                let rows = self.state.scan(prefix, *ends, *limit)?;
                self.saw_rows(&rows);
            }
            Op::HeldRange(part, key) => {
                let value = self.value();
                let rows = self.state.range(part, Some((key, &value)))?;
                self.saw_rows(&rows);
            }
            Op::Increment(key) => {
                let number = self.number(key)?;
                self.put(key, number + 1)?;
            }
            Op::Transfer(from, to, amount) => self.transfer(from, to, *amount)?,
            Op::PayNeighbour(payer) => self.pay_neighbour(payer)?,
            Op::Check(left, right, sum) => {
                let found = self.sum(left, right)?;
                if found != *sum {
                    return Err(Stop::Panic(format!(
                        "transaction {}: the sum is {found}, never {sum}",
                        self.index
                    )));
                }
            }
            Op::Await(left, right, sum) => while self.sum(left, right)? != *sum {},
            Op::Branch(m, count) if self.every(*m) => return Ok(Step::Over(*count)),
            Op::Savepoint => {
                let savepoint = self.state.savepoint();
                self.savepoints.push(savepoint);
            }
            Op::Rollback(which) if !self.savepoints.is_empty() => {
                let which = which % self.savepoints.len();
                self.savepoints.truncate(which + 1);
                self.state.rollback_to(&self.savepoints[which])?;
            }
            Op::Fail(m) if self.every(*m) => return Ok(Step::End(Ended::Skip)),
            Op::SkipRest(m) if self.every(*m) => return Ok(Step::End(Ended::SkipRest)),
            Op::Abort(m) if self.every(*m) => return Ok(Step::End(Ended::Abort)),
            Op::Panic(m) if self.every(*m) => {
                return Err(Stop::Panic(format!(
                    "transaction {} panics at {:x}",
                    self.index, self.acc
                )));
            }
            Op::Refuse(m) if self.every(*m) => {
                return Err(Stop::Error(self.state.refusal()));
            }
            Op::Swallow(m) if self.every(*m) => return Ok(Step::Swallow),
            Op::Charge(units) => self.state.charge(*units)?,
            Op::Spin(count) => {
                let spun = (0..u64::from(*count)).fold(self.acc, mix);
                std::hint::black_box(spun);
            }
            Op::Yield(count) => (0..*count).for_each(|_| std::thread::yield_now()),
            Op::After(index) => self.state.wait_for(*index),
            // Those whose time has not come.
            Op::Branch(..)
            | Op::Rollback(_)
            | Op::Fail(_)
            | Op::SkipRest(_)
            | Op::Abort(_)
            | Op::Panic(_)
            | Op::Refuse(_)
            | Op::Swallow(_) => {}
        }
        Ok(Step::Next)
    }
}
