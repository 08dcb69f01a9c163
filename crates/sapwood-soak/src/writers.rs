//! Those that commit: direct commits, transactions at both levels, blocks.

use anyhow::{Result, bail};
use sapwood::{
    Batch, BlockContext, CommitOptions, ErrorKind, ExecutionStatus, Isolation, ReadView, Timestamp,
    Transaction, TransactionOptions,
};

use crate::{
    content::{
        Content, Digest, OPENING, account, amount, document, document_value, number_value, side,
    },
    counts::Count,
    model::{Commit, Step},
    world::{World, durability},
};

/// Rows of a transaction that begins with nothing.
const AT_ONCE: u64 = 400;
/// Transactions of a block: enough to be run in parallel.
const BLOCK_TXNS: usize = 40;
/// How often a block asks for the next height, which others may take first.
const BLOCK_ATTEMPTS: usize = 20;

type Row = (Vec<u8>, Option<Vec<u8>>);

/// What was read, as the model compares it.
fn seen(value: Option<&[u8]>) -> Option<Content> {
    value.map(Content::of)
}

impl Step {
    fn read(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.reads.push((key.to_vec(), seen(value)));
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.writes.push((key.to_vec(), seen(value)));
    }
}

fn read(tx: &Transaction, key: &[u8], step: &mut Step) -> sapwood::Result<Option<Vec<u8>>> {
    let value = tx.get(key)?;
    step.read(key, value.as_deref());
    Ok(value.map(|value| value.to_vec()))
}

fn write(
    tx: &mut Transaction,
    key: &[u8],
    value: Option<&[u8]>,
    step: &mut Step,
) -> sapwood::Result<()> {
    step.write(key, value);
    match value {
        Some(value) => tx.set(key, value),
        None => tx.delete(key),
    }
}

/// A number that was stored; 0 where there is none.
fn number(value: Option<&Vec<u8>>) -> i64 {
    value.and_then(|value| amount(value).ok()).unwrap_or(0)
}

/// A transfer in a block.
#[derive(Clone, Debug)]
struct Transfer {
    from: Vec<u8>,
    to: Vec<u8>,
    amount: i64,
    unique: u64,
    document: Row,
}

impl Transfer {
    fn execute(&self, ctx: &mut BlockContext<'_>) -> sapwood::Result<ExecutionStatus<Step>> {
        let mut step = Step::default();
        let get = |ctx: &mut BlockContext<'_>, key: &[u8], step: &mut Step| {
            let value = ctx.get(key)?;
            step.read(key, value.as_deref());
            Ok::<_, sapwood::Error>(number(value.map(|value| value.to_vec()).as_ref()))
        };
        let (from, to) = (
            get(ctx, &self.from, &mut step)?,
            get(ctx, &self.to, &mut step)?,
        );
        if from < self.amount || self.from == self.to {
            ctx.set(&self.from, b"dropped")?;
            return Ok(ExecutionStatus::Skip(step));
        }
        let values = [
            (&self.from, number_value(from - self.amount, self.unique)),
            (&self.to, number_value(to + self.amount, self.unique)),
        ];
        for (key, value) in values {
            ctx.set(key, &value)?;
            step.write(key, Some(&value));
        }
        let (key, value) = &self.document;
        match value {
            Some(value) => ctx.set(key, value)?,
            None => ctx.delete(key)?,
        }
        step.write(key, value.as_deref());
        Ok(ExecutionStatus::Success(step))
    }
}

