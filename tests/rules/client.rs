//! What clients do, each answer compared with the truth.

use sapwood::Timestamp;

use super::{
    control::{self, Control},
    damage,
    diff::{diff, open_feed, read_feed},
    disk::{KEYS, Key},
    guarded::{self, Guard},
    listing::{Listing, list},
    mutant::Mutant,
    point::{Cover, Found, get_all_latest, get_at, get_latest},
    scan::{Direction, Scanned, Walk, scan},
    verify::{verify, wrong_previous_ends},
    world::{Step, Stop, World, wrong},
};

/// How many things clients do in a run.
const SESSIONS: usize = 50;

/// One whole run: the error of the first wrong answer.
pub(crate) fn run(world: &mut World) -> Result<(), String> {
    for _ in 0..SESSIONS {
        world.haste = world.pick(&[0, 1, 1, 2, 4, 12, 30]).unwrap_or(1);
        if world.chance(1, 4) {
            // A feed that ends; while it goes on, it holds back the floor.
            world.memory.feeds.pop();
        }
        let ended = match world.tick().and_then(|()| session(world)) {
            Err(Stop::Crashed) => look_around(world),
            ended => ended,
        };
        match ended {
            Ok(()) | Err(Stop::Crashed) => {}
            Err(Stop::Wrong(what)) => return Err(what),
        }
    }
    match damage::lose_rows(world) {
        Err(Stop::Wrong(what)) => Err(what),
        _ => Ok(()),
    }
}

/// Everything that a crash may have broken: pins, the state at the floor, and the latest.
fn look_around(world: &mut World) -> Step<()> {
    world.haste = 0;
    let pins: Vec<_> = world.owed.iter().map(|(name, at)| (*name, *at)).collect();
    for (name, at) in pins {
        if let Some(guard) = guarded::open_pin(world, name, at)? {
            scan_at(world, &guard)?;
            guard.close(world);
        }
    }
    for at in [world.memory.floor, world.memory.visible] {
        if let Some(guard) = open(world, at)? {
            scan_at(world, &guard)?;
            guard.close(world);
        }
    }
    Ok(())
}

fn session(world: &mut World) -> Step<()> {
    if world.chance(1, 2) {
        control::steps_into_a_race(world);
    }
    match world.choose([16, 8, 20, 24, 20, 32, 4, 12, 8, 12]) {
        0 => repeat(world, latest_get),
        1 => latest_scan(world),
        2 => repeat(world, loose_get),
        3 => snapshot(world),
        4 => pinned_snapshot(world),
        5 => difference(world),
        6 => verified(world),
        7 => feed(world),
        8 => latest_state(world),
        _ => listing(world),
    }
}

/// The same a few times: it is short.
fn repeat(world: &mut World, read: fn(&mut World) -> Step<()>) -> Step<()> {
    for _ in 0..=world.up_to(3) {
        read(world)?;
    }
    Ok(())
}

fn any_key(world: &mut World) -> Key {
    world.pick(&KEYS).unwrap_or('a')
}

/// A latest get is right if it was right at some moment while it ran.
fn latest_get(world: &mut World) -> Step<()> {
    let key = any_key(world);
    let first = world.memory.visible;
    let got = get_latest(world, key)?;
    let last = world.memory.visible;
    world.trace(|| format!("latest get of {key}: {got:?}, from {first:?} to {last:?}"));
    let mut moments = (first.get()..=last.get()).map(Timestamp::new);
    if moments.any(|at| world.truth.get(key, at) == got) {
        return Ok(());
    }
    wrong(format!(
        "latest get of {key} gave {got:?}, right at no time from {first:?} to {last:?}"
    ))
}

/// Several keys at once are right if they all were at one moment.
fn latest_state(world: &mut World) -> Step<()> {
    let first = world.memory.visible;
    let got = get_all_latest(world)?;
    let last = world.memory.visible;
    let mut moments = (first.get()..=last.get()).map(Timestamp::new);
    if moments.any(|at| world.truth.state(at) == got) {
        return Ok(());
    }
    wrong(format!(
        "all latest gave {got:?}, right at no time from {first:?} to {last:?}"
    ))
}

