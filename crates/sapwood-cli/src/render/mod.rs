//! Answers as text: one JSON object for programs, tables and sentences for people.

pub(crate) mod clock;
mod doctor;
mod evm;
mod json;
mod metrics;
mod people;
mod retention;
pub(crate) mod table;

use std::io::{IsTerminal, Write};

use crate::{
    answer::Answer,
    failure::{Failure, Result},
};

/// Who reads the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Programs: each answer is one line, one JSON object.
    Json,
    /// People.
    People,
}

impl Format {
    /// The format that `--json` asks for.
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::People }
    }

    /// An answer as text.
    pub(crate) fn text(self, answer: &Result<Answer>) -> String {
        match self {
            Self::Json => json::answer(answer).to_string(),
            Self::People => match answer {
                Ok(answer) => people::answer(answer),
                Err(failure) => people::failure(failure),
            },
        }
    }

    /// Writes an answer to standard output, at once.
    pub(crate) fn answer(self, answer: &Result<Answer>) -> Result<()> {
        print(&self.text(answer))
    }

    /// Tells of a failure that ends the process: for programs on standard output, for people on
    /// standard error.
    pub(crate) fn end(self, failure: &Failure) {
        match self {
            Self::Json => {
                // Where this cannot be written either, the exit code says it.
                let _ = print(&json::failure(failure).to_string());
            }
            Self::People => complain(&people::failure(failure)),
        }
    }
}

/// Writes a line, or some, to standard output, at once.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}

/// Writes a line to standard error; where that fails, nobody listens.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether people watch standard output.
pub(crate) fn is_watched() -> bool {
    std::io::stdout().is_terminal()
}
