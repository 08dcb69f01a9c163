//! Prune, pin and unpin: each a queue of steps, between which others go on, and a crash may come.
//!
//! They share one lock (rule 9), so that at most one is under way, but for the wrong rules that
//! give the lock up. Prune, step by step:
//!
//! 1. the new floor is clipped to the oldest guard at or above the present floor, and to the feeds;
//! 2. it is written, synced;
//! 3. it is published to readers;
//! 4. nothing waits: guards that slipped in between 1 and 3, and guards on pins that were removed
//!    since, are collected, and count as pins;
//! 5. floor and pins are published to the filters, as one value;
//! 6. filters run whenever they do.
//!
//! Because of step 4, no answer would be wrong without the clip to guards; it is there so that what
//! a snapshot holds stays above the floor, whole, and diffs from it cheap. Feeds do need theirs.

use std::collections::VecDeque;

use sapwood::{Timestamp, storage::PruneRule};

use super::{disk::PinName, guards::SHARDS, mutant::Mutant, world::World, writer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Prune,
    Pin,
    Unpin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Clip(u8),
    SettleFloor,
    WriteFloor,
    PublishFloor,
    CollectPins,
    CollectGuards(u8),
    ArmFilters,
    GrantPin,
    WritePin,
    HoldPin,
    Acknowledge,
    EraseName,
    ForgetName,
}

/// A prune, pin or unpin under way.
#[derive(Debug)]
pub(crate) struct Control {
    kind: Kind,
    actions: VecDeque<Action>,
    /// The new floor, or the floor that the filters' rule is made with, or the timestamp to pin.
    target: Timestamp,
    name: PinName,
    pins: Vec<Timestamp>,
}

impl Control {
    fn new(kind: Kind, target: Timestamp, name: PinName, actions: Vec<Action>) -> Self {
        Self {
            kind,
            actions: actions.into(),
            target,
            name,
            pins: Vec::new(),
        }
    }

    /// The pin that is being removed.
    pub(crate) fn unpins(&self) -> Option<PinName> {
        (self.kind == Kind::Unpin).then_some(self.name)
    }

    pub(crate) fn target(&self) -> Timestamp {
        self.target
    }
}

/// Goes on until some action, drawn beforehand, is the next: there the reader takes its next step.
/// Without this most races would be too rare to be met.
pub(crate) fn steps_into_a_race(world: &mut World) {
    use Action::{ArmFilters, CollectGuards, CollectPins, EraseName, ForgetName, PublishFloor};
    let race = [
        Action::WriteFloor,
        PublishFloor,
        PublishFloor,
        CollectPins,
        CollectGuards(SHARDS[0]),
        CollectGuards(SHARDS[1]),
        ArmFilters,
        EraseName,
        ForgetName,
        Action::WritePin,
        Action::HoldPin,
    ];
    let Some(race) = world.pick(&race) else {
        return;
    };
    for _ in 0..40 {
        let next = world
            .memory
            .controls
            .first()
            .and_then(|control| control.actions.front());
        if next == Some(&race) {
            return;
        }
        if world.chance(1, 4) {
            writer::step(world);
        } else {
            step(world);
        }
    }
}

/// Goes on until nothing is under way.
pub(crate) fn steps_to_the_end(world: &mut World) {
    for _ in 0..40 {
        if world.memory.controls.is_empty() {
            return;
        }
        step(world);
    }
}

/// Starts something where the lock is free; else goes on with what is under way.
pub(crate) fn step(world: &mut World) {
    let kind = match world.choose([12, 5, 3]) {
        0 => Kind::Prune,
        1 => Kind::Pin,
        _ => Kind::Unpin,
    };
    let under_way = world.memory.controls.len();
    if under_way == 0 || (under_way < 3 && is_unlocked(world, kind) && world.chance(1, 3)) {
        start(world, kind);
        return;
    }
    if world.chance(1, 6) {
        world.memory.favoured = world.up_to(5);
    }
    let index = usize::try_from(world.memory.favoured).unwrap_or(0) % under_way;
    let mut control = world.memory.controls.remove(index);
    let Some(action) = control.actions.pop_front() else {
        return;
    };
    let goes_on = act(world, &mut control, action);
    let (kind, target) = (control.kind, control.target);
    world.trace(|| {
        format!(
            "{kind:?} {target:?}: {action:?}{}",
            if goes_on { "" } else { ": ends" }
        )
    });
    if goes_on && !control.actions.is_empty() {
        world.memory.controls.insert(index, control);
    }
}

