//! P18: what operations cost when there is more of something: each against itself where there is little of it.
//!
//! | file | what there is more of | rows |
//! |---|---|---|
//! | `depth` | versions of each key: 1, 2, 8, 64; the versions of all keys together stay as many | P18.depth |
//! | `data` | keys: 64 times as many, at the same depth | P18.data |
//! | `size` | data, of which a tenth fits the cache | P18.size |
//! | `holds` | open snapshots: 1, 1,000; pins: none, 1,000 | P18.snapshots, P18.pins |
//! | `batches` | keys of a transaction and of a batch: 1, 10, 100, 1,000 | `P18.txn_size` |
//! | `threads` | threads: 1, 2, 4, 8 | P18.threads |
//!
//! The operations: the newest value of a key; its value at a recent and at an old timestamp; a commit that sets one key;
//! a scan of all rows. Only depth has something to reach; the others are figures. All points of a row are measured
//! in alternating rounds; the ratio is that of the last point over the first. Each group prints a table of all
//! points and draws it: `growth-*.svg`.
//!
//! `recent_versions_size` is small everywhere here, so that the merge is part of what commits cost: with the default
//! of 64 MiB a round would end before it began.
//!
//! A row holds if every value that was read is right, and its stores end as they should.

mod batches;
mod data;
mod depth;
mod holds;
mod size;
mod threads;

pub(super) use self::{
    batches::{ROWS as TXN_SIZE, txn_size},
    data::{ROWS as DATA, data},
    depth::{ROWS as DEPTH, depth},
    holds::{PINS, SNAPSHOTS, pins, snapshots},
    size::{ROWS as SIZE, size},
    threads::{ROWS as THREADS, threads},
};

use anyhow::Result;

use crate::{
    harness::{Bench, Swept},
    report::growth::{Growth, Line, draw, table},
};

/// Prints and draws what operations cost at all points.
fn show(
    bench: &Bench,
    name: &str,
    of: &'static str,
    title: &str,
    points: &[String],
    swept: &[(&'static str, &Swept)],
) -> Result<()> {
    let lines = swept.iter().map(|(name, swept)| Line {
        name,
        costs: swept.costs(),
    });
    let growth = Growth {
        title: title.to_owned(),
        of,
        points: points.to_vec(),
        lines: lines.collect(),
    };
    bench.remark(table(&growth));
    draw(&bench.out().join(format!("growth-{name}.svg")), &growth)
}
