//! [`Status`]: what a store holds, counted.

use std::{collections::BTreeMap, time::Duration};

use super::{
    guards::Guard,
    key_range::KeyRange,
    store::Store,
    walk::{Direction, Walk},
};
use crate::{
    PruneRule,
    backend::{Access, Cursor, Keyspace, Scope, depths::Depths},
    codec::{DecodeError, HistoryRow, key},
    error::{Error, Result},
    storage::lookup,
    sync::{Arc, AtomicU64, Ordering},
    timestamp::Timestamp,
};

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The newest timestamp that can be read.
    pub visible: Timestamp,
    /// How often the store was rolled back.
    pub epoch: u64,
    /// The lowest timestamp that can be read without a pin.
    pub floor: Timestamp,
    /// Keys that are live at the visible timestamp.
    pub keys: u64,
    /// Versions that can be read, the current ones included, whether or not others are still
    /// stored.
    pub versions: u64,
    /// The oldest timestamp that a snapshot or an iterator holds, and for how long.
    pub oldest_snapshot: Option<(Timestamp, Duration)>,
    /// The lowest timestamp that a feed holds the floor at; see
    /// [`Engine::feed_holds`](crate::Engine::feed_holds).
    pub oldest_feed: Option<Timestamp>,
}

/// What a store is doing: figures that cost nothing to ask for. Counts are since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest timestamp that can be read.
    pub visible: Timestamp,
    /// The lowest timestamp that can be read without a pin.
    pub floor: Timestamp,
    /// Commits that were made.
    pub commits: u64,
    /// Writes of the backend that they took: commits that wait together are written together.
    pub groups: u64,
    /// Those that waited for the disk.
    pub synced_groups: u64,
    /// Transactions and comparisons that lost against another commit.
    pub conflicts: u64,
    /// The same by what they did with the key that the other commit wrote.
    pub conflicts_by_kind: ConflictCounts,
    /// Transactions that were too old to be checked, or that a rollback came between.
    pub too_old: u64,
    /// Transactions that are open and may write.
    pub open_transactions: usize,
    /// Reads that hold back pruning: snapshots, transactions, iterators.
    pub open_snapshots: usize,
    /// The oldest timestamp that one of them holds, and for how long it has been held.
    pub oldest_snapshot: Option<(Timestamp, Duration)>,
    /// Feeds that hold the floor: named ones, and readers that live.
    pub feeds: usize,
    /// The lowest timestamp that one of them holds the floor at.
    pub oldest_feed: Option<Timestamp>,
    /// Keys of recent commits that open transactions are checked against.
    pub conflict_keys: usize,
    /// The memory that these take, about, in bytes.
    pub conflict_bytes: usize,
    /// Versions of recent commits that are not merged into the keyspaces yet.
    pub recent_versions: u64,
    /// The memory that these take, about, in bytes.
    pub recent_bytes: u64,
    /// Bytes of history that are stored and kept for nobody: see
    /// [`RetentionStatus::debt_bytes`](crate::RetentionStatus::debt_bytes).
    pub retention_debt_bytes: u64,
    /// The time since the last full pass of a prune, where there was one.
    pub last_full_pass: Option<Duration>,
}

/// Commits that lost against another one, by what they did with the key that the other one wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConflictCounts {
    /// They write it too.
    pub write: u64,
    /// They have read it.
    pub read: u64,
    /// They have read a range in which it lies.
    pub range: u64,
    /// They expected another value of it.
    pub value: u64,
}

impl ConflictCounts {
    fn total(&self) -> u64 {
        self.write + self.read + self.range + self.value
    }
}

/// Bytes that a keyspace takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyspaceSize {
    /// The keyspace: `current`, `history`, `deleted`, `commits` or `meta`.
    pub keyspace: &'static str,
    /// Its size by the backend's own count, in bytes: for RocksDB, files and memtables.
    pub size_bytes: u64,
}

/// Files of a keyspace at one level of `RocksDB`'s tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelSize {
    /// The keyspace, as in [`KeyspaceSize`].
    pub keyspace: &'static str,
    /// The level, from 0: that of files that were flushed lately.
    pub level: u32,
    /// How many files lie there.
    pub files: u64,
    /// What they take, in bytes.
    pub size_bytes: u64,
}

impl Store {
    /// Counts what the store holds, by reading all of it.
    pub(crate) fn status(self: &Arc<Self>) -> Result<Status> {
        self.in_one_epoch(|| self.count())
    }

