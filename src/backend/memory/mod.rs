//! The memory backend: persistent ordered maps, so that a cursor is a cheap, unchanging view.
//!
//! For tests, examples and stores that need not outlive the process. It deliberately has no
//! durability: `Sync` and `Buffered` are the same here.

mod cursor;
mod prune;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use imbl::OrdMap;

use super::{Access, Backend, Cursor, Keyspace, Progress, Reclaimed, Scope, WriteBatch};
use crate::{
    config::Durability,
    error::{Error, Result},
    prune_rule::PruneRule,
    sync::{AtomicU64, Ordering, RwLock},
};

pub(super) type Rows = OrdMap<Bytes, Bytes>;

#[derive(Debug, Default)]
pub(crate) struct MemoryBackend {
    keyspaces: RwLock<[Rows; Keyspace::ALL.len()]>,
    rule: RwLock<Option<Arc<PruneRule>>>,
    /// Rows that prunes have dropped.
    pruned: [AtomicU64; Keyspace::ALL.len()],
}

impl MemoryBackend {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What it holds now, in a backend of its own.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        Self {
            keyspaces: RwLock::new(self.keyspaces.read().clone()),
            rule: RwLock::default(),
            pruned: Default::default(),
        }
    }

    /// The rows of a keyspace as they are now; sharing them costs nothing.
    fn rows(&self, keyspace: Keyspace) -> Rows {
        let keyspaces = self.keyspaces.read();
        keyspaces.get(keyspace.index()).cloned().unwrap_or_default()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        let keyspaces = self.keyspaces.read();
        Ok(keyspaces
            .get(keyspace.index())
            .and_then(|rows| rows.get(key))
            .cloned())
    }

    fn multi_get(&self, keyspace: Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let rows = self.rows(keyspace);
        Ok(keys.iter().map(|key| rows.get(*key).cloned()).collect())
    }

    fn cursor(&self, keyspace: Keyspace, scope: Scope, _: Access) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(cursor::MemoryCursor::new(
            self.rows(keyspace),
            scope,
        )))
    }

    fn write(&self, batch: WriteBatch, _: Durability) -> Result<()> {
        let mut keyspaces = self.keyspaces.write();
        for (keyspace, key, value) in batch.writes() {
            let Some(rows) = keyspaces.get_mut(keyspace.index()) else {
                continue;
            };
            match value {
                Some(value) => {
                    rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                }
                None => drop(rows.remove(key)),
            }
        }
        Ok(())
    }

    fn arm(&self, rule: Arc<PruneRule>) {
        *self.rule.write() = Some(rule);
    }

    fn prune(&self, progress: Progress<'_>) -> Result<Reclaimed> {
        let Some(rule) = self.rule.read().clone() else {
            return Ok(Reclaimed::default());
        };
        prune::prune(self, &rule, progress)
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn compact(&self, _: Keyspace, _: &Scope, _: &mut dyn FnMut(f64)) -> Result<()> {
        Ok(())
    }

    fn size_bytes(&self, keyspace: Keyspace) -> Result<u64> {
        let rows = self.rows(keyspace);
        Ok(rows
            .iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum())
    }

    fn rows_pruned(&self, keyspace: Keyspace) -> u64 {
        let pruned = self.pruned.get(keyspace.index());
        pruned.map_or(0, |pruned| pruned.load(Ordering::Relaxed))
    }

    fn property(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn create_checkpoint(&self, _: &Path) -> Result<()> {
        Err(Error::invalid(
            "a store in memory has no files to copy; use RocksDBStorage",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_every_backend_does() {
        crate::backend::conformance::check(MemoryBackend::new);
    }
}
