//! Checkpoints: copies of a store at one timestamp, by hard links, and databases that are made from them.
//!
//! [`Store::create_checkpoint`] goes in this order:
//!
//! 1. merge and flush most of what is in memory, while commits go on;
//! 2. with the turn to commit and the lock of floor and pins: merge and flush the rest, and link the files. So the
//!    copy is the state at the visible timestamp, wholly, and all of it lies in tables, as rows: nothing has to
//!    be written to read it;
//! 3. commits go on; sync every file, and write the manifest, which names them;
//! 4. sync the directory, move it to its place, sync the one above.
//!
//! Reads, and the compactions that a prune drives, go on all the time: what they drop is at or below a floor that
//! was written before, so the copy's floor is not behind what its tables lack. A rollback needs the turn, so no copy
//! is taken half-way through one.
//!
//! The files of tables are shared with the store by hard links, and neither side ever changes one. Everything else is
//! copied.
//!
//! A checkpoint is opened to read, when no file of it changes ([`MANIFEST`] says what must be there); or it is
//! [restored](restore): copied to a new place, never linked. Where it is opened as a database in place, it is one
//! from then on, and no checkpoint any more ([`take_over`]).

pub(crate) mod manifest;
pub(crate) mod place;
mod policy;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, ErrorKind as IoErrorKind},
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::{
    manifest::{FileEntry, Manifest, Refusal},
    place::Steps,
};
use super::{
    lineage::{Branch, Lineage, ROOT},
    store::Store,
};
use crate::{
    error::{Error, Result},
    failpoint::{Point, reach},
    metrics::Timed,
    timestamp::Timestamp,
    trace,
};

pub use policy::{CheckpointPolicy, Checkpoints};

/// The name of the manifest in a checkpoint.
pub(crate) const MANIFEST: &str = "CHECKPOINT";
const TITLE: &str = "sapwood checkpoint";
/// The name of an empty file in a copy until a database was made of it.
const COPY: &str = "COPY";

/// A copy of a store at one timestamp, which can be opened to read and be restored.
///
/// # Examples
/// ```
/// use sapwood::{Checkpoint, Engine, ErrorKind, ReadView};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let path = |name: &str| directory.path().join(name);
/// let engine = Engine::open(path("state"))?;
/// engine.set(b"key", b"old")?;
/// let checkpoint = engine.create_checkpoint(path("checkpoint"))?;
/// engine.set(b"key", b"new")?;
///
/// let copy = Engine::open_read_only(path("checkpoint"))?;
/// assert_eq!(copy.visible(), checkpoint.timestamp);
/// assert_eq!(copy.get(b"key")?.as_deref(), Some(&b"old"[..]));
/// assert_eq!(copy.set(b"key", b"x").unwrap_err().kind(), &ErrorKind::ReadOnly);
///
/// let restored = Engine::restore(path("checkpoint"), path("restored"))?;
/// assert!(restored.set(b"key", b"newer")? > checkpoint.timestamp);
/// assert_eq!(Checkpoint::read(path("checkpoint"))?, checkpoint);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Its directory.
    pub path: PathBuf,
    /// The newest timestamp that can be read in it.
    pub timestamp: Timestamp,
    /// How often the store had been rolled back.
    pub epoch: u64,
    /// When it was taken.
    pub created: SystemTime,
    /// The name of the branch that its newest commit belongs to: that of [`Export::branch`](crate::Export::branch) of
    /// an export that begins there. `None` for one of an older build.
    pub branch: Option<String>,
}

impl Checkpoint {
    /// What the checkpoint in a directory is, without opening it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where what says so is damaged,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for one of a newer build,
    /// [`Io`](crate::ErrorKind::Io).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path, &load(path)?))
    }

    fn new(path: &Path, manifest: &Manifest) -> Self {
        Self {
            path: path.to_path_buf(),
            timestamp: manifest.timestamp,
            epoch: manifest.epoch,
            created: manifest.created(),
            branch: manifest.branch.clone(),
        }
    }
}

impl Store {
    /// Writes a checkpoint.
    pub(crate) fn create_checkpoint(&self, path: &Path) -> Result<Checkpoint> {
        let _timing = self.meter.time(Timed::Checkpoint);
        let span = trace::checkpoint(path).entered();
        let checkpoint = self.create_checkpoint_in_steps(path, &mut |_| {
            reach(Point::CheckpointStep);
            Ok(())
        })?;
        span.record("timestamp", checkpoint.timestamp.get());
        Ok(checkpoint)
    }

