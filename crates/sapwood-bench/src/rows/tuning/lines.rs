//! Lines of a table, from what the rounds gave.

use crate::{
    harness::{Outcome, Swept},
    report::choices::Line,
};

/// Rates: more is better.
pub(super) fn rates(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    swept: &Swept,
) -> Line {
    Line {
        key,
        what,
        unit,
        is_compared: true,
        outcomes: swept.against_first(),
    }
}

/// Milliseconds for what was done once in a round: less is better.
pub(super) fn times(key: &'static str, what: &'static str, swept: &Swept) -> Line {
    let in_ms = |outcome: Outcome| Outcome {
        ours: 1e3 / outcome.ours,
        peer: 1e3 / outcome.peer,
        ..outcome
    };
    Line {
        key,
        what,
        unit: "ms",
        is_compared: true,
        outcomes: swept.against_first().into_iter().map(in_ms).collect(),
    }
}

/// Amounts, one for each choice: less is better.
pub(super) fn amounts(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    values: &[f64],
) -> Line {
    let first = values.first().copied().unwrap_or(f64::NAN);
    let outcome = |value: &f64| Outcome {
        ratios: vec![first / value],
        ..alone(*value)
    };
    Line {
        key,
        what,
        unit,
        is_compared: true,
        outcomes: values.iter().map(outcome).collect(),
    }
}

/// Counts, one for each choice, which are not compared.
pub(super) fn counts(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    values: &[f64],
) -> Line {
    Line {
        key,
        what,
        unit,
        is_compared: false,
        outcomes: values.iter().copied().map(alone).collect(),
    }
}

fn alone(value: f64) -> Outcome {
    Outcome {
        ours: value,
        peer: f64::NAN,
        ratios: vec![value],
        cpu_ratios: vec![value],
        wrong: 0,
    }
}
