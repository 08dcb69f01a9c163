//! What is asked of an engine whatever it holds, and how its errors are looked at.

use std::path::Path;

use sapwood::{Engine, ReadView, Result, Timestamp};
use tempfile::TempDir;

use super::shell::KINDS;

/// A row of a state.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// An empty directory; in memory where the system has such a place, where syncs cost nothing.
pub(super) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary directory")
}

/// What a call gave; where it failed, its error is one of those that are documented, and says something in one line.
pub(super) fn told<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let (kind, message) = (error.kind().name(), error.to_string());
            assert!(KINDS.contains(&kind), "{kind}: {message}");
            assert!(!message.is_empty(), "{kind}");
            assert!(
                !message.chars().any(char::is_control),
                "{kind}: {message:?}"
            );
            None
        }
    }
}

/// The rows at a timestamp.
pub(super) fn state(engine: &Engine, at: Timestamp) -> Result<Vec<Row>> {
    let rows = engine.at(at)?.range(..);
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect()
}

/// The timestamps of all commits, and the state at each.
pub(super) fn states(engine: &Engine) -> Result<Vec<(Timestamp, Vec<Row>)>> {
    let commits = engine.commit_log(..)?;
    commits
        .map(|commit| commit.and_then(|it| Ok((it.timestamp, state(engine, it.timestamp)?))))
        .collect()
}
