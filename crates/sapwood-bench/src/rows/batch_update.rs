//! P7: updates of random keys that no one has read, a thousand in a batch, sustained: a round ends
//! when every flush and compaction that is due is done. Against a raw `WriteBatch` of one row for
//! each key.
//!
//! Ours reads the old row and keeps it: it does more, and what it keeps is compacted with what is
//! there already. A round updates as many keys as there are, so that every key has about as many
//! versions in the end as there are rounds. The memtables of both sides are small, 8 MiB: data, memtable
//! and history then stand to each other as in a store of many gigabytes with large ones, and every
//! round meets flushes and compactions.

use anyhow::Result;
use sapwood::RocksDBConfig;

use super::{
    VALUE_BYTES,
    writing::{expected, hold_the_same},
};
use crate::{
    convert::count,
    data::{Data, Writes},
    dataset::BATCH_KEYS,
    harness::{Bench, Clock, Figure, Measured, RowSpec, Work, alternate},
    stores::{Ours, Raw},
    zipf,
};

pub(super) const ROW: RowSpec = RowSpec {
    id: "P7.raw",
    name: "blind batch update, sustained",
    peer: "raw RocksDB",
    unit: "op/s",
    floor: 0.5,
    goal: 1.0,
};
const WRITE_BUFFER_BYTES: usize = 8 << 20;

pub(super) fn run(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.keys, VALUE_BYTES);
    let config = RocksDBConfig {
        write_buffer_size: WRITE_BUFFER_BYTES,
        ..RocksDBConfig::default()
    };
    let ours = Ours::open(&bench.path("update-ours"), &config)?;
    let raw = Raw::open(&bench.path("update-raw"), &config)?;
    for batch in data.writes(0..data.len(), 0).chunks(BATCH_KEYS as usize) {
        ours.write(data.rows(batch))?;
        raw.write(data.rows(batch))?;
    }
    ours.engine.compact()?;
    raw.compact()?;
    let outcome = alternate(
        bench,
        Work::Fixed(u64::from(bench.size.keys)),
        &mut |work, round| {
            let updates = updates(bench, &data, round);
            Clock::Process.time(|| {
                for batch in updates.chunks(BATCH_KEYS as usize) {
                    ours.write(data.rows(batch))?;
                }
                ours.settle()?;
                Ok((work, work - count(updates.len())))
            })
        },
        &mut |work, round| {
            let updates = updates(bench, &data, round);
            Clock::Process.time(|| {
                for batch in updates.chunks(BATCH_KEYS as usize) {
                    raw.write(data.rows(batch))?;
                }
                raw.settle()?;
                Ok((work, work - count(updates.len())))
            })
        },
    )?;
    let checked = ours.scan()? == expected(&versions(bench)) && hold_the_same(&ours, &raw)?;
    Ok((Figure::new(ROW, &outcome, checked), Vec::new()))
}

/// The updates of a round: random keys, version `round + 1`.
fn updates(bench: &Bench, data: &Data, round: u32) -> Writes {
    data.writes(ids(bench, round), round + 1)
}

fn ids(bench: &Bench, round: u32) -> Vec<u32> {
    let keys = bench.size.keys;
    zipf::uniform(keys, keys as usize, u64::from(round))
}

/// The version of each key after all rounds.
fn versions(bench: &Bench) -> Vec<u32> {
    let mut versions = vec![0; bench.size.keys as usize];
    for round in 0..bench.size.rounds {
        for id in ids(bench, round) {
            if let Some(version) = versions.get_mut(id as usize) {
                *version = round + 1;
            }
        }
    }
    versions
}
