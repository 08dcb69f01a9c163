//! Blocks that operations read from files, as RocksDB counts them: what a disk has to do where nothing else holds them. The
//! counts are measured; what they come to on a disk that seeks is multiplied.

use anyhow::{Result, ensure};
use sapwood::{ReadView, RocksDBConfig, Storage};

use super::{
    Tuned,
    choice::{Choice, names},
    lines, store,
    store::Content,
};
use crate::{
    convert::{count, float},
    dataset::VERSIONS,
    harness::{Bench, count_reads},
    report::{choices::Choices, grouped},
    rows::world::World,
    zipf,
};

pub(super) const ID: &str = "TUNING.files";
/// Operations that are counted.
const OPERATIONS: usize = 2_000;
/// The same in a store that was just opened: few, so that hardly any meets a block that another has read.
const FIRST: usize = 100;
/// Rows of a short range.
const ROWS: usize = 10;
/// A seek of a disk that turns, in milliseconds: see `docs/tuning.md`.
const SEEK_MS: f64 = 8.0;

/// An operation: reads so many times, and says how many it did.
type Reads = fn(&World, &[u32]) -> Result<u64>;

/// The keys of two lines: the blocks, and what they come to as seeks.
type Keys = [&'static str; 2];

const READS: [(Keys, &str, Reads); 4] = [
    (["get", "get_seeks"], "a latest get", get),
    (
        ["absent", "absent_seeks"],
        "a get of a key that is not there",
        get_absent,
    ),
    (["old", "old_seeks"], "an old get", get_old),
    (["range", "range_seeks"], "a range of 10 rows", short_range),
];

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys,
        versions: VERSIONS,
    };
    let choices = choices(content);
    let worlds = store::make(bench, choices.get(..1).unwrap_or_default(), content)?;
    let is_right = store::are_right(&worlds)?;
    drop(worlds);
    let ids = zipf::uniform(content.keys, 2 * OPERATIONS, 21);
    let (warming, counted) = ids.split_at(OPERATIONS);
    let mut lines = Vec::new();
    for ([key, seeks], what, reads) in READS {
        bench.say(what);
        let mut blocks = Vec::new();
        for (choice, is_warm) in choices.iter().zip([false, true, true]) {
            // Opened anew: its cache is empty.
            let world = store::open(bench, 0, &choice.config, content)?;
            if is_warm {
                reads(&world, warming)?;
            }
            let first = counted.get(..FIRST).unwrap_or_default();
            let ids = if is_warm { counted } else { first };
            let counts = count_reads(ID, "Sapwood", || reads(&world, ids))?;
            blocks.push(counts.blocks_read);
        }
        let in_ms: Vec<_> = blocks.iter().map(|blocks| blocks * SEEK_MS).collect();
        lines.push(lines::counts(key, what, "blocks from files", &blocks));
        lines.push(lines::counts(
            seeks,
            "the same, each a seek of 8 ms (computed)",
            "ms",
            &in_ms,
        ));
    }
    let note = format!(
        "{} keys with {VERSIONS} versions, compacted; operations on random keys, and for old gets at random timestamps. \"Just \
         opened\": the first {FIRST} operations on an empty cache, which read indexes and filters, too. The others are {OPERATIONS} \
         operations after as many: with a cache of a tenth of the newest rows, and one of a hundredth of all versions' size. \
         Counts are RocksDB's. There was no disk that seeks: the milliseconds are those counts times 8.",
        grouped(float(content.keys.into())),
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "blocks that are read from files",
            note,
            names: names(&choices),
            lines,
        },
        is_right,
    })
}

fn get(world: &World, ids: &[u32]) -> Result<u64> {
    for id in ids {
        let value = world.ours.engine.get(world.data.key(*id))?;
        ensure!(value.is_some(), "a key is gone");
    }
    Ok(count(ids.len()))
}

fn get_absent(world: &World, ids: &[u32]) -> Result<u64> {
    for id in ids {
        let key = [world.data.key(*id), b"-"].concat();
        ensure!(world.ours.engine.get(key)?.is_none(), "a key came up");
    }
    Ok(count(ids.len()))
}

/// At any time from the end of the first sweep to the beginning of the last.
fn get_old(world: &World, ids: &[u32]) -> Result<u64> {
    let (first, last) = (world.first().get(), u64::from(world.last()));
    for (number, id) in (0..).zip(ids) {
        // A prime, so that they lie everywhere.
        let at = first + number * 7_919 % (last - 2 * first + 1);
        let key = world.data.key(*id);
        let value = world
            .ours
            .storage
            .get_at(key, sapwood::Timestamp::new(at))?;
        ensure!(value.is_some(), "a past value is gone");
    }
    Ok(count(ids.len()))
}

fn short_range(world: &World, ids: &[u32]) -> Result<u64> {
    for id in ids {
        let from = world.data.key(*id).to_vec();
        for row in world.ours.engine.range(from..).take(ROWS) {
            row?;
        }
    }
    Ok(count(ids.len()))
}

fn choices(content: Content) -> [Choice; 3] {
    let of = |bytes| RocksDBConfig {
        block_cache_size: bytes,
        ..RocksDBConfig::default()
    };
    [
        Choice::new("just opened", RocksDBConfig::default()),
        Choice::new(
            "a tenth of the newest rows",
            of(content.newest_bytes() / 10),
        ),
        Choice::new("a hundredth of all", of(content.bytes() / 100)),
    ]
}
