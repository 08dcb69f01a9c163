//! The figures as a table.

use std::io::{self, Write};

use anyhow::Result;
use comfy_table::{CellAlignment, Table};

use crate::harness::{Counts, Figure};

pub(super) fn print(figures: &[Figure], counts: &[Counts], remarks: &[String]) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", of_figures(figures))?;
    if !counts.is_empty() {
        writeln!(out, "\nRocksDB's counts for each get, or row of a scan:")?;
        writeln!(out, "{}", of_counts(counts))?;
    }
    for remark in remarks {
        writeln!(out, "- {remark}")?;
    }
    Ok(())
}

fn of_figures(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "row",
        "what",
        "unit",
        "ours",
        "peer",
        "its value",
        "ratio",
        "low",
        "high",
        "by CPU",
        "floor",
        "goal",
        "",
    ]);
    for figure in figures {
        let [peer_value, ratio, low, high, floor, goal] = if figure.has_peer() {
            [
                value(figure.peer_value),
                format!("{:.2}", figure.ratio),
                format!("{:.2}", figure.low),
                format!("{:.2}", figure.high),
                limit(figure.floor),
                limit(figure.goal),
            ]
        } else {
            let none = || "-".to_owned();
            let (low, high) = (value(figure.low), value(figure.high));
            [none(), none(), low, high, none(), none()]
        };
        table.add_row([
            figure.id.to_owned(),
            figure.name.to_owned(),
            figure.unit.to_owned(),
            value(figure.ours),
            figure.peer.to_owned(),
            peer_value,
            ratio,
            low,
            high,
            figure
                .cpu_ratio
                .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            floor,
            goal,
            figure.verdict().to_owned(),
        ]);
    }
    align_right(&mut table, &[3, 5, 6, 7, 8, 9, 10, 11]);
    table
}

fn of_counts(counts: &[Counts]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "row",
        "side",
        "key comparisons",
        "keys skipped",
        "cache hits",
        "read from files",
    ]);
    for count in counts {
        table.add_row([
            count.id.to_owned(),
            count.side.to_owned(),
            format!("{:.2}", count.key_comparisons),
            format!("{:.2}", count.keys_skipped),
            format!("{:.2}", count.cache_hits),
            format!("{:.2}", count.blocks_read),
        ]);
    }
    align_right(&mut table, &[2, 3, 4, 5]);
    table
}

/// A ratio to be reached, where there is one.
fn limit(ratio: f64) -> String {
    if ratio.is_nan() {
        "-".to_owned()
    } else {
        format!("{}", (ratio * 100.0).round() / 100.0)
    }
}

/// Large values without a fraction, small ones with.
fn value(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
