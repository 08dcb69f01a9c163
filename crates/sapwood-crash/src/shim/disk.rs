//! [`Disk`]: files and directories in memory, as the system has them and as the disk has them.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use anyhow::Result;
use fastrand::Rng;
use fuser::Errno;

use super::{
    content::{Content, Tears},
    entries::{Entries, ROOT, Step, Tree},
    trouble::{Call, Troubles},
};

/// A whole file system.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    entries: Entries,
    files: BTreeMap<u64, Content>,
    /// How often the kernel holds a node.
    held: BTreeMap<u64, u64>,
    next: u64,
    random: Rng,
    pub(crate) troubles: Troubles,
    /// Files whose names hold this are watched, and so many more writes to them are let pass.
    watched: Option<(&'static str, u64)>,
    /// This disk, right after the write that was watched for.
    caught: Option<Box<Self>>,
    /// Whether waiting for the disk is said to be done, and is not.
    pub(crate) drops_syncs: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) is_directory: bool,
    pub(crate) length: u64,
    pub(crate) links: u32,
}

type Done<T> = std::result::Result<T, Errno>;

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: Entries::new(),
            files: BTreeMap::new(),
            held: BTreeMap::new(),
            next: ROOT + 1,
            random: Rng::with_seed(seed),
            troubles: Troubles::default(),
            watched: None,
            caught: None,
            drops_syncs: false,
        }
    }

    pub(crate) fn kind(&self, node: u64) -> Done<Kind> {
        if let Some(entries) = self.entries.of(node) {
            return Ok(Kind {
                is_directory: true,
                length: entries.len() as u64,
                links: 2,
            });
        }
        let links = self.entries.count(node);
        Ok(Kind {
            is_directory: false,
            length: self.file(node)?.now().len() as u64,
            links: u32::try_from(links).unwrap_or(u32::MAX),
        })
    }

    fn file(&self, node: u64) -> Done<&Content> {
        self.files.get(&node).ok_or(Errno::ENOENT)
    }

    fn file_mut(&mut self, node: u64) -> Done<&mut Content> {
        self.files.get_mut(&node).ok_or(Errno::ENOENT)
    }

    pub(crate) fn look_up(&self, directory: u64, name: &OsStr) -> Done<u64> {
        self.entries.get(directory, name).ok_or(Errno::ENOENT)
    }

    pub(crate) fn list(&self, directory: u64) -> Done<impl Iterator<Item = (&OsStr, u64)>> {
        let entries = self.entries.of(directory).ok_or(Errno::ENOTDIR)?;
        Ok(entries.iter().map(|(name, node)| (name.as_os_str(), *node)))
    }

    /// The kernel holds a node once more.
    pub(crate) fn hold(&mut self, node: u64) {
        *self.held.entry(node).or_default() += 1;
    }

    /// It no longer does.
    pub(crate) fn release(&mut self, node: u64, times: u64) {
        if let Some(held) = self.held.get_mut(&node) {
            *held = held.saturating_sub(times);
            if *held == 0 {
                self.held.remove(&node);
            }
        }
    }

    pub(crate) fn read(&self, node: u64, at: u64, length: u32) -> Done<&[u8]> {
        let bytes = self.file(node)?.now();
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default())
    }

    /// Returns how many bytes were written.
    pub(crate) fn write(&mut self, node: u64, at: u64, bytes: &[u8]) -> Done<u32> {
        let at = usize::try_from(at).map_err(|_| Errno::EFBIG)?;
        let grows = at.saturating_add(bytes.len()) > self.file(node)?.now().len();
        let mut count = bytes.len();
        if let Some((error, is_first)) = self.troubles.meet(Call::Write { grows }) {
            // A part of the first may have come through, which is told or not.
            count = self.random.usize(..bytes.len().max(1));
            if !is_first || count == 0 {
                return Err(error);
            }
            if self.random.bool() {
                let part = bytes.get(..count).unwrap_or_default();
                self.file_mut(node)?.write(at, part);
                return Err(error);
            }
        }
        let part = bytes.get(..count).unwrap_or_default();
        self.file_mut(node)?.write(at, part);
        self.watch(node);
        u32::try_from(count).map_err(|_| Errno::EINVAL)
    }

    /// Waits for a write to a file whose name holds `part`, after some others of them.
    pub(crate) fn watch_for(&mut self, part: &'static str, after: u64) {
        self.watched = Some((part, after));
        self.caught = None;
    }

    /// The disk as it was after the write that was watched for. None is watched for any more.
    pub(crate) fn take_caught(&mut self) -> Option<Self> {
        self.watched = None;
        self.caught.take().map(|caught| *caught)
    }

    fn watch(&mut self, node: u64) {
        let Some((part, after)) = self.watched else {
            return;
        };
        if self.caught.is_some() || !self.entries.is_named(node, part) {
            return;
        }
        if after > 0 {
            self.watched = Some((part, after - 1));
        } else {
            self.caught = Some(Box::new(self.clone()));
        }
    }

    pub(crate) fn set_length(&mut self, node: u64, length: u64) -> Done<()> {
        let length = usize::try_from(length).map_err(|_| Errno::EFBIG)?;
        let grows = length > self.file(node)?.now().len();
        if grows && let Some((error, _)) = self.troubles.meet(Call::Write { grows }) {
            return Err(error);
        }
        self.file_mut(node)?.set_length(length);
        Ok(())
    }

    /// Makes an empty file or directory.
    pub(crate) fn make(&mut self, parent: u64, name: &OsStr, is_directory: bool) -> Done<u64> {
        self.check_free(parent, name)?;
        if let Some((error, _)) = self.troubles.meet(Call::Make) {
            return Err(error);
        }
        let node = self.next;
        self.next += 1;
        if is_directory {
            self.entries.add_directory(node);
        } else {
            self.files.insert(node, Content::default());
        }
        let place = (parent, name.to_owned());
        self.entries.take_step(Step::Put(place, node));
        Ok(node)
    }

    fn check_free(&self, parent: u64, name: &OsStr) -> Done<()> {
        let entries = self.entries.of(parent).ok_or(Errno::ENOENT)?;
        if entries.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        Ok(())
    }

    pub(crate) fn link(&mut self, node: u64, parent: u64, name: &OsStr) -> Done<()> {
        self.check_free(parent, name)?;
        self.file(node)?;
        if let Some((error, _)) = self.troubles.meet(Call::Make) {
            return Err(error);
        }
        let place = (parent, name.to_owned());
        self.entries.take_step(Step::Put(place, node));
        Ok(())
    }

    pub(crate) fn remove(&mut self, parent: u64, name: &OsStr, is_directory: bool) -> Done<()> {
        let node = self.look_up(parent, name)?;
        match self.entries.of(node) {
            Some(_) if !is_directory => return Err(Errno::EISDIR),
            None if is_directory => return Err(Errno::ENOTDIR),
            Some(entries) if !entries.is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        let place = (parent, name.to_owned());
        self.entries.take_step(Step::Take(place, node));
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        (parent, name): (u64, &OsStr),
        (new_parent, new_name): (u64, &OsStr),
        keeps_other: bool,
    ) -> Done<()> {
        let node = self.look_up(parent, name)?;
        match self.entries.get(new_parent, new_name) {
            Some(_) if keeps_other => return Err(Errno::EEXIST),
            // Of one file, nothing happens.
            Some(other) if other == node => return Ok(()),
            Some(other) => {
                let (old, new) = (self.entries.of(other), self.entries.of(node));
                match (old, new) {
                    (Some(_), None) => return Err(Errno::EISDIR),
                    (None, Some(_)) => return Err(Errno::ENOTDIR),
                    (Some(entries), Some(_)) if !entries.is_empty() => {
                        return Err(Errno::ENOTEMPTY);
                    }
                    _ => {}
                }
            }
            None => {}
        }
        self.entries.take_step(Step::Move {
            from: (parent, name.to_owned()),
            to: (new_parent, new_name.to_owned()),
            node,
        });
        Ok(())
    }

    /// Waits for the disk, for a file or a directory.
    pub(crate) fn sync(&mut self, node: u64) -> Done<()> {
        if let Some((error, _)) = self.troubles.meet(Call::Sync) {
            let forgets = self.random.bool();
            if let Some(file) = self.files.get_mut(&node)
                && forgets
            {
                file.give_up();
            }
            return Err(error);
        }
        if self.drops_syncs {
            return Ok(());
        }
        match self.files.get_mut(&node) {
            Some(file) => file.sync(),
            None => {
                self.entries.sync(node);
                self.sweep();
            }
        }
        Ok(())
    }

    /// Forgets what nobody can reach any more.
    fn sweep(&mut self) {
        let named = self.entries.named();
        let held = &self.held;
        let goes = |node: &u64| !named.contains(node) && !held.contains_key(node);
        self.files.retain(|node, _| !goes(node));
        let directories: Vec<_> = (ROOT + 1..self.next).filter(goes).collect();
        for node in directories {
            self.entries.forget(node);
        }
    }

    /// Writes what the disk may hold after a power cut at this moment into a directory that is empty.
    pub(crate) fn leave(&self, tears: Tears, seed: u64, to: &Path) -> Result<()> {
        let mut random = Rng::with_seed(seed);
        let tree = self.entries.left(&mut random);
        let mut leaving = Leaving {
            files: &self.files,
            tree: &tree,
            tears,
            random,
            left: BTreeMap::new(),
        };
        leaving.directory(ROOT, to)
    }
}

