//! redb 4: copy-on-write B-trees in one file, one writer at a time.
//!
//! | option | value |
//! |---|---|
//! | cache | the config's block cache |
//! | page size, compression | 4 KiB, which cannot be changed; it has none |
//! | keys | of a fixed width, so that no lengths are stored |
//! | a read, a scan | a transaction that only reads, and the table opened in it, each time |
//! | a commit | in the process's memory when it returns (`Durability::None`) |
//!
//! It promises less at a commit than the others here: what was committed since the last synced commit
//! is lost with the process, not only with the machine. Between that and a sync for each commit redb
//! has nothing. It keeps the pages that it has not written for a synced commit; the load is one, and no
//! other follows.

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use sapwood::RocksDBConfig;

use super::latest_state::LatestState;
use crate::data::{Key, stamp_of};

const ROWS: TableDefinition<'_, &Key, &[u8]> = TableDefinition::new("rows");

pub(crate) struct Redb {
    db: Database,
}

impl Redb {
    pub(crate) fn open(path: &Path, config: &RocksDBConfig) -> Result<Self> {
        let db = Database::builder()
            .set_cache_size(config.block_cache_size)
            .create(path)?;
        Ok(Self { db })
    }
}

impl LatestState for Redb {
    fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
        let transaction = self.db.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            for (key, value) in rows {
                table.insert(key, value)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, key: &Key) -> Result<Option<u64>> {
        let table = self.db.begin_read()?.open_table(ROWS)?;
        Ok(table.get(key)?.map(|value| stamp_of(value.value())))
    }

    fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(Durability::None)?;
        transaction.open_table(ROWS)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(Durability::None)?;
        let mut table = transaction.open_table(ROWS)?;
        let read = table.get(key)?.map(|value| stamp_of(value.value()));
        table.insert(key, value)?;
        drop(table);
        transaction.commit()?;
        Ok(read)
    }

    fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let table = self.db.begin_read()?.open_table(ROWS)?;
        for row in table.range::<&Key>(from..)?.take(rows) {
            let (key, value) = row?;
            see(key.value(), value.value());
        }
        Ok(())
    }
}
