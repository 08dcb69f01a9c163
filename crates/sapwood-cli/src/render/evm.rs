//! What came of Ethereum's blocks, and what their states hold. Words and bytes are hexadecimal, as everywhere with
//! Ethereum; amounts are decimal, and text in JSON since they do not fit its numbers.

use serde_json::{Value, json};

use super::table::table;
use crate::evm::{EvmAnswer, Summary, word};

/// For programs.
pub(super) fn json(answer: &EvmAnswer) -> Value {
    match answer {
        EvmAnswer::Ran(summary) => {
            let failed = summary.failed.iter();
            let failed = failed.map(|(name, why)| json!({ "name": name, "why": why }));
            json!({
                "passed": summary.passed,
                "failed": failed.collect::<Vec<_>>(),
                "blocks": summary.blocks,
                "transactions": summary.transactions,
                "gas": summary.gas,
                "workers": summary.workers,
                "seconds": summary.took.as_secs_f64(),
            })
        }
        EvmAnswer::Balance(wei) => json!({ "wei": wei.to_string() }),
        EvmAnswer::Slot(value) => json!({ "value": word(value) }),
        EvmAnswer::Slots(slots) => {
            let slots = slots
                .iter()
                .map(|(slot, value)| json!([word(slot), word(value)]));
            json!({ "slots": slots.collect::<Vec<_>>() })
        }
        EvmAnswer::Code(code) => json!({ "code": code.to_string() }),
        EvmAnswer::Called(result) => json!({
            "success": result.is_success,
            "output": result.output.to_string(),
            "gas": result.gas_used,
            "halted": result.halted,
        }),
    }
}

/// For people.
pub(super) fn people(answer: &EvmAnswer) -> String {
    match answer {
        EvmAnswer::Ran(summary) => ran(summary),
        EvmAnswer::Balance(wei) => format!("{wei} wei"),
        EvmAnswer::Slot(value) => word(value),
        EvmAnswer::Slots(slots) => {
            let mut shown = table(["slot", "value"]);
            shown.add_rows(slots.iter().map(|(slot, value)| [word(slot), word(value)]));
            let plural = if slots.len() == 1 { "" } else { "s" };
            format!("{shown}\n{} slot{plural}", slots.len())
        }
        EvmAnswer::Code(code) => code.to_string(),
        EvmAnswer::Called(result) => {
            let (output, gas) = (&result.output, result.gas_used);
            match (&result.halted, result.is_success) {
                (Some(why), _) => format!("it was stopped: {why} ({gas} gas)"),
                (None, true) => format!("{output}\n{gas} gas"),
                (None, false) => format!("it reverted with {output} ({gas} gas)"),
            }
        }
    }
}

fn ran(summary: &Summary) -> String {
    let failed = summary.failed.iter();
    let mut lines: Vec<_> = failed.map(|(name, why)| format!("{name}: {why}")).collect();
    let how = match summary.workers {
        None => "one transaction after the other".to_owned(),
        Some(1) => "by 1 worker".to_owned(),
        Some(workers) => format!("by {workers} workers"),
    };
    lines.push(format!(
        "{} tests passed, {} failed: {} blocks, {} transactions, {} gas in {:.2} s, {how}",
        summary.passed,
        summary.failed.len(),
        summary.blocks,
        summary.transactions,
        summary.gas,
        summary.took.as_secs_f64()
    ));
    lines.join("\n")
}
