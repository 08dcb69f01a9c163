//! The state file: what a later run has to know of the earlier ones.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A state that was read and found right, to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witness {
    pub(crate) timestamp: u64,
    pub(crate) epoch: u64,
    pub(crate) digest: u64,
}

/// What is known of a store over its runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) seed: u64,
    /// Seconds that were really run, all runs together.
    pub(crate) seconds: f64,
    pub(crate) runs: u64,
    pub(crate) rounds: u64,
    /// Whether the rows that all begins with were made.
    pub(crate) is_filled: bool,
    /// A number that no value has yet.
    pub(crate) unique: u64,
    /// By the names of [`Count`](crate::counts::Count).
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) visible: u64,
    pub(crate) floor: u64,
    pub(crate) epoch: u64,
    /// Whether nothing was done since.
    pub(crate) is_closed: bool,
    pub(crate) witnesses: Vec<Witness>,
    /// Pins by name, with the state that they hold.
    pub(crate) pins: BTreeMap<String, Witness>,
    /// What was found wrong.
    pub(crate) failed: Option<String>,
}

fn path(directory: &Path) -> PathBuf {
    directory.join("state.json")
}

impl State {
    /// The state of a directory, where something was run there before.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = path(directory);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        let state = serde_json::from_str(&text);
        Ok(Some(state.with_context(|| path.display().to_string())?))
    }

    /// Replaces the file as a whole.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let partial = directory.join("state.json.partial");
        fs::write(&partial, serde_json::to_string_pretty(self)?)?;
        fs::rename(&partial, path(directory))?;
        Ok(())
    }
}
