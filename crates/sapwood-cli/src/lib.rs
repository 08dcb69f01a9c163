//! The `sapwood` command as a library: [`main`] is the command, [`Script`] the shell's language over a database in
//! memory, for tests.
//!
//! | module | owns |
//! |---|---|
//! | `args` | what can be typed on the command line |
//! | `language` | the shell's lines: words, escapes, commands; pure |
//! | `feeds` | what was committed: feeds, exports |
//! | `copies`, `maintain` | restoring and backups; migrating and repairing |
//! | `retention` | what is kept |
//! | `doctor` | whether the machine is fit |
//! | `evm` | Ethereum's tests, and the state of a chain at a height |
//! | `explore` | the explorer over a database |
//! | `session`, `transactions` | an open database, and the transactions that are open on it |
//! | `endpoint`, `scrape` | metrics: for Prometheus, and read from a running process |
//! | `execute` | the one implementation of each command |
//! | `render`, `progress` | answers for programs and people, progress on standard error |
//! | `shell`, `script`, `import`, `demo`, `top` | what is built on these |
//!
//! **Invariants:** standard output is written in `render` only, and a failed write ends the
//! process, quietly where the reader has gone. A command that reads creates nothing.

mod answer;
mod args;
mod copies;
mod demo;
mod doctor;
mod endpoint;
mod evm;
mod execute;
mod explore;
mod failure;
mod feeds;
mod import;
mod language;
mod maintain;
mod progress;
mod render;
mod retention;
mod scrape;
mod script;
mod session;
mod shell;
mod top;
mod transactions;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use answer::{Answer, Imported};
use args::{Action, Cli, ImportSource, Query, ShellArgs};
use clap::{CommandFactory, Parser};
use endpoint::Endpoint;
use evm::EvmAnswer;
use failure::{Exit, Failure, Result};
use render::Format;
use sapwood::Checkpoint;
use scrape::Scrape;
pub use script::{Answered, Script};
use session::{Session, path_or_default};
use shell::Shell;

