//! The commands that stand behind the name of a transaction.

use super::{
    arguments::{Arguments, Row},
    command::Step,
    words::Word,
};
use crate::failure::{Failure, Result};

/// The commands of a transaction, in the order of the help.
pub(crate) const STEPS: [&str; 8] = [
    "get",
    "scan",
    "set",
    "delete",
    "savepoint",
    "rollback-to",
    "commit",
    "rollback",
];

/// The command of a transaction that a word names.
pub(super) fn step_name(word: &Word) -> Option<&'static str> {
    STEPS.into_iter().find(|name| word.is(name))
}

/// What a command of a transaction takes. None takes `ts=`: a transaction reads at one timestamp.
fn row(name: &str) -> Row {
    let (usage, options, flags): (_, &[_], &[_]) = match name {
        "get" => ("NAME get K", &[], &[]),
        "scan" => (
            "NAME scan [FROM [TO]] [prefix=P] [reverse] [limit=N]",
            &["prefix", "limit"],
            &["reverse"],
        ),
        "set" => ("NAME set K V", &[], &[]),
        "delete" => ("NAME delete K", &[], &[]),
        "savepoint" => ("NAME savepoint S", &[], &[]),
        "rollback-to" => ("NAME rollback-to S", &[], &[]),
        "commit" => ("NAME commit", &[], &[]),
        _ => ("NAME rollback", &[], &[]),
    };
    Row {
        usage,
        options,
        flags,
    }
}

/// How a command of a transaction is written, for the help.
pub(crate) fn usage(name: &str) -> &'static str {
    row(name).usage
}

/// The step that a command of a transaction and the words behind it mean.
pub(super) fn step(name: &str, words: impl IntoIterator<Item = Word>) -> Result<Step> {
    let words = Arguments::sort(row(name), words)?;
    Ok(match name {
        "get" => {
            let [key] = words.exactly()?;
            Step::Get { key }
        }
        "scan" => Step::Scan(words.scan()?),
        "set" => {
            let [key, value] = words.exactly()?;
            Step::Set { key, value }
        }
        "delete" => {
            let [key] = words.exactly()?;
            Step::Delete { key }
        }
        "savepoint" => {
            let [name] = words.exactly()?;
            if name.is_empty() {
                return Err(Failure::invalid("the name of a savepoint is not empty"));
            }
            Step::Savepoint { name }
        }
        "rollback-to" => {
            let [savepoint] = words.exactly()?;
            Step::RollbackTo { savepoint }
        }
        name => {
            let [] = words.exactly()?;
            match name {
                "commit" => Step::Commit,
                _ => Step::Rollback,
            }
        }
    })
}
