//! Sapwood keeps the state of a key-value world living and fast, and every past state of it
//! readable at its timestamp until it is pruned.
//!
//! Good starting points:
//! - [`Engine`]: open, commit, read now and in the past, prune.
//! - [`Engine::transact`] and [`Transaction`]: many reads and writes as one, beside others.
//! - [`Runtime`] and [`VirtualMachine`]: ordered blocks in parallel, and calls at every past height.
//! - [`Storage`], with [`MemoryStorage`] and [`RocksDBStorage`]: the same as plain storage, for a
//!   runtime that brings its own front door.
//! - [`ReadView`]: what reading is, everywhere.
//! - [`storage::visibility`] and [`prune_rule`]: the two rules that all else serves.
//! - [`codec`]: the bytes on disk.
//! - [`cookbook`]: one question, one short program that runs.
//!
//! ```
//! use sapwood::{Batch, Engine, ReadView, Timestamp};
//!
//! let engine = Engine::in_memory();
//! let mut batch = Batch::new();
//! batch.set(b"alice", b"100").set(b"bob", b"0");
//! engine.commit_at(Timestamp::new(1), batch)?;
//! engine.set(b"alice", b"70")?;
//!
//! let past = engine.at(Timestamp::new(1))?;
//! assert_eq!(past.get(b"alice")?.as_deref(), Some(&b"100"[..]));
//! let rows = past.range(b"a".to_vec()..b"m".to_vec()).rev().collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(rows, [("bob".into(), "0".into()), ("alice".into(), "100".into())]);
//! # Ok::<(), sapwood::Error>(())
//! ```
//!
//! # Features
//! - `rocksdb-storage` (on by default): [`RocksDBStorage`] and [`Engine::open`]. Without it nothing
//!   compiles C++, and everything else works in memory.
//! - `metrics` (on by default): [`Engine::metrics`], which has them recorded through the facade `metrics`. Without it nothing is
//!   timed; [`Engine::samples`] is there all the same.
//! - `failpoints`: points between the steps of the store at which a test can end the process. Not for use.

#![cfg_attr(
    not(feature = "rocksdb-storage"),
    allow(dead_code, reason = "what only a store on disk needs")
)]

mod arena;
mod backend;
mod blocks;
pub mod codec;
mod config;
pub mod cookbook;
#[cfg(all(doctest, feature = "rocksdb-storage"))]
mod documents;
mod engine;
mod error;
mod executor;
#[cfg(feature = "failpoints")]
pub mod failpoint;
#[cfg(not(feature = "failpoints"))]
mod failpoint;
pub mod limits;
pub mod metrics;
pub mod prune_rule;
mod read_view;
mod runtime;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod snapshot;
pub mod storage;
mod sync;
mod timestamp;
mod trace;
mod transaction;

pub use blocks::{Block, BlockInput};
pub use config::{
    Compression, Compressions, Durability, MemoryConfig, OnlineOptions, RocksDBConfig,
    TimestampSource,
};
pub use engine::Engine;
#[cfg(feature = "metrics")]
pub use engine::EngineMetrics;
pub use error::{Error, ErrorKind, Result};
pub use executor::{
    AccessSets, BaseRows, BlockBase, BlockContext, BlockEnd, BlockError, BlockExecutor,
    BlockExecutorConfig, BlockFailure, BlockIter, BlockOutput, BlockOverlay, BlockSavepoint,
    BlockStats, ChangeSet, ExecutionStatus, Mode, RunningBlock, TxnAccess, TxnIndex, TxnOutcome,
    decode_cell, encode_cell,
};
pub use prune_rule::PruneRule;
pub use read_view::ReadView;
pub use runtime::{Keep, Runtime, RuntimeBlock, RuntimeConfig, VirtualMachine};
pub use snapshot::Snapshot;
pub use storage::{
    Applied, ApplyOptions, Batch, Change, Changes, CommitInfo, CommitLog, CommitOptions,
    CommitRecord, CommitSummary, CompactReport, ConflictCounts, Diff, Export, Feed, FeedHold,
    FeedOptions, FloorHold, History, Iter, Key, KeyRange, KeyspaceSize, LevelSize, MemoryStorage,
    Pin, PinOptions, Position, PruneReport, RepairReport, RetentionPolicy, RetentionStatus,
    RollbackReport, RowsRead, Rule, Stats, Status, Storage, Value, VerifyReport, Version,
    Violation,
};
#[cfg(feature = "rocksdb-storage")]
pub use storage::{Backup, Backups, Checkpoint, CheckpointPolicy, Checkpoints, RocksDBStorage};
pub use timestamp::Timestamp;
pub use transaction::{
    Isolation, Savepoint, Transacted, Transaction, TransactionIter, TransactionOptions,
};
