//! Writing: one key a commit, a thousand new ones, a thousand that exist.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run should stop"
)]

mod shared;

use criterion::{Criterion, Throughput};
use sapwood::Result;
use shared::{KEYS, Subject, VERSIONS, key, subjects, write};

const BATCH: u32 = 1_000;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for subject in subjects()? {
        commits(&mut criterion, &subject);
    }
    criterion.final_summary();
    Ok(())
}

fn commits(criterion: &mut Criterion, subject: &Subject) {
    let engine = &subject.engine;
    let mut group = criterion.benchmark_group(format!("commit/{}", subject.name));
    group.sample_size(20);
    let mut id = 0;
    group.bench_function("set", |b| {
        b.iter(|| {
            id = (id + 7_919) % KEYS;
            engine.set(key(id), [0; 100]).expect("a commit")
        });
    });
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut new = KEYS;
    group.bench_function("batch_insert_1000", |b| {
        b.iter(|| {
            write(engine, new..new + BATCH, 0).expect("a commit");
            new += BATCH;
        });
    });
    group.bench_function("batch_update_1000", |b| {
        b.iter(|| {
            id = (id + 7_919) % KEYS;
            let ids = (0..BATCH).map(|offset| (id + offset * 7) % KEYS);
            write(engine, ids, VERSIONS).expect("a commit");
        });
    });
    group.finish();
}