    fn create_checkpoint_in_steps(&self, path: &Path, step: Steps<'_>) -> Result<Checkpoint> {
        self.check_open()?;
        self.check_has_files("checkpoint")?;
        let manifest = place::build(path, step, |partial, step| {
            step("copy the database")?;
            let (timestamp, epoch, branch) = self.copy_to(partial)?;
            step("read what was copied")?;
            let files = place::list(partial)?;
            let files = files.iter().map(|file| entry(file));
            let files = files.collect::<Result<Vec<_>>>()?;
            let manifest = Manifest::new(timestamp, epoch, files).on(&branch);
            step("write the manifest")?;
            place::write(&partial.join(MANIFEST), &manifest.to_text(TITLE))?;
            Ok(manifest)
        })?;
        Ok(Checkpoint::new(path, &manifest))
    }

    /// Refuses a store that has no files, or whose files are a copy already.
    pub(super) fn check_has_files(&self, what: &str) -> Result<()> {
        self.check_not_read_only()?;
        if self.backend.path().is_none() {
            return Err(Error::invalid(format!(
                "a store in memory has no files for a {what}; use RocksDBStorage (Engine::open), or hold a \
                 state with a snapshot or a pin"
            )));
        }
        Ok(())
    }

    /// Copies the database at the visible timestamp, which is returned with its epoch and its branch. Commits wait for
    /// the last part of it.
    pub(super) fn copy_to(&self, path: &Path) -> Result<(Timestamp, u64, Branch)> {
        // Most of what there is to do is done before commits have to wait.
        self.merge_all()?;
        self.backend.flush()?;
        reach(Point::CopyFlushed);
        let turn = self.commit_turn()?;
        // Nor does the floor move, nor are pins set: so the log of the copy is empty, and its tables are all of it.
        let _retention = self.retention.lock();
        self.check_open()?;
        // The holder of the turn may merge: it is not committing.
        self.merge_all()?;
        reach(Point::CopyReady);
        // The copy says of which history it is.
        let branch = self.lineage()?.branch_at(turn.last());
        self.backend.create_checkpoint(path)?;
        reach(Point::CopyLinked);
        Ok((turn.last(), self.clock.epoch(), branch.unwrap_or(ROOT)))
    }
}

/// A file, as the manifest names it.
fn entry(path: &Path) -> Result<FileEntry> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Error::invalid(format!("the name of {} is not UTF-8", path.display())))?;
    // A table has a checksum for each of its blocks, and may be large.
    let is_table = path.extension().is_some_and(|ending| ending == "sst");
    let digest = (!is_table).then(|| place::digest(path)).transpose()?;
    Ok(FileEntry {
        name: name.to_owned(),
        size: place::size(path)?,
        digest,
    })
}

/// Reads the manifest of a checkpoint.
pub(crate) fn load(path: &Path) -> Result<Manifest> {
    let manifest = path.join(MANIFEST);
    let text = fs::read(&manifest).map_err(|source| match source.kind() {
        IoErrorKind::NotFound | IoErrorKind::NotADirectory => Error::not_found(format!(
            "there is no checkpoint at {0}: it has no file {MANIFEST}; one that was opened to write is a \
             database from then on, and is opened as one (Engine::open)",
            path.display()
        )),
        _ => place::failed("read", &manifest, source),
    })?;
    Manifest::parse(&text, TITLE).map_err(|refusal| refuse(&manifest, &refusal))
}

/// Why a manifest is none, as an error.
pub(crate) fn refuse(path: &Path, refusal: &Refusal) -> Error {
    let path = path.display().to_string();
    match refusal {
        Refusal::Newer => Error::unsupported(format!(
            "{path} was written by a newer build; use that, or one as new"
        )),
        Refusal::Damaged(what) => Error::corrupt(path, what),
    }
}

