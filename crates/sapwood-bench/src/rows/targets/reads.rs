//! The targets of reading: 100,000 random reads a second, scans of 500 MB/s.

use anyhow::Result;
use sapwood::ReadView;

use super::{RANDOM_READ, SCAN, loaded};
use crate::{
    convert::count,
    data::Data,
    dataset::{Dataset, VERSIONS},
    harness::{Bench, Clock, Figure, Measured, Work, against, rate},
    rows::{
        reading::{DRAWS, are_whole, is_stamped, read_all},
        scan::{MEGA, timed},
        writing::expected,
    },
    zipf,
};

const READS_A_SECOND: f64 = 100_000.0;
const SCANNED_MB_A_SECOND: f64 = 500.0;
const SCANNED_VALUE_BYTES: usize = 256;

pub(in crate::rows) fn random_read(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let (data, newest) = (&dataset.data, VERSIONS - 1);
    let engine = &dataset.ours()?.engine;
    bench.say(RANDOM_READ.id);
    let ids = zipf::uniform(bench.size.keys, DRAWS, 5);
    let get = |id| {
        let value = engine.get(data.key(id))?;
        Ok(is_stamped(value.as_deref(), id, newest))
    };
    let outcome = against(
        bench,
        Work::Filling,
        READS_A_SECOND,
        |sample| rate(*sample),
        |reads| reads / READS_A_SECOND,
        &mut |reads, round| Clock::Thread.time(|| read_all(&ids, reads, round, get)),
    )?;
    let checked = are_whole(data, &ids, |id| {
        Ok((engine.get(data.key(id))?.map(Vec::from), id, newest))
    })?;
    Ok((Figure::new(RANDOM_READ, &outcome, checked), Vec::new()))
}

pub(in crate::rows) fn scan(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.keys, SCANNED_VALUE_BYTES);
    let ours = loaded(bench, "target-scan", &data)?;
    let bytes = count(data.keys.len()) * data.row_bytes();
    let expected = expected(&vec![0; data.keys.len()]);
    let outcome = against(
        bench,
        Work::Filling,
        SCANNED_MB_A_SECOND,
        |sample| rate(*sample) * MEGA,
        |megabytes| megabytes / SCANNED_MB_A_SECOND,
        &mut |scans, _| timed(scans, bytes, expected, || ours.scan()),
    )?;
    let checked = ours.scan()? == expected;
    Ok((Figure::new(SCAN, &outcome, checked), Vec::new()))
}
