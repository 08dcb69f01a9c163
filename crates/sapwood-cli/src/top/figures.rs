//! [`Figures`]: what two looks at an endpoint say.

use crate::scrape::Scrape;

/// Stages of a commit, in their order.
const STAGES: [&str; 6] = ["queue", "check", "write", "sync", "publish", "whole"];
const KINDS: [&str; 6] = ["write", "read", "range", "value", "too_old", "rolled_back"];
const LEVELS: usize = 7;

/// What goes on, in a second where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) commits: f64,
    pub(super) writes: f64,
    pub(super) syncs: f64,
    /// By kind.
    pub(super) conflicts: Vec<(&'static str, f64)>,
    pub(super) stages: Vec<Stage>,
    /// Pairs of a name and what is so now.
    pub(super) holds: Vec<(&'static str, String)>,
    pub(super) kept: Vec<(&'static str, String)>,
    pub(super) blocks: Vec<(&'static str, String)>,
    pub(super) rocksdb: Vec<(&'static str, String)>,
    /// Files and bytes by level, down to the last that has any.
    pub(super) levels: Vec<(f64, f64)>,
    /// Whether writes wait, and for what.
    pub(super) stall: Option<&'static str>,
}

/// How long a stage of commits takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    /// How many there were, in a second.
    pub(super) count: f64,
    /// The median, and what 99 of 100 do not exceed, in seconds; `None` where there were none.
    pub(super) quantiles: Option<(f64, f64)>,
}

/// Two looks.
struct Looks<'s> {
    before: &'s Scrape,
    now: &'s Scrape,
    seconds: f64,
}

impl Looks<'_> {
    /// How much a counter goes up in a second. One that begins anew counts from 0.
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (before, now) = (self.before.sum(name, labels), self.now.sum(name, labels));
        let more = if now < before { now } else { now - before };
        if self.seconds > 0.0 {
            more / self.seconds
        } else {
            0.0
        }
    }

    fn now(&self, name: &str) -> f64 {
        self.now.sum(name, &[])
    }

    /// How long a stage took between the looks.
    fn stage(&self, name: &'static str) -> Stage {
        let labels = [("stage", name)];
        let bucket = "sapwood_commit_seconds_bucket";
        let mut buckets: Vec<(f64, f64)> = self
            .now
            .of(bucket, &labels)
            .filter_map(|reading| {
                let le = reading.labels.get("le")?;
                let with = [("stage", name), ("le", le.as_str())];
                let before = self.before.sum(bucket, &with);
                // A process that has begun anew has fewer.
                let more = if reading.value < before {
                    reading.value
                } else {
                    reading.value - before
                };
                Some((le.parse().ok()?, more))
            })
            .collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let quantiles = quantile(&buckets, 0.5).zip(quantile(&buckets, 0.99));
        Stage {
            name,
            count: self.rate("sapwood_commit_seconds_count", &labels),
            quantiles,
        }
    }
}

/// A quantile of cumulative buckets, which are in order: as Prometheus estimates it, evenly within a bucket.
fn quantile(buckets: &[(f64, f64)], quantile: f64) -> Option<f64> {
    let (_, all) = buckets.last()?;
    if *all <= 0.0 {
        return None;
    }
    let rank = quantile * all;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            if bound.is_infinite() {
                return Some(lower);
            }
            let within = (rank - below) / (count - below).max(f64::MIN_POSITIVE);
            return Some(lower + (bound - lower) * within);
        }
        (lower, below) = (*bound, *count);
    }
    Some(lower)
}

impl Figures {
    /// What two looks say of one store.
    pub(super) fn between(before: &Scrape, now: &Scrape) -> Self {
        let looks = Looks {
            before,
            now,
            seconds: now.at.saturating_duration_since(before.at).as_secs_f64(),
        };
        let kind = |kind| {
            (
                kind,
                looks.rate("sapwood_conflicts_total", &[("kind", kind)]),
            )
        };
        Self {
            commits: looks.rate("sapwood_commits_total", &[]),
            writes: looks.rate("sapwood_writes_total", &[]),
            syncs: looks.rate("sapwood_commit_groups_total", &[("durability", "sync")]),
            conflicts: KINDS.map(kind).to_vec(),
            stages: STAGES.map(|stage| looks.stage(stage)).to_vec(),
            holds: holds(&looks),
            kept: kept(&looks),
            blocks: blocks(&looks),
            rocksdb: rocksdb(&looks),
            levels: levels(now),
            stall: stall(&looks),
        }
    }
}

fn holds(looks: &Looks<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("visible", count(looks.now("sapwood_visible_timestamp"))),
        ("floor", count(looks.now("sapwood_floor_timestamp"))),
        (
            "floor wanted",
            count(looks.now("sapwood_retention_wanted_timestamp")),
        ),
        ("epoch", count(looks.now("sapwood_epoch"))),
        (
            "transactions",
            count(looks.now("sapwood_open_transactions")),
        ),
        ("snapshots", count(looks.now("sapwood_open_snapshots"))),
        (
            "oldest, age",
            seconds(looks.now("sapwood_oldest_snapshot_age_seconds")),
        ),
        (
            "oldest, behind",
            count(looks.now("sapwood_oldest_snapshot_lag")),
        ),
        ("feeds", count(looks.now("sapwood_feeds"))),
        ("last, behind", count(looks.now("sapwood_oldest_feed_lag"))),
        ("pins", count(looks.now("sapwood_pins"))),
    ]
}

