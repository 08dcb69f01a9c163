//! More that holds back pruning: open snapshots, and pins. Both are at timestamps all over the past; nothing is
//! pruned meanwhile, so what is measured is what they cost those who have nothing to do with them.
//!
//! Snapshots are opened before each round and dropped after it, on one store. Pins are durable and slow to set,
//! so that there are two stores, one with and one without.

use anyhow::{Result, ensure};
use sapwood::{PinOptions, Timestamp};

use super::show;
use crate::{
    dataset::{VERSIONS, at},
    harness::{Bench, Figure, Measured, Point, RowSpec, Swept},
    rows::world::{Operation, When, World},
};

const MANY: u32 = 1_000;
/// In the order of the rows. Commits come last: they change what the others read.
const OPERATIONS: [Operation; 4] = [
    Operation::Get,
    Operation::GetAt(When::Old),
    Operation::Scan,
    Operation::Commit,
];

const ONE: &str = "itself with 1";
pub(in crate::rows) const SNAPSHOTS: [RowSpec; 4] = [
    RowSpec::growth("P18.snapshots.get", "latest get, 1,000 snapshots open", ONE),
    RowSpec::growth("P18.snapshots.old", "get at an old timestamp", ONE),
    RowSpec::growth("P18.snapshots.scan", "scan, by row", ONE),
    RowSpec::growth("P18.snapshots.commit", "commit of one key", ONE),
];
const NONE: &str = "itself without";
pub(in crate::rows) const PINS: [RowSpec; 4] = [
    RowSpec::growth("P18.pins.get", "latest get, 1,000 pins set", NONE),
    RowSpec::growth("P18.pins.old", "get at an old timestamp", NONE),
    RowSpec::growth("P18.pins.scan", "scan, by row", NONE),
    RowSpec::growth("P18.pins.commit", "commit of one key", NONE),
];

pub(in crate::rows) fn snapshots(bench: &Bench) -> Result<Vec<Measured>> {
    let world = World::load(bench, "snapshots", World::keys(bench), VERSIONS)?;
    let swept = measure(bench, &SNAPSHOTS, |operation| {
        [1, MANY].map(|snapshots| held(&world, snapshots, operation.on(&world)))
    })?;
    show_all(bench, "snapshots", "open snapshots", ["1", "1,000"], &swept)?;
    figures(&SNAPSHOTS, &swept, &[&world])
}

/// The same while so many snapshots are open.
fn held<'w>(world: &'w World, snapshots: u32, mut point: Point<'w>) -> Point<'w> {
    Box::new(move |work, round| {
        let open = (0..snapshots).map(|number| world.ours.engine.at(past(world, number)));
        let open = open.collect::<Result<Vec<_>, _>>()?;
        let sample = point(work, round)?;
        let still = world.ours.engine.stats().open_snapshots;
        ensure!(still == open.len(), "{still} snapshots are open");
        Ok(sample)
    })
}

/// Timestamps all over what was loaded.
fn past(world: &World, number: u32) -> Timestamp {
    at(1 + number * (world.last() - 1) / MANY)
}

pub(in crate::rows) fn pins(bench: &Bench) -> Result<Vec<Measured>> {
    let without = World::load(bench, "pins-none", World::keys(bench), VERSIONS)?;
    let with = World::load(bench, "pins", World::keys(bench), VERSIONS)?;
    for number in 0..MANY {
        let (name, past) = (format!("pin {number}"), past(&with, number));
        with.ours.engine.pin(&name, past, PinOptions::default())?;
    }
    let swept = measure(bench, &PINS, |operation| {
        [operation.on(&without), operation.on(&with)]
    })?;
    let pins = with.ours.engine.pins()?.len();
    ensure!(pins == MANY as usize, "there are {pins} pins");
    show_all(bench, "pins", "pins", ["none", "1,000"], &swept)?;
    figures(&PINS, &swept, &[&without, &with])
}

/// Measures the four operations; `points` makes the points of one.
fn measure<'w>(
    bench: &Bench,
    rows: &[RowSpec; 4],
    points: impl Fn(Operation) -> [Point<'w>; 2],
) -> Result<Vec<Swept>> {
    let measure = |(row, operation): (&RowSpec, Operation)| {
        bench.say(row.id);
        operation.sweep(bench, points(operation).into())
    };
    rows.iter().zip(OPERATIONS).map(measure).collect()
}

fn show_all(
    bench: &Bench,
    name: &str,
    of: &'static str,
    points: [&str; 2],
    swept: &[Swept],
) -> Result<()> {
    let names = OPERATIONS.iter().map(|operation| operation.name());
    let lines: Vec<_> = names.zip(swept).collect();
    let title = format!("P18.{name}: what operations cost with more {of}");
    show(bench, name, of, &title, &points.map(str::to_owned), &lines)
}

fn figures(rows: &[RowSpec; 4], swept: &[Swept], worlds: &[&World]) -> Result<Vec<Measured>> {
    let mut is_right = true;
    for world in worlds {
        is_right &= world.is_right()?;
    }
    let rows = rows.iter().zip(swept);
    Ok(rows
        .map(|(row, swept)| (Figure::new(*row, &swept.growth(), is_right), Vec::new()))
        .collect())
}
