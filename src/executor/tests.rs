//! What blocks come to, on both paths.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    TxnOutcome::{NotExecuted, Skipped, Success},
    *,
};
use crate::{ErrorKind, ReadView, storage::Value};

type State = BTreeMap<Key, Value>;

fn executor(change: impl FnOnce(&mut BlockExecutorConfig)) -> BlockExecutor {
    let mut config = BlockExecutorConfig {
        workers: 2,
        adaptive: false,
        min_parallel_txns: 0,
        ..BlockExecutorConfig::default()
    };
    change(&mut config);
    BlockExecutor::new(config).unwrap()
}

fn modes() -> [BlockExecutor; 3] {
    [
        executor(|config| config.mode = Mode::Serial),
        executor(|_| ()),
        executor(|config| config.mode = Mode::Verify),
    ]
}

fn base(rows: &[(&'static str, i128)]) -> Arc<dyn BlockBase> {
    let state: State = rows
        .iter()
        .map(|(key, number)| ((*key).into(), encode_cell(*number)))
        .collect();
    Arc::new(state)
}

fn number(changes: &ChangeSet, key: &str) -> Option<i128> {
    let value = changes.get(key.as_bytes())?;
    Some(decode_cell(value.map(|value| &**value)).unwrap())
}

#[test]
fn a_chain_of_increments_loses_none() {
    for executor in modes() {
        let block = executor
            .execute(base(&[]), vec![(); 100], |ctx, ()| {
                let before = decode_cell(ctx.get("n")?.as_deref())?;
                ctx.set("n", encode_cell(before + 1))?;
                Ok(ExecutionStatus::Success(before))
            })
            .unwrap();
        assert_eq!(number(&block.changes, "n"), Some(100));
        let outputs: Vec<_> = block
            .outcomes
            .iter()
            .filter_map(TxnOutcome::output)
            .copied()
            .collect();
        assert_eq!(outputs, (0..100).collect::<Vec<_>>());
        assert_eq!(
            block.access.get(99).unwrap().reads().collect::<Vec<_>>(),
            ["n"]
        );
        assert_eq!(block.stats.committed, 100);
    }
}

#[test]
fn a_block_of_nothing_is_nothing() {
    for executor in modes() {
        let block = executor
            .execute(base(&[]), Vec::<()>::new(), |_, ()| {
                Ok(ExecutionStatus::Success(()))
            })
            .unwrap();
        assert!(block.outcomes.is_empty() && block.changes.is_empty() && block.access.is_empty());
    }
}

#[test]
fn what_a_transaction_says_decides_what_is_kept() {
    for executor in modes() {
        let block = executor
            .execute(base(&[]), (0u8..6).collect::<Vec<_>>(), |ctx, number| {
                ctx.set([*number], b"")?;
                ctx.charge(u64::from(*number))?;
                Ok(match number {
                    1 => ExecutionStatus::Skip(1),
                    3 => ExecutionStatus::SkipRest(3),
                    5 => ExecutionStatus::Abort(5),
                    other => ExecutionStatus::Success(*other),
                })
            })
            .unwrap();
        let keys: Vec<_> = block.changes.iter().map(|(key, _)| key[0]).collect();
        assert_eq!(keys, [0, 2, 3]);
        assert_eq!((block.end, block.charged), (BlockEnd::SkipRest(3), 6));
        let expected = [
            Success(0),
            Skipped(1),
            Success(2),
            Success(3),
            NotExecuted,
            NotExecuted,
        ];
        assert_eq!(block.outcomes, expected);
        assert_eq!(block.access.len(), 4);
        assert_eq!(block.access.get(1).unwrap().writes().count(), 0);
    }
}

#[test]
fn a_failure_carries_exactly_the_prefix() {
    for executor in modes() {
        for (kind, expected) in [("abort", 0), ("panic", 1), ("error", 2)] {
            let error = executor
                .execute(
                    base(&[]),
                    (0u8..40).collect::<Vec<_>>(),
                    move |ctx, number| {
                        ctx.set([*number], b"")?;
                        if *number < 30 {
                            return Ok(ExecutionStatus::Success(*number));
                        }
                        match kind {
                            "abort" => Ok(ExecutionStatus::Abort(*number)),
                            "panic" => panic!("at {number}"),
                            _ => Err(Error::invalid("no")),
                        }
                    },
                )
                .unwrap_err();
            assert_eq!(error.index(), Some(30));
            let found = match &*error.failure {
                BlockFailure::Aborted { output: 30, .. } => 0,
                BlockFailure::Panicked { message, .. } if message == "at 30" => 1,
                BlockFailure::Failed { error, .. } if *error.kind() == ErrorKind::Invalid => 2,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected);
            assert_eq!(
                (
                    error.committed.outcomes.len(),
                    error.committed.changes.len()
                ),
                (30, 30)
            );
        }
    }
}

#[test]
fn integer_cells_refuse_what_is_none_and_what_does_not_fit() {
    for executor in modes() {
        let block = executor
            .execute(base(&[("max", i128::MAX)]), vec![(); 3], |ctx, ()| {
                ctx.set("text", "seven")?;
                assert_eq!(*ctx.add("text", 1).unwrap_err().kind(), ErrorKind::Invalid);
                assert_eq!(*ctx.add("max", 1).unwrap_err().kind(), ErrorKind::Invalid);
                assert!(!ctx.try_add("max", 1, i128::MIN..=i128::MAX)?);
                assert!(ctx.try_add("max", -1, 0..=i128::MAX)?);
                ctx.add("max", 1)?;
                ctx.add("sum", 5)?;
                assert!(!ctx.try_add("sum", -100, 0..=i128::MAX)?);
                Ok(ExecutionStatus::Success(decode_cell(
                    ctx.get("sum")?.as_deref(),
                )?))
            })
            .unwrap();
        assert_eq!(number(&block.changes, "sum"), Some(15));
        assert_eq!(number(&block.changes, "max"), Some(i128::MAX));
        assert_eq!(block.outcomes[1], TxnOutcome::Success(10));
    }
}

#[test]
fn ranges_see_the_block_and_the_own_writes_from_both_ends() {
    for executor in modes() {
        let block = executor
            .execute(
                base(&[("b", 0), ("d", 0)]),
                (0u8..4).collect::<Vec<_>>(),
                |ctx, number| {
                    let keys = |rows: crate::BlockIter| -> Result<String> {
                        rows.map(|row| Ok(String::from_utf8_lossy(&row?.0).into_owned()))
                            .collect()
                    };
                    let before = keys(ctx.range(..))?;
                    match number {
                        0 => ctx.set("a", "")?,
                        1 => ctx.delete("b")?,
                        2 => ctx.add("c", 1)?,
                        _ => ctx.set("e", "")?,
                    }
                    let last = ctx.range(..).next_back().transpose()?.map(|row| row.0);
                    Ok(ExecutionStatus::Success((
                        before,
                        keys(ctx.scan(""))?,
                        last,
                    )))
                },
            )
            .unwrap();
        let seen: Vec<_> = block
            .outcomes
            .iter()
            .filter_map(TxnOutcome::output)
            .collect();
        let expected = [
            ("bd", "abd", "d"),
            ("abd", "ad", "d"),
            ("ad", "acd", "d"),
            ("acd", "acde", "e"),
        ];
        for ((before, after, last), expected) in seen.into_iter().zip(expected) {
            assert_eq!(
                (&**before, &**after, last.as_deref()),
                (expected.0, expected.1, Some(expected.2.as_bytes()))
            );
        }
        assert_eq!(block.access.get(0).unwrap().ranges().len(), 3);
    }
}

#[test]
fn an_executor_cannot_be_made_to_run_nothing() {
    for change in [
        |config: &mut BlockExecutorConfig| config.workers = 0,
        |config: &mut BlockExecutorConfig| config.window = 0,
        |config: &mut BlockExecutorConfig| config.stack_size_bytes = 1,
        |config: &mut BlockExecutorConfig| config.operations_limit = 0,
        |config: &mut BlockExecutorConfig| config.workers = 1 << 20,
    ] {
        let mut config = BlockExecutorConfig::default();
        change(&mut config);
        let error = BlockExecutor::new(config).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_transaction_cannot_wait_for_its_own_executor_but_for_another() {
    for executor in modes() {
        let other = BlockExecutor::new(BlockExecutorConfig::default()).unwrap();
        let own = executor.clone();
        let block = executor
            .execute(base(&[]), vec![(); 4], move |_, ()| {
                let run = |executor: &BlockExecutor| {
                    let inner = executor.execute(base(&[]), vec![1, 2], |ctx, number| {
                        ctx.add("n", *number)?;
                        Ok(ExecutionStatus::Success(()))
                    });
                    inner.map(|block| number(&block.changes, "n"))
                };
                assert!(matches!(
                    *run(&own).unwrap_err().failure,
                    BlockFailure::Refused(_)
                ));
                Ok(ExecutionStatus::Success(run(&other).unwrap()))
            })
            .unwrap();
        assert!(
            block
                .outcomes
                .iter()
                .all(|outcome| *outcome == TxnOutcome::Success(Some(3)))
        );
    }
}

#[test]
fn a_swallowed_error_changes_nothing() {
    for executor in [
        executor(|config| {
            config.mode = Mode::Serial;
            config.operations_limit = 10;
        }),
        executor(|config| config.operations_limit = 10),
    ] {
        let block = executor
            .execute(base(&[]), (0u8..20).collect::<Vec<_>>(), |ctx, number| {
                ctx.set([*number], b"")?;
                if *number % 2 == 0 {
                    while ctx.get("endless").is_ok() {}
                    let _ = ctx.set("late", b"");
                }
                Ok(ExecutionStatus::Success(()))
            })
            .unwrap();
        assert_eq!(block.changes.len(), 10);
        assert_eq!(block.outcomes[2], TxnOutcome::OutOfOperations);
        assert_eq!(block.outcomes[3], TxnOutcome::Success(()));
    }
}

#[test]
fn an_iterator_that_outlives_its_run_says_so() {
    let executor = executor(|config| config.mode = Mode::Serial);
    let kept = Arc::new(crate::sync::Mutex::new(None));
    let keep = Arc::clone(&kept);
    executor
        .execute(base(&[("a", 1)]), vec![()], move |ctx, ()| {
            *keep.lock() = Some(ctx.range(..));
            Ok(ExecutionStatus::Success(()))
        })
        .unwrap();
    let error = kept.lock().take().unwrap().next().unwrap().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_deadline_ends_the_call_and_the_thread_is_replaced() {
    for mode in [Mode::Serial, Mode::Parallel] {
        let executor = executor(|config| {
            config.mode = mode;
            config.workers = 1;
            config.deadline = Some(Duration::from_millis(20));
        });
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = Arc::new(crate::sync::Mutex::new(stopped));
        let error = executor
            .execute(base(&[]), vec![(); 2], move |_, ()| {
                let _ = stopped.lock().recv();
                Ok(ExecutionStatus::Success(()))
            })
            .unwrap_err();
        assert!(matches!(*error.failure, BlockFailure::Deadline));
        assert!(error.committed.outcomes.is_empty());
        // Another thread does it, in time unless the machine is busy with something else.
        let mut after = std::iter::repeat_with(|| {
            executor.execute(base(&[]), vec![()], |_, ()| {
                Ok(ExecutionStatus::Success(()))
            })
        });
        assert!(after.any(|outcome| outcome.is_ok()));
        drop(stop);
    }
}

#[test]
fn code_that_ignores_all_errors_is_ended() {
    for mode in [Mode::Serial, Mode::Parallel, Mode::Verify] {
        let executor = executor(|config| {
            config.mode = mode;
            config.operations_limit = 100;
        });
        let block = executor
            .execute(base(&[]), vec![0, 1, 2], |ctx, number| {
                if *number == 1 {
                    loop {
                        let _ = ctx.get("key");
                    }
                }
                Ok(ExecutionStatus::Success(()))
            })
            .unwrap();
        assert_eq!(
            block.outcomes,
            [Success(()), TxnOutcome::OutOfOperations, Success(())]
        );
    }
}

#[test]
fn a_run_that_goes_round_because_it_is_stale_is_told_so() {
    let executor = executor(|config| config.operations_limit = u64::MAX);
    let (looked, has_looked) = std::sync::mpsc::channel();
    let looked = crate::sync::Mutex::new(looked);
    let has_looked = crate::sync::Mutex::new(has_looked);
    let block = executor
        .execute(base(&[]), vec![0, 1], move |ctx, number| {
            if *number == 0 {
                // Until the other has seen what will not last.
                has_looked.lock().recv().unwrap();
                ctx.set("key", b"1")?;
            } else {
                ctx.get("key")?;
                let _ = looked.lock().send(());
                while ctx.get("key")?.is_none() {}
            }
            Ok(ExecutionStatus::Success(()))
        })
        .unwrap();
    assert_eq!((block.stats.committed, block.stats.executions), (2, 3));
}

#[test]
fn keys_whose_hashes_meet_are_different_keys() {
    let kept = Kept::new(1);
    let memory = Arc::new(memory::Memory::new(base(&[]), &kept));
    let keys = hash::tests::keys_that_meet(&memory.hasher());
    let mut frame = kept.take_frame();
    frame.set_hasher(memory.hasher());
    let slots = keys.map(|key| frame.slot_of(&key, |hash| memory.locate(hash, &key)));
    assert_ne!(slots[0], slots[1]);
    let locations = slots.map(|slot| frame.slot(slot).unwrap().location);
    assert_ne!(locations[0], locations[1]);
    let again = keys.map(|key| frame.slot_of(&key, |_| unreachable!("it has a slot")));
    assert_eq!(again, slots);
}

#[test]
fn more_keys_than_one_share_are_collected_each_once() {
    for executor in modes() {
        let block = executor
            .execute(base(&[]), (0..40_u16).collect::<Vec<_>>(), |ctx, number| {
                for key in 0..100 {
                    ctx.set((number * 100 + key).to_be_bytes(), number.to_be_bytes())?;
                }
                Ok(ExecutionStatus::Success(()))
            })
            .unwrap();
        let rows = block.changes.iter().map(|(key, value)| {
            let number = |bytes: &[u8]| u16::from_be_bytes(bytes.try_into().unwrap());
            (number(key), number(value.unwrap()))
        });
        let wanted = (0..4_000).map(|key| (key, key / 100));
        assert!(rows.eq(wanted));
        let writes = (0..40).map(|txn| block.access.get(txn).unwrap().writes().count());
        assert!(writes.eq([100; 40]));
    }
}

#[test]
fn nothing_of_a_block_is_left_for_the_next() {
    for executor in modes() {
        for before in [1, 2] {
            // The same keys and the same executor, whose memory is used again.
            let outcome = executor.execute(base(&[("n", before)]), vec![(); 40], |ctx, ()| {
                ctx.add("n", 1)?;
                let total = decode_cell(ctx.get("n")?.as_deref())?;
                Ok(ExecutionStatus::Success(total))
            });
            let block = outcome.unwrap();
            assert_eq!(block.outcomes[0], Success(before + 1));
            assert_eq!(number(&block.changes, "n"), Some(before + 40));
        }
        let other = executor.execute(base(&[]), vec!["m"; 40], |ctx, key| {
            ctx.set(key, b"")?;
            Ok(ExecutionStatus::Success(ctx.contains(b"n")?))
        });
        let other = other.unwrap();
        assert!(
            other
                .outcomes
                .iter()
                .all(|outcome| *outcome == Success(false))
        );
        assert_eq!(other.changes.len(), 1);
        assert_eq!(other.access.keys_read(), ["n"]);
    }
}

#[test]
fn what_a_block_was_like_is_remembered_over_a_short_one() {
    let executor = executor(|config| {
        config.adaptive = true;
        config.min_parallel_txns = 32;
    });
    let run = |txns: i128| {
        let block = executor.execute(base(&[]), (0..txns).collect::<Vec<_>>(), |ctx, txn| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_micros(50) {}
            ctx.set(txn.to_be_bytes(), b"")?;
            Ok(ExecutionStatus::Success(()))
        });
        let stats = block.unwrap().stats;
        (stats.serial > 0, stats.parallel > 0)
    };
    assert_eq!(run(200), (true, true), "nothing is known of the first");
    assert_eq!(run(200), (false, true));
    assert_eq!(run(5), (true, false));
    assert_eq!(run(200), (false, true));
}

#[test]
fn blocks_in_a_row_are_run_by_the_same_threads() {
    let seen = Arc::new(crate::sync::Mutex::new(std::collections::HashSet::new()));
    let executor = executor(|_| ());
    for _ in 0..50 {
        let seen = Arc::clone(&seen);
        let block = executor.execute(
            base(&[]),
            (0_u16..200).collect::<Vec<_>>(),
            move |ctx, key| {
                seen.lock().insert(std::thread::current().id());
                ctx.set(key.to_be_bytes(), b"")?;
                Ok(ExecutionStatus::Success(()))
            },
        );
        block.unwrap();
    }
    let threads = seen.lock().len();
    assert!(
        (1..=2).contains(&threads),
        "{threads} threads for 2 workers"
    );
}
