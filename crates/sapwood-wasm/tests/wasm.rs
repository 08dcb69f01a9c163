//! Contracts in blocks, end to end: on both storages, in every mode, at every height.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "wasm/support.rs"]
mod support;

#[path = "wasm/auction.rs"]
mod auction;
#[path = "wasm/chain.rs"]
mod chain;
#[path = "wasm/counter.rs"]
mod counter;
#[path = "wasm/failures.rs"]
mod failures;
#[path = "wasm/host.rs"]
mod host;
#[path = "wasm/life.rs"]
mod life;
#[path = "wasm/modes.rs"]
mod modes;
#[path = "wasm/modules.rs"]
mod modules;
#[path = "wasm/rollback.rs"]
mod rollback;
#[path = "wasm/token.rs"]
mod token;
