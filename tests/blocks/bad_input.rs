//! Transactions that never end or recurse without end, blocks of no size and of a large one, executors of
//! no worker and of a thousand, and code that brings threads and executors of its own.

use std::{
    hint::black_box,
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sapwood::{
    BaseRows, BlockBase, BlockContext, BlockEnd, BlockError, BlockExecutor, BlockExecutorConfig,
    BlockFailure, BlockOutput, ErrorKind, ExecutionStatus, KeyRange, Mode, ReadView, Result,
    TxnOutcome, Value, decode_cell, encode_cell,
};

use crate::{
    on_executor::{base, executor, parallel},
    oracle::Rows,
};

fn numbers(size: u32) -> Vec<u32> {
    (0..size).collect()
}

/// Each adds 1 to one of few keys, and some read a range.
fn ordinary(ctx: &mut BlockContext<'_>, number: u32) -> Result<ExecutionStatus<u32>> {
    let key = format!("{:03}", number % 100);
    let count = decode_cell(ctx.get(&key)?.as_deref())? + 1;
    ctx.set(&key, encode_cell(count))?;
    let rows = if number % 1_000 == 999 {
        ctx.range(..).count()
    } else {
        0
    };
    Ok(ExecutionStatus::Success(u32::try_from(rows).unwrap()))
}

fn ordinary_block(executor: &BlockExecutor, size: u32) -> BlockOutput<u32> {
    let result = executor.execute(base(&Rows::new()), numbers(size), |ctx, number| {
        ordinary(ctx, *number)
    });
    result.unwrap()
}

/// That it is what so many ordinary transactions leave.
fn assert_ordinary(output: &BlockOutput<u32>, size: u32) {
    let expected = (0..size).map(|number| {
        TxnOutcome::Success(if number % 1_000 == 999 {
            size.min(100)
        } else {
            0
        })
    });
    assert_eq!(output.outcomes, expected.collect::<Vec<_>>());
    assert_eq!(output.end, BlockEnd::Complete);
    assert_eq!(
        output.changes.len(),
        usize::try_from(size.min(100)).unwrap()
    );
    let counts = output
        .changes
        .iter()
        .map(|(_, count)| decode_cell(count.map(|count| &**count)).unwrap());
    assert_eq!(counts.sum::<i128>(), i128::from(size));
}

fn modes() -> [BlockExecutorConfig; 4] {
    let serial = |mode| {
        let mut config = parallel(2, 100);
        config.mode = mode;
        config
    };
    [
        serial(Mode::Serial),
        serial(Mode::Verify),
        parallel(1, 10),
        parallel(3, 10),
    ]
}

#[test]
fn blocks_of_none_one_and_a_hundred_thousand() {
    for config in modes().into_iter().chain([BlockExecutorConfig::default()]) {
        let executor = executor(config);
        for size in [0, 1, 2, 100_000] {
            let output = ordinary_block(&executor, size);
            assert_ordinary(&output, size);
            assert_eq!(output.stats.committed, u64::from(size));
        }
    }
}

#[test]
fn an_executor_without_workers_is_refused() {
    let mut config = BlockExecutorConfig::default();
    config.workers = 0;
    let error = BlockExecutor::new(config).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("set workers to 1 or more"),
        "{error}"
    );
}

#[test]
fn options_with_which_nothing_could_run_are_refused() {
    let sets: [fn(&mut BlockExecutorConfig); 4] = [
        |config| config.window = 0,
        |config| config.operations_limit = 0,
        |config| config.stack_size_bytes = 0,
        |config| config.workers = usize::MAX,
    ];
    for set in sets {
        let mut config = BlockExecutorConfig::default();
        set(&mut config);
        let error = BlockExecutor::new(config).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("set "), "{error}");
    }
}

