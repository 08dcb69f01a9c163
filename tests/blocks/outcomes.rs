//! What comes of a block whose transactions fail, refuse, panic or cannot read: exactly what comes of
//! it one by one, in every mode.

use std::{
    ops::RangeInclusive,
    panic,
    sync::{Arc, Mutex},
};

use sapwood::{
    BlockContext, BlockEnd, BlockError, BlockExecutor, BlockFailure, BlockIter, BlockOutput,
    BlockSavepoint, ErrorKind, ExecutionStatus, Mode, ReadView, Result, TxnOutcome, decode_cell,
    encode_cell, limits,
};

use crate::{
    compare::digest,
    failing_base::{FailingBase, is_from_base},
    on_executor::{Manner, base, changes, execute_with, executor, parallel, refusal},
    oracle::{Limits, Rows, answer},
    program::Op,
    seeds::{Seed, random, seeds},
    shapes::SHAPES,
};

/// One by one, both ways, and in parallel with some workers and windows.
fn every_way() -> Vec<BlockExecutor> {
    every_way_with(|_| ())
}

fn every_way_with(set: impl Fn(&mut sapwood::BlockExecutorConfig)) -> Vec<BlockExecutor> {
    let ways = [
        (Mode::Serial, 2, 100),
        (Mode::Verify, 2, 100),
        (Mode::Parallel, 1, 100),
        (Mode::Parallel, 2, 100),
        (Mode::Parallel, 3, 2),
        (Mode::Parallel, 8, 30),
    ];
    let way = |(mode, workers, window)| {
        let mut config = parallel(workers, window);
        config.mode = mode;
        set(&mut config);
        executor(config)
    };
    ways.into_iter().map(way).collect()
}

type Outcome<O> = Result<BlockOutput<O>, BlockError<O>>;

