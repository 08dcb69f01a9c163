//! Names and values of `meta`: the store's own state.
//!
//! | name | value |
//! |---|---|
//! | `format` | the format's version: 4 bytes |
//! | `merged` | the newest commit whose versions lie in `current` and `history`: 8 bytes |
//! | `trimmed` | the newest commit whose record holds no values any more: 8 bytes |
//! | `floor` | the prune floor: 8 bytes |
//! | `last_commit` | of the first builds, and read by none since: the newest commit that they knew: 8 bytes |
//! | `retention` | the retention policy: see [`retention`](super::retention) |
//! | `rollback/` and an epoch: 8 bytes | what the rollback that began it went back to: 8 bytes, then whether it has ended: 1 byte |
//! | `feed/NAME` | a named feed: see [`FeedRow`] |
//! | `lineage/` and a timestamp: 8 bytes | the branch that commits above it belong to, up to the next such row: 16 bytes |
//! | `pin/NAME` | the pinned timestamp: 8 bytes, then when it expires, in milliseconds since 1970: 8 bytes, 0 for never; then, where it is known, when it was set: 8 bytes |
//!
//! DO NOT CHANGE these names and numbers: they are part of the format on disk.

use super::{DecodeError, take_u32, take_u64};
use crate::timestamp::Timestamp;

/// The version of the format that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;
/// The name of the format's version.
pub const FORMAT: &[u8] = b"format";
/// The name of the merge mark.
pub const MERGED: &[u8] = b"merged";
/// The name of how far records of commits hold no values any more.
pub const TRIMMED: &[u8] = b"trimmed";
/// The name of the prune floor.
pub const FLOOR: &[u8] = b"floor";
/// What the first builds kept beside the records of commits, which say it themselves.
pub(crate) const LAST_COMMIT: &[u8] = b"last_commit";
/// The name of the retention policy.
pub const RETENTION: &[u8] = b"retention";
/// What the names of pins begin with.
pub const PIN_PREFIX: &[u8] = b"pin/";
/// What the names of feeds begin with.
pub const FEED_PREFIX: &[u8] = b"feed/";
/// What the names of branches begin with.
pub const LINEAGE_PREFIX: &[u8] = b"lineage/";
/// What the names of rollbacks begin with.
pub const ROLLBACK_PREFIX: &[u8] = b"rollback/";

/// The name under which the rollback is kept that began an epoch.
pub fn rollback_key(epoch: u64) -> Vec<u8> {
    [ROLLBACK_PREFIX, &epoch.to_be_bytes()].concat()
}

/// Reads the name of a rollback: the epoch that it began.
///
/// # Errors
/// Where it is not one.
pub fn decode_rollback_key(name: &[u8]) -> Result<u64, DecodeError> {
    let epoch = name.strip_prefix(ROLLBACK_PREFIX).and_then(take_u64);
    match epoch {
        Some((epoch, [])) => Ok(epoch),
        _ => Err(DecodeError("the epoch of the rollback is not 8 bytes long")),
    }
}

/// Encodes a rollback: its target, and whether it has ended.
pub fn encode_rollback(target: Timestamp, has_ended: bool) -> [u8; 9] {
    let mut value = [u8::from(has_ended); 9];
    let (head, _) = value.split_at_mut(8);
    head.copy_from_slice(&target.get().to_be_bytes());
    value
}

/// Reads a rollback.
///
/// # Errors
/// Where the value is not 9 bytes long, or one of them cannot be right.
pub fn decode_rollback(value: &[u8]) -> Result<(Timestamp, bool), DecodeError> {
    match take_u64(value) {
        Some((number, [ended @ (0 | 1)])) if number <= Timestamp::MAX.get() => {
            Ok((Timestamp::new(number), *ended == 1))
        }
        _ => Err(DecodeError(
            "the rollback is not 9 bytes long, or cannot be right",
        )),
    }
}

/// The name under which a pin is kept.
pub fn pin_key(name: &str) -> Vec<u8> {
    [PIN_PREFIX, name.as_bytes()].concat()
}

/// Encodes the format's version.
pub fn encode_format(version: u32) -> [u8; 4] {
    version.to_be_bytes()
}

/// Reads the format's version.
///
/// # Errors
/// Where the value is not 4 bytes long.
pub fn decode_format(value: &[u8]) -> Result<u32, DecodeError> {
    match take_u32(value) {
        Some((version, [])) => Ok(version),
        _ => Err(DecodeError("the format's version is not 4 bytes long")),
    }
}

/// Encodes a timestamp.
pub fn encode_timestamp(timestamp: Timestamp) -> [u8; 8] {
    timestamp.get().to_be_bytes()
}

/// Reads a timestamp.
///
/// # Errors
/// Where the value is not 8 bytes long, or above [`Timestamp::MAX`].
pub fn decode_timestamp(value: &[u8]) -> Result<Timestamp, DecodeError> {
    match take_u64(value) {
        Some((number, [])) if number <= Timestamp::MAX.get() => Ok(Timestamp::new(number)),
        _ => Err(DecodeError(
            "the timestamp is not 8 bytes long, or too large",
        )),
    }
}

