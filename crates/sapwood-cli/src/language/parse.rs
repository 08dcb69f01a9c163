//! Words to commands: one row of the shell's table each.

use std::path::PathBuf;

use sapwood::{Batch, Timestamp};

use super::{
    arguments::{Arguments, Row},
    batch,
    command::{Command, History, Scan, key_range, number, pin_name},
    words::{self, Word},
};
use crate::failure::{Failure, Result};

/// The commands that can be given, in the order of the help.
pub(crate) const NAMES: [&str; 15] = [
    "set",
    "delete",
    "batch",
    "get",
    "scan",
    "history",
    "diff",
    "pin",
    "unpin",
    "pins",
    "prune",
    "checkpoint",
    "flush",
    "compact",
    "status",
];

/// The commands of the language that this release does not have.
const LATER: [&str; 3] = ["begin", "rollback-to", "verify"];

/// The command that a line means; `None` for a blank line or a comment.
pub(crate) fn parse(line: &[u8]) -> Result<Option<Command>> {
    let mut words = words::split(line)?.into_iter();
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let name = NAMES.into_iter().find(|name| first.is(name));
    match name.and_then(row) {
        Some(row) => command(Arguments::sort(row, words)?, &first).map(Some),
        None => Err(unknown(&first, words.next().as_ref())),
    }
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
        "pin" => ("pin NAME T [ttl=SECONDS]", &["ttl"], &[]),
        "unpin" => ("unpin NAME", &[], &[]),
        "pins" => ("pins", &[], &[]),
        "prune" => ("prune T", &[], &[]),
        "checkpoint" => ("checkpoint DIR", &[], &[]),
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

fn command(words: Arguments, name: &Word) -> Result<Command> {
    Ok(match name.name().unwrap_or_default() {
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
        "scan" => scan(words)?,
        "history" => history(words)?,
        "diff" => {
            let [old, new] = words.exactly()?;
            Command::Diff {
                old: timestamp(&old)?,
                new: timestamp(&new)?,
            }
        }
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
                "flush" => Command::Flush,
                "compact" => Command::Compact,
                _ => Command::Status,
            }
        }
    })
}

fn scan(words: Arguments) -> Result<Command> {
    let prefix = words.option("prefix").map(<[u8]>::to_vec);
    let (at, limit) = (words.timestamp("ts")?, words.limit()?);
    let reverse = words.flag("reverse");
    let [from, to] = words.data::<0, 2>()?;
    Ok(Command::Scan(Scan {
        range: key_range(from, to, prefix.as_deref()),
        at,
        reverse,
        limit,
    }))
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

fn timestamp(text: &[u8]) -> Result<Timestamp> {
    Ok(Timestamp::new(number(text, "a timestamp")?))
}

fn unknown(first: &Word, second: Option<&Word>) -> Failure {
    let text = super::text::printable(&first.bytes);
    let in_transaction = [
        "get",
        "scan",
        "set",
        "delete",
        "savepoint",
        "rollback-to",
        "commit",
        "rollback",
    ];
    if let Some(later) = LATER.iter().find(|later| first.is(later)) {
        Failure::invalid(format!("{later} is not there yet in this release"))
    } else if second.is_some_and(|word| in_transaction.iter().any(|name| word.is(name))) {
        Failure::invalid("transactions are not there yet in this release")
    } else {
        Failure::invalid(format!(
            "there is no command {text:?}; there are: {}",
            NAMES.join(", ")
        ))
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