fn kept(looks: &Looks<'_>) -> Vec<(&'static str, String)> {
    let pruned = looks.rate("sapwood_rows_pruned_total", &[("keyspace", "history")]);
    vec![
        (
            "history",
            bytes(looks.now("sapwood_retention_history_bytes")),
        ),
        ("debt", bytes(looks.now("sapwood_retention_debt_bytes"))),
        ("pinned", bytes(looks.now("sapwood_retention_pinned_bytes"))),
        ("prunes", count(looks.now("sapwood_prunes_total"))),
        ("rows pruned/s", count(pruned)),
        ("recent versions", bytes(looks.now("sapwood_recent_bytes"))),
        ("conflict keys", bytes(looks.now("sapwood_conflict_bytes"))),
    ]
}

fn blocks(looks: &Looks<'_>) -> Vec<(&'static str, String)> {
    let transactions = looks.rate("sapwood_block_transactions_total", &[]);
    let runs = looks.rate("sapwood_block_incarnations_total", &[]);
    let aborts = looks.rate("sapwood_block_aborts_total", &[]);
    let busy = looks.rate("sapwood_block_microseconds_total", &[]);
    let of_runs = looks.rate("sapwood_block_run_microseconds_total", &[]);
    vec![
        (
            "blocks/s",
            count(looks.rate("sapwood_blocks_total", &[("outcome", "committed")])),
        ),
        (
            "failed/s",
            count(looks.rate("sapwood_blocks_total", &[("outcome", "failed")])),
        ),
        ("transactions/s", count(transactions)),
        ("runs for each", share(runs, transactions)),
        ("aborts for each", share(aborts, transactions)),
        ("speed-up", share(of_runs, busy)),
    ]
}

fn rocksdb(looks: &Looks<'_>) -> Vec<(&'static str, String)> {
    let written = |by| bytes(looks.rate("sapwood_rocksdb_written_bytes_total", &[("by", by)]));
    let cache = |part| {
        looks
            .now
            .sum("sapwood_rocksdb_block_cache_bytes", &[("part", part)])
    };
    let hits = looks.rate("sapwood_rocksdb_block_cache_total", &[("result", "hit")]);
    let misses = looks.rate("sapwood_rocksdb_block_cache_total", &[("result", "miss")]);
    let stalled = looks.rate("sapwood_rocksdb_stall_microseconds_total", &[]) / 1e6;
    let jobs = |kind| {
        looks
            .now
            .sum("sapwood_rocksdb_running_jobs", &[("kind", kind)])
    };
    vec![
        (
            "memtables",
            bytes(looks.now("sapwood_rocksdb_memtable_bytes")),
        ),
        (
            "pending",
            bytes(looks.now("sapwood_rocksdb_pending_compaction_bytes")),
        ),
        ("flushes", count(jobs("flush"))),
        ("compactions", count(jobs("compaction"))),
        ("log/s", written("wal")),
        ("flushed/s", written("flush")),
        ("compacted/s", written("compaction")),
        (
            "cache",
            format!("{} of {}", bytes(cache("used")), bytes(cache("capacity"))),
        ),
        ("cache hits", share(hits, hits + misses)),
        ("stalled", share(stalled, 1.0)),
        (
            "errors",
            count(looks.now("sapwood_rocksdb_background_errors")),
        ),
    ]
}

fn levels(now: &Scrape) -> Vec<(f64, f64)> {
    let level = |level: usize| {
        let level = level.to_string();
        let labels = [("level", level.as_str())];
        let sum = |name| now.sum(name, &labels);
        (
            sum("sapwood_rocksdb_level_files"),
            sum("sapwood_rocksdb_level_bytes"),
        )
    };
    let levels: Vec<_> = (0..LEVELS).map(level).collect();
    let last = levels.iter().rposition(|(files, _)| *files > 0.0);
    levels
        .into_iter()
        .take(last.map_or(0, |last| last + 1))
        .collect()
}

fn stall(looks: &Looks<'_>) -> Option<&'static str> {
    if looks.now("sapwood_rocksdb_write_stopped") > 0.0 {
        return Some("RocksDB lets no write through: flushes and compactions do not keep up");
    }
    let is_waiting = looks.now("sapwood_writers_wait") > 0.0;
    is_waiting.then_some("writers wait for the retention debt to become smaller")
}

/// A number with a unit of thousands.
pub(super) fn count(number: f64) -> String {
    scaled(number, 1000.0, ["", " k", " M", " G", " T"])
}

/// Bytes.
pub(super) fn bytes(number: f64) -> String {
    scaled(number, 1024.0, [" B", " KiB", " MiB", " GiB", " TiB"])
}

/// A time, from nanoseconds to hours.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 3600.0 => format!("{s:.1} s"),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.2}", part / whole)
    } else {
        "-".to_owned()
    }
}

fn scaled(number: f64, step: f64, units: [&'static str; 5]) -> String {
    let (mut number, mut unit) = (number, 0);
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 && number.fract() == 0.0 {
        format!("{number}{unit_name}")
    } else {
        format!("{number:.1}{unit_name}")
    }
}
