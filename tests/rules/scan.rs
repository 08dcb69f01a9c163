//! Scans at a guarded timestamp, in both directions (rule 7).
//!
//! The views are opened one after the other, and may be opened anew at any key. Keys come from
//! `current` and `deleted`, or from `current` and `history`; `history` is probed in its view or
//! afresh.

use std::collections::BTreeSet;

use sapwood::{
    Timestamp,
    storage::visibility::{Verdict, current_at, deleted_at, history_at, is_hole},
};

use super::{
    disk::{Key, Rows, Value},
    guarded::Guard,
    mutant::Mutant,
    world::{Step, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Reverse,
}

/// Where the keys come from that `current` does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    Deleted,
    History,
}

/// What a scan came to: its rows in order, or the key at which a version was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    Rows(Vec<(Key, Value)>),
    Hole(Key),
}

/// Scans everything at a guard.
pub(crate) fn scan(
    world: &mut World,
    guard: &Guard,
    direction: Direction,
    walk: Walk,
) -> Step<Scanned> {
    let fresh_probes = world.chance(1, 3);
    let mut views = open_views(world, guard.at)?;
    let mut rows = Vec::new();
    let mut last = None;
    while let Some(key) = next_key(&views, walk, direction, last) {
        match read_key(world, &views, key, guard.at, walk, fresh_probes) {
            InKey::Found(value) => rows.push((key, value)),
            InKey::Absent => {}
            InKey::Missing { successor } => {
                world.tick()?;
                let floor = if world.is(Mutant::HoleFloorTooEarly) {
                    guard.floor
                } else {
                    world.memory.floor
                };
                if is_hole(successor, guard.at, floor) {
                    return Ok(Scanned::Hole(key));
                }
            }
        }
        last = Some(key);
        world.tick()?;
        if world.chance(1, 8) {
            if world.is(Mutant::ScanRefreshesCurrentOnly) {
                views.current = world.disk.rows.current.clone();
            } else {
                views = open_views(world, guard.at)?;
            }
        }
    }
    Ok(Scanned::Rows(rows))
}

/// Opens the views one after the other: `current`, `deleted`, `history`. Where no commit above the
/// guard has begun once `current` is open, that view is the whole state.
fn open_views(world: &mut World, at: Timestamp) -> Step<Rows> {
    let started_before = world.memory.started;
    if world.is(Mutant::ScanChecksStartedFirst) {
        world.tick()?;
    }
    let order = match world.mutant {
        Some(Mutant::ScanDeletedBeforeCurrent) => ['d', 'c', 'h'],
        Some(Mutant::ScanHistoryBeforeCurrent) => ['h', 'c', 'd'],
        Some(Mutant::ScanHistoryBeforeDeleted) => ['c', 'h', 'd'],
        _ => ['c', 'd', 'h'],
    };
    let mut views = Rows::default();
    for keyspace in order {
        match keyspace {
            'c' => views.current = world.disk.rows.current.clone(),
            'd' => views.deleted = world.disk.rows.deleted.clone(),
            _ => views.history = world.disk.rows.history.clone(),
        }
        world.trace(|| format!("scan: opens its view of {keyspace}"));
        world.tick()?;
        let started = if world.is(Mutant::ScanChecksStartedFirst) {
            started_before
        } else {
            world.memory.started
        };
        if keyspace == 'c' && started <= at && world.chance(1, 2) {
            break;
        }
    }
    Ok(views)
}

fn next_key(views: &Rows, walk: Walk, direction: Direction, last: Option<Key>) -> Option<Key> {
    let mut keys: BTreeSet<Key> = views.current.keys().copied().collect();
    match walk {
        Walk::Deleted => keys.extend(views.deleted.keys()),
        Walk::History => keys.extend(views.history.keys().map(|(key, _)| *key)),
    }
    match direction {
        Direction::Forward => keys
            .into_iter()
            .find(|key| last.is_none_or(|last| *key > last)),
        Direction::Reverse => keys
            .into_iter()
            .rfind(|key| last.is_none_or(|last| *key < last)),
    }
}

/// What the views say of a key.
#[derive(Clone, Copy, Debug)]
enum InKey {
    Found(Value),
    Absent,
    Missing { successor: Timestamp },
}

/// `current` decides where it has the key, `deleted` only where it has not.
fn read_key(
    world: &World,
    views: &Rows,
    key: Key,
    at: Timestamp,
    walk: Walk,
    fresh_probes: bool,
) -> InKey {
    let deleted = views.deleted.get(&key).copied();
    let deleted_first = world.is(Mutant::ScanDeletedDecidesFirst) && deleted.is_some();
    let verdict = match views.current.get(&key).filter(|_| !deleted_first) {
        Some(row) if current_at(row, at) == Verdict::Alive => return InKey::Found(row.value),
        Some(row) => current_at(row, at),
        // The history rows alone say all that there is; only a hole cannot be told.
        None if walk == Walk::History => Verdict::InHistory {
            successor: Timestamp::ZERO,
        },
        None => deleted_at(deleted, at),
    };
    let Verdict::InHistory { successor } = verdict else {
        return InKey::Absent;
    };
    let history = if fresh_probes {
        &world.disk.rows.history
    } else {
        &views.history
    };
    let newest = history
        .range((key, Timestamp::ZERO)..=(key, at))
        .next_back();
    if let Some((_, row)) = newest.filter(|(_, row)| history_at(*row, at)) {
        return InKey::Found(row.value);
    }
    let mut newer = history.range((key, at)..=(key, Timestamp::MAX));
    let nearer = newer
        .find(|((_, start), _)| *start > at)
        .map(|(_, row)| row.previous_end);
    InKey::Missing {
        successor: nearer.unwrap_or(successor),
    }
}
