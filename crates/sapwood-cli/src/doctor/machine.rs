//! What the system says of itself. What it does not say is `None`, and is not judged.

use super::place::Holder;

/// A machine, as seen from one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// How many files a process may have open; `u64::MAX` for no limit.
    pub(super) open_files: Option<u64>,
    /// What it may raise that to by itself.
    pub(super) open_files_hard: Option<u64>,
    /// What is free for this user on the file system.
    pub(super) free_bytes: Option<u64>,
    pub(super) file_system: Option<FileSystem>,
    /// Whether files can be made in the directory, or why not.
    pub(super) writable: Option<Result<(), String>>,
    /// Memory that is there for processes now.
    pub(super) available_bytes: Option<u64>,
    /// All memory that a process may have: the machine's, or its control group's.
    pub(super) memory_bytes: Option<u64>,
    pub(super) cores: Option<usize>,
}

/// The kind of a file system, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSystem {
    /// Tried.
    Tried(&'static str),
    /// On a disk of this machine, as others are; not tried.
    Local(&'static str),
    /// Elsewhere.
    Network(&'static str),
    /// In memory.
    Memory(&'static str),
    /// The writable layer of a container.
    Overlay,
    /// A program of its own serves it.
    Fuse,
    /// Another number.
    Other(u64),
}

#[cfg(target_os = "linux")]
pub(super) use linux::{holder, look};

#[cfg(not(target_os = "linux"))]
pub(super) fn look(_ground: &std::path::Path) -> Machine {
    Machine {
        cores: std::thread::available_parallelism().ok().map(usize::from),
        ..Machine::default()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holder(_lock: &std::path::Path) -> Option<Holder> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::{self, File},
        path::Path,
        thread,
    };

    use rustix::{
        fs::{Access, access, statfs, statvfs},
        process::{Flock, FlockType, Resource, fcntl_getlk, getrlimit},
    };

    use super::{FileSystem, Holder, Machine};

    /// Looks at the machine, and at the file system of a directory.
    pub(in crate::doctor) fn look(ground: &Path) -> Machine {
        let files = getrlimit(Resource::Nofile);
        let memory = memory();
        Machine {
            open_files: Some(files.current.unwrap_or(u64::MAX)),
            open_files_hard: Some(files.maximum.unwrap_or(u64::MAX)),
            free_bytes: statvfs(ground)
                .ok()
                .map(|of| of.f_bavail.saturating_mul(of.f_frsize)),
            file_system: statfs(ground)
                .ok()
                .and_then(|of| u64::try_from(of.f_type).ok())
                .map(kind),
            writable: Some(
                access(ground, Access::WRITE_OK | Access::EXEC_OK)
                    .map_err(|error| std::io::Error::from(error).to_string()),
            ),
            available_bytes: memory.map(|(available, _)| available),
            memory_bytes: memory.map(|(_, all)| all),
            cores: thread::available_parallelism().ok().map(usize::from),
        }
    }

    /// The numbers of `linux/magic.h`.
    fn kind(number: u64) -> FileSystem {
        match number {
            0xEF53 => FileSystem::Tried("ext4"),
            0x5846_5342 => FileSystem::Tried("XFS"),
            0x9123_683E => FileSystem::Local("btrfs"),
            0x2FC1_2FC1 => FileSystem::Local("ZFS"),
            0xF2F5_2010 => FileSystem::Local("F2FS"),
            0x6969 => FileSystem::Network("NFS"),
            0x517B | 0xFE53_4D42 | 0xFF53_4D42 => FileSystem::Network("SMB"),
            0x00C3_6400 => FileSystem::Network("Ceph"),
            0x0102_1997 => FileSystem::Network("9p"),
            0x0102_1994 => FileSystem::Memory("tmpfs"),
            0x8584_58F6 => FileSystem::Memory("ramfs"),
            0x794C_7630 => FileSystem::Overlay,
            0x6573_5546 => FileSystem::Fuse,
            other => FileSystem::Other(other),
        }
    }

    /// Memory that is available and that there is, in bytes: the smaller of the machine's and the control group's.
    fn memory() -> Option<(u64, u64)> {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let read = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            let kib = line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
            Some(kib << 10)
        };
        let (available, all) = (read("MemAvailable:")?, read("MemTotal:")?);
        let group = |name: &str| {
            let text = fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let Some(limit) = group("memory.max") else {
            return Some((available, all));
        };
        let left = limit.saturating_sub(group("memory.current").unwrap_or(0));
        Some((available.min(left), all.min(limit)))
    }

    /// Who has a lock of RocksDB's: it is asked for, and not taken.
    pub(in crate::doctor) fn holder(lock: &Path) -> Option<Holder> {
        let file = File::open(lock).ok()?;
        let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
        let pid = held.pid?.as_raw_nonzero().get();
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        Some(Holder {
            pid,
            program: program.map(|program| program.trim().to_owned()),
        })
    }
}
