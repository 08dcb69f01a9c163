//! The cache: all of the data, half of it, a tenth.

use anyhow::Result;
use sapwood::RocksDBConfig;

use super::{
    Tuned,
    choice::{Choice, names, with_control},
    store,
    store::{Content, operation},
};
use crate::{
    convert::float,
    harness::Bench,
    report::{choices::Choices, grouped},
    rows::world::{Operation, When},
};

pub(super) const ID: &str = "TUNING.block_cache";

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys,
        versions: 2,
    };
    let choices = choices(content);
    let worlds = store::make(bench, &choices, content)?;
    let line = |which, key, what| operation(bench, &worlds, which, key, what);
    let lines = vec![
        line(Operation::Get, "get", "latest get, uniform")?,
        line(Operation::GetOften, "zipf", "latest get, Zipf(0.99)")?,
        line(Operation::GetAt(When::Old), "old", "old get, uniform")?,
        line(Operation::Scan, "scan", "latest scan")?,
        // Last: it changes what the others read.
        line(Operation::Commit, "commit", "commit of one key")?,
    ];
    let note = format!(
        "{} keys with 2 versions of 100 bytes: about {} MB. An eighth of each cache is for single rows, 64 MiB at most. What \
         is not held comes from the system's memory: from a disk it costs more.",
        grouped(float(content.keys.into())),
        content.bytes() / 1_000_000,
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`block_cache_size`",
            note,
            names: names(&choices),
            lines,
        },
        is_right: store::are_right(&worlds)?,
    })
}

fn choices(content: Content) -> Vec<Choice> {
    let of = |bytes| RocksDBConfig {
        block_cache_size: bytes,
        ..RocksDBConfig::default()
    };
    with_control([
        Choice::default("holds all", RocksDBConfig::default()),
        Choice::new("half of the data", of(content.bytes() / 2)),
        Choice::new("a tenth", of(content.bytes() / 10)),
    ])
}
