//! Copying a store, row by row, from one backend into another.
//!
//! The rows of all keyspaces are taken at one moment, as `verify` takes them: with the turn to commit, the lock of
//! floor and pins and the merge, after everything was merged, a cursor is opened over each; then everybody goes on. What
//! filters drop between the first cursor and the last lies at or below the floor that is copied. So the copy has
//! all versions, pins, epochs and the floor, and every timestamp and epoch means in it what it means in the source.
//! What it commits is a branch of its own ([`lineage`](super::lineage)).
//!
//! The layout is the same over every backend, so rows are copied as they are; a row that cannot be read fails it.

use super::store::{Store, StoreOptions};
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Progress, Scope, WriteBatch},
    config::Durability,
    error::{Error, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// The bytes at which copied rows are written together.
const BATCH_BYTES: usize = 1 << 20;

/// A store at one moment.
struct Moment {
    cursors: [Box<dyn Cursor>; Keyspace::ALL.len()],
    identity: Identity,
    size_bytes: u64,
}

/// What a copy must have in common with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) visible: Timestamp,
    pub(super) floor: Timestamp,
    pub(super) epoch: u64,
    /// Names and timestamps: when one expires is stored less exactly than it is remembered.
    pub(super) pins: Vec<(String, Timestamp)>,
}

impl Store {
    /// What a copy of the store has in common with it. Nothing may be committed, pinned or pruned meanwhile.
    pub(super) fn identity(&self) -> Identity {
        let pins = self.pins.read();
        Identity {
            visible: self.clock.visible(),
            floor: self.floor(),
            epoch: self.clock.epoch(),
            pins: pins
                .iter()
                .map(|pin| (pin.name.clone(), pin.timestamp))
                .collect(),
        }
    }

    fn moment(&self) -> Result<Moment> {
        // Most of it while others commit.
        self.merge_all()?;
        let _turn = self.commit_turn()?;
        let _retention = self.retention.lock();
        self.check_open()?;
        // After a rollback that has failed half-way the rows say nothing.
        self.clock.era()?;
        self.merge_all()?;
        // Whoever committed may be paying.
        let _merge = self.merge.lock();
        let open = |keyspace| {
            self.backend
                .cursor(keyspace, Scope::default(), Access::Sweep)
        };
        let [current, history, deleted, commits, meta] = Keyspace::ALL.map(open);
        let sizes = Keyspace::ALL.map(|keyspace| self.backend.size_bytes(keyspace).unwrap_or(0));
        Ok(Moment {
            cursors: [current?, history?, deleted?, commits?, meta?],
            identity: self.identity(),
            size_bytes: sizes.iter().sum(),
        })
    }

    /// Copies all rows into an empty backend.
    pub(super) fn copy_into(
        &self,
        target: &dyn Backend,
        progress: Progress<'_>,
    ) -> Result<Identity> {
        let Moment {
            cursors,
            identity,
            size_bytes,
        } = self.moment()?;
        let mut rows = RowWriter::new(target);
        let mut done = 0;
        for (keyspace, mut cursor) in Keyspace::ALL.into_iter().zip(cursors) {
            cursor.seek_to_first()?;
            while let Some((key, value)) = cursor.row() {
                if rows.put(keyspace, key, value)? {
                    self.check_open()?;
                    #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
                    let part = (done as f64 / size_bytes.max(1) as f64).min(1.0);
                    progress(part, keyspace.name());
                }
                done += (key.len() + value.len()) as u64;
                cursor.next()?;
            }
        }
        rows.finish()?;
        Ok(identity)
    }

    /// A store over a copy of this one's rows.
    pub(super) fn copied_to(
        &self,
        target: Box<dyn Backend>,
        options: StoreOptions,
    ) -> Result<Arc<Self>> {
        let identity = self.copy_into(target.as_ref(), &mut |_, _| {})?;
        let copy = Self::open(target, options)?;
        check_identity(&copy, &identity)?;
        copy.branch_off(identity.visible)?;
        Ok(copy)
    }
}

/// Checks that a copy is one of what it was copied from.
pub(super) fn check_identity(copy: &Store, wanted: &Identity) -> Result<()> {
    let found = copy.identity();
    if found == *wanted {
        return Ok(());
    }
    Err(Error::corrupt(
        "the copy",
        format!("it is {found:?}, and was copied from {wanted:?}"),
    ))
}

/// Writes rows into a backend, many at once.
pub(super) struct RowWriter<'b> {
    target: &'b dyn Backend,
    batch: WriteBatch,
}

impl<'b> RowWriter<'b> {
    pub(super) fn new(target: &'b dyn Backend) -> Self {
        Self {
            target,
            batch: WriteBatch::default(),
        }
    }

    /// Adds a row. Returns whether rows were written by it.
    pub(super) fn put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<bool> {
        self.batch.put(keyspace, &[key], &[value]);
        let is_full = self.batch.size_bytes() >= BATCH_BYTES;
        if is_full {
            self.write()?;
        }
        Ok(is_full)
    }

    /// Writes what is left, and moves all of it to files.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write()?;
        self.target.flush()?;
        self.target.sync()
    }

    /// Writes what is left.
    pub(super) fn write(&mut self) -> Result<()> {
        // Whoever copies sees to it that half a copy is never taken for one.
        let batch = std::mem::take(&mut self.batch);
        self.target.write(batch, Durability::Buffered)
    }
}