/// A listing has each version that its floor and pins let be read, and no other.
fn listing(world: &mut World) -> Step<()> {
    let key = any_key(world);
    let Listing { at, rule, versions } = list(world, key)?;
    world.trace(|| format!("listing of {key} at {at:?} with {rule:?}: {versions:?}"));
    let mut right = world.truth.versions(key, at);
    right.retain(|(start, end, _)| end.is_none_or(|end| !rule.drops_history(*start, end)));
    for (_, end, _) in &mut right {
        *end = end.filter(|end| *end <= at);
    }
    if versions == right {
        return Ok(());
    }
    wrong(format!(
        "listing of {key} at {at:?} gave {versions:?}, right is {right:?}; {rule:?}"
    ))
}

fn latest_scan(world: &mut World) -> Step<()> {
    if world.is(Mutant::LatestScanReadsCurrent) {
        let visible = world.memory.visible;
        let rows = world
            .disk
            .rows
            .current
            .iter()
            .map(|(key, row)| (*key, row.value))
            .collect();
        return check_scan(world, visible, Direction::Forward, &Scanned::Rows(rows));
    }
    let guard = guarded::open_latest(world)?;
    scan_at(world, &guard)?;
    guard.close(world);
    Ok(())
}

/// A get at a timestamp without a guard.
fn loose_get(world: &mut World) -> Step<()> {
    let (key, at) = (any_key(world), world.readable_time());
    if at < world.memory.floor {
        return Ok(());
    }
    let found = get_at(world, key, at, Cover::None)?;
    check_get(world, key, at, found)
}

/// A snapshot, at a timestamp that may turn out to be pruned.
fn snapshot(world: &mut World) -> Step<()> {
    if world.chance(1, 3) {
        let guard = guarded::open_latest(world)?;
        return use_snapshot(world, guard);
    }
    let at = any_time(world);
    match open(world, at)? {
        Some(guard) => use_snapshot(world, guard),
        None => Ok(()),
    }
}

fn any_time(world: &mut World) -> Timestamp {
    let lowest = if world.chance(1, 8) {
        Timestamp::ZERO
    } else {
        world.memory.floor
    };
    world.time_between(lowest, world.memory.visible)
}

/// Opens a guard; a refusal must be right.
fn open(world: &mut World, at: Timestamp) -> Step<Option<Guard>> {
    let guard = guarded::open(world, at)?;
    if guard.is_none() && at >= world.memory.floor {
        return wrong(format!(
            "{at:?} is refused, but the floor is {:?}",
            world.memory.floor
        ));
    }
    Ok(guard)
}

fn pinned_snapshot(world: &mut World) -> Step<()> {
    match open_pinned(world)? {
        Some(guard) => use_snapshot(world, guard),
        None => Ok(()),
    }
}

/// Opens a guard at a pin; it may be one that is just being removed.
fn open_pinned(world: &mut World) -> Step<Option<Guard>> {
    let leaving = world.memory.controls.first().and_then(Control::unpins);
    let leaving = leaving.filter(|_| world.chance(1, 2));
    let pins = world.owed.iter().chain(&world.memory.pins);
    let pins = pins.filter(|(name, _)| leaving.is_none_or(|leaving| **name == leaving));
    let pins: Vec<_> = pins.map(|(name, at)| (*name, *at)).collect();
    let Some((name, at)) = world.pick(&pins) else {
        return Ok(None);
    };
    guarded::open_pin(world, name, at)
}

