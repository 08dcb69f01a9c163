//! Ourselves and the peers.
//!
//! Every store runs with the same block cache, write buffer, file size, background jobs, filters
//! and compression: those of Sapwood's own [`RocksDBConfig`](sapwood::RocksDBConfig), with the log
//! on and commits buffered, where a row does not say otherwise. What a peer does not need (a second
//! column family, prefix filters) it does not pay for. Peers that are not RocksDB have what comes
//! nearest; their modules say what.

mod counters;
mod fjall;
mod latest_state;
mod lmdb;
mod otdb;
mod ours;
mod peer_options;
mod raw;
mod redb;
mod settle;
mod surrealkv;
mod udt;
mod version_keyed;
mod wal;

pub(crate) use self::{fjall::Fjall, redb::Redb, surrealkv::SurrealKv};
pub(crate) use counters::{Counters, Pair, Part};
pub(crate) use latest_state::LatestState;
pub(crate) use lmdb::Lmdb;
pub(crate) use otdb::Otdb;
pub(crate) use ours::Ours;
pub(crate) use raw::Raw;
pub(crate) use udt::Udt;
pub(crate) use version_keyed::VersionKeyed;

use crate::data::stamp_of;

/// What a scan saw: how many rows, and the sum of their stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) rows: u64,
    pub(crate) stamps: u64,
}

impl Seen {
    /// A row went by.
    pub(crate) fn see(&mut self, value: &[u8]) {
        self.rows += 1;
        self.stamps = self.stamps.wrapping_add(stamp_of(value));
    }
}
