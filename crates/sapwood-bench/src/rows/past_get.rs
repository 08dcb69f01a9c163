//! P2 and P3: the value of a key at an old and at a recent timestamp, against RocksDB's own
//! user-defined timestamps.
//!
//! Old timestamps are any from the first sweep's end to the last sweep's beginning: the version
//! asked for is never the current one. Recent ones are among the last hundredth: for most keys it
//! is. The peer's read options are made beforehand, one for each timestamp.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rocksdb::ReadOptions;
use sapwood::Storage;

use super::reading::{COUNTED, DRAWS, are_whole, is_stamped, read_all};
use crate::{
    dataset::{Dataset, VERSIONS, at},
    harness::{Bench, Clock, Figure, Measured, RowSpec, Work, alternate, count_reads},
    stores::Udt,
    zipf,
};

pub(super) const OLD: RowSpec = RowSpec {
    id: "P2.udt",
    name: "get at a random old timestamp",
    peer: "RocksDB timestamps",
    unit: "op/s",
    floor: 0.9,
    goal: 1.2,
};
pub(super) const RECENT: RowSpec = RowSpec {
    id: "P3.udt",
    name: "get at a recent timestamp",
    floor: 1.1,
    goal: 1.5,
    ..OLD
};

/// One read: a key, a timestamp, and the version that is alive there.
#[derive(Clone, Copy, Debug)]
struct Draw {
    id: u32,
    at: u32,
    version: u32,
}

pub(super) fn old(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let sweep = dataset.batches();
    measure(bench, dataset, OLD, sweep, sweep * (VERSIONS - 1))
}

pub(super) fn recent(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let last = dataset.last();
    measure(bench, dataset, RECENT, last - last / 100, last)
}

/// Reads at timestamps from `first` to `last`, both included.
fn measure(
    bench: &Bench,
    dataset: &Dataset<'_>,
    row: RowSpec,
    first: u32,
    last: u32,
) -> Result<Measured> {
    let data = &dataset.data;
    let (storage, db) = (&dataset.ours()?.storage, &dataset.udt()?.db);
    bench.say(row.id);
    let draws = draws(dataset, first, last);
    let options: BTreeMap<u32, ReadOptions> = (first..=last)
        .map(|number| (number, Udt::reading_at(at(number))))
        .collect();
    let options: Vec<_> = draws
        .iter()
        .map(|draw| Some((*draw, options.get(&draw.at)?)))
        .collect::<Option<_>>()
        .context("a timestamp without read options")?;
    let get_ours = |draw: Draw| {
        let value = storage.get_at(data.key(draw.id), at(draw.at))?;
        Ok(is_stamped(value.as_deref(), draw.id, draw.version))
    };
    let get_udt = |(draw, options): (Draw, &ReadOptions)| {
        let value = db.get_pinned_opt(data.key(draw.id), options)?;
        Ok(is_stamped(value.as_deref(), draw.id, draw.version))
    };
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |reads, round| Clock::Thread.time(|| read_all(&draws, reads, round, get_ours)),
        &mut |reads, round| Clock::Thread.time(|| read_all(&options, reads, round, get_udt)),
    )?;
    let checked = are_whole(data, &draws, |draw| {
        let value = storage.get_at(data.key(draw.id), at(draw.at))?;
        Ok((value, draw.id, draw.version))
    })? && are_whole(data, &options, |(draw, options)| {
        let value = db.get_opt(data.key(draw.id), options)?;
        Ok((value, draw.id, draw.version))
    })?;
    let counts = vec![
        count_reads(row.id, "Sapwood", || {
            Ok(read_all(&draws, COUNTED, 0, get_ours)?.0)
        })?,
        count_reads(row.id, row.peer, || {
            Ok(read_all(&options, COUNTED, 0, get_udt)?.0)
        })?,
    ];
    Ok((Figure::new(row, &outcome, checked), counts))
}

fn draws(dataset: &Dataset<'_>, first: u32, last: u32) -> Vec<Draw> {
    let ids = zipf::uniform(dataset.data.len(), DRAWS, 3);
    let offsets = zipf::uniform(last - first + 1, DRAWS, 4);
    let draw = |(id, offset)| {
        let at = first + offset;
        Draw {
            id,
            at,
            version: dataset.version_at(id, at),
        }
    };
    ids.into_iter().zip(offsets).map(draw).collect()
}
