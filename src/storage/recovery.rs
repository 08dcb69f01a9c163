//! Opening: what a store knew when it was left, read back from its backend.

use super::{lookup, store::Store};
use crate::{
    Value,
    backend::{Access, Backend, Keyspace, Scope},
    codec::{commit, key, meta},
    error::{Error, Result},
    timestamp::Timestamp,
};

/// The most segments that are made of what is read back, however small they are to be: each is one more that
/// reads look into.
const MOST_RECALLED: usize = 8;

/// How far a store had come.
///
/// **Invariant:** `trimmed <= merged <= last` and `floor <= last`; between `merged` and `floor` lie no commits but
/// such as changed nothing, or as wrote their rows themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// The last commit.
    pub(super) last: Timestamp,
    /// The prune floor.
    pub(super) floor: Timestamp,
    /// Commits up to here lie in `current` and `history`.
    pub(super) merged: Timestamp,
    /// Records up to here hold no values any more.
    pub(super) trimmed: Timestamp,
}

impl Marks {
    pub(super) fn load(backend: &dyn Backend) -> Result<Self> {
        let mark = |name: &[u8]| -> Result<Timestamp> {
            let Some(value) = backend.get(Keyspace::Meta, name)? else {
                return Ok(Timestamp::ZERO);
            };
            meta::decode_timestamp(&value)
                .map_err(|error| Error::corrupt(format!("{} in meta", name.escape_ascii()), error))
        };
        let floor = mark(meta::FLOOR)?;
        let merged = mark(meta::MERGED)?;
        let last = last_commit(backend)?.max(floor).max(merged);
        Ok(Self {
            last,
            floor,
            merged,
            trimmed: mark(meta::TRIMMED)?,
        })
    }
}

/// The newest commit that has a record. Pruning drops records up to the floor, which is then the least that
/// the last commit can be: a floor is never set above it.
fn last_commit(backend: &dyn Backend) -> Result<Timestamp> {
    let mut cursor = backend.cursor(Keyspace::Commits, Scope::default(), Access::Scan)?;
    cursor.seek_to_last()?;
    let Some((row_key, _)) = cursor.row() else {
        return Ok(Timestamp::ZERO);
    };
    let (newest, _) = commit::decode_key(row_key)
        .map_err(|error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error))?;
    Ok(newest)
}

impl Store {
    /// Takes the versions of commits that were not merged back into memory, from their records.
    pub(super) fn recall(&self, marks: &Marks) -> Result<()> {
        // A merge may have been under way, whose rows lie below already.
        self.recent.begin_merge(marks.last);
        let scope = Scope {
            start: commit::encode_key(marks.merged, u32::MAX).to_vec(),
            end: None,
        };
        let mut cursor = self
            .backend
            .cursor(Keyspace::Commits, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((row_key, value)) = cursor.row() {
            let corrupt = |error| Error::corrupt(lookup::place(Keyspace::Commits, row_key), error);
            let (timestamp, part) = commit::decode_key(row_key).map_err(corrupt)?;
            let part = commit::decode_part(part, value).map_err(corrupt)?;
            // Records without values are of a time when commits wrote their rows themselves.
            if part.has_values {
                let versions = part.changes().map(|change| {
                    let value = change.value.map(Value::copy_from_slice);
                    (timestamp, key::encode(change.key), value)
                });
                self.recent.insert(versions);
                if part.last && self.recent.is_full() && self.recent.sealed() < MOST_RECALLED {
                    self.recent.seal();
                }
            }
            cursor.next()?;
        }
        Ok(())
    }
}
