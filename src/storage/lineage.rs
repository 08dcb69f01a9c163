//! [`Lineage`]: which commits of two stores are the same.
//!
//! Stores that were copied from each other hold the same timestamps and epochs, and need not hold the same commits:
//! both may have gone on. So commits belong to branches, each with a name that was drawn by chance. A new branch
//! begins above a timestamp
//! - when a copy (a checkpoint, a backup, a migrated store) is made a database: what it commits is not what the source
//!   commits;
//! - when a store is rolled back: what comes is not what was;
//! - when an export was applied: what follows is the store's own.
//!
//! **Invariant:** a branch is written by one store. Commits at or below a timestamp that belong to the same branch
//! there are the same, in whichever store they lie. So a timestamp and the name of its branch name a state, in all
//! stores and for ever.
//!
//! `meta` has a row for each branch: the timestamp above which it begins, and its name. There are none until the
//! first copy or export is made: before that there is nothing to tell apart, but for copies of the files that
//! nobody was told of. Those have no names in common, and so nothing else either.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use super::store::Store;
use crate::{
    backend::{Access, Backend, Keyspace, Scope, WriteBatch},
    codec::meta,
    config::Durability,
    error::{Error, Result},
    timestamp::Timestamp,
};

/// The name of a branch.
pub(crate) type Branch = [u8; 16];

/// What was before the first commit is the same everywhere.
pub(crate) const ROOT: Branch = [0; 16];

/// The branches of a store, by the timestamps above which they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    branches: BTreeMap<Timestamp, Branch>,
}

impl Lineage {
    /// Branches, by the timestamps above which they begin.
    pub(crate) fn new(branches: impl IntoIterator<Item = (Timestamp, Branch)>) -> Self {
        Self {
            branches: branches.into_iter().collect(),
        }
    }

