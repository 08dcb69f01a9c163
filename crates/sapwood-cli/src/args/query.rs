//! [`Query`]: the commands that the shell has too, as arguments.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use sapwood::{Batch, Compression, Timestamp};

use super::{
    maintain::compression,
    values::{Text, count, text, timestamp},
};
use crate::{
    failure::Result,
    language::command::{Command, History, Scan, key_range, pin_name},
};

/// A command on one database.
#[derive(Debug, Subcommand)]
pub(crate) enum Query {
    /// Set a key to a value, as one commit.
    Set {
        #[arg(value_parser = text())]
        key: Text,
        #[arg(value_parser = text())]
        value: Text,
        /// The commit's timestamp, above the last [default: the next].
        #[arg(long, value_name = "T", value_parser = timestamp)]
        ts: Option<Timestamp>,
    },
    /// Delete a key, as one commit.
    Delete {
        #[arg(value_parser = text())]
        key: Text,
        /// The commit's timestamp, above the last [default: the next].
        #[arg(long, value_name = "T", value_parser = timestamp)]
        ts: Option<Timestamp>,
    },
    /// Print the value of a key, now or at a timestamp.
    Get {
        #[arg(value_parser = text())]
        key: Text,
        /// Read the state at this timestamp.
        #[arg(long, value_name = "T", value_parser = timestamp)]
        ts: Option<Timestamp>,
    },
    /// Print keys and values in key order, now or at a timestamp.
    Scan {
        /// The first key.
        #[arg(value_parser = text())]
        from: Option<Text>,
        /// The key to stop before.
        #[arg(value_parser = text())]
        to: Option<Text>,
        /// Only keys that begin with this.
        #[arg(long, value_parser = text())]
        prefix: Option<Text>,
        /// Read the state at this timestamp.
        #[arg(long, value_name = "T", value_parser = timestamp)]
        ts: Option<Timestamp>,
        /// Begin with the last key.
        #[arg(long)]
        reverse: bool,
        /// At most so many rows.
        #[arg(long, value_name = "N", value_parser = count)]
        limit: Option<u64>,
    },
    /// Print the versions of a key that are kept, newest first.
    History {
        #[arg(value_parser = text())]
        key: Text,
        /// Only versions that ended after this timestamp, or live.
        #[arg(long, value_name = "T", value_parser = timestamp)]
        from: Option<Timestamp>,
        /// Only versions that began before this timestamp.
        #[arg(long, value_name = "T", value_parser = timestamp)]
        to: Option<Timestamp>,
        /// Oldest first.
        #[arg(long)]
        reverse: bool,
        /// At most so many versions.
        #[arg(long, value_name = "N", value_parser = count)]
        limit: Option<u64>,
    },
    /// Print what differs between the states at two timestamps.
    Diff {
        #[arg(value_name = "T1", value_parser = timestamp)]
        old: Timestamp,
        #[arg(value_name = "T2", value_parser = timestamp)]
        new: Timestamp,
    },
    /// Keep the state at a timestamp under a name, however far pruning goes.
    Pin {
        name: String,
        #[arg(value_name = "T", value_parser = timestamp, required_unless_present = "ts")]
        at: Option<Timestamp>,
        /// The same as T.
        #[arg(long, value_name = "T", value_parser = timestamp, conflicts_with = "at")]
        ts: Option<Timestamp>,
        /// For how long it holds [default: until unpin].
        #[arg(long, value_name = "SECONDS", value_parser = count)]
        ttl: Option<u64>,
    },
    /// Remove a pin.
    Unpin { name: String },
    /// List the pins.
    Pins,
    /// Drop the versions that ended before a timestamp, and give back their space.
    ///
    /// The state at the timestamp stays readable, and so do pinned ones.
    Prune {
        #[arg(value_name = "T", value_parser = timestamp, required_unless_present = "before")]
        at: Option<Timestamp>,
        /// The same as T.
        #[arg(long, value_name = "T", value_parser = timestamp, conflicts_with = "at")]
        before: Option<Timestamp>,
    },
    /// Make the state what it was at a timestamp, for good.
    ///
    /// What was committed after it is gone, and the next commit takes the timestamp after it.
    RollbackTo {
        #[arg(value_name = "T", value_parser = timestamp)]
        target: Timestamp,
    },
    /// Write a copy of the database, by hard links, that can be read and restored.
    Checkpoint {
        /// The copy's directory, which must not exist.
        directory: PathBuf,
    },
    /// Check everything that is stored, and list what is wrong.
    ///
    /// Reads all of it, with the checksums of all blocks. Exits with 1 where anything is wrong.
    Verify,
    /// Move what is in memory to files.
    Flush,
    /// Rewrite the files into their most compact form, all of them or those of some keys.
    Compact {
        /// The first key.
        #[arg(value_parser = text())]
        from: Option<Text>,
        /// The key to stop before.
        #[arg(value_parser = text())]
        to: Option<Text>,
        /// Only keys that begin with this.
        #[arg(long, value_parser = text())]
        prefix: Option<Text>,
        /// Compress what is written in this way: none, snappy, lz4 or zstd [default: lz4].
        #[arg(long, value_name = "HOW", value_parser = compression)]
        compression: Option<Compression>,
    },
    /// Count keys and versions; show sizes, pins and the prune floor.
    #[command(visible_alias = "status", after_help = STATS_HELP)]
    Stats {
        /// Say the unit and the meaning of each metric.
        #[arg(long)]
        explain: bool,
        /// Ask the endpoint of the process that has the database open, for the metrics alone.
        #[arg(long)]
        url: Option<String>,
    },
}

