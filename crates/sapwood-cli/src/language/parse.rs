//! Words to commands: one row of the shell's table each.

use std::path::PathBuf;

use sapwood::{Batch, Isolation, KeyRange, Timestamp};

use super::{
    arguments::{Arguments, Row},
    batch,
    command::{Begin, Command, History, number, pin_name},
    text, transaction,
    words::{self, Word},
};
use crate::failure::{Failure, Result};

/// The commands that can be given, in the order of the help.
pub(crate) const NAMES: [&str; 18] = [
    "set",
    "delete",
    "batch",
    "get",
    "scan",
    "history",
    "diff",
    "begin",
    "pin",
    "unpin",
    "pins",
    "prune",
    "rollback-to",
    "checkpoint",
    "verify",
    "flush",
    "compact",
    "status",
];

/// The command that a line means; `None` for a blank line or a comment.
///
/// A plainly written first word that names a command is that command. Any other is the name of a
/// transaction, where a transaction's command is the second word; whether it is open, only who
/// executes the line can know.
pub(crate) fn parse(line: &[u8]) -> Result<Option<Command>> {
    let mut words = words::split(line)?.into_iter();
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let name = NAMES.into_iter().find(|name| first.is(name));
    if let Some((name, row)) = name.and_then(|name| Some((name, row(name)?))) {
        return command(name, Arguments::sort(row, words)?).map(Some);
    }
    match words.next().as_ref().and_then(transaction::step_name) {
        Some(step) => Ok(Some(Command::Within {
            transaction: first.into_data()?,
            step: transaction::step(step, words)?,
        })),
        None => Err(unknown(&first)),
    }
}

/// Whether a word is a command's, so that nothing else may have it as its name.
fn is_taken(name: &[u8]) -> bool {
    NAMES.iter().any(|command| command.as_bytes() == name)
}

/// What a command takes.
fn row(name: &str) -> Option<Row> {
    let (usage, options, flags): (_, &[_], &[_]) = match name {
        "set" => ("set K V [ts=T]", &["ts"], &[]),
        "delete" => ("delete K [ts=T]", &["ts"], &[]),
        "batch" => ("batch [ts=T] set K V ; delete K ; ...", &["ts"], &[]),
        "get" => ("get K [ts=T]", &["ts"], &[]),
        "scan" => (
            "scan [FROM [TO]] [prefix=P] [ts=T] [reverse] [limit=N]",
            &["prefix", "ts", "limit"],
            &["reverse"],
        ),
        "history" => (
            "history K [from=T] [to=T] [reverse] [limit=N]",
            &["from", "to", "limit"],
            &["reverse"],
        ),
        "diff" => ("diff T1 T2", &[], &[]),
        "begin" => (
            "begin NAME [snapshot or serializable] [read-only] [ts=T]",
            &["ts"],
            &["snapshot", "serializable", "read-only"],
        ),
        "pin" => ("pin NAME T [ttl=SECONDS]", &["ttl"], &[]),
        "unpin" => ("unpin NAME", &[], &[]),
        "pins" => ("pins", &[], &[]),
        "prune" => ("prune T", &[], &[]),
        "rollback-to" => ("rollback-to T", &[], &[]),
        "checkpoint" => ("checkpoint DIR", &[], &[]),
        "verify" => ("verify", &[], &[]),
        "flush" => ("flush", &[], &[]),
        "compact" => ("compact", &[], &[]),
        "status" => ("status", &[], &[]),
        _ => return None,
    };
    Some(Row {
        usage,
        options,
        flags,
    })
}

/// How a command is written, for the help.
pub(crate) fn usage(name: &str) -> &'static str {
    row(name).map_or("", |row| row.usage)
}

fn command(name: &str, words: Arguments) -> Result<Command> {
    Ok(match name {
        "set" => {
            let at = words.timestamp("ts")?;
            let [key, value] = words.exactly()?;
            let mut writes = Batch::new();
            writes.set(key, value);
            Command::Commit { writes, at }
        }
        "delete" => {
            let at = words.timestamp("ts")?;
            let [key] = words.exactly()?;
            let mut writes = Batch::new();
            writes.delete(key);
            Command::Commit { writes, at }
        }
        "batch" => Command::Commit {
            at: words.timestamp("ts")?,
            writes: batch::writes(words.into_words())?,
        },
        "get" => {
            let at = words.timestamp("ts")?;
            let [key] = words.exactly()?;
            Command::Get { key, at }
        }
        "scan" => Command::Scan {
            at: words.timestamp("ts")?,
            scan: words.scan()?,
        },
        "history" => history(words)?,
        "diff" => {
            let [old, new] = words.exactly()?;
            Command::Diff {
                old: timestamp(&old)?,
                new: timestamp(&new)?,
            }
        }
        "begin" => begin(words)?,
        "pin" => {
            let ttl = words.seconds("ttl")?;
            let [name, at] = words.exactly()?;
            Command::Pin {
                name: pin_name(name)?,
                at: timestamp(&at)?,
                ttl,
            }
        }
        "unpin" => {
            let [name] = words.exactly()?;
            Command::Unpin {
                name: pin_name(name)?,
            }
        }
        "prune" => {
            let [before] = words.exactly()?;
            Command::Prune {
                before: timestamp(&before)?,
            }
        }
        "rollback-to" => {
            let [target] = words.exactly()?;
            Command::RollbackTo {
                target: timestamp(&target)?,
            }
        }
        "checkpoint" => {
            let [directory] = words.exactly()?;
            let directory = String::from_utf8(directory)
                .map_err(|_| Failure::invalid("the directory's path is UTF-8 text"))?;
            Command::Checkpoint {
                directory: PathBuf::from(directory),
            }
        }
        name => {
            let [] = words.exactly()?;
            match name {
                "pins" => Command::Pins,
                "verify" => Command::Verify,
                "flush" => Command::Flush,
                "compact" => Command::Compact {
                    range: KeyRange::all(),
                    compression: None,
                },
                _ => Command::Status,
            }
        }
    })
}

fn history(words: Arguments) -> Result<Command> {
    let (from, to) = (words.timestamp("from")?, words.timestamp("to")?);
    let (reverse, limit) = (words.flag("reverse"), words.limit()?);
    let [key] = words.exactly()?;
    Ok(Command::History(History {
        key,
        from,
        to,
        reverse,
        limit,
    }))
}

fn begin(words: Arguments) -> Result<Command> {
    let at = words.timestamp("ts")?;
    let read_only = words.flag("read-only");
    let isolation = match (words.flag("snapshot"), words.flag("serializable")) {
        (true, true) => {
            return Err(Failure::invalid(
                "a transaction is either snapshot or serializable",
            ));
        }
        (true, false) => Isolation::Snapshot,
        (false, _) => Isolation::Serializable,
    };
    let [name] = words.exactly()?;
    if name.is_empty() || is_taken(&name) {
        return Err(Failure::invalid(format!(
            "{:?} cannot be the name of a transaction: it is {}",
            text::printable(&name),
            if name.is_empty() {
                "empty"
            } else {
                "a command"
            },
        )));
    }
    Ok(Command::Begin(Begin {
        name,
        isolation,
        read_only,
        at,
    }))
}

fn timestamp(text: &[u8]) -> Result<Timestamp> {
    Ok(Timestamp::new(number(text, "a timestamp")?))
}

fn unknown(first: &Word) -> Failure {
    Failure::invalid(format!(
        "there is no command {:?}; there are: {}; and behind the name of a transaction: {}",
        text::printable(&first.bytes),
        NAMES.join(", "),
        transaction::STEPS.join(", "),
    ))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
