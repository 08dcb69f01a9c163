//! What is left of a run: `summary.json` for programs, `summary.md` for documents, a table on the screen, pictures;
//! and `tuning.md`, where options were compared.

pub(crate) mod choices;
mod document;
pub(crate) mod growth;
mod number;
mod picture;
mod table;

pub(crate) use number::grouped;

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
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    write_file(out, "summary.json", &text)?;
    write_file(out, "summary.md", &document::table(figures))?;
    table::print(figures, counts, remarks)?;
    let compared = figures.iter().filter(|figure| figure.has_floor());
    let compared: Vec<_> = compared.collect();
    if compared.is_empty() {
        return Ok(());
    }
    picture::draw(&out.join("ratios.svg"), &compared)
}

fn write_file(out: &Path, name: &str, text: &str) -> Result<()> {
    let path = out.join(name);
    fs::write(&path, text).with_context(|| format!("{}", path.display()))
}
