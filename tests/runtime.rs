//! The runtime end to end: blocks, restarts, every past height, pruning by policy, rollbacks and other blocks at the
//! same heights, over both storages and in every mode, against a reference that is a map for each height.
//!
//! `SEEDS` says how many random lives each storage and mode go through, `SEED` runs just one; a failure names
//! its seed. What a life does depends on its seed only, so all of them must come to the same blocks.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "runtime/ledger.rs"]
mod ledger;

#[path = "runtime/reference.rs"]
mod reference;

#[path = "runtime/place.rs"]
mod place;

#[path = "runtime/chain.rs"]
mod chain;

#[path = "runtime/seeds.rs"]
mod seeds;

#[path = "runtime/life.rs"]
mod life;
