//! Directories that come to their place whole or not at all.
//!
//! What a directory holds is put together beside its place, under a name of its own, made to survive the machine,
//! and then moved there in one step. What a crash leaves has that other name, is nothing that can be opened by
//! the name that was asked for, and is removed by the next attempt at the same place.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::manifest::hex;
use crate::error::{Error, Result};

/// What the name of a directory ends with until it is whole.
const PARTIAL: &str = ".sapwood-partial";

/// Called before each step, by name; an error fails that step.
pub(crate) type Steps<'a> = &'a mut dyn FnMut(&'static str) -> Result<()>;

/// Fills a directory by `fill`, which is given the name that it has until then, and moves it to `path`, where
/// nothing may be yet.
pub(crate) fn build<T>(
    path: &Path,
    step: Steps<'_>,
    fill: impl FnOnce(&Path, Steps<'_>) -> Result<T>,
) -> Result<T> {
    check_new(path)?;
    let partial = beside(path, PARTIAL)?;
    let mut is_placed = false;
    let built = attempt(path, &partial, step, fill, &mut is_placed);
    if built.is_err() {
        if is_placed {
            // Nobody has been told of it.
            let _ = fs::rename(path, &partial);
        }
        let _ = remove(&partial);
    }
    built
}

fn attempt<T>(
    path: &Path,
    partial: &Path,
    step: Steps<'_>,
    fill: impl FnOnce(&Path, Steps<'_>) -> Result<T>,
    is_placed: &mut bool,
) -> Result<T> {
    step("make the directories above")?;
    let parent = make_parents(path)?;
    step("remove what a crash has left")?;
    remove(partial)?;
    // RocksDB puts a checkpoint together beside its place, too.
    remove(&beside(partial, ".tmp")?)?;
    let filled = fill(partial, step)?;
    step("sync the files")?;
    for entry in list(partial)? {
        sync(&entry)?;
    }
    sync(partial)?;
    step("move it to its place")?;
    check_new(path)?;
    fs::rename(partial, path).map_err(|source| failed("moved to its place", partial, source))?;
    *is_placed = true;
    step("sync the directory above")?;
    sync(&parent)?;
    Ok(filled)
}

/// Refuses a place where anything is.
pub(crate) fn check_new(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Error::invalid(format!(
            "there is something at {} already; name a new path",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("looked for", path, source)),
    }
}

/// The path with more behind its name.
fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        Error::invalid(format!(
            "{:?} does not end with the name of a directory",
            path.display().to_string()
        ))
    })?;
    let mut name = name.to_owned();
    name.push(ending);
    Ok(path.with_file_name(name))
}

/// Makes the directories above a path. Returns the last.
fn make_parents(path: &Path) -> Result<PathBuf> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let missing = parent.ancestors().take_while(|above| {
        let is_named = !above.as_os_str().is_empty();
        is_named && !above.exists()
    });
    let missing: Vec<_> = missing.map(Path::to_path_buf).collect();
    fs::create_dir_all(parent).map_err(|source| failed("made", parent, source))?;
    for made in missing {
        match made.parent() {
            Some(above) if !above.as_os_str().is_empty() => sync(above)?,
            _ => sync(Path::new("."))?,
        }
    }
    Ok(parent.to_path_buf())
}

/// Removes a directory with all that is in it, where there is one.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removed", path, error))
        }
        _ => Ok(()),
    }
}

/// What lies in a directory, in the order of names.
pub(crate) fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| failed("read", directory, source);
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// Makes a file or a directory survive the machine.
pub(crate) fn sync(path: &Path) -> Result<()> {
    // Elsewhere directories cannot be opened.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| failed("synced", path, source))
}

/// Writes a new file, and makes it survive the machine.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| failed("written", path, source))
}

/// The length of a file.
pub(crate) fn size(path: &Path) -> Result<u64> {
    let metadata = fs::symlink_metadata(path).map_err(|source| failed("read", path, source))?;
    Ok(metadata.len())
}

/// The SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut file = File::open(path).map_err(|source| failed("read", path, source))?;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(length) => hasher.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(failed("read", path, source)),
        }
    }
}

/// Copies a file's contents into a new file.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = File::open(from).and_then(|mut source| {
        let mut target = File::create_new(to)?;
        io::copy(&mut source, &mut target)
    });
    copied.map_err(|source| failed("copied", from, source))?;
    Ok(())
}

pub(crate) fn failed(what: &str, path: &Path, source: io::Error) -> Error {
    let path = path.display();
    Error::io(format!("{path} cannot be {what}: {source}"), source)
}
