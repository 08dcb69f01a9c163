//! The whole engine on the memory backend under the scheduler shuttle: random schedules of a few
//! threads, and schedules that are good at finding rare bugs (Burckhardt and others, "A Randomized
//! Scheduler with Probabilistic Guarantees of Finding Bugs", 2010). A failure prints its schedule.
//! `SCHEDULES` says how many of each kind.

use shuttle::thread;

use crate::{
    Batch, CommitOptions, Durability, Engine, ErrorKind, Isolation, KeyRange, PinOptions, ReadView,
    Result, Timestamp, TimestampSource, Transaction, TransactionOptions,
    backend::fault::{Fault, FaultBackend},
    storage::store::{Store, StoreOptions},
    sync::Arc,
};

const ACCOUNTS: u8 = 3;
const BALANCE: u8 = 10;
const TOTAL: u64 = ACCOUNTS as u64 * BALANCE as u64;

fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(300, |text| text.parse().unwrap());
    shuttle::check_random(run, schedules);
    shuttle::check_pct(run, schedules, 3);
}

/// Runs closures beside each other, to their ends.
fn beside(threads: Vec<Box<dyn FnOnce() + Send>>) {
    let threads: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

fn bank() -> Engine {
    let engine = Engine::in_memory();
    let mut batch = Batch::new();
    for account in 0..ACCOUNTS {
        batch.set([account], [BALANCE]);
    }
    engine.commit(batch, CommitOptions::default()).unwrap();
    engine
}

fn transfer(tx: &mut Transaction, from: u8, to: u8) -> Result<()> {
    let balance = |tx: &Transaction, account| Ok(tx.get([account])?.map_or(0, |value| value[0]));
    let (taken, given) = (balance(tx, from)?, balance(tx, to)?);
    if taken > 0 {
        tx.set([from], [taken - 1])?;
        tx.set([to], [given + 1])?;
    }
    Ok(())
}

fn total(state: &impl ReadView) -> u64 {
    state
        .range(..)
        .map(|row| u64::from(row.unwrap().1[0]))
        .sum()
}

/// Every state that was ever committed and can still be read has all the money.
fn check_history(engine: &Engine) {
    for at in engine.floor().get().max(1)..=engine.visible().get() {
        assert_eq!(
            total(&engine.at(Timestamp::new(at)).unwrap()),
            TOTAL,
            "at {at}"
        );
    }
    let stats = engine.stats();
    assert_eq!((stats.open_transactions, stats.open_snapshots), (0, 0));
    assert_eq!((stats.conflict_keys, stats.oldest_snapshot), (0, None));
    assert!(stats.groups <= stats.commits);
}

#[test]
fn shuttle_money_is_neither_made_nor_lost() {
    check(|| {
        let engine = bank();
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for number in 0..3u8 {
            let engine = engine.clone();
            let isolation = if number == 0 {
                Isolation::Snapshot
            } else {
                Isolation::Serializable
            };
            threads.push(Box::new(move || {
                for step in 0..2 {
                    let (from, to) = ((number + step) % ACCOUNTS, (number + 1) % ACCOUNTS);
                    if from != to {
                        engine
                            .transact(isolation, |tx| transfer(tx, from, to))
                            .unwrap();
                    }
                }
            }));
        }
        let reader = engine.clone();
        threads.push(Box::new(move || {
            assert_eq!(total(&reader), TOTAL, "a torn read");
            let snapshot = reader.snapshot().unwrap();
            let before = total(&snapshot);
            assert_eq!(
                (before, total(&snapshot)),
                (TOTAL, TOTAL),
                "a snapshot moved"
            );
        }));
        beside(threads);
        check_history(&engine);
    });
}

#[test]
fn shuttle_a_prune_takes_nothing_that_is_held() {
    check(|| {
        let engine = bank();
        let (writer, reader, pruner) = (engine.clone(), engine.clone(), engine.clone());
        beside(vec![
            Box::new(move || {
                for _ in 0..3 {
                    writer
                        .transact(Isolation::Serializable, |tx| transfer(tx, 0, 1))
                        .unwrap();
                }
            }),
            Box::new(move || {
                let snapshot = reader.snapshot().unwrap();
                let pin = reader.pin("pin", snapshot.timestamp(), PinOptions::default());
                assert_eq!(total(&snapshot), TOTAL);
                let at = snapshot.timestamp();
                drop(snapshot);
                if pin.is_ok() {
                    assert_eq!(total(&reader.at(at).unwrap()), TOTAL);
                    reader.unpin("pin").unwrap();
                }
                match reader.at(Timestamp::new(1)) {
                    Ok(past) => assert_eq!(total(&past), TOTAL),
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::Pruned { .. })),
                }
            }),
            Box::new(move || {
                for _ in 0..2 {
                    pruner.prune_before(pruner.visible()).unwrap();
                }
            }),
        ]);
        check_history(&engine);
    });
}

