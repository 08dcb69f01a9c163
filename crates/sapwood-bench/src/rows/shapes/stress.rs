//! W15: threads that read some keys and write others, which nobody reads.
//!
//! A value is the number of the transaction that wrote it. A key that is written must hold all its
//! writes, each once, those of one thread in their order; one that is only read must be as it was, to
//! every reader and at the end.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sapwood::{Batch, CommitOptions, Engine, Isolation, Key, ReadView, Timestamp};

use super::{
    number::{number, text},
    runs::{Effort, Run, versions},
};
use crate::{
    convert::count,
    harness::{Sample, on_threads},
    zipf,
};

/// The one commit that a store is made with.
const FILLED: Timestamp = Timestamp::new(1);
/// What every key holds at first. Transactions are numbered from the next on.
const START: u64 = 0;
const SEED: u64 = 15_015;

struct Step {
    key: Key,
    /// What it writes; a step without only reads.
    value: Option<u64>,
}

pub(super) struct Load {
    keys: Vec<Key>,
    parts: Vec<Vec<Step>>,
    /// The numbers of the transactions that write each key, rising.
    writers: BTreeMap<Key, Vec<u64>>,
}

/// What a thread has done.
#[derive(Default)]
struct Done {
    writes: u64,
    retries: u64,
    /// Reads that saw anything but the start.
    wrong: u64,
}

impl Load {
    /// So many keys of which the first are read and the others written, and so many transactions for
    /// each of the threads.
    pub(super) fn new(keys: u32, read: u32, threads: usize, each: usize) -> Self {
        let names: Vec<Key> = (0..keys).map(|id| Key::from(format!("key_{id}"))).collect();
        let mut writers = BTreeMap::<Key, Vec<u64>>::new();
        let draws = zipf::uniform(keys, threads * each, SEED);
        let steps = (START + 1..).zip(draws).filter_map(|(number, id)| {
            let key = names.get(id as usize)?.clone();
            let value = (id >= read).then_some(number);
            let writers = writers.entry(key.clone()).or_default();
            writers.extend(value);
            Some(Step { key, value })
        });
        let mut steps = steps.fuse();
        let parts = (0..threads).map(|_| steps.by_ref().take(each).collect());
        let parts = parts.collect();
        drop(steps);
        Self {
            keys: names,
            parts,
            writers,
        }
    }

    /// Each transaction is tried again until it commits.
    pub(super) fn in_transactions(&self) -> Result<Run> {
        let engine = self.filled()?;
        let (sample, done) = on_threads(&self.parts, |part| transact(&engine, part))?;
        let done = done.into_iter().fold(Done::default(), |a, b| Done {
            writes: a.writes + b.writes,
            retries: a.retries + b.retries,
            wrong: a.wrong + b.wrong,
        });
        Ok(Run {
            sample: Sample {
                done: self.parts.iter().map(|part| count(part.len())).sum(),
                ..sample
            },
            effort: Effort::Retries(done.retries),
            check: self.check(&engine, &done),
        })
    }

    fn filled(&self) -> Result<Engine> {
        let engine = Engine::in_memory();
        let mut batch = Batch::new();
        for key in &self.keys {
            batch.set(key, text(START));
        }
        engine.commit(batch, CommitOptions::default().at(FILLED))?;
        Ok(engine)
    }

    fn check(&self, engine: &Engine, done: &Done) -> Result<()> {
        let writes = self.writers.values().map(|writers| count(writers.len()));
        let writes: u64 = writes.sum();
        ensure!(
            done.writes == writes && engine.visible().get() == FILLED.get() + writes,
            "{} of {writes} writes were committed, at timestamps up to {}",
            done.writes,
            engine.visible()
        );
        ensure!(done.wrong == 0, "{} reads were wrong", done.wrong);
        for key in &self.keys {
            let held: Vec<_> = versions(engine, key)?
                .iter()
                .map(|version| number(Some(&version.value)))
                .collect();
            ensure!(
                held.last() == Some(&number(engine.get(key)?.as_deref())),
                "{} is not its newest version",
                key.escape_ascii()
            );
            let (first, mut held) = held
                .split_first()
                .map_or((None, Vec::new()), |(a, b)| (Some(*a), b.to_vec()));
            let mut in_order = true;
            for part in &self.parts {
                let numbers = part.iter().filter(|step| step.key == *key);
                let numbers: Vec<_> = numbers.filter_map(|step| step.value).collect();
                let of_part = held
                    .iter()
                    .filter(|held| numbers.binary_search(held).is_ok());
                in_order &= of_part.is_sorted();
            }
            held.sort_unstable();
            ensure!(
                first == Some(START) && in_order && Some(&held) == self.writers.get(key),
                "{} does not hold its writes, each once and in order: {} versions",
                key.escape_ascii(),
                held.len() + 1
            );
        }
        Ok(())
    }
}

fn transact(engine: &Engine, steps: &[Step]) -> Result<Done> {
    let mut done = Done::default();
    for step in steps {
        let transacted = engine.transact(Isolation::Serializable, |tx| match step.value {
            Some(value) => tx.set(&step.key, text(value)).map(|()| START),
            None => Ok(number(tx.get(&step.key)?.as_deref())),
        })?;
        done.writes += count(transacted.writes);
        done.retries += u64::from(transacted.retries);
        done.wrong += u64::from(transacted.value != START);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_in_the_place_of_another_is_found() {
        let load = Load::new(10, 5, 2, 40);
        load.in_transactions().unwrap().check.unwrap();

        let engine = load.filled().unwrap();
        let mut done = Done::default();
        for part in &load.parts {
            done.writes += transact(&engine, part).unwrap().writes;
        }
        load.check(&engine, &done).unwrap();

        let engine = load.filled().unwrap();
        for step in load.parts.iter().flatten() {
            let Some(value) = step.value else { continue };
            // The last one writes what the first one wrote.
            let is_last = engine.visible().get() == done.writes;
            let value = if is_last { START } else { value };
            engine.set(&step.key, text(value)).unwrap();
        }
        assert!(load.check(&engine, &done).is_err());
    }
}