#[test]
fn a_thousand_workers_are_as_good_as_one() {
    let mut config = parallel(1_000, 10_000);
    config.stack_size_bytes = 128 << 10;
    let executor = executor(config);
    for size in [1, 7, 3_000] {
        let output = ordinary_block(&executor, size);
        assert_ordinary(&output, size);
    }
    // However long it takes, a block has no more of them than it has transactions.
    let result = executor.execute(base(&Rows::new()), numbers(3), |ctx, number| {
        (0..2_000).for_each(|_| thread::yield_now());
        ordinary(ctx, *number)
    });
    let output = result.unwrap();
    assert_ordinary(&output, 3);
    assert!(output.stats.workers <= 3, "{:?}", output.stats);
}

/// Loops without end that call their context: each is stopped at the same call, whoever runs it.
#[test]
fn a_transaction_that_calls_for_ever_runs_out_of_operations() {
    type Loop = fn(&mut BlockContext<'_>) -> Result<()>;
    let loops: [Loop; 8] = [
        |ctx| loop {
            ctx.get("key")?;
        },
        |ctx| loop {
            ctx.set("key", "1")?;
        },
        // It does not care.
        |ctx| {
            while ctx.get("key").is_ok() {}
            Ok(())
        },
        |ctx| loop {
            ctx.add("cell", 1)?;
        },
        |ctx| loop {
            ctx.multi_get(&["key", "other"])?;
        },
        |ctx| loop {
            for row in ctx.range(..) {
                row?;
            }
        },
        |ctx| {
            let savepoint = ctx.savepoint();
            loop {
                ctx.set("key", "1")?;
                ctx.rollback_to(&savepoint)?;
            }
        },
        |ctx| {
            while ctx.get("key").is_ok() {}
            panic!("what a lost run does does not matter");
        },
    ];
    for mut config in modes() {
        config.operations_limit = 1_000;
        let executor = executor(config);
        for (way, endless) in loops.into_iter().enumerate() {
            let result = executor.execute(base(&Rows::new()), numbers(30), move |ctx, number| {
                if *number % 10 == 7 {
                    ctx.set("lost", "1")?;
                    endless(ctx)?;
                }
                ordinary(ctx, *number)
            });
            let output = result.unwrap();
            assert_eq!(output.end, BlockEnd::Complete);
            for (number, outcome) in output.outcomes.iter().enumerate() {
                let expected = if number % 10 == 7 {
                    TxnOutcome::OutOfOperations
                } else {
                    TxnOutcome::Success(0)
                };
                assert_eq!(*outcome, expected, "way {way}, transaction {number}");
            }
            assert_eq!(output.changes.get(b"lost"), None);
            assert_eq!(output.changes.len(), 27);
        }
    }
}

/// Loops that look at no error: not at that of the limit, and not at that of a run that was given up.
#[test]
fn a_transaction_that_calls_for_ever_and_ignores_errors_is_ended() {
    type Loop = fn(&mut BlockContext<'_>);
    let loops: [Loop; 6] = [
        |ctx| loop {
            let _ = ctx.get("key");
        },
        |ctx| loop {
            let _ = ctx.set("key", "1");
        },
        |ctx| loop {
            ctx.range(..).for_each(drop);
        },
        |ctx| {
            let mut rows = ctx.range(..);
            loop {
                rows.next();
                rows = ctx.range(..);
            }
        },
        |ctx| loop {
            let _ = ctx.try_add("cell", 1, 0..=9);
        },
        |ctx| loop {
            let _ = ctx.charge(0);
        },
    ];
    for mut config in modes() {
        config.operations_limit = 1_000;
        // Ends the test, not the transaction, where nothing else does.
        config.deadline = Some(Duration::from_secs(60));
        let executor = executor(config);
        for (way, endless) in loops.into_iter().enumerate() {
            let result = executor.execute(base(&Rows::new()), numbers(30), move |ctx, number| {
                if *number == 7 {
                    endless(ctx);
                }
                ordinary(ctx, *number)
            });
            let output = result.unwrap_or_else(|error| panic!("way {way}: {error}"));
            assert_eq!(output.outcomes[7], TxnOutcome::OutOfOperations, "way {way}");
            assert_eq!(output.changes.len(), 29);
        }
    }
}

/// One by one it ends at once; a run that sees a state that never was would wait for ever, and is ended.
#[test]
fn a_run_that_waits_for_what_never_comes_is_ended() {
    let mut config = parallel(2, 10);
    config.deadline = Some(Duration::from_secs(60));
    let executor = executor(config);
    for ignores_errors in [false, true] {
        let has_looked = Arc::new(AtomicBool::new(false));
        let result = executor.execute(base(&Rows::new()), numbers(2), move |ctx, number| {
            if *number == 0 {
                // Until the other has looked, or has not for a while.
                let waits = (0..5_000_000).take_while(|_| !has_looked.load(Ordering::SeqCst));
                waits.for_each(|_| thread::yield_now());
                ctx.set("key", "1")?;
            } else {
                loop {
                    match ctx.get("key") {
                        Ok(Some(_)) => break,
                        Err(error) if !ignores_errors => return Err(error),
                        _ => has_looked.store(true, Ordering::SeqCst),
                    }
                }
            }
            Ok(ExecutionStatus::Success(*number))
        });
        let output = result.unwrap_or_else(|error| panic!("{ignores_errors}: {error}"));
        assert_eq!(output.outcomes, [0, 1].map(TxnOutcome::Success));
    }
}

#[test]
fn the_last_operation_that_is_allowed_is_allowed() {
    for mut config in modes() {
        config.operations_limit = 12;
        let executor = executor(config);
        let rows = Rows::from([
            (b"a".to_vec(), b"1".to_vec()),
            (b"b".to_vec(), b"1".to_vec()),
        ]);
        let result = executor.execute(base(&rows), numbers(6), |ctx, number| {
            ctx.get("a")?; // 1
            ctx.multi_get(&["a", "b"])?; // 3
            ctx.set("c", "1")?; // 4
            ctx.add("d", 1)?; // 5
            ctx.delete("c")?; // 6
            let found = ctx
                .scan("b")
                .map(|row| row.map(drop))
                .collect::<Result<Vec<_>>>()?; // 9
            ctx.charge(1)?; // 10
            for _ in 0..*number {
                ctx.contains("d")?;
            }
            Ok(ExecutionStatus::Success(found.len()))
        });
        let output = result.unwrap();
        let mut expected = vec![TxnOutcome::Success(1); 3];
        expected.resize(6, TxnOutcome::OutOfOperations);
        assert_eq!(output.outcomes, expected);
        // Each has charged, whatever its outcome.
        assert_eq!(output.charged, 6);
    }
}

/// Ends threads that would never end, when the test does.
struct Release(Arc<AtomicBool>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A transaction that never ends and never calls its context: the caller gets its answer, nothing is
/// committed, and the executor works on with other threads.
#[test]
fn a_transaction_that_never_comes_back_is_left_behind_at_the_deadline() {
    for mut config in modes() {
        config.deadline = Some(Duration::from_millis(30));
        let mut patient = config.clone();
        patient.deadline = Some(Duration::from_secs(3_600));
        let executor = executor(config);
        let is_over = Arc::new(AtomicBool::new(false));
        let _release = Release(Arc::clone(&is_over));
        // As often as it has workers, and once more.
        for _ in 0..4 {
            let flag = Arc::clone(&is_over);
            let result = executor.execute(base(&Rows::new()), numbers(40), move |ctx, number| {
                if *number == 20 {
                    while !flag.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                }
                ordinary(ctx, *number)
            });
            let error = result.unwrap_err();
            assert!(
                matches!(*error.failure, BlockFailure::Deadline),
                "{error:?}"
            );
            assert_eq!(error.index(), None);
            assert!(error.committed.outcomes.is_empty() && error.committed.changes.is_empty());
            assert!(error.to_string().contains("deadline"), "{error}");
        }
        // The same one works on: its threads are lost, not its work. A block may be late on a machine that
        // is busy; one of many is not.
        let works_on = (0..1_000).any(|_| {
            let result = executor.execute(base(&Rows::new()), numbers(40), |ctx, number| {
                ordinary(ctx, *number)
            });
            result.is_ok_and(|output| {
                assert_ordinary(&output, 40);
                true
            })
        });
        assert!(works_on);
        // A deadline that is far away does nothing.
        assert_ordinary(
            &ordinary_block(&crate::on_executor::executor(patient), 200),
            200,
        );
    }
}

/// One that waits for its caller's answer would hang without it.
#[test]
fn a_transaction_that_calls_for_ever_ends_at_the_deadline() {
    for mut config in modes() {
        config.deadline = Some(Duration::from_millis(30));
        config.operations_limit = u64::MAX;
        let executor = executor(config);
        let result: Result<BlockOutput<u32>, _> =
            executor.execute(base(&Rows::new()), numbers(40), |ctx, number| {
                if *number == 20 {
                    loop {
                        ctx.get("key")?;
                    }
                }
                ordinary(ctx, *number)
            });
        let error = result.unwrap_err();
        assert!(
            matches!(*error.failure, BlockFailure::Deadline),
            "{error:?}"
        );
    }
}

#[test]
fn the_longest_deadline_is_none() {
    let mut config = parallel(2, 10);
    config.deadline = Some(Duration::MAX);
    assert_ordinary(&ordinary_block(&executor(config), 100), 100);
}

/// Recurses until so much of the stack is used. How deep it came.
#[inline(never)]
fn recurse(from: usize, bytes: usize, depth: u32) -> u32 {
    let local = [depth; 16];
    let here = std::ptr::from_ref(black_box(&local)).addr();
    if from.abs_diff(here) >= bytes {
        return depth;
    }
    let depth = recurse(from, bytes, depth + 1);
    // Not the last call: each has a frame.
    black_box(&local);
    depth
}

#[test]
fn a_transaction_recurses_as_deep_as_the_stack_in_every_mode() {
    for (megabytes, size) in [(1_usize, 20), (8, 20), (64, 3)] {
        for mut config in modes() {
            config.stack_size_bytes = megabytes << 20;
            let executor = executor(config);
            // An eighth is more than the executor's own frames need.
            let bytes = (megabytes << 20) / 8 * 7;
            let result = executor.execute(
                base(&Rows::new()),
                numbers(u32::try_from(size).unwrap()),
                move |ctx, number| {
                    let local = 0_u8;
                    let from = std::ptr::from_ref(black_box(&local)).addr();
                    let depth = recurse(from, bytes, 0);
                    ctx.set(format!("{number}"), "1")?;
                    Ok(ExecutionStatus::Success(depth > 100))
                },
            );
            assert_eq!(
                result.unwrap().outcomes,
                vec![TxnOutcome::Success(true); size]
            );
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads of the user's own that work for whoever asks.
struct Pool(Mutex<mpsc::Sender<Job>>);

impl Pool {
    fn new(threads: usize) -> Self {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::spawn(move || {
                loop {
                    let job = jobs.lock().unwrap().recv();
                    match job {
                        Ok(job) => job(),
                        Err(_) => break,
                    }
                }
            });
        }
        Self(Mutex::new(sender))
    }

    /// Has the pool compute something, and waits for it.
    fn compute(&self, job: impl FnOnce() -> u32 + Send + 'static) -> u32 {
        let (tell, told) = mpsc::channel();
        let job = Box::new(move || tell.send(job()).unwrap_or_default());
        self.0.lock().unwrap().send(job).unwrap();
        told.recv().unwrap()
    }
}

/// Workers that wait for other threads, which are fewer than they are.
#[test]
fn code_may_wait_for_threads_of_its_own() {
    for threads in [1, 4] {
        for config in modes() {
            let pool = Pool::new(threads);
            let result =
                executor(config).execute(base(&Rows::new()), numbers(200), move |ctx, number| {
                    let number = *number;
                    let squared = pool.compute(move || number * number);
                    let halves = thread::scope(|scope| {
                        let half =
                            |rest: u32| move || (0..100_u32).filter(|n| n % 2 == rest).sum::<u32>();
                        let others = [scope.spawn(half(0)), scope.spawn(half(1))];
                        others.map(|other| other.join().unwrap())
                    });
                    let sum = decode_cell(ctx.get("sum")?.as_deref())? + i128::from(squared);
                    ctx.set("sum", encode_cell(sum))?;
                    Ok(ExecutionStatus::Success(halves[0] + halves[1]))
                });
            let output = result.unwrap();
            assert_eq!(output.outcomes, vec![TxnOutcome::Success(4_950); 200]);
            let sum: i128 = (0..200).map(|number| number * number).sum();
            let found = output.changes.get(b"sum").unwrap().unwrap();
            assert_eq!(decode_cell(Some(found)).unwrap(), sum);
        }
    }
}

/// A transaction that has another executor run a block, on what it reads, and one inside that.
#[test]
fn code_may_have_another_executor_run_a_block() {
    fn nested(executors: &[BlockExecutor], number: u32) -> u32 {
        let Some((executor, inner)) = executors.split_first() else {
            return number;
        };
        let inner = inner.to_vec();
        let result = executor.execute(base(&Rows::new()), numbers(5), move |ctx, step| {
            let count = ctx.get("count")?.map_or(0, |count| u32::from(count[0]));
            let deeper = nested(&inner, 1);
            ctx.set("count", [u8::try_from(count + deeper).unwrap()])?;
            Ok(ExecutionStatus::Success(*step))
        });
        number * u32::from(result.unwrap().changes.get(b"count").unwrap().unwrap()[0])
    }
    for config in modes() {
        let executors: Vec<_> = [2, 1].map(|workers| executor(parallel(workers, 10))).into();
        let result =
            executor(config).execute(base(&Rows::new()), numbers(40), move |ctx, number| {
                let inside = nested(&executors, *number);
                let sum = decode_cell(ctx.get("sum")?.as_deref())? + i128::from(inside);
                ctx.set("sum", encode_cell(sum))?;
                Ok(ExecutionStatus::Success(inside))
            });
        let output = result.unwrap();
        let expected: Vec<_> = (0..40)
            .map(|number| TxnOutcome::Success(number * 25))
            .collect();
        assert_eq!(output.outcomes, expected);
        let found = output.changes.get(b"sum").unwrap().unwrap();
        assert_eq!(decode_cell(Some(found)).unwrap(), 780 * 25);
    }
}

/// Its own executor has no thread left for it: it is told, and does not wait for ever.
#[test]
fn code_cannot_have_its_own_executor_run_a_block() {
    for config in modes() {
        let executor = executor(config);
        let own = executor.clone();
        let result = executor.execute(base(&Rows::new()), numbers(20), move |ctx, number| {
            let inner: Result<BlockOutput<u32>, BlockError<u32>> =
                own.execute(base(&Rows::new()), numbers(3), |_, number| {
                    Ok(ExecutionStatus::Success(*number))
                });
            let error = inner.unwrap_err().into_error();
            assert_eq!(*error.kind(), ErrorKind::Invalid);
            assert!(
                error.to_string().contains("make another executor"),
                "{error}"
            );
            ctx.set("key", format!("{number}"))?;
            Ok(ExecutionStatus::Success(*number))
        });
        assert_eq!(result.unwrap().changes.len(), 1);
    }
}

/// Blocks that are given to one executor at once share its threads.
#[test]
fn an_executor_runs_blocks_of_several_callers() {
    for config in modes() {
        let executor = executor(config);
        thread::scope(|scope| {
            for caller in 0..4 {
                let executor = executor.clone();
                scope.spawn(move || {
                    for repeat in 0..20 {
                        let size = 1 + (caller * 37 + repeat * 13) % 150;
                        assert_ordinary(&ordinary_block(&executor, size), size);
                    }
                });
            }
        });
    }
}

/// Nothing of a block is kept: not its transactions, not its code, not its base, once the executor has
/// gone.
#[test]
fn nothing_is_left_of_a_block() {
    #[derive(Debug)]
    struct Counted(Arc<AtomicU32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    impl PartialEq for Counted {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    for config in modes() {
        let (made, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let new = {
            let (made, dropped) = (Arc::clone(&made), Arc::clone(&dropped));
            move || {
                made.fetch_add(1, Ordering::SeqCst);
                Counted(Arc::clone(&dropped))
            }
        };
        let executor = executor(config);
        let txns: Vec<Counted> = (0..200).map(|_| new()).collect();
        let code = new();
        let result = executor.execute(base(&Rows::new()), txns, move |ctx, _| {
            let _code = &code;
            let count = decode_cell(ctx.get("count")?.as_deref())? + 1;
            ctx.set("count", encode_cell(count))?;
            Ok(ExecutionStatus::Success(new()))
        });
        let output = result.unwrap();
        assert_eq!(output.outcomes.len(), 200);
        drop(output);
        drop(executor);
        // A thread that has just told the outcome lets go of the block a moment later.
        for _ in 0..5_000_000 {
            if made.load(Ordering::SeqCst) == dropped.load(Ordering::SeqCst) {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(made.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst));
    }
}

/// A state below the block that panics instead of giving an error.
struct Panicking;

impl BlockBase for Panicking {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        if key == b"bad" {
            panic::resume_unwind(Box::new("the base panics"));
        }
        Ok(None)
    }

    fn range(&self, _: &KeyRange) -> BaseRows {
        panic::resume_unwind(Box::new("the base panics"))
    }
}

/// The block fails at the transaction that needs what cannot be read, and the executor works on.
#[test]
fn a_base_that_panics_fails_the_block_alone() {
    type Read = fn(&mut BlockContext<'_>) -> Result<()>;
    let reads: [Read; 5] = [
        |ctx| ctx.get("bad").map(drop),
        |ctx| ctx.add("bad", 1),
        |ctx| ctx.try_add("bad", 1, 0..=1).map(drop),
        |ctx| ctx.multi_get(&["good", "bad"]).map(drop),
        |ctx| ctx.range(..).next().transpose().map(drop),
    ];
    for config in modes() {
        let executor = executor(config);
        for read in reads {
            for hint in [false, true] {
                let hints = if hint {
                    vec!["bad".into(), "good".into()]
                } else {
                    Vec::new()
                };
                let base: Arc<dyn BlockBase> = Arc::new(Panicking);
                let result = executor.execute_with(base, numbers(60), hints, move |ctx, number| {
                    if *number == 30 {
                        read(ctx)?;
                    }
                    ordinary(ctx, *number)
                });
                let error = result.unwrap_err();
                let is_known = matches!(*error.failure, BlockFailure::Panicked { index: 30, .. });
                assert!(is_known, "{error:?}");
                assert_eq!(error.committed.outcomes.len(), 30);
            }
            assert_ordinary(&ordinary_block(&executor, 100), 100);
        }
    }
}

/// What panics as it is dropped: a transaction, an output, the code.
#[derive(Debug)]
struct Bomb(Arc<AtomicBool>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0.load(Ordering::SeqCst) && !thread::panicking() {
            panic::resume_unwind(Box::new("it panics as it is dropped"));
        }
    }
}

impl PartialEq for Bomb {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Whatever comes of such a block, its caller is told, and the executor works on.
#[test]
fn what_panics_as_it_is_dropped_does_not_end_the_executor() {
    for config in modes() {
        let executor = executor(config);
        for way in 0..3 {
            let is_armed = Arc::new(AtomicBool::new(true));
            let safe = Arc::new(AtomicBool::new(false));
            let bomb = |which| Bomb(Arc::clone(if way == which { &is_armed } else { &safe }));
            let txns: Vec<Bomb> = (0..50).map(|_| bomb(0)).collect();
            let code = bomb(1);
            let output = Arc::clone(if way == 2 { &is_armed } else { &safe });
            let caller = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                let result = executor.execute(base(&Rows::new()), txns, move |ctx, _| {
                    let _code = &code;
                    ordinary(ctx, ctx.index())?;
                    Ok(ExecutionStatus::Success(Bomb(Arc::clone(&output))))
                });
                // The caller's own.
                is_armed.store(false, Ordering::SeqCst);
                result.is_ok()
            }));
            println!("way {way}: {caller:?}");
            for _ in 0..5 {
                assert_ordinary(&ordinary_block(&executor, 100), 100);
            }
        }
    }
}
