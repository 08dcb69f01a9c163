//! Cursors that own their hold on the database, so that iterators can outlive every handle.

use std::fmt;

use rocksdb::{DBRawIterator, ReadOptions};
use self_cell::self_cell;

use super::{Database, convert};
use crate::{
    backend::{Access, Cursor, Keyspace, Scope},
    error::Result,
    sync::Arc,
};

/// Bytes that a sweep reads ahead.
const SWEEP_READAHEAD_BYTES: usize = 2 << 20;

self_cell!(
    struct Inner {
        owner: Arc<Database>,
        #[not_covariant]
        dependent: DBRawIterator,
    }
);

pub(super) struct RocksDBCursor(Inner);

impl RocksDBCursor {
    pub(super) fn new(
        database: &Arc<Database>,
        keyspace: Keyspace,
        scope: Scope,
        access: Access,
    ) -> Self {
        let options = read_options(scope, access);
        Self(Inner::new(Arc::clone(database), |database| {
            database
                .db()
                .raw_iterator_cf_opt(database.handle(keyspace), options)
        }))
    }

    /// Moves, then reports what went wrong on the way: an iterator that fails only looks ended.
    fn go(&mut self, go: impl FnOnce(&mut DBRawIterator<'_>)) -> Result<()> {
        self.0.with_dependent_mut(|_, iterator| {
            go(iterator);
            if iterator.valid() {
                Ok(())
            } else {
                iterator.status().map_err(|e| convert(&e))
            }
        })
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

    fn row(&self) -> Option<(&[u8], &[u8])> {
        self.0.with_dependent(|_, iterator| iterator.item())
    }
}
