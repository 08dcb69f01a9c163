//! What `doctor` is told of the program that the database is for.

use clap::Args;
use sapwood::RocksDBConfig;

/// The options that the machine has to be large enough for, as your program sets them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sapwood doctor --db state.sapwood
  sapwood doctor --db /srv/new.sapwood --block-cache-size 8589934592
It looks, and changes nothing; where nobody has the database open it is opened, as by any command that reads.
Exit codes: 0 all is fine, 1 a warning, 2 an error.")]
pub(crate) struct DoctorArgs {
    /// `max_open_files` of its configuration [default: 10000].
    #[arg(long, value_name = "FILES", allow_hyphen_values = true)]
    max_open_files: Option<i32>,
    /// `block_cache_size` of its configuration, in bytes [default: 536870912].
    #[arg(long, value_name = "BYTES")]
    block_cache_size: Option<usize>,
    /// `write_buffer_size` of its configuration, in bytes [default: 134217728].
    #[arg(long, value_name = "BYTES")]
    write_buffer_size: Option<usize>,
    /// `max_background_jobs` of its configuration [default: as many as cores, at least 2].
    #[arg(long, value_name = "THREADS")]
    max_background_jobs: Option<i32>,
}

impl DoctorArgs {
    /// The configuration that is meant.
    pub(crate) fn config(&self) -> RocksDBConfig {
        let given = RocksDBConfig::default();
        RocksDBConfig {
            max_open_files: self.max_open_files.unwrap_or(given.max_open_files),
            block_cache_size: self.block_cache_size.unwrap_or(given.block_cache_size),
            write_buffer_size: self.write_buffer_size.unwrap_or(given.write_buffer_size),
            max_background_jobs: self
                .max_background_jobs
                .unwrap_or(given.max_background_jobs),
            ..given
        }
    }
}
