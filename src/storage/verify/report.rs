//! What [`Engine::verify`](crate::Engine::verify) reports: rules, violations of them, counts.

use std::fmt;

use crate::{
    backend::Keyspace, error::Error, limits::VIOLATIONS_MAX, storage::batch::display,
    timestamp::Timestamp,
};

/// What stored rows owe each other. The names in [`Rule::name`] are stable.
///
/// | name | what holds |
/// |---|---|
/// | `unreadable` | every block can be read, and has the checksum that it was written with |
/// | `row` | every row decodes: no field is missing, out of range or of a later format |
/// | `key` | every key is an encoded user key (in `history` with a start behind it), within its limit |
/// | `overlap` | the versions of a key are disjoint: each ends before or where the next one begins |
/// | `chain` | above the floor each version names the end of the version before it; below, that or nothing |
/// | `hole` | above the floor no version is missing that a later one of the key names |
/// | `deleted` | `deleted` says when a key that is gone ended; of one that is back, when it was gone last |
/// | `future` | no row names a timestamp above the visible one |
/// | `record` | above the floor the parts of each commit's record are complete, their keys in order |
/// | `unlisted` | above the floor the start and the end of each version lie in the record of that commit |
/// | `lost` | above the floor each change in a record left the version, or the end of one, that it tells of |
/// | `merge` | records hold values only until they are merged, and can be merged |
/// | `clock` | the visible timestamp is that of the newest commit that anything stored tells of |
/// | `meta` | every name in `meta` is known |
/// | `marks` | floor, marks, pins, feeds, branches and epochs agree with each other, and what is in memory is durable |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A part of a keyspace cannot be read.
    Unreadable,
    /// A row does not decode.
    Row,
    /// A key does not decode, or is too long.
    Key,
    /// Two versions of a key overlap.
    Overlap,
    /// A version names another end than the version before it has.
    Chain,
    /// A version is missing.
    Hole,
    /// `deleted` disagrees with the versions of its key.
    Deleted,
    /// A row is of a commit that was never made.
    Future,
    /// The record of a commit is not whole.
    Record,
    /// A version began or ended in no commit.
    Unlisted,
    /// A commit's change is not there.
    Lost,
    /// A record that should be merged is not.
    Merge,
    /// The newest commit is not there.
    Clock,
    /// An unknown name in `meta`.
    Meta,
    /// Floor, marks, pins, feeds, branches or epochs contradict each other.
    Marks,
}

impl Rule {
    /// The stable, lower-case name of the rule, as the command line prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Row => "row",
            Self::Key => "key",
            Self::Overlap => "overlap",
            Self::Chain => "chain",
            Self::Hole => "hole",
            Self::Deleted => "deleted",
            Self::Future => "future",
            Self::Record => "record",
            Self::Unlisted => "unlisted",
            Self::Lost => "lost",
            Self::Merge => "merge",
            Self::Clock => "clock",
            Self::Meta => "meta",
            Self::Marks => "marks",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is stored and cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule that it breaks.
    pub rule: Rule,
    /// The keyspace that it was met in.
    pub keyspace: &'static str,
    /// The user key; a row's own key where that is no user key. `None` where it is about no single key.
    pub key: Option<Vec<u8>>,
    /// The timestamps that contradict each other, or that are at stake.
    pub timestamps: Vec<Timestamp>,
    /// What is wrong, for people.
    pub message: String,
}

/// Rows of a keyspace that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowsRead {
    /// The keyspace: `current`, `history`, `deleted`, `commits` or `meta`.
    pub keyspace: &'static str,
    /// Its rows, those that do not decode included.
    pub rows: u64,
}

/// What [`Engine::verify`](crate::Engine::verify) found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The state that was looked at: the newest timestamp that could be read then.
    pub visible: Timestamp,
    /// The prune floor at that moment.
    pub floor: Timestamp,
    /// The epoch at that moment.
    pub epoch: u64,
    /// The rows that were read, by keyspace.
    pub rows: Vec<RowsRead>,
    /// What is wrong, in the order in which it was met: the first
    /// [`VIOLATIONS_MAX`](crate::limits::VIOLATIONS_MAX).
    pub violations: Vec<Violation>,
    /// How many violations there are, those included that are not listed.
    pub violations_found: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations_found == 0
    }
}

/// Collects violations: counts all, keeps the first.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) kept: Vec<Violation>,
    pub(super) found: u64,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        rule: Rule,
        keyspace: Keyspace,
        key: Option<&[u8]>,
        timestamps: &[Timestamp],
        message: impl FnOnce() -> String,
    ) {
        self.found += 1;
        if self.kept.len() >= VIOLATIONS_MAX {
            return;
        }
        let keyspace = keyspace.name();
        let named = match key {
            Some(key) => format!("{} in {keyspace}", display(key)),
            None => keyspace.to_owned(),
        };
        let message = format!("{named}: {}", message());
        self.kept.push(Violation {
            rule,
            keyspace,
            key: key.map(<[u8]>::to_vec),
            timestamps: timestamps.to_vec(),
            message,
        });
    }

    /// A part of a keyspace behind a row cannot be read.
    pub(super) fn unreadable(&mut self, keyspace: Keyspace, after: &[u8], error: &Error) {
        let behind = (!after.is_empty()).then_some(after);
        self.add(Rule::Unreadable, keyspace, behind, &[], || {
            format!("what lies behind cannot be read: {error}")
        });
    }
}