    fn count(self: &Arc<Self>) -> Result<Status> {
        // Looked at first: counting takes guards of its own.
        let oldest_snapshot = self.guards.oldest();
        let guard = self.admit_latest()?;
        // Then every version that has ended by now lies in `history`.
        self.merge_all()?;
        let keys = self.count_keys(&guard)?;
        let history = self
            .backend
            .cursor(Keyspace::History, Scope::default(), Access::Sweep)?;
        // Loaded after the view was opened: what a filter had dropped by then, this rule drops too.
        let floor = self.floor();
        let pins: Vec<_> = self.pins.read().timestamps().collect();
        let rule = PruneRule::new(floor, pins);
        let (ended, depths) = count_ended(history, &rule, guard.at())?;
        self.keeping.walked(depths);
        Ok(Status {
            visible: guard.at(),
            epoch: self.clock.epoch(),
            floor,
            keys,
            versions: keys + ended,
            oldest_snapshot,
            oldest_feed: self.feed_holds().first().map(|hold| hold.timestamp),
        })
    }

    /// What is going on.
    pub(crate) fn stats(&self) -> Stats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let kept = self.conflicts.kept();
        let feeds = self.feed_holds();
        let (recent_versions, recent_bytes) = self.recent.held();
        let conflicts_by_kind = ConflictCounts {
            write: count(&self.counts.write_conflicts),
            read: count(&self.counts.read_conflicts),
            range: count(&self.counts.range_conflicts),
            value: count(&self.counts.value_conflicts),
        };
        Stats {
            visible: self.clock.visible(),
            floor: self.floor(),
            commits: count(&self.counts.commits),
            groups: count(&self.counts.groups),
            synced_groups: count(&self.counts.synced_groups),
            conflicts: conflicts_by_kind.total(),
            conflicts_by_kind,
            too_old: count(&self.counts.too_old) + count(&self.counts.rolled_back),
            open_transactions: kept.transactions,
            open_snapshots: self.guards.count(),
            oldest_snapshot: self.guards.oldest(),
            feeds: feeds.len(),
            oldest_feed: feeds.first().map(|hold| hold.timestamp),
            conflict_keys: kept.keys,
            conflict_bytes: kept.bytes,
            recent_versions,
            recent_bytes,
            retention_debt_bytes: self.debt().0,
            last_full_pass: self.last_full_pass(),
        }
    }

    /// Bytes by keyspace.
    pub(crate) fn sizes(&self) -> Result<Vec<KeyspaceSize>> {
        self.check_open()?;
        let size = |keyspace: Keyspace| {
            let size_bytes = self.backend.size_bytes(keyspace)?;
            Ok(KeyspaceSize {
                keyspace: keyspace.name(),
                size_bytes,
            })
        };
        Keyspace::ALL.into_iter().map(size).collect()
    }

    /// Files by keyspace and level, in order; levels without files are not among them.
    pub(crate) fn levels(&self) -> Result<Vec<LevelSize>> {
        self.check_open()?;
        let mut levels = BTreeMap::new();
        for file in self.backend.files()? {
            let place = (file.keyspace.index(), file.level);
            let level = levels.entry(place).or_insert(LevelSize {
                keyspace: file.keyspace.name(),
                level: file.level,
                files: 0,
                size_bytes: 0,
            });
            level.files += 1;
            level.size_bytes += file.size_bytes;
        }
        Ok(levels.into_values().collect())
    }

    fn count_keys(self: &Arc<Self>, guard: &Guard) -> Result<u64> {
        let all = KeyRange::all();
        let mut walk = Walk::new(self, guard.at(), &all, Direction::Forward, Access::Sweep)?;
        let mut keys = 0;
        while walk.step()?.is_some() {
            keys += 1;
        }
        guard.check_held()?;
        Ok(keys)
    }
}

/// Versions that had ended by `visible` and that the rule keeps, and how deep they lie.
fn count_ended(
    mut history: Box<dyn Cursor>,
    rule: &PruneRule,
    visible: Timestamp,
) -> Result<(u64, Depths)> {
    history.seek_to_first()?;
    let mut versions = 0;
    let mut depths = Depths::default();
    while let Some((version_key, row)) = history.row() {
        let corrupt = |error: DecodeError| {
            Error::corrupt(lookup::place(Keyspace::History, version_key), error)
        };
        let (encoded, start) = key::split_version(version_key).map_err(corrupt)?;
        let end = HistoryRow::peek(start, row).map_err(corrupt)?.end;
        if end <= visible && !rule.drops_history(start, end) {
            versions += 1;
            depths.see(encoded);
        }
        history.next()?;
    }
    Ok((versions, depths))
}
