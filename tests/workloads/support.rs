//! Where workloads run, and what their threads share.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Engine, Isolation, Key, MemoryConfig, MemoryStorage, Result, Snapshot, Timestamp, Value,
};

/// How many threads write, in turn.
pub(crate) const THREADS: [u64; 4] = [2, 4, 8, 16];

pub(crate) const LEVELS: [Isolation; 2] = [Isolation::Snapshot, Isolation::Serializable];

/// A place for stores, each of them new.
pub(crate) trait Place {
    fn open(&self) -> Engine;
}

/// How much the stores of a place keep in memory until it is merged, one after the other.
const RECENT_VERSIONS_SIZES: [usize; 3] = [2 << 10, 64 << 20, 0];

fn recent_versions_size(opened: &AtomicUsize) -> usize {
    RECENT_VERSIONS_SIZES[opened.load(Ordering::SeqCst) % RECENT_VERSIONS_SIZES.len()]
}

#[derive(Default)]
pub(crate) struct InMemory {
    opened: AtomicUsize,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl Place for InMemory {
    fn open(&self) -> Engine {
        let mut config = MemoryConfig::default();
        config.recent_versions_size = recent_versions_size(&self.opened);
        self.opened.fetch_add(1, Ordering::SeqCst);
        Engine::new(&MemoryStorage::with_config(config))
    }
}

/// A directory with a database of small files for each store.
#[cfg(feature = "rocksdb-storage")]
pub(crate) struct OnRocksDB {
    directory: tempfile::TempDir,
    opened: AtomicUsize,
    pub(crate) write_buffer_size: usize,
}

#[cfg(feature = "rocksdb-storage")]
impl OnRocksDB {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            opened: AtomicUsize::new(0),
            write_buffer_size: 64 << 10,
        }
    }
}

#[cfg(feature = "rocksdb-storage")]
impl Place for OnRocksDB {
    fn open(&self) -> Engine {
        let recent_versions_size = recent_versions_size(&self.opened);
        let number = self.opened.fetch_add(1, Ordering::SeqCst);
        let path = self.directory.path().join(number.to_string());
        Engine::open_with(sapwood::RocksDBConfig {
            write_buffer_size: self.write_buffer_size,
            target_file_size: u64::try_from(self.write_buffer_size / 16).unwrap(),
            block_cache_size: 1 << 20,
            recent_versions_size,
            ..sapwood::RocksDBConfig::at(path.to_str().expect("a UTF-8 path"))
        })
        .expect("open")
    }
}

/// Makes a test for each storage of each workload.
macro_rules! suite {
    ($($workload:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $workload() { super::$workload(&$crate::support::InMemory::new()); })*
        }
        #[cfg(feature = "rocksdb-storage")]
        mod on_rocksdb {
            $(#[test] fn $workload() { super::$workload(&$crate::support::OnRocksDB::new()); })*
        }
    };
}

/// Threads that are still at work.
pub(crate) struct AtWork(AtomicUsize);

/// One of them; it has stopped when this goes, however it ended.
pub(crate) struct Working<'a>(&'a AtomicUsize);

impl AtWork {
    /// `count` threads, each of which must [begin](Self::begin).
    pub(crate) fn new(count: u64) -> Self {
        Self(AtomicUsize::new(usize::try_from(count).unwrap()))
    }

    pub(crate) fn begin(&self) -> Working<'_> {
        Working(&self.0)
    }

    /// Repeats until all have stopped, and once more.
    pub(crate) fn meanwhile(&self, mut work: impl FnMut()) {
        while self.0.load(Ordering::SeqCst) > 0 {
            work();
            std::thread::yield_now();
        }
        work();
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The random choices of one thread, which are the same in every run.
pub(crate) fn random(of: &str, thread: u64) -> ChaCha8Rng {
    let name = of
        .bytes()
        .fold(thread, |sum, byte| sum * 31 + u64::from(byte));
    ChaCha8Rng::seed_from_u64(name)
}

/// The number that a value is.
pub(crate) fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// A row, as text.
pub(crate) fn text(row: Result<(Key, Value)>) -> (String, String) {
    let (key, value) = row.expect("a row");
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().to_owned();
    (text(&key), text(&value))
}

/// The state at any timestamp that can still be read.
pub(crate) fn some_past(engine: &Engine, random: &mut ChaCha8Rng) -> Option<Snapshot> {
    let at = random.random_range(engine.floor().get()..=engine.visible().get());
    match engine.at(Timestamp::new(at)) {
        Ok(past) => Some(past),
        // The floor has passed it since.
        Err(error) if error.kind().name() == "pruned" => None,
        Err(error) => panic!("at {at}: {error:?}"),
    }
}

/// Prunes to some commits below the newest.
pub(crate) fn prune_behind(engine: &Engine, behind: u64) {
    let before = engine.visible().get().saturating_sub(behind);
    engine.prune_before(Timestamp::new(before)).expect("prune");
}

/// Ends the history before now: no reader of the past comes to what was before a workload began.
pub(crate) fn forget_the_past(engine: &Engine) {
    prune_behind(engine, 0);
}
