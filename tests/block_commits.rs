//! Blocks into the store: what is committed, when, and what others see meanwhile.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use sapwood::{
    BlockError, BlockExecutor, BlockExecutorConfig, BlockFailure, BlockInput, CommitOptions,
    Durability, Engine, ExecutionStatus, ReadView, Result, Timestamp, TxnOutcome, decode_cell,
};

fn at(height: u64) -> Timestamp {
    Timestamp::new(height)
}

fn executor(workers: usize) -> BlockExecutor {
    let mut config = BlockExecutorConfig::default();
    config.workers = workers;
    config.min_parallel_txns = 2;
    config.adaptive = false;
    BlockExecutor::new(config).expect("an executor")
}

fn number(state: &impl ReadView, key: &str) -> i128 {
    let value = state.get(key).expect("get");
    decode_cell(value.as_deref()).expect("a cell")
}

/// What can run on each storage.
fn on_each(run: impl Fn(&dyn Fn() -> Engine)) {
    run(&Engine::in_memory);
    #[cfg(feature = "rocksdb-storage")]
    {
        let directory = tempfile::tempdir().expect("a directory");
        let count = std::cell::Cell::new(0);
        run(&|| {
            count.set(count.get() + 1);
            let path = directory.path().join(count.get().to_string());
            let mut config = sapwood::RocksDBConfig::at(path.to_str().expect("UTF-8"));
            // Small, so that blocks are merged while others are executed.
            config.recent_versions_size = 2_000;
            Engine::open_with(config).expect("open")
        });
    }
}

/// Each transaction moves 1 from an account to the next, and doubles a number that only it and the one
/// before it have: any wrong order, and any state but the one below the block, shows.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as an executor calls it")]
fn step(
    ctx: &mut sapwood::BlockContext<'_>,
    height: Timestamp,
    txn: &u64,
) -> Result<ExecutionStatus<i128>> {
    let (from, to) = (
        format!("account/{txn}"),
        format!("account/{}", (txn + 1) % 8),
    );
    ctx.add(&from, -1)?;
    let left = decode_cell(ctx.get(&from)?.as_deref())?;
    ctx.add(&to, 1)?;
    ctx.set("last", height.get().to_be_bytes())?;
    ctx.set(format!("seen/{}/{txn}", height.get()), left.to_string())?;
    Ok(ExecutionStatus::Success(left))
}

fn blocks(count: u64) -> Vec<BlockInput<u64>> {
    let txns = |height: u64| -> Vec<u64> { (0..height % 5 * 4).map(|n| n * n % 8).collect() };
    (1..=count)
        .map(|height| BlockInput::new(at(height * 10), txns(height)))
        .collect()
}

/// The rows of all past states of interest, by an engine that runs one block at a time, one by one.
fn wanted(count: u64) -> Vec<Vec<(sapwood::Key, sapwood::Value)>> {
    let engine = Engine::in_memory();
    let one_by_one = executor(1);
    let mut states = Vec::new();
    for block in blocks(count) {
        let run =
            move |ctx: &mut sapwood::BlockContext<'_>, txn: &u64| step(ctx, block.height, txn);
        engine
            .execute_block(&one_by_one, block.height, block.txns, run)
            .expect("a block");
        states.push(rows(&engine.snapshot().expect("snapshot")));
    }
    states
}

fn rows(state: &impl ReadView) -> Vec<(sapwood::Key, sapwood::Value)> {
    state.range(..).map(|row| row.expect("a row")).collect()
}

#[test]
fn every_height_is_the_state_that_its_block_left() {
    const COUNT: u64 = 30;
    let wanted = wanted(COUNT);
    on_each(|open| {
        for workers in 1..=3 {
            let engine = open();
            let mut handed = Vec::new();
            let options = CommitOptions::default().durability(Durability::Sync);
            let done =
                engine.execute_blocks(&executor(workers), options, blocks(COUNT), step, |block| {
                    assert_eq!(
                        engine.visible(),
                        block.commit.timestamp,
                        "visible, and no more"
                    );
                    assert_eq!(block.commit.writes, block.output.changes.len());
                    handed.push(block.commit.timestamp.get());
                    Ok(())
                });
            assert_eq!(done.expect("all"), COUNT);
            assert_eq!(
                handed,
                (1..=COUNT).map(|height| height * 10).collect::<Vec<_>>()
            );
            for (height, state) in (1..).zip(&wanted) {
                for timestamp in [height * 10, height * 10 + 9] {
                    if at(timestamp) <= engine.visible() {
                        let past = engine.at(at(timestamp)).expect("at");
                        assert_eq!(rows(&past), *state, "at {timestamp}");
                    }
                }
            }
            assert_eq!(
                engine.diff(at(0), at(COUNT * 10)).expect("diff").count(),
                rows(&engine).len()
            );
        }
    });
}

