//! A memory backend whose writes can be made to fail, that tells what each has left, and lets something come
//! between, for tests.

use std::{fmt, path::Path};

use bytes::Bytes;

use super::{
    Access, Backend, Cursor, Keyspace, Progress, Reclaimed, Scope, WriteBatch,
    memory::MemoryBackend,
};
use crate::{
    config::Durability,
    error::{Error, Result},
    prune_rule::PruneRule,
    sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering},
};

/// Which write fails, and what it leaves.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Writes until the failing one, that included; 0 for none.
    countdown: AtomicU64,
    /// Whether the failing write takes effect all the same: an error leaves both possible.
    takes_effect: bool,
    /// What there was after each write: what a crash after it leaves.
    left: Mutex<Vec<MemoryBackend>>,
    has_failed: AtomicBool,
    before_read: Moment,
    before_write: Moment,
    /// Before a cursor over `commits` is opened.
    before_cursor: Moment,
}

/// A moment at which something happens once, as if another thread did it right there.
#[derive(Default)]
struct Moment(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Moment {
    fn set(&self, happens: impl FnOnce() + Send + 'static) {
        *self.0.lock() = Some(Box::new(happens));
    }

    fn come(&self) {
        let happens = self.0.lock().take();
        if let Some(happens) = happens {
            happens();
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

impl Fault {
    pub(crate) fn new(takes_effect: bool) -> Arc<Self> {
        Arc::new(Self {
            countdown: AtomicU64::new(0),
            takes_effect,
            left: Mutex::default(),
            has_failed: AtomicBool::new(false),
            before_read: Moment::default(),
            before_write: Moment::default(),
            before_cursor: Moment::default(),
        })
    }

    /// Does something right before the next read of rows.
    pub(crate) fn before_read(&self, happens: impl FnOnce() + Send + 'static) {
        self.before_read.set(happens);
    }

    /// Does something right before the next write.
    pub(crate) fn before_write(&self, happens: impl FnOnce() + Send + 'static) {
        self.before_write.set(happens);
    }

    /// Does something right before the next cursor over the records of commits is opened.
    pub(crate) fn before_cursor(&self, happens: impl FnOnce() + Send + 'static) {
        self.before_cursor.set(happens);
    }

    /// Whether a write has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    /// How many writes were done.
    pub(crate) fn writes(&self) -> usize {
        self.left.lock().len()
    }

    /// What there was after each write.
    pub(crate) fn take_left(&self) -> Vec<MemoryBackend> {
        std::mem::take(&mut self.left.lock())
    }

    /// Lets the write fail that comes as the `number`th from now.
    pub(crate) fn arm(&self, number: u64) {
        self.countdown.store(number, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub(crate) struct FaultBackend {
    inner: Arc<MemoryBackend>,
    fault: Arc<Fault>,
}

impl FaultBackend {
    pub(crate) fn new(fault: &Arc<Fault>) -> Self {
        Self::over(&Arc::default(), fault)
    }

    pub(crate) fn over(inner: &Arc<MemoryBackend>, fault: &Arc<Fault>) -> Self {
        Self {
            inner: Arc::clone(inner),
            fault: Arc::clone(fault),
        }
    }

    fn write_through(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.inner.write(batch, durability)?;
        self.fault.left.lock().push(self.inner.copy());
        Ok(())
    }
}

impl Backend for FaultBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        self.fault.before_read.come();
        self.inner.get(keyspace, key)
    }

    fn multi_get(&self, keyspace: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.fault.before_read.come();
        self.inner.multi_get(keyspace, keys)
    }

    fn cursor(&self, keyspace: Keyspace, scope: Scope, access: Access) -> Result<Box<dyn Cursor>> {
        if keyspace == Keyspace::Commits {
            self.fault.before_cursor.come();
        }
        self.inner.cursor(keyspace, scope, access)
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<()> {
        self.fault.before_write.come();
        // Writes come one at a time.
        let countdown = self.fault.countdown.load(Ordering::SeqCst);
        self.fault.arm(countdown.saturating_sub(1));
        if countdown != 1 {
            return self.write_through(batch, durability);
        }
        self.fault.has_failed.store(true, Ordering::SeqCst);
        if self.fault.takes_effect {
            self.write_through(batch, durability)?;
        }
        let cause = std::io::Error::other("on purpose");
        Err(Error::io("the backend failed", cause))
    }

    fn arm(&self, rule: Arc<PruneRule>) {
        self.inner.arm(rule);
    }

    fn prune(&self, progress: Progress<'_>) -> Result<Reclaimed> {
        self.inner.prune(progress)
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn compact(&self, keyspace: Keyspace, scope: &Scope, tell: &mut dyn FnMut(f64)) -> Result<()> {
        self.inner.compact(keyspace, scope, tell)
    }

    fn size_bytes(&self, keyspace: Keyspace) -> Result<u64> {
        self.inner.size_bytes(keyspace)
    }

    fn property(&self, name: &str) -> Result<Option<String>> {
        self.inner.property(name)
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn create_checkpoint(&self, path: &Path) -> Result<()> {
        self.inner.create_checkpoint(path)
    }
}
