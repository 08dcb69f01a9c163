//! Pruning in memory: the filter over every row, a bounded number of rows under the lock at once.

use super::MemoryBackend;
use crate::{
    backend::{Backend, Keyspace, Progress, Reclaimed, filter},
    error::Result,
    prune_rule::PruneRule,
    sync::Ordering,
};

/// Rows that are dropped under one hold of the lock.
const CHUNK_ROWS: usize = if cfg!(test) { 2 } else { 1024 };

pub(super) fn prune(
    backend: &MemoryBackend,
    rule: &PruneRule,
    progress: Progress<'_>,
) -> Result<Reclaimed> {
    let mut reclaimed = Reclaimed {
        bytes_before: size_bytes(backend)?,
        ..Reclaimed::default()
    };
    let steps = Keyspace::PRUNED.len();
    for (step, keyspace) in Keyspace::PRUNED.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "three steps")]
        progress(step as f64 / steps as f64, keyspace.name());
        let mut dropped = Vec::new();
        let mut pruned = 0;
        let rows = backend.rows(keyspace);
        if keyspace == Keyspace::History {
            reclaimed.rows_before = rows.len() as u64;
        }
        for (key, value) in &rows {
            match filter::drops(rule, keyspace, key, value) {
                Ok(true) => dropped.push(key.clone()),
                Ok(false) => reclaimed.kept.see(rule, keyspace, key, value),
                Err(_) => reclaimed.undecodable_rows += 1,
            }
        }
        for chunk in dropped.chunks(CHUNK_ROWS) {
            let mut keyspaces = backend.keyspaces.write();
            let Some(rows) = keyspaces.get_mut(keyspace.index()) else {
                continue;
            };
            for key in chunk {
                // Looked at anew: a commit may have deleted the key again since, at a time that
                // must be kept.
                let drops = |value| matches!(filter::drops(rule, keyspace, key, value), Ok(true));
                if rows.get(key.as_ref()).is_some_and(|value| drops(value)) {
                    rows.remove(key.as_ref());
                    reclaimed.count_dropped(keyspace);
                    pruned += 1;
                }
            }
        }
        if let Some(sum) = backend.pruned.get(keyspace.index()) {
            sum.fetch_add(pruned, Ordering::Relaxed);
        }
    }
    reclaimed.bytes_after = size_bytes(backend)?;
    Ok(reclaimed)
}

fn size_bytes(backend: &MemoryBackend) -> Result<u64> {
    Keyspace::PRUNED
        .into_iter()
        .map(|keyspace| backend.size_bytes(keyspace))
        .sum()
}