const STATS_HELP: &str = "\
Examples:
  sapwood stats --explain
  sapwood stats --url http://127.0.0.1:9464/metrics --json

Counters are of this process, so of one that only counts they are mostly 0; those of the process that has the
database open are at its endpoint.";

impl Query {
    /// The command that the arguments mean.
    pub(crate) fn into_command(self) -> Result<Command> {
        Ok(match self {
            Self::Set { key, value, ts } => {
                let mut writes = Batch::new();
                writes.set(key.0, value.0);
                Command::Commit { writes, at: ts }
            }
            Self::Delete { key, ts } => {
                let mut writes = Batch::new();
                writes.delete(key.0);
                Command::Commit { writes, at: ts }
            }
            Self::Get { key, ts } => Command::Get { key: key.0, at: ts },
            Self::Scan {
                from,
                to,
                prefix,
                ts,
                reverse,
                limit,
            } => {
                let prefix = prefix.map(|prefix| prefix.0);
                let (from, to) = (from.map(|from| from.0), to.map(|to| to.0));
                let scan = Scan {
                    range: key_range(from, to, prefix.as_deref()),
                    reverse,
                    limit: limit.map(rows),
                };
                Command::Scan { scan, at: ts }
            }
            Self::History {
                key,
                from,
                to,
                reverse,
                limit,
            } => Command::History(History {
                key: key.0,
                from,
                to,
                reverse,
                limit: limit.map(rows),
            }),
            Self::Diff { old, new } => Command::Diff { old, new },
            Self::Pin { name, at, ts, ttl } => Command::Pin {
                name: pin_name(name.into_bytes())?,
                at: at.or(ts).unwrap_or_default(),
                ttl: ttl.map(Duration::from_secs),
            },
            Self::Unpin { name } => Command::Unpin { name },
            Self::Pins => Command::Pins,
            Self::Prune { at, before } => Command::Prune {
                before: at.or(before).unwrap_or_default(),
            },
            Self::RollbackTo { target } => Command::RollbackTo { target },
            Self::Checkpoint { directory } => Command::Checkpoint { directory },
            Self::Verify => Command::Verify,
            Self::Flush => Command::Flush,
            Self::Compact {
                from,
                to,
                prefix,
                compression,
            } => {
                let prefix = prefix.map(|prefix| prefix.0);
                let (from, to) = (from.map(|from| from.0), to.map(|to| to.0));
                Command::Compact {
                    range: key_range(from, to, prefix.as_deref()),
                    compression,
                }
            }
            Self::Stats { explain, .. } => Command::Stats { explain },
        })
    }
}

fn rows(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
