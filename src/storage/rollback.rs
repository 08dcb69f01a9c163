//! Rolling back: the state is again what it was at a timestamp, and what came after it never was.
//!
//! [`Store::rollback_to`] goes back to T in this order, with the turn to commit and the lock of pins and floor:
//!
//! 1. refuse what cannot be: above the visible timestamp, below the floor, with a pin above T;
//! 2. merge everything: all versions are rows of `current`, `history` and `deleted` then;
//! 3. go through all that will be done without writing any of it: a record or a version that is lost or cannot
//!    be read is found before anything is changed;
//! 4. stop the reads; note the beginning in `meta`, synced: from here on it will be finished, crash or not;
//! 5. take the records of commits above T away and, with or before each, what their keys became after T, in
//!    bounded batches;
//! 6. write the marks and the end, synced;
//! 7. in memory: no commit above T has begun to be merged, was recorded for transactions, or is visible; guards
//!    above T are marked; reads go on, in a new epoch.
//!
//! **A key that changed after T**, from its rows:
//!
//! ```text
//! history    rows with start > T                go
//!            the row with start <= T < end      becomes current again, its own previous_end with it
//! where there is none                           current goes; where the oldest version above T says that one
//!                                               before it ended (at or below T): deleted = that
//! otherwise  deleted above T                    goes
//! ```
//!
//! `deleted` must not stay above T: the next versions of the key are given timestamps at or below it again, and
//! the merge would pass them over as merged already.
//!
//! **Crashes.** A batch takes a part's record away only with or after what its keys became. So what is left of the
//! records names all keys that are left, and a key that was taken back already has nothing above T: it is passed
//! over, or comes out the same. Of a key with many versions above T the newest may go first, in batches before; the
//! oldest, which tells when the version before it ended, goes with what the key becomes. [`finish`] does the rest
//! when the store is opened, before anything else is believed; until the last batch the marks and the newest
//! record may say anything. After a write that failed nothing is read, committed or pruned, and no pin is granted,
//! until then: the floor must not pass T.
//!
//! **Reads.** Rows move against the direction in which readers look, so no read may meet a rollback half-way:
//! each looks at the era before and after ([`Clock`](super::clock::Clock)), is made again where it has changed,
//! and waits while rows change. Iterators walk the rest of their range anew. A snapshot at or below T sees the
//! same before and after, since no row of a version that begins by T changes what a timestamp by T sees of
//! it. One above T is marked before reads go on, and is refused. The visible timestamp moves after the last
//! batch and before reads go on; so nobody sees the one without the other.
//!
//! **Filters** run meanwhile. One that has taken floor F and pins earlier drops a row of `history` that ended at
//! or below F, a `deleted` row at or below F, a record at or below F. T is at or above F (floors never go down).
//! (a) Rows that are taken away lie above T, so none of them is dropped, or had been: the rows with `start > T`,
//! and the row with `T < end`, whose end is above F. (b) `current` has no filter: what comes back there stays. (c)
//! `deleted = previous_end` may lie at or below F and be dropped at once, rightly: it says what the row said that was
//! dropped before, and the rule lets it go only where no legal read asks below it. (d) Rows of the next epoch
//! begin above T, so a rule from before the rollback keeps them as it keeps every row above its floor. (e) A filter
//! that meets the old row of a version key that was removed, or written again since, in an older file, does
//! nothing to the newer one: RocksDB looks that up first.

use std::time::SystemTime;

use bytes::Bytes;

use super::{
    clock::EPOCH_MAX,
    commit::CommitState,
    epochs::{self, Epochs, Rollback},
    lineage, lookup,
    store::Store,
};
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Scope, WriteBatch},
    codec::{
        commit, deleted,
        key::{self, KeyBuffer},
        meta,
    },
    config::Durability,
    error::{Error, Result},
    failpoint::{Point, reach},
    metrics::Timed,
    timestamp::Timestamp,
    trace,
};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

