//! Which option for which load: what to set, why, and which of the figures says so. The table is made anew with each
//! run, so that no advice stands beside another run's figure.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::{
    background_jobs, block_cache, bulk_load, compression, durability, files, recent_versions,
    row_cache, write_buffer,
};
use crate::report::choices::{Choices, cell};

/// A load, and what is good for it.
struct Advice {
    load: &'static str,
    set: &'static str,
    why: &'static str,
    /// The row, its line, and the beginning of the choice's name.
    figure: (&'static str, &'static str, &'static str),
}

const HOT: &str = "many latest reads of a small hot set";
const PAST: &str = "reads of the past over a large history";
const BULK: &str = "bulk load";
const UPDATES: &str = "sustained updates";
const OPENING: &str = "quick opening after a crash";
const SYNCED: &str = "many small synced commits";
const MEMORY: &str = "little memory";
const DISK: &str = "little disk";
const HDD: &str = "a disk that seeks (HDD)";

const fn advice(
    load: &'static str,
    set: &'static str,
    why: &'static str,
    figure: (&'static str, &'static str, &'static str),
) -> Advice {
    Advice {
        load,
        set,
        why,
        figure,
    }
}

const ALL: [Advice; 23] = [
    advice(
        HOT,
        "leave `row_cache_size` on",
        "a hot row is found by its key's hash, without index, filter and block; the figure is without",
        (row_cache::ID, "zipf", "0"),
    ),
    advice(
        HOT,
        "raise `block_cache_size`: an eighth of it may be `row_cache_size`",
        "the more of the hot rows fit, the more reads are answered so",
        (row_cache::ID, "zipf", "twice"),
    ),
    advice(
        PAST,
        "`block_cache_size` for the part of the past that is asked for",
        "an old version is looked for in `history`, whose rows are in no other cache; the figure is with too little",
        (block_cache::ID, "old", "a tenth"),
    ),
    advice(
        PAST,
        "leave `compression.history` at LZ4 while its blocks do not fit the cache",
        "a block that is not in the cache is unpacked for each read; the figure is ZSTD's",
        (compression::ID, "old_10", "history ZSTD"),
    ),
    advice(
        BULK,
        "batches of 1,000 keys or so",
        "ten times as many in a commit gain little or nothing: that is the figure",
        (bulk_load::ID, "load", "batches"),
    ),
    advice(
        BULK,
        "`OnlineOptions::automatic_compaction(false)` only if compactions disturb others meanwhile",
        "what is not compacted during the load is compacted at its end; the figure is with that compaction",
        (bulk_load::ID, "load", "no compaction"),
    ),
    advice(
        BULK,
        "a larger `write_buffer_size` only if the memory is to spare",
        "fewer and larger files to compact; the figure is of four times as much",
        (bulk_load::ID, "load", "write_buffer_size"),
    ),
    advice(
        UPDATES,
        "a larger `recent_versions_size`",
        "more versions are merged at once, in the order of their keys, and a key that is written again meets itself in memory",
        (recent_versions::ID, "batches", "256"),
    ),
    advice(
        UPDATES,
        "do not lower `write_buffer_size`",
        "small memtables make many files, which are compacted again and again",
        (write_buffer::ID, "batches", "16"),
    ),
    advice(
        UPDATES,
        "leave `max_background_jobs` at the number of cores",
        "more do not find a core; the figure is of twice as many where there are two",
        (background_jobs::ID, "batches", "4"),
    ),
    advice(
        OPENING,
        "a smaller `write_buffer_size`",
        "what is in no file yet is read from the log; what it costs stands under sustained updates",
        (write_buffer::ID, "open", "16"),
    ),
    advice(
        SYNCED,
        "commit from many threads",
        "what waits is written together and waits for the disk once: the figure is how often for each commit",
        (durability::ID, "syncs_64", "Sync"),
    ),
    advice(
        SYNCED,
        "put what belongs together into one batch",
        "one wait for the disk for all of it; against buffered batches",
        (durability::ID, "batch", "Sync"),
    ),
    advice(
        SYNCED,
        "`Durability::Buffered` for what may be lost with the machine (not with the process)",
        "no wait at all; the figure is that of one thread that waits",
        (durability::ID, "threads_1", "Sync"),
    ),
    advice(
        MEMORY,
        "a smaller `recent_versions_size`",
        "the memory is that of versions that are not merged yet",
        (recent_versions::ID, "recent", "2 MiB"),
    ),
    advice(
        MEMORY,
        "a smaller `write_buffer_size`: each keyspace has its own memtables",
        "the most that memtables took; what it costs stands under sustained updates",
        (write_buffer::ID, "memtables", "16"),
    ),
    advice(
        MEMORY,
        "a smaller `block_cache_size`, last of all",
        "this is what latest reads by Zipf(0.99) pay for a tenth of the data",
        (block_cache::ID, "zipf", "a tenth"),
    ),
    advice(
        DISK,
        "`compression` ZSTD",
        "by so much more fits; the values here are half random, others compress better: `make bench ONLY=P14.ratio`",
        (compression::ID, "disk", "ZSTD"),
    ),
    advice(
        DISK,
        "only `compression.history` ZSTD",
        "most of what can be had, and latest reads do not pay for it",
        (compression::ID, "disk", "history ZSTD"),
    ),
    advice(
        HDD,
        "`block_cache_size` for all newest rows",
        "else each latest get is a seek and more: computed, not measured",
        (files::ID, "get_seeks", "a hundredth"),
    ),
    advice(
        HDD,
        "`block_cache_size` for the part of the past that is asked for, too",
        "else each old get is a seek: computed, not measured",
        (files::ID, "old_seeks", "a hundredth"),
    ),
    advice(
        HDD,
        "read ranges rather than key by key",
        "ten rows that lie beside each other cost about as much as one: computed, not measured",
        (files::ID, "range_seeks", "a hundredth"),
    ),
    advice(
        HDD,
        "commit from many threads, or in batches",
        "each wait for the disk is a seek and a turn of the disk: the figure is how often for each commit",
        (durability::ID, "syncs_64", "Sync"),
    ),
];

/// The table, of what was measured: advice without a figure is left out.
pub(super) fn table(all: &[Choices]) -> Result<String> {
    let mut text =
        String::from("| load | set | why | figure | command, line |\n|---|---|---|---|---|\n");
    for advice in &ALL {
        let (id, key, choice) = advice.figure;
        let Some(choices) = all.iter().find(|choices| choices.id == id) else {
            continue;
        };
        let line = choices.lines.iter().find(|line| line.key == key);
        let line = line.with_context(|| format!("{id} has no line {key}"))?;
        let number = choices
            .names
            .iter()
            .position(|name| name.starts_with(choice));
        let number = number.with_context(|| format!("{id} has no choice {choice}"))?;
        let name = choices.names.get(number).map_or("", String::as_str);
        writeln!(
            text,
            "| {} | {} | {} | {}: {} {} | `make bench ONLY={id}`, {} |",
            advice.load,
            advice.set,
            advice.why,
            name,
            cell(line, number),
            line.unit,
            line.what,
        )?;
    }
    Ok(text)
}
