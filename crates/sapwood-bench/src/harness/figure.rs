//! [`Figure`]: one line of `summary.json`.

use serde::Serialize;

use super::rounds::{Outcome, median};

/// What stands in the place of a peer's name where there is none.
const NO_PEER: &str = "-";
/// The floor, or the goal, of a row that has none: not a number.
pub(crate) const NO_LIMIT: f64 = f64::NAN;

/// What a row is, before it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowSpec {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) unit: &'static str,
    /// The ratio that must be reached.
    pub(crate) floor: f64,
    /// The ratio that is wished for.
    pub(crate) goal: f64,
}

impl RowSpec {
    /// A row without a peer: a figure, its spread and its check, and nothing that it must reach.
    pub(crate) const fn alone(id: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self {
            id,
            name,
            peer: NO_PEER,
            unit,
            floor: NO_LIMIT,
            goal: NO_LIMIT,
        }
    }

    /// A row that shows how something grows, and has nothing that it must reach.
    pub(crate) const fn growth(id: &'static str, name: &'static str, peer: &'static str) -> Self {
        Self {
            id,
            name,
            peer,
            unit: "op/s",
            floor: NO_LIMIT,
            goal: NO_LIMIT,
        }
    }

    fn has_peer(&self) -> bool {
        self.peer != NO_PEER
    }
}

/// A measured row. The ratio is always better the higher it is. Where there is no peer, `low` and
/// `high` are of the figure itself, and `peer_value`, `ratio`, `floor` and `goal` are not numbers:
/// `null` in the summary.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: &'static str,
    pub(crate) peer_value: f64,
    pub(crate) ratio: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) unit: &'static str,
    pub(crate) rounds: usize,
    pub(crate) floor: f64,
    pub(crate) goal: f64,
    pub(crate) checked: bool,
    /// The ratio by CPU time, for the table only.
    #[serde(skip)]
    pub(crate) cpu_ratio: Option<f64>,
}

impl Figure {
    /// The figure of a row whose rounds gave `outcome` and whose final check said `checked`.
    pub(crate) fn new(spec: RowSpec, outcome: &Outcome, checked: bool) -> Self {
        let ratios = &outcome.ratios;
        Self {
            id: spec.id,
            name: spec.name,
            ours: outcome.ours,
            peer: spec.peer,
            peer_value: outcome.peer,
            ratio: if spec.has_peer() {
                median(ratios)
            } else {
                f64::NAN
            },
            low: ratios.first().copied().unwrap_or(f64::NAN),
            high: ratios.last().copied().unwrap_or(f64::NAN),
            unit: spec.unit,
            rounds: ratios.len(),
            floor: spec.floor,
            goal: spec.goal,
            checked: checked && outcome.wrong == 0,
            cpu_ratio: (!outcome.cpu_ratios.is_empty()).then(|| median(&outcome.cpu_ratios)),
        }
    }

    /// Whether there was anything to compare with.
    pub(crate) fn has_peer(&self) -> bool {
        self.peer != NO_PEER
    }

    /// Whether there is a ratio that must be reached.
    pub(crate) fn has_floor(&self) -> bool {
        self.has_peer() && !self.floor.is_nan()
    }

    /// Whether there is a ratio that is wished for.
    pub(crate) fn has_goal(&self) -> bool {
        self.has_peer() && !self.goal.is_nan()
    }

    /// What came of it, in a word.
    pub(crate) fn verdict(&self) -> &'static str {
        if !self.checked {
            "WRONG"
        } else if !self.has_goal() {
            "holds"
        } else if self.ratio >= self.goal {
            "goal"
        } else if !self.has_floor() {
            "behind"
        } else if self.ratio >= self.floor {
            "floor"
        } else {
            "below"
        }
    }

    /// The figure in one line.
    pub(crate) fn line(&self) -> String {
        let failed = if self.checked { "" } else { "  CHECK FAILED" };
        if self.has_peer() {
            format!(
                "{:<18} {:>6.2} ({:.2} to {:.2}){failed}",
                self.id, self.ratio, self.low, self.high,
            )
        } else {
            format!(
                "{:<18} {:>6.0} {} ({:.0} to {:.0}){failed}",
                self.id, self.ours, self.unit, self.low, self.high,
            )
        }
    }
}
