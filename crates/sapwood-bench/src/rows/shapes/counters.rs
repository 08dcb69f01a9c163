//! W16, W17: counters that are read, or read and written one higher.
//!
//! Nothing else writes a counter, so its versions must be 0, 1, 2 and so on up to the number of its
//! increments: an update that was lost, or made twice, breaks that chain. Where a block makes the
//! increments it leaves one version, and what each transaction saw is compared with what it would have
//! seen one by one.

use std::sync::Arc;

use anyhow::{Result, ensure};
use sapwood::{
    Batch, BlockExecutor, CommitOptions, Engine, Isolation, Key, ReadView, Timestamp, TxnOutcome,
};

use super::{
    number::{number, text},
    runs::{Effort, Run, execute, versions},
};
use crate::{
    convert::{count, length},
    harness::{Sample, on_threads},
    zipf,
};

/// Where the counters begin: the one commit that a store is made with.
const FILLED: Timestamp = Timestamp::new(1);
const SEED: u64 = 16_017;

/// A transaction.
#[derive(Clone)]
struct Step {
    counter: usize,
    key: Key,
    adds: bool,
}

pub(super) struct Load {
    keys: Vec<Key>,
    /// What each thread does.
    parts: Vec<Vec<Step>>,
    /// All of it, in order.
    block: Arc<[Step]>,
}

/// What a thread has done.
#[derive(Default)]
struct Done {
    increments: u64,
    retries: u64,
    /// Reads of a counter that had been higher before.
    backwards: u64,
}

impl Load {
    /// So many counters, and so many transactions for each of the threads; of ten draws, `writes`
    /// increment.
    pub(super) fn new(counters: u32, threads: usize, each: usize, writes: u32) -> Self {
        let keys: Vec<Key> = (0..counters)
            .map(|id| Key::from(format!("counter_{id}")))
            .collect();
        let draws = zipf::uniform(counters, threads * each, SEED);
        let kinds = zipf::uniform(10, threads * each, SEED + 1);
        let step = |(id, kind): (&u32, &u32)| {
            let counter = length(u64::from(*id));
            let key = keys.get(counter)?.clone();
            let adds = *kind < writes;
            Some(Step { counter, key, adds })
        };
        let block: Arc<[Step]> = draws.iter().zip(&kinds).filter_map(step).collect();
        let parts = block.chunks(each.max(1)).map(<[Step]>::to_vec).collect();
        Self { keys, parts, block }
    }

    /// Each transaction by itself, tried again until it commits; on as many threads as there are parts.
    pub(super) fn in_transactions(&self) -> Result<Run> {
        let engine = self.filled()?;
        let (sample, done) = on_threads(&self.parts, |part| self.transact(&engine, part))?;
        let total = done.into_iter().fold(Done::default(), |a, b| Done {
            increments: a.increments + b.increments,
            retries: a.retries + b.retries,
            backwards: a.backwards + b.backwards,
        });
        Ok(Run {
            sample: Sample {
                done: count(self.block.len()),
                ..sample
            },
            effort: Effort::Retries(total.retries),
            check: self.check_each(&engine, &total),
        })
    }

    /// All transactions as one block.
    pub(super) fn in_a_block(&self, executor: &BlockExecutor) -> Result<Run> {
        let engine = self.filled()?;
        let height = Timestamp::new(FILLED.get() + 1);
        let (sample, block) = execute(
            &engine,
            executor,
            height,
            &self.block,
            |ctx, step: &Step| {
                let value = number(ctx.get(&step.key)?.as_deref());
                if step.adds {
                    ctx.set(&step.key, text(value.wrapping_add(1)))?;
                }
                Ok(value)
            },
        )?;
        let outcomes = block.output.outcomes.into_iter();
        let seen: Vec<_> = outcomes
            .map(|outcome| match outcome {
                TxnOutcome::Success(value) => Some(value),
                _ => None,
            })
            .collect();
        Ok(Run {
            sample,
            effort: Effort::Block(block.output.stats),
            check: self.check_block(&engine, &seen),
        })
    }

    /// A store where every counter is 0.
    fn filled(&self) -> Result<Engine> {
        let engine = Engine::in_memory();
        let mut batch = Batch::new();
        for key in &self.keys {
            batch.set(key, text(0));
        }
        engine.commit(batch, CommitOptions::default().at(FILLED))?;
        Ok(engine)
    }

