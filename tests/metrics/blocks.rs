//! Scenarios of blocks.

use sapwood::{
    BlockExecutor, BlockExecutorConfig, BlockInput, CommitOptions, ExecutionStatus, ReadView,
    Timestamp,
};

use super::Scenario;

pub(crate) const BLOCKS: Scenario = Scenario {
    moves: &[
        "sapwood_blocks_total{outcome=committed|failed}",
        "sapwood_block_transactions_total{path=parallel|serial}",
        "sapwood_block_incarnations_total",
        "sapwood_block_microseconds_total",
        "sapwood_block_run_microseconds_total",
        "sapwood_block_speedup",
        "sapwood_block_seconds{stage=execute|commit}",
    ],
    run: |world| {
        let serial = executor(1);
        let parallel = executor(2);
        let engine = &world.engine;
        let mut height = 0;
        for executor in [&serial, &parallel] {
            height += 1;
            let numbers: Vec<u8> = (0..100).collect();
            let block =
                engine.execute_block(executor, Timestamp::new(height), numbers, |ctx, key| {
                    ctx.add([*key], 1)?;
                    Ok(ExecutionStatus::Success(()))
                });
            let stats = block.expect("a block").output.stats;
            assert_eq!(stats.parallel + stats.serial, 100);
            assert!(!stats.took.is_zero() && !stats.run_time.is_zero() && stats.speedup() > 0.0);
        }
        let refused = engine.execute_block(&serial, Timestamp::new(3), vec![()], |_, ()| {
            Ok(ExecutionStatus::Abort(()))
        });
        refused.expect_err("it refuses the block");
    },
};

/// One that runs everything in parallel, if it has more than one worker.
fn executor(workers: usize) -> BlockExecutor {
    let mut config = BlockExecutorConfig::default();
    config.workers = workers;
    config.adaptive = workers == 1;
    config.min_parallel_txns = 2;
    BlockExecutor::new(config).expect("an executor")
}

pub(crate) const CONTENTION: Scenario = Scenario {
    moves: CONTENDED,
    run: |world| {
        let executor = executor(4);
        let mut height = 0;
        world.until_moved(CONTENDED, |world| {
            let blocks = (0..4).map(|_| {
                height += 1;
                BlockInput::new(Timestamp::new(height), vec![(); 64])
            });
            let blocks: Vec<_> = blocks.collect();
            let run = world.engine.execute_blocks(
                &executor,
                CommitOptions::default(),
                blocks,
                |ctx, _, ()| {
                    let seen = ctx.get(b"hot")?.map_or(0, |value| value.len());
                    // Others come between.
                    std::thread::yield_now();
                    ctx.set(b"hot", vec![0; (seen + 1) % 100])?;
                    Ok(ExecutionStatus::Success(()))
                },
                |_| Ok(()),
            );
            assert_eq!(run.expect("blocks"), 4);
        });
    },
};

const CONTENDED: &[&str] = &[
    "sapwood_block_aborts_total",
    "sapwood_block_dependencies_total",
];
