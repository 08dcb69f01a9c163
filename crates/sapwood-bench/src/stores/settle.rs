//! Waiting for work that a store has put off, without asking for more of it.
//!
//! A forced compaction would rewrite what no compaction was due for, and charge a store for how
//! much it holds. So this only waits until nothing is pending and nothing runs. Every store is
//! asked the same way.

use std::{thread, time::Duration};

use anyhow::Result;

const RUNNING: [&str; 2] = [
    "rocksdb.num-running-flushes",
    "rocksdb.num-running-compactions",
];
const PENDING: [&str; 2] = [
    "rocksdb.mem-table-flush-pending",
    "rocksdb.compaction-pending",
];
const PAUSE: Duration = Duration::from_millis(1);
/// One quiet look may fall between the end of one compaction and the start of the next.
const QUIET_LOOKS: u32 = 3;
/// Some compaction styles call work pending that they will not begin. What has not begun by then
/// is not due.
const IDLE_LOOKS: u32 = 100;

/// Waits, reading RocksDB's properties through `property`.
pub(super) fn wait(property: impl Fn(&str) -> Result<Option<u64>>) -> Result<()> {
    let any = |names: [&str; 2]| -> Result<bool> {
        for name in names {
            if property(name)?.unwrap_or(0) > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let (mut quiet, mut idle) = (0, 0);
    while quiet < QUIET_LOOKS && idle < IDLE_LOOKS {
        let (running, pending) = (any(RUNNING)?, any(PENDING)?);
        idle = if running { 0 } else { idle + 1 };
        quiet = if running || pending { 0 } else { quiet + 1 };
        thread::sleep(PAUSE);
    }
    Ok(())
}
