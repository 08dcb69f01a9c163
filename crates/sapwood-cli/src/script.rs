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

#[cfg(test)]
mod tests {
    use super::*;

    /// What people are told for a line, which is none of the blank ones.
    fn told(script: &mut Script, line: &str) -> String {
        let answered = script.line(line.as_bytes()).unwrap();
        assert!(answered.reads_back, "{line}");
        assert_eq!(
            answered.failure.is_some(),
            answered.json.starts_with(r#"{"ok":false"#),
            "{line}"
        );
        answered.people
    }

    /// Each line, and words of what people are told, in their order.
    #[test]
    fn people_are_told_what_each_command_did() {
        let mut script = Script::default();
        for (line, words) in [
            ("set a 1", &["committed at 1"][..]),
            (
                "batch ts=4 set b 2 ; set \"c d\" \\xff",
                &["committed at 4"],
            ),
            ("get a", &["1"]),
            ("get \"c d\"", &["\\xff"]),
            ("get z", &["(no value)"]),
            ("delete a", &["committed at 5"]),
            ("scan", &["key", "value", "b", "2", "c d", "2 rows"]),
            ("scan x y", &["no rows"]),
            ("history a", &["from", "until", "1", "5", "1", "1 version"]),
            ("history b", &["4", "now", "2", "1 version"]),
            (
                "diff 1 5",
                &["key", "old", "new", "a", "1", "b", "2", "3 changes"],
            ),
            ("pins", &["no pins"]),
            ("pin p 4", &["p", "4", "never", "1 pin"]),
            ("pin q 4 ttl=86400", &["q", "4", "20", "2 pins"]),
            ("unpin q", &["1 pin"]),
            ("begin t", &["begun", "state at 5"]),
            ("t set e 5", &["done"]),
            ("t commit", &["committed at 6"]),
            ("begin u read-only", &["state at 6"]),
            ("u commit", &["committed; nothing was written"]),
            ("prune 6", &["6"]),
            ("verify", &["rows"]),
            ("flush", &["done"]),
            ("compact", &["done"]),
            ("status", &["visible", "6"]),
            ("unpin p", &["no pins"]),
            ("set f 6", &["committed at 7"]),
            ("rollback-to 6", &["that of 6 again", "epoch 1"]),
            ("get a ts=3", &["error:", "pruned", "oldest", "(pruned)"]),
            ("checkpoint x", &["error:", "in memory", "(invalid)"]),
            ("nonsense", &["error:", "there is no command", "(invalid)"]),
        ] {
            let text = told(&mut script, line);
            let mut rest = text.as_str();
            for word in words {
                let found = rest.find(word);
                let found = found.unwrap_or_else(|| panic!("{line}: no {word:?} in {text}"));
                rest = &rest[found + word.len()..];
            }
        }
        script.close().unwrap();
    }

    #[test]
    fn what_says_nothing_is_not_answered() {
        let mut script = Script::default();
        for line in ["", "   ", "# set a 1"] {
            assert_eq!(script.line(line.as_bytes()), None, "{line:?}");
        }
    }
}
