//! The end of RocksDB's MANIFEST after a power cut.
//!
//! RocksDB appends a record to its MANIFEST, and then waits for the disk. Power that is cut in between leaves a part of
//! the record, and RocksDB forgives a file that ends within one. But file systems may write the new length of a file
//! before its data (ext4 does where blocks were allocated in advance, as RocksDB asks for); then zeros stand for what is
//! missing, and RocksDB takes that for damage and does not open.
//!
//! Nothing relies on a record that was not waited for, so it is cut off, and the file as it was is kept beside. Only what
//! a power cut leaves is cut off: the last record, where it does not keep its checksum and there are zeros from the
//! boundary of a sector within it to the end of the file. Whether the disk had had more than is left then is checked
//! as ever ([`synced`](super::synced)).
//!
//! ```text
//! block of 32 KiB | record | record | ... | fewer than 7 bytes of zeros, where no head fits
//! record          | masked CRC-32C of kind and data: 4 | length: 2 | kind: 1 | data |      little-endian
//! ```
//! A record that does not fit into its block goes on in the next: first, middle, last. Source: the format of RocksDB's
//! log files, which is `LevelDB`'s.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::synced;
use crate::error::{Error, Result};

const BLOCK_BYTES: usize = 32 << 10;
const HEAD_BYTES: usize = 7;
/// Disks write sectors whole.
const SECTOR_BYTES: usize = 512;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Cuts off the end of a database's MANIFEST, where a power cut has left it half written. Whether that was so. The
/// database is ours, and nobody has it open.
pub(super) fn cut_torn_end(database: &Path) -> Result<bool> {
    if !synced::is_there(database) {
        return Ok(false);
    }
    let failed = |source: io::Error| {
        let path = database.display();
        Error::io(
            format!("the MANIFEST of {path} cannot be mended: {source}"),
            source,
        )
    };
    let current = fs::read_to_string(database.join("CURRENT")).map_err(failed)?;
    let name = current.trim_end();
    let path = database.join(name);
    if !name.starts_with("MANIFEST-") || path.parent() != Some(database) {
        return Ok(false);
    }
    let bytes = fs::read(&path).map_err(failed)?;
    let Some(end) = torn_record(&bytes) else {
        return Ok(false);
    };
    tracing::warn!(
        manifest = name,
        end,
        "a power cut has left the last record half written: it is cut off"
    );
    let kept = database.join(format!("{name}.torn"));
    fs::copy(&path, &kept).map_err(failed)?;
    File::open(&kept)
        .and_then(|kept| kept.sync_all())
        .map_err(failed)?;
    let file = File::options().write(true).open(&path).map_err(failed)?;
    file.set_len(end as u64)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(true)
}

/// Where the last record begins, if it is half written.
fn torn_record(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let zeros = zeros.next_multiple_of(SECTOR_BYTES);
    let mut at = 0;
    // Where a record began that goes on in this block.
    let mut begun = None;
    while at < zeros {
        let room = BLOCK_BYTES - at % BLOCK_BYTES;
        if room < HEAD_BYTES {
            at += room;
            continue;
        }
        let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD_BYTES>()?;
        let [a, b, c, d, low, high, kind] = *head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let is_whole = length + HEAD_BYTES <= room;
        let data = rest.get(..length).filter(|_| is_whole);
        let end = at + HEAD_BYTES + length;
        if data.is_some_and(|data| checksum(kind, data) == u32::from_le_bytes([a, b, c, d])) {
            begun = match kind {
                FIRST => Some(at),
                FULL | LAST => None,
                _ => begun,
            };
            at = end;
            continue;
        }
        // Its head, or its data, reaches into the zeros; what ends with the file is forgiven without this.
        let is_torn = zeros < end.max(at + HEAD_BYTES) && zeros < bytes.len();
        return is_torn.then(|| match kind {
            FULL | FIRST => at,
            _ => begun.unwrap_or(at),
        });
    }
    // One that goes on in a block of which nothing is there.
    begun.filter(|_| zeros < bytes.len())
}

/// The checksum of a record, masked as it is stored.
fn checksum(kind: u8, data: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), data);
    sum.rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of records of these lengths, none with a zero in its data; and where each begins.
    fn file(lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for length in lengths {
            let mut left = *length;
            let mut is_first = true;
            loop {
                let room = BLOCK_BYTES - bytes.len() % BLOCK_BYTES;
                if room < HEAD_BYTES {
                    bytes.resize(bytes.len() + room, 0);
                    continue;
                }
                if is_first {
                    starts.push(bytes.len());
                }
                let part = left.min(room - HEAD_BYTES);
                left -= part;
                let kind = match (is_first, left == 0) {
                    (true, true) => FULL,
                    (true, false) => FIRST,
                    (false, false) => 3,
                    (false, true) => LAST,
                };
                let data: Vec<u8> = (0..part)
                    .map(|at| u8::try_from(at % 255).unwrap() + 1)
                    .collect();
                bytes.extend(checksum(kind, &data).to_le_bytes());
                bytes.extend(u16::try_from(part).unwrap().to_le_bytes());
                bytes.push(kind);
                bytes.extend(data);
                is_first = false;
                if left == 0 {
                    break;
                }
            }
        }
        (bytes, starts)
    }

    const LENGTHS: [&[usize]; 4] = [
        &[100, 3000],
        &[BLOCK_BYTES - 20, 900, 2000],
        &[10, 3 * BLOCK_BYTES],
        &[BLOCK_BYTES - 2 * HEAD_BYTES - 3, 5000],
    ];

    #[test]
    fn the_last_record_is_cut_off_where_zeros_stand_for_its_end() {
        for lengths in LENGTHS {
            let (whole, starts) = file(lengths);
            let last = *starts.last().unwrap();
            assert_eq!(torn_record(&whole), None, "nothing is wrong");
            let first = (last + 1).next_multiple_of(SECTOR_BYTES);
            for zeros in (first..whole.len()).step_by(SECTOR_BYTES) {
                let mut torn = whole.clone();
                torn[zeros..].fill(0);
                assert_eq!(
                    torn_record(&torn),
                    Some(last),
                    "{lengths:?}, zeros from {zeros}"
                );
            }
        }
    }

    #[test]
    fn what_no_power_cut_has_left_is_left_alone() {
        let (whole, starts) = file(&[100, 3000]);
        let last = *starts.last().unwrap();
        // One that ends within a record is forgiven as it is.
        for length in 0..whole.len() {
            assert_eq!(torn_record(&whole[..length]), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            assert_eq!(torn_record(&damaged), None, "damage at {at}");
        }
        // Zeros that do not begin with a sector, or before the last record.
        let sector = (last + 1).next_multiple_of(SECTOR_BYTES);
        let mut damaged = whole.clone();
        damaged[sector..sector + 600].fill(0);
        assert_eq!(torn_record(&damaged), None, "what follows is there");
        let mut damaged = whole.clone();
        damaged[10..].fill(0);
        assert_eq!(torn_record(&damaged), None, "within a sector");
        assert_eq!(torn_record(&[]), None);
        assert_eq!(torn_record(&[0; 5000]), None);
    }
}
