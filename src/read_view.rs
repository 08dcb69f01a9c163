//! [`ReadView`]: reading, the same everywhere.

use std::ops::RangeBounds;

use crate::{
    error::Result,
    storage::{Key, KeyRange, Value},
};

/// A state that can be read: the engine's newest one, a [`Snapshot`](crate::Snapshot) of a past one, or
/// what a [`Transaction`](crate::Transaction) sees. Code that takes `&impl ReadView` reads any of them.
///
/// # Errors
/// As every call of [`Storage`](crate::Storage).
///
/// # Examples
/// ```
/// use sapwood::{Engine, ReadView, Result};
///
/// fn total(state: &impl ReadView) -> Result<usize> {
///     state.scan(b"account/").map(|row| Ok(row?.1.len())).sum()
/// }
///
/// let engine = Engine::in_memory();
/// let before = engine.set(b"account/a", b"12345")?;
/// engine.set(b"account/b", b"123")?;
/// assert_eq!(total(&engine)?, 8);
/// assert_eq!(total(&engine.at(before)?)?, 5);
/// # Ok::<(), sapwood::Error>(())
/// ```
pub trait ReadView {
    /// The rows of a range, from both ends; it owns what it needs, and can outlive the view.
    type Iter: DoubleEndedIterator<Item = Result<(Key, Value)>> + Send + 'static;

    /// The value of a key; `None` where it does not exist.
    ///
    /// # Errors
    /// See [`ReadView`].
    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>>;

    /// The values of some keys, in the order asked for, all as of one timestamp.
    ///
    /// # Errors
    /// See [`ReadView`].
    fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>>;

    /// Whether a key exists.
    ///
    /// # Errors
    /// See [`ReadView`].
    fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The rows of a range, from both ends. An error is the iterator's first item.
    fn range(&self, range: impl RangeBounds<Vec<u8>>) -> Self::Iter;

    /// The rows whose keys begin with `prefix`, from both ends.
    fn scan(&self, prefix: impl AsRef<[u8]>) -> Self::Iter {
        self.range(KeyRange::prefix(prefix.as_ref()))
    }
}
