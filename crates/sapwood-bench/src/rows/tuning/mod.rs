//! TUNING: which option for which load. Each option at several choices, in one process, on the same data, all choices in
//! every round, in changing orders; the first is the default, and the last is the default again: what these
//! two differ by is chance. No part of a plain run: it is asked for by its name.
//!
//! | file | row | option |
//! |---|---|---|
//! | [`compression`] | TUNING.compression | `compression` |
//! | [`block_cache`] | `TUNING.block_cache` | `block_cache_size` |
//! | [`row_cache`] | `TUNING.row_cache` | `row_cache_size` |
//! | [`write_buffer`] | `TUNING.write_buffer` | `write_buffer_size` |
//! | [`recent_versions`] | `TUNING.recent_versions` | `recent_versions_size` |
//! | [`background_jobs`] | `TUNING.background_jobs` | `max_background_jobs` |
//! | [`durability`] | TUNING.durability | `durability`, and how many commit at once |
//! | [`bulk_load`] | `TUNING.bulk_load` | what a first load can be made with |
//! | [`files`] | TUNING.files | none: blocks that operations read from files |
//!
//! What is written to is small, so that a round is short: there the sizes of memory and files are an eighth of the
//! defaults and of what is compared with them. A round then stands to them as eight times the data to those in full.
//!
//! A row holds if every value that was read is right, and all stores end with what was written. Each row gives
//! figures, one for each choice and operation, and a table of `tuning.md`, of which `docs/tuning.md` has a copy. What
//! follows from them for a load stands in [`advice`], and is written above them.

mod advice;
mod background_jobs;
mod block_cache;
mod bulk_load;
mod choice;
mod compression;
mod durability;
mod files;
mod lines;
mod recent_versions;
mod row_cache;
mod store;
mod updates;
mod write_buffer;

use anyhow::{Context, Result};

use crate::{
    harness::{Bench, Figure, Measured, NO_LIMIT, RowSpec},
    report::choices::{self, Choices},
};

/// What the ids of all rows begin with.
const PREFIX: &str = "TUNING.";

/// An option that was measured, and whether all that was read was right.
struct Tuned {
    choices: Choices,
    is_right: bool,
}

type Measure = fn(&Bench) -> Result<Tuned>;

const OPTIONS: [(&str, Measure); 9] = [
    (compression::ID, compression::run),
    (block_cache::ID, block_cache::run),
    (row_cache::ID, row_cache::run),
    (write_buffer::ID, write_buffer::run),
    (recent_versions::ID, recent_versions::run),
    (background_jobs::ID, background_jobs::run),
    (durability::ID, durability::run),
    (bulk_load::ID, bulk_load::run),
    (files::ID, files::run),
];

pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(id, _)| *id)
}

/// Whether a row is one of these.
pub(crate) fn is_tuning(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// Measures the options that were asked for, and writes their tables.
pub(super) fn run(bench: &Bench) -> Result<Vec<Measured>> {
    let (mut measured, mut tables) = (Vec::new(), Vec::new());
    let before = others();
    for (id, measure) in OPTIONS {
        if bench.wants(id) {
            bench.say(id);
            let tuned = measure(bench).with_context(|| format!("row {id}"))?;
            let figures = figures(&tuned);
            figures.iter().for_each(|figure| bench.tell(figure));
            measured.extend(figures.into_iter().map(|figure| (figure, Vec::new())));
            tables.push(tuned.choices);
        }
    }
    if !tables.is_empty() {
        let origin = format!("Written by `{}`, {before}.", command(bench));
        choices::write(bench.out(), &origin, &advice::table(&tables)?, &tables)?;
    }
    Ok(measured)
}

/// The machine, and whether it had other work.
fn others() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    match told.split(' ').next() {
        Some(load) if !load.is_empty() => {
            format!("on {cores} cores with a load of {load} when it began")
        }
        _ => format!("on {cores} cores"),
    }
}

/// What was called, as one would call it again.
fn command(bench: &Bench) -> String {
    let wanted: Vec<_> = ids().filter(|id| bench.wants(id)).collect();
    let only = if wanted.len() == OPTIONS.len() {
        "TUNING".to_owned()
    } else {
        wanted.join(",")
    };
    let quick = if bench.size.is_quick { " QUICK=1" } else { "" };
    format!("make bench ONLY={only}{quick}")
}

/// A figure for each line and choice: against the first; by itself where nothing is compared.
fn figures(tuned: &Tuned) -> Vec<Figure> {
    let choices = &tuned.choices;
    let (first, mut figures) = (choices.names.first(), Vec::new());
    for line in &choices.lines {
        for (number, (name, outcome)) in choices.names.iter().zip(&line.outcomes).enumerate() {
            let id = format!("{}.{}.{}", choices.id, line.key, in_id(name));
            let what = format!("{}: {name}", line.what);
            let alone = RowSpec::alone(for_good(id), for_good(what), line.unit);
            let spec = match first {
                _ if !line.is_compared => alone,
                Some(first) if number > 0 => RowSpec {
                    peer: for_good(first.clone()),
                    floor: NO_LIMIT,
                    goal: NO_LIMIT,
                    ..alone
                },
                _ => continue,
            };
            figures.push(Figure::new(spec, outcome, tuned.is_right));
        }
    }
    figures
}

/// The name of a choice as the part of an id.
fn in_id(name: &str) -> String {
    let name = name.split(" (").next().unwrap_or(name);
    let of = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().map(of).collect()
}

/// What a row is called lives as long as the run; those of the other rows are written in the program.
fn for_good(text: String) -> &'static str {
    text.leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_named_in_an_id_without_what_surrounds_it() {
        assert_eq!(in_id("LZ4 (default)"), "lz4");
        assert_eq!(in_id("history ZSTD"), "history_zstd");
    }

    #[test]
    fn every_row_is_known_as_one_of_these() {
        assert!(ids().all(is_tuning));
        assert!(!is_tuning("P1.zipf"));
    }
}
