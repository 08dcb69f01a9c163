//! Transfers between accounts: the total never changes, for nobody and at no timestamp.
//!
//! An account that is empty is deleted, so that accounts come and go.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Batch, CommitOptions, Engine, Isolation, ReadView, Result, Transaction, TransactionOptions,
};

use crate::support::{
    AtWork, LEVELS, Place, THREADS, forget_the_past, number, prune_behind, random, some_past, text,
};

const ACCOUNTS: u64 = 30;
const EACH: u64 = 100;
const TOTAL: u64 = ACCOUNTS * EACH;
/// Transfers of the short form, on each storage.
const TRANSFERS: u64 = 20_000;
/// How much history is kept while the transfers run.
const KEPT: u64 = 300;

mod in_memory {
    #[test]
    fn transfers_keep_the_total() {
        super::transfers_keep_the_total(&crate::support::InMemory::new(), "memory");
    }
}

#[cfg(feature = "rocksdb-storage")]
mod on_rocksdb {
    #[test]
    fn transfers_keep_the_total() {
        let mut place = crate::support::OnRocksDB::new();
        if super::transfers() > super::TRANSFERS {
            place.write_buffer_size = 4 << 20;
        }
        super::transfers_keep_the_total(&place, "rocksdb");
    }
}

/// `TXNS`, or the short form.
fn transfers() -> u64 {
    let given = env::var("TXNS").ok().filter(|text| !text.is_empty());
    given.map_or(TRANSFERS, |text| text.parse().expect("TXNS is a number"))
}

fn account(number: u64) -> String {
    format!("account/{number:03}")
}

fn balance(view: &impl ReadView, account: &str) -> Result<u64> {
    Ok(view.get(account)?.map_or(0, |value| number(&value)))
}

fn put(tx: &mut Transaction, account: &str, balance: u64) -> Result<()> {
    match balance {
        0 => tx.delete(account),
        _ => tx.set(account, balance.to_string()),
    }
}

/// Moves an amount, where there is so much. Whether it did.
fn transfer(tx: &mut Transaction, from: &str, to: &str, amount: u64) -> Result<bool> {
    let (has, other) = (balance(tx, from)?, balance(tx, to)?);
    if has < amount {
        return Ok(false);
    }
    thread::yield_now(); // Others come in between.
    put(tx, from, has - amount)?;
    put(tx, to, other + amount)?;
    Ok(true)
}

fn total(rows: impl Iterator<Item = Result<(sapwood::Key, sapwood::Value)>>) -> u64 {
    rows.map(|row| text(row).1.parse::<u64>().unwrap()).sum()
}

/// Every way to read, each of which must give the exact total. How many there were.
fn read_all(engine: &Engine, random: &mut ChaCha8Rng) -> u64 {
    let accounts: Vec<_> = (0..ACCOUNTS).map(account).collect();
    let sum = |values: Vec<Option<sapwood::Value>>| -> u64 {
        values.iter().flatten().map(|value| number(value)).sum()
    };
    assert_eq!(
        total(engine.scan("account/")),
        TOTAL,
        "a scan of the newest state"
    );
    assert_eq!(
        total(engine.range(..).rev()),
        TOTAL,
        "a backward scan of the newest state"
    );
    assert_eq!(
        sum(engine.multi_get(&accounts).unwrap()),
        TOTAL,
        "a multi_get of the newest state"
    );

    let snapshot = engine.snapshot().unwrap();
    assert_eq!(
        total(snapshot.range(..)),
        TOTAL,
        "a snapshot at {}",
        snapshot.timestamp()
    );
    let each: u64 = accounts
        .iter()
        .map(|account| balance(&snapshot, account).unwrap())
        .sum();
    assert_eq!(
        each,
        TOTAL,
        "account by account at {}",
        snapshot.timestamp()
    );

    let tx = engine
        .begin_with(TransactionOptions::default().read_only())
        .unwrap();
    assert_eq!(
        total(tx.scan("account/").rev()),
        TOTAL,
        "read-only at {}",
        tx.timestamp()
    );
    assert_eq!(
        sum(tx.multi_get(&accounts).unwrap()),
        TOTAL,
        "read-only at {}",
        tx.timestamp()
    );
    tx.commit().expect("it wrote nothing");

    // From both ends, which meet somewhere.
    let tx = engine.begin(*LEVELS.choose(random).unwrap()).unwrap();
    let mut rows = tx.range(..);
    let mut both = 0;
    while let Some(row) = if random.random_bool(0.5) {
        rows.next()
    } else {
        rows.next_back()
    } {
        both += number(&row.unwrap().1);
    }
    assert_eq!(both, TOTAL, "from both ends at {}", tx.timestamp());
    tx.commit().expect("it wrote nothing");

    if let Some(past) = some_past(engine, random) {
        assert_eq!(
            total(past.range(..)),
            TOTAL,
            "the past at {}",
            past.timestamp()
        );
        assert_eq!(
            total(past.range(..).rev()),
            TOTAL,
            "the past at {}",
            past.timestamp()
        );
    }
    9
}

