//! Where stores are made.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A new directory, in the one that was asked for; else in memory, where there is room for files: what the system
/// has survives the end of a process wherever it lies.
pub(crate) fn new(directory: Option<&PathBuf>) -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(match directory {
        Some(directory) => {
            let made = TempDir::new_in(directory);
            made.with_context(|| format!("in {}", directory.display()))?
        }
        None if memory.is_dir() => TempDir::new_in(memory).or_else(|_| TempDir::new())?,
        None => TempDir::new()?,
    })
}
