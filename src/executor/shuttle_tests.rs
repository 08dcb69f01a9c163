//! The whole executor under the scheduler shuttle: random programs on random schedules, and on schedules
//! that are good at finding rare bugs, compared with the same programs run one by one. `SCHEDULES` says how
//! many of each kind.

use std::collections::BTreeMap;

use shuttle::rand::{Rng, thread_rng};

use super::*;
use crate::{
    ReadView,
    storage::Value,
    sync::{AtomicU32, Ordering},
};

fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(200, |text| text.parse().unwrap());
    shuttle::check_random(run, schedules);
    shuttle::check_pct(run, schedules, 3);
}

const KEYS: u8 = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Get(u8),
    /// Reads a key that depends on what was read before.
    GetSome,
    Set(u8),
    Delete(u8),
    Add(u8, i8),
    TryAdd(u8, i8),
    /// Reads so many rows from one end.
    Range(bool, u8),
    SkipSometimes,
}

/// Integer cells have keys of their own, so that most programs come to their ends.
fn cell(key: u8) -> [u8; 2] {
    [b'c', key]
}

fn program() -> Vec<Op> {
    let mut random = thread_rng();
    let count = random.gen_range(1..4);
    let mut op = || {
        let key = random.gen_range(0..KEYS);
        let delta = random.gen_range(-3i8..4);
        match random.gen_range(0..9) {
            0 | 1 => Op::Get(key),
            2 => Op::GetSome,
            3 => Op::Set(key),
            4 => Op::Delete(key),
            5 => Op::Add(key % 2, delta),
            6 => Op::TryAdd(key % 2, delta),
            7 => Op::Range(delta > 0, key),
            _ => Op::SkipSometimes,
        }
    };
    (0..count).map(|_| op()).collect()
}

fn mix(seen: u64, value: Option<&Value>) -> u64 {
    let value = value.map_or(7, |value| {
        value.iter().fold(1u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        })
    });
    seen.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(value)
}

fn run(ctx: &mut BlockContext<'_>, program: &[Op]) -> Result<ExecutionStatus<u64>> {
    let mut seen = u64::from(ctx.index());
    for op in program {
        match op {
            Op::Get(key) => seen = mix(seen, ctx.get([*key])?.as_ref()),
            Op::GetSome => {
                let key = u8::try_from(seen % u64::from(KEYS)).unwrap();
                seen = mix(seen, ctx.get([key])?.as_ref());
            }
            Op::Set(key) => ctx.set([*key], [seen.to_be_bytes()[7]])?,
            Op::Delete(key) => ctx.delete([*key])?,
            Op::Add(key, delta) => ctx.add(cell(*key), i128::from(*delta))?,
            Op::TryAdd(key, delta) => {
                let fits = ctx.try_add(cell(*key), i128::from(*delta), -2..=2)?;
                seen = seen.wrapping_mul(2).wrapping_add(u64::from(fits));
            }
            Op::Range(is_front, count) => {
                let mut rows = ctx.range(..);
                for _ in 0..=*count {
                    let row = if *is_front {
                        rows.next()
                    } else {
                        rows.next_back()
                    };
                    seen = mix(seen, row.transpose()?.map(|(_, value)| value).as_ref());
                }
            }
            Op::SkipSometimes if seen % 3 == 0 => return Ok(ExecutionStatus::Skip(seen)),
            Op::SkipSometimes => {}
        }
    }
    Ok(ExecutionStatus::Success(seen))
}

fn executor(workers: usize, window: usize) -> BlockExecutor {
    BlockExecutor::new(BlockExecutorConfig {
        workers,
        window,
        min_parallel_txns: 0,
        adaptive: false,
        mode: Mode::Verify,
        ..BlockExecutorConfig::default()
    })
    .unwrap()
}

fn base() -> Arc<dyn BlockBase> {
    let rows = (0..KEYS / 2).map(|key| (Key::copy_from_slice(&[key]), Value::from_static(b"v")));
    Arc::new(rows.collect::<BTreeMap<_, _>>())
}

#[test]
fn shuttle_random_blocks_are_as_one_by_one() {
    check(|| {
        let count = thread_rng().gen_range(2..6);
        let programs: Vec<_> = (0..count).map(|_| program()).collect();
        let window = thread_rng().gen_range(1..8);
        let block =
            executor(2, window).execute(base(), programs.clone(), |ctx, program| run(ctx, program));
        let block = block.unwrap_or_else(|error| panic!("{programs:?}: {error}"));
        assert_eq!(
            block.stats.parallel, count as u64,
            "it was not run in parallel"
        );
    });
}

/// It is told nothing, so there is nothing that could make its run stale: not even that one below it, which
/// adds to the same cell, is being run again.
#[test]
fn shuttle_who_only_adds_runs_once() {
    check(|| {
        let config = BlockExecutorConfig {
            workers: 2,
            min_parallel_txns: 0,
            adaptive: false,
            ..BlockExecutorConfig::default()
        };
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let executor = BlockExecutor::new(config).unwrap();
        let block = executor.execute(base(), (0..4u8).collect::<Vec<_>>(), move |ctx, number| {
            match number {
                0 => ctx.set("read", b"1")?,
                1 | 2 => drop(ctx.get("read")?),
                _ => drop(counted.fetch_add(1, Ordering::Relaxed)),
            }
            ctx.add("sum", 1)?;
            Ok(ExecutionStatus::Success(()))
        });
        let block = block.unwrap();
        let sum = block.changes.get(b"sum").flatten();
        assert_eq!(decode_cell(sum.map(|value| &**value)).unwrap(), 4);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn shuttle_three_workers_lose_no_increment() {
    check(|| {
        let block = executor(3, 8).execute(base(), vec![(); 4], |ctx, ()| {
            let number = decode_cell(ctx.get("n")?.as_deref())?;
            ctx.set("n", encode_cell(number + 1))?;
            ctx.add("sum", number)?;
            Ok(ExecutionStatus::Success(number))
        });
        let block = block.unwrap();
        let sum = block.changes.get(b"sum").flatten().unwrap();
        assert_eq!(decode_cell(Some(sum)).unwrap(), 6);
    });
}

#[test]
fn shuttle_a_block_that_ends_early_ends_where_it_would_one_by_one() {
    check(|| {
        let block = executor(3, 8).execute(base(), (0..5u8).collect::<Vec<_>>(), |ctx, number| {
            let before = ctx.get("last")?.map_or(0, |value| value[0]);
            ctx.set("last", [*number + 1])?;
            ctx.set([b'k', *number], b"")?;
            Ok(match (number, before) {
                (2, 2) => ExecutionStatus::SkipRest(before),
                // A run that does not see what it should.
                (2.., _) => ExecutionStatus::Abort(before),
                _ => ExecutionStatus::Success(before),
            })
        });
        let block = block.unwrap();
        assert_eq!((block.end, block.changes.len()), (BlockEnd::SkipRest(2), 4));
    });
}
