//! The targets of writing: 50,000 random writes a second, 200,000 in batches.
//!
//! A random write is a commit of its own that updates a key: the harder of the two things that the
//! word may mean. A batch brings new keys, as a bulk load does; batches of updates are row P7.

use anyhow::Result;

use super::{BATCH_WRITE, RANDOM_WRITE, loaded};
use crate::{
    convert::{count, length},
    data::Data,
    dataset::BATCH_KEYS,
    harness::{Bench, Clock, Figure, Measured, Work, against, rate},
    rows::{VALUE_BYTES, batch_insert::insert, writing::expected},
    zipf,
};

const WRITES_A_SECOND: f64 = 50_000.0;
const BATCHED_WRITES_A_SECOND: f64 = 200_000.0;

pub(in crate::rows) fn random_write(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.keys, VALUE_BYTES);
    let ours = loaded(bench, "target-write", &data)?;
    // The version that each key has by now, and the next that is written.
    let mut versions = vec![0; data.keys.len()];
    let mut next = 1;
    let outcome = against(
        bench,
        Work::Filling,
        WRITES_A_SECOND,
        |sample| rate(*sample),
        |writes| writes / WRITES_A_SECOND,
        &mut |work, _| {
            let ids = zipf::uniform(data.len(), length(work), u64::from(next));
            let updates = data.writes(ids, next);
            for (id, _) in &updates {
                if let Some(version) = versions.get_mut(*id as usize) {
                    *version = next;
                }
            }
            next += 1;
            Clock::Process.time(|| {
                for (id, value) in &updates {
                    ours.engine.set(data.key(*id), value)?;
                }
                Ok((work, 0))
            })
        },
    )?;
    ours.settle()?;
    let checked = ours.scan()? == expected(&versions);
    Ok((Figure::new(RANDOM_WRITE, &outcome, checked), Vec::new()))
}

pub(in crate::rows) fn batch_write(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.batches * BATCH_KEYS, VALUE_BYTES);
    let new = data.writes(0..data.len(), 0);
    let expected = expected(&vec![0; new.len()]);
    let mut checked = true;
    let outcome = against(
        bench,
        Work::Fixed(count(new.len())),
        BATCHED_WRITES_A_SECOND,
        |sample| rate(*sample),
        |writes| writes / BATCHED_WRITES_A_SECOND,
        &mut |_, _| {
            let (ours, sample) = insert(&bench.path("target-batch"), &data, &new)?;
            checked &= ours.scan()? == expected;
            Ok(sample)
        },
    )?;
    Ok((Figure::new(BATCH_WRITE, &outcome, checked), Vec::new()))
}
