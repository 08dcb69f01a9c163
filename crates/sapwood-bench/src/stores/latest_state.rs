//! [`LatestState`]: what the rows of YCSB ask of a store: its newest state, by key and in order.
//!
//! Every call is a transaction of its own: it sees all that was written before it, and what it writes
//! is committed when it returns, buffered. A value that is read is looked at where the store has it;
//! nobody has to copy it.

use anyhow::Result;

use super::Seen;
use crate::data::Key;

/// A store of rows, of which the newest state is all that is asked for.
pub(crate) trait LatestState {
    /// Writes the first rows, in the order of their keys, and brings the store into the form in which
    /// it reads best.
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()>;

    /// Reads a row: the stamp of its value, if it is there.
    fn read(&self, key: &Key) -> Result<Option<u64>>;

    /// Writes a row, without reading it: an update or an insert.
    fn write(&self, key: &Key, value: &[u8]) -> Result<()>;

    /// Reads a row and writes it, as one transaction where the store has any. Returns the stamp of what
    /// was read.
    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>>;

    /// Hands the rows from a key on to `see`, in order, so many at most.
    fn walk(&self, from: &Key, rows: usize, see: impl FnMut(&[u8], &[u8])) -> Result<()>;

    /// Reads the rows from a key on, so many at most.
    fn scan(&self, from: &Key, rows: usize) -> Result<Seen> {
        let mut seen = Seen::default();
        self.walk(from, rows, |_, value| seen.see(value))?;
        Ok(seen)
    }
}
