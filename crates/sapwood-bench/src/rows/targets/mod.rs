//! P15: the absolute targets of the seed plan. The ratio is ours over the target, or the target
//! over ours for a time; the machine is whatever runs this.
//!
//! The plan leaves the details open. Here: one thread, 32-byte keys, values of 100 bytes (256 for
//! the scan), the default configuration, the log on, commits buffered, data that fits the cache.

mod latency;
mod reads;
mod writes;

pub(super) use latency::p99;
pub(super) use reads::{random_read, scan};
pub(super) use writes::{batch_write, random_write};

use anyhow::Result;
use sapwood::RocksDBConfig;

use crate::{
    data::Data,
    dataset::BATCH_KEYS,
    harness::{Bench, RowSpec},
    stores::Ours,
};

const PEER: &str = "the seed plan";

pub(super) const RANDOM_READ: RowSpec = RowSpec {
    id: "P15.random_read",
    name: "latest get, uniform keys",
    peer: PEER,
    unit: "op/s",
    floor: 1.0,
    goal: 3.0,
};
pub(super) const RANDOM_WRITE: RowSpec = RowSpec {
    id: "P15.random_write",
    name: "update of one random key a commit",
    ..RANDOM_READ
};
pub(super) const BATCH_WRITE: RowSpec = RowSpec {
    id: "P15.batch_write",
    name: "batch insert, 1,000 a batch",
    ..RANDOM_READ
};
pub(super) const SCAN: RowSpec = RowSpec {
    id: "P15.scan",
    name: "scan of the newest state, 256-byte values",
    unit: "MB/s",
    ..RANDOM_READ
};
pub(super) const P99: RowSpec = RowSpec {
    id: "P15.p99",
    name: "P99 of gets and single updates, mixed",
    unit: "ms",
    ..RANDOM_READ
};

/// A store of its own for a row: every key once, compacted.
fn loaded(bench: &Bench, name: &str, data: &Data) -> Result<Ours> {
    let ours = Ours::open(&bench.path(name), &RocksDBConfig::default())?;
    for batch in data.writes(0..data.len(), 0).chunks(BATCH_KEYS as usize) {
        ours.write(data.rows(batch))?;
    }
    ours.engine.compact()?;
    ours.scan()?;
    Ok(ours)
}
