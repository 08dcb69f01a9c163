//! What growth is allowed: that which the data explains.
//!
//! Each rule looks at the samples of one run, since memory and handles begin anew with each process.
//!
//! | rule | fails where |
//! |---|---|
//! | memory | a line through the samples of the last half rises by more than [`MEMORY_GROWTH`] over that half, after what the model grew by was taken off; from [`FIT_HOURS`] on |
//! | handles | more than [`HANDLES_OPEN`] while the store is open; with the store closed, in all of the last quarter more than [`SPARE`] above the most of the first half |
//! | threads | with the store closed, the same |
//! | disk | once compacted, the store takes more than [`STORE_FACTOR`] times what it should hold and [`STORE_SPARE`] |
//! | disk at work | a line through the last half rises by more than [`DISK_GROWTH`], after what the data grew by, from [`FIT_HOURS`] on |

use crate::sample::{Kind, Sample};

const MIB: u64 = 1 << 20;
const MEMORY_GROWTH: u64 = 64 * MIB;
const DISK_GROWTH: u64 = 256 * MIB;
/// Hours that a run must have for lines to be drawn through its samples. What malloc keeps for itself is steady
/// after a quarter of an hour or two.
const FIT_HOURS: f64 = 1.0;
const FIT_SAMPLES: usize = 10;
const HANDLES_OPEN: u64 = 600;
const SPARE: u64 = 2;
/// Samples of a closed store that are too few to be compared.
const CLOSED_SAMPLES: usize = 6;
const STORE_FACTOR: u64 = 2;
const STORE_SPARE: u64 = 64 * MIB;
/// What a version takes beside key and value: timestamps, the record of its commit, its share of indexes and filters.
const ROW_BYTES: u64 = 100;
/// What a version takes in the model.
const MODEL_ROW_BYTES: u64 = 120;

/// What the files of a store are explained by.
fn explained(sample: &Sample) -> u64 {
    // A pin may hold a whole state.
    let states = 1 + sample.pins;
    let live = sample.live_bytes + ROW_BYTES * sample.live_rows;
    let history = sample.history_bytes + ROW_BYTES * sample.history_rows;
    states * live + history
}

/// What of the memory is the model's own.
fn of_model(sample: &Sample) -> u64 {
    MODEL_ROW_BYTES * (sample.live_rows + sample.history_rows)
}

/// By how much a line through points rises from the first to the last, by least squares.
fn rise(points: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "few samples")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle_x, middle_y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut product, mut square) = (0.0, 0.0);
    for (x, y) in points {
        product += (x - middle_x) * (y - middle_y);
        square += (x - middle_x) * (x - middle_x);
    }
    let span = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |one| one.0);
    if square > 0.0 {
        product / square * span
    } else {
        0.0
    }
}

/// By how many bytes something grew in the last half, beyond what explains it; `None` where the run is too short.
fn growth(
    samples: &[&Sample],
    taken: fn(&Sample) -> u64,
    explained: fn(&Sample) -> u64,
) -> Option<f64> {
    let (first, last) = (samples.first()?.hours, samples.last()?.hours);
    let half = f64::midpoint(first, last);
    let points: Vec<_> = samples
        .iter()
        .filter(|sample| sample.hours >= half)
        .map(|sample| {
            #[expect(clippy::cast_precision_loss, reason = "bytes, for a rule of megabytes")]
            let bytes = taken(sample) as f64 - explained(sample) as f64;
            (sample.hours, bytes)
        })
        .collect();
    (last - first >= FIT_HOURS && points.len() >= FIT_SAMPLES).then(|| rise(&points))
}

/// The violations by the samples of one run.
pub(crate) fn violations(samples: &[Sample]) -> Vec<String> {
    let mut found = Vec::new();
    let of = |kinds: &[Kind]| -> Vec<&Sample> {
        let of = samples.iter().filter(|sample| kinds.contains(&sample.kind));
        of.collect()
    };
    let (open, closed) = (of(&[Kind::Open]), of(&[Kind::Closed, Kind::Compacted]));
    let limit = |found: &mut Vec<String>, what: &str, grown: Option<f64>, most: u64| {
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let (grown, most) = (grown.unwrap_or(0.0) / MIB as f64, most as f64 / MIB as f64);
        if grown > most {
            found.push(format!(
                "{what} grew by {grown:.0} MiB in the last half of the run, beyond what the data \
                 explains; {most:.0} are allowed"
            ));
        }
    };
    let memory = |sample: &Sample| sample.resident_bytes;
    let grown = growth(&open, memory, of_model);
    limit(&mut found, "memory", grown, MEMORY_GROWTH);
    let grown = growth(&closed, memory, of_model);
    limit(
        &mut found,
        "memory with the store closed",
        grown,
        MEMORY_GROWTH,
    );
    let grown = growth(
        &open,
        |sample| sample.directory_bytes,
        |sample| {
            // The store and two backups.
            3 * explained(sample)
        },
    );
    limit(&mut found, "the directory", grown, DISK_GROWTH);

    let most = open.iter().map(|sample| sample.handles).max().unwrap_or(0);
    if most > HANDLES_OPEN {
        found.push(format!(
            "{most} file handles were open; {HANDLES_OPEN} are allowed"
        ));
    }
    let handles: Vec<_> = closed.iter().map(|sample| sample.handles).collect();
    let threads: Vec<_> = closed.iter().map(|sample| sample.threads).collect();
    found.extend(left_over("file handles", &handles));
    found.extend(left_over("threads", &threads));
    for sample in of(&[Kind::Compacted]) {
        let most = STORE_FACTOR * explained(sample) + STORE_SPARE;
        if sample.store_bytes > most {
            found.push(format!(
                "the store takes {} bytes after a compaction, and what it holds explains {most}",
                sample.store_bytes
            ));
            break;
        }
    }
    found
}