#[test]
fn shuttle_write_skew_is_possible_at_snapshot_and_not_at_serializable() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static SKEWED: AtomicBool = AtomicBool::new(false);

    fn run(isolation: Isolation) -> usize {
        let engine = Engine::in_memory();
        engine.set(b"a", b"").unwrap();
        engine.set(b"b", b"").unwrap();
        let threads = [&b"a"[..], b"b"].map(|key| {
            let engine = engine.clone();
            let run: Box<dyn FnOnce() + Send> = Box::new(move || {
                engine
                    .transact(isolation, |tx| {
                        if tx.range(..).count() > 1 {
                            tx.delete(key)?;
                        }
                        Ok(())
                    })
                    .unwrap();
            });
            run
        });
        beside(threads.into());
        engine.range(..).count()
    }
    check(|| assert_eq!(run(Isolation::Serializable), 1, "a phantom"));
    check(|| {
        if run(Isolation::Snapshot) == 0 {
            SKEWED.store(true, Ordering::SeqCst);
        }
    });
    assert!(SKEWED.load(Ordering::SeqCst), "the schedules are too tame");
}

#[test]
fn shuttle_direct_commits_and_turns_go_together() {
    check(|| {
        let engine = Engine::in_memory();
        let mut threads: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for attempts in [0, 1, 8] {
            let engine = engine.clone();
            threads.push(Box::new(move || {
                let options = TransactionOptions::default().attempts(attempts);
                engine
                    .transact_with(options, CommitOptions::default(), |tx| {
                        let number = tx.get(b"n")?.map_or(0, |value| value[0]);
                        tx.set(b"n", [number + 1])
                    })
                    .unwrap();
            }));
        }
        let direct = engine.clone();
        threads.push(Box::new(move || {
            direct.set(b"m", b"1").unwrap();
            direct
                .compare_and_set(b"m", Some(b"1"), Some(b"2"))
                .unwrap();
            direct.delete_range(b"m".to_vec()..b"n".to_vec()).unwrap();
        }));
        beside(threads);
        assert_eq!(
            engine.get(b"n").unwrap().as_deref(),
            Some(&[3][..]),
            "an update was lost"
        );
        assert!(!engine.contains(b"m").unwrap());
        assert_eq!((engine.visible().get(), engine.stats().commits), (6, 6));
    });
}

#[test]
fn shuttle_behind_a_failed_write_nothing_is_acknowledged() {
    check(|| {
        let fault = Fault::new(true);
        let options = StoreOptions {
            durability: Durability::Buffered,
            timestamps: TimestampSource::Engine,
            max_snapshot_age: None,
            conflict_log_size: 1 << 20,
            recent_versions_size: 1 << 20,
        };
        let store = Store::new(Box::new(FaultBackend::new(&fault)), options);
        fault.arm(2);
        let threads = [0u8, 1, 2, 3].map(|key| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let mut batch = Batch::new();
                batch.set([key], [key]);
                store.commit(batch, CommitOptions::default()).is_ok()
            })
        });
        let acknowledged = threads.map(|thread| thread.join().unwrap());
        // Those of the first group, which may have been all, and no others.
        let rows = store
            .range_latest(KeyRange::all())
            .map(|row| row.unwrap().0[0]);
        let rows: Vec<_> = rows.map(usize::from).collect();
        let expected: Vec<_> = (0..4).filter(|key| acknowledged[*key]).collect();
        assert_eq!(rows, expected);
        assert_eq!(store.clock.visible().get(), expected.len() as u64);
        let mut batch = Batch::new();
        batch.set(b"later", b"");
        let later = store.commit(batch, CommitOptions::default());
        assert!(later.is_err(), "the second write failed");
    });
}

/// What transactions are for: without one, the schedules find the lost update.
#[test]
#[should_panic(expected = "an update was lost")]
fn shuttle_control_reading_and_writing_without_a_transaction_loses_updates() {
    check(|| {
        let engine = Engine::in_memory();
        let threads = [(); 2].map(|()| {
            let engine = engine.clone();
            let run: Box<dyn FnOnce() + Send> = Box::new(move || {
                let number = engine.get(b"n").unwrap().map_or(0, |value| value[0]);
                engine.set(b"n", [number + 1]).unwrap();
            });
            run
        });
        beside(threads.into());
        assert_eq!(
            engine.get(b"n").unwrap().as_deref(),
            Some(&[2][..]),
            "an update was lost"
        );
    });
}
