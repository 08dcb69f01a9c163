//! The answer that a block must have: its programs one by one, in order, over a plain map. Nothing
//! here is the executor's.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::program::{Ended, Ends, Output, Part, Program, Row, State, Stop, run};

/// A state: keys and values.
pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// What becomes of keys; `None` deletes.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Where a range begins and ends.
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success(Output),
    Skipped(Output),
    OutOfOperations,
    NotExecuted,
}

/// Where a block ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    SkipRest(u32),
    Limit(u32),
    Aborted(u32, Output),
    Panicked(u32, String),
    Failed(u32),
}

impl End {
    /// Numbers the kinds.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Complete => 0,
            Self::SkipRest(_) => 1,
            Self::Limit(_) => 2,
            Self::Aborted(..) => 3,
            Self::Panicked(..) => 4,
            Self::Failed(_) => 5,
        }
    }
}

/// What a transaction looked at, and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Keys of the state below that it looked at one by one.
    pub(crate) reads: BTreeSet<Vec<u8>>,
    /// Keys that it added to, and may have looked at by that.
    pub(crate) maybe: BTreeSet<Vec<u8>>,
    pub(crate) ranges: Vec<Bounds>,
    pub(crate) writes: BTreeSet<Vec<u8>>,
}

/// The answer to a block; where it is refused, that of the transactions before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) access: Vec<Access>,
    pub(crate) changes: Changes,
    pub(crate) end: End,
    pub(crate) charged: u64,
}

/// What bounds a block, and each of its transactions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) block: Option<u64>,
    pub(crate) operations: Option<u64>,
}

/// Why a transaction cannot go on.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its caller may go on without.
    Call,
    /// Every later call is refused as well.
    OutOfOperations,
}

/// Runs a block one by one.
pub(crate) fn answer(base: &Rows, block: &[Program], limits: Limits) -> Answer {
    let mut state = base.clone();
    let mut answer = Answer {
        outcomes: Vec::new(),
        access: Vec::new(),
        changes: Changes::new(),
        end: End::Complete,
        charged: 0,
    };
    for (index, program) in (0..).zip(block) {
        let mut one = One {
            below: &state,
            own: Changes::new(),
            access: Access::default(),
            charged: 0,
            operations_left: limits.operations,
        };
        let ended = run(program, index, &mut one);
        let One {
            own,
            mut access,
            charged,
            operations_left,
            ..
        } = one;
        // What would go beyond the limit is not executed, whatever it would have come to.
        if limits
            .block
            .is_some_and(|limit| answer.charged + charged > limit)
        {
            answer.end = End::Limit(index);
            break;
        }
        let (how, outcome) = if operations_left == Some(OUT) {
            (Ended::Skip, Outcome::OutOfOperations)
        } else {
            match ended {
                Ok((Ended::Abort, output)) => {
                    answer.end = End::Aborted(index, output);
                    return answer;
                }
                Ok((Ended::Skip, output)) => (Ended::Skip, Outcome::Skipped(output)),
                Ok((how, output)) => (how, Outcome::Success(output)),
                Err(Stop::Panic(message)) => {
                    answer.end = End::Panicked(index, message);
                    return answer;
                }
                Err(Stop::Error(_)) => {
                    answer.end = End::Failed(index);
                    return answer;
                }
            }
        };
        answer.charged += charged;
        if how != Ended::Skip {
            access.writes = own.keys().cloned().collect();
            apply(&mut state, &own);
            answer.changes.extend(own);
        }
        answer.outcomes.push(outcome);
        answer.access.push(access);
        if how == Ended::SkipRest {
            answer.end = End::SkipRest(index);
            break;
        }
    }
    answer.outcomes.resize(block.len(), Outcome::NotExecuted);
    answer
}

pub(crate) fn apply<'a>(
    rows: &mut Rows,
    changes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

/// Whether a key lies within bounds.
pub(crate) fn within(key: &[u8], start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) -> bool {
    let above = match start {
        Bound::Included(start) => key >= start.as_slice(),
        Bound::Excluded(start) => key > start.as_slice(),
        Bound::Unbounded => true,
    };
    let below = match end {
        Bound::Included(end) => key <= end.as_slice(),
        Bound::Excluded(end) => key < end.as_slice(),
        Bound::Unbounded => true,
    };
    above && below
}

/// The bytes of an integer cell.
pub(crate) fn cell_value(number: i128) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// One transaction over the state that those before it left.
struct One<'a> {
    below: &'a Rows,
    own: Changes,
    access: Access,
    charged: u64,
    operations_left: Option<u64>,
}

/// What is left to who has tried to do more than was left.
const OUT: u64 = u64::MAX;

