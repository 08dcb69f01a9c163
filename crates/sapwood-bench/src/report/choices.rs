//! [`Choices`]: an option, what it can be set to, and what each choice gives: a table of `tuning.md`.

use std::{fmt::Write, path::Path};

use anyhow::Result;

use super::{number::grouped, write_file};
use crate::harness::{Outcome, median};

/// An option and its choices.
#[derive(Debug)]
pub(crate) struct Choices {
    /// The row, as it is asked for.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What was measured on, in a sentence or two.
    pub(crate) note: String,
    /// The names of the choices, the one first that the others are compared with.
    pub(crate) names: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// What was measured: of each choice the values.
#[derive(Debug)]
pub(crate) struct Line {
    /// The last part of the ids of its figures.
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    /// Whether the choices are compared with the first: then the ratios are to it, better the higher. Else they are
    /// the values.
    pub(crate) is_compared: bool,
    /// In the order of the names; the first's against itself.
    pub(crate) outcomes: Vec<Outcome>,
}

/// The file that `docs/tuning.md` has a copy of.
const FILE: &str = "tuning.md";

/// Writes the tables of all options, below one of what follows from them.
pub(crate) fn write(out: &Path, origin: &str, advice: &str, all: &[Choices]) -> Result<()> {
    let mut text = format!("{origin}\n\n{advice}");
    all.iter().for_each(|choices| add(&mut text, choices));
    write_file(out, FILE, &text)
}

fn add(text: &mut String, choices: &Choices) {
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n### {}: {}\n\n{}\n\n|",
        choices.id, choices.title, choices.note
    );
    for name in &choices.names {
        let _ = write!(text, " | {name}");
    }
    let _ = writeln!(text, " |\n|---|{}", "---:|".repeat(choices.names.len()));
    for line in &choices.lines {
        let _ = write!(text, "| {}, {}", line.what, line.unit);
        for number in 0..line.outcomes.len() {
            let _ = write!(text, " | {}", cell(line, number));
        }
        text.push_str(" |\n");
    }
}

/// What a choice gave, and its ratio to the first.
pub(crate) fn cell(line: &Line, number: usize) -> String {
    let Some(outcome) = line.outcomes.get(number) else {
        return String::new();
    };
    let ratio = if number > 0 && line.is_compared {
        ratio(&outcome.ratios)
    } else {
        String::new()
    };
    grouped(outcome.ours) + &ratio
}

/// The median ratio; with `=` where the rounds do not agree on who is better.
fn ratio(ratios: &[f64]) -> String {
    let (Some(low), Some(high)) = (ratios.first(), ratios.last()) else {
        return String::new();
    };
    let is_open = *low <= 1.0 && 1.0 <= *high;
    let mark = if is_open { "=" } else { "" };
    let ratio = median(ratios);
    if ratio < 0.1 {
        format!(" ({mark}{ratio:.3})")
    } else {
        format!(" ({mark}{ratio:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_ratios_for_all_but_the_first() {
        let outcome = |ours, ratios: &[f64]| Outcome {
            ours,
            peer: 1_000.0,
            ratios: ratios.into(),
            cpu_ratios: Vec::new(),
            wrong: 0,
        };
        let choices = Choices {
            id: "TUNING.x",
            title: "x",
            note: "Note.".to_owned(),
            names: ["a", "b", "c", "d"].map(str::to_owned).into(),
            lines: vec![
                Line {
                    key: "get",
                    what: "get",
                    unit: "op/s",
                    is_compared: true,
                    outcomes: vec![
                        outcome(1_000.0, &[1.0, 1.0, 1.0]),
                        outcome(1_500.0, &[1.4, 1.5, 1.6]),
                        outcome(990.0, &[0.9, 0.99, 1.1]),
                        outcome(12.0, &[0.01, 0.012, 0.02]),
                    ],
                },
                Line {
                    key: "blocks",
                    what: "blocks",
                    unit: "blocks",
                    is_compared: false,
                    outcomes: [1.0, 2.0, 3.0, 4.0].map(|it| outcome(it, &[it])).into(),
                },
            ],
        };
        let mut text = String::new();
        add(&mut text, &choices);
        assert_eq!(
            text,
            "\n### TUNING.x: x\n\nNote.\n\n| | a | b | c | d |\n|---|---:|---:|---:|---:|\n\
             | get, op/s | 1,000 | 1,500 (1.50) | 990 (=0.99) | 12.0 (0.012) |\n\
             | blocks, blocks | 1.00 | 2.00 | 3.00 | 4.00 |\n"
        );
    }
}
