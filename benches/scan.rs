//! Reading all keys in order: the newest state, and a past one.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run should stop"
)]

mod shared;

use criterion::{Criterion, Throughput};
use sapwood::{ReadView, Result, Timestamp};
use shared::{KEYS, Subject, VERSIONS, subjects};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for subject in subjects()? {
        scans(&mut criterion, &subject)?;
    }
    criterion.final_summary();
    Ok(())
}

fn scans(criterion: &mut Criterion, subject: &Subject) -> Result<()> {
    let engine = &subject.engine;
    let half = engine.visible().get() / 2;
    let old = engine.at(Timestamp::new(half))?;
    let mut group = criterion.benchmark_group(format!("scan/{}", subject.name));
    group.throughput(Throughput::Elements(u64::from(KEYS)));
    group.sample_size(10);
    group.bench_function("latest", |b| b.iter(|| count(engine)));
    group.bench_function(format!("at_old_of_{VERSIONS}"), |b| b.iter(|| count(&old)));
    group.finish();
    Ok(())
}

/// Reads every row; all keys are there at both timestamps.
fn count(state: &impl ReadView) {
    let mut rows = 0;
    for row in state.range(..) {
        row.expect("a row");
        rows += 1;
    }
    assert_eq!(rows, KEYS);
}