/// Keys whose rows are looked up at once.
const KEYS_AT_ONCE: usize = if cfg!(test) { 2 } else { 256 };
/// A batch is closed once it holds this many bytes; one row more may be as long as the longest value.
const BATCH_BYTES: usize = if cfg!(test) { 1 } else { 1 << 20 };

/// What [`Engine::rollback_to`](crate::Engine::rollback_to) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RollbackReport {
    /// The newest timestamp that can be read now.
    pub visible: Timestamp,
    /// The epoch now: how often the store was rolled back.
    pub epoch: u64,
}

impl Store {
    /// Makes the state what it was at `target`.
    pub(crate) fn rollback_to(&self, target: Timestamp) -> Result<RollbackReport> {
        let _timing = self.meter.time(Timed::Rollback);
        let span = trace::rollback(target).entered();
        let report = self.rollback_in_turn(target)?;
        span.record("epoch", report.epoch);
        Ok(report)
    }

    fn rollback_in_turn(&self, target: Timestamp) -> Result<RollbackReport> {
        let turn = self.commit_turn()?;
        let _retention = self.retention.lock();
        self.check_open()?;
        self.check_writable(&turn.state())?;
        self.expire_pins(SystemTime::now())?;
        self.check_target(target)?;
        if target < self.clock.visible() {
            self.merge_all()?;
            reach(Point::RollbackMerged);
            let rolled_back = self.roll_back(&mut turn.state(), target);
            // Feeds above the target are told, also where it failed half-way.
            self.wake.wake();
            rolled_back?;
        }
        Ok(RollbackReport {
            visible: target,
            epoch: self.clock.epoch(),
        })
    }

    fn check_target(&self, target: Timestamp) -> Result<()> {
        let (floor, visible) = (self.floor(), self.clock.visible());
        if target > visible {
            return Err(Error::not_yet(target, visible));
        }
        if target < floor {
            return Err(Error::pruned(target, floor));
        }
        let pins = self.pins.read();
        if let Some(pin) = pins.iter().find(|pin| pin.timestamp > target) {
            return Err(Error::invalid(format!(
                "the pin {:?} holds {}, above {target}; unpin it first",
                pin.name, pin.timestamp
            )));
        }
        Ok(())
    }

    /// Goes back, once everything is merged. The caller has the turn and the retention lock.
    fn roll_back(&self, state: &mut CommitState, target: Timestamp) -> Result<()> {
        let mut merge = self.merge.lock();
        let backend = self.backend.as_ref();
        let epochs = self.epochs.read().clone();
        check_last(backend, &epochs, self.clock.visible())?;
        take_back(backend, target, Records::Whole, &mut |_| Ok(()))?;
        reach(Point::RollbackTried);

        let next = self.clock.epoch().checked_add(1);
        let epoch = next.filter(|epoch| *epoch <= EPOCH_MAX);
        let epoch =
            epoch.ok_or_else(|| Error::corrupt("the last epoch in meta", "none follows"))?;
        let rollback = Rollback { epoch, target };
        // Until it is known to have succeeded: whether it has begun is not known either after a failure.
        state.failed = true;
        let rolling_back = self.clock.begin_rollback();
        let mut batch = WriteBatch::default();
        epochs::put_begun(&mut batch, rollback);
        backend.write(batch, Durability::Sync)?;
        reach(Point::RollbackBegun);
        let epochs = complete(backend, &epochs, rollback, self.floor())?;
        merge.rewind(target);
        self.recent.rewind(target);
        self.keeping.rewind(target);
        self.conflicts.rewind(target, &self.clock);
        self.guards.let_go_above(target);
        *self.epochs.write() = epochs;
        state.last = target;
        state.failed = false;
        rolling_back.end();
        reach(Point::RollbackPublished);
        Ok(())
    }
}

