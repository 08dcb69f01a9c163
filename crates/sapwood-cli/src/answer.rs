//! [`Answer`]: what a command found or did, before it is written for programs or people.

use sapwood::{
    Applied, Backup, Change, CommitRecord, Export, Feed, Key, KeyspaceSize, Pin, Position,
    PruneReport, RepairReport, RetentionStatus, RollbackReport, Status, Timestamp, Value,
    VerifyReport, Version,
};

use crate::doctor::Finding;
use crate::evm::EvmAnswer;
use crate::scrape::Reading;

/// What a command found or did.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A commit was made at this timestamp.
    Committed(Timestamp),
    /// A transaction was begun, which reads at this timestamp.
    Began(Timestamp),
    /// A transaction was committed at this timestamp; it has none where it wrote nothing.
    Ended(Option<Timestamp>),
    /// The value of a key.
    Value(Option<Value>),
    /// Rows of a state.
    Rows(Vec<(Key, Value)>),
    /// Versions of a key.
    Versions(Vec<Version>),
    /// Differences of two states.
    Changes(Vec<Change>),
    /// All pins.
    Pins(Vec<Pin>),
    /// What is kept, and for whom.
    Retention(RetentionStatus),
    /// Pruning was done.
    Pruned(PruneReport),
    /// The state was rolled back.
    RolledBack(RollbackReport),
    /// A copy of the state at this timestamp was written.
    Checkpoint(Timestamp),
    /// Everything was looked at.
    Verified(VerifyReport),
    /// A database was made of a copy.
    Restored { timestamp: Timestamp, epoch: u64 },
    /// A database was made of what could be read.
    Repaired(RepairReport),
    /// A backup was made.
    BackedUp(Backup),
    /// The backups that there are.
    Backups(Vec<Backup>),
    /// These backups are whole and right.
    BackupsVerified(Vec<Backup>),
    /// These backups were removed.
    Purged(Vec<Backup>),
    /// Commits, and the position behind them.
    Commits {
        commits: Vec<CommitRecord>,
        position: Position,
        with_old: bool,
    },
    /// All named feeds.
    Feeds(Vec<Feed>),
    /// An export was written.
    Exported(Export),
    /// An export was applied.
    Applied(Applied),
    /// The machine was looked at.
    Examined(Vec<Finding>),
    /// Done, with nothing to tell.
    Done,
    /// Counts.
    Status(Status),
    /// Counts, sizes and pins.
    Stats(Stats),
    /// Metrics of another process, and whether it is told what they mean.
    Readings {
        readings: Vec<Reading>,
        explain: bool,
    },
    /// An import ended.
    Imported(Imported),
    /// The explorer answers at this address.
    Exploring(String),
    /// Ethereum's blocks were executed, or a state of theirs was read.
    Evm(EvmAnswer),
    /// The demo ended.
    Demo(Report),
}

/// What `stats` tells.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    pub(crate) status: Status,
    pub(crate) sizes: Vec<KeyspaceSize>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) retention: RetentionStatus,
    /// The metrics.
    pub(crate) readings: Vec<Reading>,
    /// Whether their units and meanings are told.
    pub(crate) explain: bool,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Commits that were made.
    pub(crate) commits: u64,
    /// Commits that the database held already.
    pub(crate) skipped: u64,
    /// Writes in the commits that were made.
    pub(crate) writes: u64,
    /// The newest timestamp now.
    pub(crate) visible: Timestamp,
}

/// What the demo did, for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Commits that were imported.
    pub(crate) commits: u64,
    /// States that were compared with git, before and after pruning.
    pub(crate) states_checked: usize,
    /// Versions that could be read before and after pruning.
    pub(crate) versions: [u64; 2],
    /// Bytes of all keyspaces before and after pruning.
    pub(crate) size_bytes: [u64; 2],
}
