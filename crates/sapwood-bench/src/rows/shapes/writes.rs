//! W1, W4, W7: blind writes of one key, by one thread or several.
//!
//! A value says which transaction wrote it, so what a key must hold is known: the values of all its
//! writes, each once, those of one thread in the order in which it wrote them.

use anyhow::{Result, ensure};
use sapwood::{Batch, CommitOptions, Engine, Isolation, Key, ReadView, Value};

use super::runs::{Effort, Run, versions};
use crate::{
    convert::{count, length},
    harness::{Sample, on_threads},
};

/// The front of a value; the number of the transaction follows.
const VALUE: &str = "value_";

struct Write {
    key: Key,
    value: Value,
}

/// Transaction `i` sets key `i % keys` to its own value.
pub(super) struct Load {
    keys: Vec<Key>,
    parts: Vec<Vec<Write>>,
    /// Transactions of each thread, but perhaps of the last.
    each: u64,
    transactions: u64,
    /// What else is in the store.
    older: Option<Older>,
}

/// Keys that were there before.
struct Older {
    keys: Vec<Key>,
    versions: usize,
}

/// What a thread has done.
struct Done {
    writes: u64,
    commits: u64,
    retries: u64,
}

impl Load {
    pub(super) fn new(keys: u32, threads: usize, transactions: u64) -> Self {
        let keys: Vec<Key> = (0..keys).map(|id| Key::from(format!("key_{id}"))).collect();
        let each = transactions.div_ceil(count(threads)).max(1);
        let turns = (0..transactions).zip(keys.iter().cycle());
        let mut writes = turns.map(|(number, key)| Write {
            key: key.clone(),
            value: Value::from(format!("{VALUE}{number}")),
        });
        let parts = (0..threads).map(|_| writes.by_ref().take(length(each)).collect());
        Self {
            parts: parts.collect(),
            keys,
            each,
            transactions,
            older: None,
        }
    }

    /// The same in a store that holds so many versions of so many other keys already.
    pub(super) fn over(self, keys: u32, versions: usize) -> Self {
        let keys = (0..keys).map(|id| Key::from(format!("older_{id:06}")));
        Self {
            older: Some(Older {
                keys: keys.collect(),
                versions,
            }),
            ..self
        }
    }

    /// Each write as a transaction that is begun and committed by hand. They have no rivals.
    pub(super) fn by_hand(&self) -> Result<Run> {
        self.run(|engine, part| {
            for write in part {
                let mut tx = engine.begin(Isolation::Serializable)?;
                tx.set(&write.key, &write.value)?;
                tx.commit()?;
            }
            Ok(Done::without_rivals(part))
        })
    }

    /// Each write as a transaction, tried again until it commits.
    pub(super) fn in_transactions(&self) -> Result<Run> {
        self.run(|engine, part| {
            let mut retries = 0;
            for write in part {
                let transacted = engine.transact(Isolation::Serializable, |tx| {
                    tx.set(&write.key, &write.value)
                })?;
                retries += u64::from(transacted.retries);
            }
            Ok(Done {
                retries,
                ..Done::without_rivals(part)
            })
        })
    }

    /// Each write as a transaction that reads it back. Fails where it sees anything else.
    pub(super) fn read_back(&self) -> Result<Run> {
        self.run(|engine, part| {
            for write in part {
                let transacted = engine.transact(Isolation::Serializable, |tx| {
                    tx.set(&write.key, &write.value)?;
                    tx.get(&write.key)
                })?;
                ensure!(
                    transacted.value.as_ref() == Some(&write.value),
                    "a transaction did not see its own write"
                );
            }
            Ok(Done::without_rivals(part))
        })
    }

    /// So many writes as one commit: no more than there are keys, so that each leaves its version.
    pub(super) fn in_batches(&self, size: usize) -> Result<Run> {
        self.run(|engine, part| {
            let mut commits = 0;
            for writes in part.chunks(size) {
                let mut batch = Batch::new();
                for write in writes {
                    batch.set(&write.key, &write.value);
                }
                engine.commit(batch, CommitOptions::default())?;
                commits += 1;
            }
            Ok(Done {
                commits,
                ..Done::without_rivals(part)
            })
        })
    }