impl World<'_> {
    /// Makes the rows that all begins with, where they are not there.
    pub(crate) fn fill(&self) -> Result<()> {
        let scale = self.shared.scale;
        let mut random = fastrand::Rng::with_seed(self.shared.seed);
        let mut rows = Vec::new();
        for number in 0..scale.accounts {
            let key = account(number);
            // Where a process was killed while it made them, some are there.
            if self.engine.get(&key)?.is_none() {
                rows.push((key, number_value(OPENING, self.shared.unique())));
            }
        }
        for number in 0..scale.documents {
            let unique = self.shared.unique();
            let value = document_value(&mut random, unique, scale.document_bytes);
            rows.push((document(number), value));
        }
        for rows in rows.chunks(usize::try_from(AT_ONCE)?) {
            let mut step = Step::default();
            let mut batch = Batch::new();
            for (key, value) in rows {
                batch.set(key, value);
                step.write(key, Some(value));
            }
            let _turn = self.shared.turn();
            let done = self.engine.commit(batch, CommitOptions::default())?;
            self.tell(done.timestamp, Commit::of(step))?;
        }
        Ok(())
    }

    fn document_row(&self, random: &mut fastrand::Rng) -> Row {
        let scale = self.shared.scale;
        let value = (random.u32(..5) != 0)
            .then(|| document_value(random, self.shared.unique(), scale.document_bytes));
        (document(random.u64(..scale.documents)), value)
    }

    /// A commit that reads nothing, or compares one value.
    pub(crate) fn direct(&self, random: &mut fastrand::Rng) -> Result<()> {
        let options = CommitOptions::default().durability(durability(random));
        let _turn = self.shared.turn();
        match random.u32(..40) {
            0 => {
                let first = random.u64(..self.shared.scale.documents);
                let range = document(first)..document(first + random.u64(1..20));
                let done = self.engine.delete_range_with(range.clone(), options)?;
                // It is a commit also where it finds nothing.
                let step = Step {
                    cleared: Some(range),
                    ..Step::default()
                };
                self.tell(done.timestamp, Commit::of(step))?;
            }
            1..5 => self.compare_and_set(random, options)?,
            _ => {
                let mut step = Step::default();
                let mut batch = Batch::new();
                for _ in 0..random.u32(1..12) {
                    let (key, value) = self.document_row(random);
                    match &value {
                        Some(value) => batch.set(&key, value),
                        None => batch.delete(&key),
                    };
                    step.write(&key, value.as_deref());
                }
                let done = self.engine.commit(batch, options)?;
                self.tell(done.timestamp, Commit::of(step))?;
            }
        }
        Ok(())
    }

    fn compare_and_set(&self, random: &mut fastrand::Rng, options: CommitOptions) -> Result<()> {
        let (key, value) = self.document_row(random);
        let expected = self.engine.get(&key)?;
        let done =
            self.engine
                .compare_and_set_with(&key, expected.as_deref(), value.as_deref(), options);
        match done {
            Ok(done) => {
                let mut step = Step::default();
                step.read(&key, expected.as_deref());
                step.write(&key, value.as_deref());
                self.tell(done.timestamp, Commit::of(step))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A transaction that is made again while it conflicts.
    fn transact(
        &self,
        random: &mut fastrand::Rng,
        isolation: Isolation,
        mut work: impl FnMut(&mut Transaction) -> sapwood::Result<Step>,
    ) -> Result<()> {
        let _turn = self.shared.turn();
        let done = self.engine.transact_with(
            TransactionOptions::default().isolation(isolation),
            CommitOptions::default().durability(durability(random)),
            |tx| Ok::<_, sapwood::Error>((tx.timestamp().get(), work(tx)?)),
        )?;
        let (read_at, step) = done.value;
        if step.writes.is_empty() {
            return Ok(());
        }
        self.shared.done(Count::Transactions);
        let read_at = (isolation == Isolation::Snapshot).then_some(read_at);
        let steps = vec![step];
        self.tell(done.timestamp, Commit { steps, read_at })
    }

    /// A transaction of one kind or another.
    pub(crate) fn transaction(&self, random: &mut fastrand::Rng) -> Result<()> {
        match random.u32(..10) {
            0..3 => self.transfer(random, Isolation::Serializable),
            3..6 => self.transfer(random, Isolation::Snapshot),
            6..8 => self.pair(random),
            _ => self.shelf(random),
        }
    }

    /// From one account to another: the total stays.
    fn transfer(&self, random: &mut fastrand::Rng, isolation: Isolation) -> Result<()> {
        let scale = self.shared.scale;
        // Some accounts are busy.
        let most = if random.bool() { 20 } else { scale.accounts };
        let from = account(random.u64(..most));
        let to = account(random.u64(..scale.accounts));
        let (document, value) = self.document_row(random);
        let (sum, unique) = (random.i64(1..50), self.shared.unique());
        self.transact(random, isolation, |tx| {
            let mut step = Step::default();
            read(tx, &document, &mut step)?;
            let has = number(read(tx, &from, &mut step)?.as_ref());
            if from == to || has < sum {
                write(tx, &document, value.as_deref(), &mut step)?;
                return Ok(step);
            }
            let other = number(read(tx, &to, &mut step)?.as_ref());
            write(tx, &from, Some(&number_value(has - sum, unique)), &mut step)?;
            write(tx, &to, Some(&number_value(other + sum, unique)), &mut step)?;
            Ok(step)
        })
    }

    /// Takes from one of two as long as both together have it: a write skew would overdraw them.
    fn pair(&self, random: &mut fastrand::Rng) -> Result<()> {
        let pair = random.u64(..self.shared.scale.pairs);
        let (first, second) = (side(pair, false), side(pair, true));
        let (sum, unique, is_second) = (random.i64(1..100), self.shared.unique(), random.bool());
        self.transact(random, Isolation::Serializable, |tx| {
            let mut step = Step::default();
            let one = number(read(tx, &first, &mut step)?.as_ref());
            let two = number(read(tx, &second, &mut step)?.as_ref());
            let (key, has) = if is_second {
                (&second, two)
            } else {
                (&first, one)
            };
            let now = if one + two >= sum {
                has - sum
            } else {
                has + 150
            };
            write(tx, key, Some(&number_value(now, unique)), &mut step)?;
            Ok(step)
        })
    }

    /// Reads a range of documents, and moves some of them.
    fn shelf(&self, random: &mut fastrand::Rng) -> Result<()> {
        let first = random.u64(..self.shared.scale.documents);
        let range = document(first)..document(first + random.u64(2..12));
        let (key, value) = self.document_row(random);
        self.transact(random, Isolation::Serializable, |tx| {
            let mut step = Step::default();
            let mut digest = Digest::default();
            let mut last = None;
            for row in tx.range(range.clone()) {
                let (key, value) = row?;
                digest.add(&key, Content::of(&value));
                last = Some((key, value));
            }
            step.ranges.push((range.clone(), digest));
            let savepoint = tx.savepoint();
            tx.set(&key, b"taken back")?;
            tx.rollback_to(&savepoint)?;
            if let Some((last, moved)) = last {
                write(tx, &last, None, &mut step)?;
                // The same value may lie under another key.
                let moved = value.as_deref().unwrap_or(&moved);
                write(tx, &key, Some(moved), &mut step)?;
            } else {
                write(tx, &key, value.as_deref(), &mut step)?;
            }
            Ok(step)
        })
    }

    /// A block of transfers.
    pub(crate) fn block(&self, random: &mut fastrand::Rng) -> Result<()> {
        let accounts = self.shared.scale.accounts;
        let most = if random.bool() { 30 } else { accounts };
        let transfers: Vec<_> = (0..BLOCK_TXNS)
            .map(|_| Transfer {
                from: account(random.u64(..most)),
                to: account(random.u64(..accounts)),
                amount: random.i64(1..60),
                unique: self.shared.unique(),
                document: self.document_row(random),
            })
            .collect();
        let _turn = self.shared.turn();
        for _ in 0..BLOCK_ATTEMPTS {
            let height = Timestamp::new(self.engine.visible().get() + 1);
            let done = self.engine.execute_block(
                self.executor,
                height,
                transfers.clone(),
                |ctx, transfer: &Transfer| transfer.execute(ctx),
            );
            match done {
                Ok(block) => {
                    let mut steps = Vec::new();
                    for outcome in block.output.outcomes {
                        let Some(step) = outcome.output() else {
                            bail!("the block at {height} has left out a transaction: {outcome:?}");
                        };
                        steps.push(step.clone());
                    }
                    self.shared.done(Count::Blocks);
                    let read_at = None;
                    return self.tell(height, Commit { steps, read_at });
                }
                Err(error) => {
                    // Somebody else was faster.
                    let error = error.into_error();
                    if *error.kind() != ErrorKind::Invalid {
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(())
    }
}
