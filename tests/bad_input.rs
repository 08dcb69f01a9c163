//! What must be refused when a database is opened, and what must be reported when its files are
//! damaged, its disk is full or it may not be written: never a wrong answer, never a lost commit.

#![cfg(feature = "rocksdb-storage")]
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "bad_input/support.rs"]
mod support;

#[path = "bad_input/damage.rs"]
mod damage;
#[path = "bad_input/disk.rs"]
mod disk;
#[path = "bad_input/formats.rs"]
mod formats;
#[path = "bad_input/opening.rs"]
mod opening;
#[path = "bad_input/torn.rs"]
mod torn;
#[path = "bad_input/transactions.rs"]
mod transactions;