/// Encodes a pin: what it holds, when it expires in milliseconds since 1970, if ever, and when it was set, where
/// that is known.
pub fn encode_pin(
    timestamp: Timestamp,
    expires_ms: Option<u64>,
    created_ms: Option<u64>,
) -> Vec<u8> {
    let numbers = [timestamp.get(), expires_ms.unwrap_or(0)];
    let numbers = numbers.into_iter().chain(created_ms);
    numbers.flat_map(u64::to_be_bytes).collect()
}

/// Reads a pin.
///
/// # Errors
/// Where the value is not 16 or 24 bytes long.
pub fn decode_pin(value: &[u8]) -> Result<(Timestamp, Option<u64>, Option<u64>), DecodeError> {
    const WRONG: DecodeError = DecodeError("the pin is not 16 or 24 bytes long");
    let (number, rest) = take_u64(value).ok_or(WRONG)?;
    let (expires_ms, rest) = take_u64(rest).ok_or(WRONG)?;
    let created_ms = match take_u64(rest) {
        Some((created_ms, [])) => Some(created_ms),
        None if rest.is_empty() => None,
        _ => return Err(WRONG),
    };
    if number > Timestamp::MAX.get() {
        return Err(WRONG);
    }
    let expires_ms = (expires_ms != 0).then_some(expires_ms);
    Ok((Timestamp::new(number), expires_ms, created_ms))
}

/// A named feed: 41 bytes.
///
/// ```text
/// timestamp: 8 | epoch: 8 | acknowledged: 8 | max_lag: 8 | max_age: 8 | let go: 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// The commit that was acknowledged last.
    pub timestamp: Timestamp,
    /// The epoch of that.
    pub epoch: u64,
    /// When that was, in milliseconds since 1970.
    pub acknowledged_ms: u64,
    /// How far it may fall behind, in timestamps; 0 for any distance.
    pub max_lag: u64,
    /// For how long it may hold a commit, in milliseconds; 0 for ever.
    pub max_age_ms: u64,
    /// Whether it fell behind further than that, and holds nothing any more.
    pub is_let_go: bool,
}

/// The name under which a feed is kept.
pub fn feed_key(name: &str) -> Vec<u8> {
    [FEED_PREFIX, name.as_bytes()].concat()
}

/// Encodes a feed.
pub fn encode_feed(feed: &FeedRow) -> Vec<u8> {
    let numbers = [
        feed.timestamp.get(),
        feed.epoch,
        feed.acknowledged_ms,
        feed.max_lag,
        feed.max_age_ms,
    ];
    let mut value: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
    value.push(u8::from(feed.is_let_go));
    value
}

/// Reads a feed.
///
/// # Errors
/// Where the value is not 41 bytes long, or one of them cannot be right.
pub fn decode_feed(value: &[u8]) -> Result<FeedRow, DecodeError> {
    const WRONG: DecodeError = DecodeError("the feed is not 41 bytes long, or cannot be right");
    let (timestamp, rest) = take_u64(value).ok_or(WRONG)?;
    let (epoch, rest) = take_u64(rest).ok_or(WRONG)?;
    let (acknowledged_ms, rest) = take_u64(rest).ok_or(WRONG)?;
    let (max_lag, rest) = take_u64(rest).ok_or(WRONG)?;
    match take_u64(rest) {
        Some((max_age_ms, [is_let_go @ (0 | 1)])) if timestamp <= Timestamp::MAX.get() => {
            Ok(FeedRow {
                timestamp: Timestamp::new(timestamp),
                epoch,
                acknowledged_ms,
                max_lag,
                max_age_ms,
                is_let_go: *is_let_go == 1,
            })
        }
        _ => Err(WRONG),
    }
}

/// The name under which the branch is kept that commits above a timestamp belong to.
pub fn lineage_key(start: Timestamp) -> Vec<u8> {
    [LINEAGE_PREFIX, &start.get().to_be_bytes()].concat()
}

/// Reads the name of a branch: the timestamp above which it begins.
///
/// # Errors
/// Where it is not one.
pub fn decode_lineage_key(name: &[u8]) -> Result<Timestamp, DecodeError> {
    let start = name.strip_prefix(LINEAGE_PREFIX).and_then(take_u64);
    match start {
        Some((start, [])) if start <= Timestamp::MAX.get() => Ok(Timestamp::new(start)),
        _ => Err(DecodeError("the start of the branch is not 8 bytes long")),
    }
}

/// Reads a branch.
///
/// # Errors
/// Where the value is not 16 bytes long.
pub fn decode_lineage(value: &[u8]) -> Result<[u8; 16], DecodeError> {
    let branch = value.try_into();
    branch.map_err(|_| DecodeError("the branch is not 16 bytes long"))
}
