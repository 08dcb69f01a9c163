//! More threads: what all of them do together in a second. No more can be had than there are cores; commits go through
//! one turn, so that more threads can only share what each would pay alone.

use anyhow::Result;

use super::show;
use crate::{
    dataset::VERSIONS,
    harness::{Bench, Figure, Measured, Point, RowSpec, Swept, Work, sweep},
    rows::world::{COMMITS, When, World},
};

const PEER: &str = "on 1 thread";
const GET: RowSpec = RowSpec::growth("P18.threads.get", "latest get on 8 threads", PEER);
const OLD: RowSpec = RowSpec::growth("P18.threads.old", "get at an old timestamp", PEER);
const COMMIT: RowSpec = RowSpec::growth("P18.threads.commit", "commit of one key", PEER);
pub(in crate::rows) const ROWS: [RowSpec; 3] = [GET, OLD, COMMIT];

const THREADS: [u32; 4] = [1, 2, 4, 8];

pub(in crate::rows) fn threads(bench: &Bench) -> Result<Vec<Measured>> {
    let world = World::load(bench, "threads", World::keys(bench), VERSIONS)?;
    let swept = |row: RowSpec, work, point: fn(&World, u32) -> Point<'_>| {
        bench.say(row.id);
        let points = THREADS.map(|threads| point(&world, threads));
        sweep(bench, work, points.into())
    };
    let get = swept(GET, Work::Filling, |world, threads| {
        world.on_threads(threads, None)
    })?;
    let old = swept(OLD, Work::Filling, |world, threads| {
        world.on_threads(threads, Some(When::Old))
    })?;
    let commit = swept(COMMIT, Work::Fixed(2 * COMMITS), World::commit_on_threads)?;
    let is_right = world.is_right()?;
    let lines: [(&str, &Swept); 3] = [("latest get", &get), ("old get", &old), ("commit", &commit)];
    show(
        bench,
        "threads",
        "threads",
        "P18.threads: the time in which all threads together do one more",
        &THREADS.map(|threads| threads.to_string()),
        &lines,
    )?;
    Ok(vec![
        (Figure::new(GET, &get.growth(), is_right), Vec::new()),
        (Figure::new(OLD, &old.growth(), is_right), Vec::new()),
        (Figure::new(COMMIT, &commit.growth(), is_right), Vec::new()),
    ])
}
