//! One error type for the whole crate: a [kind](ErrorKind) that programs match on, and a message
//! that says what to do.

use std::{error::Error as StdError, fmt, io};

use crate::timestamp::Timestamp;

/// The result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for programs. The names in [`ErrorKind::name`] are stable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another commit changed what this one relies on.
    Conflict {
        /// The user key that both touched.
        key: Vec<u8>,
        /// The timestamp that was read or expected.
        read: Timestamp,
        /// The timestamp of the commit that came between.
        committed: Timestamp,
    },
    /// The timestamp lies below the prune floor and no pin holds it.
    Pruned {
        /// The timestamp asked for.
        requested: Timestamp,
        /// The lowest timestamp that can be read without a pin.
        floor: Timestamp,
    },
    /// The timestamp lies above the visible timestamp.
    NotYet {
        /// The timestamp asked for.
        requested: Timestamp,
        /// The newest timestamp that can be read.
        visible: Timestamp,
    },
    /// A reader past the age limit, a transaction that can no longer be checked, or either of them at a
    /// timestamp that was rolled back. Begun anew, it may succeed.
    TooOld,
    /// History that the retention policy no longer keeps takes more than the policy's limit, and did so for as long as
    /// a writer waits. Once it is pruned, the same work may succeed.
    RetentionDebt {
        /// What it takes, about, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A key, a value or a batch over its limit (see [`limits`](crate::limits)).
    TooLarge,
    /// An argument that can never be right, or not in the store's present state.
    Invalid,
    /// A name that does not exist.
    NotFound,
    /// A write through something that only reads.
    ReadOnly,
    /// The database is open elsewhere.
    Locked,
    /// A newer format, or a database that is not ours.
    Unsupported,
    /// The store was closed.
    Closed,
    /// Stored bytes that cannot be right.
    Corrupt {
        /// Where: the keyspace and the key.
        at: String,
    },
    /// The operating system or the backend failed.
    Io,
}

impl ErrorKind {
    /// The stable, lower-case name of the kind, as the command line prints it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Pruned { .. } => "pruned",
            Self::NotYet { .. } => "not_yet",
            Self::TooOld => "too_old",
            Self::RetentionDebt { .. } => "retention_debt",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::ReadOnly => "read_only",
            Self::Locked => "locked",
            Self::Unsupported => "unsupported",
            Self::Closed => "closed",
            Self::Corrupt { .. } => "corrupt",
            Self::Io => "io",
        }
    }
}

/// The error of every fallible call: a kind, a message and, where there is one, the cause.
///
/// # Examples
/// ```
/// use sapwood::{Engine, ErrorKind, ReadView, Timestamp};
///
/// let engine = Engine::in_memory();
/// let error = engine.at(Timestamp::new(7)).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::NotYet { .. }));
/// assert!(!error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store was closed; open it again")
    }

    pub(crate) fn pruned(requested: Timestamp, floor: Timestamp) -> Self {
        Self::new(
            ErrorKind::Pruned { requested, floor },
            format!(
                "timestamp {requested} was pruned; the oldest that can be read is {floor}, \
                 or a pinned one"
            ),
        )
    }

    pub(crate) fn not_yet(requested: Timestamp, visible: Timestamp) -> Self {
        Self::new(
            ErrorKind::NotYet { requested, visible },
            format!(
                "timestamp {requested} is not there yet; the newest that can be read is {visible}"
            ),
        )
    }

    pub(crate) fn too_old(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooOld, message)
    }

    pub(crate) fn read_only(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ReadOnly, message)
    }

    pub(crate) fn opened_to_read() -> Self {
        Self::read_only(
            "the store was opened to read; restore the checkpoint to a new path, and write there",
        )
    }

    pub(crate) fn conflict(
        key: &[u8],
        read: Timestamp,
        committed: Timestamp,
        message: impl Into<String>,
    ) -> Self {
        let key = key.to_vec();
        let kind = ErrorKind::Conflict {
            key,
            read,
            committed,
        };
        Self::new(kind, message)
    }

    /// The same for another call that failed with this one. The cause stays with the first.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.0.kind.clone(), self.0.message.clone())
    }

    pub(crate) fn corrupt(at: impl Into<String>, what: impl fmt::Display) -> Self {
        let at = at.into();
        let message = format!("{at} is corrupt: {what}; restore it from a checkpoint or a backup");
        Self::new(ErrorKind::Corrupt { at }, message)
    }

    pub(crate) fn write_failed() -> Self {
        Self::new(
            ErrorKind::Io,
            "an earlier write failed and its outcome is unknown; close the store and open it again to \
             go on writing",
        )
    }

    pub(crate) fn rolled_back(what: &str, at: Timestamp, target: Timestamp) -> Self {
        Self::too_old(format!(
            "{what} {at} is of a past that is no more: the store was rolled back to {target}; begin anew"
        ))
    }

    pub(crate) fn rollback_failed() -> Self {
        Self::new(
            ErrorKind::Io,
            "a rollback failed half-way; close the store and open it again to finish it",
        )
    }

    pub(crate) fn io(message: impl Into<String>, source: io::Error) -> Self {
        Self::new(ErrorKind::Io, message).with_source(source)
    }

    /// What went wrong, for programs.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether the same work, begun anew, may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Conflict { .. } | ErrorKind::TooOld | ErrorKind::RetentionDebt { .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