    fn run(&self, work: impl Fn(&Engine, &[Write]) -> Result<Done> + Sync) -> Result<Run> {
        let engine = self.filled()?;
        let before = engine.visible().get();
        let (sample, done) = on_threads(&self.parts, |part| work(&engine, part))?;
        let writes = done.iter().map(|done| done.writes).sum();
        let commits: u64 = done.iter().map(|done| done.commits).sum();
        let taken = engine.visible().get() - before;
        let check = self.check(&engine, writes).and_then(|()| {
            ensure!(
                taken == commits,
                "{commits} commits took {taken} timestamps"
            );
            Ok(())
        });
        Ok(Run {
            sample: Sample {
                done: writes,
                ..sample
            },
            effort: Effort::Retries(done.iter().map(|done| done.retries).sum()),
            check,
        })
    }

    fn filled(&self) -> Result<Engine> {
        let engine = Engine::in_memory();
        if let Some(older) = &self.older {
            for version in 0..older.versions {
                let mut batch = Batch::new();
                for key in &older.keys {
                    batch.set(key, format!("{VALUE}{version}"));
                }
                engine.commit(batch, CommitOptions::default())?;
            }
        }
        Ok(engine)
    }

    fn check(&self, engine: &Engine, writes: u64) -> Result<()> {
        ensure!(
            writes == self.transactions,
            "{writes} of {} transactions were committed",
            self.transactions
        );
        for (first, key) in (0..).zip(&self.keys) {
            self.check_key(engine, first, key)?;
        }
        if let Some(older) = &self.older {
            for key in &older.keys {
                let held: Vec<_> = written(engine, key)?;
                ensure!(
                    held.into_iter().eq((0..count(older.versions)).map(Some)),
                    "the older versions of {} have changed",
                    key.escape_ascii()
                );
            }
        }
        let keys = self.keys.len() + self.older.as_ref().map_or(0, |older| older.keys.len());
        let rows = engine
            .range(..)
            .try_fold(0, |rows, row| row.map(|_| rows + 1))?;
        ensure!(rows == keys, "there are {rows} rows of {keys} keys");
        Ok(())
    }

    /// Whether the versions of a key are of the transactions `first`, `first + keys` and so on.
    fn check_key(&self, engine: &Engine, first: u64, key: &Key) -> Result<()> {
        let keys = count(self.keys.len());
        let expected = (first..self.transactions).step_by(self.keys.len()).count();
        let held = written(engine, key)?;
        let mut last_of = vec![None; self.parts.len()];
        for number in held.iter().copied() {
            let number = number.filter(|n| n % keys == first && *n < self.transactions);
            let thread = number.map(|number| length(number / self.each));
            let last = thread.and_then(|thread| last_of.get_mut(thread));
            // Rising, so each at most once.
            ensure!(
                last.is_some_and(|last| std::mem::replace(last, number) < number),
                "a version of {} is not of transaction {number:?}, or out of its order",
                key.escape_ascii()
            );
        }
        ensure!(
            held.len() == expected,
            "{expected} transactions wrote {}, and it has {} versions",
            key.escape_ascii(),
            held.len()
        );
        let newest = engine.get(key)?.and_then(|value| number_of(&value));
        ensure!(
            held.last() == Some(&newest),
            "{} is not its newest version",
            key.escape_ascii()
        );
        Ok(())
    }
}

impl Done {
    fn without_rivals(part: &[Write]) -> Self {
        Self {
            writes: count(part.len()),
            commits: count(part.len()),
            retries: 0,
        }
    }
}

/// Which transactions the versions of a key are of, oldest first.
fn written(engine: &Engine, key: &Key) -> Result<Vec<Option<u64>>> {
    let versions = versions(engine, key)?;
    Ok(versions.iter().map(|v| number_of(&v.value)).collect())
}

/// Which transaction a value is of.
fn number_of(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_prefix(VALUE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_is_missing_or_made_twice_is_found() {
        let load = Load::new(3, 2, 12).over(2, 2);
        load.in_batches(3).unwrap().check.unwrap();
        load.in_transactions().unwrap().check.unwrap();

        let write_all = |parts: &[&[Write]]| {
            let engine = load.filled().unwrap();
            for write in parts.iter().copied().flatten() {
                engine.set(&write.key, &write.value).unwrap();
            }
            load.check(&engine, load.transactions)
        };
        let [first, second] = [0, 1].map(|part| load.parts[part].as_slice());
        write_all(&[first, second]).unwrap();
        // The order of two threads is theirs; that of one thread's writes is not.
        write_all(&[second, first]).unwrap();
        assert!(write_all(&[first, &second[1..]]).is_err());
        assert!(write_all(&[first, second, &second[5..]]).is_err());
        assert!(write_all(&[&first[3..], &first[..3], second]).is_err());
    }
}
