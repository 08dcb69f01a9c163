//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use crate::rows;

/// Measures Sapwood against other engines.
#[derive(Debug, Parser)]
#[command(name = "sapwood-bench")]
pub(crate) struct Args {
    /// Rows to run, by id or the front of one: P1,P15.scan. Without it, all but those of TUNING.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Less data, fewer and shorter rounds: some six minutes on two cores.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the results go, and the stores while it runs.
    #[arg(long, default_value_os_t = default_out())]
    pub(crate) out: PathBuf,
    /// What a child of this program measures, which is to have a process to itself.
    #[arg(long, hide = true)]
    pub(crate) child: Option<String>,
}

impl Args {
    /// Refuses a pattern that no row answers to: a misspelt one would measure nothing and pass.
    pub(crate) fn check(&self) -> Result<()> {
        for pattern in &self.only {
            if !rows::ids().any(|id| matches(pattern, id)) {
                let known: Vec<_> = rows::ids().collect();
                bail!(
                    "no row is called {pattern:?}; there are {}",
                    known.join(", ")
                );
            }
        }
        Ok(())
    }

    /// Whether a row was asked for.
    pub(crate) fn wants(&self, id: &str) -> bool {
        if self.only.is_empty() {
            return !rows::is_tuning(id);
        }
        self.only.iter().any(|pattern| matches(pattern, id))
    }
}

/// `P1` stands for `P1.uniform`, and not for `P15.scan`.
fn matches(pattern: &str, id: &str) -> bool {
    id.strip_prefix(pattern)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `target/bench` of the workspace, from wherever this is started.
fn default_out() -> PathBuf {
    let crate_root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let workspace = crate_root.ancestors().nth(2);
    workspace
        .map_or_else(|| crate_root.clone(), PathBuf::from)
        .join("target/bench")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_compared_only_where_that_is_asked_for() {
        let args = |only: &[&str]| Args {
            only: only.iter().map(|id| (*id).to_owned()).collect(),
            quick: false,
            out: PathBuf::new(),
            child: None,
        };
        assert!(args(&[]).wants("P1.zipf") && !args(&[]).wants("TUNING.files"));
        assert!(args(&["TUNING"]).wants("TUNING.files") && args(&["TUNING"]).check().is_ok());
        assert!(args(&["TUNE"]).check().is_err());
    }

    #[test]
    fn a_pattern_ends_at_a_dot() {
        assert!(matches("P1", "P1.zipf") && matches("P15.scan", "P15.scan"));
        assert!(!matches("P1", "P15.scan") && !matches("P15.s", "P15.scan"));
    }
}
