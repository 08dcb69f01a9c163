//! Workloads whose answers are known without asking the store: many threads, both storages, readers
//! in every way that there is to read, pruning beside them.
//!
//! Counts are bounded, nothing sleeps, and every assertion holds for every interleaving. `TXNS` runs
//! the bank in its long form (`make bank TXNS=1000000`).

#[macro_use]
#[path = "workloads/support.rs"]
mod support;

#[path = "workloads/bank.rs"]
mod bank;
#[path = "workloads/counters.rs"]
mod counters;
#[path = "workloads/doctors.rs"]
mod doctors;
#[path = "workloads/load.rs"]
mod load;
#[path = "workloads/long_readers.rs"]
mod long_readers;
#[path = "workloads/ring.rs"]
mod ring;
