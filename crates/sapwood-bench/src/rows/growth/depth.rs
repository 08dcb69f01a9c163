//! More versions of each key, and fewer keys: all stores have the same number of versions in all, so that what grows is
//! depth and not data (`data` has that). All of it fits the cache at every depth.
//!
//! What is asked for is the same at every depth, too: the newest values of as many keys, and commits to as many; old
//! timestamps go to all keys, that is to about all versions but the newest. With one version an old timestamp is
//! answered by `current`, as there is nothing else, and that means by the cache for single rows; with more the version
//! asked for is never the newest, and `history` answers, which is another way: a seek in its blocks. So two rows speak of
//! old timestamps: one against a single version, as the others, and one against two, where both take the same way.
//!
//! Commits make their store deeper as they go, at every depth by the same.

use anyhow::Result;

use super::show;
use crate::{
    harness::{Bench, Counts, Figure, Measured, RowSpec, count_reads},
    rows::{
        reading::COUNTED,
        world::{Operation, When, World},
    },
};

const GET: RowSpec = RowSpec {
    id: "P18.depth.get",
    name: "latest get, V=64, as many versions in all",
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
const DEEPEST: u32 = 64;

pub(in crate::rows) fn depth(bench: &Bench) -> Result<Vec<Measured>> {
    // As many as the other rows have at 8 versions.
    let versions = World::keys(bench) * 8;
    let worlds = DEPTHS.map(|depth| {
        let world = World::load(bench, &format!("depth-{depth}"), versions / depth, depth)?;
        Ok(world.drawing(versions / DEEPEST))
    });
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
        &format!("P18.depth: {versions} versions in all, of fewer and fewer keys"),
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
