//! The versioned layout over a backend, and [`Storage`], what a runtime sees of
//! it.
//!
//! A version is stored with its end, not only its start; the current state lies apart from history.
//! That is what makes the latest read one look-up at any depth of history, and pruning a rule over
//! single rows. `DESIGN.md` has the byte maps and the proofs.
//!
//! | module | owns |
//! |---|---|
//! | [`visibility`] | the read rules, as pure functions; the [prune rule](crate::prune_rule) lies below |
//! | `lookup`, `walk` | the rules over a backend: a point, a range |
//! | `commit` | the one way in: a pipeline of commits, and the record of which came lately |
//! | `recent`, `merge` | what was committed lately, in memory, and how it becomes rows |
//! | `recovery` | what a store knew when it was left |
//! | `prune`, `pins`, `guards` | what is kept, and for whom |
//! | `feed` | the commits above a position, one after the other; what that holds |
//! | `commit_log` | when commits were made, and how much each changed |
//! | `compact` | files into their most compact form |
//! | `retention` | moving the prune floor by a policy |
//! | `rollback`, `epochs` | going back to a past state, and what that has abandoned |
//! | `export`, `lineage` | the commits of a span of time as a file; which commits of two stores are the same |
//! | `verify` | whether all that is stored keeps the invariants |
//! | `checkpoint` | copies of the files at one timestamp, and databases that are made from them |
//! | `backup` | incremental backups in a directory |
//! | `copy`, `migrate` | a store's rows into another backend; new databases of other stores |
//! | `store` | the inner that all handles share |
//! | `iter`, `history`, `diff`, `status` | what callers hold in their hands |
//!
//! **Invariants:**
//! - For each key, versions are disjoint and ordered; above the prune floor they touch, except
//!   where the key did not exist.
//! - A commit is seen wholly or not at all, at every timestamp, in every scan.
//! - Within an epoch the visible timestamp never moves back; the conflict records move with it.
//! - The durable floor and pins are never behind what a filter has used.
//!
//! Transactions are deliberately absent: they stand on top of this, and commit through it.

#[cfg(feature = "rocksdb-storage")]
mod backup;
mod batch;
#[cfg(feature = "rocksdb-storage")]
mod checkpoint;
mod clock;
pub(crate) mod commit;
mod commit_log;
mod compact;
mod copy;
mod diff;
mod epochs;
mod export;
mod feed;
mod guards;
mod habit;
mod handle;
mod history;
mod iter;
mod key_range;
mod lineage;
mod lookup;
#[cfg(all(test, loom))]
mod loom_tests;
mod merge;
#[cfg(feature = "rocksdb-storage")]
mod migrate;
mod pins;
mod prune;
mod read;
mod recent;
mod recovery;
#[cfg(feature = "rocksdb-storage")]
mod repair;
pub(crate) mod retention;
mod rollback;
mod status;
pub(crate) mod store;
mod verify;
pub mod visibility;
mod walk;

#[cfg(feature = "rocksdb-storage")]
mod rocksdb;

pub use crate::prune_rule::PruneRule;
#[cfg(feature = "rocksdb-storage")]
pub use backup::{Backup, Backups};
pub use batch::{Batch, CommitInfo, CommitOptions};
pub(crate) use batch::{check_key, check_value};
#[cfg(feature = "rocksdb-storage")]
pub use checkpoint::{Checkpoint, CheckpointPolicy, Checkpoints};
pub use commit_log::{CommitLog, CommitSummary};
pub use compact::CompactReport;
pub use diff::{Change, Diff};
pub use export::{Applied, ApplyOptions, Export};
pub use feed::{Changes, CommitRecord, Feed, FeedHold, FeedOptions, Position};
pub(crate) use guards::Guard;
pub use handle::{MemoryStorage, Storage};
pub use history::{History, Version};
pub use iter::{Iter, Key, Value};
pub use key_range::KeyRange;
pub use pins::{Pin, PinOptions};
pub use prune::PruneReport;
pub use retention::{FloorHold, RetentionPolicy, RetentionStatus};
#[cfg(feature = "rocksdb-storage")]
pub use rocksdb::RocksDBStorage;
pub use rollback::RollbackReport;
pub use status::{ConflictCounts, KeyspaceSize, LevelSize, Stats, Status};
pub use verify::{RepairReport, RowsRead, Rule, VerifyReport, Violation};
