//! P4 and P5: a scan of all rows, of the newest state and of an old one.
//!
//! The newest state is scanned against raw RocksDB, which holds live rows only, and against
//! user-defined timestamps, which step over the versions. The old state is that at the end of the
//! fourth of eight sweeps, so no row of it is current. A scan reads every value's stamp; bytes are
//! those of keys and values as the reader gets them.

use anyhow::Result;

use crate::{
    dataset::{Dataset, VERSIONS, at},
    harness::{Bench, Clock, Figure, Measured, RowSpec, Sample, Work, alternate, count_reads},
    stores::Seen,
};

pub(super) const LATEST_RAW: RowSpec = RowSpec {
    id: "P4.raw",
    name: "scan of the newest state",
    peer: "raw RocksDB",
    unit: "MB/s",
    floor: 0.95,
    goal: 1.0,
};
pub(super) const LATEST_UDT: RowSpec = RowSpec {
    id: "P4.udt",
    peer: "RocksDB timestamps",
    floor: 4.0,
    goal: 7.0,
    ..LATEST_RAW
};
pub(super) const OLD_UDT: RowSpec = RowSpec {
    id: "P5.udt",
    name: "scan at an old timestamp",
    floor: 1.0,
    goal: 2.0,
    ..LATEST_UDT
};

/// Bytes a second as megabytes a second.
pub(super) const MEGA: f64 = 1e-6;

pub(super) fn latest_raw(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let (ours, raw) = (dataset.ours()?, dataset.raw()?);
    let sides = (|| ours.scan(), || raw.scan());
    measure(bench, dataset, LATEST_RAW, dataset.expected(), sides)
}

pub(super) fn latest_udt(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let (ours, udt) = (dataset.ours()?, dataset.udt()?);
    let sides = (|| ours.scan(), || udt.scan_at(at(dataset.last())));
    measure(bench, dataset, LATEST_UDT, dataset.expected(), sides)
}

pub(super) fn old_udt(bench: &Bench, dataset: &Dataset<'_>) -> Result<Measured> {
    let (ours, udt) = (dataset.ours()?, dataset.udt()?);
    let number = dataset.batches() * VERSIONS / 2;
    let sides = (|| ours.scan_at(at(number)), || udt.scan_at(at(number)));
    measure(bench, dataset, OLD_UDT, dataset.expected_at(number), sides)
}

fn measure(
    bench: &Bench,
    dataset: &Dataset<'_>,
    row: RowSpec,
    expected: Seen,
    (ours, peer): (impl Fn() -> Result<Seen>, impl Fn() -> Result<Seen>),
) -> Result<Measured> {
    bench.say(row.id);
    let bytes = dataset.scan_bytes();
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |scans, _| timed(scans, bytes, expected, &ours),
        &mut |scans, _| timed(scans, bytes, expected, &peer),
    )?;
    let checked = ours()? == expected && peer()? == expected;
    let counts = vec![
        count_reads(row.id, "Sapwood", || Ok(ours()?.rows))?,
        count_reads(row.id, row.peer, || Ok(peer()?.rows))?,
    ];
    let figure = Figure::new(row, &outcome.scaled(MEGA), checked);
    Ok((figure, counts))
}

/// Some scans of `bytes` each, every one of which must see what is expected.
pub(super) fn timed(
    scans: u64,
    bytes: u64,
    expected: Seen,
    scan: impl Fn() -> Result<Seen>,
) -> Result<Sample> {
    Clock::Thread.time(|| {
        let mut wrong = 0;
        for _ in 0..scans {
            wrong += u64::from(scan()? != expected);
        }
        Ok((scans * bytes, wrong))
    })
}
