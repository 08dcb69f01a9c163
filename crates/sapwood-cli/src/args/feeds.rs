//! The commands about what was committed: feeds, exports.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sapwood::Timestamp;

use super::values::{Place, count, place, timestamp};

/// Which commits are printed.
#[derive(Debug, Args)]
#[command(after_help = CHANGES_EXAMPLES)]
pub(crate) struct ChangesArgs {
    /// Those after this timestamp, or after a position as it is printed [default: 0].
    #[arg(long, value_name = "T[@EPOCH]", value_parser = place, conflicts_with = "feed")]
    pub(crate) from: Option<Place>,
    /// Those after what this feed was acknowledged up to.
    #[arg(long, value_name = "NAME")]
    pub(crate) feed: Option<String>,
    /// Acknowledge what was printed, once it was.
    #[arg(long, requires = "feed")]
    pub(crate) ack: bool,
    /// Print the old values too.
    #[arg(long)]
    pub(crate) old: bool,
    /// At most so many commits.
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) limit: Option<u64>,
}

const CHANGES_EXAMPLES: &str = "\
Examples:
  sapwood changes --from 100 --limit 10
  sapwood feed create index --max-lag 100000
  sapwood changes --feed index --limit 1000 --ack --json
The answer ends with the position to go on from. While this command has the database open no other process can
commit, so there is nothing to wait for: a program that follows commits as they come uses Engine::changes.";

/// What is done with named feeds.
#[derive(Debug, Subcommand)]
pub(crate) enum FeedAction {
    /// Make a feed: from here on pruning keeps what it has not acknowledged.
    Create {
        name: String,
        /// Its position: a timestamp, or a position as it is printed [default: the newest].
        #[arg(long, value_name = "T[@EPOCH]", value_parser = place)]
        from: Option<Place>,
        /// How many timestamps it may be behind before a prune lets it go [default: any number].
        #[arg(long, value_name = "N", value_parser = count)]
        max_lag: Option<u64>,
        /// For how long it may leave a commit unacknowledged before a prune lets it go [default: for ever].
        #[arg(long, value_name = "SECONDS", value_parser = count)]
        max_age: Option<u64>,
    },
    /// Note that everything up to a position was dealt with.
    Ack {
        name: String,
        /// A timestamp, or a position as it is printed.
        #[arg(value_name = "T[@EPOCH]", value_parser = place)]
        position: Place,
    },
    /// Remove a feed, and what it holds.
    Drop { name: String },
}

/// What is exported.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The new file.
    pub(crate) file: PathBuf,
    /// The changes after this timestamp.
    #[arg(long, value_name = "T1", value_parser = timestamp)]
    pub(crate) from: Timestamp,
    /// The changes up to this timestamp [default: the newest].
    #[arg(long, value_name = "T2", value_parser = timestamp)]
    pub(crate) to: Option<Timestamp>,
}

/// What is applied.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The export, which is only read.
    pub(crate) file: PathBuf,
    /// Apply nothing after this timestamp [default: all of it].
    #[arg(long, value_name = "T", value_parser = timestamp)]
    pub(crate) up_to: Option<Timestamp>,
}
