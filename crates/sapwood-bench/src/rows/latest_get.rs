//! P1: the newest value of a key that has a history, against raw RocksDB on keys that have none.
//!
//! History must cost a reader of the newest state nothing. Both sides read the same keys, uniformly
//! and by Zipf(0.99), and look at each value. The peer reads through a pinned slice, the cheapest
//! way that it has.

use anyhow::Result;
use sapwood::ReadView;

use super::reading::{COUNTED, DRAWS, are_whole, is_stamped, read_all};
use crate::{
    dataset::{Dataset, VERSIONS},
    harness::{Bench, Clock, Figure, Measured, RowSpec, Work, alternate, count_reads},
    zipf,
};

pub(super) const UNIFORM: RowSpec = RowSpec {
    id: "P1.uniform",
    name: "latest get, uniform keys",
    peer: "raw RocksDB",
    unit: "op/s",
    floor: 0.95,
    goal: 1.0,
};
pub(super) const ZIPF: RowSpec = RowSpec {
    id: "P1.zipf",
    name: "latest get, Zipf(0.99)",
    floor: 0.95,
    goal: 3.0,
    ..UNIFORM
};

pub(super) fn uniform(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let ids = zipf::uniform(bench.size.keys, DRAWS, 1);
    measure(bench, dataset, UNIFORM, &ids)
}

pub(super) fn zipf(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let ids = zipf::zipf(bench.size.keys, 0.99, DRAWS, 2);
    measure(bench, dataset, ZIPF, &ids)
}

fn measure(bench: &Bench, dataset: &Dataset<'_>, row: RowSpec, ids: &[u32]) -> Result<Measured> {
    let (data, newest) = (&dataset.data, VERSIONS - 1);
    let (engine, db) = (&dataset.ours()?.engine, &dataset.raw()?.db);
    bench.say(row.id);
    let get_ours = |id| {
        let value = engine.get(data.key(id))?;
        Ok(is_stamped(value.as_deref(), id, newest))
    };
    let get_raw = |id| {
        let value = db.get_pinned(data.key(id))?;
        Ok(is_stamped(value.as_deref(), id, newest))
    };
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |reads, round| Clock::Thread.time(|| read_all(ids, reads, round, get_ours)),
        &mut |reads, round| Clock::Thread.time(|| read_all(ids, reads, round, get_raw)),
    )?;
    let checked = are_whole(data, ids, |id| {
        Ok((engine.get(data.key(id))?.map(Vec::from), id, newest))
    })? && are_whole(data, ids, |id| Ok((db.get(data.key(id))?, id, newest)))?;
    let counts = vec![
        count_reads(row.id, "Sapwood", || {
            Ok(read_all(ids, COUNTED, 0, get_ours)?.0)
        })?,
        count_reads(row.id, row.peer, || {
            Ok(read_all(ids, COUNTED, 0, get_raw)?.0)
        })?,
    ];
    Ok((Figure::new(row, &outcome, checked), counts))
}
