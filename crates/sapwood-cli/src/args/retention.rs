//! The commands about what is kept.

use std::time::Duration;

use clap::{Args, Subcommand};
use sapwood::RetentionPolicy;

use super::values::count;

/// What is done about retention.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionAction {
    /// Print the policy, how much is kept for nobody, and what holds it.
    Show,
    /// Replace the policy. Nothing is pruned before apply, or before a program has the database open.
    Set(PolicyArgs),
    /// Prune what the policy no longer keeps, now.
    Apply,
}

/// All that a policy can say.
const LIMITS: [&str; 6] = [
    "commits",
    "age",
    "history_bytes",
    "at_least_commits",
    "debt_limit_bytes",
    "debt_wait_ms",
];

/// A policy. What is not given is no limit.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct PolicyArgs {
    /// Keep everything; the floor moves by prune only.
    #[arg(long, conflicts_with_all = LIMITS)]
    keep_all: bool,
    /// Keep at most the last so many commits.
    #[arg(long, value_name = "N", value_parser = count)]
    commits: Option<u64>,
    /// Keep at most the last so many seconds, by the times of commits.
    #[arg(long, value_name = "SECONDS", value_parser = count)]
    age: Option<u64>,
    /// Keep at most so many bytes of history.
    #[arg(long, value_name = "BYTES", value_parser = count)]
    history_bytes: Option<u64>,
    /// Keep the last so many commits whatever the limits say.
    #[arg(long, value_name = "N", value_parser = count)]
    at_least_commits: Option<u64>,
    /// Let writers wait while more bytes than this are kept for nobody.
    #[arg(long, value_name = "BYTES", value_parser = count)]
    debt_limit_bytes: Option<u64>,
    /// For how long they wait before they are refused [default: 10000].
    #[arg(long, value_name = "MS", value_parser = count, requires = "debt_limit_bytes")]
    debt_wait_ms: Option<u64>,
}

impl PolicyArgs {
    /// The policy that the arguments mean.
    pub(crate) fn into_policy(self) -> RetentionPolicy {
        let mut policy = RetentionPolicy::keep_all();
        policy.commits = self.commits;
        policy.age = self.age.map(Duration::from_secs);
        policy.history_bytes = self.history_bytes;
        policy.at_least_commits = self.at_least_commits;
        policy.debt_limit_bytes = self.debt_limit_bytes;
        policy.debt_wait = self.debt_wait_ms.map(Duration::from_millis);
        policy
    }
}