#[test]
fn what_fails_leaves_the_blocks_before_it() {
    on_each(|open| {
        for failing in 1..=4_u64 {
            let engine = open();
            let inputs = (1..=5).map(|height| BlockInput::new(at(height), vec![height; 4]));
            let mut handed = 0;
            let outcome = engine.execute_blocks(
                &executor(2),
                CommitOptions::default(),
                inputs,
                move |ctx, height, _| {
                    ctx.add("sum", 1)?;
                    if height.get() == failing && ctx.index() == 2 {
                        return match failing {
                            2 => panic!("on purpose"),
                            3 => Err(sapwood::Engine::in_memory().at(at(1)).expect_err("not yet")),
                            _ => Ok(ExecutionStatus::Abort("no")),
                        };
                    }
                    Ok(ExecutionStatus::Success("yes"))
                },
                |_| {
                    handed += 1;
                    Ok(())
                },
            );
            let error = outcome.expect_err("one fails");
            assert_eq!(error.index(), Some(2));
            assert_eq!(
                error.committed.outcomes,
                [TxnOutcome::Success("yes"), TxnOutcome::Success("yes")]
            );
            assert_eq!((handed, engine.visible()), (failing - 1, at(failing - 1)));
            assert_eq!(number(&engine, "sum"), i128::from(4 * (failing - 1)));
            engine
                .commit_at(at(failing), Vec::new().into())
                .expect("nothing holds the turn");
        }
    });
}

#[test]
fn an_error_of_the_receiver_ends_the_run_behind_the_block_that_it_was_given() {
    on_each(|open| {
        let engine = open();
        let inputs = (1..=5).map(|height| BlockInput::new(at(height), vec![(); 3]));
        let outcome = engine.execute_blocks(
            &executor(2),
            CommitOptions::default(),
            inputs,
            |ctx, _, ()| {
                ctx.add("sum", 1)?;
                Ok(ExecutionStatus::Success(()))
            },
            |block| {
                if block.commit.timestamp == at(2) {
                    // As a receiver that wants to write would find out.
                    return engine.set("beside", "").map(|_| ());
                }
                Ok(())
            },
        );
        let error = outcome.expect_err("the receiver's").into_error();
        assert_eq!(error.kind().name(), "invalid", "{error}");
        assert_eq!((engine.visible(), number(&engine, "sum")), (at(2), 6));
        assert!(!engine.contains("beside").expect("contains"));
    });
}

#[test]
fn a_height_must_be_above_the_last_commit() {
    on_each(|open| {
        let engine = open();
        engine
            .commit_at(at(7), vec![(b"k".to_vec(), None)].into())
            .expect("commit");
        let runs = Arc::new(AtomicBool::new(false));
        for heights in [vec![6], vec![7], vec![8, 8], vec![9, 3]] {
            let runs = Arc::clone(&runs);
            let before = engine.visible();
            let inputs: Vec<_> = heights
                .iter()
                .map(|height| BlockInput::new(at(*height), vec![(); 1]))
                .collect();
            let outcome = engine.execute_blocks(
                &executor(1),
                CommitOptions::default(),
                inputs,
                move |_, height, ()| {
                    runs.store(height <= before, Ordering::SeqCst);
                    Ok(ExecutionStatus::Success(()))
                },
                |_| Ok(()),
            );
            let Err(BlockError { failure, .. }) = outcome else {
                panic!("{heights:?} was taken");
            };
            assert!(
                matches!(&*failure, BlockFailure::Refused(error) if error.kind().name() == "invalid")
            );
            let wanted = if heights.len() == 1 {
                before
            } else {
                at(heights[0])
            };
            assert_eq!(engine.visible(), wanted, "{heights:?}");
        }
        assert!(!runs.load(Ordering::SeqCst), "refused before it was run");
    });
}

#[test]
fn a_block_of_nothing_is_a_commit_at_its_height() {
    on_each(|open| {
        let engine = open();
        let block = engine
            .execute_block(&executor(2), at(5), Vec::<()>::new(), |_, ()| {
                Ok(ExecutionStatus::Success(()))
            })
            .expect("a block");
        assert_eq!((block.commit.timestamp, block.commit.writes), (at(5), 0));
        assert_eq!(engine.visible(), at(5));
        let skipped = engine
            .execute_block(&executor(2), at(6), vec![(); 9], |ctx, ()| {
                ctx.set("dropped", "")?;
                Ok(ExecutionStatus::Skip(()))
            })
            .expect("a block");
        assert_eq!(skipped.output.outcomes, vec![TxnOutcome::Skipped(()); 9]);
        assert_eq!((engine.visible(), rows(&engine).len()), (at(6), 0));
    });
}