impl One<'_> {
    fn count(&mut self, calls: usize) -> Result<(), Refusal> {
        let Some(left) = &mut self.operations_left else {
            return Ok(());
        };
        let calls = u64::try_from(calls).unwrap();
        *left = left
            .checked_sub(calls)
            .filter(|_| *left != OUT)
            .unwrap_or(OUT);
        if *left == OUT {
            Err(Refusal::OutOfOperations)
        } else {
            Ok(())
        }
    }

    fn look(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        match self.own.get(key) {
            Some(own) => own.clone(),
            None => {
                self.access.reads.insert(key.to_vec());
                self.below.get(key).cloned()
            }
        }
    }

    fn cell(&mut self, key: &[u8]) -> Result<i128, Refusal> {
        let Some(value) = self
            .own
            .get(key)
            .cloned()
            .unwrap_or(self.below.get(key).cloned())
        else {
            return Ok(0);
        };
        let bytes = <[u8; 16]>::try_from(value).map_err(|_| Refusal::Call)?;
        Ok(i128::from_be_bytes(bytes))
    }

    /// The rows between two bounds as they are now.
    fn rows(&self, start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) -> Vec<Row> {
        // From the start on; a map's own ranges do not take an end before it.
        let from = (start.as_ref().map(Vec::as_slice), Bound::Unbounded);
        let below = self.below.range::<[u8], _>(from);
        let below = below.take_while(|(key, _)| within(key, &Bound::Unbounded, end));
        let mut rows: Rows = below
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let own = self.own.iter().filter(|(key, _)| within(key, start, end));
        apply(&mut rows, own);
        rows.into_iter().collect()
    }

    /// Takes a part of what lies between two bounds, and notes how far it was looked at.
    fn consume(&mut self, part: &Part, rows: Vec<Row>) -> Result<Vec<Row>, Refusal> {
        let mut rows = rows.into_iter();
        let mut taken = Vec::new();
        let (mut first, mut last) = (None, None);
        let mut is_whole = false;
        let mut counted = Ok(());
        while taken.len() < part.limit && !is_whole {
            counted = self.count(1);
            if counted.is_err() {
                break;
            }
            let from_front = part.ends.is_front(taken.len());
            let row = if from_front {
                rows.next()
            } else {
                rows.next_back()
            };
            let Some(row) = row else {
                is_whole = true;
                break;
            };
            *(if from_front { &mut first } else { &mut last }) = Some(row.0.clone());
            taken.push(row);
        }
        let (start, end) = (part.start.clone(), part.end.clone());
        let ranges = &mut self.access.ranges;
        if is_whole {
            ranges.push((start, end));
        } else {
            ranges.extend(first.map(|first| (start, Bound::Included(first))));
            ranges.extend(last.map(|last| (Bound::Included(last), end)));
        }
        counted.map(|()| taken)
    }
}

impl State for One<'_> {
    type Error = Refusal;
    type Savepoint = Changes;

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        self.count(1)?;
        Ok(self.look(key))
    }

    fn multi_get(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Refusal> {
        self.count(keys.len())?;
        Ok(keys.iter().map(|key| self.look(key)).collect())
    }

    fn contains(&mut self, key: &[u8]) -> Result<bool, Refusal> {
        Ok(self.get(key)?.is_some())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.count(1)?;
        self.own.insert(key.to_vec(), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Refusal> {
        self.count(1)?;
        self.own.insert(key.to_vec(), None);
        Ok(())
    }

    fn add(&mut self, key: &[u8], delta: i128) -> Result<(), Refusal> {
        self.count(1)?;
        self.access.maybe.insert(key.to_vec());
        let sum = self.cell(key)?.checked_add(delta).ok_or(Refusal::Call)?;
        self.own.insert(key.to_vec(), Some(cell_value(sum)));
        Ok(())
    }

    fn try_add(&mut self, key: &[u8], delta: i128, min: i128, max: i128) -> Result<bool, Refusal> {
        self.count(1)?;
        self.access.maybe.insert(key.to_vec());
        match self.cell(key)?.checked_add(delta) {
            Some(sum) if min <= sum && sum <= max => {
                self.own.insert(key.to_vec(), Some(cell_value(sum)));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn range(&mut self, part: &Part, between: Option<(&[u8], &[u8])>) -> Result<Vec<Row>, Refusal> {
        self.count(1)?;
        let rows = self.rows(&part.start, &part.end);
        if let Some((key, value)) = between {
            self.set(key, value)?;
        }
        self.consume(part, rows)
    }

    fn scan(&mut self, prefix: &[u8], ends: Ends, limit: usize) -> Result<Vec<Row>, Refusal> {
        // The first key behind the prefix: its last byte that can grow, grown.
        let kept = prefix.iter().rposition(|byte| *byte != 0xFF);
        let end = kept.map_or(Bound::Unbounded, |last| {
            let mut behind = prefix[..=last].to_vec();
            behind[last] += 1;
            Bound::Excluded(behind)
        });
        let part = Part {
            start: Bound::Included(prefix.to_vec()),
            end,
            ends,
            limit,
        };
        self.count(1)?;
        let rows = self.rows(&part.start, &part.end);
        self.consume(&part, rows)
    }

    fn savepoint(&mut self) -> Changes {
        self.own.clone()
    }

    fn rollback_to(&mut self, savepoint: &Changes) -> Result<(), Refusal> {
        self.count(1)?;
        self.own.clone_from(savepoint);
        Ok(())
    }

    fn charge(&mut self, units: u64) -> Result<(), Refusal> {
        self.count(1)?;
        self.charged += units;
        Ok(())
    }

    fn refusal(&self) -> Refusal {
        Refusal::Call
    }

    fn wait_for(&self, _index: u32) {}
}