/// Checks that every file of a checkpoint is there, and as long as it was.
pub(crate) fn check_files(path: &Path, manifest: &Manifest) -> Result<()> {
    for FileEntry { name, size, .. } in &manifest.files {
        let file = path.join(name);
        match fs::symlink_metadata(&file) {
            Ok(found) if found.is_file() && found.len() == *size => {}
            Ok(found) => {
                let what = format!("it is {} bytes long, and was {size}", found.len());
                return Err(Error::corrupt(file.display().to_string(), what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::corrupt(file.display().to_string(), "it is missing"));
            }
            Err(source) => return Err(place::failed("read", &file, source)),
        }
    }
    Ok(())
}

/// Checks that what was opened is what a manifest says.
pub(crate) fn check_state(store: &Store, path: &Path, manifest: &Manifest) -> Result<()> {
    let (visible, epoch) = (store.clock.visible(), store.clock.epoch());
    if (visible, epoch) == (manifest.timestamp, manifest.epoch) {
        let branch = Lineage::load(store.backend.as_ref())?.branch_at(visible);
        let branch = branch.as_ref().map(|branch| manifest::hex(branch));
        if manifest.branch.is_none() || manifest.branch == branch {
            return Ok(());
        }
        let what = "it is of another history than it was written of";
        return Err(Error::corrupt(path.display().to_string(), what));
    }
    let (then, epoch_then) = (manifest.timestamp, manifest.epoch);
    Err(Error::corrupt(
        path.display().to_string(),
        format!(
            "it holds {visible} in epoch {epoch}, and was written at {then} in epoch {epoch_then}"
        ),
    ))
}

/// Copies a checkpoint to a new place, as a database. The source is only read. `check` looks at the copy before
/// it comes to its place.
pub(crate) fn restore(
    from: &Path,
    to: &Path,
    check: impl FnOnce(&Path, &Manifest) -> Result<()>,
) -> Result<()> {
    let _span = trace::restore(from, to).entered();
    restore_in_steps(from, to, check, &mut |_| {
        reach(Point::RestoreStep);
        Ok(())
    })?;
    reach(Point::RestorePlaced);
    Ok(())
}

fn restore_in_steps(
    from: &Path,
    to: &Path,
    check: impl FnOnce(&Path, &Manifest) -> Result<()>,
    step: Steps<'_>,
) -> Result<()> {
    let manifest = load(from)?;
    check_files(from, &manifest)?;
    check_outside(from, to)?;
    place::build(to, step, |partial, step| {
        fs::create_dir(partial).map_err(|source| place::failed("made", partial, source))?;
        for file in &manifest.files {
            step("copy a file")?;
            copy(file, from, partial)?;
        }
        step("look at the copy")?;
        check(partial, &manifest)?;
        step("note that it is a copy")?;
        mark(partial)
    })
}

/// Copies a file, and checks that it is what it was.
fn copy(file: &FileEntry, from: &Path, to: &Path) -> Result<()> {
    let (source, target) = (from.join(&file.name), to.join(&file.name));
    place::copy(&source, &target)?;
    let is_right = place::size(&target)? == file.size
        && match &file.digest {
            Some(digest) => place::digest(&target)? == *digest,
            None => true,
        };
    if is_right {
        return Ok(());
    }
    let what = "its checksum is not what it was";
    Err(Error::corrupt(source.display().to_string(), what))
}

/// Nothing is written into what is restored from.
pub(super) fn check_outside(from: &Path, to: &Path) -> Result<()> {
    let Ok(from) = from.canonicalize() else {
        return Ok(());
    };
    let mut above = to.ancestors().skip(1);
    let above = above.find(|above| above.exists());
    let above = above.unwrap_or(Path::new(".")).canonicalize();
    if above.is_ok_and(|above| above.starts_with(&from)) {
        return Err(Error::invalid(format!(
            "{} lies inside of what is restored; name a path outside of it",
            to.display()
        )));
    }
    Ok(())
}

/// Notes in a directory that what is in it is a copy, of which no database was made yet.
pub(super) fn mark(path: &Path) -> Result<()> {
    let copy = path.join(COPY);
    if copy.exists() {
        return Ok(());
    }
    place::write(&copy, "")?;
    place::sync(path)
}

/// Refuses a checkpoint of which is not known what it is, before it could be made a database: it would be lost.
pub(crate) fn check_known(path: &Path) -> Result<()> {
    if path.join(MANIFEST).exists() {
        load(path)?;
    }
    Ok(())
}

/// Makes a database of a checkpoint that is opened for writing: it will be one no more. To be called once it is
/// locked, and before anything can be committed. Returns whether it is a copy, whose history is its own from now
/// on.
pub(crate) fn take_over(path: &Path) -> Result<bool> {
    let manifest = path.join(MANIFEST);
    if manifest.exists() {
        mark(path)?;
    }
    remove(&manifest)?;
    Ok(path.join(COPY).exists())
}

/// Notes that its history is its own: see [`take_over`].
pub(crate) fn taken_over(path: &Path) -> Result<()> {
    remove(&path.join(COPY))
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Ok(()) => place::sync(file.parent().unwrap_or(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(place::failed("removed", file, source)),
    }
}
