//! Opening a database to read while another process has it open.
//!
//! Files are opened one after the other, while that process may flush, compact and remove some. What is opened is
//! believed only where the manifest is after it what it was before: then every table that it names was there, and no
//! log whose rows lie in no table yet was removed, as RocksDB removes a log only after it has noted the tables that took
//! its rows. Of the logs a first part is read, as whole batches: the state after some write.

use std::{fs, path::Path};

use super::{Database, filter::Filters, open};
use crate::{
    config::RocksDBConfig,
    error::{Error, ErrorKind, Result},
    sync::Arc,
};

/// How often it is tried.
const ATTEMPTS: usize = 50;

/// The manifest of a database, as far as it was written.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    name: String,
    length: u64,
}

impl Mark {
    /// The mark of a database; `None` where it is just being changed, or there is none.
    fn of(path: &Path) -> Option<Self> {
        let name = fs::read_to_string(path.join("CURRENT")).ok()?;
        let length = fs::metadata(path.join(name.trim())).ok()?.len();
        Some(Self { name, length })
    }
}

/// Opens a database of ours to read, as it is at some moment of the call.
pub(super) fn open_beside(config: &RocksDBConfig, filters: &Arc<Filters>) -> Result<Database> {
    open_between(config, |config| open::open_read_only(config, filters))
}

fn open_between<T>(
    config: &RocksDBConfig,
    mut open: impl FnMut(&RocksDBConfig) -> Result<T>,
) -> Result<T> {
    let path = Path::new(&config.path);
    for _ in 0..ATTEMPTS {
        let before = Mark::of(path);
        let opened = open(config);
        if before == Mark::of(path) && (before.is_some() || opened.is_err()) {
            return opened;
        }
    }
    Err(Error::new(
        ErrorKind::Locked,
        format!(
            "the process that has {} open changes its files too quickly to read them beside it; try again, or read a \
             checkpoint that it makes",
            path.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manifest that grows while the files are opened, so many times.
    fn open_while_it_grows(times: usize) -> (Result<usize>, usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("CURRENT"), "MANIFEST-000004\n").unwrap();
        let manifest = path.join("MANIFEST-000004");
        fs::write(&manifest, "").unwrap();
        let config = RocksDBConfig::at(path.to_str().unwrap());
        let mut opened = 0;
        let result = open_between(&config, |_| {
            if opened < times {
                fs::write(&manifest, vec![0; opened + 1]).unwrap();
            }
            opened += 1;
            Ok(opened)
        });
        (result, opened)
    }

    #[test]
    fn what_changed_while_it_was_opened_is_opened_again() {
        for times in [0, 1, 7, ATTEMPTS - 1] {
            let (result, opened) = open_while_it_grows(times);
            assert_eq!((result.unwrap(), opened), (times + 1, times + 1));
        }
        let (result, opened) = open_while_it_grows(ATTEMPTS);
        assert_eq!(result.unwrap_err().kind(), &ErrorKind::Locked);
        assert_eq!(opened, ATTEMPTS);
    }

    #[test]
    fn where_nothing_changes_a_failure_is_told_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let config = RocksDBConfig::at(directory.path().to_str().unwrap());
        let mut opened = 0;
        let result: Result<()> = open_between(&config, |_| {
            opened += 1;
            Err(Error::not_found("nothing there"))
        });
        assert_eq!(
            (result.unwrap_err().kind(), opened),
            (&ErrorKind::NotFound, 1)
        );
    }
}
