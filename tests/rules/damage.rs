//! Lost rows: some that must be there are taken away, one at a time, to see them missed (rules 4
//! and 11).

use sapwood::Timestamp;

use super::{
    disk::{Key, Rows},
    guarded::Guard,
    point::{Found, get_at},
    scan::{Direction, Scanned, Walk, scan},
    verify::verify,
    world::{Step, World, wrong},
};

const LOSSES: usize = 6;

/// Loses rows one by one, with nothing going on beside.
pub(crate) fn lose_rows(world: &mut World) -> Step<()> {
    world.haste = 0;
    let rows = world.disk.rows.clone();
    let rule = world.memory.named_rule();
    let found = verify(&rows, &rule, world.mutant);
    if let Some(found) = found.first() {
        return wrong(format!("verify finds {found} where nothing is wrong"));
    }
    let demanded = demanded(&rows, rule.floor());
    for _ in 0..LOSSES {
        let Some(lost) = world.pick(&demanded) else {
            break;
        };
        world.disk.rows = rows.clone();
        lost.take(&mut world.disk.rows);
        world.trace(|| format!("lost: {lost:?}"));
        if verify(&world.disk.rows, &rule, world.mutant).is_empty() {
            return wrong(format!("verify does not miss {lost:?}"));
        }
        if let Lost::History { key, start, end } = lost {
            read_around(world, key, start, end)?;
        }
    }
    world.disk.rows = rows;
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Lost {
    Current {
        key: Key,
    },
    Deleted {
        key: Key,
    },
    History {
        key: Key,
        start: Timestamp,
        end: Timestamp,
    },
}

impl Lost {
    fn take(self, rows: &mut Rows) {
        match self {
            Self::Current { key } => drop(rows.current.remove(&key)),
            Self::Deleted { key } => drop(rows.deleted.remove(&key)),
            Self::History { key, start, .. } => drop(rows.history.remove(&(key, start))),
        }
    }
}

/// The rows that something above the floor speaks of.
fn demanded(rows: &Rows, floor: Timestamp) -> Vec<Lost> {
    let history = rows.history.iter().filter(|(_, row)| row.end > floor);
    let history = history.map(|((key, start), row)| Lost::History {
        key: *key,
        start: *start,
        end: row.end,
    });
    let current = rows.current.iter().filter(|(_, row)| row.start > floor);
    // Where the key came back and was overwritten since, nothing speaks of the delete any more.
    let deleted = rows.deleted.iter().filter(|(key, at)| {
        **at > floor
            && rows
                .current
                .get(key)
                .is_none_or(|row| row.previous_end == **at)
    });
    history
        .chain(current.map(|(key, _)| Lost::Current { key: *key }))
        .chain(deleted.map(|(key, _)| Lost::Deleted { key: *key }))
        .collect()
}

/// Every legal read that should have met the lost version tells of the hole.
fn read_around(world: &mut World, key: Key, start: Timestamp, end: Timestamp) -> Step<()> {
    let last = Timestamp::new(end.get() - 1).min(world.memory.visible);
    let pins: Vec<_> = world.memory.pins.values().copied().collect();
    for at in (start.get()..=last.get()).map(Timestamp::new) {
        if at < world.memory.floor && !pins.contains(&at) {
            continue;
        }
        let guard = Guard::none(at, world.memory.floor);
        let found = get_at(world, key, at, guard.cover())?;
        if found != Found::Hole {
            return wrong(format!(
                "{key} at {at:?} was lost, but a get gave {found:?}"
            ));
        }
        let scanned = scan(world, &guard, Direction::Forward, Walk::Deleted)?;
        if scanned != Scanned::Hole(key) {
            return wrong(format!(
                "{key} at {at:?} was lost, but a scan gave {scanned:?}"
            ));
        }
    }
    Ok(())
}
