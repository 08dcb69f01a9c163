//! A file system under the store that loses, tears and reorders what was not waited for, and whose calls fail.
//!
//! It lies in memory and is mounted (FUSE), so that RocksDB's own calls come here. Each file has its bytes as the system
//! has them, those that the disk has, and the writes in between; each directory its entries likewise. Waiting for a file
//! brings its bytes to the disk, and waiting for a directory its entries. At any moment a disk can be written down as
//! it may be after a power cut then: everything that was waited for, and of the rest anything that is legal.
//!
//! | module | owns |
//! |---|---|
//! | `content` | the bytes of a file, and what is left of them |
//! | `entries` | the entries of directories, and what is left of them |
//! | `trouble` | which calls fail |
//! | `disk` | the calls |
//! | `serve` | the kernel's questions |

mod content;
mod disk;
mod entries;
mod serve;
mod trouble;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use fuser::{BackgroundSession, Config, MountOption};

pub(crate) use content::Tears;
pub(crate) use disk::Disk;
use serve::Served;
pub(crate) use trouble::{Fault, Trouble};

/// A disk that is mounted, until this is dropped.
#[derive(Debug)]
pub(crate) struct Shim {
    disk: Served,
    at: PathBuf,
    session: Option<BackgroundSession>,
}

impl Shim {
    /// Mounts a disk on a directory.
    pub(crate) fn new(disk: Disk, at: &Path) -> Result<Self> {
        let disk = Served::new(disk);
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("sapwood-crash".to_owned()),
            MountOption::DefaultPermissions,
        ];
        let session = fuser::spawn_mount(disk.clone(), at, &config)
            .with_context(|| format!("mounting on {}", at.display()))?;
        Ok(Self {
            disk,
            at: at.to_owned(),
            session: Some(session),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// Lets calls fail, or no more.
    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.disk.lock().troubles.set(trouble);
    }

    /// Trouble that is yet to come comes now.
    pub(crate) fn hasten(&self) {
        self.disk.lock().troubles.hasten();
    }

    /// How many calls have failed.
    pub(crate) fn failed(&self) -> u64 {
        self.disk.lock().troubles.failed()
    }

    /// The disk will be caught right after a write to a file whose name holds `part`, after some others of them.
    pub(crate) fn watch_for(&self, part: &'static str, after: u64) {
        self.disk.lock().watch_for(part, after);
    }

    /// The disk as it was when it was caught, or else as it is at this moment.
    pub(crate) fn cut(&self) -> Disk {
        let mut disk = self.disk.lock();
        disk.take_caught().unwrap_or_else(|| disk.clone())
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if session.umount_and_join().is_err() {
            // Busy: gone when it no longer is.
            let mut command = Command::new("umount");
            command.arg("--lazy").arg(&self.at);
            let _ = command.stderr(Stdio::null()).status();
        }
    }
}
