//! [`ReadView`]: reading, the same everywhere.

use std::ops::{ControlFlow, RangeBounds};

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

    /// Shows the rows of a range to `see`, in key order, until it breaks.
    ///
    /// Keys and values are lent where they lie, which costs no memory for each: on RocksDB a scan of rows that have not
    /// changed since takes half the time of [`ReadView::range`]. What is to be kept must be copied.
    ///
    /// Returns what `see` broke with, if it did.
    ///
    /// # Errors
    /// See [`ReadView`]; rows may have been shown before.
    ///
    /// # Examples
    /// ```
    /// use std::ops::ControlFlow;
    /// use sapwood::{Engine, ReadView};
    ///
    /// let engine = Engine::in_memory();
    /// for (key, value) in [("a", "10"), ("b", "200"), ("c", "3")] {
    ///     engine.set(key, value)?;
    /// }
    /// let mut bytes = 0;
    /// let first_long = engine.visit(.., |key, value| {
    ///     bytes += key.len() + value.len();
    ///     if value.len() > 2 {
    ///         return ControlFlow::Break(key.to_vec());
    ///     }
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!((bytes, first_long), (7, Some(b"b".to_vec())));
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    fn visit<B>(
        &self,
        range: impl RangeBounds<Vec<u8>>,
        mut see: impl FnMut(&[u8], &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        for row in self.range(range) {
            let (key, value) = row?;
            if let ControlFlow::Break(with) = see(&key, &value) {
                return Ok(Some(with));
            }
        }
        Ok(None)
    }

    /// The rows whose keys begin with `prefix`, from both ends.
    fn scan(&self, prefix: impl AsRef<[u8]>) -> Self::Iter {
        self.range(KeyRange::prefix(prefix.as_ref()))
    }
}