/// The command: does what its arguments say. Returns what the process ends with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help goes to standard output; where nobody reads it, nothing is lost.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let format = Format::new(cli.json);
    match run(cli, format) {
        Ok(code) => code,
        Err(failure) => {
            if failure.exit != Exit::Quiet {
                format.end(&failure);
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli, format: Format) -> Result<ExitCode> {
    match cli.command {
        Action::Query(Query::Stats {
            url: Some(url),
            explain,
        }) => {
            if cli.db.is_some() {
                return Err(Failure::invalid("--db and --url exclude each other").unusable());
            }
            let readings = Scrape::fetch(&url)?.readings;
            format.answer(&Ok(Answer::Readings { readings, explain }))?;
        }
        Action::Query(query) => return ask(query, cli.db, format),
        Action::Top(args) => top::run(&args, cli.db.as_deref())?,
        Action::Import(source) => {
            let imported = run_import(&source, &path_or_default(cli.db))?;
            format.answer(&Ok(Answer::Imported(imported)))?;
        }
        Action::Restore(restore) => {
            let answer = copies::restore(&restore.from, cli.db)?;
            format.answer(&Ok(answer))?;
        }
        Action::Backup(action) => {
            let answer = copies::backup(action, cli.db)?;
            format.answer(&Ok(answer))?;
        }
        Action::Changes(args) => feeds::changes(&args, cli.db, format)?,
        Action::Feeds => format.answer(&Ok(feeds::list(cli.db)?))?,
        Action::Feed(action) => format.answer(&Ok(feeds::feed(action, cli.db)?))?,
        Action::Export(args) => format.answer(&Ok(feeds::export(&args, cli.db)?))?,
        Action::Apply(args) => format.answer(&Ok(feeds::apply(&args, cli.db)?))?,
        Action::Migrate(action) => {
            let answer = maintain::migrate(&action, cli.db)?;
            format.answer(&Ok(answer))?;
        }
        Action::Retention(action) => {
            let answer = retention::run(&action, cli.db)?;
            format.answer(&Ok(answer))?;
        }
        Action::Doctor(args) => {
            let findings = doctor::run(&args.config(), cli.db);
            let level = doctor::worst(&findings);
            format.answer(&Ok(Answer::Examined(findings)))?;
            return Ok(ExitCode::from(level as u8));
        }
        Action::Repair(args) => {
            let answer = maintain::repair(&args, cli.db)?;
            let is_whole = matches!(&answer, Answer::Repaired(report) if report.left.is_clean());
            format.answer(&Ok(answer))?;
            if !is_whole {
                return Ok(ExitCode::from(Exit::Failed as u8));
            }
        }
        Action::Shell(args) => return start_shell(&args, cli.db, format),
        Action::Demo(args) => demo::run(&args, cli.db, format)?,
        Action::Explore(args) => explore::run(&args, cli.db, format)?,
        Action::Evm(action) => {
            let answer = evm::run(action, cli.db)?;
            let has_failed =
                matches!(&answer, EvmAnswer::Ran(summary) if !summary.failed.is_empty());
            format.answer(&Ok(Answer::Evm(answer)))?;
            if has_failed {
                return Ok(ExitCode::from(Exit::Failed as u8));
            }
        }
        Action::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sapwood", &mut script);
            render::print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run_import(source: &ImportSource, db: &Path) -> Result<Imported> {
    let mut session = None;
    let imported = import::run(source, &mut || {
        let opened = Session::create(db)?;
        Ok(session.insert(opened).engine.clone())
    });
    // What was committed is kept, however the import ended.
    let closed = session.map_or(Ok(()), |mut session| session.close());
    let imported = imported?;
    closed.and(Ok(imported))
}

/// One command on one database.
fn ask(query: Query, db: Option<PathBuf>, format: Format) -> Result<ExitCode> {
    let command = query.into_command()?;
    let path = path_or_default(db);
    let mut session = if command.creates() {
        Session::create(&path)?
    } else if !command.writes() && Checkpoint::read(&path).is_ok() {
        // So that it stays one.
        Session::checkpoint(&path)?
    } else {
        Session::existing(&path)?
    };
    let writes = command.writes();
    let answer = session.execute(command)?;
    if writes {
        session.close()?;
    }
    if matches!((&answer, format), (Answer::Value(None), Format::People)) {
        // Nothing on standard output, so that a script cannot take it for a value.
        render::complain("(no value)");
        return Ok(ExitCode::SUCCESS);
    }
    let is_wrong = matches!(&answer, Answer::Verified(report) if !report.is_clean());
    format.answer(&Ok(answer))?;
    Ok(if is_wrong {
        ExitCode::from(Exit::Failed as u8)
    } else {
        ExitCode::SUCCESS
    })
}

fn start_shell(args: &ShellArgs, db: Option<PathBuf>, format: Format) -> Result<ExitCode> {
    if args.memory && db.is_some() {
        return Err(Failure::invalid("--db and --memory exclude each other").unusable());
    }
    let store = db.as_deref().unwrap_or(Path::new("memory"));
    let store = store.display().to_string();
    let mut session = match db {
        Some(path) if Checkpoint::read(&path).is_ok() => Session::checkpoint(&path)?,
        Some(path) if args.metrics.is_some() => Session::create_measured(&path)?,
        Some(path) => Session::create(&path)?,
        None => Session::memory(),
    };
    let endpoint = args.metrics;
    let endpoint = endpoint.map(|address| Endpoint::start(address, &session.engine, &store));
    let endpoint = endpoint.transpose()?;
    if let Some(endpoint) = &endpoint {
        render::complain(&format!("metrics at http://{}/metrics", endpoint.address));
    }
    let shell = Shell {
        format,
        strict: args.strict,
    };
    Ok(if shell.run(&mut session)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Failed as u8)
    })
}
