//! [`Script`]: lines of the shell, answered by a database in memory; what tests say to it, and nobody else.

use crate::{
    failure::{Failure, Result},
    language::{self, Command},
    render::Format,
    session::Session,
};

/// A database in memory that is spoken to in the shell's language.
///
/// # Examples
/// ```
/// use sapwood_cli::Script;
///
/// let mut script = Script::default();
/// script.line(b"set \"a b\" 1");
/// let answered = script.line(b"get \"a b\"").unwrap();
/// assert_eq!(answered.json, r#"{"ok":true,"value":"1"}"#);
/// assert!(script.line(b"# nothing").is_none());
/// assert_eq!(script.line(b"get").unwrap().failure.unwrap().0, "invalid");
/// ```
#[derive(Debug)]
pub struct Script {
    session: Session,
}

/// What a line led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The line that the command writes itself as, where it was one; none for what a line cannot say.
    pub command: Option<Vec<u8>>,
    /// Whether that line means the same command. `false` is a fault of the language.
    pub reads_back: bool,
    /// The answer for programs: a JSON object in one line.
    pub json: String,
    /// The answer for people.
    pub people: String,
    /// The kind and the message of a failure.
    pub failure: Option<(&'static str, String)>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            session: Session::memory(),
        }
    }
}

impl Script {
    /// Answers a line, as the shell does; nothing for a blank one or a comment.
    pub fn line(&mut self, line: &[u8]) -> Option<Answered> {
        let parsed = language::parse(line).transpose()?;
        let command = parsed.as_ref().ok().and_then(Command::line);
        let reads_back = match (&parsed, &command) {
            (Ok(parsed), Some(line)) => means(line, parsed),
            _ => true,
        };
        let answer = parsed.and_then(|command| self.session.execute(command));
        let (json, people) = (Format::Json.text(&answer), Format::People.text(&answer));
        Some(Answered {
            command,
            reads_back,
            json,
            people,
            failure: answer.err().map(|it| (it.kind, it.message)),
        })
    }

    /// Ends it, as the end of the shell does: what is open is rolled back.
    ///
    /// # Errors
    /// The kind and the message of what keeps the database from being closed.
    pub fn close(mut self) -> std::result::Result<(), (&'static str, String)> {
        let closed = self.session.close();
        closed.map_err(|Failure { kind, message, .. }| (kind, message))
    }
}

fn means(line: &[u8], command: &Command) -> bool {
    let again: Result<Option<Command>> = language::parse(line);
    again.is_ok_and(|again| again.as_ref() == Some(command))
}
