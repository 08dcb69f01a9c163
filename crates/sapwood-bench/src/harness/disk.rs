//! What the disk does by itself: a figure of synced commits says nothing without it.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

const SYNCS: usize = 101;
/// About what a transaction of two small rows appends to a log.
const APPENDED: [u8; 512] = [b'.'; 512];

/// The median time of a sync after a small append to a file, which is made at `path` for it.
pub(super) fn sync_time(path: &Path) -> Result<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&APPENDED)?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
}
