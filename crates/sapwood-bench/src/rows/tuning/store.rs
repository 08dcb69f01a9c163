//! Stores with the same content under each choice: loading them, opening them, reading them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sapwood::RocksDBConfig;

use super::{choice::Choice, lines};
use crate::{
    convert::float,
    data::Data,
    harness::{Bench, Clock, Point, Swept, Work, sweep_rounds},
    report::choices::Line,
    rows::{
        VALUE_BYTES,
        world::{Operation, World, fill},
    },
    stores::Ours,
};

const SIZE: &str = "rocksdb.live-sst-files-size";
/// A row with what is stored beside it, about.
pub(super) const ROW_BYTES: usize = 160;

/// What each choice gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) keys: u32,
    pub(super) versions: u32,
}

impl Content {
    /// Bytes of the newest versions, about.
    pub(super) fn newest_bytes(self) -> usize {
        self.keys as usize * ROW_BYTES
    }

    /// Bytes of all versions, about.
    pub(super) fn bytes(self) -> usize {
        self.newest_bytes() * self.versions as usize
    }
}

/// Where the store of a choice lies.
pub(super) fn path(bench: &Bench, number: usize) -> PathBuf {
    bench.path(&format!("choice-{number}"))
}

/// Loads the stores of all choices in every round, from nothing until all background work is done. Those of the last round
/// stay.
pub(super) fn load(
    bench: &Bench,
    rounds: u32,
    choices: &[Choice],
    content: Content,
) -> Result<Swept> {
    let data = Data::new(content.keys, VALUE_BYTES);
    let rows = u64::from(content.keys) * u64::from(content.versions);
    let data = &data;
    let point = |(number, choice): (usize, &Choice)| -> Point<'_> {
        let config = choice.config.clone();
        Box::new(move |_, _| {
            let path = bench.fresh(&format!("choice-{number}"))?;
            let ours = Ours::open(&path, &config)?;
            Clock::Process.time(|| {
                fill(&ours, data, content.versions)?;
                ours.settle()?;
                Ok((rows, 0))
            })
        })
    };
    let points = choices.iter().enumerate().map(point).collect();
    sweep_rounds(bench, rounds, Work::Fixed(rows), points)
}

/// Opens the store of a choice with some configuration.
pub(super) fn open(
    bench: &Bench,
    number: usize,
    config: &RocksDBConfig,
    content: Content,
) -> Result<World> {
    let ours = Ours::open(&path(bench, number), config)?;
    let data = Data::new(content.keys, VALUE_BYTES);
    Ok(World::over(ours, data, content.versions))
}

/// Makes the stores of all choices, compacted, and leaves them open.
pub(super) fn make(bench: &Bench, choices: &[Choice], content: Content) -> Result<Vec<World>> {
    let make = |(number, choice): (usize, &Choice)| {
        bench.say(&format!("loading {}", choice.name));
        bench.fresh(&format!("choice-{number}"))?;
        let world = open(bench, number, &choice.config, content)?;
        fill(&world.ours, &world.data, content.versions)?;
        world.ours.engine.compact()?;
        world.ours.settle()?;
        Ok(world)
    };
    choices.iter().enumerate().map(make).collect()
}

/// Megabytes of all table files.
pub(super) fn on_disk(world: &World) -> Result<f64> {
    let size = world.ours.storage.get_property(SIZE)?;
    let size: u64 = size
        .context("RocksDB does not tell the size of its tables")?
        .parse()?;
    Ok(float(size) / 1e6)
}

/// An operation on the stores of all choices.
pub(super) fn operation(
    bench: &Bench,
    worlds: &[World],
    operation: Operation,
    key: &'static str,
    what: &'static str,
) -> Result<Line> {
    bench.say(what);
    let points = worlds.iter().map(|world| operation.on(world)).collect();
    let unit = if operation == Operation::Scan {
        "rows/s"
    } else {
        "op/s"
    };
    Ok(lines::rates(
        key,
        what,
        unit,
        &operation.sweep(bench, points)?,
    ))
}

/// Whether all stores hold what they should.
pub(super) fn are_right(worlds: &[World]) -> Result<bool> {
    let mut are_right = true;
    for world in worlds {
        are_right &= world.is_right()?;
    }
    Ok(are_right)
}
