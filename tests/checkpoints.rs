//! Checkpoints, backups and what is made from them, through the public calls, on disk.

#![cfg(feature = "rocksdb-storage")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "checkpoints/backups.rs"]
mod backups;
#[path = "checkpoints/bad_input.rs"]
mod bad_input;
#[path = "checkpoints/beside.rs"]
mod beside;
#[path = "checkpoints/branches.rs"]
mod branches;
#[path = "checkpoints/consistent.rs"]
mod consistent;
#[path = "checkpoints/policy.rs"]
mod policy;
#[path = "checkpoints/reading.rs"]
mod reading;
#[path = "checkpoints/restoring.rs"]
mod restoring;
#[path = "checkpoints/retention.rs"]
mod retention;
#[path = "checkpoints/support.rs"]
mod support;