/// Finishes the rollback that has begun and not ended, if there is one. Returns the epochs.
pub(super) fn finish(backend: &dyn Backend) -> Result<Epochs> {
    match Epochs::load(backend)? {
        (epochs, None) => Ok(epochs),
        (epochs, Some(rollback)) => complete(backend, &epochs, rollback, Timestamp::ZERO),
    }
}

/// The records of commits are there: the last commit has one, unless a rollback or a prune took it away.
fn check_last(backend: &dyn Backend, epochs: &Epochs, visible: Timestamp) -> Result<()> {
    let first_part = commit::encode_key(visible, 0);
    if epochs.last_target() == Some(visible)
        || backend.get(Keyspace::Commits, &first_part)?.is_some()
    {
        return Ok(());
    }
    Err(Error::corrupt(
        format!("the commit {visible} in commits"),
        "it is missing, so what it changed cannot be taken back",
    ))
}

/// Takes everything above the target back, and notes the end.
fn complete(
    backend: &dyn Backend,
    epochs: &Epochs,
    rollback: Rollback,
    floor: Timestamp,
) -> Result<Epochs> {
    let target = rollback.target;
    take_back(backend, target, Records::Rest, &mut |batch| {
        reach(Point::RollbackBatch);
        backend.write(batch, Durability::Buffered)
    })?;
    reach(Point::RollbackTaken);
    let mut batch = WriteBatch::default();
    let mark = meta::encode_timestamp(target);
    batch.put(Keyspace::Meta, &[meta::MERGED], &[&mark]);
    // Records that were trimmed above the target are no more.
    let trimmed = backend.get(Keyspace::Meta, meta::TRIMMED)?;
    if trimmed.is_some_and(|trimmed| meta::decode_timestamp(&trimmed).is_ok_and(|at| at > target)) {
        batch.put(Keyspace::Meta, &[meta::TRIMMED], &[&mark]);
    }
    let epochs = epochs.after(rollback, floor, &mut batch);
    lineage::rewind(backend, target, floor, &mut batch)?;
    backend.write(batch, Durability::Sync)?;
    reach(Point::RollbackEnded);
    Ok(epochs)
}

/// What must be there of the records above the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Records {
    /// Every part of each.
    Whole,
    /// Those that an earlier attempt has left.
    Rest,
}

/// Takes everything above the target back but for the marks, in batches that are given to `write`.
fn take_back(
    backend: &dyn Backend,
    target: Timestamp,
    records: Records,
    write: &mut dyn FnMut(WriteBatch) -> Result<()>,
) -> Result<()> {
    let above = Scope {
        start: commit::encode_key(target, u32::MAX).to_vec(),
        end: None,
    };
    let mut rows = backend.cursor(Keyspace::Commits, above, Access::Scan)?;
    rows.seek_to_first()?;
    let mut keys = Keys {
        backend,
        target,
        // One view for all: what is written meanwhile does not concern keys that were not met yet, and of one
        // that is met again the same comes out.
        history: backend.cursor(Keyspace::History, Scope::default(), Access::Scan)?,
        batch: WriteBatch::default(),
        write,
    };
    let mut expected: Option<(Timestamp, u32)> = None;
    while let Some((row_key, value)) = rows.row() {
        let corrupt = |what: &str| Error::corrupt(lookup::place(Keyspace::Commits, row_key), what);
        let (timestamp, number) = commit::decode_key(row_key).map_err(|e| corrupt(e.0))?;
        if records == Records::Whole && expected.unwrap_or((timestamp, 0)) != (timestamp, number) {
            return Err(corrupt("a part of a commit is missing before it"));
        }
        let part = commit::decode_part(number, value).map_err(|e| corrupt(e.0))?;
        // No part has the number above the largest.
        expected = (!part.last).then_some((timestamp, number.saturating_add(1)));
        let changed = part.changes().map(|change| key::encode(change.key));
        let changed: Vec<_> = changed.collect();
        for changed in changed.chunks(KEYS_AT_ONCE) {
            keys.take_back(changed)?;
        }
        keys.batch.remove(Keyspace::Commits, row_key);
        rows.next()?;
    }
    if records == Records::Whole
        && let Some((timestamp, part)) = expected
    {
        return Err(Error::corrupt(
            format!("the commit {timestamp} in commits"),
            format!("its part {part} is missing"),
        ));
    }
    keys.flush()
}

