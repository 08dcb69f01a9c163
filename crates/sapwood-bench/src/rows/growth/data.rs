//! More data: more keys with as many versions each, all of it in the cache. What grows with it are the indexes and filters that
//! are searched, and what a processor's own caches do not hold.

use anyhow::Result;

use super::show;
use crate::{
    dataset::VERSIONS,
    harness::{Bench, Figure, Measured, RowSpec},
    rows::world::{Operation, When, World},
};

const PEER: &str = "itself with a 64th of the keys";
const GET: RowSpec = RowSpec::growth("P18.data.get", "latest get, 64 times the keys, V=8", PEER);
const OLD: RowSpec = RowSpec::growth("P18.data.old", "get at an old timestamp", PEER);
const COMMIT: RowSpec = RowSpec::growth("P18.data.commit", "commit of one key", PEER);
pub(in crate::rows) const ROWS: [RowSpec; 3] = [GET, OLD, COMMIT];

/// The others have this many times the keys of the first.
const TIMES: [u32; 3] = [1, 8, 64];

pub(in crate::rows) fn data(bench: &Bench) -> Result<Vec<Measured>> {
    let fewest = World::keys(bench) / 8;
    let worlds =
        TIMES.map(|times| World::load(bench, &format!("data-{times}"), fewest * times, VERSIONS));
    let worlds = worlds.into_iter().collect::<Result<Vec<_>>>()?;
    let swept = |operation: Operation| {
        bench.say(operation.name());
        let points = worlds.iter().map(|world| operation.on(world));
        operation.sweep(bench, points.collect())
    };
    let get = swept(Operation::Get)?;
    let old = swept(Operation::GetAt(When::Old))?;
    let commit = swept(Operation::Commit)?;
    let mut is_right = true;
    for world in &worlds {
        is_right &= world.is_right()?;
    }
    show(
        bench,
        "data",
        "keys",
        "P18.data: what operations cost with more keys, all in the cache",
        &TIMES.map(|times| (fewest * times).to_string()),
        &[("latest get", &get), ("old get", &old), ("commit", &commit)],
    )?;
    Ok(vec![
        (Figure::new(GET, &get.growth(), is_right), Vec::new()),
        (Figure::new(OLD, &old.growth(), is_right), Vec::new()),
        (Figure::new(COMMIT, &commit.growth(), is_right), Vec::new()),
    ])
}
