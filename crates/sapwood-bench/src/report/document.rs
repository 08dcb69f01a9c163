//! The figures as the table that `docs/benchmarks.md` keeps: a run is kept there by a copy.

use std::fmt::Write;

use super::number::grouped;
use crate::harness::Figure;

/// Markdown: a row for each figure.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| row | what | ours | peer | | ratio | smallest, largest | floor | goal | |\n\
         |---|---|---:|---|---:|---:|---|---:|---:|---|\n",
    );
    for figure in figures {
        let ours = format!("{} {}", grouped(figure.ours), figure.unit);
        let verdict = figure.verdict();
        let (id, name, peer) = (figure.id, figure.name, figure.peer);
        // Writing to a string does not fail.
        let _ = if figure.has_peer() {
            writeln!(
                text,
                "| {id} | {name} | {ours} | {peer} | {} | {:.2} | {:.2}, {:.2} | {} | {} | {verdict} |",
                grouped(figure.peer_value),
                figure.ratio,
                figure.low,
                figure.high,
                limit(figure.floor),
                limit(figure.goal),
            )
        } else {
            writeln!(
                text,
                "| {id} | {name} | {ours} | - | - | - | {}, {} | - | - | {verdict} |",
                grouped(figure.low),
                grouped(figure.high),
            )
        };
    }
    text
}

/// A ratio to be reached, where there is one.
fn limit(ratio: f64) -> String {
    if ratio.is_nan() {
        "-".to_owned()
    } else {
        format!("{ratio:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Outcome, RowSpec};

    fn outcome(ratios: [f64; 3]) -> Outcome {
        Outcome {
            ours: 145_343.0,
            peer: 90_361.0,
            ratios: ratios.into(),
            cpu_ratios: Vec::new(),
            wrong: 0,
        }
    }

    #[test]
    fn a_figure_is_a_row_of_the_document() {
        const COMPARED: RowSpec = RowSpec {
            id: "P0.a",
            name: "what",
            peer: "one by one",
            unit: "txn/s",
            floor: 1.6,
            goal: 1.9,
        };
        let compared = Figure::new(COMPARED, &outcome([1.42, 1.61, 1.67]), true);
        let alone = RowSpec::alone("P0.b", "alone", "op/s");
        let alone = Figure::new(alone, &outcome([1_000.0, 2_000.0, 3_000.0]), false);
        let text = table(&[compared, alone]);
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| P0.a | what | 145,343 txn/s | one by one | 90,361 | 1.61 | 1.42, 1.67 | 1.60 | 1.90 | floor |",
                "| P0.b | alone | 145,343 op/s | - | - | - | 1,000, 3,000 | - | - | WRONG |",
            ]
        );
    }
}
