//! LMDB, through heed: a copy-on-write B-tree in a file that is mapped into memory, one writer at a time.
//!
//! | option | value |
//! |---|---|
//! | cache | the system's own, as large as the memory: LMDB has none |
//! | page size, compression | the system's pages of 4 KiB; it has none |
//! | map | 1 GiB, far more than the rows need; the file is as long, and sparse |
//! | a read, a scan | a transaction that only reads, in the thread's slot, each time |
//! | a commit | in the system's cache when it returns (`NO_SYNC`, `WRITE_MAP`) |
//!
//! A commit survives the process, as those of the others do. Of the machine it promises less: nothing says
//! in which order the system writes the pages, so a power cut may leave a file that cannot be read, where
//! the others lose the end of a log. Without `WRITE_MAP` LMDB writes the pages of each commit by calls of
//! the system; then a power cut leaves a whole state on a file system that keeps the order of writes,
//! and workloads A and F are six to eight times slower. It runs here in the way in which it is fastest.
//!
//! LMDB's C code has the `OpenLDAP` Public Licence 2.8, whose conditions are those of the BSD licence. The
//! crates around it are MIT and Apache-2.0. Only the bench has it, and nobody is given the bench.

use std::{fs, ops::Bound, path::Path};

use anyhow::Result;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, types::Bytes};

use super::latest_state::LatestState;
use crate::data::{Key, stamp_of};

const MAP_BYTES: usize = 1 << 30;

pub(crate) struct Lmdb {
    env: Env,
    rows: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)?;
        let env = open(path)?;
        let transaction = env.write_txn()?;
        let made = env.create_databases_and_commit(transaction, |opener, transaction| {
            let rows = opener.create_database(transaction, None)?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(rows))
        })?;
        let rows = made.unwrap_commit();
        Ok(Self { env, rows })
    }
}

#[expect(unsafe_code, reason = "heed has no other way to open a file")]
fn open(path: &Path) -> Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    // Safety: the directory is this run's own. Nobody else opens, changes or shortens the file, and
    // it is not opened again after a power cut.
    unsafe {
        options.flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP);
        Ok(options.open(path)?)
    }
}

impl LatestState for Lmdb {
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in rows {
            self.rows.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, key: &Key) -> Result<Option<u64>> {
        let transaction = self.env.read_txn()?;
        Ok(self.rows.get(&transaction, key)?.map(stamp_of))
    }

    fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.rows.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
        let mut transaction = self.env.write_txn()?;
        let read = self.rows.get(&transaction, key)?.map(stamp_of);
        self.rows.put(&mut transaction, key, value)?;
        transaction.commit()?;
        Ok(read)
    }

    fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let transaction = self.env.read_txn()?;
        let range = (Bound::Included(from.as_slice()), Bound::Unbounded);
        for row in self.rows.range(&transaction, &range)?.take(rows) {
            let (key, value) = row?;
            see(key, value);
        }
        Ok(())
    }
}
