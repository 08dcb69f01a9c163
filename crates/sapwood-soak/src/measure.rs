//! What the process and its directory take, as the operating system counts it.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Result;

/// What a process takes. 0 where the system does not tell it in `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) resident_bytes: u64,
    /// Open file handles.
    pub(crate) handles: u64,
    pub(crate) threads: u64,
}

impl Process {
    #[cfg(target_os = "linux")]
    pub(crate) fn measure() -> Result<Self> {
        let pages = fs::read_to_string("/proc/self/statm")?;
        let pages: u64 = pages.split(' ').nth(1).map_or(Ok(0), str::parse)?;
        Ok(Self {
            resident_bytes: pages * rustix::param::page_size() as u64,
            // One of them reads the list.
            handles: (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1),
            threads: fs::read_dir("/proc/self/task")?.count() as u64,
        })
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(crate) fn measure() -> Result<Self> {
        Ok(Self::default())
    }
}

/// The bytes of all files below a directory; those that have several names once. Files that go meanwhile count
/// nothing.
pub(crate) fn directory_bytes(directory: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    add(directory, &mut seen)
}

fn add(directory: &Path, seen: &mut BTreeSet<u64>) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let mut bytes = 0;
    for entry in entries.flatten() {
        let Ok(facts) = entry.metadata() else {
            continue;
        };
        if facts.is_dir() {
            bytes += add(&entry.path(), seen);
        } else if is_first(&facts, seen) {
            bytes += facts.len();
        }
    }
    bytes
}

#[cfg(unix)]
fn is_first(facts: &fs::Metadata, seen: &mut BTreeSet<u64>) -> bool {
    seen.insert(std::os::unix::fs::MetadataExt::ino(facts))
}

#[cfg(not(unix))]
fn is_first(_: &fs::Metadata, _: &mut BTreeSet<u64>) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("one"), [0; 1000]).unwrap();
        fs::write(path("below/two"), [0; 10]).unwrap();
        fs::hard_link(path("one"), path("below/again")).unwrap();
        assert_eq!(directory_bytes(directory.path()), 1010);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_memory_handles_and_threads() {
        let before = Process::measure().unwrap();
        assert!(before.resident_bytes > 100_000 && before.threads > 0);
        assert!(before.handles >= 3);
    }
}
