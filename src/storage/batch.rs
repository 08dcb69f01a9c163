//! [`Batch`]: changes that become one commit.

use std::{borrow::Cow, fmt, time::SystemTime};

use super::iter::{Key, Value};
use crate::{
    arena::Arena,
    config::Durability,
    error::{Error, Result},
    limits::{BATCH_MAX_BYTES, BATCH_MAX_WRITES, KEY_MAX_BYTES, VALUE_MAX_BYTES},
    timestamp::Timestamp,
};

/// A key and its new value; `None` deletes.
pub(crate) type Write = (Key, Option<Value>);

/// Changes that become one commit, and with it one version of each key.
///
/// Where a key is written twice, the last write counts.
///
/// # Examples
/// ```
/// use sapwood::{Batch, CommitOptions, Engine, ReadView};
///
/// let engine = Engine::in_memory();
/// let mut batch = Batch::new();
/// batch.set(b"alice", b"70");
/// batch.set(b"bob", b"30");
/// batch.delete(b"carol");
/// let commit = engine.commit(batch, CommitOptions::default())?;
/// assert_eq!(engine.at(commit.timestamp)?.get(b"bob")?.as_deref(), Some(&b"30"[..]));
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Batch {
    writes: Vec<Write>,
    copies: Copies,
}

/// Keys and values of a batch, side by side; apart from each other, since keys may be kept for longer.
#[derive(Clone, Default)]
struct Copies {
    keys: Arena<COPY_BYTES, COPY_FIRST_BYTES>,
    values: Arena<COPY_BYTES, COPY_FIRST_BYTES>,
}

/// The largest block of memory for copies.
const COPY_BYTES: usize = 64 << 10;
/// And the smallest.
const COPY_FIRST_BYTES: usize = 512;
/// A batch of fewer changes copies each by itself: that costs less than a block.
const COPIED_APART: usize = 3;

impl Batch {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key to a value.
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.push(key.as_ref(), Some(value.as_ref()));
        self
    }

    /// Deletes a key; one that is not there stays so.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.push(key.as_ref(), None);
        self
    }

    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let write = if self.writes.len() < COPIED_APART {
            let value = value.map(Value::copy_from_slice);
            (Key::copy_from_slice(key), value)
        } else {
            let value = value.map(|value| self.copies.values.copy(value));
            (self.copies.keys.copy(key), value)
        };
        self.writes.push(write);
    }

    /// The changes in the order in which they were made: each key, and its value or `None` for a delete.
    ///
    /// # Examples
    /// ```
    /// use sapwood::Batch;
    ///
    /// let mut batch = Batch::new();
    /// batch.set(b"a", b"1").delete(b"b");
    /// let changes: Vec<_> = batch.iter().collect();
    /// assert_eq!(changes, [(&b"a"[..], Some(&b"1"[..])), (b"b", None)]);
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        let changes = self.writes.iter();
        changes.map(|(key, value)| (key.as_ref(), value.as_deref()))
    }

    /// How many changes there are, repeated keys counted each time.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there are no changes. Such a commit still takes its timestamp.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The changes, which are in order already where their keys are.
    pub(crate) fn from_writes(writes: Vec<Write>) -> Self {
        Self {
            writes,
            copies: Copies::default(),
        }
    }

    /// Checks the limits, sorts by key and keeps the last write of each.
    pub(crate) fn into_sorted(self) -> Result<Vec<Write>> {
        let mut writes = self.writes;
        check_limits(&writes)?;
        // Stable, so that the last write of a key stays the last of its run.
        if !writes.is_sorted_by(|(a, _), (b, _)| a < b) {
            writes.sort_by(|(a, _), (b, _)| a.cmp(b));
            writes.reverse();
            writes.dedup_by(|(later, _), (kept, _)| later == kept);
            writes.reverse();
        }
        Ok(writes)
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.writes == other.writes
    }
}

impl Eq for Batch {}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

