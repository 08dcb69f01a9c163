//! Rows of `deleted`: when a key was deleted last. 8 bytes, big-endian.

use super::{DecodeError, take_u64};
use crate::timestamp::Timestamp;

/// The row's bytes.
pub fn encode(timestamp: Timestamp) -> [u8; 8] {
    timestamp.get().to_be_bytes()
}

/// Reads a row.
///
/// # Errors
/// Where it is not 8 bytes long, or no commit's timestamp.
pub fn decode(row: &[u8]) -> Result<Timestamp, DecodeError> {
    match take_u64(row) {
        Some((number, [])) if number != 0 && number <= Timestamp::MAX.get() => {
            Ok(Timestamp::new(number))
        }
        _ => Err(DecodeError("the time of a delete is no commit's timestamp")),
    }
}
