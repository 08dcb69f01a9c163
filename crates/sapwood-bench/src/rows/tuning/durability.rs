//! What a commit waits for, and how many share one wait: threads that commit at one time, or keys of one batch.

use anyhow::Result;
use sapwood::{Durability, RocksDBConfig};

use super::{
    Tuned,
    choice::{Choice, names, with_control},
    lines, store,
    store::Content,
};
use crate::{
    convert::{count, float, length},
    harness::{Bench, Clock, Point, Work, sweep},
    report::{
        choices::{Choices, Line},
        grouped,
    },
    rows::world::World,
    zipf,
};

pub(super) const ID: &str = "TUNING.durability";
const BATCH: usize = 100;
/// Commits of a round that wait for the disk: as many for each of 64 threads.
const COMMITS: u64 = 640;
/// Times as many where they do not.
const BUFFERED: u64 = 20;
/// Keys of a round in batches.
const KEYS: u64 = COMMITS * BATCH as u64 / 10;

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys / 5,
        versions: 1,
    };
    let choices = choices();
    let worlds = store::make(bench, &choices, content)?;
    let committing = |threads, key, what| -> Result<Line> {
        bench.say(what);
        let points = worlds.iter().map(|world| world.commit_on_threads(threads));
        let swept = sweep(bench, Work::Fixed(COMMITS), more_buffered(&choices, points))?;
        Ok(lines::rates(key, what, "commit/s", &swept))
    };
    let mut lines = vec![
        committing(1, "threads_1", "commits of one key, 1 thread")?,
        committing(8, "threads_8", "commits of one key, 8 threads")?,
        committing(64, "threads_64", "commits of one key, 64 threads")?,
    ];
    let points = more_buffered(&choices, worlds.iter().map(batches));
    lines.push(lines::rates(
        "batch",
        "keys in batches of 100, 1 thread",
        "keys/s",
        &sweep(bench, Work::Fixed(KEYS), points)?,
    ));
    for (threads, key, what) in [
        (1, "syncs_1", "waits for the disk for each commit, 1 thread"),
        (
            8,
            "syncs_8",
            "waits for the disk for each commit, 8 threads",
        ),
        (
            64,
            "syncs_64",
            "waits for the disk for each commit, 64 threads",
        ),
    ] {
        let syncs: Result<Vec<_>> = worlds.iter().map(|world| syncs(world, threads)).collect();
        lines.push(lines::counts(key, what, "times", &syncs?));
    }
    let note = format!(
        "Commits of one key of {}. A sync of a small append takes {} us on the disk of this run.",
        grouped(float(content.keys.into())),
        bench.sync_time()?.as_micros()
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`durability`",
            note,
            names: names(&choices),
            lines,
        },
        is_right: store::are_right(&worlds)?,
    })
}

/// Who does not wait for the disk does more in a round than who does.
fn more_buffered<'w>(
    choices: &[Choice],
    points: impl Iterator<Item = Point<'w>>,
) -> Vec<Point<'w>> {
    let more = |(choice, mut point): (&Choice, Point<'w>)| -> Point<'w> {
        let times = match choice.config.durability {
            Durability::Buffered => BUFFERED,
            Durability::Sync => 1,
        };
        Box::new(move |work, round| point(work * times, round))
    };
    choices.iter().zip(points).map(more).collect()
}

/// Random keys, a hundred in a commit.
fn batches(world: &World) -> Point<'_> {
    Box::new(move |keys, round| {
        let ids = zipf::uniform(world.data.len(), length(keys), u64::from(round) + 800);
        let writes = world.next(ids);
        Clock::Process.time(|| {
            for batch in writes.chunks(BATCH) {
                world.ours.write(world.data.rows(batch))?;
            }
            Ok((count(writes.len()), 0))
        })
    })
}

/// How often the disk was waited for, for each commit.
fn syncs(world: &World, threads: u32) -> Result<f64> {
    let before = world.ours.engine.stats();
    world.commit_on_threads(threads)(COMMITS, threads)?;
    let after = world.ours.engine.stats();
    let commits = float(after.commits - before.commits);
    Ok(float(after.synced_groups - before.synced_groups) / commits.max(1.0))
}

fn choices() -> Vec<Choice> {
    let of = |durability| RocksDBConfig {
        durability,
        ..RocksDBConfig::default()
    };
    with_control([
        Choice::default("Buffered", of(Durability::Buffered)),
        Choice::new("Sync", of(Durability::Sync)),
    ])
}
