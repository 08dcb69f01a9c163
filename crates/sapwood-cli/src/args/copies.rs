//! The commands about copies of a database: checkpoints and backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is restored.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The checkpoint, which is only read.
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
}

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupAction {
    /// Back up the database as it is now.
    Create {
        /// The directory of the backups; made where it is missing.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Print the backups, oldest first.
    List {
        /// The directory of the backups.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Read all files of a backup, or of each, and compare their checksums.
    Verify {
        /// The directory of the backups.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The backup's number [default: all].
        id: Option<u32>,
    },
    /// Remove all backups but the newest.
    Purge {
        /// The directory of the backups.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// How many are kept, at least 1.
        #[arg(long, value_name = "N")]
        keep: usize,
    },
    /// Make a database of a backup: at --db, where nothing may be yet.
    Restore {
        /// The directory of the backups.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The backup's number [default: the newest].
        id: Option<u32>,
    },
}
