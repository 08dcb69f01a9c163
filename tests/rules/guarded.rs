//! Taking and giving back a guard, and reads at pins (rules 5 and 6).

use sapwood::Timestamp;

use super::{
    control,
    disk::PinName,
    guards::{GuardId, SHARDS},
    mutant::Mutant,
    point::Cover,
    world::{Step, World, wrong},
};

/// A held guard. Its clones share one registration, which goes with the last of them.
#[derive(Debug)]
pub(crate) struct Guard {
    /// None where nothing needs to be held, and under a wrong rule.
    id: Option<GuardId>,
    pub(crate) at: Timestamp,
    /// The floor that was loaded after the guard was registered.
    pub(crate) floor: Timestamp,
}

impl Guard {
    /// One that holds nothing.
    pub(crate) fn none(at: Timestamp, floor: Timestamp) -> Self {
        Self {
            id: None,
            at,
            floor,
        }
    }

    pub(crate) fn cover(&self) -> Cover {
        Cover::Guarded { floor: self.floor }
    }

    pub(crate) fn close(self, world: &mut World) {
        if let Some(id) = self.id {
            world.memory.guards.release(id);
        }
        world.trace(|| format!("reader: releases {:?}", self.at));
    }
}

/// Registers first and loads the floor second; below the floor only a pin lets the reader on.
pub(crate) fn open(world: &mut World, at: Timestamp) -> Step<Option<Guard>> {
    let shard = world.pick(&SHARDS).unwrap_or(0);
    let (id, floor) = if world.is(Mutant::GuardLoadsFloorFirst) {
        let floor = world.memory.floor;
        world.tick()?;
        (world.memory.guards.register(shard, at), floor)
    } else {
        let id = world.memory.guards.register(shard, at);
        world.trace(|| format!("reader: registers {at:?}"));
        world.tick()?;
        (id, world.memory.floor)
    };
    world.tick()?;
    if at < floor && !is_pinned(world, at) {
        world.memory.guards.release(id);
        world.trace(|| format!("reader: {at:?} is below the floor {floor:?}"));
        return Ok(None);
    }
    world.trace(|| format!("reader: has a guard at {at:?}, the floor is {floor:?}"));
    Ok(Some(Guard {
        id: Some(id),
        at,
        floor,
    }))
}

/// Opens a guard at a pin that a client was told of.
pub(crate) fn open_pin(world: &mut World, name: PinName, at: Timestamp) -> Step<Option<Guard>> {
    let guard = if world.is(Mutant::PinReadWithoutGuard) || world.is(Mutant::PinCheckedFirst) {
        let pinned = is_pinned(world, at);
        world.tick()?;
        let hold = world.is(Mutant::PinCheckedFirst);
        let id = hold.then(|| world.memory.guards.register(SHARDS[0], at));
        pinned.then_some(Guard {
            id,
            at,
            floor: world.memory.floor,
        })
    } else {
        open(world, at)?
    };
    if guard.is_none() && world.owed.contains_key(&name) {
        return wrong(format!(
            "the pin {name} at {at:?} was acknowledged, a read at it is refused"
        ));
    }
    Ok(guard)
}

/// Opens a guard at the latest state: this never fails.
pub(crate) fn open_latest(world: &mut World) -> Step<Guard> {
    loop {
        let visible = world.memory.visible;
        world.tick()?;
        if let Some(guard) = open(world, visible)? {
            return Ok(guard);
        }
        // The floor went past: so did the visible timestamp.
        if world.memory.visible == visible {
            return wrong(format!(
                "the visible timestamp {visible:?} is below the floor"
            ));
        }
    }
}

/// Clones the guard, for an iterator, say, and lets the first one go: nothing changes in the
/// registry.
pub(crate) fn hand_over(world: &mut World, guard: &mut Guard) -> Step<()> {
    if world.haste > 0 && world.chance(1, 2) {
        control::steps_into_a_race(world);
    }
    let Some(old) = guard.id.filter(|_| world.is(Mutant::CloneRegistersAnew)) else {
        return world.tick();
    };
    let shard = world.pick(&SHARDS).unwrap_or(0);
    guard.id = Some(world.memory.guards.register(shard, guard.at));
    world.tick()?;
    world.memory.guards.release(old);
    Ok(())
}

fn is_pinned(world: &World, at: Timestamp) -> bool {
    world.memory.pins.values().any(|pin| *pin == at)
}