/// A few reads at one guard, with time between them.
fn use_snapshot(world: &mut World, mut guard: Guard) -> Step<()> {
    for _ in 0..=world.up_to(3) {
        world.tick()?;
        for _ in 0..=world.up_to(2) {
            guarded::hand_over(world, &mut guard)?;
        }
        if world.chance(1, 2) {
            let key = any_key(world);
            let found = get_at(world, key, guard.at, guard.cover())?;
            check_get(world, key, guard.at, found)?;
        } else if world.is(Mutant::ScanWithoutGuard) {
            // As the scan of an iterator that outlives its snapshot.
            let none = Guard::none(guard.at, guard.floor);
            guard.close(world);
            return scan_at(world, &none);
        } else {
            scan_at(world, &guard)?;
        }
    }
    guard.close(world);
    Ok(())
}

fn scan_at(world: &mut World, guard: &Guard) -> Step<()> {
    let direction = if world.chance(1, 2) {
        Direction::Forward
    } else {
        Direction::Reverse
    };
    let walk = if world.chance(1, 3) {
        Walk::History
    } else {
        Walk::Deleted
    };
    let scanned = scan(world, guard, direction, walk)?;
    check_scan(world, guard.at, direction, &scanned)
}

/// A diff from a guard or a pin to a later guard.
fn difference(world: &mut World) -> Step<()> {
    let to = if world.chance(1, 3) {
        any_time(world)
    } else {
        world.memory.visible
    };
    let Some(to) = open(world, to)? else {
        return Ok(());
    };
    if world.haste > 0 && world.chance(1, 2) {
        control::steps_into_a_race(world);
    }
    let pinned = if world.chance(1, 4) {
        open_pinned(world)?
    } else {
        None
    };
    let from = if let Some(from) = pinned {
        Some(from)
    } else {
        let at = any_time(world).min(to.at);
        open(world, at)?
    };
    let Some(from) = from else { return Ok(()) };
    if from.at <= to.at {
        let got = diff(world, &from, &to)?;
        let right = world.truth.difference(from.at, to.at);
        if got != right {
            let (from, to) = (from.at, to.at);
            return wrong(format!(
                "the diff of {from:?} and {to:?} gave {got:?}, not {right:?}"
            ));
        }
    }
    from.close(world);
    to.close(world);
    Ok(())
}

fn feed(world: &mut World) -> Step<()> {
    open_feed(world);
    world.tick()?;
    read_feed(world)
}

fn verified(world: &mut World) -> Step<()> {
    let rows = world.disk.rows.clone();
    let wrong_ends = wrong_previous_ends(&rows, &world.memory.named_rule(), &world.truth);
    if let Some(found) = wrong_ends.first() {
        return wrong(format!("a wrong end: {found}"));
    }
    world.tick()?;
    let found = verify(&rows, &world.memory.named_rule(), world.mutant);
    found
        .first()
        .map_or(Ok(()), |found| wrong(format!("verify finds {found}")))
}

fn check_get(world: &mut World, key: Key, at: Timestamp, found: Found) -> Step<()> {
    world.trace(|| format!("get of {key} at {at:?}: {found:?}"));
    let right = world.truth.get(key, at);
    let is_right = match found {
        Found::Value(value) => right == Some(value),
        Found::Absent => right.is_none(),
        Found::Hole => false,
        Found::Pruned => at < world.memory.floor,
    };
    if is_right {
        return Ok(());
    }
    let floor = world.memory.floor;
    wrong(format!(
        "get of {key} at {at:?} gave {found:?}, right is {right:?}; floor {floor:?}"
    ))
}

fn check_scan(
    world: &mut World,
    at: Timestamp,
    direction: Direction,
    scanned: &Scanned,
) -> Step<()> {
    world.trace(|| format!("{direction:?} scan at {at:?}: {scanned:?}"));
    let mut right: Vec<_> = world.truth.state(at).into_iter().collect();
    if direction == Direction::Reverse {
        right.reverse();
    }
    if matches!(scanned, Scanned::Rows(rows) if *rows == right) {
        return Ok(());
    }
    let floor = world.memory.floor;
    wrong(format!(
        "scan at {at:?} gave {scanned:?}, right is {right:?}; floor {floor:?}"
    ))
}
