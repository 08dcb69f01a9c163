//! What this process has in memory.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Bytes of this process that are resident.
///
/// The counters of `/proc/self/statm` are brought up to date in steps of many pages for each processor; this walks the
/// pages, and is exact.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Resident {
    pub(super) all: u64,
    /// Those that are no pages of files: not of the program, above all.
    pub(super) anonymous: u64,
}

impl Resident {
    pub(super) fn now() -> Result<Self> {
        let told = fs::read_to_string("/proc/self/smaps_rollup")
            .context("this row needs Linux's /proc/self/smaps_rollup")?;
        let bytes = |name: &str| -> Result<u64> {
            let line = told.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let kilobytes = kilobytes.with_context(|| format!("no {name} was told"))?;
            Ok(kilobytes.trim().parse::<u64>()? * 1024)
        };
        Ok(Self {
            all: bytes("Rss:")?,
            anonymous: bytes("Anonymous:")?,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_counts() {
        // Other tests of this process may give memory back meanwhile.
        let is_counted = |_| {
            let before = Resident::now().unwrap();
            let touched = std::hint::black_box(vec![1_u8; 16 << 20]);
            let after = Resident::now().unwrap();
            drop(touched);
            after.anonymous <= after.all && after.all >= before.all + (15 << 20)
        };
        assert!((0..20).any(is_counted));
    }
}
