//! [`Counters`]: what the rows of transactions ask of a store.
//!
//! A row of the store is a counter: 8 bytes, little-endian, at the front of an ordinary value. A
//! transaction reads two of them, adds one to each, and writes both back. Every store makes the same
//! calls in the same order: begin, read, read, write, write, commit.
//!
//! The guarantee is the same for every store: a transaction commits only where neither of the rows
//! that it read or wrote was changed by another since it read it. Each store's module says by which
//! of its means.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::data::Key;

/// The keys of one transaction: two different ones.
pub(crate) type Pair = [Key; 2];
/// What one thread does, in this order.
pub(crate) type Part = Arc<[Pair]>;

/// A store of counters.
pub(crate) trait Counters: Sync {
    /// One try at the transaction of a pair: whether it committed, or met another.
    fn try_increment(&self, pair: &Pair) -> Result<bool>;

    /// All transactions of a part, each tried until it commits. Returns how many tries failed.
    fn increment(&self, part: &Part) -> Result<u64> {
        let mut conflicts = 0;
        for pair in part.iter() {
            while !self.try_increment(pair)? {
                conflicts += 1;
            }
        }
        Ok(conflicts)
    }

    /// The newest value of a row.
    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>>;
}

/// The value of a row as it is after one more transaction.
pub(super) fn incremented(value: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut value = value.context("a counter is gone")?.to_vec();
    let counter = value
        .first_chunk_mut()
        .context("a value is too short for a counter")?;
    *counter = (u64::from_le_bytes(*counter) + 1).to_le_bytes();
    Ok(value)
}
