//! Scenarios of RocksDB's own figures.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sapwood::{Batch, CommitOptions, Durability, PinOptions, ReadView, Timestamp};

use super::{Scenario, World};

pub(crate) const FILES: Scenario = Scenario {
    moves: &[
        "sapwood_keyspace_bytes{keyspace=current|history|deleted|commits|meta}",
        "sapwood_rocksdb_level_files{keyspace=current|history|deleted|commits|meta}",
        "sapwood_rocksdb_level_bytes{keyspace=current|history|deleted|commits|meta}",
        "sapwood_rocksdb_memtable_bytes{keyspace=current|history|deleted|commits|meta}",
        "sapwood_rocksdb_estimated_rows{keyspace=current|history|deleted|commits|meta}",
        "sapwood_rocksdb_block_cache_bytes{part=used|pinned}",
    ],
    run: |world| {
        world.fill(300, 1000);
        // Memory is taken in pieces, so a row or two do not show.
        for number in 0..100 {
            let key = format!("{number:>200}");
            world.set(&key, b"1");
            world.engine.delete(&key).expect("a commit");
            let pin = PinOptions::default();
            let pin = world.engine.pin(&key, Timestamp::new(1), pin);
            pin.expect("a pin");
        }
        world.engine.status().expect("merged");
        world.look();
        world.engine.flush().expect("flushed");
        world
            .engine
            .range(..)
            .for_each(|row| drop(row.expect("a row")));
    },
};

pub(crate) const CAPACITY: Scenario = Scenario {
    moves: &["sapwood_rocksdb_block_cache_bytes{part=capacity}"],
    run: |world| world.reopened_with(|config| config.block_cache_size *= 2),
};

pub(crate) const STATISTICS: Scenario = Scenario {
    moves: &[
        "sapwood_rocksdb_block_cache_total{result=hit|miss}",
        "sapwood_rocksdb_filter_negatives_total",
        "sapwood_rocksdb_memtable_lookups_total{result=hit|miss}",
        "sapwood_rocksdb_written_bytes_total{by=wal|flush|compaction}",
        "sapwood_rocksdb_compaction_read_bytes_total",
        "sapwood_rocksdb_wal_syncs_total",
        "sapwood_rocksdb_operations_total{operation=get|multi_get|seek|write|wal_sync|flush|compaction}",
        "sapwood_rocksdb_latency_seconds{operation=get|multi_get|seek|write|wal_sync|flush|compaction}",
        "sapwood_rocksdb_latency_seconds{quantile=0.5|0.95|0.99|1}",
    ],
    run: |world| {
        world.reopened_with(|config| {
            config.enable_statistics = true;
            // Every read goes to RocksDB.
            config.row_cache_size = 0;
        });
        for _ in 0..3 {
            world.fill(100, 1000);
            for number in 0..100_u32 {
                world.set(format!("key {number}"), b"value");
            }
            world.engine.status().expect("merged");
            // In the memtables, and not in any file.
            let keys = ["key 1", "key 2", "no key"];
            world.engine.multi_get(&keys).expect("read");
            for key in keys {
                world.engine.get(key).expect("read");
            }
            world.engine.flush().expect("flushed");
        }
        let mut batch = Batch::new();
        batch.set(b"synced", b"1");
        let synced = CommitOptions::default().durability(Durability::Sync);
        world.engine.commit(batch, synced).expect("a commit");
        world.engine.compact().expect("compacted");
        for number in 0..200 {
            world.engine.get(format!("key {number}")).expect("read");
        }
        let past = world.engine.at(Timestamp::new(50)).expect("a snapshot");
        past.range(..).for_each(|row| drop(row.expect("a row")));
        (0..200).for_each(|number| drop(past.get(format!("key {number}")).expect("read")));
    },
};

/// Flushes and compactions that are slow, and more to write than they can take.
pub(crate) const STALLS: Scenario = Scenario {
    moves: STALLED,
    run: |world| {
        world.reopened_with(|config| {
            config.enable_statistics = true;
            config.write_buffer_size = 64 << 10;
            config.recent_versions_size = 64 << 10;
            config.compaction_rate_limit = 512 << 10;
        });
        let mut writer = World::new(|_| {});
        writer.engine = world.engine.clone();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    writer.fill(20, 1000);
                }
            });
            let over = Over(&is_over);
            world.until_moved(STALLED, |_| thread::yield_now());
            drop(over);
        });
    },
};

/// Ends the writer, also where it was looked for in vain.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const STALLED: &[&str] = &[
    "sapwood_rocksdb_write_stopped",
    "sapwood_rocksdb_stall_microseconds_total",
    "sapwood_rocksdb_operations_total{operation=write_stall}",
    "sapwood_rocksdb_latency_seconds{operation=write_stall}",
    "sapwood_rocksdb_running_jobs{kind=flush|compaction}",
    "sapwood_rocksdb_immutable_memtables",
    "sapwood_rocksdb_pending_compaction_bytes",
];

pub(crate) const ERRORS: Scenario = Scenario {
    moves: &["sapwood_rocksdb_background_errors"],
    run: |world| {
        world.set(b"key", b"value");
        let state = world.directory.path().join("state");
        // Where the next files would come, there is something else.
        for number in 0..1000 {
            let taken = state.join(format!("{number:06}.sst"));
            if !taken.exists() {
                fs::create_dir(taken).expect("a directory");
            }
        }
        world.engine.flush().expect_err("no file can be made");
    },
};
