//! [`Epochs`]: what was rolled back when.
//!
//! A rollback to T ends an epoch: what was seen above T is no more, and timestamps above T are given again. So
//! whatever outlives a call and names a timestamp (the position in a feed, an export, a backup) names its epoch
//! too, and is asked for here.
//!
//! A position at `t` of epoch `e` is of an abandoned past if a rollback to below `t` began a later epoch. Only the
//! lowest of those matters; so a rollback supersedes the earlier ones that went no lower, and targets rise
//! from each epoch that is kept to the next. Those below the prune floor are kept as one: nobody asks for what
//! lies there, but at pins, where it may say "abandoned" of more than was.

use std::collections::BTreeMap;

use crate::{
    backend::{Access, Backend, Keyspace, Scope, WriteBatch},
    codec::meta,
    error::{Error, Result},
    storage::clock::EPOCH_MAX,
    timestamp::Timestamp,
};

/// A rollback: what it went back to, and the epoch that it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rollback {
    pub(super) epoch: u64,
    pub(super) target: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// The rollbacks that matter, by the epochs that they began. Their targets rise.
    ended: BTreeMap<u64, Timestamp>,
}

impl Epochs {
    /// Reads all rollbacks from `meta`, and the one that has begun and not ended, if there is one.
    pub(super) fn load(backend: &dyn Backend) -> Result<(Self, Option<Rollback>)> {
        let (mut epochs, mut begun) = (Self::default(), None);
        let scope = Scope {
            start: meta::ROLLBACK_PREFIX.to_vec(),
            end: None,
        };
        let mut cursor = backend.cursor(Keyspace::Meta, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((name, value)) = cursor.row() {
            if !name.starts_with(meta::ROLLBACK_PREFIX) {
                break;
            }
            let corrupt = |error| Error::corrupt(format!("{} in meta", name.escape_ascii()), error);
            let epoch = meta::decode_rollback_key(name).map_err(corrupt)?;
            if epoch > EPOCH_MAX {
                let at = format!("{} in meta", name.escape_ascii());
                return Err(Error::corrupt(at, "no epoch is as late"));
            }
            let (target, has_ended) = meta::decode_rollback(value).map_err(corrupt)?;
            if has_ended {
                epochs.ended.insert(epoch, target);
            } else {
                begun = Some(Rollback { epoch, target });
            }
            cursor.next()?;
        }
        Ok((epochs, begun))
    }

    /// The present epoch: 0 until the first rollback.
    pub(crate) fn current(&self) -> u64 {
        self.ended.last_key_value().map_or(0, |(epoch, _)| *epoch)
    }

    /// The target of the last rollback.
    pub(super) fn last_target(&self) -> Option<Timestamp> {
        self.ended.last_key_value().map(|(_, target)| *target)
    }

    /// What a later rollback went back to, where a position is of a past that it abandoned.
    pub(crate) fn rolled_back_to(&self, at: Timestamp, epoch: u64) -> Option<Timestamp> {
        let later = epoch.checked_add(1)?;
        let (_, lowest) = self.ended.range(later..).next()?;
        (*lowest < at).then_some(*lowest)
    }

    /// The epochs after another rollback, and what notes that it has ended.
    pub(super) fn after(
        &self,
        rollback: Rollback,
        floor: Timestamp,
        batch: &mut WriteBatch,
    ) -> Self {
        let mut ended = self.ended.clone();
        ended.retain(|_, target| *target < rollback.target);
        let below: Vec<_> = ended
            .iter()
            .filter(|(_, target)| **target < floor)
            .map(|(epoch, target)| (*epoch, *target))
            .collect();
        if let (Some((_, lowest)), Some((last, _))) = (below.first(), below.last()) {
            ended.retain(|epoch, _| epoch >= last);
            ended.insert(*last, *lowest);
        }
        ended.insert(rollback.epoch, rollback.target);
        for epoch in self.ended.keys() {
            if !ended.contains_key(epoch) {
                batch.remove(Keyspace::Meta, &meta::rollback_key(*epoch));
            }
        }
        for (epoch, target) in &ended {
            if self.ended.get(epoch) != Some(target) {
                put(batch, *epoch, *target, true);
            }
        }
        Self { ended }
    }
}

/// Notes that a rollback begins: from here on it will be finished, crash or not.
pub(super) fn put_begun(batch: &mut WriteBatch, rollback: Rollback) {
    put(batch, rollback.epoch, rollback.target, false);
}

fn put(batch: &mut WriteBatch, epoch: u64, target: Timestamp, has_ended: bool) {
    let value = meta::encode_rollback(target, has_ended);
    batch.put(Keyspace::Meta, &[&meta::rollback_key(epoch)], &[&value]);
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{backend::memory::MemoryBackend, config::Durability};
    use proptest::prelude::*;

    proptest! {
        /// What is kept says of every position that can be read what all rollbacks together say, after being
        /// read back too.
        #[test]
        fn a_position_is_abandoned_by_any_later_rollback_below_it(
            targets in proptest::collection::vec((0..30u64, 0..4u64), 0..12),
        ) {
            let backend = MemoryBackend::new();
            let (mut epochs, mut all, mut floor) = (Epochs::default(), Vec::new(), 0);
            for (epoch, (target, step)) in (1..).zip(targets) {
                let target = target.max(floor);
                let rollback = Rollback { epoch, target: Timestamp::new(target) };
                let mut batch = WriteBatch::default();
                put_begun(&mut batch, rollback);
                backend.write(batch, Durability::Sync).unwrap();
                prop_assert_eq!(Epochs::load(&backend).unwrap(), (epochs.clone(), Some(rollback)));
                let mut batch = WriteBatch::default();
                epochs = epochs.after(rollback, Timestamp::new(floor), &mut batch);
                backend.write(batch, Durability::Sync).unwrap();
                prop_assert_eq!(Epochs::load(&backend).unwrap(), (epochs.clone(), None));
                prop_assert_eq!(epochs.current(), epoch);
                prop_assert_eq!(epochs.last_target(), Some(rollback.target));
                all.push((epoch, target));
                for (at, then) in (floor..32).flat_map(|at| (0..=epoch).map(move |then| (at, then))) {
                    let lower = all.iter().any(|(later, target)| *later > then && *target < at);
                    let found = epochs.rolled_back_to(Timestamp::new(at), then);
                    prop_assert_eq!(found.is_some(), lower, "{} of epoch {}", at, then);
                }
                floor = (floor + step).min(target);
            }
        }
    }
}
