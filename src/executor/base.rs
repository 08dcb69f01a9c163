//! [`BlockBase`]: the state below a block.

use std::collections::BTreeMap;

use super::changes::{ChangeSet, Row};
use crate::{
    error::Result,
    read_view::ReadView,
    storage::{Key, KeyRange, Value},
    sync::Arc,
};

/// The rows of a range, from both ends.
pub type BaseRows = Box<dyn DoubleEndedIterator<Item = Row> + Send>;

/// The state that a block is executed on. It must not change while the block runs: every call for a key
/// gives the same answer.
///
/// Every [`ReadView`] that can be shared between threads is one; so is a map, for tests.
///
/// # Errors
/// An error fails the block with [`BlockFailure::Failed`](super::BlockFailure::Failed), at the first
/// transaction that needs what could not be read.
pub trait BlockBase: Send + Sync {
    /// The value of a key; `None` where it does not exist.
    ///
    /// # Errors
    /// See [`BlockBase`].
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;

    /// The values of some keys, in the order asked for.
    ///
    /// # Errors
    /// See [`BlockBase`].
    fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// The rows of a range in key order. An error is an item.
    fn range(&self, range: &KeyRange) -> BaseRows;
}

impl<V: ReadView + Send + Sync> BlockBase for V {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        ReadView::get(self, key)
    }

    fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        ReadView::multi_get(self, keys)
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        Box::new(ReadView::range(self, range.clone()))
    }
}

impl BlockBase for BTreeMap<Key, Value> {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        let rows = BTreeMap::range::<[u8], _>(
            self,
            (
                std::ops::Bound::Included(&*range.start),
                std::ops::Bound::Unbounded,
            ),
        );
        let rows = rows.take_while(|(key, _)| range.contains(key));
        let rows: Vec<Row> = rows
            .map(|(key, value)| Ok((key.clone(), value.clone())))
            .collect();
        Box::new(rows.into_iter())
    }
}

/// The changes of a block over what it was executed on: what the next block is executed on, while
/// the first is still on its way to the disk.
///
/// # Examples
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use sapwood::{BlockBase, BlockExecutor, BlockExecutorConfig, BlockOverlay, ExecutionStatus, Key, Value};
///
/// let executor = BlockExecutor::new(BlockExecutorConfig::default())?;
/// let base: Arc<dyn BlockBase> = Arc::new(BTreeMap::<Key, Value>::new());
/// let block = executor.execute(Arc::clone(&base), vec!["a"], |ctx, key| {
///     ctx.set(key, b"1")?;
///     Ok(ExecutionStatus::Success(()))
/// })?;
/// let next = BlockOverlay::new(base, Arc::new(block.changes));
/// assert_eq!(next.get(b"a")?.as_deref(), Some(&b"1"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockOverlay {
    below: Arc<dyn BlockBase>,
    changes: Arc<ChangeSet>,
}

impl BlockOverlay {
    /// `changes` over `below`.
    pub fn new(below: Arc<dyn BlockBase>, changes: Arc<ChangeSet>) -> Self {
        Self { below, changes }
    }
}

impl std::fmt::Debug for BlockOverlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockOverlay")
            .field("changes", &self.changes.len())
            .finish_non_exhaustive()
    }
}

impl BlockBase for BlockOverlay {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        match self.changes.get(key) {
            Some(value) => Ok(value.cloned()),
            None => self.below.get(key),
        }
    }

    fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        let changed: Vec<_> = keys.iter().map(|key| self.changes.get(key)).collect();
        let missing = keys
            .iter()
            .zip(&changed)
            .filter(|(_, found)| found.is_none());
        let missing: Vec<_> = missing.map(|(key, _)| *key).collect();
        let mut fetched = self.below.multi_get(&missing)?.into_iter();
        let value_of = |found: Option<Option<&Value>>| match found {
            Some(value) => value.cloned(),
            None => fetched.next().flatten(),
        };
        Ok(changed.into_iter().map(value_of).collect())
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        let changes = self.changes.range(range);
        let below = self.below.range(range);
        if changes.is_empty() {
            return below;
        }
        let changes = changes.into_iter().collect();
        Box::new(super::merge::Merged::new(
            below,
            super::merge::Fixed::new(changes),
            range,
        ))
    }
}
