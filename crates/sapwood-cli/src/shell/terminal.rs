//! Lines from a terminal: editing, history, completion of command names, help.

use std::path::PathBuf;

use rustyline::{
    CompletionType, Config, Context, Editor, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::{DefaultHistory, History as _},
    validate::Validator,
};

use super::{Next, Shell, help};
use crate::{
    failure::{Failure, Result},
    language::{parse::NAMES, transaction::STEPS},
    render::{complain, print},
    session::Session,
};

/// Lines of history that are kept.
const HISTORY_MAX: usize = 1000;

pub(super) fn run(shell: Shell, session: &mut Session) -> Result<Next> {
    let failed = |error: ReadlineError| Failure::new("io", format!("the terminal: {error}"));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY_MAX)
        .map_err(failed)?
        .build();
    let mut editor: Editor<Names, DefaultHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Names));
    let history = history_file();
    if let Some(file) = &history {
        // None yet, or not readable: begin without.
        let _ = editor.load_history(file);
    }
    complain("sapwood shell; type help for the commands, exit or Ctrl-D to end");
    let next = lines(shell, session, &mut editor);
    if let Some(file) = &history
        && !editor.history().is_empty()
    {
        let _ = file.parent().map(std::fs::create_dir_all);
        if let Err(error) = editor.save_history(file) {
            complain(&format!("the history of lines cannot be kept: {error}"));
        }
    }
    next
}

fn lines(
    shell: Shell,
    session: &mut Session,
    editor: &mut Editor<Names, DefaultHistory>,
) -> Result<Next> {
    loop {
        let line = match editor.readline("sapwood> ") {
            Ok(line) => line,
            Err(ReadlineError::Eof) => return Ok(Next::Line),
            Err(ReadlineError::Interrupted) => continue,
            Err(error) => return Err(Failure::new("io", format!("the terminal: {error}"))),
        };
        let _ = editor.add_history_entry(line.as_str());
        match line.trim() {
            "exit" | "quit" => return Ok(Next::Line),
            "help" => print(&help::text())?,
            _ => {
                if shell.line(session, line.as_bytes())? == Next::Stop {
                    return Ok(Next::Stop);
                }
            }
        }
    }
}

/// Where the history of lines is kept, by the XDG rules.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("sapwood/history"))
}

/// Completes the names of commands and of a transaction's commands.
#[derive(Debug)]
struct Names;

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(line.get(..position).unwrap_or(line)))
    }
}

/// Where the word begins that can be completed, and what it can become: the first word is a command;
/// behind one that is none, and so may be a transaction's name, comes a transaction's command.
fn candidates(typed: &str) -> (usize, Vec<String>) {
    let becomes = |word: &str, names: &[&str]| {
        let names = names.iter().filter(|name| name.starts_with(word));
        names.map(|name| format!("{name} ")).collect()
    };
    match typed.split_once(' ') {
        None => (0, becomes(typed, &[&NAMES[..], &["help", "exit"]].concat())),
        Some((first, word)) if !NAMES.contains(&first) => (first.len() + 1, becomes(word, &STEPS)),
        Some(_) => (typed.len(), Vec::new()),
    }
}

impl Hinter for Names {
    type Hint = String;
}
impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_completed() {
        assert_eq!(candidates("be"), (0, vec!["begin ".to_owned()]));
        assert_eq!(candidates("sc"), (0, vec!["scan ".to_owned()]));
        assert!(candidates("").1.contains(&"exit ".to_owned()));
        assert!(candidates("get s").1.is_empty());
    }

    #[test]
    fn behind_a_name_the_commands_of_a_transaction_are_completed() {
        let found = vec!["rollback-to ".to_owned(), "rollback ".to_owned()];
        assert_eq!(candidates("t1 ro"), (3, found));
        assert_eq!(candidates("t1 ").1.len(), STEPS.len());
        assert!(candidates("t1 get a").1.is_empty());
    }
}
