//! The API through a real socket, over an engine in memory and one on RocksDB.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers may fail"
)]

#[path = "api/errors.rs"]
mod errors;
#[path = "api/pages.rs"]
mod pages;
#[path = "api/reads.rs"]
mod reads;
#[path = "api/support.rs"]
mod support;
#[path = "api/writes.rs"]
mod writes;
