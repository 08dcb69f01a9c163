//! The limits of the engine. Each is checked on every path; what lies above is refused with
//! [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), and nothing is written.

/// The longest user key, in bytes: 64 KiB.
pub const KEY_MAX_BYTES: usize = 64 << 10;

/// The longest value, in bytes: 64 MiB.
pub const VALUE_MAX_BYTES: usize = 64 << 20;

/// The most writes in one batch.
pub const BATCH_MAX_WRITES: usize = 1 << 24;

/// The most bytes of keys and values in one batch: 512 MiB.
pub const BATCH_MAX_BYTES: usize = 512 << 20;

/// The most bytes that one commit may write: 2 GiB. RocksDB refuses a write batch of 4 GiB.
pub const COMMIT_MAX_BYTES: usize = 2 << 30;

/// The bytes of keys and values at which commits that wait are no longer written together: 8 MiB.
pub const GROUP_MAX_BYTES: usize = 8 << 20;

/// The most bytes that a transaction may remember of what it has read, to be checked when it commits:
/// 256 MiB, about a million keys. What is read untracked, or at [`Isolation::Snapshot`], does not count.
///
/// [`Isolation::Snapshot`]: crate::Isolation::Snapshot
pub const TRANSACTION_READS_MAX_BYTES: usize = 256 << 20;

/// The longest name of a pin, in bytes.
pub const PIN_NAME_MAX_BYTES: usize = 255;

/// The most pins at one time: each is looked at for every row that pruning passes.
pub const PINS_MAX: usize = 1 << 16;

/// The longest name of a feed, in bytes.
pub const FEED_NAME_MAX_BYTES: usize = 255;

/// The most named feeds at one time.
pub const FEEDS_MAX: usize = 1 << 12;

/// The most transactions in one block.
pub const BLOCK_MAX_TXNS: usize = 1 << 24;

/// The most workers of one executor.
pub const EXECUTOR_MAX_WORKERS: usize = 4096;

/// The smallest stack of a worker, in bytes: 64 KiB.
pub const EXECUTOR_MIN_STACK_BYTES: usize = 64 << 10;

/// The most violations that [`VerifyReport::violations`](crate::VerifyReport::violations) lists; all are counted.
pub const VIOLATIONS_MAX: usize = 1000;
