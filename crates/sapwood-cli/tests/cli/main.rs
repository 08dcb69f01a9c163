//! The `sapwood` command from outside: as a user, a script and another program meet it.

#![allow(
    clippy::format_collect,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers may fail, and need not be fast"
)]

mod bad_input;
mod copies;
mod demo;
mod doctor;
mod evm;
mod explore;
mod feeds;
mod import_changes;
mod import_ethereum;
mod import_git;
mod maintain;
mod metrics;
mod one_shot;
mod output;
mod repository;
mod retention;
mod sessions;
mod support;
mod transactions;
