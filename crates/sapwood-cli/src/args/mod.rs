//! The command line: what can be typed, and what it means.

mod commands;
mod copies;
mod doctor;
mod evm;
mod feeds;
mod maintain;
mod query;
mod retention;
mod values;

pub(crate) use commands::{DemoArgs, ExploreArgs, ImportSource, ShellArgs, TopArgs};
pub(crate) use copies::{BackupAction, RestoreArgs};
pub(crate) use doctor::DoctorArgs;
pub(crate) use evm::{EvmAction, EvmCallArgs, EvmRunArgs};
pub(crate) use feeds::{ApplyArgs, ChangesArgs, ExportArgs, FeedAction};
pub(crate) use maintain::{MigrateAction, NewOptions, RepairArgs};
use std::path::PathBuf;
pub(crate) use values::Place;

use clap::{Parser, Subcommand};
use clap_complete::Shell as CompletionShell;
pub(crate) use query::Query;
pub(crate) use retention::RetentionAction;

/// Versioned state: the newest state of a key-value world, and every past one that is kept.
#[derive(Debug, Parser)]
#[command(name = "sapwood", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// The database's directory [default: ./sapwood.db]; commands that write create it.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,

    /// Answer with one JSON object, as the shell does.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    #[command(flatten)]
    Query(Query),

    /// Import a history: one commit for each of its commits or blocks.
    #[command(subcommand, after_help = IMPORT_EXAMPLES)]
    Import(ImportSource),

    /// Make a database of a checkpoint: at --db, where nothing may be yet.
    Restore(RestoreArgs),
    /// Make, list, check, remove and restore incremental backups.
    #[command(subcommand, after_help = BACKUP_EXAMPLES)]
    Backup(BackupAction),
    /// Print what was committed, commit by commit.
    Changes(ChangesArgs),
    /// List the named feeds: what each was acknowledged up to, and so what it holds.
    Feeds,
    /// Make, acknowledge and drop named feeds.
    #[command(subcommand)]
    Feed(FeedAction),
    /// Write the changes of a span of time to a file, to be applied elsewhere.
    Export(ExportArgs),
    /// Make the commits of an export, where they follow on what the database holds.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(ApplyArgs),
    /// Make a database of another, or of a plain RocksDB: at --db, where nothing may be yet.
    #[command(subcommand, after_help = MIGRATE_EXAMPLES)]
    Migrate(MigrateAction),
    /// Make a database of what can be read of a damaged one, and list what cannot.
    ///
    /// Nothing is taken out of the damaged one. A checkpoint or a backup, where there is one, is better. Ends with 1
    /// where something is missing in the new one.
    Repair(RepairArgs),
    /// Look whether this machine, and the place of the database, are fit for it; say what to do.
    Doctor(DoctorArgs),
    /// Show, change and keep to what is kept of the past.
    #[command(subcommand, after_help = RETENTION_EXAMPLES)]
    Retention(RetentionAction),
    /// Read commands from standard input, and answer each.
    Shell(ShellArgs),
    /// Watch a database at work: commits, conflicts, latencies, who holds what, RocksDB.
    Top(TopArgs),

    /// Look at a database in a browser: its whole history under a slider.
    Explore(ExploreArgs),

    /// Execute Ethereum's official tests; read the state of a chain at any height.
    #[command(subcommand, after_help = EVM_EXAMPLES)]
    Evm(EvmAction),

    /// Show what the engine does, on a git history, and check it against git.
    Demo(DemoArgs),

    /// Print the completions for a shell.
    #[command(
        after_help = "Example:\n  sapwood completions bash > ~/.local/share/bash-completion/completions/sapwood"
    )]
    Completions {
        /// The shell.
        shell: CompletionShell,
    },
}

const EXAMPLES: &str = "\
Examples:
  sapwood import git .                     every commit of this checkout, one version each
  sapwood get README.md --ts 100           the value of a key as of commit 100
  sapwood scan --prefix src/ --limit 10    the newest rows that begin with src/
  sapwood history README.md                the versions of a key
  sapwood diff 100 200                     what differs between two states
  sapwood pin release 150                  keep one state ...
  sapwood prune --before 400               ... and drop the versions that ended before 400
  sapwood verify                           check all that is stored; exits with 1 if anything is wrong
  sapwood checkpoint copies/monday         a copy that can be read, and restored
  sapwood restore copies/monday --db new.db
  sapwood compact --prefix src/            rewrite the files of some keys, or of all
  sapwood repair new.db --db damaged.db    save what can be read
  sapwood doctor                           limits, disk, file system, memory: are they enough
  sapwood explore                          look at all of it in a browser
  echo 'status' | sapwood shell --db sapwood.db --json

Keys and values are text with \\n \\t \\\\ \\\" \\xNN for other bytes; put -- before one that begins
with -. Exit codes: 0 done, 1 failed, 2 wrong usage or a database that cannot be opened.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  sapwood backup create backups            only what no backup there holds is copied
  sapwood backup list backups
  sapwood backup verify backups 2          reads all of its files; without a number, all backups
  sapwood backup purge backups --keep 7
  sapwood backup restore backups 2 --db restored.db
A directory of backups should be of one database.";

const APPLY_EXAMPLES: &str = "\
Examples:
  sapwood export all.changes --from 0 --to 500
  sapwood apply all.changes --db new.db            everything up to 500, at every timestamp
  sapwood export more.changes --from 500
  sapwood apply more.changes --db new.db --up-to 600
It is applied to a database that is where the export begins: an empty one, a restored checkpoint, or what earlier
exports have made. Anything else is refused and left as it is. One that was stopped is simply applied again.";
const MIGRATE_EXAMPLES: &str = "\
Examples:
  sapwood migrate rocksdb ~/node/state --db state.db
  sapwood migrate rocksdb ~/node/state --column-family accounts --db state.db
  sapwood migrate sapwood state.db --compression zstd --db small.db
The new database comes to its place when it is whole; one that was stopped is simply run again.";
const EVM_EXAMPLES: &str = "\
Examples:
  sapwood evm run tests/BlockchainTests/ValidBlocks
  sapwood evm run mergeExample.json --serial
  sapwood evm run mergeExample.json --name Cancun --db chain.db     keeps the chain of the one test
  sapwood evm balance 0xd02d72e067e77158444ef2020ff2d325f929b363 --height 1 --db chain.db
  sapwood evm storage 0xcccccccccccccccccccccccccccccccccccccccc --db chain.db
  sapwood evm call 0xcccccccccccccccccccccccccccccccccccccccc 0x18160ddd --height 7 --db chain.db
A height is that of a block; the newest is taken where none is given. The commit of block h has timestamp h + 1.";
const RETENTION_EXAMPLES: &str = "\
Examples:
  sapwood retention set --commits 100000
  sapwood retention set --age 604800 --history-bytes 10000000000 --at-least-commits 100
  sapwood retention set --keep-all
  sapwood retention apply                  where no program that has the database open does it
  sapwood retention show";

const IMPORT_EXAMPLES: &str = "\
Examples:
  sapwood import git ~/src/linux --db linux.db
  sapwood import changes tokio.changes.xz
  sapwood import ethereum-state mainnet/

An import into a database that is not empty goes on behind its newest timestamp, if what the database
holds is what the import would have brought up to there; else it is refused. So an import that was
stopped is simply run again.";

#[cfg(test)]
mod documents_tests;