/// What is left of a closed store, and more each time.
fn left_over(what: &str, numbers: &[u64]) -> Option<String> {
    // The least of the last quarter: a store that was dropped while it was pruning closes a little later.
    let (first, _) = numbers.split_at(numbers.len() / 2);
    let (_, last) = numbers.split_at(numbers.len() - numbers.len().div_ceil(4));
    let (before, after) = (first.iter().max()?, last.iter().min()?);
    (numbers.len() >= CLOSED_SAMPLES && *after > before + SPARE)
        .then(|| format!("{after} {what} are left with the store closed, and were {before}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four hours, a restart every three minutes, with some unrest.
    fn run(change: impl Fn(u64, &mut Sample)) -> Vec<String> {
        let samples: Vec<_> = (0..1440_u64)
            .map(|index| {
                let kind = match index % 18 {
                    0 if index % 72 == 0 => Kind::Compacted,
                    0 => Kind::Closed,
                    _ => Kind::Open,
                };
                let unrest = index * 7919 % 40;
                #[expect(clippy::cast_precision_loss, reason = "few")]
                let hours = index as f64 / 360.0;
                let mut sample = Sample {
                    run: 1,
                    kind,
                    hours,
                    resident_bytes: (200 + unrest) * MIB,
                    handles: if kind == Kind::Open { 100 + unrest } else { 8 },
                    threads: if kind == Kind::Open { 20 } else { 6 },
                    directory_bytes: (300 + 2 * unrest) * MIB,
                    store_bytes: (80 + unrest) * MIB,
                    live_rows: 20_000,
                    live_bytes: 8 * MIB,
                    history_rows: 60_000,
                    history_bytes: 30 * MIB,
                    ..Sample::default()
                };
                change(index, &mut sample);
                sample
            })
            .collect();
        violations(&samples)
    }

    #[test]
    fn a_steady_run_is_right() {
        assert_eq!(run(|_, _| ()), [""; 0]);
    }

    #[test]
    fn memory_that_grows_is_found() {
        // 40 MiB an hour; and twice at the beginning what it is then, which is no growth.
        let found = run(|index, sample| sample.resident_bytes += index * MIB / 9);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|found| found.contains("memory")));
        let start = |index, sample: &mut Sample| {
            sample.resident_bytes += index_to(index, 300) * MIB;
        };
        assert_eq!(run(start), [""; 0]);
    }

    fn index_to(index: u64, most: u64) -> u64 {
        index.min(most)
    }

    #[test]
    fn memory_that_the_model_explains_is_right() {
        let found = run(|index, sample| {
            sample.history_rows += index * 2_000;
            sample.resident_bytes += index * 2_000 * MODEL_ROW_BYTES;
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn memory_that_only_closed_stores_leave_is_found() {
        let found = run(|index, sample| {
            if sample.kind != Kind::Open {
                sample.resident_bytes += index * MIB / 9;
            }
        });
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn handles_that_stay_open_are_found() {
        let found = run(|index, sample| sample.handles += index / 18);
        assert!(
            found.iter().any(|found| found.contains("left")),
            "{found:?}"
        );
        let found = run(|_, sample| {
            if sample.kind == Kind::Open {
                sample.handles += 600;
            }
        });
        assert!(
            found.iter().any(|found| found.contains("were open")),
            "{found:?}"
        );
    }

    #[test]
    fn threads_that_stay_are_found() {
        let found = run(|index, sample| sample.threads += index / 100);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn files_that_grow_are_found() {
        let found = run(|index, sample| sample.directory_bytes += index * MIB / 2);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = run(|_, sample| sample.store_bytes += 100 * MIB);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = run(|_, sample| {
            sample.store_bytes += 100 * MIB;
            sample.history_bytes += 100 * MIB;
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_short_run_is_not_judged_by_lines() {
        let samples: Vec<_> = (0..60_u64)
            .map(|index| Sample {
                hours: f64::from(u32::try_from(index).unwrap()) / 360.0,
                resident_bytes: index * 100 * MIB,
                ..Sample::default()
            })
            .collect();
        assert_eq!(violations(&samples), [""; 0]);
    }
}
