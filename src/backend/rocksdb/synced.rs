//! [`SyncedFile`]: a note beside RocksDB's files of how far the disk was waited for.
//!
//! RocksDB ends recovery at the first damaged record of its log, drops what lies behind, and says nothing: after a
//! power cut that is right, since the end of the log may be torn. But where the damage lies before commits that the disk
//! had, commits are lost that cannot be. The log alone does not tell one from the other. So each synced write is
//! noted here once it has returned, and opening compares.
//!
//! The note itself is not waited for: it is a lower bound, and costs one small write to memory of the system. An older
//! one, or none (a power cut took it; the disk was full), only lets more pass.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    backend::Synced,
    error::{Error, Result},
    sync::Mutex,
    timestamp::Timestamp,
};

/// The name of the file in the directory of the database.
const NAME: &str = "SYNCED";
/// Epoch, timestamp, and the beginning of their SHA-256.
const LENGTH: usize = 24;

/// The file, where it could be opened.
#[derive(Debug)]
pub(super) struct SyncedFile(Mutex<Option<File>>);

impl SyncedFile {
    /// None, for a database that is only read.
    pub(super) fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Opens the file of a database, or makes it.
    pub(super) fn open(database: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        Self(Mutex::new(options.open(database.join(NAME)).ok()))
    }

    /// What was noted last. `None` where nothing was, or what was cannot be trusted.
    pub(super) fn read(&self) -> Result<Option<Synced>> {
        let mut bytes = Vec::new();
        if let Some(file) = self.0.lock().as_mut() {
            let length = LENGTH as u64 + 1;
            file.rewind()
                .and_then(|()| file.take(length).read_to_end(&mut bytes))
                .map_err(|source| Error::io(format!("{NAME} cannot be read: {source}"), source))?;
        }
        Ok(decode(&bytes))
    }

    /// Notes that the disk has everything up to a commit.
    pub(super) fn note(&self, synced: Synced) {
        let mut file = self.0.lock();
        let noted = file.as_mut().map_or(Ok(()), |file| write(file, synced));
        if noted.is_err() {
            // What stands there may be half of each, which is no note; the next one would be no better.
            *file = None;
        }
    }
}

fn write(file: &mut File, synced: Synced) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&encode(synced))
}

fn encode(synced: Synced) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let numbers = [synced.epoch, synced.timestamp.get()].map(u64::to_be_bytes);
    let digest = Sha256::digest(numbers.concat());
    let all = numbers.iter().flatten().chain(digest.iter());
    bytes
        .iter_mut()
        .zip(all)
        .for_each(|(byte, from)| *byte = *from);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Synced> {
    let (epoch, rest) = bytes.split_first_chunk()?;
    let (timestamp, _) = rest.split_first_chunk()?;
    let timestamp = u64::from_be_bytes(*timestamp);
    let synced = Synced {
        epoch: u64::from_be_bytes(*epoch),
        timestamp: Timestamp::new(timestamp.min(Timestamp::MAX.get())),
    };
    (encode(synced)[..] == *bytes).then_some(synced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(epoch: u64, timestamp: u64) -> Synced {
        Synced {
            epoch,
            timestamp: Timestamp::new(timestamp),
        }
    }

    #[test]
    fn the_last_note_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let file = SyncedFile::open(place.path());
        assert_eq!(file.read().unwrap(), None);
        for note in [synced(0, 300), synced(7, 2), synced(7, 3)] {
            file.note(note);
            assert_eq!(file.read().unwrap(), Some(note));
            assert_eq!(SyncedFile::open(place.path()).read().unwrap(), Some(note));
        }
    }

    #[test]
    fn a_note_that_is_torn_or_damaged_says_nothing() {
        let whole = encode(synced(1, 99));
        assert_eq!(decode(&whole), Some(synced(1, 99)));
        for end in 0..LENGTH {
            assert_eq!(decode(whole.get(..end).unwrap()), None);
        }
        for bit in 0..8 * LENGTH {
            let mut damaged = whole;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None);
        }
        assert_eq!(decode(&[&whole[..], &[0]].concat()), None);
    }
}
