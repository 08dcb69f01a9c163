//! Differences between two guarded timestamps, and change feeds (rule 12).

use std::collections::BTreeSet;

use sapwood::Timestamp;

use super::{
    disk::{Commits, Key},
    guarded::Guard,
    mutant::Mutant,
    point::{Found, get_at},
    scan::{Direction, Scanned, Walk, scan},
    truth::{Difference, State, difference},
    world::{Step, World, wrong},
};

/// What differs between two timestamps that guards hold.
pub(crate) fn diff(world: &mut World, from: &Guard, to: &Guard) -> Step<Difference> {
    if let Some(keys) = changed_keys(world, from, to.at)? {
        return compare_keys(world, &keys, from, to);
    }
    world.trace(|| "diff: merges the two states".into());
    Ok(difference(&state(world, from)?, &state(world, to)?))
}

/// The keys that were changed, by `commits`; `None` where it may have lost what is needed.
fn changed_keys(world: &mut World, from: &Guard, to: Timestamp) -> Step<Option<BTreeSet<Key>>> {
    if from.at < from.floor && !world.is(Mutant::DiffFromPinByCommits) {
        return Ok(None);
    }
    if world.is(Mutant::DiffChecksFloorBeforeView) && world.memory.floor > from.at {
        return Ok(None);
    }
    world.tick()?;
    let keys = listed_keys(&world.disk.rows.commits, from.at, to);
    world.tick()?;
    if world.is(Mutant::DiffBelievesPartsFirst) && keys.is_none() {
        return wrong("diff: a part of a commit is missing");
    }
    let unchecked = [
        Mutant::DiffWithoutSecondCheck,
        Mutant::DiffChecksFloorBeforeView,
        Mutant::DiffFromPinByCommits,
    ];
    if world.memory.floor > from.at && !unchecked.iter().any(|mutant| world.is(*mutant)) {
        // What was read proves nothing: filters may have taken commits, or parts of them.
        return Ok(None);
    }
    keys.map_or_else(
        || wrong("diff: a part of a commit is missing"),
        |keys| Ok(Some(keys)),
    )
}

/// The keys of the commits above `from`, up to `to`; `None` where a part is missing.
fn listed_keys(commits: &Commits, from: Timestamp, to: Timestamp) -> Option<BTreeSet<Key>> {
    let mut keys = BTreeSet::new();
    let mut expected = None;
    for ((at, number), part) in commits.range((from, u32::MAX)..=(to, u32::MAX)) {
        if expected.unwrap_or((*at, 0)) != (*at, *number) {
            return None;
        }
        keys.extend(&part.keys);
        expected = (!part.last).then_some((*at, *number + 1));
    }
    expected.is_none().then_some(keys)
}

fn compare_keys(
    world: &mut World,
    keys: &BTreeSet<Key>,
    from: &Guard,
    to: &Guard,
) -> Step<Difference> {
    let (mut before, mut after) = (State::new(), State::new());
    for key in keys {
        for (guard, state) in [(from, &mut before), (to, &mut after)] {
            match get_at(world, *key, guard.at, guard.cover())? {
                Found::Value(value) => drop(state.insert(*key, value)),
                Found::Absent => {}
                found => return wrong(format!("diff: {key} at {:?}: {found:?}", guard.at)),
            }
        }
    }
    Ok(difference(&before, &after))
}

fn state(world: &mut World, guard: &Guard) -> Step<State> {
    match scan(world, guard, Direction::Forward, Walk::Deleted)? {
        Scanned::Rows(rows) => Ok(rows.into_iter().collect()),
        Scanned::Hole(key) => wrong(format!("diff: {key} at {:?}: a hole", guard.at)),
    }
}

/// Opens a feed at a timestamp that may be read. Like a pin, it is granted under the lock, so that
/// no prune is past its clip.
pub(crate) fn open_feed(world: &mut World) {
    let locked = !world.memory.controls.is_empty() && !world.is(Mutant::FeedWithoutLock);
    if locked || world.memory.feeds.len() >= 2 {
        return;
    }
    let at = world.readable_time();
    if at >= world.memory.floor {
        world.memory.feeds.push(at);
        world.trace(|| format!("a feed begins at {at:?}"));
    }
}

/// Reads what came since a feed was last read, and moves its hold.
pub(crate) fn read_feed(world: &mut World) -> Step<()> {
    if world.memory.feeds.len() > 1 && world.chance(1, 2) {
        world.memory.feeds.swap(0, 1);
    }
    let Some(position) = world.memory.feeds.first().copied() else {
        return Ok(());
    };
    let visible = world.memory.visible;
    world.tick()?;
    let mut got: Vec<(Timestamp, Vec<Key>)> = Vec::new();
    let commits = &world.disk.rows.commits;
    for ((at, _), part) in commits.range((position, u32::MAX)..=(visible, u32::MAX)) {
        match got.last_mut() {
            Some((last, keys)) if last == at => keys.extend(&part.keys),
            _ => got.push((*at, part.keys.clone())),
        }
    }
    let expected = world.truth.commits(position, visible);
    if got != expected {
        let differs = got
            .iter()
            .zip(&expected)
            .find(|(got, expected)| got != expected);
        return wrong(format!(
            "feed from {position:?} to {visible:?}: {} of {} commits; got, right: {differs:?}",
            got.len(),
            expected.len()
        ));
    }
    world.memory.feeds.remove(0);
    if world.chance(3, 4) {
        world.memory.feeds.push(visible.max(position));
    }
    Ok(())
}
