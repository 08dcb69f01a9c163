//! What the rows of point reads share.

use anyhow::Result;

use crate::{
    convert::{count, length},
    data::{Data, stamp, stamp_of},
};

/// Draws of a row: more than a processor's caches hold, and the same for both sides.
pub(super) const DRAWS: usize = 1 << 18;
/// Reads over which RocksDB's counts are taken.
pub(super) const COUNTED: u64 = 10_000;
/// Reads of which every byte is compared at the end.
const COMPARED: u64 = 1_000;

/// Reads `reads` of the draws, beginning elsewhere in each round. `read` says whether the answer
/// was right. Returns how many were made and how many were wrong.
pub(super) fn read_all<D: Copy>(
    draws: &[D],
    reads: u64,
    round: u32,
    mut read: impl FnMut(D) -> Result<bool>,
) -> Result<(u64, u64)> {
    let start = (round as usize * (DRAWS / 7 + 1)) % draws.len().max(1);
    let (before, from) = draws.split_at(start);
    let mut wrong = 0;
    for draw in from.iter().chain(before).cycle().take(length(reads)) {
        wrong += u64::from(!read(*draw)?);
    }
    Ok((reads, wrong))
}

/// Whether a value that was read begins as the version that it should be.
pub(super) fn is_stamped(value: Option<&[u8]>, id: u32, version: u32) -> bool {
    value.is_some_and(|value| stamp_of(value) == stamp(id, version))
}

/// Whether some of the draws are read in full as they were written. `read` gives the bytes, and
/// whose they should be.
pub(super) fn are_whole<D: Copy>(
    data: &Data,
    draws: &[D],
    mut read: impl FnMut(D) -> Result<(Option<Vec<u8>>, u32, u32)>,
) -> Result<bool> {
    let step = draws.len() / length(COMPARED.min(count(draws.len()))).max(1);
    for draw in draws.iter().step_by(step.max(1)) {
        let (value, id, version) = read(*draw)?;
        if value.is_none_or(|value| value != data.value(id, version)) {
            return Ok(false);
        }
    }
    Ok(true)
}
