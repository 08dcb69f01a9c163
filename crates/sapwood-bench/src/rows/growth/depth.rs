//! More versions of each key. All of it fits the cache at every depth, so that what grows is depth and not misses; a
//! processor's own caches hold less of it.
//!
//! With one version an old timestamp is answered by `current`; with more, by `history`, which is another way:
//! a seek behind the get. So two rows speak of old timestamps: one against a single version, as the others, and one against
//! two, where both take the same way.
//!
//! Commits make their store deeper by a fraction of a version for each key in a round.

use anyhow::Result;

use super::{
    show,
    world::{Operation, When, World},
};
use crate::{
    harness::{Bench, Counts, Figure, Measured, RowSpec, count_reads},
    rows::reading::COUNTED,
};

const GET: RowSpec = RowSpec {
    id: "P18.depth.get",
    name: "latest get, V=64",
    peer: "itself at V=1",
    unit: "op/s",
    floor: 1.0 / 1.3,
    goal: 1.0 / 1.1,
};
const RECENT: RowSpec = RowSpec {
    id: "P18.depth.recent",
    name: "get at a recent timestamp, V=64",
    ..GET
};
const OLD: RowSpec = RowSpec {
    id: "P18.depth.old",
    name: "get at an old timestamp, V=64",
    ..GET
};
const HISTORY: RowSpec = RowSpec {
    id: "P18.depth.history",
    name: "the same, both from history",
    peer: "itself at V=2",
    ..GET
};
const COMMIT: RowSpec = RowSpec {
    id: "P18.depth.commit",
    name: "commit of one key, V=64",
    ..GET
};
pub(in crate::rows) const ROWS: [RowSpec; 5] = [GET, RECENT, OLD, HISTORY, COMMIT];

const DEPTHS: [u32; 4] = [1, 2, 8, 64];
const SIDES: [&str; 4] = ["V=1", "V=2", "V=8", "V=64"];

pub(in crate::rows) fn depth(bench: &Bench) -> Result<Vec<Measured>> {
    let worlds = DEPTHS
        .map(|depth| World::load(bench, &format!("depth-{depth}"), World::keys(bench), depth));
    let worlds = worlds.into_iter().collect::<Result<Vec<_>>>()?;
    let swept = |operation: Operation| {
        bench.say(operation.name());
        let points = worlds.iter().map(|world| operation.on(world));
        operation.sweep(bench, points.collect())
    };
    let counted = |row: RowSpec, operation: Operation| -> Result<Vec<Counts>> {
        let counted = SIDES.iter().zip(&worlds).map(|(side, world)| {
            let mut point = operation.on(world);
            count_reads(row.id, side, || Ok(point(COUNTED, 0)?.done))
        });
        counted.collect()
    };
    let get = swept(Operation::Get)?;
    let recent = swept(Operation::GetAt(When::Recent))?;
    let old = swept(Operation::GetAt(When::Old))?;
    // Before commits change what is read.
    let get_counts = counted(GET, Operation::Get)?;
    let old_counts = counted(OLD, Operation::GetAt(When::Old))?;
    let commit = swept(Operation::Commit)?;
    let mut is_right = true;
    for world in &worlds {
        is_right &= world.is_right()?;
    }
    show(
        bench,
        "depth",
        "versions of each key",
        "P18.depth: what operations cost with more versions",
        &DEPTHS.map(|depth| depth.to_string()),
        &[
            ("latest get", &get),
            ("recent get", &recent),
            ("old get", &old),
            ("commit", &commit),
        ],
    )?;
    let history = old.outcome(DEPTHS.len() - 1, 1);
    Ok(vec![
        (Figure::new(GET, &get.growth(), is_right), get_counts),
        (Figure::new(RECENT, &recent.growth(), is_right), Vec::new()),
        (Figure::new(OLD, &old.growth(), is_right), old_counts),
        (Figure::new(HISTORY, &history, is_right), Vec::new()),
        (Figure::new(COMMIT, &commit.growth(), is_right), Vec::new()),
    ])
}
