//! [`Dashboard`]: the panels and queries of Grafana's file.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The variables of the queries, as they are here; Grafana fills in its own.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "10s"), ("$store", ".*")];

#[derive(Debug)]
pub(crate) struct Dashboard {
    /// Those that ask for something, in their order.
    pub(crate) panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Panel {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default, rename = "targets")]
    pub(crate) queries: Vec<Query>,
    #[serde(default, rename = "fieldConfig")]
    fields: Fields,
}

impl Panel {
    /// Grafana's name of the unit.
    pub(crate) fn unit(&self) -> &str {
        &self.fields.defaults.unit
    }
}

#[derive(Debug, Default, Deserialize)]
struct Fields {
    #[serde(default)]
    defaults: Defaults,
}

#[derive(Debug, Default, Deserialize)]
struct Defaults {
    #[serde(default)]
    unit: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Query {
    /// In Prometheus's language.
    #[serde(rename = "expr")]
    pub(crate) text: String,
    /// What a series is called, with `{{label}}` for the values of labels.
    #[serde(default, rename = "legendFormat")]
    pub(crate) legend: String,
}

impl Query {
    /// The query without variables.
    pub(crate) fn filled_in(&self) -> Result<String> {
        let text = VARIABLES
            .iter()
            .fold(self.text.clone(), |text, (name, value)| {
                text.replace(name, value)
            });
        ensure!(!text.contains('$'), "a variable that is not known: {text}");
        Ok(text)
    }
}

#[derive(Deserialize)]
struct File {
    panels: Vec<Panel>,
}

impl Dashboard {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
        let File { mut panels } = serde_json::from_str(&text)
            .with_context(|| format!("{} is no dashboard", path.display()))?;
        // Rows of panels have no queries of their own.
        panels.retain(|panel| !panel.queries.is_empty());
        Ok(Self { panels })
    }
}
