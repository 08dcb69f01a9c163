//! [`Backend`]: what the versioned layout needs of a key-value store, and no more.
//!
//! An ordered map of bytes in five named keyspaces, with atomic batches over all of them, point
//! reads, multi-reads and cursors in both directions. The layout is written once, over this trait.
//! Nothing in it assumes a local file, a column family or a call that cannot fail.
//!
//! A [`Cursor`] is a consistent view of its keyspace as of its creation. A view over several
//! keyspaces at once is deliberately absent: the read rules need none (see
//! [`visibility`](crate::storage::visibility)).
//!
//! **Invariant:** after [`Backend::write`] returned `Ok`, every later read sees the batch, wholly.

pub(crate) mod depths;
pub(crate) mod ended;
pub(crate) mod filter;
pub(crate) mod memory;
#[cfg(feature = "rocksdb-storage")]
pub(crate) mod rocksdb;
#[cfg(any(feature = "rocksdb-storage", test))]
pub(crate) mod row_cache;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod fault;

use std::{fmt, ops::ControlFlow, path::Path, sync::Arc};

use bytes::Bytes;

use crate::{
    config::{Durability, OnlineOptions},
    error::{Error, Result},
    metrics::Sample,
    prune_rule::PruneRule,
};
use ended::Kept;

/// The named keyspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyspace {
    Current,
    History,
    Deleted,
    Commits,
    Meta,
}

impl Keyspace {
    pub(crate) const ALL: [Self; 5] = [
        Self::Current,
        Self::History,
        Self::Deleted,
        Self::Commits,
        Self::Meta,
    ];

    /// Those whose rows the prune rule may drop.
    pub(crate) const PRUNED: [Self; 3] = [Self::History, Self::Deleted, Self::Commits];

    /// DO NOT CHANGE: the names are part of the format on disk.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::History => "history",
            Self::Deleted => "deleted",
            Self::Commits => "commits",
            Self::Meta => "meta",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Writes that take effect together or not at all; a later one to the same key wins.
///
/// All bytes lie in one buffer, so that a batch of many rows allocates a few times, not for each.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    bytes: Vec<u8>,
    writes: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    keyspace: Keyspace,
    key: usize,
    value: Option<usize>,
}

/// How far a batch had come, to cut it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchMark {
    bytes: usize,
    writes: usize,
}

impl BatchMark {
    /// The bytes of all keys and values by then.
    pub(crate) fn size_bytes(self) -> usize {
        self.bytes
    }
}

impl WriteBatch {
    /// How far it has come.
    pub(crate) fn mark(&self) -> BatchMark {
        BatchMark {
            bytes: self.bytes.len(),
            writes: self.writes.len(),
        }
    }

    /// Takes back every write since the mark.
    pub(crate) fn cut(&mut self, mark: BatchMark) {
        self.bytes.truncate(mark.bytes);
        self.writes.truncate(mark.writes);
    }

    /// Writes a row; its key and its value are given in pieces.
    pub(crate) fn put(&mut self, keyspace: Keyspace, key: &[&[u8]], value: &[&[u8]]) {
        let key = self.append(key);
        let value = Some(self.append(value));
        self.writes.push(Slot {
            keyspace,
            key,
            value,
        });
    }

    /// Adds another batch behind this one.
    pub(crate) fn append_batch(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.writes.extend_from_slice(&other.writes);
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, keyspace: Keyspace, key: &[u8]) {
        let key = self.append(&[key]);
        self.writes.push(Slot {
            keyspace,
            key,
            value: None,
        });
    }

    fn append(&mut self, pieces: &[&[u8]]) -> usize {
        pieces
            .iter()
            .for_each(|piece| self.bytes.extend_from_slice(piece));
        pieces.iter().map(|piece| piece.len()).sum()
    }

    /// The bytes of all keys and values.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many writes there are.
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    /// The writes in order: keyspace, key, and the value, or `None` to remove the row.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (Keyspace, &[u8], Option<&[u8]>)> {
        let mut rest = self.bytes.as_slice();
        let mut take = move |length: usize| {
            let (head, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = tail;
            head
        };
        self.writes
            .iter()
            .map(move |slot| (slot.keyspace, take(slot.key), slot.value.map(&mut take)))
    }
}

/// A part of a keyspace: from `start`, included, to `end`, excluded (`None`: to the last key).
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Option<Vec<u8>>,
}

/// What is known of a cursor's use when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Moves over many keys.
    Scan,
    /// Reads everything once, for maintenance: what it reads should not push out what is cached.
    Sweep,
    /// Stays with the versions of one key, all of which begin with the same encoded user key.
    OneKey,
}

