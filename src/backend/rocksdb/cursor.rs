//! Cursors that own their hold on the database, so that iterators can outlive every handle.
//!
//! Making an iterator costs more than what a look-up of one version does with it. So those for the versions of one
//! key are used again: [`Spare`] keeps a few, which are refreshed before each use. One that lies idle holds files and
//! memtables that nobody needs any more; they are let go where that matters.

use std::fmt;

use rocksdb::{DBRawIterator, ReadOptions};
use self_cell::self_cell;

use super::{Database, convert};
use crate::{
    backend::{Access, Cursor, Keyspace, Scope, Sight},
    error::Result,
    sync::{Arc, Mutex},
};

/// Cursors that are kept: as many as threads that look versions up at one time, about.
const SPARE_CURSORS: usize = 8;
/// Bytes that a sweep reads ahead.
const SWEEP_READAHEAD_BYTES: usize = 2 << 20;

self_cell!(
    struct Inner {
        owner: Arc<Database>,
        #[not_covariant]
        dependent: DBRawIterator,
    }
);

impl Inner {
    fn open(database: &Arc<Database>, keyspace: Keyspace, scope: Scope, access: Access) -> Self {
        let options = read_options(scope, access);
        Self::new(Arc::clone(database), |database| {
            database
                .db()
                .raw_iterator_cf_opt(database.handle(keyspace), options)
        })
    }
}

/// Cursors over the versions of one key in `history` that wait to be used again.
pub(super) struct Spare {
    idle: Mutex<Vec<Inner>>,
    /// A database that is only read does not change, and its iterators refuse to be refreshed.
    is_read_only: bool,
}

impl Spare {
    pub(super) fn new(is_read_only: bool) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            is_read_only,
        }
    }

    /// A cursor as of now.
    pub(super) fn cursor(self: &Arc<Self>, database: &Arc<Database>) -> Result<RocksDBCursor> {
        let spare = self.idle.lock().pop();
        let inner = match spare {
            Some(inner) if self.is_read_only => inner,
            Some(mut inner) => {
                let refreshed = inner.with_dependent_mut(|_, iterator| iterator.refresh());
                refreshed.map_err(|e| convert(&e))?;
                inner
            }
            None => Inner::open(
                database,
                Keyspace::History,
                Scope::default(),
                Access::OneKey,
            ),
        };
        Ok(RocksDBCursor {
            inner: Some(inner),
            home: Some(Arc::clone(self)),
        })
    }

    /// Lets go of what idle cursors hold.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

pub(super) struct RocksDBCursor {
    /// Absent only while it is dropped.
    inner: Option<Inner>,
    /// Where it goes after its use.
    home: Option<Arc<Spare>>,
}

impl RocksDBCursor {
    pub(super) fn new(
        database: &Arc<Database>,
        keyspace: Keyspace,
        scope: Scope,
        access: Access,
    ) -> Self {
        Self {
            inner: Some(Inner::open(database, keyspace, scope, access)),
            home: None,
        }
    }

    /// Moves, then reports what went wrong on the way: an iterator that fails only looks ended.
    fn go(&mut self, go: impl FnOnce(&mut DBRawIterator<'_>)) -> Result<()> {
        let Some(inner) = &mut self.inner else {
            return Ok(());
        };
        inner.with_dependent_mut(|_, iterator| {
            go(iterator);
            if iterator.valid() {
                Ok(())
            } else {
                iterator.status().map_err(|e| convert(&e))
            }
        })
    }
}

impl Drop for RocksDBCursor {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut idle = home.idle.lock();
            if idle.len() < SPARE_CURSORS {
                idle.extend(self.inner.take());
            }
        }
    }
}

fn read_options(scope: Scope, access: Access) -> ReadOptions {
    let mut options = ReadOptions::default();
    match access {
        // Only rows of one key: its prefix filter may rule files out.
        Access::OneKey => options.set_prefix_same_as_start(true),
        // Across keys the prefix filters of `history` would hide rows.
        Access::Scan => options.set_total_order_seek(true),
        Access::Sweep => {
            options.set_total_order_seek(true);
            options.fill_cache(false);
            options.set_readahead_size(SWEEP_READAHEAD_BYTES);
        }
    }
    if !scope.start.is_empty() {
        options.set_iterate_lower_bound(scope.start);
    }
    if let Some(end) = scope.end {
        options.set_iterate_upper_bound(end);
    }
    options
}

impl fmt::Debug for RocksDBCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDBCursor").finish_non_exhaustive()
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods have one lifetime only"
)]
impl Cursor for RocksDBCursor {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.go(|iterator| iterator.seek(key))
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<()> {
        self.go(|iterator| iterator.seek_for_prev(key))
    }

    fn seek_to_first(&mut self) -> Result<()> {
        self.go(|iterator| iterator.seek_to_first())
    }

    fn seek_to_last(&mut self) -> Result<()> {
        self.go(|iterator| iterator.seek_to_last())
    }

    // Off the last row and off the first, these stay where they are.
    fn next(&mut self) -> Result<()> {
        self.go(|iterator| iterator.next())
    }

    fn prev(&mut self) -> Result<()> {
        self.go(|iterator| iterator.prev())
    }

    // As the trait does it, without asking twice at each row.
    fn pass(&mut self, key: &[u8], rows: usize) -> Result<bool> {
        let Some(inner) = &mut self.inner else {
            return Ok(false);
        };
        inner.with_dependent_mut(|_, iterator| {
            for passed in 0..=rows {
                match iterator.key() {
                    Some(here) if here < key => {}
                    Some(_) => return Ok(passed > 0),
                    None => {
                        iterator.status().map_err(|e| convert(&e))?;
                        return Ok(false);
                    }
                }
                if passed < rows {
                    iterator.next();
                }
            }
            Ok(false)
        })
    }

    // As the trait does it, with one look at the iterator for each row.
    fn walk(&mut self, see: Sight<'_>) -> Result<()> {
        self.go(|iterator| {
            while let Some((key, value)) = iterator.item() {
                if see(key, value).is_break() {
                    break;
                }
                iterator.next();
            }
        })
    }

    fn row(&self) -> Option<(&[u8], &[u8])> {
        self.inner
            .as_ref()?
            .with_dependent(|_, iterator| iterator.item())
    }
}
