//! Rows from anywhere into an engine.

use anyhow::Result;
use sapwood::{Batch, CommitOptions, Engine, Timestamp};

/// How many rows are one commit: what is not committed yet is in memory.
const ROWS: usize = 10_000;

/// Commits rows in parts; each key should come once. Returns the timestamp at which all of them are there.
pub(crate) fn load(
    engine: &Engine,
    rows: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>,
) -> Result<Timestamp> {
    let mut batch = Batch::new();
    for row in rows {
        let (key, value) = row?;
        batch.set(key, value);
        if batch.len() == ROWS {
            engine.commit(std::mem::take(&mut batch), CommitOptions::default())?;
        }
    }
    let whole = engine.commit(batch, CommitOptions::default())?.timestamp;
    // Nobody should read a state with half of the rows.
    engine.prune_before(whole)?;
    engine.flush()?;
    Ok(whole)
}