/// A commit that comes while blocks run waits until the last of them is durable; a reader does not.
#[test]
fn other_commits_wait_and_reads_do_not() {
    on_each(|open| {
        let engine = open();
        let begun = Arc::new(AtomicBool::new(false));
        let other = Mutex::new(None);
        std::thread::scope(|scope| {
            let asks = scope.spawn(|| {
                while !begun.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                let seen = number(&engine, "sum");
                assert!(seen % 50 == 0, "whole blocks only: {seen}");
                let committed = engine.set("other", "commit").expect("set");
                *other.lock().expect("lock") = Some(committed);
            });
            let signal = Arc::clone(&begun);
            let inputs = (1..=20).map(|height| BlockInput::new(at(height), vec![(); 50]));
            let done = engine.execute_blocks(
                &executor(2),
                CommitOptions::default(),
                inputs,
                move |ctx, _, ()| {
                    ctx.add("sum", 1)?;
                    signal.store(true, Ordering::SeqCst);
                    Ok(ExecutionStatus::Success(()))
                },
                |block| {
                    assert_eq!(
                        engine.visible(),
                        block.commit.timestamp,
                        "nothing in between"
                    );
                    Ok(())
                },
            );
            assert_eq!(done.expect("all"), 20);
            asks.join().expect("the other");
        });
        assert_eq!(*other.lock().expect("lock"), Some(at(21)));
        assert_eq!(number(&engine, "sum"), 1_000);
    });
}

/// A rollback waits for all blocks under way: none of them is executed on a state that is taken back.
#[test]
fn a_rollback_waits_for_the_blocks_under_way() {
    on_each(|open| {
        let engine = open();
        let begun = Arc::new(AtomicBool::new(false));
        let seen = Mutex::new(Vec::new());
        let run = |first: u64, signal: Arc<AtomicBool>| {
            let inputs = (first..first + 10).map(|height| BlockInput::new(at(height), vec![(); 4]));
            let count = move |ctx: &mut sapwood::BlockContext<'_>, height: Timestamp, (): &()| {
                signal.store(true, Ordering::SeqCst);
                ctx.add("sum", 1)?;
                ctx.set("last", height.to_string())?;
                Ok(ExecutionStatus::Success(()))
            };
            let options = CommitOptions::default();
            engine.execute_blocks(&executor(2), options, inputs, count, |block| {
                // Here it would wait for itself.
                let error = engine.rollback_to(at(0)).expect_err("in the turn");
                assert_eq!(error.kind().name(), "invalid");
                assert!(error.to_string().contains("blocks"), "{error}");
                let sum = number(&engine, "sum");
                let height = block.commit.timestamp.get();
                seen.lock().expect("lock").push((height, sum));
                Ok(())
            })
        };
        std::thread::scope(|scope| {
            let rolls_back = scope.spawn(|| {
                while !begun.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                engine.rollback_to(at(3)).expect("rollback")
            });
            assert_eq!(run(1, Arc::clone(&begun)).expect("all"), 10);
            let report = rolls_back.join().expect("the other");
            assert_eq!((report.visible, report.epoch), (at(3), 1));
        });
        assert_eq!(number(&engine, "sum"), 12);
        // Other blocks at the same heights, on the state that is there now.
        assert_eq!(run(4, begun).expect("all"), 10);
        let heights = (1..=10).chain(4..=13);
        let wanted = heights.map(|height: u64| (height, i128::from(height) * 4));
        assert!(seen.into_inner().expect("lock").into_iter().eq(wanted));
    });
}

#[test]
fn hints_change_nothing_and_are_fetched() {
    on_each(|open| {
        let engine = open();
        for key in 0..200_u64 {
            engine
                .set(format!("k{key:03}"), key.to_string())
                .expect("set");
        }
        let height = engine.visible().get() + 1;
        let read = |ctx: &mut sapwood::BlockContext<'_>, _: Timestamp, txn: &u64| {
            let value = ctx.get(format!("k{txn:03}"))?;
            ctx.set(format!("copy{txn}"), value.unwrap_or_default())?;
            Ok(ExecutionStatus::Success(()))
        };
        let mut outputs = Vec::new();
        let mut hints = Vec::new();
        for round in 0..2 {
            let input = BlockInput::new(at(height + round), (0..200).collect::<Vec<_>>());
            let input = input.hints(std::mem::take(&mut hints));
            let options = CommitOptions::default();
            // One by one, all of them are fetched first; several workers do it where they are idle.
            let mut config = BlockExecutorConfig::default();
            config.mode = sapwood::Mode::Serial;
            let serial = BlockExecutor::new(config).expect("an executor");
            let done = engine.execute_blocks(&serial, options, [input], read, |block| {
                hints = block.output.access.keys_read();
                outputs.push(block.output);
                Ok(())
            });
            assert_eq!(done.expect("one"), 1);
        }
        assert_eq!(outputs[0].digest(), outputs[1].digest());
        assert_eq!((outputs[0].stats.prefetched, hints.len()), (0, 200));
        assert_eq!(outputs[1].stats.prefetched, 200);
    });
}
