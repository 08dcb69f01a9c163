//! Rollbacks beside readers, transactions and prunes, under the scheduler shuttle. Each commit sets two keys to
//! one value: whoever sees two values has seen a rollback half-way.

use shuttle::thread;

use crate::{
    Batch, CommitOptions, Durability, Engine, Isolation, MemoryConfig, MemoryStorage, ReadView,
    Result, Timestamp, TimestampSource, Transaction,
    backend::{
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    storage::store::{Store, StoreOptions},
    sync::Arc,
};

const TARGET: Timestamp = Timestamp::new(1);

fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    let schedules = std::env::var("SCHEDULES").map_or(300, |text| text.parse().unwrap());
    shuttle::check_random(run, schedules);
    shuttle::check_pct(run, schedules, 3);
}

fn set_both(engine: &Engine, value: u8) {
    let mut batch = Batch::new();
    batch.set(b"a", [value]).set(b"b", [value]);
    engine.commit(batch, CommitOptions::default()).unwrap();
}

/// Commits 1 to 3, merged but for the last where `recent_versions_size` is small.
fn engine(recent_versions_size: usize) -> Engine {
    let mut config = MemoryConfig::default();
    config.recent_versions_size = recent_versions_size;
    let engine = Engine::new(&MemoryStorage::with_config(config));
    (1..=3).for_each(|value| set_both(&engine, value));
    engine
}

/// The one value of both keys.
fn both(view: &impl ReadView) -> Result<u8> {
    let values = view.multi_get(&[b"a", b"b"])?;
    let rows: Result<Vec<_>> = view.range(..).map(|row| Ok(row?.1[0])).collect();
    let rows = rows?;
    assert_eq!(values[0], values[1], "a torn read");
    assert!(
        rows.len() == 2 && rows[0] == rows[1],
        "a torn scan: {rows:?}"
    );
    Ok(rows[0])
}

fn is_past<T>(done: &Result<T>) -> bool {
    matches!(done, Err(error) if ["too_old", "not_yet"].contains(&error.kind().name()))
}

fn beside(engine: &Engine, others: Vec<fn(&Engine)>) {
    let threads = others.into_iter().map(|other| {
        let engine = engine.clone();
        thread::spawn(move || other(&engine))
    });
    let threads: Vec<_> = threads.collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let stats = engine.stats();
    assert_eq!((stats.open_transactions, stats.open_snapshots), (0, 0));
    assert_eq!((stats.conflict_keys, engine.epoch()), (0, 1));
}

fn roll_back(engine: &Engine) {
    assert_eq!(engine.rollback_to(TARGET).unwrap().epoch, 1);
    set_both(engine, 9);
}

#[test]
fn shuttle_nobody_sees_a_rollback_half_way() {
    for recent_versions_size in [0, 1 << 20] {
        check(move || {
            let engine = engine(recent_versions_size);
            beside(
                &engine,
                vec![
                    roll_back,
                    |engine| {
                        let found = both(engine);
                        assert!(is_past(&found) || [1, 3, 9].contains(&found.unwrap()));
                        let snapshot = engine.snapshot().unwrap();
                        let (first, again) = (both(&snapshot), both(&snapshot));
                        assert!(is_past(&again) || first.unwrap() == again.unwrap());
                    },
                    |engine| {
                        let low = engine.at(TARGET).unwrap();
                        assert_eq!((both(&low).unwrap(), both(&low).unwrap()), (1, 1));
                        // It is listed as of the newest timestamp, which may be abandoned meanwhile.
                        let listed = engine.history(b"a", ..=TARGET).unwrap();
                        let listed: Result<Vec<_>> = listed.collect();
                        assert!(is_past(&listed) || listed.unwrap().len() == 1);
                    },
                ],
            );
            assert_eq!(both(&engine).unwrap(), 9);
        });
    }
}

