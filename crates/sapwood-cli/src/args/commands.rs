//! The commands that only the command line has: shell, import, explore, demo.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use sapwood_explorer::ExplorerOptions;

/// How the shell is started.
#[derive(Debug, Args)]
#[command(after_help = SHELL_HELP)]
pub(crate) struct ShellArgs {
    /// A database in memory; so is the default without --db.
    #[arg(long)]
    pub(crate) memory: bool,
    /// End with exit code 1 at the first line that fails.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Meanwhile serve the metrics for Prometheus, at the path /metrics of this address; port 0 finds a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
}

/// What is watched.
#[derive(Debug, Args)]
#[command(after_help = "\
A database is open in one process at a time, so it is watched through that process: one that serves its metrics, as
`sapwood shell --metrics 127.0.0.1:9464` does, and the example metrics_http.")]
pub(crate) struct TopArgs {
    /// The endpoint of the process that has the database open.
    #[arg(long, default_value = "http://127.0.0.1:9464/metrics")]
    pub(crate) url: String,
    /// Which of its stores [default: the first].
    #[arg(long)]
    pub(crate) store: Option<String>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) interval: u64,
    /// Print one look, of so many seconds, and end.
    #[arg(long)]
    pub(crate) once: bool,
}

const SHELL_HELP: &str = "\
Examples:
  sapwood shell                                  try the engine, in memory
  sapwood shell --db sapwood.db --json < script  drive it from another program
  sapwood shell --db sapwood.db --metrics 127.0.0.1:9464

  set alice 100
  batch set alice 70 ; set bob 30
  get alice ts=1
  scan prefix=\"\" reverse limit=10
  history alice
  begin t1 snapshot
  t1 set alice 60
  t1 commit

Each line is answered by one answer; in a terminal, help lists the commands.";

/// Where a history comes from.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportSource {
    /// The first-parent history of a git repository. Timestamp = ordinal from 1, key = path, value =
    /// the object's id.
    Git {
        /// The repository: a checkout or a bare one.
        repository: PathBuf,
        /// The commit whose history it is.
        #[arg(long, default_value = "HEAD")]
        rev: String,
    },
    /// A history as lines, compressed by xz or not: `C ordinal commit unix_time`, then `P path id`
    /// and `D path`, tabs between the fields of the last two.
    Changes {
        /// The file.
        file: PathBuf,
    },
    /// States of Ethereum accounts: `DIR/HEIGHT/pre_state.json`. Timestamp = height, keys
    /// account/0xADDRESS and slot/0xADDRESS/0xSLOT (64 digits); a slot of 0x0 is deleted.
    EthereumState {
        /// The directory of the heights.
        directory: PathBuf,
    },
}

/// What the demo works on.
#[derive(Debug, Args)]
#[command(after_help = "\
The demo imports the history into a new database, shows one file's versions and two states side by
side, checks random past states against git ls-tree, and prunes half of the history with one state
pinned. It exits with 1 where anything differs from what git says.")]
pub(crate) struct DemoArgs {
    /// The repository; without one, or where its history is short, one of 1,000 commits is made
    /// [default: the checkout that this runs in].
    #[arg(long, value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
    /// Which states are checked.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// How a database is looked at.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sapwood explore --db history.sapwood              then open the address that it prints
  sapwood explore --listen 127.0.0.1:0              at any free port
  sapwood explore --allow-writes                    set, delete, pin, unpin and prune from the page

Ctrl-C ends it. A checkpoint can be looked at, too. A database that another process has open is shown as it is when
this begins; to follow it, let that process serve the explorer (the crate sapwood-explorer).
There is no password: listen elsewhere than on loopback only where everybody may read who can connect.")]
pub(crate) struct ExploreArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = ExplorerOptions::default().listen)]
    pub(crate) listen: SocketAddr,
    /// Let the page set, delete, pin, unpin and prune.
    #[arg(long)]
    pub(crate) allow_writes: bool,
}
