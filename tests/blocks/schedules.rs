//! Schedules that are made to happen: a transaction waits, inside its code, for a run of another. So a
//! run sees a state that it must not count for, each time and on every machine.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use sapwood::{
    BlockContext, BlockEnd, BlockError, BlockExecutorConfig, BlockFailure, BlockOutput,
    ExecutionStatus, ReadView, Result, TxnOutcome, decode_cell, encode_cell,
};

use crate::{
    failing_base::FailingBase,
    on_executor::{base, executor, parallel, refusal},
    oracle::Rows,
};

type Status = ExecutionStatus<u32>;
/// A transaction: its code, which also gets the gate.
type Code = Arc<dyn Fn(&mut BlockContext<'_>, &Gate) -> Result<Status> + Send + Sync>;

/// How often others are let run before a test gives up: by then it has hung.
const TURNS: u32 = 5_000_000;

/// Counts the runs of each transaction that have ended.
#[derive(Default)]
struct Gate {
    ended: [AtomicU32; 8],
    given_up: AtomicU32,
}

impl Gate {
    /// Waits until a run of a transaction has ended.
    fn ended(&self, index: usize) {
        for _ in 0..TURNS {
            if self.ended[index].load(Ordering::SeqCst) > 0 {
                return;
            }
            std::thread::yield_now();
        }
        self.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts the run as ended, also where it panics.
struct Ending<'a>(&'a AtomicU32);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn code<F>(code: F) -> Code
where
    F: Fn(&mut BlockContext<'_>, &Gate) -> Result<Status> + Send + Sync + 'static,
{
    Arc::new(code)
}

/// Options under which as many run at once as there are transactions.
fn options(codes: &[Code]) -> BlockExecutorConfig {
    parallel(codes.len(), 100)
}

fn run(codes: Vec<Code>) -> Result<BlockOutput<u32>, BlockError<u32>> {
    let config = options(&codes);
    run_with(config, &Rows::new(), codes)
}

fn run_with(
    config: BlockExecutorConfig,
    rows: &Rows,
    codes: Vec<Code>,
) -> Result<BlockOutput<u32>, BlockError<u32>> {
    run_on(config, base(rows), codes)
}

fn run_on(
    config: BlockExecutorConfig,
    base: Arc<dyn sapwood::BlockBase>,
    codes: Vec<Code>,
) -> Result<BlockOutput<u32>, BlockError<u32>> {
    let gate = Arc::new(Gate::default());
    let shared = Arc::clone(&gate);
    let result = executor(config).execute(base, codes, move |ctx, code| {
        let index = usize::try_from(ctx.index()).unwrap();
        let _ending = Ending(&shared.ended[index]);
        code(ctx, &shared)
    });
    let given_up = gate.given_up.load(Ordering::SeqCst);
    assert_eq!(given_up, 0, "transactions did not run beside each other");
    result
}

/// The status of a transaction that has nothing to say.
const DONE: Status = Status::Success(0);

/// Writes the key once a run of the next transaction has ended.
fn late_writer() -> Code {
    code(|ctx, gate| {
        gate.ended(1);
        ctx.set("key", "1")?;
        Ok(DONE)
    })
}

/// A block of a late writer, a transaction that does something where the key is missing, and one more.
fn where_missing<F>(
    config: BlockExecutorConfig,
    base: Arc<dyn sapwood::BlockBase>,
    odd: F,
) -> BlockOutput<u32>
where
    F: Fn(&mut BlockContext<'_>) -> Result<Status> + Send + Sync + 'static,
{
    let seen = Arc::new(AtomicU32::new(0));
    let in_vain = Arc::clone(&seen);
    let odd_one = code(move |ctx, _| {
        if ctx.contains("key")? {
            ctx.set("found", "1")?;
            return Ok(Status::Success(1));
        }
        in_vain.fetch_add(1, Ordering::SeqCst);
        odd(ctx)
    });
    let last = code(|ctx, _| {
        ctx.set("last", "1")?;
        Ok(Status::Success(2))
    });
    let output = run_on(config, base, vec![late_writer(), odd_one, last]);
    let output = output.expect("a run that is not valid does not count");
    assert_eq!(output.end, BlockEnd::Complete);
    let outcomes = [0, 1, 2].map(TxnOutcome::Success);
    assert_eq!(output.outcomes, outcomes);
    assert_eq!(output.changes.len(), 3);
    assert!(
        seen.load(Ordering::SeqCst) > 0,
        "no run saw the state before"
    );
    assert!(output.stats.aborts >= 1, "{:?}", output.stats);
    output
}

fn empty() -> Arc<dyn sapwood::BlockBase> {
    base(&Rows::new())
}

#[test]
fn a_panic_of_a_run_that_is_not_valid_does_not_count() {
    where_missing(parallel(2, 9), empty(), |_| panic!("this never was"));
}

#[test]
fn an_error_of_a_run_that_is_not_valid_does_not_count() {
    where_missing(parallel(2, 9), empty(), |_| Err(refusal()));
}

#[test]
fn an_abort_of_a_run_that_is_not_valid_does_not_count() {
    where_missing(parallel(2, 9), empty(), |_| Ok(Status::Abort(9)));
}

#[test]
fn a_skip_of_a_run_that_is_not_valid_does_not_count() {
    where_missing(parallel(2, 9), empty(), |ctx| {
        ctx.set("dropped", "1")?;
        Ok(Status::Skip(9))
    });
}

#[test]
fn the_end_of_the_block_by_a_run_that_is_not_valid_does_not_count() {
    where_missing(parallel(2, 9), empty(), |_| Ok(Status::SkipRest(9)));
}

#[test]
fn what_a_run_that_is_not_valid_wrote_is_gone() {
    let output = where_missing(parallel(2, 9), empty(), |ctx| {
        for number in 0..50 {
            ctx.set(format!("odd/{number}"), "1")?;
            ctx.add(format!("cell/{number}"), 1)?;
        }
        Ok(Status::Success(9))
    });
    assert_eq!(output.access.len(), 3);
    let writes = output.access.get(1).unwrap().writes().count();
    assert_eq!(writes, 1);
}

#[test]
fn what_a_run_that_is_not_valid_charged_does_not_count() {
    let mut config = parallel(2, 9);
    config.block_limit = Some(10);
    let output = where_missing(config, empty(), |ctx| {
        ctx.charge(11)?;
        Ok(Status::Success(9))
    });
    assert_eq!(output.charged, 0);
}

#[test]
fn the_operations_of_a_run_that_is_not_valid_do_not_count() {
    let mut config = parallel(2, 9);
    config.operations_limit = 1_000;
    where_missing(config, empty(), |ctx| {
        while ctx.get("key")?.is_none() {}
        panic!("the key came in the middle of a run");
    });
}

/// The state below cannot be read at a key that only a run in vain asks for.
#[test]
fn what_only_a_run_that_is_not_valid_cannot_read_does_not_count() {
    for way in 0..3 {
        let base = FailingBase::new(&Rows::new(), b"bad");
        let failed = Arc::clone(&base.failures);
        where_missing(parallel(2, 9), Arc::new(base), move |ctx| {
            match way {
                0 => drop(ctx.get("bad")?),
                1 => drop(ctx.multi_get(&["other", "bad"])?),
                _ => drop(ctx.scan("b").collect::<Result<Vec<_>>>()?),
            }
            Ok(Status::Success(9))
        });
        assert!(failed.load(Ordering::SeqCst) > 0, "it was not read");
    }
}

/// What a run in vain could not read in the state below is what a lower transaction then writes.
#[test]
fn what_is_written_below_need_not_be_read_from_the_base() {
    for way in 0..4 {
        let writer = code(|ctx, gate| {
            gate.ended(1);
            ctx.set("bad", encode_cell(1))?;
            Ok(DONE)
        });
        let reader = code(move |ctx, _| {
            let found = match way {
                0 => ctx.get("bad")?.is_some(),
                1 => ctx.multi_get(&["other", "bad"])?[1].is_some(),
                2 => ctx.try_add("bad", 1, 2..=2)?,
                _ => {
                    ctx.add("bad", 1)?;
                    ctx.contains("bad")?
                }
            };
            Ok(Status::Success(u32::from(found)))
        });
        let codes = vec![writer, reader];
        let base = Arc::new(FailingBase::new(&Rows::new(), b"bad"));
        let output = run_on(options(&codes), base, codes).unwrap();
        assert_eq!(output.outcomes[1], TxnOutcome::Success(1), "way {way}");
    }
}

/// A transaction that ends before the one that it waits for is decided.
fn hasty(status: Status) -> Code {
    code(move |_, _| Ok(status.clone()))
}

/// One that ends so when the one behind it has ended.
fn patient(index: usize, status: Status) -> Code {
    code(move |_, gate| {
        gate.ended(index + 1);
        Ok(status.clone())
    })
}

#[test]
fn the_first_abort_in_order_wins() {
    let codes = vec![
        patient(0, Status::Success(0)),
        patient(1, Status::Abort(1)),
        patient(2, Status::Abort(2)),
        hasty(Status::Abort(3)),
    ];
    let error = run(codes).unwrap_err();
    assert!(
        matches!(
            *error.failure,
            BlockFailure::Aborted {
                index: 1,
                output: 1
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.committed.outcomes, [TxnOutcome::Success(0)]);
}

#[test]
fn an_abort_wins_over_a_later_panic_that_came_first() {
    let codes = vec![
        patient(0, Status::Abort(0)),
        code(|_, _| panic!("later, and first")),
    ];
    let error = run(codes).unwrap_err();
    assert_eq!(error.index(), Some(0));
    assert!(
        matches!(*error.failure, BlockFailure::Aborted { .. }),
        "{error:?}"
    );
}

#[test]
fn a_panic_wins_over_a_later_abort_that_came_first() {
    let codes = vec![
        code(|_, gate| {
            gate.ended(1);
            panic!("first in order")
        }),
        hasty(Status::Abort(1)),
    ];
    let error = run(codes).unwrap_err();
    match &*error.failure {
        BlockFailure::Panicked { index, message } => {
            assert_eq!((*index, message.as_str()), (0, "first in order"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_behind_the_end_of_a_block_counts() {
    let codes = vec![
        patient(0, Status::Success(0)),
        code(|ctx, gate| {
            ctx.set("kept", "1")?;
            gate.ended(2);
            gate.ended(3);
            gate.ended(4);
            Ok(Status::SkipRest(1))
        }),
        code(|ctx, _| {
            ctx.set("behind", "1")?;
            Ok(Status::Success(2))
        }),
        code(|_, _| panic!("behind the end")),
        hasty(Status::Abort(4)),
    ];
    let output = run(codes).unwrap();
    assert_eq!(output.end, BlockEnd::SkipRest(1));
    let mut outcomes = vec![TxnOutcome::Success(0), TxnOutcome::Success(1)];
    outcomes.resize(5, TxnOutcome::NotExecuted);
    assert_eq!(output.outcomes, outcomes);
    assert_eq!(
        output
            .changes
            .iter()
            .map(|(key, _)| &key[..])
            .collect::<Vec<_>>(),
        [b"kept"]
    );
    assert_eq!(output.access.len(), 2);
}

#[test]
fn the_limit_of_a_block_cuts_in_order_whatever_ends_first() {
    let charging = |index: usize, units, last: bool| {
        code(move |ctx, gate| {
            ctx.charge(units)?;
            ctx.set(format!("{index}"), "1")?;
            if !last {
                gate.ended(index + 1);
            }
            Ok(Status::Success(u32::try_from(index).unwrap()))
        })
    };
    // The cheap one behind the cut would still fit, and is done first.
    let codes = vec![
        charging(0, 6, false),
        charging(1, 4, false),
        charging(2, 5, false),
        charging(3, 0, true),
    ];
    let mut config = options(&codes);
    config.block_limit = Some(10);
    let output = run_with(config, &Rows::new(), codes).unwrap();
    assert_eq!((output.end, output.charged), (BlockEnd::Limit(2), 10));
    let expected = [
        TxnOutcome::Success(0),
        TxnOutcome::Success(1),
        TxnOutcome::NotExecuted,
        TxnOutcome::NotExecuted,
    ];
    assert_eq!(output.outcomes, expected);
    assert_eq!(output.changes.len(), 2);
}

/// Every way to look at a range, and where a row comes into it late.
#[test]
fn a_row_that_comes_late_is_seen_by_every_scan_that_passed_it() {
    let rows = Rows::from([
        (b"row/3".to_vec(), b"3".to_vec()),
        (b"row/6".to_vec(), b"6".to_vec()),
    ]);
    // Which rows are taken, from which end, where the new row comes, and whether it was passed.
    let cases = [
        (9, true, "row/1", true),
        (9, true, "row/4", true),
        (9, true, "row/9", true),
        (1, true, "row/1", true),
        (1, true, "row/3", true),
        (1, true, "row/4", false),
        (2, true, "row/7", false),
        (2, true, "row/5", true),
        (9, false, "row/1", true),
        (9, false, "row/9", true),
        (1, false, "row/7", true),
        (1, false, "row/6", true),
        (1, false, "row/5", false),
        (0, true, "row/3", false),
        (9, true, "sow", false),
        (9, false, "row", false),
    ];
    for (limit, forward, late, is_passed) in cases {
        for deletes in [false, true] {
            let writer = code(move |ctx, gate| {
                gate.ended(1);
                if deletes {
                    ctx.delete(late)?;
                } else {
                    ctx.set(late, "late")?;
                }
                Ok(DONE)
            });
            let reader = code(move |ctx, _| {
                let rows = ctx.scan("row/");
                let taken: Result<Vec<_>> = if forward {
                    rows.take(limit).collect()
                } else {
                    rows.rev().take(limit).collect()
                };
                let (mut hash, mut count) = (0_u32, 0);
                for (key, value) in taken? {
                    let bytes = key.iter().chain(value.iter());
                    hash = bytes.fold(hash, |hash, byte| hash.wrapping_mul(31) + u32::from(*byte));
                    count += 1;
                }
                ctx.set("count", format!("{count}"))?;
                Ok(Status::Success(hash))
            });
            let codes = vec![writer, reader];
            let mut one_by_one = options(&codes);
            one_by_one.mode = sapwood::Mode::Serial;
            // Then the writer need not wait.
            let alone = {
                let writer = code(move |ctx, _| {
                    if deletes {
                        ctx.delete(late)?;
                    } else {
                        ctx.set(late, "late")?;
                    }
                    Ok(DONE)
                });
                run_with(one_by_one, &rows, vec![writer, Arc::clone(&codes[1])]).unwrap()
            };
            let output = run_with(options(&codes), &rows, codes).unwrap();
            let case = (limit, forward, late, deletes);
            assert_eq!(output.outcomes, alone.outcomes, "{case:?}");
            assert_eq!(output.changes, alone.changes, "{case:?}");
            assert_eq!(output.access, alone.access, "{case:?}");
            if !is_passed {
                assert_eq!(output.stats.aborts, 0, "{case:?}: it was not passed");
            } else if !deletes {
                assert!(output.stats.aborts > 0, "{case:?}: it was passed");
            }
        }
    }
}

/// A row that a run has met is written anew by a second run of the transaction that wrote it.
#[test]
fn a_row_that_is_written_anew_is_read_anew() {
    for way in 0..5 {
        let first = code(|ctx, gate| {
            gate.ended(1);
            gate.ended(2);
            ctx.set("switch", "1")?;
            Ok(DONE)
        });
        let second = code(|ctx, _| {
            let number = if ctx.contains("switch")? { 2 } else { 1 };
            ctx.set("row/cell", encode_cell(number))?;
            Ok(DONE)
        });
        let third = code(move |ctx, gate| {
            gate.ended(1);
            let value = match way {
                0 => ctx.scan("row/").next().transpose()?.map(|row| row.1),
                1 => ctx.scan("row/").next_back().transpose()?.map(|row| row.1),
                2 => ctx.get("row/cell")?,
                3 => ctx.multi_get(&["row/cell", "switch"])?.remove(0),
                _ => {
                    ctx.add("row/cell", 0)?;
                    ctx.scan("row/").next().transpose()?.map(|row| row.1)
                }
            };
            let number = decode_cell(value.as_deref())?;
            Ok(Status::Success(u32::try_from(number).unwrap()))
        });
        let output = run(vec![first, second, third]).unwrap();
        assert_eq!(output.outcomes[2], TxnOutcome::Success(2), "way {way}");
    }
}

/// A second run that writes less, or elsewhere, is as dangerous as one that writes more.
#[test]
fn what_a_second_run_no_longer_writes_is_read_by_nobody() {
    for way in 0..3 {
        let first = code(|ctx, gate| {
            gate.ended(1);
            gate.ended(2);
            ctx.set("switch", "1")?;
            Ok(DONE)
        });
        let second = code(|ctx, _| {
            let key = if ctx.contains("switch")? {
                "row/new"
            } else {
                "row/old"
            };
            ctx.set(key, "2")?;
            ctx.add(format!("{key}/cell"), 2)?;
            Ok(DONE)
        });
        let third = code(move |ctx, gate| {
            gate.ended(1);
            let keys = ["row/old", "row/new", "row/old/cell", "row/new/cell"];
            let found: Vec<bool> = match way {
                0 => {
                    let rows = ctx.scan("row/").collect::<Result<Vec<_>>>()?;
                    let has = |key: &&str| rows.iter().any(|(found, _)| found == key);
                    keys.iter().map(has).collect()
                }
                1 => ctx.multi_get(&keys)?.iter().map(Option::is_some).collect(),
                _ => keys
                    .iter()
                    .map(|key| ctx.contains(key))
                    .collect::<Result<_>>()?,
            };
            let bits = found
                .iter()
                .fold(0, |bits, found| 2 * bits + u32::from(*found));
            Ok(Status::Success(bits))
        });
        let output = run(vec![first, second, third]).unwrap();
        assert_eq!(output.outcomes[2], TxnOutcome::Success(0b0101), "way {way}");
        let keys: Vec<_> = output.changes.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, ["row/new", "row/new/cell", "switch"], "way {way}");
    }
}

/// Transactions that add to one cell never make each other run again.
#[test]
fn additions_to_a_cell_do_not_wait_for_each_other() {
    let adder = |index: usize, last: usize| {
        code(move |ctx, gate| {
            if index < last {
                gate.ended(index + 1);
            }
            ctx.add("cell", 1 << index)?;
            Ok(DONE)
        })
    };
    let codes: Vec<_> = (0..6).map(|index| adder(index, 5)).collect();
    let rows = Rows::from([(b"cell".to_vec(), encode_cell(1_000).to_vec())]);
    let output = run_with(options(&codes), &rows, codes).unwrap();
    let value = output.changes.get(b"cell").unwrap().unwrap();
    assert_eq!(decode_cell(Some(value)).unwrap(), 1_063);
    assert_eq!(
        (output.stats.aborts, output.stats.executions),
        (0, 6),
        "{:?}",
        output.stats
    );
}

/// Bounded additions run again only where an answer changes; and then the right one counts.
#[test]
fn a_bounded_addition_runs_again_where_its_answer_changes() {
    for (before, late, delta, answer, runs_again) in [
        (50, 30, 10, true, false),
        (50, 45, 10, false, true),
        (50, 40, 10, true, false),
        (50, 41, 10, false, true),
        (95, -5, 10, true, true),
        (95, -4, 10, false, false),
        (95, 3, 10, false, false),
        (5, 4, -10, false, false),
        (5, 5, -10, true, true),
    ] {
        let writer = code(move |ctx, gate| {
            gate.ended(1);
            ctx.add("cell", late)?;
            Ok(DONE)
        });
        let bounded = code(move |ctx, _| {
            let done = ctx.try_add("cell", delta, 0..=100)?;
            Ok(Status::Success(u32::from(done)))
        });
        let rows = Rows::from([(b"cell".to_vec(), encode_cell(before).to_vec())]);
        let codes = vec![writer, bounded];
        let output = run_with(options(&codes), &rows, codes).unwrap();
        let case = (before, late, delta);
        assert_eq!(
            output.outcomes[1],
            TxnOutcome::Success(u32::from(answer)),
            "{case:?}"
        );
        let sum = before + late + if answer { delta } else { 0 };
        let value = output.changes.get(b"cell").unwrap().unwrap();
        assert_eq!(decode_cell(Some(value)).unwrap(), sum, "{case:?}");
        assert_eq!(
            output.stats.aborts > 0,
            runs_again,
            "{case:?}: {:?}",
            output.stats
        );
    }
}

/// A cell that stops being one, or comes to its end, below a run that has added to it.
#[test]
fn an_addition_that_turns_out_impossible_is_refused_in_order() {
    let writers: [fn(&mut BlockContext<'_>) -> Result<()>; 2] = [
        |ctx| ctx.set("cell", "no cell"),
        |ctx| ctx.set("cell", encode_cell(i128::MAX)),
    ];
    for (way, write) in writers.into_iter().enumerate() {
        let writer = code(move |ctx, gate| {
            gate.ended(1);
            write(ctx)?;
            Ok(DONE)
        });
        // Once it gives up, once it goes on without.
        for gives_up in [true, false] {
            let adder = code(move |ctx, _| {
                let added = ctx.add("cell", 1);
                if gives_up {
                    added?;
                    return Ok(Status::Success(1));
                }
                Ok(Status::Success(if added.is_ok() { 1 } else { 2 }))
            });
            let result = run(vec![Arc::clone(&writer), adder]);
            if gives_up {
                let error = result.unwrap_err();
                assert!(
                    matches!(*error.failure, BlockFailure::Failed { index: 1, .. }),
                    "{way}: {error:?}"
                );
                assert_eq!(error.committed.outcomes, [TxnOutcome::Success(0)]);
            } else {
                assert_eq!(result.unwrap().outcomes[1], TxnOutcome::Success(2), "{way}");
            }
        }
    }
}

/// However long a run goes on, a key that it has read keeps its value for it.
#[test]
fn a_key_does_not_change_within_a_run() {
    // Where the reader counts that it has read for the first time.
    const READ: usize = 7;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let writer = code(|ctx, gate| {
        gate.ended(READ);
        ctx.set("key", "1")?;
        Ok(DONE)
    });
    // Is committed right behind the writer: then what the writer wrote can be seen.
    let behind = code(|_, gate| {
        gate.ended(0);
        Ok(DONE)
    });
    let reader = code(move |ctx, gate| {
        let first = ctx.get("key")?;
        gate.ended[READ].fetch_add(1, Ordering::SeqCst);
        gate.ended(1);
        (0..200).for_each(|_| std::thread::yield_now());
        let again = ctx.get("key")?;
        let other = ctx.multi_get(&["key"])?.remove(0);
        let exists = ctx.contains("key")?;
        noted.lock().unwrap().push((first, again, other, exists));
        Ok(DONE)
    });
    let output = run(vec![writer, behind, reader]).unwrap();
    let seen = seen.lock().unwrap();
    for (first, again, other, exists) in seen.iter() {
        assert_eq!(first, again);
        assert_eq!(first, other);
        assert_eq!(first.is_some(), *exists);
    }
    assert!(!seen.is_empty() && output.outcomes.len() == 3);
}

/// While the first transaction runs nothing is committed: none begins that lies beyond the window.
#[test]
fn nothing_runs_beyond_the_window() {
    for window in [1, 2, 5, 30] {
        let furthest = Arc::new(AtomicU32::new(0));
        let begun = Arc::clone(&furthest);
        let numbers: Vec<u32> = (0..60).collect();
        let executor = executor(parallel(4, window));
        let result = executor.execute(base(&Rows::new()), numbers, move |ctx, number| {
            begun.fetch_max(*number, Ordering::SeqCst);
            let mut furthest = 0;
            if *number == 0 {
                (0..500).for_each(|_| std::thread::yield_now());
                furthest = begun.load(Ordering::SeqCst);
            }
            ctx.set(format!("{number}"), "1")?;
            Ok(ExecutionStatus::Success(
                u64::from(furthest) < u64::try_from(window).unwrap(),
            ))
        });
        let output = result.unwrap();
        assert_eq!(
            output.outcomes,
            vec![TxnOutcome::Success(true); 60],
            "window {window}"
        );
        assert_eq!(furthest.load(Ordering::SeqCst), 59);
        if window == 1 {
            assert_eq!(
                output.stats.executions, 60,
                "nothing runs ahead: {:?}",
                output.stats
            );
        }
    }
}

/// Without conflicts each transaction is run once, however many workers there are.
#[test]
fn without_conflicts_nothing_runs_twice() {
    for workers in [1, 2, 4] {
        let numbers: Vec<u32> = (0..500).collect();
        let rows = Rows::from([(b"shared".to_vec(), b"1".to_vec())]);
        let result =
            executor(parallel(workers, 1_000)).execute(base(&rows), numbers, |ctx, number| {
                assert!(ctx.get("shared")?.is_some());
                ctx.add("fees", 1)?;
                let count = ctx.scan(format!("own/{number}/")).count();
                ctx.set(format!("own/{number}/key"), "1")?;
                Ok(ExecutionStatus::Success(count))
            });
        let output = result.unwrap();
        assert_eq!(output.outcomes, vec![TxnOutcome::Success(0); 500]);
        assert_eq!(
            (output.stats.executions, output.stats.aborts),
            (500, 0),
            "{:?}",
            output.stats
        );
    }
}

/// With one worker nothing is read before it is written.
#[test]
fn one_worker_runs_nothing_in_vain() {
    let numbers: Vec<u32> = (0..300).collect();
    let result =
        executor(parallel(1, 1_000)).execute(base(&Rows::new()), numbers, |ctx, number| {
            let count = decode_cell(ctx.get("count")?.as_deref())?;
            ctx.set("count", encode_cell(count + 1))?;
            Ok(ExecutionStatus::Success(count == i128::from(*number)))
        });
    let output = result.unwrap();
    assert_eq!(output.outcomes, vec![TxnOutcome::Success(true); 300]);
    assert_eq!(
        (output.stats.executions, output.stats.aborts),
        (300, 0),
        "{:?}",
        output.stats
    );
}
