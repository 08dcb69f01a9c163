//! What a block stands on: a store, the changes of the block before, a state that is slow to read and is
//! asked once for each key; and keys that are fetched ahead.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use rand::RngExt;
use sapwood::{
    BaseRows, Batch, BlockBase, BlockOverlay, CommitOptions, Engine, ExecutionStatus, Key,
    KeyRange, Mode, ReadView, Result, Value,
};

use crate::{
    compare::differences,
    on_executor::{base, execute_on, executor, forced, parallel},
    oracle::{Limits, Rows, answer, apply},
    seeds::{Seed, random, seeds},
    shapes::{Case, SHAPES},
};

/// Each block stands on the changes of the ones before, which are nowhere else.
#[test]
fn blocks_stand_on_the_changes_of_the_ones_before() {
    let executors = [forced(2, 100), forced(4, 7)];
    for seed in seeds(1) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let whole = make(&mut random(seed, shape), 120);
            let mut rows = whole.base.clone();
            let mut below = base(&rows);
            for (number, block) in whole.block.chunks(40).enumerate() {
                let case = Case {
                    base: rows.clone(),
                    block: block.to_vec(),
                };
                let expected = answer(&case.base, &case.block, Limits::default());
                let (ran, changes) = execute_on(&executors[number % 2], Arc::clone(&below), &case);
                differences(&case, &expected, &ran)
                    .unwrap_or_else(|what| panic!("{number}: {what}"));
                apply(&mut rows, &expected.changes);
                below = Arc::new(BlockOverlay::new(below, Arc::new(changes)));
            }
            let all: Result<Vec<_>> = below.range(&KeyRange::all()).collect();
            let back: Result<Vec<_>> = below.range(&KeyRange::all()).rev().collect();
            let all: Rows = all
                .unwrap()
                .iter()
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect();
            let back: Rows = back
                .unwrap()
                .iter()
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect();
            assert_eq!((&all, &back), (&rows, &rows));
        }
    }
}

/// A snapshot of a store is as good as a map.
#[test]
fn a_block_stands_on_a_snapshot() {
    let executor = forced(3, 50);
    for (shape, make) in SHAPES {
        let case = make(&mut random(1, shape), 60);
        let engine = Engine::in_memory();
        let mut batch = Batch::new();
        for (key, value) in &case.base {
            batch.set(key, value);
        }
        engine.commit(batch, CommitOptions::default()).unwrap();
        let snapshot = Arc::new(engine.snapshot().unwrap());
        // What is committed since is not seen.
        engine.set(b"v/1", b"later").unwrap();
        engine.delete(b"v/2").unwrap();
        let expected = answer(&case.base, &case.block, Limits::default());
        let (ran, _) = execute_on(&executor, snapshot, &case);
        differences(&case, &expected, &ran).unwrap_or_else(|what| panic!("{shape}: {what}"));
    }
}

/// What is fetched ahead changes nothing, whether it is needed or not, there or not.
#[test]
fn hints_change_nothing() {
    for mode in [Mode::Serial, Mode::Parallel, Mode::Verify] {
        let mut config = parallel(3, 40);
        config.mode = mode;
        let executor = executor(config);
        for seed in seeds(1) {
            for (shape, make) in SHAPES {
                let _seed = Seed(seed, shape);
                let mut random = random(seed, shape);
                let case = make(&mut random, 60);
                let expected = answer(&case.base, &case.block, Limits::default());
                let (first, _) = execute_on(&executor, base(&case.base), &case);
                differences(&case, &expected, &first).unwrap();
                let mut hints = first.access.keys_read();
                hints.retain(|_| random.random_bool(0.7));
                hints.push("nowhere".into());
                let (ran, _) =
                    crate::on_executor::execute_hinted(&executor, base(&case.base), &case, hints);
                differences(&case, &expected, &ran)
                    .unwrap_or_else(|what| panic!("{shape}: {what}"));
                assert_eq!(ran.access, first.access);
            }
        }
    }
}

/// Counts how often each key is read.
#[derive(Default)]
struct Counting {
    rows: BTreeMap<Key, Value>,
    reads: Mutex<BTreeMap<Key, u32>>,
    calls: AtomicU32,
}

impl Counting {
    fn count(&self, key: &[u8]) {
        *self
            .reads
            .lock()
            .unwrap()
            .entry(Key::copy_from_slice(key))
            .or_default() += 1;
    }
}

impl BlockBase for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.count(key);
        std::thread::yield_now();
        Ok(self.rows.get(key).cloned())
    }

    fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        keys.iter().for_each(|key| self.count(key));
        Ok(keys
            .iter()
            .map(|key| self.rows.get(*key).cloned())
            .collect())
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        BlockBase::range(&self.rows, range)
    }
}

/// However many transactions and runs need it: no worker asks for a key that it, or all, have.
#[test]
fn the_base_is_asked_once_for_a_key() {
    for (workers, mode) in [(1, Mode::Serial), (1, Mode::Parallel), (4, Mode::Parallel)] {
        let mut config = parallel(workers, 100);
        config.mode = mode;
        let base = Arc::new(Counting::default());
        let below: Arc<dyn BlockBase> = Arc::<Counting>::clone(&base);
        let result =
            executor(config).execute(below, (0..500_u32).collect::<Vec<_>>(), |ctx, number| {
                ctx.multi_get(&["shared/1", "shared/2", "shared/3"])?;
                ctx.get("shared/4")?;
                ctx.get(format!("{}", number % 50))?;
                ctx.set(format!("{}", number % 50), "1")?;
                Ok(ExecutionStatus::Success(()))
            });
        result.unwrap();
        let reads = base.reads.lock().unwrap();
        assert_eq!(reads.len(), 54);
        let most = reads.values().max().unwrap();
        assert!(*most <= u32::try_from(workers).unwrap(), "{reads:?}");
    }
}

/// Hinted keys are asked for together.
#[test]
fn hinted_keys_are_fetched_together() {
    let mut config = parallel(2, 100);
    config.mode = Mode::Serial;
    let base = Arc::new(Counting::default());
    let below: Arc<dyn BlockBase> = Arc::<Counting>::clone(&base);
    let hints = (0..100)
        .map(|number| Key::from(format!("{number}")))
        .collect();
    let numbers: Vec<u32> = (0..100).collect();
    let output = executor(config).execute_with(below, numbers, hints, |ctx, number| {
        ctx.get(format!("{number}"))?;
        Ok(ExecutionStatus::Success(()))
    });
    assert_eq!(output.unwrap().stats.prefetched, 100);
    assert!(base.calls.load(Ordering::SeqCst) < 10);
}
