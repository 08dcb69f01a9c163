//! [`Failure`]: why a command could not do its work, and what the process ends with.

use std::io;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The reader of our output has gone: nothing is left to say.
    Quiet = 0,
    /// The command failed.
    Failed = 1,
    /// Wrong usage, or a database that cannot be opened.
    Unusable = 2,
}

/// A failed command: a kind for programs, as `ErrorKind::name` gives it, and a message that says
/// what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) exit: Exit,
}

/// The result of everything that can fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of this kind.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            exit: Exit::Failed,
        }
    }

    /// Input that can never be right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid", message)
    }

    /// A file or program that the operating system refuses.
    pub(crate) fn io(what: impl std::fmt::Display, error: &io::Error) -> Self {
        Self::new("io", format!("{what}: {error}"))
    }

    /// A write to standard output that failed; a closed pipe ends the process quietly.
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn output(error: io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::Quiet,
            _ => Exit::Failed,
        };
        Self {
            exit,
            ..Self::io("the output cannot be written", &error)
        }
    }

    /// The same, where it keeps the database or the command line from being used at all.
    pub(crate) fn unusable(self) -> Self {
        Self {
            exit: Exit::Unusable,
            ..self
        }
    }

    /// The same, with words around its message.
    pub(crate) fn explain(self, explain: impl FnOnce(&str) -> String) -> Self {
        Self {
            message: explain(&self.message),
            ..self
        }
    }
}

impl From<sapwood::Error> for Failure {
    fn from(error: sapwood::Error) -> Self {
        Self::new(error.kind().name(), error.to_string())
    }
}
