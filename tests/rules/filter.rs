//! Compaction filters: passes that take the rule once and meet rows in any order, at any time,
//! never all of them (rules 9 and 12, and the pruning rule itself).

use sapwood::{Timestamp, storage::PruneRule};

use super::{mutant::Mutant, world::World};

/// One compaction. It lives on while floors and pins move.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    rule: PruneRule,
    /// How many more times it meets rows.
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyspace {
    Deleted,
    Commits,
    History,
}

impl Keyspace {
    const ALL: [Self; 3] = [Self::Deleted, Self::Commits, Self::History];
}

/// Begins a pass, or lets one meet some rows.
pub(crate) fn step(world: &mut World) {
    if world.chance(1, 8) {
        sweep(world);
        return;
    }
    if world.memory.passes.len() < 3 && world.chance(1, 4) {
        begin_pass(world);
        return;
    }
    let count = world.memory.passes.len();
    if count == 0 {
        return;
    }
    let index = usize::try_from(world.up_to(count as u64 - 1)).unwrap_or(0);
    let Some(pass) = world.memory.passes.get_mut(index) else {
        return;
    };
    if world.mutant == Some(Mutant::FilterTakesFloorLater) {
        let floor = world.memory.rule.floor();
        pass.rule = PruneRule::new(floor, pass.rule.pins().iter().copied());
    }
    let rule = pass.rule.clone();
    if pass.left == 0 {
        world.memory.passes.swap_remove(index);
    } else {
        pass.left -= 1;
        let keyspace = world.pick(&Keyspace::ALL).unwrap_or(Keyspace::History);
        let density = world.pick(&[1, 2, 4, 4]).unwrap_or(4);
        meet_rows(world, &rule, keyspace, density);
    }
}

/// A pass that begins now and meets every row at once, or half of them.
pub(crate) fn sweep(world: &mut World) {
    let rule = world.memory.rule.clone();
    world.trace(|| format!("a filter sweeps with {rule:?}"));
    for keyspace in Keyspace::ALL {
        let density = world.pick(&[2, 4, 4]).unwrap_or(4);
        meet_rows(world, &rule, keyspace, density);
    }
}

pub(crate) fn begin_pass(world: &mut World) {
    let rule = world.memory.rule.clone();
    let left = world.up_to(8);
    world.trace(|| format!("a filter takes {rule:?}"));
    world.memory.passes.push(Pass { rule, left });
}

/// Some rows of one keyspace: `density` of four, or all.
fn meet_rows(world: &mut World, rule: &PruneRule, keyspace: Keyspace, density: u32) {
    let mutant = world.mutant;
    let mut rows = std::mem::take(&mut world.disk.rows);
    let mut dropped = Vec::new();
    match keyspace {
        Keyspace::Deleted => rows.deleted.retain(|key, at| {
            let keep = !drops_deleted(mutant, rule, *at) || !world.chance(density, 4);
            if !keep {
                dropped.push(format!("deleted {key} {at:?}"));
            }
            keep
        }),
        Keyspace::Commits => rows.commits.retain(|(at, part), _| {
            let keep = !drops_commit(mutant, rule, *at) || !world.chance(density, 4);
            if !keep {
                dropped.push(format!("commit {at:?} part {part}"));
            }
            keep
        }),
        Keyspace::History => rows.history.retain(|(key, start), row| {
            let drops = drops_history(mutant, rule, *start, row.end);
            let keep = !drops || !world.chance(density, 4);
            if !keep {
                dropped.push(format!("history {key} {start:?}..{:?}", row.end));
            }
            keep
        }),
    }
    world.disk.rows = rows;
    if !dropped.is_empty() {
        world.trace(|| format!("a filter drops {dropped:?}"));
    }
}

fn above(floor: Timestamp) -> Timestamp {
    Timestamp::new(floor.get() + 1)
}

fn drops_history(
    mutant: Option<Mutant>,
    rule: &PruneRule,
    start: Timestamp,
    end: Timestamp,
) -> bool {
    match mutant {
        Some(Mutant::FilterComparesStart) => rule.drops_history(start, above(start)),
        Some(Mutant::FilterEndOffByOne) => {
            let wider = PruneRule::new(above(rule.floor()), rule.pins().iter().copied());
            wider.drops_history(start, end)
        }
        Some(Mutant::FilterIgnoresPins) => {
            PruneRule::new(rule.floor(), []).drops_history(start, end)
        }
        // A pin at the very start of a version sees it.
        Some(Mutant::FilterPinAtStartMissed) => rule.drops_history(above(start), end),
        _ => rule.drops_history(start, end),
    }
}

fn drops_deleted(mutant: Option<Mutant>, rule: &PruneRule, at: Timestamp) -> bool {
    match mutant {
        Some(Mutant::FilterDeletedIgnoresPins) => {
            PruneRule::new(rule.floor(), []).drops_deleted(at)
        }
        Some(Mutant::FilterDeletedOffByOne) => {
            let wider = PruneRule::new(above(rule.floor()), rule.pins().iter().copied());
            wider.drops_deleted(at)
        }
        _ => rule.drops_deleted(at),
    }
}

fn drops_commit(mutant: Option<Mutant>, rule: &PruneRule, at: Timestamp) -> bool {
    match mutant {
        Some(Mutant::CommitsDroppedAboveFloor) => at <= above(rule.floor()),
        _ => rule.drops_commit(at),
    }
}