/// Whether this one may start while others are under way: only under a wrong rule.
fn is_unlocked(world: &World, kind: Kind) -> bool {
    let only = |kind: Kind| {
        world
            .memory
            .controls
            .iter()
            .all(|control| control.kind == kind)
    };
    match world.mutant {
        Some(Mutant::PinWithoutLock) => kind == Kind::Pin || only(Kind::Pin),
        Some(Mutant::PruneWithoutLock) => kind == Kind::Prune && only(Kind::Prune),
        _ => false,
    }
}

fn start(world: &mut World, kind: Kind) {
    let control = match kind {
        Kind::Prune => start_prune(world),
        Kind::Pin => start_pin(world),
        Kind::Unpin => start_unpin(world),
    };
    let Some(control) = control else { return };
    world.trace(|| format!("{:?} {:?} begins", control.kind, control.target));
    world.memory.controls.push(control);
}

fn start_prune(world: &mut World) -> Option<Control> {
    use Action::{
        ArmFilters, Clip, CollectGuards, CollectPins, PublishFloor, SettleFloor, WriteFloor,
    };
    let visible = world.memory.visible;
    if world.memory.floor == visible {
        return None;
    }
    let target = if world.is(Mutant::FloorMovesDown) && world.chance(1, 4) {
        world.time_between(Timestamp::ZERO, visible)
    } else if world.is(Mutant::PruneAboveVisible) && world.chance(1, 4) {
        world.memory.started
    } else {
        let above = Timestamp::new(world.memory.floor.get() + 1);
        world.time_between(above.min(visible), visible)
    };
    let mut actions = vec![Clip(0), Clip(1), SettleFloor];
    let collect = [
        CollectPins,
        CollectGuards(SHARDS[0]),
        CollectGuards(SHARDS[1]),
    ];
    match world.mutant {
        Some(Mutant::FiltersBeforeFloorDurable) => {
            actions.push(PublishFloor);
            actions.extend(collect);
            actions.extend([ArmFilters, WriteFloor]);
        }
        Some(Mutant::FiltersBeforeReadFloor) => {
            actions.push(WriteFloor);
            actions.extend(collect);
            actions.extend([ArmFilters, PublishFloor]);
        }
        _ => {
            actions.extend([WriteFloor, PublishFloor]);
            actions.extend(collect);
            actions.push(ArmFilters);
        }
    }
    Some(Control::new(Kind::Prune, target, 0, actions))
}

fn start_pin(world: &mut World) -> Option<Control> {
    use Action::{Acknowledge, GrantPin, HoldPin, WritePin};
    if world.disk.meta.pins.len() >= 4 {
        return None;
    }
    // Not always a legal one.
    let visible = world.memory.visible;
    let at = if world.chance(1, 4) {
        world.time_between(Timestamp::ZERO, visible)
    } else {
        world.readable_time()
    };
    let name = PinName::try_from(world.next_value()).unwrap_or(0);
    let actions = match world.mutant {
        Some(Mutant::PinHeldBeforeDurable) => vec![GrantPin, HoldPin, Acknowledge, WritePin],
        _ => vec![GrantPin, WritePin, HoldPin, Acknowledge],
    };
    Some(Control::new(Kind::Pin, at, name, actions))
}

