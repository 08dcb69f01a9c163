//! What a child tells its parent, one line each, as soon as it is so.

use anyhow::{Context, Result, bail};

/// Something that is done beside commits. At most one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Prune(u64),
    Pin {
        name: String,
        at: u64,
    },
    Unpin {
        name: String,
    },
    Rollback(u64),
    Checkpoint {
        name: String,
    },
    /// Makes a database of the newest checkpoint.
    Restore {
        name: String,
    },
    /// Removes what a checkpoint or a restore has made.
    Remove {
        name: String,
    },
    Flush,
    Compact,
}

/// What a child tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Opening,
    /// The store is open.
    Opened,
    /// An operation was committed.
    Done {
        thread: usize,
        number: u64,
        at: u64,
        is_synced: bool,
        /// The newest log file and its length, where one thread works alone.
        log: Option<(u64, u64)>,
    },
    /// An operation was refused: it took no effect.
    Refused {
        thread: usize,
        number: u64,
    },
    Begin(Action),
    /// The action that has begun has ended. With the floor, or the timestamp of the copy.
    End {
        value: u64,
        /// As for a commit.
        log: Option<(u64, u64)>,
    },
    /// Calls of the disk have failed, and it was told so.
    Trouble(String),
    /// Something went wrong that should not.
    Failed(String),
    /// So often was a failpoint reached.
    Reached {
        point: String,
        times: u64,
    },
    /// Everything was done, and the store is closed.
    Finished,
}

impl Event {
    /// An end, where nobody knows of the log.
    pub(crate) fn end(value: u64) -> Self {
        Self::End { value, log: None }
    }

    pub(crate) fn to_line(&self) -> String {
        match self {
            Self::Opening => "opening\n".to_owned(),
            Self::Opened => "opened\n".to_owned(),
            Self::Done {
                thread,
                number,
                at,
                is_synced,
                log,
            } => {
                let (log, length) = log.unwrap_or_default();
                format!(
                    "done {thread} {number} {at} {} {log} {length}\n",
                    u8::from(*is_synced)
                )
            }
            Self::Refused { thread, number } => format!("refused {thread} {number}\n"),
            Self::Begin(action) => format!("begin {}\n", action.to_words()),
            Self::End { value, log } => {
                let (log, length) = log.unwrap_or_default();
                format!("end {value} {log} {length}\n")
            }
            Self::Trouble(why) => format!("trouble {}\n", why.replace('\n', " ")),
            Self::Failed(why) => format!("failed {}\n", why.replace('\n', " ")),
            Self::Reached { point, times } => format!("reached {point} {times}\n"),
            Self::Finished => "finished\n".to_owned(),
        }
    }

    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<_> = rest.split(' ').collect();
        let number = |index: usize| -> Result<u64> {
            let word = words
                .get(index)
                .with_context(|| format!("a short line: {line}"))?;
            word.parse().with_context(|| format!("no number: {line}"))
        };
        Ok(match word {
            "opening" => Self::Opening,
            "opened" => Self::Opened,
            "done" => Self::Done {
                thread: usize::try_from(number(0)?)?,
                number: number(1)?,
                at: number(2)?,
                is_synced: number(3)? == 1,
                log: Some((number(4)?, number(5)?)).filter(|(log, _)| *log > 0),
            },
            "refused" => Self::Refused {
                thread: usize::try_from(number(0)?)?,
                number: number(1)?,
            },
            "begin" => Self::Begin(Action::parse(rest)?),
            "end" => Self::End {
                value: number(0)?,
                log: Some((number(1)?, number(2)?)).filter(|(log, _)| *log > 0),
            },
            "trouble" => Self::Trouble(rest.to_owned()),
            "failed" => Self::Failed(rest.to_owned()),
            "reached" => Self::Reached {
                point: words.first().copied().unwrap_or_default().to_owned(),
                times: number(1)?,
            },
            "finished" => Self::Finished,
            _ => bail!("an unknown line: {line}"),
        })
    }
}

impl Action {
    fn to_words(&self) -> String {
        match self {
            Self::Prune(before) => format!("prune {before}"),
            Self::Pin { name, at } => format!("pin {name} {at}"),
            Self::Unpin { name } => format!("unpin {name}"),
            Self::Rollback(target) => format!("rollback {target}"),
            Self::Checkpoint { name } => format!("checkpoint {name}"),
            Self::Restore { name } => format!("restore {name}"),
            Self::Remove { name } => format!("remove {name}"),
            Self::Flush => "flush".to_owned(),
            Self::Compact => "compact".to_owned(),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut words = text.split(' ');
        let what = words.next().unwrap_or_default();
        let mut next = || {
            words
                .next()
                .with_context(|| format!("a short line: {text}"))
        };
        Ok(match what {
            "prune" => Self::Prune(next()?.parse()?),
            "pin" => Self::Pin {
                name: next()?.to_owned(),
                at: next()?.parse()?,
            },
            "unpin" => Self::Unpin {
                name: next()?.to_owned(),
            },
            "rollback" => Self::Rollback(next()?.parse()?),
            "checkpoint" => Self::Checkpoint {
                name: next()?.to_owned(),
            },
            "restore" => Self::Restore {
                name: next()?.to_owned(),
            },
            "remove" => Self::Remove {
                name: next()?.to_owned(),
            },
            "flush" => Self::Flush,
            "compact" => Self::Compact,
            _ => bail!("an unknown action: {text}"),
        })
    }
}
