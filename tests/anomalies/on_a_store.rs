//! Random transactions on real stores, recorded and judged: by one thread that switches between them
//! at every step, which meets often and can be repeated, and by many threads at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{Engine, MemoryConfig, MemoryStorage};

use crate::{
    anomaly::Class,
    checker::{assert_clean, classes},
    history::Level::{self, Serializable, Snapshot},
    recorder::{Client, Recording, Witness, World},
    seeds::{Seed, seeds},
};

const LEVELS: [&[Level]; 3] = [&[Snapshot], &[Serializable], &[Snapshot, Serializable]];

/// Steps of a random schedule.
const STEPS: usize = 1500;

/// Judges a recording, and says what it was.
fn judge(recording: &Recording, engine: &Engine, what: &str) {
    assert_clean(&recording.history, what);
    recording.check_the_past(engine, what);
    let stats = engine.stats();
    let (committed, _) = recording.counts();
    assert_eq!(stats.commits, committed as u64, "{what}: commits");
    assert_eq!(
        (stats.open_transactions, stats.open_snapshots),
        (0, 0),
        "{what}: {stats:?}"
    );
    assert_eq!(
        (stats.conflict_keys, stats.conflict_bytes),
        (0, 0),
        "{what}: {stats:?}"
    );
}

/// One thread, and transactions that it switches between.
fn switch(seed: u64, engine: &Engine, levels: &[Level], pruned: f64) -> Recording {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(engine.clone(), levels, 0.0);
    let clients = random.random_range(2..=8);
    let client = |number| Client::new(&world, seed << 8 | number);
    let mut clients: Vec<_> = (0..clients).map(client).collect();
    let mut witness = Witness::new(&world);
    for _ in 0..STEPS {
        if random.random_bool(pruned) {
            witness.read();
            witness.prune(&mut random);
        }
        let chosen = random.random_range(0..clients.len());
        clients[chosen].step();
    }
    Recording::new(clients, witness)
}

/// Random schedules of one thread at every level; `pruned` is the part of the steps that are a prune.
fn switch_all(count: u64, pruned: f64, open: impl Fn(u64) -> Engine) {
    let mut skewed = [0; 3];
    let (mut lost, mut too_old) = (0, 0);
    for seed in seeds(count) {
        let _named = Seed(seed);
        let number = usize::try_from(seed % 3).unwrap();
        let engine = open(seed);
        let mut recording = switch(seed, &engine, LEVELS[number], pruned);
        judge(&recording, &engine, &format!("seed {seed}"));
        lost += engine.stats().conflicts;
        too_old += engine.stats().too_old;
        // Had they all been promised more, the promise would not have been kept.
        for transaction in &mut recording.history.transactions {
            transaction.level = Serializable;
        }
        let found = classes(&recording.history);
        skewed[number] += usize::from(!found.is_disjoint(&[Class::G2Item, Class::G2].into()));
    }
    println!(
        "{lost} conflicts, {too_old} too old; write skew in {skewed:?} of {:?}",
        seeds(count)
    );
    assert_eq!(skewed[1], 0);
    if seeds(count).count() >= 6 {
        let met = lost > 0 && too_old > 0 && skewed[0] > 0 && skewed[2] > 0;
        assert!(met, "nobody met: {lost}, {too_old}, {skewed:?}");
    }
}

/// Many threads at every level.
fn run_all(transactions: usize, open: impl Fn() -> Engine) {
    for levels in LEVELS {
        for threads in [2, 4, 8, 16] {
            let engine = open();
            let what = format!("{threads} threads at {levels:?}");
            let recording = run(&engine, levels, threads, transactions);
            judge(&recording, &engine, &what);
            let (committed, aborted) = recording.counts();
            let (groups, conflicts) = (engine.stats().groups, engine.stats().conflicts);
            let prunes = recording.prunes;
            println!(
                "{what}: {committed} commits in {groups} groups, {aborted} aborted, {conflicts} \
                 conflicts, {prunes} prunes"
            );
        }
    }
}

fn run(engine: &Engine, levels: &[Level], threads: u64, transactions: usize) -> Recording {
    let world = World::new(engine.clone(), levels, 0.05);
    let running = AtomicUsize::new(usize::try_from(threads).unwrap());
    thread::scope(|scope| {
        let client = |number| {
            let (world, running) = (&world, &running);
            let share = transactions / usize::try_from(threads).unwrap();
            move || {
                let _ended = Ended(running);
                let mut client = Client::new(world, number);
                while client.ended() < share {
                    client.step();
                    // Two cores, many threads: the others come in between, not only now and then.
                    if client.random().random_bool(0.3) {
                        thread::yield_now();
                    }
                }
                client.finish();
                client
            }
        };
        let clients: Vec<_> = (0..threads)
            .map(|number| scope.spawn(client(number)))
            .collect();
        let mut witness = Witness::new(&world);
        let mut random = ChaCha8Rng::seed_from_u64(threads);
        while running.load(Ordering::SeqCst) > 0 {
            witness.read();
            if witness.ahead() > 30 {
                witness.prune(&mut random);
            }
            thread::yield_now();
        }
        let clients = clients.into_iter().map(|client| client.join().unwrap());
        Recording::new(clients.collect::<Vec<_>>(), witness)
    })
}

/// Counts a thread down, however it ends.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Every fourth remembers so few commits that transactions become too old.
fn in_memory(seed: u64) -> Engine {
    let mut config = MemoryConfig::default();
    if seed % 4 == 3 {
        config.conflict_log_size = 4 << 10;
    }
    Engine::new(&MemoryStorage::with_config(config))
}

#[test]
fn one_thread_in_memory() {
    switch_all(600, 0.005, in_memory);
}

#[test]
fn many_threads_in_memory() {
    run_all(10_000, || in_memory(0));
}

#[cfg(feature = "rocksdb-storage")]
mod on_disk {
    use super::{Engine, run_all, switch_all};
    use sapwood::RocksDBConfig;
    use tempfile::TempDir;

    /// Tiny files, so that versions spread over many.
    fn open(directory: &TempDir, seed: u64) -> Engine {
        let path = directory.path().join(format!("state-{seed}"));
        let mut config = RocksDBConfig {
            write_buffer_size: 64 << 10,
            target_file_size: 4 << 10,
            block_cache_size: 1 << 20,
            ..RocksDBConfig::at(path.to_str().unwrap())
        };
        if seed % 4 == 3 {
            config.conflict_log_size = 4 << 10;
        }
        Engine::open_with(config).unwrap()
    }

    #[test]
    fn one_thread_on_rocksdb() {
        let directory = tempfile::tempdir().unwrap();
        switch_all(18, 0.002, |seed| open(&directory, seed));
    }

    #[test]
    fn many_threads_on_rocksdb() {
        let directory = tempfile::tempdir().unwrap();
        let number = std::cell::Cell::new(0);
        run_all(4_000, || {
            number.set(number.get() + 4);
            open(&directory, number.get())
        });
    }
}
