//! The shell: lines in, one answer each out.

mod help;
mod lines;
mod terminal;

use std::io::IsTerminal;

use crate::{failure::Result, language, render::Format, session::Session};

/// How the shell behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shell {
    pub(crate) format: Format,
    /// Whether the first failed line ends it.
    pub(crate) strict: bool,
}

/// What a line led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The next line may come.
    Line,
    /// A failed line, which was answered, ends the shell.
    Stop,
}

impl Shell {
    /// Reads commands from standard input to its end. `false` where a failed line ended it.
    pub(crate) fn run(self, session: &mut Session) -> Result<bool> {
        let next = if std::io::stdin().is_terminal() {
            terminal::run(self, session)
        } else {
            lines::run(self, session)
        };
        // What was committed is made safe even where the output has gone; what is still open is
        // rolled back.
        let closed = session.close();
        let next = next?;
        closed?;
        Ok(next == Next::Line)
    }

    /// Answers one line.
    fn line(self, session: &mut Session, line: &[u8]) -> Result<Next> {
        let answer = match language::parse(line) {
            Ok(None) => return Ok(Next::Line),
            Ok(Some(command)) => session.execute(command),
            Err(failure) => Err(failure),
        };
        self.format.answer(&answer)?;
        Ok(if self.strict && answer.is_err() {
            Next::Stop
        } else {
            Next::Line
        })
    }
}
