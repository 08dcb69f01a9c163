//! What is left of a run: `summary.json` for programs, a table on the screen, pictures.

pub(crate) mod growth;
mod picture;
mod table;

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::harness::{Counts, Figure};

/// Writes all of it; the files go to `out`.
pub(crate) fn write(
    out: &Path,
    figures: &[Figure],
    counts: &[Counts],
    remarks: &[String],
) -> Result<()> {
    let summary = out.join("summary.json");
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    fs::write(&summary, text).with_context(|| format!("{}", summary.display()))?;
    table::print(figures, counts, remarks)?;
    let compared = figures.iter().filter(|figure| figure.has_floor());
    let compared: Vec<_> = compared.collect();
    if compared.is_empty() {
        return Ok(());
    }
    picture::draw(&out.join("ratios.svg"), &compared)
}
