//! [`SyncedFile`]: a note beside RocksDB's files of how far the disk was waited for.
//!
//! RocksDB ends recovery at the first damaged record of its log, drops what lies behind, and says nothing: after a
//! power cut that is right, since the end of the log may be torn. But where the damage lies before writes that the disk
//! had, what cannot be lost is lost. The log alone does not tell one from the other. So each synced write is noted here
//! once it has returned, by RocksDB's number of it, and opening compares with the last number that was recovered.
//!
//! The note itself is not waited for: it is a lower bound, and costs one small write to memory of the system. An older
//! one, or none (a power cut took it; the disk was full), only lets more pass.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    sync::Mutex,
};

/// The name of the file in the directory of the database.
const NAME: &str = "SYNCED";
/// A number, and the beginning of its SHA-256.
const LENGTH: usize = 16;

/// The file, where it could be opened.
#[derive(Debug, Default)]
pub(super) struct SyncedFile(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    file: Option<File>,
    /// The last number that was noted here.
    last: u64,
}

/// Whether a database has one: then it is ours.
pub(super) fn is_there(database: &Path) -> bool {
    database.join(NAME).exists()
}

impl SyncedFile {
    /// Opens the file of a database, or makes it.
    pub(super) fn open(database: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        Self(Mutex::new(Notes {
            file: options.open(database.join(NAME)).ok(),
            last: 0,
        }))
    }

    /// Refuses a database of which less was recovered than the disk had.
    pub(super) fn check(&self, recovered: u64) -> Result<()> {
        let synced = self.read()?.unwrap_or(0);
        if recovered >= synced {
            return Ok(());
        }
        let what = format!(
            "the disk had its writes up to {synced}, and they can be read up to {recovered} only: it is damaged in \
             between, or files were changed (to go on with what is left, remove the file {NAME})"
        );
        Err(Error::corrupt("the log", what))
    }

    /// What was noted last. `None` where nothing was, or what was cannot be trusted.
    fn read(&self) -> Result<Option<u64>> {
        let mut bytes = Vec::new();
        if let Some(file) = self.0.lock().file.as_mut() {
            let length = LENGTH as u64 + 1;
            file.rewind()
                .and_then(|()| file.take(length).read_to_end(&mut bytes))
                .map_err(|source| Error::io(format!("{NAME} cannot be read: {source}"), source))?;
        }
        Ok(decode(&bytes))
    }

    /// Notes that the disk has every write up to a number.
    pub(super) fn note(&self, number: u64) {
        let mut notes = self.0.lock();
        // Of two threads the slower may come with the lower number.
        if number <= notes.last {
            return;
        }
        notes.last = number;
        let result = notes
            .file
            .as_mut()
            .map_or(Ok(()), |file| write(file, number));
        if result.is_err() {
            // What stands there may be half of each, which is no note; the next one would be no better.
            notes.file = None;
        }
    }
}

fn write(file: &mut File, number: u64) -> io::Result<()> {
    file.rewind()?;
    file.write_all(&encode(number))
}

fn encode(number: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let number = number.to_be_bytes();
    let digest = Sha256::digest(number);
    let all = number.iter().chain(digest.iter());
    bytes
        .iter_mut()
        .zip(all)
        .for_each(|(byte, from)| *byte = *from);
    bytes
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (number, _) = bytes.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    (encode(number)[..] == *bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_note_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let file = SyncedFile::open(place.path());
        assert_eq!(file.read().unwrap(), None);
        for (note, highest) in [(3, 3), (300, 300), (299, 300), (301, 301)] {
            file.note(note);
            assert_eq!(file.read().unwrap(), Some(highest));
            assert_eq!(
                SyncedFile::open(place.path()).read().unwrap(),
                Some(highest)
            );
        }
        assert!(file.check(301).is_ok());
        assert_eq!(file.check(300).unwrap_err().kind().name(), "corrupt");
    }

    #[test]
    fn a_note_that_is_torn_or_damaged_says_nothing() {
        let whole = encode(99);
        assert_eq!(decode(&whole), Some(99));
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
