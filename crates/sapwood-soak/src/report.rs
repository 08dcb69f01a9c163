//! What was really run, for the document: written from the samples, and from nothing else.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    counts::Count,
    picture,
    sample::{self, Kind, Sample},
    soak::{judge_all, state},
    state::State,
};

const BEGIN: &str = "<!-- run: written by `sapwood-soak report` -->";
const END: &str = "<!-- end of run -->";
const MIB: u64 = 1 << 20;

/// A measure: its name, its value, and whether it is that of an open store.
type Row = (&'static str, fn(&Sample) -> u64, bool);
const ROWS: &[Row] = &[
    (
        "resident memory, MiB, open",
        |one| one.resident_bytes / MIB,
        true,
    ),
    (
        "resident memory, MiB, closed",
        |one| one.resident_bytes / MIB,
        false,
    ),
    ("file handles, open", |one| one.handles, true),
    ("file handles, closed", |one| one.handles, false),
    ("threads, closed", |one| one.threads, false),
    ("directory, MiB", |one| one.directory_bytes / MIB, true),
    ("store, MiB", |one| one.store_bytes / MIB, true),
    ("versions in history", |one| one.history_rows, true),
];

/// Replaces what the document says was run, and draws its picture beside it.
pub(crate) fn run(directory: &Path, document: &Path) -> Result<()> {
    let samples = sample::read(directory)?;
    let state = state(directory)?;
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let picture = document.with_extension("svg");
    picture::draw(&picture, &samples)?;
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    let section = format!(
        "{}\n![what was measured]({name})\n",
        section(&state, &samples)
    );
    fs::write(document, replace(&text, &section)?)?;
    Ok(())
}

/// Puts a text between the marks of a document.
fn replace(document: &str, section: &str) -> Result<String> {
    let marks = "the document has no place for what was run";
    let (before, rest) = document.split_once(BEGIN).context(marks)?;
    let (_, after) = rest.split_once(END).context(marks)?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

fn section(state: &State, samples: &[Sample]) -> String {
    let mut text = String::new();
    let hours = samples.last().map_or(0.0, |sample| sample.hours);
    let runs: Vec<_> = samples
        .chunk_by(|one, next| one.run == next.run)
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            Some((first.run, last.hours - first.hours))
        })
        .collect();
    let each: Vec<_> = runs
        .iter()
        .map(|(_, hours)| format!("{hours:.2}"))
        .collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{hours:.2} hours in {} run{} (hours from the first sample of each to its last: {}), seed {}, {} samples.",
        runs.len(),
        if runs.len() == 1 { "" } else { "s" },
        each.join(", "),
        state.seed,
        samples.len()
    );
    let mut violations = judge_all(samples);
    violations.extend(state.failed.clone());
    if violations.is_empty() {
        let _ = writeln!(text, "Nothing was found wrong.");
    }
    for violation in violations {
        let _ = writeln!(text, "Found wrong: {violation}.");
    }
    let _ = writeln!(text, "\n| what | how often |\n|---|---:|");
    if let Some(last) = samples.last() {
        for count in Count::ALL {
            let name = count.name().replace('_', " ");
            let _ = writeln!(text, "| {name} | {} |", grouped(last.count(*count)));
        }
    }
    let _ = writeln!(
        text,
        "\n| measured | least | median | most |\n|---|---:|---:|---:|"
    );
    for (name, value, is_open) in ROWS {
        let values = samples
            .iter()
            .filter(|sample| (sample.kind == Kind::Open) == *is_open);
        let mut values: Vec<_> = values.map(value).collect();
        values.sort_unstable();
        if let (Some(least), Some(median), Some(most)) =
            (values.first(), values.get(values.len() / 2), values.last())
        {
            let (least, median, most) = (grouped(*least), grouped(*median), grouped(*most));
            let _ = writeln!(text, "| {name} | {least} | {median} | {most} |");
        }
    }
    text
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234), "1,234");
        assert_eq!(grouped(123_456_789), "123,456,789");
    }

    #[test]
    fn only_the_section_is_replaced() {
        let document = format!("# Soak\nabove\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = replace(&document, "new").unwrap();
        assert!(new.starts_with("# Soak\nabove\n") && new.ends_with("\nbelow\n"));
        assert!(new.contains("new") && !new.contains("old"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        assert!(replace("no marks", "new").is_err());
    }

    #[test]
    fn the_hours_are_those_of_the_samples() {
        let sample = |run, hours| Sample {
            run,
            hours,
            ..Sample::default()
        };
        let samples = [
            sample(1, 0.1),
            sample(1, 0.6),
            sample(2, 0.75),
            sample(2, 1.0),
        ];
        let text = section(&State::default(), &samples);
        assert!(text.starts_with("1.00 hours in 2 runs"), "{text}");
        assert!(text.contains("0.50, 0.25"), "{text}");
        assert!(text.contains("Nothing was found wrong"), "{text}");
        let failed = State {
            failed: Some("a row is lost".to_owned()),
            ..State::default()
        };
        assert!(section(&failed, &samples).contains("Found wrong: a row is lost"));
    }
}
