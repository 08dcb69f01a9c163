//! Other engines' databases into Sapwood, as `docs/migration.md` tells: each is filled, copied and compared.
//!
//! What the page quotes is the code that runs here, word for word; `quoted` looks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "migrate/fjall.rs"]
mod fjall;
#[path = "migrate/load.rs"]
mod load;
#[path = "migrate/quoted.rs"]
mod quoted;
#[path = "migrate/redb.rs"]
mod redb;
#[path = "migrate/rocksdb.rs"]
mod rocksdb;
#[path = "migrate/rows.rs"]
mod rows;
#[path = "migrate/sled.rs"]
mod sled;
#[path = "migrate/surrealkv.rs"]
mod surrealkv;