/// The keys that changed above the target, one after the other.
struct Keys<'a> {
    backend: &'a dyn Backend,
    target: Timestamp,
    history: Box<dyn Cursor>,
    batch: WriteBatch,
    write: &'a mut dyn FnMut(WriteBatch) -> Result<()>,
}

impl Keys<'_> {
    /// Takes some keys back, which are in order.
    fn take_back(&mut self, encoded: &[KeyBuffer]) -> Result<()> {
        let keys: Vec<_> = encoded.iter().map(KeyBuffer::as_slice).collect();
        let current = self.backend.multi_get(Keyspace::Current, &keys)?;
        let deleted = self.backend.multi_get(Keyspace::Deleted, &keys)?;
        let rows = current.into_iter().zip(deleted);
        for (encoded, (current, deleted)) in keys.into_iter().zip(rows) {
            self.take_back_key(encoded, current.as_ref(), deleted.as_ref())?;
            if self.batch.size_bytes() >= BATCH_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn take_back_key(
        &mut self,
        encoded: &[u8],
        current: Option<&Bytes>,
        deleted: Option<&Bytes>,
    ) -> Result<()> {
        let target = self.target;
        let current = current.map(|row| lookup::peek_current(encoded, row));
        let deleted = deleted.map(|row| lookup::decode_deleted(encoded, row));
        let (current, deleted) = (current.transpose()?, deleted.transpose()?);
        if current.as_ref().is_some_and(|row| row.start <= target) {
            // It was taken back before.
            return Ok(());
        }
        let deleted_above = deleted.filter(|deleted| *deleted > target);
        // When the version before the oldest one above the target ended.
        let mut previous_end = current.as_ref().map(|row| row.previous_end);
        self.history.seek(encoded)?;
        while let Some((version_key, row)) = self.history.row() {
            let corrupt =
                |error| Error::corrupt(lookup::place(Keyspace::History, version_key), error);
            let (key, start) = key::split_version(version_key).map_err(corrupt)?;
            if key != encoded {
                break;
            }
            let version = lookup::peek_history(encoded, start, row)?;
            if start > target {
                // The oldest of them, which knows of the version before, goes in one batch with what follows.
                if self.batch.size_bytes() >= BATCH_BYTES {
                    (self.write)(std::mem::take(&mut self.batch))?;
                }
                previous_end = Some(version.previous_end);
                self.batch.remove(Keyspace::History, version_key);
                self.history.next()?;
                continue;
            }
            if version.end > target {
                // In current its start stands where its end stood.
                let tail = row.get(8..).unwrap_or_default();
                let start = start.get().to_be_bytes();
                self.batch
                    .put(Keyspace::Current, &[encoded], &[&start, tail]);
                self.batch.remove(Keyspace::History, version_key);
                if deleted_above.is_some() {
                    self.batch.remove(Keyspace::Deleted, encoded);
                }
                return Ok(());
            }
            break;
        }
        // A version ended above the target: it is not there.
        let ended = previous_end.or(deleted_above);
        if let Some(ended) = ended.filter(|ended| *ended > target) {
            return Err(lookup::hole(encoded, target, ended));
        }
        if current.is_some() {
            self.batch.remove(Keyspace::Current, encoded);
        }
        match previous_end {
            Some(ended) if ended > Timestamp::ZERO => {
                let row = deleted::encode(ended);
                self.batch.put(Keyspace::Deleted, &[encoded], &[&row]);
            }
            _ if deleted_above.is_some() => self.batch.remove(Keyspace::Deleted, encoded),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch.size_bytes() == 0 {
            return Ok(());
        }
        (self.write)(std::mem::take(&mut self.batch))
    }
}