impl From<Vec<(Vec<u8>, Option<Vec<u8>>)>> for Batch {
    fn from(writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Self {
        writes.into_iter().collect()
    }
}

impl FromIterator<(Vec<u8>, Option<Vec<u8>>)> for Batch {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>>(writes: I) -> Self {
        let shared =
            |(key, value): (Vec<u8>, Option<Vec<u8>>)| (Key::from(key), value.map(Value::from));
        Self::from_writes(writes.into_iter().map(shared).collect())
    }
}

/// How a commit is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The commit's timestamp, above the last.
    ///
    /// Unit: a timestamp. Default: `None`, the store hands out the next.
    pub timestamp: Option<Timestamp>,
    /// What the commit waits for.
    ///
    /// Unit: a choice. Default: `None`, what the store was opened with.
    pub durability: Option<Durability>,
    /// The time of day that is noted with the commit. It orders nothing; a policy of retention by age goes by it.
    ///
    /// Unit: a time, kept in milliseconds. Default: `None`, now.
    pub time: Option<SystemTime>,
}

impl CommitOptions {
    /// Commits at this timestamp, which must be above the last.
    #[must_use]
    pub fn at(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Waits for this.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Notes this time of day.
    #[must_use]
    pub fn time(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }
}

/// A commit that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitInfo {
    /// Its timestamp: every read at or above it sees the commit. For a transaction that wrote nothing,
    /// the one that it read at.
    pub timestamp: Timestamp,
    /// How many keys it wrote, set or deleted. A transaction with none took no timestamp.
    pub writes: usize,
}

/// Refuses a key over its limit.
pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the key {} is {} bytes long; at most {KEY_MAX_BYTES} are allowed",
            display(key),
            key.len()
        )));
    }
    Ok(())
}

/// Refuses a value over its limit.
pub(crate) fn check_value(key: &[u8], value: &[u8]) -> Result<()> {
    if value.len() > VALUE_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the value of {} is {} bytes long; at most {VALUE_MAX_BYTES} are allowed",
            display(key),
            value.len()
        )));
    }
    Ok(())
}

fn check_limits(writes: &[Write]) -> Result<()> {
    if writes.len() > BATCH_MAX_WRITES {
        return Err(Error::too_large(format!(
            "the batch has {} writes; at most {BATCH_MAX_WRITES} are allowed: split it",
            writes.len()
        )));
    }
    let mut bytes = 0;
    for (key, value) in writes {
        check_key(key)?;
        let value = value.as_deref().unwrap_or_default();
        check_value(key, value)?;
        bytes += key.len() + value.len();
    }
    if bytes > BATCH_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the batch holds {bytes} bytes; at most {BATCH_MAX_BYTES} are allowed: split it"
        )));
    }
    Ok(())
}

/// A key for a message: readable, and never longer than a line.
pub(crate) fn display(key: &[u8]) -> Cow<'_, str> {
    const SHOWN_BYTES: usize = 64;
    match key.get(..SHOWN_BYTES) {
        Some(head) if key.len() > SHOWN_BYTES => {
            Cow::Owned(format!("\"{}\"...", head.escape_ascii()))
        }
        _ => Cow::Owned(format!("\"{}\"", key.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_key_counts() {
        let mut batch = Batch::new();
        batch
            .set(b"b", b"1")
            .set(b"a", b"2")
            .delete(b"b")
            .set(b"c", b"3")
            .set(b"b", b"4");
        let sorted = batch.into_sorted().unwrap();
        let keys: Vec<_> = sorted.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, [b"a", b"b", b"c"]);
        assert_eq!(sorted[1].1.as_deref(), Some(&b"4"[..]));
    }

    #[test]
    fn sorted_repetitions_are_found_too() {
        let mut batch = Batch::new();
        batch.set(b"a", b"1").set(b"a", b"2");
        assert_eq!(
            batch.into_sorted().unwrap(),
            [(Key::from("a"), Some(Value::from("2")))]
        );
    }

    #[test]
    fn limits_are_inclusive() {
        assert!(check_key(&vec![0; KEY_MAX_BYTES]).is_ok());
        assert!(check_key(&vec![0; KEY_MAX_BYTES + 1]).is_err());
        let mut batch = Batch::new();
        batch.set(b"k", vec![0; VALUE_MAX_BYTES + 1]);
        let error = batch.into_sorted().unwrap_err();
        assert_eq!(error.kind().name(), "too_large");
    }
}
