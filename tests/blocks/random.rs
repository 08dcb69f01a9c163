//! Random blocks of every shape, in parallel and beside the oracle.

use rand::{RngExt, seq::IndexedRandom};
use sapwood::{BlockExecutor, BlockExecutorConfig, Mode};

use crate::{
    compare::check,
    on_executor::{execute, executor, forced, parallel},
    oracle::{Limits, Rows, answer},
    program::Op,
    seeds::{Seed, random, seeds},
    shapes::{Case, Mix, SHAPES, mixed},
};

const FREE: Limits = Limits {
    block: None,
    operations: None,
};

/// Every number of workers from 1 to 8, each with another window.
fn executors() -> Vec<BlockExecutor> {
    let windows = [1_000, 4, 16, 1, 64, 1_000, 7, 2];
    (1..=8)
        .zip(windows)
        .map(|(workers, window)| forced(workers, window))
        .collect()
}

#[test]
fn blocks_of_every_shape_are_as_one_by_one() {
    let executors = executors();
    for seed in seeds(2) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let mut random = random(seed, shape);
            let size = random.random_range(50..150);
            let case = make(&mut random, size);
            let expected = answer(&case.base, &case.block, FREE);
            for executor in &executors {
                let stats = check(executor, &case, FREE, &expected);
                assert_eq!(stats.serial, 0, "it ran one by one");
                assert_eq!(
                    stats.parallel,
                    u64::try_from(expected.access.len()).unwrap()
                );
            }
        }
    }
}

#[test]
fn small_blocks_are_the_same_a_hundred_times() {
    let executors = [forced(2, 8), forced(3, 3), forced(4, 100)];
    for seed in seeds(2) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let mut random = random(seed, shape);
            let size = random.random_range(2..14);
            let mut case = make(&mut random, size);
            // Others come between any two operations, in half of them.
            if random.random_bool(0.5) {
                for program in &mut case.block {
                    let ops = std::mem::take(program).into_iter();
                    let each = |op| [op, Op::Yield(u32::from(random.random_bool(0.1)))];
                    program.extend(ops.flat_map(each));
                }
            }
            let expected = answer(&case.base, &case.block, FREE);
            for repeat in 0..100 {
                let executor = &executors[repeat % executors.len()];
                check(executor, &case, FREE, &expected);
            }
        }
    }
}

/// Large ones, so that the window, the hand-off and what is adaptive have something to do.
#[test]
fn large_blocks_are_as_one_by_one() {
    let mut adaptive = BlockExecutorConfig::default();
    adaptive.workers = 3;
    let executors = [forced(2, 1_000), forced(4, 50), executor(adaptive)];
    for seed in seeds(1) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            // The oracle takes a copy of all rows for each range.
            let case = make(&mut random(seed, shape), 2_000);
            let expected = answer(&case.base, &case.block, FREE);
            for executor in &executors {
                check(executor, &case, FREE, &expected);
            }
        }
    }
}

/// The program machine with all that it has: programs that fail, refuse, panic, run out of operations
/// and go beyond the block's limit.
#[test]
fn blocks_end_where_they_would_one_by_one() {
    let mut ends = [0; 6];
    for seed in seeds(60) {
        let _seed = Seed(seed, "ends");
        let mut random = random(seed, "ends");
        let limits = Limits {
            block: random.random_bool(0.5).then(|| random.random_range(0..100)),
            operations: random.random_bool(0.5).then(|| random.random_range(1..40)),
        };
        let mut config = parallel(random.random_range(2..6), random.random_range(1..40));
        config.block_limit = limits.block;
        config.operations_limit = limits.operations.unwrap_or(config.operations_limit);
        let executor = executor(config);
        for size in [3, 8, 20, 60, 120] {
            let case = mixed(&mut random, size, &Mix::ends());
            let expected = answer(&case.base, &case.block, limits);
            ends[expected.end.kind()] += 1;
            for _ in 0..3 {
                check(&executor, &case, limits, &expected);
            }
        }
    }
    println!("ends by kind: {ends:?}");
    assert!(
        seeds(60).count() < 60 || ends.iter().all(|count| *count > 0),
        "{ends:?}"
    );
}

/// Whatever the number of workers, the window and the mode: the same access sets, in the same order.
#[test]
fn access_sets_do_not_depend_on_the_schedule() {
    let serial = |mode| {
        let mut config = parallel(3, 50);
        config.mode = mode;
        executor(config)
    };
    let executors = [
        serial(Mode::Serial),
        forced(1, 1),
        forced(2, 100),
        forced(5, 9),
        serial(Mode::Verify),
    ];
    for seed in seeds(4) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let case: Case = make(&mut random(seed, shape), 40);
            let first = execute(&executors[0], &case);
            for executor in &executors[1..] {
                let other = execute(executor, &case);
                assert_eq!(other.access, first.access, "of {case:#?}");
                assert_eq!(other.answer, first.answer, "of {case:#?}");
                assert_eq!(other.digest, first.digest, "of {case:#?}");
            }
        }
    }
}

/// Both ways are compared inside; what they agree on is what the oracle says.
#[test]
fn verify_mode_agrees_with_itself_and_the_oracle() {
    let executors = [2, 4].map(|workers| {
        let mut config = parallel(workers, 30);
        config.mode = Mode::Verify;
        executor(config)
    });
    for seed in seeds(2) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let case = make(&mut random(seed, shape), 100);
            let expected = answer(&case.base, &case.block, FREE);
            for executor in &executors {
                check(executor, &case, FREE, &expected);
            }
        }
    }
}

#[test]
fn one_by_one_is_the_oracle() {
    let mut config = BlockExecutorConfig::default();
    config.mode = Mode::Serial;
    let executor = executor(config);
    for seed in seeds(5) {
        for (shape, make) in SHAPES {
            let _seed = Seed(seed, shape);
            let case = make(&mut random(seed, shape), 100);
            let expected = answer(&case.base, &case.block, FREE);
            let stats = check(&executor, &case, FREE, &expected);
            assert_eq!(stats.parallel, 0, "it ran in parallel");
        }
    }
}

/// Work that is dear and independent, then cheap, then all in a chain, and again: whichever way is taken,
/// and wherever it changes.
#[test]
fn blocks_that_change_their_nature_are_as_one_by_one() {
    let mut config = BlockExecutorConfig::default();
    config.workers = 3;
    config.min_parallel_txns = 1;
    let executor = executor(config);
    for seed in seeds(2) {
        let _seed = Seed(seed, "natures");
        let mut random = random(seed, "natures");
        let mut case = Case {
            base: Rows::new(),
            block: Vec::new(),
        };
        for _ in 0..6 {
            let (shape, make) = SHAPES.choose(&mut random).unwrap();
            if ["mixed with ends", "dense"].contains(shape) {
                continue;
            }
            let part = make(&mut random, 250);
            case.base.extend(part.base);
            let spin = *[0, 0, 30_000].choose(&mut random).unwrap();
            case.block.extend(part.block.into_iter().map(|mut program| {
                // Gates are for small blocks: here they would point elsewhere.
                program.retain(|op| !matches!(op, Op::After(_) | Op::Check(..) | Op::Await(..)));
                program.push(Op::Spin(spin));
                program
            }));
        }
        let expected = answer(&case.base, &case.block, FREE);
        for _ in 0..3 {
            let stats = check(&executor, &case, FREE, &expected);
            println!("{stats:?}");
        }
    }
}