/// A position in a keyspace. New cursors have no position; a cursor that has run off either end
/// has none either, and must be sought again.
pub(crate) trait Cursor: fmt::Debug + Send + Sync {
    /// To the first row at or after `key`.
    fn seek(&mut self, key: &[u8]) -> Result<()>;
    /// To the last row at or before `key`.
    fn seek_for_prev(&mut self, key: &[u8]) -> Result<()>;
    /// To the first row.
    fn seek_to_first(&mut self) -> Result<()>;
    /// To the last row.
    fn seek_to_last(&mut self) -> Result<()>;
    /// To the row after. Only from a row.
    fn next(&mut self) -> Result<()>;
    /// To the row before. Only from a row.
    fn prev(&mut self) -> Result<()>;
    /// Goes on, by so many rows at most, until a row is at or after `key`. Returns whether it is the first such row: not
    /// where there was nothing to pass over, nor where there are more.
    fn pass(&mut self, key: &[u8], rows: usize) -> Result<bool> {
        for passed in 0..=rows {
            match self.row() {
                Some((here, _)) if here < key => {}
                here => return Ok(passed > 0 && here.is_some()),
            }
            if passed < rows {
                self.next()?;
            }
        }
        Ok(false)
    }
    /// Shows the row here and those after it, one after the other, for as long as `see` goes on. Stays on the row at which
    /// it breaks.
    fn walk(&mut self, see: Sight<'_>) -> Result<()> {
        while let Some((key, value)) = self.row() {
            if see(key, value).is_break() {
                break;
            }
            self.next()?;
        }
        Ok(())
    }
    /// The row here: key and value.
    fn row(&self) -> Option<(&[u8], &[u8])>;
}

/// Who is shown rows where they lie: their keys and values.
pub(crate) type Sight<'s> = &'s mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// What a prune has done to the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reclaimed {
    /// Rows of `history` before.
    pub(crate) rows_before: u64,
    /// Rows of `history` that were dropped.
    pub(crate) rows_dropped: u64,
    /// Rows of `deleted` and `commits` that were dropped.
    pub(crate) bookkeeping_rows_dropped: u64,
    /// Rows that could not be decoded, and were kept.
    pub(crate) undecodable_rows: u64,
    /// Bytes that the pruned keyspaces took before.
    pub(crate) bytes_before: u64,
    /// Bytes that they take now.
    pub(crate) bytes_after: u64,
    /// What it found in `history` and kept.
    pub(crate) kept: Kept,
}

impl Reclaimed {
    pub(crate) fn count_dropped(&mut self, keyspace: Keyspace) {
        match keyspace {
            Keyspace::History => self.rows_dropped += 1,
            _ => self.bookkeeping_rows_dropped += 1,
        }
    }
}

/// A file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFile {
    /// The keyspace of its rows.
    pub(crate) keyspace: Keyspace,
    /// Its level in the tree of files, from 0.
    pub(crate) level: u32,
    /// Its size, in bytes.
    pub(crate) size_bytes: u64,
}

/// How far a long call has come: the part that is done, from 0 to 1, and what it works on.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(f64, &str);

/// The store below the versioned layout.
pub(crate) trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The value at `key`.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>>;

    /// The values at `keys`, which are in order, each after the one before.
    fn multi_get(&self, keyspace: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>>;

    /// A cursor over a part of a keyspace.
    fn cursor(&self, keyspace: Keyspace, scope: Scope, access: Access) -> Result<Box<dyn Cursor>>;

    /// Applies a batch, atomically over all keyspaces. After an error its outcome is unknown.
    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<()>;

    /// Gives filters a new rule. Until the first call they keep every row.
    fn arm(&self, rule: Arc<PruneRule>);

    /// Drops every row that the armed rule lets go, and gives its space back.
    fn prune(&self, progress: Progress<'_>) -> Result<Reclaimed>;

    /// Moves what is in memory to files, where there are files.
    fn flush(&self) -> Result<()>;

    /// Makes everything written so far survive the machine.
    fn sync(&self) -> Result<()>;

    /// Rewrites a part of a keyspace into its most compact form. `tell` is told how much of it is done, from 0 to 1.
    fn compact(&self, keyspace: Keyspace, scope: &Scope, tell: &mut dyn FnMut(f64)) -> Result<()>;

    /// Changes options while it is open: all that are asked for, or none.
    fn set_options(&self, _: &OnlineOptions) -> Result<()> {
        Err(Error::invalid(
            "a store in memory has no files, and none of these options; use RocksDBStorage (Engine::open)",
        ))
    }

    /// Bytes that a keyspace takes, by the backend's own count.
    fn size_bytes(&self, keyspace: Keyspace) -> Result<u64>;

    /// The files that rows lie in, where there are files.
    fn files(&self) -> Result<Vec<TableFile>> {
        Ok(Vec::new())
    }

    /// Rows of a keyspace that the rule has let go since it was opened.
    fn rows_pruned(&self, _: Keyspace) -> u64 {
        0
    }

    /// Adds what it counts of itself.
    fn sample(&self, _: &mut Vec<Sample>) -> Result<()> {
        Ok(())
    }

    /// A value that the backend knows under a name of its own.
    fn property(&self, name: &str) -> Result<Option<String>>;

    /// The directory of its files, where it has files.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Whether it was opened to read. Then it refuses every write, and changes no file.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Writes a copy that can be opened, to a path that does not exist yet. What was written before is in it.
    fn create_checkpoint(&self, path: &Path) -> Result<()>;
}
