//! [`Snapshot`]: a state that does not change.

use std::ops::{ControlFlow, RangeBounds};

use crate::{
    error::Result,
    read_view::ReadView,
    storage::{Guard, Iter, KeyRange, Value, store::Store},
    sync::Arc,
    timestamp::Timestamp,
};

/// A read-only view of the state at one timestamp.
///
/// It does not change, whatever is committed or pruned, and holds back pruning while it lives.
/// Clones are cheap and share the hold.
///
/// # Examples
/// ```
/// use sapwood::{Engine, ReadView};
///
/// let engine = Engine::in_memory();
/// engine.set(b"key", b"old")?;
/// let snapshot = engine.snapshot()?;
/// engine.set(b"key", b"new")?;
/// assert_eq!(snapshot.get(b"key")?.as_deref(), Some(&b"old"[..]));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    store: Arc<Store>,
    guard: Arc<Guard>,
}

impl Snapshot {
    pub(crate) fn new(store: Arc<Store>, guard: Guard) -> Self {
        Self {
            store,
            guard: Arc::new(guard),
        }
    }

    /// The timestamp whose state this is.
    pub fn timestamp(&self) -> Timestamp {
        self.guard.at()
    }
}

impl ReadView for Snapshot {
    type Iter = Iter;

    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.store.get_guarded(key.as_ref(), &self.guard)
    }

    fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let keys: Vec<_> = keys.iter().map(AsRef::as_ref).collect();
        self.store.multi_get_guarded(&keys, &self.guard)
    }

    fn range(&self, range: impl RangeBounds<Vec<u8>>) -> Iter {
        self.store.range_guarded(KeyRange::new(range), &self.guard)
    }

    fn visit<B>(
        &self,
        range: impl RangeBounds<Vec<u8>>,
        see: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        self.range(range).visit(see)
    }
}
