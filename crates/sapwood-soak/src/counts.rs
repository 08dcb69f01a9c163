//! What was done, counted over all runs.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $text:literal),* $(,)?) => {
        /// A thing that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Count {
            $($(#[$doc])* $name),*
        }

        impl Count {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its column.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text),*
                }
            }
        }
    };
}

counts! {
    /// Commits that were acknowledged, all kinds.
    Commits "commits",
    /// Those that were transactions.
    Transactions "transactions",
    /// Those that were blocks.
    Blocks "blocks",
    /// Transactions and comparisons that lost against another.
    Conflicts "conflicts",
    /// Prunes by call.
    Prunes "prunes",
    /// Changes of the retention policy.
    Policies "policies",
    /// Pins that were set.
    Pins "pins_set",
    /// Checkpoints that were made, opened, verified and compared.
    Checkpoints "checkpoints",
    /// Backups that were made and verified.
    Backups "backups",
    /// Backups that were restored, verified and compared.
    Restores "restores",
    Rollbacks "rollbacks",
    /// Compactions by call.
    Compactions "compactions",
    /// Times that the store was opened.
    Restarts "restarts",
    /// Reads that were compared, of any kind.
    Reads "reads",
    /// Rows that were compared in them.
    Rows "rows",
    /// Commits that a feed gave and that were compared.
    FeedCommits "feed_commits",
}

/// How often each thing was done.
#[derive(Debug, Default)]
pub(crate) struct Counts([AtomicU64; Count::ALL.len()]);

impl Counts {
    pub(crate) fn from_numbers(numbers: &[u64]) -> Self {
        let counts = Self::default();
        for (count, number) in counts.0.iter().zip(numbers) {
            count.store(*number, Ordering::Relaxed);
        }
        counts
    }

    pub(crate) fn add(&self, count: Count, more: u64) {
        if let Some(count) = self.0.get(count as usize) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        let counts = self.0.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    }
}
