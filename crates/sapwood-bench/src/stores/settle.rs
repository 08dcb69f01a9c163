//! Waiting for work that a store has put off, without asking for more of it.
//!
//! A forced compaction would rewrite what no compaction was due for, and charge a store for how
//! much it holds. So this only waits until nothing is pending and nothing runs. Every store is
//! asked the same way.

use std::{thread, time::Duration};

use anyhow::Result;

const PENDING: [&str; 4] = [
    "rocksdb.mem-table-flush-pending",
    "rocksdb.num-running-flushes",
    "rocksdb.compaction-pending",
    "rocksdb.num-running-compactions",
];
const PAUSE: Duration = Duration::from_millis(1);
/// One quiet look may fall between the end of one compaction and the start of the next.
const QUIET_LOOKS: u32 = 3;

/// Waits, reading RocksDB's properties through `property`.
pub(super) fn wait(property: impl Fn(&str) -> Result<Option<u64>>) -> Result<()> {
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        let mut pending = 0;
        for name in PENDING {
            pending += property(name)?.unwrap_or(0);
        }
        quiet = if pending == 0 { quiet + 1 } else { 0 };
        thread::sleep(PAUSE);
    }
    Ok(())
}