fn start_unpin(world: &mut World) -> Option<Control> {
    use Action::{ArmFilters, CollectGuards, CollectPins, EraseName, ForgetName};
    let owed: Vec<_> = world.owed.iter().map(|(name, at)| (*name, *at)).collect();
    // Rather one where somebody reads.
    let held: Vec<_> = owed
        .iter()
        .filter(|(_, at)| world.memory.guards.hold(*at))
        .copied()
        .collect();
    let rather_held = world.chance(2, 3) && !held.is_empty();
    let (name, at) = world.pick(if rather_held { &held } else { &owed })?;
    // From here on nobody may count on it.
    world.owed.remove(&name);
    let arm = [
        CollectPins,
        CollectGuards(SHARDS[0]),
        CollectGuards(SHARDS[1]),
        ArmFilters,
    ];
    let mut actions = Vec::new();
    match world.mutant {
        Some(Mutant::UnpinDurableLast) => {
            actions.push(ForgetName);
            actions.extend(arm);
            actions.push(EraseName);
        }
        Some(Mutant::UnpinFiltersBeforeMemory) => {
            actions.push(EraseName);
            actions.extend(arm);
            actions.push(ForgetName);
        }
        _ => {
            actions.extend([EraseName, ForgetName]);
            actions.extend(arm);
        }
    }
    Some(Control::new(Kind::Unpin, at, name, actions))
}

/// Takes one step; false ends the whole thing.
fn act(world: &mut World, control: &mut Control, action: Action) -> bool {
    match action {
        Action::Clip(shard) => clip(world, control, shard),
        Action::SettleFloor => {
            let legal = control.target <= world.memory.visible;
            return (legal || world.is(Mutant::PruneAboveVisible))
                && (control.target > world.memory.floor || world.is(Mutant::FloorMovesDown));
        }
        Action::WriteFloor => {
            world.disk.meta.floor = control.target;
            if !world.is(Mutant::FloorNotSynced) {
                world.disk.sync();
            }
        }
        Action::PublishFloor => world.memory.floor = control.target,
        Action::CollectPins => collect_pins(world, control),
        Action::CollectGuards(shard) => collect_guards(world, control, shard),
        Action::ArmFilters => {
            world.memory.rule = PruneRule::new(control.target, control.pins.iter().copied());
        }
        Action::GrantPin => {
            // Below the floor only where another pin holds already.
            let held = world.memory.pins.values().any(|at| *at == control.target);
            let legal = world.is(Mutant::PinGrantedBelowFloor)
                || held
                || control.target >= world.memory.floor;
            return legal && control.target <= world.memory.visible;
        }
        Action::WritePin => {
            world.disk.meta.pins.insert(control.name, control.target);
            if !world.is(Mutant::PinNotSynced) {
                world.disk.sync();
            }
        }
        Action::HoldPin => {
            world.memory.pins.insert(control.name, control.target);
        }
        Action::Acknowledge => {
            world.owed.insert(control.name, control.target);
        }
        Action::EraseName => {
            world.disk.meta.pins.remove(&control.name);
            if !world.is(Mutant::UnpinNotSynced) {
                world.disk.sync();
            }
        }
        Action::ForgetName => {
            world.memory.pins.remove(&control.name);
        }
    }
    true
}

fn clip(world: &World, control: &mut Control, shard: u8) {
    let memory = &world.memory;
    let guard = memory.guards.oldest_from(shard, memory.floor);
    let feeds = memory
        .feeds
        .iter()
        .copied()
        .filter(|_| !world.is(Mutant::PruneIgnoresFeeds));
    if let Some(oldest) = guard.into_iter().chain(feeds).min() {
        control.target = control.target.min(oldest);
    }
}

fn collect_pins(world: &World, control: &mut Control) {
    if control.kind == Kind::Unpin {
        control.target = world.memory.floor;
    }
    let mut pins = world.memory.pins.clone();
    if control.kind == Kind::Unpin {
        pins.remove(&control.name);
    }
    control.pins.extend(pins.into_values());
}

fn collect_guards(world: &World, control: &mut Control, shard: u8) {
    let ignored = match control.kind {
        Kind::Prune => world.is(Mutant::GuardsNotArmedByPrune),
        _ => world.is(Mutant::UnpinIgnoresGuards),
    };
    if !ignored {
        control
            .pins
            .extend(world.memory.guards.below(shard, control.target));
    }
}
