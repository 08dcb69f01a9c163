//! Where an engine stands: its timestamps, pins and feeds, what it does, and what it takes.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use sapwood::{Engine, Feed, Pin, Stats, Timestamp};
use serde::Serialize;

use crate::{
    answer::{At, milliseconds},
    failure::Result,
};

/// Where an engine stands.
#[derive(Debug, Serialize)]
pub(crate) struct StatusAnswer {
    name: String,
    allow_writes: bool,
    visible: At,
    floor: At,
    epoch: u64,
    /// By this machine's clock, when it was asked.
    now_ms: u64,
    pins: Vec<PinRow>,
    feeds: Vec<FeedRow>,
    stats: StatsRow,
}

#[derive(Debug, Serialize)]
pub(crate) struct PinRow {
    name: String,
    timestamp: At,
    expires_ms: Option<u64>,
    created_ms: Option<u64>,
}

impl PinRow {
    fn new(pin: Pin) -> Self {
        Self {
            name: pin.name,
            timestamp: At(pin.timestamp),
            expires_ms: pin.expires.map(milliseconds),
            created_ms: pin.created.map(milliseconds),
        }
    }
}

#[derive(Debug, Serialize)]
struct FeedRow {
    name: String,
    timestamp: At,
    is_let_go: bool,
}

impl FeedRow {
    fn new(feed: Feed) -> Self {
        Self {
            name: feed.name,
            timestamp: At(feed.position.timestamp),
            is_let_go: feed.is_let_go,
        }
    }
}

/// The figures of [`Stats`], by their names there.
#[derive(Debug, Serialize)]
struct StatsRow {
    commits: u64,
    groups: u64,
    synced_groups: u64,
    conflicts: u64,
    too_old: u64,
    open_transactions: usize,
    open_snapshots: usize,
    oldest_snapshot: Option<At>,
    oldest_snapshot_ms: Option<u64>,
    feeds: usize,
    oldest_feed: Option<At>,
    conflict_keys: usize,
    conflict_bytes: usize,
    recent_versions: u64,
    recent_bytes: u64,
    retention_debt_bytes: u64,
}

impl StatsRow {
    fn new(stats: &Stats) -> Self {
        let age =
            |(_, age): (Timestamp, Duration)| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            commits: stats.commits,
            groups: stats.groups,
            synced_groups: stats.synced_groups,
            conflicts: stats.conflicts,
            too_old: stats.too_old,
            open_transactions: stats.open_transactions,
            open_snapshots: stats.open_snapshots,
            oldest_snapshot: stats.oldest_snapshot.map(|(at, _)| At(at)),
            oldest_snapshot_ms: stats.oldest_snapshot.map(age),
            feeds: stats.feeds,
            oldest_feed: stats.oldest_feed.map(At),
            conflict_keys: stats.conflict_keys,
            conflict_bytes: stats.conflict_bytes,
            recent_versions: stats.recent_versions,
            recent_bytes: stats.recent_bytes,
            retention_debt_bytes: stats.retention_debt_bytes,
        }
    }
}

/// The pins of an engine, by name.
pub(crate) fn pins(engine: &Engine) -> Result<Vec<PinRow>> {
    Ok(engine.pins()?.into_iter().map(PinRow::new).collect())
}

/// Where an engine stands now.
pub(crate) fn status(engine: &Engine, name: &str, allow_writes: bool) -> Result<StatusAnswer> {
    let stats = engine.stats();
    Ok(StatusAnswer {
        name: name.to_owned(),
        allow_writes,
        visible: At(stats.visible),
        floor: At(stats.floor),
        epoch: engine.epoch(),
        now_ms: milliseconds(SystemTime::now()),
        pins: pins(engine)?,
        feeds: engine.feeds()?.into_iter().map(FeedRow::new).collect(),
        stats: StatsRow::new(&stats),
    })
}

/// What an engine takes.
#[derive(Debug, Serialize)]
pub(crate) struct StorageAnswer {
    keyspaces: Vec<KeyspaceRow>,
}

#[derive(Debug, Serialize)]
struct KeyspaceRow {
    keyspace: &'static str,
    size_bytes: u64,
    levels: Vec<LevelRow>,
}

#[derive(Debug, Serialize)]
struct LevelRow {
    level: u32,
    files: u64,
    size_bytes: u64,
}

/// Bytes by keyspace, and files by level.
pub(crate) fn storage(engine: &Engine) -> Result<StorageAnswer> {
    let mut levels: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for level in engine.levels()? {
        levels.entry(level.keyspace).or_default().push(LevelRow {
            level: level.level,
            files: level.files,
            size_bytes: level.size_bytes,
        });
    }
    let row = |size: sapwood::KeyspaceSize| KeyspaceRow {
        keyspace: size.keyspace,
        size_bytes: size.size_bytes,
        levels: levels.remove(size.keyspace).unwrap_or_default(),
    };
    Ok(StorageAnswer {
        keyspaces: engine.sizes()?.into_iter().map(row).collect(),
    })
}
