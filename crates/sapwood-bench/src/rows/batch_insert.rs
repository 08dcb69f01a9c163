//! P6: new keys, a thousand in a batch, the log on, commits buffered; against a raw `WriteBatch` of
//! one row for each key.
//!
//! Every round begins with stores of its own, and ends when the last batch is acknowledged. The
//! batches are built within the round, from keys and values made before it: building them is part
//! of writing.

use std::{fs, path::Path};

use anyhow::Result;
use sapwood::RocksDBConfig;

use super::{
    VALUE_BYTES,
    writing::{self, hold_the_same},
};
use crate::{
    convert::count,
    data::{Data, Writes},
    dataset::BATCH_KEYS,
    harness::{Bench, Clock, Figure, Measured, RowSpec, Sample, Work, alternate},
    stores::{Ours, Raw},
};

pub(super) const ROW: RowSpec = RowSpec {
    id: "P6.raw",
    name: "batch insert, 1,000 a batch",
    peer: "raw RocksDB",
    unit: "op/s",
    floor: 0.8,
    goal: 1.3,
};

pub(super) fn run(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.batches * BATCH_KEYS, VALUE_BYTES);
    let new = data.writes(0..data.len(), 0);
    // The stores of the last round, for the comparison.
    let (mut last_ours, mut last_raw) = (None, None);
    let outcome = alternate(
        bench,
        Work::Fixed(count(new.len())),
        &mut |_, _| {
            drop(last_ours.take());
            let (ours, sample) = insert(&bench.path("insert-ours"), &data, &new)?;
            last_ours = Some(ours);
            Ok(sample)
        },
        &mut |_, _| {
            drop(last_raw.take());
            let path = fresh(&bench.path("insert-raw"))?;
            let raw = Raw::open(&path, &RocksDBConfig::default())?;
            let sample = Clock::Process.time(|| {
                for batch in new.chunks(BATCH_KEYS as usize) {
                    raw.write(data.rows(batch))?;
                }
                Ok((count(new.len()), 0))
            })?;
            last_raw = Some(raw);
            Ok(sample)
        },
    )?;
    let expected = writing::expected(&vec![0; new.len()]);
    let checked = match (&last_ours, &last_raw) {
        (Some(ours), Some(raw)) => ours.scan()? == expected && hold_the_same(ours, raw)?,
        _ => false,
    };
    Ok((Figure::new(ROW, &outcome, checked), Vec::new()))
}

/// Inserts into a new store of ours at a path.
pub(super) fn insert(path: &Path, data: &Data, new: &Writes) -> Result<(Ours, Sample)> {
    let path = fresh(path)?;
    let ours = Ours::open(&path, &RocksDBConfig::default())?;
    let sample = Clock::Process.time(|| {
        for batch in new.chunks(BATCH_KEYS as usize) {
            ours.write(data.rows(batch))?;
        }
        Ok((count(new.len()), 0))
    })?;
    Ok((ours, sample))
}

/// The path, with what was there gone.
fn fresh(path: &Path) -> Result<std::path::PathBuf> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(path.to_owned())
}
