//! [`BackupFiles`]: RocksDB's backup engine, which keeps each table once however many backups hold it.
//!
//! It checks lengths when it verifies, and checksums only when it restores. So that damage is found before it is
//! needed, and is named, [`BackupFiles::verify`] reads every file and compares it with the checksum that RocksDB
//! noted when it was copied (`meta/ID`: a header, then lines `PATH crc32 NUMBER`, which is a CRC-32C).

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use rocksdb::{
    Env,
    backup::{BackupEngine, BackupEngineOptions, RestoreOptions},
};

use super::{convert, filter::Filters, open};
use crate::{
    config::RocksDBConfig,
    error::{Error, ErrorKind, Result},
    sync::Arc,
};

/// A backup, as RocksDB knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackupFacts {
    pub(crate) id: u32,
    pub(crate) size_bytes: u64,
    pub(crate) files: u32,
}

pub(crate) struct BackupFiles {
    engine: BackupEngine,
    directory: PathBuf,
}

impl BackupFiles {
    /// Opens the backups in a directory, which is made where it is missing.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let options = BackupEngineOptions::new(directory).map_err(|e| convert(&e))?;
        let env = Env::new().map_err(|e| convert(&e))?;
        let engine = BackupEngine::open(&options, &env).map_err(|e| convert(&e))?;
        Ok(Self {
            engine,
            directory: directory.to_path_buf(),
        })
    }

    /// Backs up a database that nobody writes to, all of which lies in tables. Returns the backup's number.
    pub(crate) fn create(&mut self, database: &Path) -> Result<u32> {
        let path = database.to_str().ok_or_else(|| {
            Error::invalid(format!("the path {} is not UTF-8", database.display()))
        })?;
        let filters = Arc::new(Filters::default());
        let copy = open::open_read_only(&RocksDBConfig::at(path), &filters)?;
        let created = self.engine.create_new_backup_flush(copy.db(), false);
        created.map_err(|e| convert(&e))?;
        let newest = self.list().iter().map(|facts| facts.id).max();
        newest.ok_or_else(|| Error::new(ErrorKind::Io, "the backup is not there; try it again"))
    }

    /// The backups of which no file is missing.
    pub(crate) fn list(&self) -> Vec<BackupFacts> {
        let all = self.engine.get_backup_info().into_iter();
        all.map(|info| BackupFacts {
            id: info.backup_id,
            size_bytes: info.size,
            files: info.num_files,
        })
        .collect()
    }

    /// Reads every file of a backup.
    pub(crate) fn verify(&self, id: u32) -> Result<()> {
        self.engine.verify_backup(id).map_err(|e| convert(&e))?;
        let meta = self.directory.join("meta").join(id.to_string());
        let text = fs::read_to_string(&meta).map_err(|source| unreadable(&meta, source))?;
        for line in text.lines().filter(|line| line.contains(" crc32 ")) {
            let (name, checksum) = line.split_once(" crc32 ").unwrap_or_default();
            let file = self.directory.join(name);
            let found = crc32c(&file).map_err(|source| unreadable(&file, source))?;
            if checksum.parse() != Ok(found) {
                let file = file.display().to_string();
                return Err(Error::corrupt(file, "its checksum is not what it was"));
            }
        }
        Ok(())
    }

    /// Copies a backup to a directory, and checks every checksum.
    pub(crate) fn restore(&mut self, id: u32, to: &Path) -> Result<()> {
        let options = RestoreOptions::default();
        let restored = self.engine.restore_from_backup(to, to, &options, id);
        let Err(error) = restored else {
            return Ok(());
        };
        let error = convert(&error);
        // This one names the file.
        self.verify(id).and(Err(error))
    }

    /// Removes all but the newest, so many of those that are listed.
    pub(crate) fn purge(&mut self, keep: usize) -> Result<()> {
        let purged = self.engine.purge_old_backups(keep);
        purged.map_err(|e| convert(&e))
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    let path = path.display();
    Error::io(format!("{path} cannot be read: {source}"), source)
}

fn crc32c(path: &Path) -> std::io::Result<u32> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut checksum = !0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(!checksum),
            Ok(length) => checksum = advance(checksum, buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn advance(checksum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(checksum, |checksum, byte| {
        let [low, ..] = checksum.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied();
        entry.unwrap_or_default() ^ (checksum >> 8)
    })
}

/// What each byte adds, by Castagnoli's polynomial, lowest bit first.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u32] = &mut table;
    let mut byte = 0;
    while let Some((entry, tail)) = rest.split_first_mut() {
        let mut sum: u32 = byte;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0x82F6_3B78 * (sum & 1));
            bit += 1;
        }
        *entry = sum;
        rest = tail;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the usual check value.
        assert_eq!(!advance(!0, b"123456789"), 0xE306_9283);
        assert_eq!(!advance(!0, &[0; 32]), 0x8A91_36AA);
        assert_eq!(!advance(!0, &[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(!advance(advance(!0, b"1234"), b"56789"), 0xE306_9283);
    }
}
