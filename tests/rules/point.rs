//! Point reads: at a timestamp (rules 2 to 5) and of the latest state (rule 8).

use sapwood::{
    Timestamp,
    codec::CurrentRow,
    storage::visibility::{Verdict, current_at, deleted_at, history_at, is_hole},
};

use super::{
    disk::{History, KEYS, Key, Value},
    guarded,
    mutant::Mutant,
    truth::State,
    world::{Step, World, wrong},
};

/// What a read at a timestamp came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Value(Value),
    Absent,
    /// A version was lost.
    Hole,
    /// The timestamp fell below the floor during an unguarded read.
    Pruned,
}

/// What covers a read against pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    /// A guard, with the floor that was loaded when it was taken: only a wrong rule looks at it.
    Guarded { floor: Timestamp },
    /// Only the second check.
    None,
}

/// What one look into a view of `history` came to.
#[derive(Clone, Copy, Debug)]
enum Look {
    Hit(Value),
    Miss { successor: Timestamp },
}

/// Reads a key at a timestamp that was legal when the read began.
pub(crate) fn get_at(world: &mut World, key: Key, at: Timestamp, cover: Cover) -> Step<Found> {
    // History first (rule 3): a hit answers, also in an old view; a miss proves nothing.
    if world.chance(1, 3) {
        let mut view = world.disk.rows.history_of(key);
        world.tick()?;
        if world.chance(1, 2) || world.is(Mutant::HistoryFirstMissAnswers) {
            view = world.disk.rows.history_of(key);
        }
        world.trace(|| format!("reader: history of {key} first: {view:?}"));
        if let Look::Hit(value) = look(world, &view, key, at, Timestamp::ZERO) {
            return Ok(Found::Value(value));
        }
        if world.is(Mutant::HistoryFirstMissAnswers) || world.is(Mutant::ReusedViewAnswersMiss) {
            world.tick()?;
            return by_rule(world, key, at, cover, Some(view));
        }
    }
    by_rule(world, key, at, cover, None)
}

/// Current, then deleted, then history: rule 2.
fn by_rule(
    world: &mut World,
    key: Key,
    at: Timestamp,
    cover: Cover,
    old_view: Option<History>,
) -> Step<Found> {
    if world.is(Mutant::DeletedBeforeCurrent) {
        let deleted = world.disk.rows.deleted.get(&key).copied();
        world.tick()?;
        let verdict = match world.disk.rows.current.get(&key) {
            Some(row) if row.start <= at => return Ok(Found::Value(row.value)),
            Some(row) => current_at(row, at),
            None => deleted_at(deleted, at),
        };
        return after_verdict(world, key, at, cover, verdict, old_view);
    }
    let current = world.disk.rows.current.get(&key).copied();
    world.trace(|| format!("reader: current of {key}: {current:?}"));
    by_current(world, key, at, cover, current, old_view)
}

/// The rest of rule 2, where `current` was looked up already.
fn by_current(
    world: &mut World,
    key: Key,
    at: Timestamp,
    cover: Cover,
    current: Option<CurrentRow<Value>>,
    old_view: Option<History>,
) -> Step<Found> {
    world.tick()?;
    let mut old_view = old_view;
    let verdict = match current {
        Some(row) if current_at(&row, at) == Verdict::Alive => return Ok(Found::Value(row.value)),
        Some(row) => current_at(&row, at),
        None => {
            if world.is(Mutant::HistoryBeforeDeleted) {
                old_view = Some(world.disk.rows.history_of(key));
                world.tick()?;
            }
            let deleted = world.disk.rows.deleted.get(&key).copied();
            world.trace(|| format!("reader: deleted of {key}: {deleted:?}"));
            deleted_at(deleted, at)
        }
    };
    after_verdict(world, key, at, cover, verdict, old_view)
}

fn after_verdict(
    world: &mut World,
    key: Key,
    at: Timestamp,
    cover: Cover,
    verdict: Verdict,
    old_view: Option<History>,
) -> Step<Found> {
    let floor_before = world.memory.floor;
    world.tick()?;
    let look = match verdict {
        // A hit of `current` was answered; here the verdict can only be one of a miss.
        Verdict::Alive | Verdict::Absent => Look::Miss {
            successor: Timestamp::ZERO,
        },
        Verdict::InHistory { successor } => match old_view {
            Some(view) => look(world, &view, key, at, successor),
            None => look(world, &world.disk.rows.history, key, at, successor),
        },
    };
    world.trace(|| format!("reader: {key} at {at:?}: {look:?}"));
    finish(world, at, cover, look, floor_before)
}