/// A block of so many over an empty state.
fn block<O, F>(executor: &BlockExecutor, size: u32, f: F) -> Outcome<O>
where
    O: PartialEq + Send + 'static,
    F: Fn(&mut BlockContext<'_>, u32) -> Result<ExecutionStatus<O>> + Send + Sync + 'static,
{
    let numbers: Vec<u32> = (0..size).collect();
    executor.execute(base(&Rows::new()), numbers, move |ctx, number| {
        f(ctx, *number)
    })
}

/// Writes a key of its own, and the sum of all before it.
fn ordinary(ctx: &mut BlockContext<'_>, number: u32) -> Result<ExecutionStatus<u32>> {
    let sum = decode_cell(ctx.get("sum")?.as_deref())? + i128::from(number);
    ctx.set("sum", encode_cell(sum))?;
    ctx.set(format!("key/{number}"), "1")?;
    Ok(ExecutionStatus::Success(number))
}

/// That these are the outcomes and changes of so many ordinary transactions.
fn assert_prefix(output: &BlockOutput<u32>, count: u32) {
    let outcomes: Vec<_> = (0..count).map(TxnOutcome::Success).collect();
    assert_eq!(output.outcomes, outcomes);
    let mut expected: crate::oracle::Changes = (0..count)
        .map(|number| (format!("key/{number}").into_bytes(), Some(b"1".to_vec())))
        .collect();
    if count > 0 {
        let sum: u32 = (0..count).sum();
        expected.insert(b"sum".to_vec(), Some(encode_cell(sum.into()).to_vec()));
    }
    assert_eq!(changes(&output.changes), expected);
    assert_eq!(output.digest(), digest(&expected));
    assert_eq!(output.access.len(), usize::try_from(count).unwrap());
}

/// Where the one that fails stands.
const PLACES: [u32; 4] = [0, 1, 37, 99];

#[test]
fn an_error_leaves_exactly_the_transactions_before_it() {
    for executor in every_way() {
        for place in PLACES {
            let result = block(&executor, 100, move |ctx, number| {
                let status = ordinary(ctx, number)?;
                if number >= place {
                    Err(refusal())
                } else {
                    Ok(status)
                }
            });
            let error = result.unwrap_err();
            assert_eq!(error.index(), Some(place));
            assert!(
                matches!(*error.failure, BlockFailure::Failed { .. }),
                "{error:?}"
            );
            assert!(
                error.to_string().contains(&format!("transaction {place} ")),
                "{error}"
            );
            assert_prefix(&error.committed, place);
            let error = error.into_error();
            assert_eq!(*error.kind(), ErrorKind::Invalid);
        }
    }
}

#[test]
fn a_panic_leaves_exactly_the_transactions_before_it() {
    for executor in every_way() {
        for place in PLACES {
            let result = block(&executor, 100, move |ctx, number| {
                let status = ordinary(ctx, number)?;
                if number >= place {
                    panic::resume_unwind(Box::new(format!("{number} of all")));
                }
                Ok(status)
            });
            let error = result.unwrap_err();
            match &*error.failure {
                BlockFailure::Panicked { index, message } => {
                    assert_eq!((*index, message), (place, &format!("{place} of all")));
                }
                other => panic!("{other:?}"),
            }
            assert_prefix(&error.committed, place);
        }
    }
}

#[test]
fn an_abort_leaves_exactly_the_transactions_before_it() {
    for executor in every_way() {
        for place in PLACES {
            let result = block(&executor, 100, move |ctx, number| {
                let status = ordinary(ctx, number)?;
                Ok(if number >= place {
                    ExecutionStatus::Abort(number)
                } else {
                    status
                })
            });
            let error = result.unwrap_err();
            let is_first = matches!(*error.failure, BlockFailure::Aborted { index, output } if index == place && output == place);
            assert!(is_first, "{error:?}");
            assert_prefix(&error.committed, place);
        }
    }
}

#[test]
fn a_block_that_ends_early_keeps_the_transaction_that_says_so() {
    for executor in every_way() {
        for place in PLACES {
            let output = block(&executor, 100, move |ctx, number| {
                let status = ordinary(ctx, number)?;
                Ok(if number >= place {
                    ExecutionStatus::SkipRest(number)
                } else {
                    status
                })
            });
            let mut output = output.unwrap();
            assert_eq!(output.end, BlockEnd::SkipRest(place));
            assert_eq!(output.outcomes.len(), 100);
            let rest = output
                .outcomes
                .split_off(usize::try_from(place).unwrap() + 1);
            assert!(
                rest.iter()
                    .all(|outcome| *outcome == TxnOutcome::NotExecuted)
            );
            assert_prefix(&output, place + 1);
        }
    }
}

#[test]
fn a_skipped_transaction_leaves_nothing_and_the_block_goes_on() {
    for executor in every_way() {
        let output = block(&executor, 100, |ctx, number| {
            let status = ordinary(ctx, number)?;
            Ok(if number % 3 == 1 {
                ExecutionStatus::Skip(number)
            } else {
                status
            })
        });
        let output = output.unwrap();
        let sum: u32 = (0..100).filter(|number| number % 3 != 1).sum();
        let found = output.changes.get(b"sum").unwrap().unwrap();
        assert_eq!(decode_cell(Some(found)).unwrap(), i128::from(sum));
        assert_eq!(output.changes.len(), 68);
        for (number, outcome) in (0..).zip(&output.outcomes) {
            let is_skipped = number % 3 == 1;
            let expected = if is_skipped {
                TxnOutcome::Skipped(number)
            } else {
                TxnOutcome::Success(number)
            };
            assert_eq!(*outcome, expected);
            let writes = output.access.get(number).unwrap().writes().count();
            assert_eq!(writes, if is_skipped { 0 } else { 2 });
        }
    }
}

#[test]
fn nothing_fits_into_a_block_of_limit_0_but_what_charges_nothing() {
    for executor in every_way_with(|config| config.block_limit = Some(0)) {
        let output = block(&executor, 10, |ctx, number| {
            ctx.charge(u64::from(number / 4))?;
            ordinary(ctx, number)
        });
        let mut output = output.unwrap();
        assert_eq!((output.end, output.charged), (BlockEnd::Limit(4), 0));
        output.outcomes.truncate(4);
        assert_prefix(&output, 4);
    }
}

#[test]
fn charges_of_any_size_add_up_without_overflow() {
    for executor in every_way_with(|config| config.block_limit = Some(u64::MAX - 1)) {
        let output = block(&executor, 4, |ctx, number| {
            ctx.charge(if number == 2 { u64::MAX } else { 1 })?;
            ctx.charge(u64::from(number))?;
            ordinary(ctx, number)
        });
        let output = output.unwrap();
        assert_eq!((output.end, output.charged), (BlockEnd::Limit(2), 3));
    }
}

/// The message of a panic, whatever it is made of.
#[test]
fn a_panic_is_reported_by_its_text() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic::resume_unwind(Box::new("the payload panics as it is dropped"));
            }
        }
    }
    let payloads: [fn() -> Box<dyn std::any::Any + Send>; 4] = [
        || Box::new("a text"),
        || Box::new("a text".to_owned()),
        || Box::new(7_u32),
        || Box::new(Bomb),
    ];
    for executor in every_way() {
        for (number, payload) in payloads.into_iter().enumerate() {
            let result: Outcome<u32> = block(&executor, 3, move |ctx, number| {
                if number == 1 {
                    panic::resume_unwind(payload());
                }
                ordinary(ctx, number)
            });
            let error = result.unwrap_err();
            match &*error.failure {
                BlockFailure::Panicked { index: 1, message } => {
                    assert_eq!(message == "a text", number < 2, "{message}");
                    assert!(!message.is_empty());
                }
                other => panic!("{other:?}"),
            }
            assert_prefix(&error.committed, 1);
        }
        // It works on.
        assert_prefix(&block(&executor, 50, ordinary).unwrap(), 50);
    }
}

