//! Metrics, for programs and for people.

use comfy_table::{Cell, CellAlignment};
use serde_json::{Map, Value, json};

use super::table::{number, table};
use crate::scrape::{Reading, metric_of};

pub(super) fn json(readings: &[Reading], explain: bool) -> Value {
    let one = |reading: &Reading| {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), reading.name.clone().into());
        if !reading.labels.is_empty() {
            fields.insert("labels".to_owned(), json!(reading.labels));
        }
        // Infinite ones are not numbers for JSON.
        fields.insert("value".to_owned(), exact(reading.value));
        if let Some(metric) = metric_of(&reading.name).filter(|_| explain) {
            fields.insert("kind".to_owned(), metric.kind.to_string().into());
            fields.insert("unit".to_owned(), metric.unit.to_string().into());
            fields.insert("meaning".to_owned(), metric.meaning.into());
        }
        Value::Object(fields)
    };
    readings.iter().map(one).collect()
}

/// Whole numbers as such.
fn exact(value: f64) -> Value {
    let text = value.to_string();
    let whole = text.parse::<u64>().map(Value::from);
    whole.unwrap_or_else(|_| value.into())
}

/// Those that are not 0; with their meanings all of them. Buckets are for programs.
pub(super) fn people(readings: &[Reading], explain: bool) -> String {
    let mut shown = table(["metric", "value"]);
    let mut zeros = 0;
    let mut last = "";
    let readings = readings.iter();
    for reading in readings.filter(|reading| !reading.labels.contains_key("le")) {
        if reading.value == 0.0 && !explain {
            zeros += 1;
            continue;
        }
        if let Some(metric) =
            metric_of(&reading.name).filter(|metric| explain && metric.name != last)
        {
            last = metric.name;
            let meaning = format!("{} ({}, {})", metric.meaning, metric.kind, metric.unit);
            shown.add_row([Cell::new(meaning), Cell::new("")]);
        }
        let value = if reading.value.fract() == 0.0 {
            number(&reading.value)
        } else {
            Cell::new(format!("{:.6}", reading.value)).set_alignment(CellAlignment::Right)
        };
        shown.add_row([Cell::new(series(reading)), value]);
    }
    let rest = match zeros {
        0 => String::new(),
        zeros => format!("\n{zeros} metrics are 0 and are not shown; --explain shows all of them"),
    };
    format!("{shown}{rest}")
}

/// The name with the labels.
fn series(reading: &Reading) -> String {
    let labels = reading.labels.iter();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if labels.is_empty() {
        reading.name.clone()
    } else {
        format!("{} {}", reading.name, labels.join(" "))
    }
}
