//! Reading one key: the newest value, none, and values of the past.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run should stop"
)]

mod shared;

use criterion::Criterion;
use sapwood::{ReadView, Result, Timestamp};
use shared::{KEYS, Subject, key, subjects};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for subject in subjects()? {
        gets(&mut criterion, &subject)?;
    }
    criterion.final_summary();
    Ok(())
}

fn gets(criterion: &mut Criterion, subject: &Subject) -> Result<()> {
    let engine = &subject.engine;
    let newest = engine.visible();
    // The end of the first sweep: seven versions down. The last commit's predecessor: current.
    let old = engine.at(Timestamp::new(u64::from(KEYS / 1_000)))?;
    let recent = engine.at(Timestamp::new(newest.get() - 1))?;
    let mut group = criterion.benchmark_group(format!("get/{}", subject.name));
    let mut id = 0;
    let mut next = || {
        id = (id + 7_919) % KEYS;
        id
    };
    group.bench_function("latest_hit", |b| {
        b.iter(|| engine.get(key(next())).expect("a get"));
    });
    group.bench_function("latest_miss", |b| {
        b.iter(|| engine.get(key(KEYS + next())).expect("a get"));
    });
    group.bench_function("at_old", |b| {
        b.iter(|| old.get(key(next())).expect("a get"));
    });
    group.bench_function("at_recent", |b| {
        b.iter(|| recent.get(key(next())).expect("a get"));
    });
    group.finish();
    Ok(())
}