/// What is being left after a power cut.
struct Leaving<'a> {
    files: &'a BTreeMap<u64, Content>,
    tree: &'a Tree,
    tears: Tears,
    random: Rng,
    /// Files of several names are the same under each.
    left: BTreeMap<u64, Vec<u8>>,
}

impl Leaving<'_> {
    fn directory(&mut self, node: u64, to: &Path) -> Result<()> {
        let tree = self.tree;
        for (name, node) in tree.get(&node).into_iter().flatten() {
            let path = to.join(name);
            if let Some(content) = self.files.get(node) {
                let (tears, random) = (self.tears, &mut self.random);
                let left = self.left.entry(*node);
                fs::write(path, left.or_insert_with(|| content.left(tears, random)))?;
            } else {
                fs::create_dir(&path)?;
                self.directory(*node, &path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::trouble::{Fault, Trouble},
        *,
    };

    fn disk() -> (Disk, u64) {
        let mut disk = Disk::new(1);
        let node = disk.make(ROOT, "file".as_ref(), false).unwrap();
        disk.write(node, 0, b"bytes").unwrap();
        (disk, node)
    }

    /// The files that may be left, with their lengths.
    fn left(disk: &Disk) -> Vec<(String, u64)> {
        let place = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        for seed in 0..50 {
            let to = place.path().join(seed.to_string());
            fs::create_dir(&to).unwrap();
            disk.leave(Tears::Ordered, seed, &to).unwrap();
            for entry in fs::read_dir(&to).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                found.push((name, entry.metadata().unwrap().len()));
            }
        }
        found
    }

    #[test]
    fn a_file_is_there_when_it_and_its_directory_were_waited_for() {
        let (mut disk, node) = disk();
        disk.sync(node).unwrap();
        let found = left(&disk);
        assert!(found.len() < 50 && found.iter().all(|(_, length)| *length == 5));
        disk.sync(ROOT).unwrap();
        assert_eq!(left(&disk).len(), 50);
    }

    #[test]
    fn a_disk_that_drops_syncs_loses_what_was_waited_for() {
        let (mut disk, node) = disk();
        disk.drops_syncs = true;
        disk.sync(node).unwrap();
        disk.sync(ROOT).unwrap();
        let found = left(&disk);
        assert!(found.len() < 50 && found.iter().any(|(_, length)| *length < 5));
    }

    #[test]
    fn calls_fail_as_they_are_told_to() {
        let (mut disk, node) = disk();
        let trouble = |fault, lasts| {
            Some(Trouble {
                fault,
                after: 1,
                lasts,
            })
        };
        disk.troubles.set(trouble(Fault::Sync, false));
        assert!(disk.sync(node).is_ok() && disk.sync(node).is_err() && disk.sync(node).is_ok());
        disk.troubles.set(trouble(Fault::Full, true));
        assert!(disk.write(node, 0, b"BYTES").is_ok());
        assert!(disk.write(node, 5, b"!").is_ok());
        for _ in 0..3 {
            assert_eq!(
                disk.write(node, 6, b"!").unwrap_err().code(),
                Errno::ENOSPC.code()
            );
            assert!(disk.make(ROOT, "other".as_ref(), false).is_err());
            assert!(disk.write(node, 0, b"bytes").is_ok() && disk.sync(node).is_ok());
        }
        disk.troubles.set(None);
        assert!(disk.write(node, 6, b"!").is_ok());
        assert_eq!(disk.read(node, 0, 100).unwrap(), b"bytes!!");
    }

    #[test]
    fn what_has_no_name_is_forgotten_when_nobody_holds_it() {
        let (mut disk, node) = disk();
        disk.hold(node);
        disk.remove(ROOT, "file".as_ref(), false).unwrap();
        disk.sync(ROOT).unwrap();
        assert_eq!(disk.read(node, 0, 9).unwrap(), b"bytes");
        disk.release(node, 1);
        disk.sync(ROOT).unwrap();
        assert!(disk.kind(node).is_err());
    }
}
