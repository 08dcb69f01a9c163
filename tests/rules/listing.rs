//! Listings of a key's versions: all that can be read, whether or not more is stored.
//!
//! A guard holds one timestamp, like a pin: it does not hold all that is above it. So the floor and
//! the pins that decide what is listed are loaded after the view of `history` was opened.

use sapwood::{Timestamp, storage::PruneRule};

use super::{
    disk::{Key, Value},
    guarded::{self, Guard},
    mutant::Mutant,
    world::{Step, World},
};

/// A version as of the newest timestamp: one that goes on has no end.
pub(crate) type Version = (Timestamp, Option<Timestamp>, Value);

/// A key's versions, oldest first, and what decided which are among them.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) at: Timestamp,
    pub(crate) rule: PruneRule,
    pub(crate) versions: Vec<Version>,
}

pub(crate) fn list(world: &mut World, key: Key) -> Step<Listing> {
    let early = if world.is(Mutant::ListingTrustsGuardAtFloor) {
        Some(open_at_floor(world)?)
    } else {
        None
    };
    let guard = guarded::open_latest(world)?;
    let mut rule = rule(world, guard.at);
    world.tick()?;
    let current = world.disk.rows.current.get(&key).copied();
    world.tick()?;
    let history = world.disk.rows.history_of(key);
    world.tick()?;
    if !world.is(Mutant::ListingTakesRuleFirst) {
        rule = self::rule(world, guard.at);
    }
    if let Some(early) = early {
        rule = PruneRule::new(early.at, rule.pins().iter().copied());
        early.close(world);
    }
    let at = guard.at;
    // A version that moved to `history` between the two look-ups is listed once.
    let below = current.as_ref().map_or(Timestamp::MAX, |row| row.start);
    let ended = history.into_iter().filter(|((_, start), row)| {
        *start < below && *start <= at && !rule.drops_history(*start, row.end)
    });
    let mut versions: Vec<Version> = ended
        .map(|((_, start), row)| (start, Some(row.end), row.value))
        .collect();
    versions.extend(
        current
            .filter(|row| row.start <= at)
            .map(|row| (row.start, None, row.value)),
    );
    for (_, end, _) in &mut versions {
        *end = end.filter(|end| *end <= at);
    }
    guard.close(world);
    Ok(Listing { at, rule, versions })
}

/// What can be read now, the timestamp of the guard among it.
fn rule(world: &World, guarded: Timestamp) -> PruneRule {
    let pins = world.memory.pins.values().copied();
    PruneRule::new(world.memory.floor, pins.chain([guarded]))
}

/// Wrong: as if a guard at the floor kept the floor where it is.
fn open_at_floor(world: &mut World) -> Step<Guard> {
    loop {
        let floor = world.memory.floor;
        if let Some(guard) = guarded::open(world, floor)? {
            return Ok(guard);
        }
    }
}
