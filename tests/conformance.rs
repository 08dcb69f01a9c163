//! The conformance suite: what every storage must do, written once and run by each.
//!
//! The tests are named after the invariants that they check, by number: `inv_07_...` is number 7 of
//! the list at the head of `tests/mutants.md`. Each is a function over a [`Place`](support::Place),
//! where a store is opened and, if it has files, opened anew; [`suite!`](support) makes of it one
//! test in memory and one on RocksDB, with files so small that a key's versions spread over many.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[macro_use]
#[path = "conformance/support.rs"]
mod support;

#[path = "conformance/grid.rs"]
mod grid;

#[path = "conformance/shadow.rs"]
mod shadow;

#[path = "conformance/bounds.rs"]
mod bounds;
#[path = "conformance/changes.rs"]
mod changes;
#[path = "conformance/commit_log.rs"]
mod commit_log;
#[path = "conformance/commits.rs"]
mod commits;
#[path = "conformance/conflicts.rs"]
mod conflicts;
#[path = "conformance/exports.rs"]
mod exports;
#[path = "conformance/feeds.rs"]
mod feeds;
#[path = "conformance/groups.rs"]
mod groups;
#[path = "conformance/history.rs"]
mod history;
#[path = "conformance/keys.rs"]
mod keys;
#[path = "conformance/lifecycle.rs"]
mod lifecycle;
#[path = "conformance/limits.rs"]
mod limits;
#[path = "conformance/misuse.rs"]
mod misuse;
#[path = "conformance/pins.rs"]
mod pins;
#[path = "conformance/prune.rs"]
mod prune;
#[path = "conformance/reads.rs"]
mod reads;
#[path = "conformance/records.rs"]
mod records;
#[path = "conformance/retention.rs"]
mod retention;
#[path = "conformance/rollback.rs"]
mod rollback;
#[path = "conformance/savepoints.rs"]
mod savepoints;
#[path = "conformance/snapshots.rs"]
mod snapshots;
#[path = "conformance/threads.rs"]
mod threads;
#[path = "conformance/transactions.rs"]
mod transactions;
#[path = "conformance/verify.rs"]
mod verify;
