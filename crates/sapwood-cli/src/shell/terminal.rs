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
    language::parse::NAMES,
    render::{complain, print},
    session::Session,
};

/// Lines of history that are kept.
const HISTORY_MAX: usize = 1000;

pub(super) fn run(shell: Shell, session: &Session) -> Result<Next> {
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
    session: &Session,
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

/// Completes the names of commands.
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
        let typed = line.get(..position).unwrap_or(line);
        let names = NAMES.into_iter().chain(["help", "exit"]);
        let found = names.filter(|name| name.starts_with(typed));
        Ok((0, found.map(|name| format!("{name} ")).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}
impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}
