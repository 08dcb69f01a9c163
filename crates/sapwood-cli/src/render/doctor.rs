//! What `doctor` has found.

use serde_json::{Value, json};

use super::table::table;
use crate::doctor::{Finding, Level, worst};

/// For programs.
pub(super) fn json(findings: &[Finding]) -> Value {
    let all = findings.iter().map(|finding| {
        json!({
            "check": finding.check,
            "level": finding.level.name(),
            "found": finding.found,
            "advice": finding.advice,
        })
    });
    json!({ "level": worst(findings).name(), "findings": all.collect::<Vec<_>>() })
}

/// For people: a table, and below it what to do.
pub(super) fn people(findings: &[Finding]) -> String {
    let mut shown = table(["check", "", "found"]);
    shown.add_rows(
        findings
            .iter()
            .map(|finding| [finding.check, finding.level.name(), &finding.found]),
    );
    let advice = findings.iter().filter_map(|finding| {
        let advice = finding.advice.as_ref()?;
        Some(format!("{}: {advice}", finding.check))
    });
    let mut lines = vec![shown.to_string()];
    lines.extend(advice);
    if worst(findings) == Level::Fine {
        lines.push("all is fine".to_owned());
    }
    lines.join("\n")
}
