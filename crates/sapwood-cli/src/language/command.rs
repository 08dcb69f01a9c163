//! [`Command`]: what can be asked of an open database, by the shell or by the command line.

use std::{path::PathBuf, time::Duration};

use sapwood::{Batch, Compression, Isolation, KeyRange, Timestamp};

use crate::failure::{Failure, Result};

/// One command, parsed wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `set`, `delete`, `batch`: one commit.
    Commit {
        writes: Batch,
        at: Option<Timestamp>,
    },
    /// The value of a key.
    Get { key: Vec<u8>, at: Option<Timestamp> },
    /// The rows of a range.
    Scan { scan: Scan, at: Option<Timestamp> },
    /// The versions of a key.
    History(History),
    /// What differs between two states.
    Diff { old: Timestamp, new: Timestamp },
    /// Begins a transaction.
    Begin(Begin),
    /// Takes a step in an open transaction.
    Within { transaction: Vec<u8>, step: Step },
    /// Holds a state under a name.
    Pin {
        name: String,
        at: Timestamp,
        ttl: Option<Duration>,
    },
    /// Removes a pin.
    Unpin { name: String },
    /// The pins.
    Pins,
    /// Moves the prune floor.
    Prune { before: Timestamp },
    /// Makes the state what it was, for good.
    RollbackTo { target: Timestamp },
    /// Writes a copy that opens as a database.
    Checkpoint { directory: PathBuf },
    /// Looks for what cannot be right.
    Verify,
    /// Moves what is in memory to files.
    Flush,
    /// Rewrites the files of a range of keys; as it says, compressed in another way.
    Compact {
        range: KeyRange,
        compression: Option<Compression>,
    },
    /// What the database holds, counted.
    Status,
    /// The same with sizes, pins and metrics; and with what they mean.
    Stats { explain: bool },
}

/// Which rows a scan gives, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) range: KeyRange,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<usize>,
}

/// Which versions a history gives: those with `start < to` and `end > from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) key: Vec<u8>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<usize>,
}

/// Which transaction is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) name: Vec<u8>,
    pub(crate) isolation: Isolation,
    pub(crate) read_only: bool,
    pub(crate) at: Option<Timestamp>,
}

/// What is done in an open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value of a key.
    Get { key: Vec<u8> },
    /// The rows of a range.
    Scan(Scan),
    /// Sets a key.
    Set { key: Vec<u8>, value: Vec<u8> },
    /// Deletes a key.
    Delete { key: Vec<u8> },
    /// Names the point that has been reached.
    Savepoint { name: Vec<u8> },
    /// Undoes the writes behind a point.
    RollbackTo { savepoint: Vec<u8> },
    /// Ends it with a commit.
    Commit,
    /// Ends it with nothing.
    Rollback,
}

impl Command {
    /// Whether it may begin a new database. The others work on what is stored.
    pub(crate) fn creates(&self) -> bool {
        matches!(self, Self::Commit { .. })
    }

    /// Whether it changes what is stored.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Self::Commit { .. }
                | Self::Pin { .. }
                | Self::Unpin { .. }
                | Self::Prune { .. }
                | Self::RollbackTo { .. }
        )
    }
}

/// The keys from `from`, included, to `to`, excluded, that begin with `prefix`.
pub(crate) fn key_range(
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    prefix: Option<&[u8]>,
) -> KeyRange {
    let from = from.unwrap_or_default();
    let range = match to {
        Some(to) => KeyRange::new(from..to),
        None => KeyRange::new(from..),
    };
    match prefix {
        Some(prefix) => range.intersection(KeyRange::prefix(prefix)),
        None => range,
    }
}

/// A decimal number without sign.
pub(crate) fn number(text: &[u8], what: &str) -> Result<u64> {
    let digits = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            Failure::invalid(format!(
                "{what} is a whole number from 0 to {}, not {:?}",
                u64::MAX,
                super::text::escape(text)
            ))
        })
}

/// The name of a pin: text.
pub(crate) fn pin_name(name: Vec<u8>) -> Result<String> {
    String::from_utf8(name).map_err(|_| Failure::invalid("the name of a pin is UTF-8 text"))
}