/// The state below cannot be read at one key: what came before is reported exactly, however the key is
/// read, and whatever the transaction makes of the error.
#[test]
fn a_state_that_cannot_be_read_leaves_exactly_the_transactions_before() {
    for (number, executor) in every_way().iter().enumerate() {
        for way in 0..8 {
            let bad = Arc::new(FailingBase::new(&Rows::new(), b"bad"));
            let numbers: Vec<u32> = (0..60).collect();
            let result = executor.execute(bad, numbers, move |ctx, number| {
                if *number >= 41 {
                    match way {
                        0 => drop(ctx.get("bad")?),
                        1 => drop(ctx.get("bad")),
                        2 => {
                            panic::resume_unwind(Box::new(ctx.get("bad").unwrap_err().to_string()))
                        }
                        3 => drop(ctx.multi_get(&["good", "bad", "else"])),
                        4 => drop(ctx.contains("bad")),
                        5 => ctx.scan("b").for_each(drop),
                        6 => ctx.range(..).rev().for_each(drop),
                        _ => drop(ctx.try_add("bad", 1, 0..=9)),
                    }
                }
                ordinary(ctx, *number).or(Ok(ExecutionStatus::Success(*number)))
            });
            let error = result.unwrap_err();
            match &*error.failure {
                BlockFailure::Failed { index: 41, error } => {
                    assert!(is_from_base(error.kind()), "way {way}: {error:?}");
                }
                other => panic!("way {way}, executor {number}: {other:?}"),
            }
            assert_prefix(&error.committed, 41);
        }
    }
}

/// Nobody asks for what cannot be read: not a scan that ends before it, nor a blind write.
#[test]
fn a_state_that_cannot_be_read_does_no_harm_where_nobody_reads() {
    for executor in every_way() {
        let rows = Rows::from([(b"a".to_vec(), b"1".to_vec())]);
        let bad = Arc::new(FailingBase::new(&rows, b"zzz"));
        let hints = vec!["zzz".into(), "sum".into()];
        let numbers: Vec<u32> = (0..60).collect();
        let result = executor.execute_with(bad, numbers, hints, |ctx, number| {
            assert!(ctx.range(..).next().is_some_and(|row| row.is_ok()));
            ctx.set("zzz", "written")?;
            ctx.delete("zzz")?;
            ordinary(ctx, *number)
        });
        assert_eq!(result.unwrap().changes.get(b"zzz"), Some(None));
    }
}

/// Code that throws away errors of reading, and code that panics at them: one by one there are none.
#[test]
fn what_code_makes_of_errors_of_reading_does_not_matter() {
    let executors = [parallel(2, 100), parallel(4, 9)].map(executor);
    let shapes = SHAPES
        .iter()
        .filter(|(shape, _)| !["mixed with ends", "dense"].contains(shape));
    for (shape, make) in shapes {
        for seed in seeds(2) {
            let _seed = Seed(seed, shape);
            let mut case = make(&mut random(seed, shape), 80);
            for program in &mut case.block {
                // Without its errors it would wait for what it can no longer read.
                program.retain(|op| !matches!(op, Op::Await(..)));
            }
            let expected = answer(&case.base, &case.block, Limits::default());
            for executor in &executors {
                for manner in [Manner::Careless, Manner::Unwrapping] {
                    let ran = execute_with(executor, &case, manner);
                    assert_eq!(ran.answer.end, expected.end, "{manner:?}");
                    assert_eq!(ran.answer.outcomes, expected.outcomes, "{manner:?}");
                    assert_eq!(ran.answer.changes, expected.changes, "{manner:?}");
                }
            }
        }
    }
}