    pub(crate) fn load(backend: &dyn Backend) -> Result<Self> {
        let mut lineage = Self::default();
        let scope = Scope {
            start: meta::LINEAGE_PREFIX.to_vec(),
            end: None,
        };
        let mut cursor = backend.cursor(Keyspace::Meta, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((name, value)) = cursor.row() {
            if !name.starts_with(meta::LINEAGE_PREFIX) {
                break;
            }
            let corrupt = |error| Error::corrupt(format!("{} in meta", name.escape_ascii()), error);
            let start = meta::decode_lineage_key(name).map_err(corrupt)?;
            let branch = meta::decode_lineage(value).map_err(corrupt)?;
            lineage.branches.insert(start, branch);
            cursor.next()?;
        }
        Ok(lineage)
    }

    /// The branch that the newest commit at or below a timestamp belongs to; `None` where it was forgotten.
    pub(crate) fn branch_at(&self, at: Timestamp) -> Option<Branch> {
        if at == Timestamp::ZERO {
            return Some(ROOT);
        }
        let (_, branch) = self.branches.range(..at).next_back()?;
        Some(*branch)
    }

    /// The branches that begin at or above `from` and below `until`.
    pub(crate) fn between(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Branch)> {
        if from >= until {
            return Vec::new();
        }
        let range = self.branches.range(from..until);
        range.map(|(start, branch)| (*start, *branch)).collect()
    }

    /// Puts a new branch above a timestamp in place of those that begin there or later.
    fn begin(&self, start: Timestamp, batch: &mut WriteBatch) {
        self.replace(start, &[(start, draw())], batch);
    }

    /// Puts branches in place of those that begin at or above a timestamp.
    fn replace(&self, from: Timestamp, with: &[(Timestamp, Branch)], batch: &mut WriteBatch) {
        for start in self.branches.range(from..).map(|(start, _)| *start) {
            batch.remove(Keyspace::Meta, &meta::lineage_key(start));
        }
        for (start, branch) in with {
            batch.put(Keyspace::Meta, &[&meta::lineage_key(*start)], &[branch]);
        }
    }
}

/// A name that no other branch has.
fn draw() -> Branch {
    let mut digest = Sha256::new();
    // Keyed by the system's random numbers.
    for number in 0..4_u64 {
        digest.update(RandomState::new().hash_one(number).to_be_bytes());
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    digest.update(since.unwrap_or_default().as_nanos().to_be_bytes());
    digest.update(std::process::id().to_be_bytes());
    let mut branch = ROOT;
    branch
        .iter_mut()
        .zip(digest.finalize())
        .for_each(|(byte, drawn)| *byte = drawn);
    branch
}

/// Notes in the last batch of a rollback that what comes is another branch. Branches of which nothing is left at
/// or above the floor are forgotten.
pub(super) fn rewind(
    backend: &dyn Backend,
    target: Timestamp,
    floor: Timestamp,
    batch: &mut WriteBatch,
) -> Result<()> {
    let lineage = Lineage::load(backend)?;
    if lineage.branches.is_empty() {
        return Ok(());
    }
    lineage.begin(target, batch);
    let starts: Vec<_> = lineage
        .branches
        .range(..target)
        .map(|(start, _)| *start)
        .collect();
    for (start, next) in starts.iter().zip(starts.iter().skip(1)) {
        if *next < floor {
            batch.remove(Keyspace::Meta, &meta::lineage_key(*start));
        }
    }
    Ok(())
}

/// Where branches were noted for commits that did not come to be, lets the last of them begin above the last
/// commit.
pub(super) fn settle(backend: &dyn Backend, last: Timestamp) -> Result<()> {
    let lineage = Lineage::load(backend)?;
    match lineage.branches.last_key_value() {
        Some((start, own)) if *start > last => {
            let mut batch = WriteBatch::default();
            let Some(above) = last.next() else {
                return Ok(());
            };
            lineage.replace(above, &[(last, *own)], &mut batch);
            backend.write(batch, Durability::Sync)
        }
        _ => Ok(()),
    }
}

impl Store {
    /// The branches of this store, which has at least one from now on. The caller has the retention lock.
    pub(super) fn lineage(&self) -> Result<Lineage> {
        let lineage = Lineage::load(self.backend.as_ref())?;
        if !lineage.branches.is_empty() {
            return Ok(lineage);
        }
        self.check_not_read_only()?;
        let mut batch = WriteBatch::default();
        lineage.begin(Timestamp::ZERO, &mut batch);
        self.backend.write(batch, Durability::Sync)?;
        Lineage::load(self.backend.as_ref())
    }

    /// Notes that what is committed from now on is of a branch of its own: this was a copy. To be called before
    /// anything can be committed.
    #[cfg(feature = "rocksdb-storage")]
    pub(super) fn begin_branch(&self) -> Result<()> {
        let _retention = self.retention.lock();
        let lineage = self.lineage()?;
        let mut batch = WriteBatch::default();
        lineage.begin(self.clock.visible(), &mut batch);
        self.backend.write(batch, Durability::Sync)
    }

    /// Notes that this copy has no more in common with any other store than what lies at or below a timestamp. To be
    /// called before anything can be committed. Where there are no branches there is nothing in common.
    pub(super) fn branch_off(&self, common: Timestamp) -> Result<()> {
        let _retention = self.retention.lock();
        let lineage = Lineage::load(self.backend.as_ref())?;
        if lineage.branches.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        lineage.begin(common, &mut batch);
        self.backend.write(batch, Durability::Sync)
    }

    /// Notes that the next commits, up to a timestamp, are of these branches, and what comes after of one of its
    /// own. The caller has the turn, and [`settle`]s it afterwards.
    pub(super) fn adopt(
        &self,
        lineage: &Lineage,
        branches: &[(Timestamp, Branch)],
        until: Timestamp,
    ) -> Result<()> {
        let mut with = branches.to_vec();
        with.push((until, draw()));
        let mut batch = WriteBatch::default();
        lineage.replace(self.clock.visible(), &with, &mut batch);
        // Earlier in the same log than the commits.
        self.backend.write(batch, Durability::Buffered)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::backend::memory::MemoryBackend;

    fn at(number: u64) -> Timestamp {
        Timestamp::new(number)
    }

    fn write(backend: &MemoryBackend, fill: impl FnOnce(&Lineage, &mut WriteBatch)) -> Lineage {
        let mut batch = WriteBatch::default();
        fill(&Lineage::load(backend).unwrap(), &mut batch);
        backend.write(batch, Durability::Sync).unwrap();
        Lineage::load(backend).unwrap()
    }

    #[test]
    fn a_state_is_named_by_its_timestamp_and_branch() {
        let backend = MemoryBackend::new();
        assert_eq!(
            Lineage::load(&backend).unwrap().branch_at(at(0)),
            Some(ROOT)
        );
        assert_eq!(Lineage::load(&backend).unwrap().branch_at(at(1)), None);
        let first = write(&backend, |lineage, batch| lineage.begin(at(0), batch));
        let second = write(&backend, |lineage, batch| lineage.begin(at(5), batch));
        for (number, same) in [(0, true), (1, true), (5, true), (6, false)] {
            let is_same = first.branch_at(at(number)) == second.branch_at(at(number));
            assert_eq!(is_same, same, "at {number}");
        }
        assert_eq!(second.between(at(0), at(5)).len(), 1);
        assert_eq!(second.between(at(0), at(6)).len(), 2);
        assert_eq!(second.between(at(6), at(6)), []);
    }

    #[test]
    fn a_rollback_begins_a_branch_and_forgets_what_is_below_the_floor() {
        let backend = MemoryBackend::new();
        let mut batch = WriteBatch::default();
        rewind(&backend, at(3), at(0), &mut batch).unwrap();
        assert_eq!(
            batch.size_bytes(),
            0,
            "where nothing was copied there is nothing to tell apart"
        );
        for start in [0, 3, 6, 9] {
            write(&backend, |lineage, batch| lineage.begin(at(start), batch));
        }
        let before = Lineage::load(&backend).unwrap();
        let after = write(&backend, |_, batch| {
            rewind(&backend, at(8), at(7), batch).unwrap();
        });
        let starts: Vec<_> = after.branches.keys().map(|start| start.get()).collect();
        assert_eq!(starts, [6, 8]);
        assert_eq!(after.branch_at(at(7)), before.branch_at(at(7)));
        assert_eq!(after.branch_at(at(8)), before.branch_at(at(8)));
        assert_ne!(after.branch_at(at(9)), before.branch_at(at(9)));
    }

    /// At the floor, and just above it, what can be read still has its name.
    #[test]
    fn a_rollback_keeps_the_branch_that_goes_over_the_floor() {
        for (floor, expected) in [(3, [0, 3, 6, 8]), (4, [3, 6, 8, 8]), (6, [3, 6, 8, 8])] {
            let backend = MemoryBackend::new();
            for start in [0, 3, 6, 9] {
                write(&backend, |lineage, batch| lineage.begin(at(start), batch));
            }
            let before = Lineage::load(&backend).unwrap();
            let after = write(&backend, |_, batch| {
                rewind(&backend, at(8), at(floor), batch).unwrap();
            });
            let starts: Vec<_> = after.branches.keys().map(|start| start.get()).collect();
            let mut expected = expected.to_vec();
            expected.dedup();
            assert_eq!(starts, expected, "floor {floor}");
            for number in floor..=8 {
                assert_eq!(after.branch_at(at(number)), before.branch_at(at(number)));
            }
        }
    }

    #[test]
    fn what_did_not_come_to_be_is_taken_back() {
        let backend = MemoryBackend::new();
        for start in [0, 4, 8] {
            write(&backend, |lineage, batch| lineage.begin(at(start), batch));
        }
        let before = Lineage::load(&backend).unwrap();
        settle(&backend, at(8)).unwrap();
        assert_eq!(Lineage::load(&backend).unwrap(), before);
        settle(&backend, at(6)).unwrap();
        let after = Lineage::load(&backend).unwrap();
        assert_eq!(after.branch_at(at(6)), before.branch_at(at(6)));
        assert_eq!(after.branch_at(at(7)), before.branch_at(at(9)), "its own");
        let starts: Vec<_> = after.branches.keys().map(|start| start.get()).collect();
        assert_eq!(starts, [0, 4, 6]);
    }
}
