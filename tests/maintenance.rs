//! What an operator does to a database on disk: compression, compaction, options, migration, repair.

#![cfg(feature = "rocksdb-storage")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "maintenance/compact.rs"]
mod compact;
#[path = "maintenance/compression.rs"]
mod compression;
#[path = "maintenance/migrate.rs"]
mod migrate;
#[path = "maintenance/repair.rs"]
mod repair;
#[path = "maintenance/support.rs"]
mod support;
