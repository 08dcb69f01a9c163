//! How keyspaces are compressed: bytes, and the time of loading and of reading what is not in the cache.

use anyhow::Result;
use sapwood::{Compression, Compressions, RocksDBConfig};

use super::{
    Tuned,
    choice::{Choice, names, small, with_control},
    lines, store,
    store::{Content, operation},
};
use crate::{
    convert::float,
    dataset::VERSIONS,
    harness::Bench,
    report::{choices::Choices, grouped},
    rows::world::{Operation, When, World},
};

pub(super) const ID: &str = "TUNING.compression";
/// Rounds of loading, each of which is long.
const ROUNDS: u32 = 4;

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys / 2,
        versions: VERSIONS,
    };
    let choices = choices();
    bench.say("loading under each compression");
    let load = store::load(bench, ROUNDS, &choices, content)?;
    let of_cache = |bytes: usize| -> Result<Vec<World>> {
        let open = |(number, choice): (usize, &Choice)| {
            let config = RocksDBConfig {
                block_cache_size: bytes,
                ..choice.config.clone()
            };
            store::open(bench, number, &config, content)
        };
        choices.iter().enumerate().map(open).collect()
    };
    let worlds = of_cache(RocksDBConfig::default().block_cache_size)?;
    let mut disk = Vec::new();
    for world in &worlds {
        world.ours.engine.compact()?;
        world.ours.settle()?;
        disk.push(store::on_disk(world)?);
    }
    let (get, old, scan) = (Operation::Get, Operation::GetAt(When::Old), Operation::Scan);
    let mut lines = vec![
        lines::amounts("disk", "on disk, compacted", "MB", &disk),
        lines::rates("load", "load, until all is caught up", "rows/s", &load),
        operation(bench, &worlds, get, "get", "latest get, all in cache")?,
        operation(bench, &worlds, old, "old", "old get, all in cache")?,
        operation(bench, &worlds, scan, "scan", "latest scan, all in cache")?,
    ];
    let mut is_right = store::are_right(&worlds)?;
    drop(worlds);
    let worlds = of_cache(content.newest_bytes() / 10)?;
    let what = "latest get, 10 times the cache";
    lines.push(operation(bench, &worlds, get, "get_10", what)?);
    let what = "latest scan, 10 times the cache";
    lines.push(operation(bench, &worlds, scan, "scan_10", what)?);
    drop(worlds);
    let worlds = of_cache(content.bytes() / 10)?;
    let what = "old get, 10 times the cache";
    lines.push(operation(bench, &worlds, old, "old_10", what)?);
    is_right &= store::are_right(&worlds)?;
    let note = format!(
        "{} keys with {VERSIONS} versions of 100 bytes, half of which is random. What the cache does not hold comes from the \
         system's memory and is unpacked again; the disk has no part in it. \"10 times the cache\": of latest reads the newest \
         rows are, of old ones all versions.",
        grouped(float(content.keys.into()))
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`compression`",
            note,
            names: names(&choices),
            lines,
        },
        is_right,
    })
}

fn choices() -> Vec<Choice> {
    let config = |compression| RocksDBConfig {
        compression,
        ..small()
    };
    let all = |compression| config(Compressions::all(compression));
    with_control([
        Choice::default("LZ4", all(Compression::Lz4)),
        Choice::new("none", all(Compression::None)),
        Choice::new("Snappy", all(Compression::Snappy)),
        Choice::new("ZSTD", all(Compression::Zstd)),
        Choice::new(
            "history ZSTD",
            config(Compressions {
                history: Compression::Zstd,
                ..Compressions::default()
            }),
        ),
    ])
}
