//! The committer: begins, writes and publishes, each as a step of its own (rule 8).
//!
//! Two commits may be under way, so that one is written while another waits to be published.

use sapwood::Timestamp;

use super::{
    disk::{Changes, KEYS, Key, Value},
    mutant::Mutant,
    world::World,
};

#[derive(Debug)]
pub(crate) struct InFlight {
    at: Timestamp,
    writes: Vec<(Key, Option<Value>)>,
    written: bool,
}

/// One step of the committer.
pub(crate) fn step(world: &mut World) {
    let unwritten = world
        .memory
        .writing
        .iter()
        .position(|commit| !commit.written);
    match (world.memory.writing.len(), unwritten) {
        (0, _) if world.chance(1, 2) => {}
        (0, _) => begin(world),
        (1, None) if world.chance(1, 2) => begin(world),
        (1, Some(_)) if world.chance(1, 4) => begin(world),
        (_, Some(index)) if index == 0 || world.chance(1, 2) => write(world, index),
        _ => publish(world),
    }
}

/// Goes on until a commit is written but not published.
pub(crate) fn steps_to_an_unpublished_commit(world: &mut World) {
    for _ in 0..8 {
        step(world);
        if world.memory.writing.iter().any(|commit| commit.written) {
            return;
        }
    }
}

fn begin(world: &mut World) {
    let last = world
        .memory
        .writing
        .back()
        .map_or(world.memory.visible, |commit| commit.at);
    // Gaps are legal: the caller may give timestamps.
    let gap = if world.chance(1, 5) {
        world.up_to(2)
    } else {
        0
    };
    let at = Timestamp::new(last.max(world.disk.last_commit).get() + 1 + gap);
    let writes = (0..world.up_to(3)).map(|_| random_write(world)).collect();
    if !world.is(Mutant::StartedSetAfterWrite) {
        world.memory.started = at;
    }
    if world.is(Mutant::PublishedBeforeWritten) {
        world.memory.visible = at;
    }
    world.memory.writing.push_back(InFlight {
        at,
        writes,
        written: false,
    });
    world.trace(|| format!("commit {at:?} begins"));
}

fn random_write(world: &mut World) -> (Key, Option<Value>) {
    let key = world.pick(&KEYS).unwrap_or('a');
    let value = (!world.chance(2, 5)).then(|| world.next_value());
    (key, value)
}

fn write(world: &mut World, index: usize) {
    let Some(commit) = world.memory.writing.get_mut(index) else {
        return;
    };
    commit.written = true;
    let (at, writes) = (commit.at, commit.writes.clone());
    world.trace(|| format!("commit {at:?} writes {writes:?}"));
    // Of two writes of a key the last counts.
    let changes: Changes = writes.iter().copied().collect();
    world.disk.write(at, &changes, world.mutant);
    world.truth.write(at, writes);
    if world.chance(1, 8) {
        world.disk.sync();
        world.trace(|| "it is synced".into());
    }
}

fn publish(world: &mut World) {
    let Some(commit) = world.memory.writing.pop_front() else {
        return;
    };
    world.memory.started = world.memory.started.max(commit.at);
    world.memory.visible = world.memory.visible.max(commit.at);
    world.trace(|| format!("commit {:?} is published", commit.at));
}
