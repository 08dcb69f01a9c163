//! What this process has in memory.

use std::fs;

use anyhow::{Context, Result};

/// Bytes of this process that are resident, pages of files that it has mapped included.
///
/// The counter of `/proc/self/statm` is brought up to date in steps of many pages for each processor; this one walks
/// the pages, and is exact.
pub(super) fn bytes() -> Result<u64> {
    let told = fs::read_to_string("/proc/self/smaps_rollup")
        .context("this row needs Linux's /proc/self/smaps_rollup")?;
    let line = told.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.context("no Rss was told")?.trim().parse()?;
    Ok(kilobytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_counts() {
        let before = bytes().unwrap();
        let touched = std::hint::black_box(vec![1_u8; 16 << 20]);
        let after = bytes().unwrap();
        assert!(after - before >= 15 << 20, "{before} {after}");
        drop(touched);
    }
}