/// Looks for the version alive at `at` in one view of `history`. `successor` is what `current` or
/// `deleted` said; the next newer row of the view is nearer (rule 4).
fn look(world: &World, view: &History, key: Key, at: Timestamp, successor: Timestamp) -> Look {
    let newest = view.range((key, Timestamp::ZERO)..=(key, at)).next_back();
    if let Some((_, row)) = newest
        && (history_at(row, at) || world.is(Mutant::HistoryEndIgnored))
    {
        return Look::Hit(row.value);
    }
    let mut newer = view.range((key, at)..=(key, Timestamp::MAX));
    let nearer = newer
        .find(|((_, start), _)| *start > at)
        .map(|(_, row)| row.previous_end);
    let nearer = nearer.filter(|_| !world.is(Mutant::HoleLooksAtCurrentOnly));
    Look::Miss {
        successor: nearer.unwrap_or(successor),
    }
}

/// The checks that come after all look-ups: rules 4 and 5.
fn finish(
    world: &mut World,
    at: Timestamp,
    cover: Cover,
    look: Look,
    floor_before: Timestamp,
) -> Step<Found> {
    let Look::Miss { successor } = look else {
        return Ok(answer(world, look, at, floor_before));
    };
    world.tick()?;
    let floor = world.memory.floor;
    let checked = if world.is(Mutant::SecondCheckTooEarly) {
        floor_before
    } else {
        floor
    };
    if cover == Cover::None && at < checked && !world.is(Mutant::NoSecondCheck) {
        return Ok(Found::Pruned);
    }
    let floor = match cover {
        Cover::Guarded { floor } if world.is(Mutant::HoleFloorTooEarly) => floor,
        _ => floor,
    };
    Ok(answer(world, Look::Miss { successor }, at, floor))
}

fn answer(world: &World, look: Look, at: Timestamp, floor: Timestamp) -> Found {
    let floor = if world.is(Mutant::HoleWithoutFloor) {
        Timestamp::ZERO
    } else {
        floor
    };
    match look {
        Look::Hit(value) => Found::Value(value),
        Look::Miss { successor }
            if is_hole(successor, at, floor) && !world.is(Mutant::NoHoleCheck) =>
        {
            Found::Hole
        }
        Look::Miss { .. } => Found::Absent,
    }
}

/// A read of the latest state, without a guard.
pub(crate) fn get_latest(world: &mut World, key: Key) -> Step<Option<Value>> {
    loop {
        let visible = world.memory.visible;
        world.tick()?;
        let started_before = world.memory.started;
        if world.is(Mutant::LatestChecksStartedFirst) {
            world.tick()?;
        }
        let current = world.disk.rows.current.get(&key).copied();
        world.tick()?;
        let started = match world.mutant {
            Some(Mutant::LatestChecksStartedFirst) => started_before,
            Some(Mutant::LatestMissAnswersAtOnce) => visible,
            _ => world.memory.started,
        };
        match &current {
            Some(row) if row.start <= visible || world.is(Mutant::LatestTakesWhatLies) => {
                return Ok(Some(row.value));
            }
            // No row of a commit above `visible` can have been met.
            None if started <= visible => return Ok(None),
            _ => {}
        }
        // A commit that is not published yet may have been met. The row at hand may serve as the
        // first look-up.
        let found = if world.chance(1, 2) {
            by_current(world, key, visible, Cover::None, current, None)?
        } else {
            get_at(world, key, visible, Cover::None)?
        };
        match found {
            Found::Value(value) => return Ok(Some(value)),
            Found::Absent => return Ok(None),
            Found::Hole => return wrong(format!("latest get of {key} at {visible:?}: a hole")),
            // The floor went past: so did the visible timestamp.
            Found::Pruned if world.memory.visible > visible => {}
            Found::Pruned => return wrong(format!("the latest state {visible:?} was pruned")),
        }
    }
}

/// Several keys of the latest state, as of one timestamp.
pub(crate) fn get_all_latest(world: &mut World) -> Step<State> {
    let visible = world.memory.visible;
    world.tick()?;
    let mut rows = Vec::new();
    for key in KEYS {
        rows.push((key, world.disk.rows.current.get(&key).copied()));
        world.tick()?;
    }
    let mut state = State::new();
    for (key, row) in rows {
        match row {
            Some(row) if row.start <= visible => drop(state.insert(key, row.value)),
            None if world.memory.started <= visible => {}
            // One key alone may be read anew; of several all must be.
            _ if world.is(Mutant::LatestMixesMoments) => {
                state.extend(get_latest(world, key)?.map(|value| (key, value)));
            }
            _ => return get_all_guarded(world),
        }
    }
    Ok(state)
}

fn get_all_guarded(world: &mut World) -> Step<State> {
    let guard = guarded::open_latest(world)?;
    let mut state = State::new();
    for key in KEYS {
        match get_at(world, key, guard.at, guard.cover())? {
            Found::Value(value) => drop(state.insert(key, value)),
            Found::Absent => {}
            found => return wrong(format!("get of all: {key} at {:?}: {found:?}", guard.at)),
        }
    }
    guard.close(world);
    Ok(state)
}