    fn transact(&self, engine: &Engine, steps: &[Step]) -> Result<Done> {
        let mut done = Done::default();
        let mut highest = vec![0; self.keys.len()];
        for step in steps {
            let transacted = engine.transact(Isolation::Serializable, |tx| {
                let value = number(tx.get(&step.key)?.as_deref());
                if step.adds {
                    tx.set(&step.key, text(value.wrapping_add(1)))?;
                }
                Ok(value)
            })?;
            done.increments += count(transacted.writes);
            done.retries += u64::from(transacted.retries);
            if let Some(highest) = highest.get_mut(step.counter) {
                done.backwards += u64::from(transacted.value < *highest);
                *highest = transacted.value + u64::from(step.adds);
            }
        }
        Ok(done)
    }

    fn check_each(&self, engine: &Engine, done: &Done) -> Result<()> {
        let increments = self.increments(self.block.iter());
        let all: u64 = increments.iter().sum();
        ensure!(
            done.increments == all,
            "{} of {all} increments were committed",
            done.increments
        );
        ensure!(
            engine.visible().get() == FILLED.get() + all,
            "{all} increments took the timestamps up to {}",
            engine.visible()
        );
        ensure!(
            done.backwards == 0,
            "{} transactions saw a counter lower than their thread had seen it",
            done.backwards
        );
        for (key, increments) in self.keys.iter().zip(increments) {
            let values: Vec<_> = versions(engine, key)?
                .iter()
                .map(|version| number(Some(&version.value)))
                .collect();
            ensure!(
                values.iter().copied().eq(0..=increments),
                "after {increments} increments of {} its {} versions end with {:?}",
                key.escape_ascii(),
                values.len(),
                values.last()
            );
            ensure!(
                number(engine.get(key)?.as_deref()) == increments,
                "{} is not its newest version",
                key.escape_ascii()
            );
        }
        Ok(())
    }

    fn check_block(&self, engine: &Engine, seen: &[Option<u64>]) -> Result<()> {
        ensure!(
            seen.len() == self.block.len(),
            "{} of {} transactions have an outcome",
            seen.len(),
            self.block.len()
        );
        let mut counters = vec![0_u64; self.keys.len()];
        for ((number, step), seen) in (0..).zip(self.block.iter()).zip(seen) {
            if let Some(counter) = counters.get_mut(step.counter) {
                let expected: u64 = *counter;
                ensure!(
                    *seen == Some(expected),
                    "transaction {number} saw {seen:?}, and one by one sees {expected}"
                );
                *counter += u64::from(step.adds);
            }
        }
        for (key, counter) in self.keys.iter().zip(counters) {
            let values: Vec<_> = versions(engine, key)?
                .iter()
                .map(|version| number(Some(&version.value)))
                .collect();
            let expected = if counter == 0 {
                vec![0]
            } else {
                vec![0, counter]
            };
            ensure!(
                values == expected
                    && Some(number(engine.get(key)?.as_deref())) == expected.last().copied(),
                "the versions of {} are {values:?} instead of {expected:?}",
                key.escape_ascii()
            );
        }
        Ok(())
    }

    /// How often each counter is incremented.
    fn increments<'s>(&self, steps: impl Iterator<Item = &'s Step>) -> Vec<u64> {
        let mut increments = vec![0; self.keys.len()];
        for step in steps.filter(|step| step.adds) {
            if let Some(increments) = increments.get_mut(step.counter) {
                *increments += 1;
            }
        }
        increments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_update_is_found() {
        let load = Load::new(2, 1, 10, 10);
        load.in_transactions().unwrap().check.unwrap();

        let engine = load.filled().unwrap();
        let done = load.transact(&engine, &load.block).unwrap();
        load.check_each(&engine, &done).unwrap();
        // As many commits as there should be, of which one does not build on the one before it.
        let engine = load.filled().unwrap();
        let (last, rest) = load.block.split_last().unwrap();
        let mut done = load.transact(&engine, rest).unwrap();
        let newest = engine.get(&last.key).unwrap().unwrap();
        engine.set(&last.key, newest).unwrap();
        done.increments += 1;
        assert!(load.check_each(&engine, &done).is_err());
    }

    #[test]
    fn a_block_in_another_order_is_found() {
        let load = Load::new(2, 1, 10, 10);
        let engine = load.filled().unwrap();
        load.transact(&engine, &load.block).unwrap();
        let seen: Vec<_> = (0..10).map(Some).collect();
        assert!(load.check_block(&engine, &seen).is_err());
    }
}
