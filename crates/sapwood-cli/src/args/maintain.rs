//! The commands that make a new database of another: migrating and repairing.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sapwood::Compression;

/// What is migrated.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// A database or a checkpoint of Sapwood's, with all its versions, pins, epochs and its floor.
    Sapwood {
        /// The database, which is only read.
        #[arg(value_name = "FROM")]
        from: PathBuf,
        #[command(flatten)]
        options: NewOptions,
    },
    /// A plain RocksDB: each of its keys becomes version 1.
    Rocksdb {
        /// The database, which is only read; no program may be writing to it.
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// The column family.
        #[arg(long, value_name = "NAME", default_value = "default")]
        column_family: String,
        #[command(flatten)]
        options: NewOptions,
    },
}

/// What is made of a damaged database.
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// The new database, where nothing may be yet. What was dropped is listed in its file DROPPED.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) options: NewOptions,
}

/// How the new database is written.
#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    /// How its files are compressed: none, snappy, lz4 or zstd [default: lz4].
    #[arg(long, value_name = "HOW", value_parser = compression)]
    pub(crate) compression: Option<Compression>,
}

/// Reads a compression.
pub(super) fn compression(text: &str) -> Result<Compression, String> {
    text.parse()
        .map_err(|error: sapwood::Error| error.to_string())
}
