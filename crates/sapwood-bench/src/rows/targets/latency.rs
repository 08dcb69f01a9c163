//! The target of latency: 99 of 100 operations take less than 10 ms.
//!
//! Gets and commits of one update take turns, as fast as one thread makes them; each is timed by
//! itself, in nanoseconds. Flushes and compactions run meanwhile, as they come.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use sapwood::ReadView;

use super::{P99, loaded};
use crate::{
    data::Data,
    harness::{Bench, Clock, Figure, Measured, Work, against},
    rows::{VALUE_BYTES, reading::is_stamped, writing::expected},
    zipf,
};

const TARGET_MS: f64 = 10.0;
const LONGEST: Duration = Duration::from_mins(1);

pub(in crate::rows) fn p99(bench: &Bench) -> Result<Measured> {
    let data = Data::new(bench.size.keys, VALUE_BYTES);
    let ours = loaded(bench, "target-p99", &data)?;
    let mut versions = vec![0; data.keys.len()];
    let operations = u64::from(bench.size.keys);
    let outcome = against(
        bench,
        Work::Fixed(operations),
        TARGET_MS,
        |sample| {
            sample
                .p99
                .map_or(f64::INFINITY, |p99| p99.as_secs_f64() * 1e3)
        },
        |milliseconds| TARGET_MS / milliseconds,
        &mut |work, round| {
            let ids = zipf::uniform(data.len(), data.keys.len(), u64::from(round) + 100);
            let mut latencies = Histogram::<u64>::new_with_bounds(1, nanoseconds(LONGEST), 3)?;
            let mut sample = Clock::Process.time(|| {
                let mut wrong = 0;
                for (turn, id) in (0..work).zip(ids) {
                    let Some(version) = versions.get_mut(id as usize) else {
                        continue;
                    };
                    let value = data.value(id, *version + 1);
                    let start = Instant::now();
                    if turn % 2 == 0 {
                        let value = ours.engine.get(data.key(id))?;
                        latencies.saturating_record(nanoseconds(start.elapsed()));
                        wrong += u64::from(!is_stamped(value.as_deref(), id, *version));
                    } else {
                        ours.engine.set(data.key(id), value)?;
                        latencies.saturating_record(nanoseconds(start.elapsed()));
                        *version += 1;
                    }
                }
                Ok((work, wrong))
            })?;
            sample.p99 = Some(Duration::from_nanos(latencies.value_at_quantile(0.99)));
            Ok(sample)
        },
    )?;
    let checked = ours.scan()? == expected(&versions);
    Ok((Figure::new(P99, &outcome, checked), Vec::new()))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