/// Errors that refuse one call leave the rest of the transaction as it is.
#[test]
fn a_call_that_is_refused_changes_nothing() {
    for executor in every_way() {
        let stale: Arc<Mutex<Vec<BlockSavepoint>>> = Arc::default();
        let output = block(&executor, 40, move |ctx, number| {
            ctx.set("text", "no cell")?;
            let long = vec![b'k'; limits::KEY_MAX_BYTES + 1];
            let large = vec![0; limits::VALUE_MAX_BYTES + 1];
            let kind = |result: Result<()>| result.unwrap_err().kind().clone();
            assert_eq!(kind(ctx.set(&long, "1")), ErrorKind::TooLarge);
            assert_eq!(kind(ctx.delete(&long)), ErrorKind::TooLarge);
            assert_eq!(kind(ctx.add(&long, 1)), ErrorKind::TooLarge);
            if number < 3 {
                assert_eq!(kind(ctx.set("large", &large)), ErrorKind::TooLarge);
            }
            assert_eq!(kind(ctx.add("text", 1)), ErrorKind::Invalid);
            assert_eq!(
                kind(ctx.try_add("text", 1, 0..=1).map(drop)),
                ErrorKind::Invalid
            );
            ctx.set("full", encode_cell(i128::MAX))?;
            assert_eq!(kind(ctx.add("full", 1)), ErrorKind::Invalid);
            assert!(!ctx.try_add("full", 1, i128::MIN..=i128::MAX)?);
            let nothing = RangeInclusive::new(1, 0);
            assert!(!ctx.try_add("new", 0, nothing)?);
            assert!(!ctx.contains("new")? && !ctx.contains("large")?);
            let savepoint = ctx.savepoint();
            let later = ctx.savepoint();
            ctx.set("later", "1")?;
            ctx.rollback_to(&savepoint)?;
            assert_eq!(kind(ctx.rollback_to(&later)), ErrorKind::NotFound);
            ctx.rollback_to(&savepoint)?;
            let mut stale = stale.lock().unwrap();
            let others = stale.iter().filter(|_| number % 2 == 1);
            // One of another transaction; those of other runs of this one are not tried.
            for other in others {
                let _ = ctx.rollback_to(other);
            }
            if number == 0 {
                stale.push(savepoint);
            }
            drop(stale);
            ordinary(ctx, number)
        });
        let output = output.unwrap();
        assert_eq!(output.outcomes.len(), 40);
        assert_eq!(output.changes.get(b"text"), Some(Some(&"no cell".into())));
        assert_eq!(output.changes.len(), 43);
    }
}

/// What a transaction leaves lying about reads nothing any more, and harms nobody; not while others run
/// either.
#[test]
fn an_iterator_gives_nothing_once_its_run_has_ended() {
    for executor in every_way() {
        // To read on behind another's back is to depend on what is not in the context.
        let meddles = executor.config().mode != Mode::Verify;
        let kept: Arc<Mutex<Vec<BlockIter>>> = Arc::default();
        let leaked = Arc::clone(&kept);
        let output = block(&executor, 60, move |ctx, number| {
            let mut rows = ctx.range(..);
            if number > 5 {
                assert!(rows.next().is_some());
            }
            let mut leaked = leaked.lock().unwrap();
            if meddles && number % 2 == 0 {
                leaked.iter_mut().for_each(|rows| drop(rows.next_back()));
            }
            leaked.push(rows);
            drop(leaked);
            ordinary(ctx, number)
        });
        assert_prefix(&output.unwrap(), 60);
        for mut rows in kept.lock().unwrap().drain(..) {
            match rows.next() {
                None => {}
                Some(Err(error)) => assert!(!error.to_string().is_empty()),
                Some(Ok(row)) => panic!("it gives {row:?}"),
            }
            assert!(rows.next().is_none() && rows.next_back().is_none());
        }
    }
}

#[test]
fn a_block_that_depends_on_more_than_it_reads_is_found_out() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let mut config = parallel(2, 100);
    config.mode = Mode::Verify;
    let executor = executor(config);
    for way in 0..2 {
        let calls = Arc::new(AtomicU32::new(0));
        let result = block(&executor, 50, move |ctx, number| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            match way {
                0 => Ok(ExecutionStatus::Success(call)),
                _ => {
                    ctx.set(format!("{number}"), format!("{call}"))?;
                    Ok(ExecutionStatus::Success(0))
                }
            }
        });
        let error = result.unwrap_err();
        assert!(
            matches!(*error.failure, BlockFailure::Diverged { .. }),
            "{error:?}"
        );
        let error = error.into_error();
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt { .. }),
            "{error:?}"
        );
    }
    // What it says of a block that keeps the rules.
    assert_prefix(&block(&executor, 50, ordinary).unwrap(), 50);
}