#[test]
fn shuttle_a_transaction_beside_a_rollback_is_of_one_past() {
    check(|| {
        let engine = engine(0);
        beside(
            &engine,
            vec![roll_back, |engine| {
                let add = |tx: &mut Transaction| {
                    let value = both(tx)?;
                    tx.set(b"a", [value + 10])?;
                    tx.set(b"b", [value + 10])
                };
                engine.transact(Isolation::Serializable, add).unwrap();
            }],
        );
        // Before the rollback and taken back, between it and the commit after it, or behind both.
        let versions = engine.history(b"a", ..).unwrap();
        let versions: Vec<_> = versions.map(|version| version.unwrap().value[0]).collect();
        let found = versions.as_slice();
        assert!(
            [&[9, 1][..], &[9, 11, 1], &[19, 9, 1]].contains(&found),
            "{found:?}"
        );
        assert_eq!(both(&engine).unwrap(), found[0]);
    });
}

#[test]
fn shuttle_a_prune_beside_a_rollback_is_before_or_after_it() {
    check(|| {
        let engine = engine(0);
        let pruner = {
            let engine = engine.clone();
            thread::spawn(move || engine.prune_before(engine.visible()))
        };
        let rolled_back = engine.rollback_to(TARGET);
        let pruned = pruner.join().unwrap();
        assert!(engine.floor() <= engine.visible());
        match rolled_back {
            Ok(_) => assert!(is_past(&pruned) || pruned.unwrap().floor == TARGET),
            Err(error) => assert_eq!(error.kind().name(), "pruned"),
        }
        let visible = engine.visible().get();
        assert_eq!(u64::from(both(&engine).unwrap()), visible);
    });
}

#[test]
fn shuttle_a_position_above_the_target_is_there_or_abandoned() {
    check(|| {
        beside(
            &engine(0),
            vec![
                |engine| assert_eq!(engine.rollback_to(TARGET).unwrap().epoch, 1),
                |engine| match engine.check_position(Timestamp::new(3), 0) {
                    Ok(()) => {}
                    Err(error) => assert_eq!(error.kind().name(), "too_old", "{error}"),
                },
            ],
        );
    });
}

/// A rollback that fails after its beginning is noted is finished by the next opening: what it needs must be
/// there still.
#[test]
fn shuttle_a_prune_beside_a_rollback_that_fails_leaves_what_it_needs() {
    fn open(backend: &Arc<MemoryBackend>, fault: &Arc<Fault>) -> Arc<Store> {
        let options = StoreOptions {
            durability: Durability::Buffered,
            timestamps: TimestampSource::Engine,
            max_snapshot_age: None,
            conflict_log_size: 1 << 20,
            recent_versions_size: 0,
        };
        Store::open(Box::new(FaultBackend::over(backend, fault)), options).unwrap()
    }
    check(|| {
        let (backend, fault) = (Arc::default(), Fault::new(false));
        let store = open(&backend, &fault);
        for value in 1..=3u8 {
            let mut batch = Batch::new();
            batch.set(b"k", [value]);
            store.commit(batch, CommitOptions::default()).unwrap();
        }
        store.merge_all().unwrap();
        fault.arm(2);
        let pruner = {
            let store = Arc::clone(&store);
            thread::spawn(move || store.prune_before(Timestamp::new(3), &mut |_, _| {}))
        };
        let error = store.rollback_to(TARGET).unwrap_err();
        let pruned = pruner.join().unwrap();
        drop(store);
        fault.arm(0);
        let store = open(&backend, &fault);
        let latest = store.get_latest(b"k").unwrap().unwrap();
        if error.kind().name() == "pruned" {
            assert!(pruned.is_ok() && latest[0] == 3);
        } else {
            assert!(pruned.is_err(), "{pruned:?}");
            let found = (store.clock.visible(), store.clock.epoch(), latest[0]);
            assert_eq!(found, (TARGET, 1, 1));
        }
    });
}
