//! The part of the cache for single rows: none, as much as there is by default, and twice as much, which only a
//! cache of twice the size allows.

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
    report::{
        choices::{Choices, Line},
        grouped,
    },
    rows::world::{Operation, World},
};

pub(super) const ID: &str = "TUNING.row_cache";
/// Of the cache, by default and at most.
const PART: usize = 8;

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys,
        versions: 2,
    };
    let newest = content.newest_bytes();
    // Rows for half of the keys, and blocks for all.
    let large = choices(newest / 2 * PART);
    let worlds = store::make(bench, &large, content)?;
    let mut lines = reads(
        bench,
        &worlds,
        [
            ("get", "latest get, uniform; blocks for all"),
            ("zipf", "latest get, Zipf(0.99); blocks for all"),
            ("scan", "latest scan; blocks for all"),
        ],
    )?;
    let mut is_right = store::are_right(&worlds)?;
    drop(worlds);
    let open =
        |(number, choice): (usize, &Choice)| store::open(bench, number, &choice.config, content);
    let tight = choices(newest / 10);
    let worlds: Result<Vec<_>> = tight.iter().enumerate().map(open).collect();
    let worlds = worlds?;
    lines.extend(reads(
        bench,
        &worlds,
        [
            ("get_10", "latest get, uniform; 10 times the cache"),
            ("zipf_10", "latest get, Zipf(0.99); 10 times the cache"),
            ("scan_10", "latest scan; 10 times the cache"),
        ],
    )?);
    is_right &= store::are_right(&worlds)?;
    let note = format!(
        "{} keys. \"Blocks for all\": the cache holds all blocks, and the default's part for rows about half of the newest rows, \
         with what surrounds them fewer. \"10 times the cache\": the newest rows are 10 times the default's cache. The last choice \
         doubles the whole cache: more than an eighth of it is not for rows.",
        grouped(float(content.keys.into()))
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`row_cache_size`",
            note,
            names: names(&large),
            lines,
        },
        is_right,
    })
}

fn reads(
    bench: &Bench,
    worlds: &[World],
    names: [(&'static str, &'static str); 3],
) -> Result<Vec<Line>> {
    let operations = [Operation::Get, Operation::GetOften, Operation::Scan];
    let line = |((key, what), which)| operation(bench, worlds, which, key, what);
    names.into_iter().zip(operations).map(line).collect()
}

fn choices(cache: usize) -> Vec<Choice> {
    let of = |cache, rows| RocksDBConfig {
        block_cache_size: cache,
        row_cache_size: rows,
        ..RocksDBConfig::default()
    };
    with_control([
        Choice::default("an eighth of the cache", of(cache, cache / PART)),
        Choice::new("0", of(cache, 0)),
        Choice::new(
            "twice the cache and the rows",
            of(2 * cache, 2 * cache / PART),
        ),
    ])
}
