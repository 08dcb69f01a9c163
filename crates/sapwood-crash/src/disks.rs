//! A disk whose power can be cut at any moment while the rest goes on.
//!
//! ```text
//! xfs.img        a file, as large as needed, mounted as XFS
//!   disk.img     a file in it, mounted as ext4: the store lies there
//!   cut.img      a clone of disk.img, taken in one step (FICLONE): the disk as it was at that moment
//! ```
//!
//! What the file system had sent to its disk by then is in the clone; what only memory had is not. Mounting the clone
//! replays the journal, as after a power cut.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

const XFS_BYTES: u64 = 3 << 30;
const DISK_BYTES: u64 = 512 << 20;

/// Something that is mounted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts a file as a disk. Its loop device goes when it is unmounted.
    fn new(image: &Path, at: PathBuf) -> Result<Self> {
        fs::create_dir_all(&at)?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(image)
            .arg(&at))?;
        Ok(Self { at })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Where it is busy still, when it no longer is.
        let at = &self.at;
        let gone = run(Command::new("umount").arg(at));
        if gone.is_err() {
            let _ = run(Command::new("umount").arg("--lazy").arg(at));
        }
    }
}

/// The disk, and what it lies on. Dropped in this order.
#[derive(Debug)]
pub(crate) struct Disks {
    disk: Mounted,
    below: Mounted,
    place: TempDir,
}

impl Disks {
    /// Makes and mounts them.
    pub(crate) fn new(place: TempDir) -> Result<Self> {
        let image = place.path().join("xfs.img");
        File::create(&image)?.set_len(XFS_BYTES)?;
        run(Command::new("mkfs.xfs")
            .args(["-q", "-m", "reflink=1"])
            .arg(&image))?;
        let below = Mounted::new(&image, place.path().join("below"))?;
        let image = below.path().join("disk.img");
        File::create(&image)?.set_len(DISK_BYTES)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let disk = Mounted::new(&image, place.path().join("disk"))?;
        Ok(Self { disk, below, place })
    }

    /// Where the store lies.
    pub(crate) fn path(&self) -> &Path {
        self.disk.path()
    }

    /// The directory in which they were made.
    pub(crate) fn beside(&self) -> &Path {
        self.place.path().parent().unwrap_or(Path::new("/"))
    }

    /// Cuts the power: the disk as it is now, to be mounted later.
    pub(crate) fn cut(&self) -> Result<PathBuf> {
        let image = self.below.path().join("cut.img");
        let source = File::open(self.below.path().join("disk.img"))?;
        let clone = File::create(&image)?;
        rustix::fs::ioctl_ficlone(&clone, &source).context("cloning the disk")?;
        Ok(image)
    }

    /// Switches the power on again.
    pub(crate) fn mount_cut(&self, image: &Path) -> Result<Mounted> {
        Mounted::new(image, self.place.path().join("cut"))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{name} cannot be started"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", error.trim());
    Ok(())
}
