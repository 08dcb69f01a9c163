//! The prune rule on one row: a compaction asks it for every row that it rewrites.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use sapwood::{Timestamp, storage::PruneRule};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rule(&mut criterion);
    criterion.final_summary();
}

fn rule(criterion: &mut Criterion) {
    let floor = Timestamp::new(1_000_000);
    let mut group = criterion.benchmark_group("prune_rule");
    for pins in [0_u64, 1, 1_000] {
        let at = |pin: u64| Timestamp::new(pin * 997 + 1);
        let rule = PruneRule::new(floor, (0..pins).map(at));
        // Another row each time, as a compaction would have it: half of them have ended.
        let mut start = 0;
        group.bench_function(BenchmarkId::new("drops_history", pins), |b| {
            b.iter(|| {
                start = (start + 104_729) % 2_000_000;
                black_box(&rule).drops_history(Timestamp::new(start), Timestamp::new(start + 100))
            });
        });
        group.bench_function(BenchmarkId::new("drops_deleted", pins), |b| {
            b.iter(|| {
                start = (start + 104_729) % 2_000_000;
                black_box(&rule).drops_deleted(Timestamp::new(start))
            });
        });
    }
    group.finish();
}