/// A serializable transaction that reads all and writes one: what it saw held until its commit.
fn rewrite(engine: &Engine, random: &mut ChaCha8Rng) {
    let account = account(random.random_range(0..ACCOUNTS));
    let work = |tx: &mut Transaction| {
        assert_eq!(
            total(tx.range(..)),
            TOTAL,
            "to be rewritten at {}",
            tx.timestamp()
        );
        let balance = balance(tx, &account)?;
        put(tx, &account, balance)
    };
    engine.transact(Isolation::Serializable, work).unwrap();
}

/// One transfer that is made, in one of the ways to make one.
fn make_transfer(engine: &Engine, random: &mut ChaCha8Rng) {
    loop {
        let (from, to) = (
            random.random_range(0..ACCOUNTS),
            random.random_range(1..ACCOUNTS),
        );
        let (from, to) = (account(from), account((from + to) % ACCOUNTS));
        let amount = random.random_range(1..=2 * EACH);
        let level = *LEVELS.choose(random).unwrap();
        let moved = if random.random_bool(0.7) {
            let moved = engine.transact(level, |tx| transfer(tx, &from, &to, amount));
            moved.expect("it wins in the end").value
        } else {
            let mut tx = engine.begin(level).unwrap();
            if random.random_bool(0.2) {
                // A transfer that is thought better of.
                let savepoint = tx.savepoint();
                transfer(&mut tx, &to, &from, amount).unwrap();
                tx.rollback_to(&savepoint).unwrap();
            }
            let moved = transfer(&mut tx, &from, &to, amount).unwrap();
            if random.random_bool(0.1) {
                tx.rollback();
                continue;
            }
            match tx.commit() {
                Ok(_) => moved,
                Err(error) if error.is_retryable() => false,
                Err(error) => panic!("{error:?}"),
            }
        };
        if moved {
            return;
        }
    }
}

fn transfers_keep_the_total(place: &impl Place, name: &str) {
    for threads in THREADS {
        let engine = place.open();
        let accounts = (0..ACCOUNTS).map(account);
        let open = accounts.map(|account| (account.into_bytes(), Some(b"100".to_vec())));
        engine
            .commit(open.collect::<Batch>(), CommitOptions::default())
            .unwrap();
        forget_the_past(&engine);
        let share = transfers() / THREADS.len() as u64 / threads;
        run(
            &engine,
            threads,
            share,
            &format!("{name}, {threads} threads"),
        );
    }
}

/// Prints how far it has come, twenty times.
struct Progress<'a> {
    what: &'a str,
    made: AtomicU64,
    all: u64,
}

impl Progress<'_> {
    fn add(&self, engine: &Engine) {
        let made = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        if transfers() > TRANSFERS && made.is_multiple_of((self.all / 20).max(1)) {
            let stats = engine.stats();
            println!(
                "{}: {made} of {} transfers, {} conflicts, {} commits in {} groups, history {} to {}",
                self.what,
                self.all,
                stats.conflicts,
                stats.commits,
                stats.groups,
                stats.floor,
                stats.visible
            );
        }
    }
}

fn run(engine: &Engine, threads: u64, share: u64, what: &str) {
    let at_work = AtWork::new(threads);
    let reads = AtomicU64::new(0);
    let progress = Progress {
        what,
        made: AtomicU64::new(0),
        all: share * threads,
    };
    thread::scope(|scope| {
        for number in 0..threads {
            let (at_work, progress) = (&at_work, &progress);
            scope.spawn(move || {
                let _working = at_work.begin();
                let mut random = random("transfers", number);
                for _ in 0..share {
                    make_transfer(engine, &mut random);
                    progress.add(engine);
                }
            });
        }
        scope.spawn(|| {
            let mut random = random("reads", 0);
            at_work.meanwhile(|| {
                reads.fetch_add(read_all(engine, &mut random), Ordering::SeqCst);
                rewrite(engine, &mut random);
            });
        });
        scope.spawn(|| {
            at_work.meanwhile(|| {
                if engine.visible().get() - engine.floor().get() > 2 * KEPT {
                    prune_behind(engine, KEPT);
                }
            });
        });
    });
    let (floor, visible) = (engine.floor().get(), engine.visible().get());
    for at in floor..=visible {
        let past = engine.at(sapwood::Timestamp::new(at)).unwrap();
        assert_eq!(total(past.range(..)), TOTAL, "{what}: at {at}");
    }
    let stats = engine.stats();
    println!(
        "{what}: {} transfers, {} conflicts; the total was right in {} reads beside them and at {} \
         timestamps after",
        share * threads,
        stats.conflicts,
        reads.into_inner(),
        visible - floor + 1
    );
    assert_eq!(
        (
            stats.open_transactions,
            stats.open_snapshots,
            stats.conflict_keys
        ),
        (0, 0, 0)
    );
}
