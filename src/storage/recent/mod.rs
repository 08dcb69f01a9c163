//! [`Recent`]: the versions that were committed lately, in memory, until they are merged below.
//!
//! A commit is one record in `commits`, values included, and its versions here; nothing else stands
//! between it and its acknowledgement. `current`, `history` and `deleted` get its rows later, in key
//! order and many at once, from the [merge](super::merge). Opening a store reads the records above the
//! merge mark back in.
//!
//! ```text
//!            newest                                     oldest
//!   commit -> active segment | sealed | sealed being merged -> current, history, deleted
//!   read   -> looks here first, newest segment first, and below where nothing is found
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `segment` | the versions of a run of commits, in key order |
//! | `cursor` | the keys of all segments at one timestamp, from one end |
//!
//! **Invariants:**
//! - Segments follow each other in time: each version in one is newer than all in those before it.
//! - A sealed segment does not change, and holds published commits only.
//! - A segment is let go only after all its versions are below. So who looks here first and below then
//!   meets each version at least once; the newest one here at or below a timestamp decides.
//! - No row of a commit above [`Recent::merging`] is in `current`, `history` or `deleted`.
//!
//! The idea is that of an LSM tree's memtable, one level higher: it holds versions, not rows, so that a
//! version that is replaced before it is merged goes straight to history with both ends known.

mod cursor;
#[cfg(all(test, loom))]
mod loom_tests;
mod segment;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

pub(super) use cursor::RecentCursor;
pub(super) use segment::{RecentKey, RecentVersion, Segment, Versions};

use std::collections::VecDeque;

use super::{iter::Value, walk::Direction};
use crate::{
    backend::Scope,
    codec::key::KeyBuffer,
    sync::{Arc, AtomicU64, Ordering, RwLock},
    timestamp::Timestamp,
};

/// A segment is sealed at this size at the latest: all versions of one key in it are merged as one batch, and
/// RocksDB refuses one of 4 GiB.
const SEGMENT_MAX_BYTES: u64 = 1 << 30;

#[derive(Debug)]
pub(crate) struct Recent {
    segments: RwLock<Segments>,
    /// How many versions there are: where there are none, nobody needs to look.
    versions: AtomicU64,
    /// The newest commit of which rows may be below.
    merging: AtomicU64,
    /// The bytes at which a segment is sealed.
    segment_bytes: u64,
}

#[derive(Debug, Default)]
struct Segments {
    active: Arc<Segment>,
    /// Oldest first.
    sealed: VecDeque<Arc<Segment>>,
}

impl Segments {
    fn newest_first(&self) -> impl Iterator<Item = &Arc<Segment>> {
        std::iter::once(&self.active).chain(self.sealed.iter().rev())
    }
}

impl Recent {
    /// Nothing yet; all commits up to `merged` are below. `size_bytes` bounds what is held, about.
    pub(super) fn new(merged: Timestamp, size_bytes: usize) -> Self {
        // One half is written while the other is merged.
        let segment_bytes = (size_bytes / 2) as u64;
        let segment_bytes = segment_bytes.min(SEGMENT_MAX_BYTES);
        Self {
            segments: RwLock::new(Segments::default()),
            versions: AtomicU64::new(0),
            merging: AtomicU64::new(merged.get()),
            segment_bytes,
        }
    }

    /// Adds commits, oldest first: their timestamps, and what they did to each encoded key. By the
    /// holder of the turn, before they are published.
    pub(super) fn insert(
        &self,
        commits: impl Iterator<Item = (Timestamp, KeyBuffer, Option<Value>)>,
    ) {
        let active = Arc::clone(&self.segments.read().active);
        let added = active.insert(commits);
        self.versions.fetch_add(added, Ordering::SeqCst);
    }

    /// Whether the active segment has its size.
    pub(super) fn is_full(&self) -> bool {
        self.segments.read().active.size_bytes() >= self.segment_bytes
    }

    /// How many segments are sealed.
    pub(super) fn sealed(&self) -> usize {
        self.segments.read().sealed.len()
    }

    /// Begins a new segment, if there is anything in the active one. By the holder of the turn, while
    /// every commit is published.
    pub(super) fn seal(&self) {
        let mut segments = self.segments.write();
        if !segments.active.is_empty() {
            let sealed = std::mem::take(&mut segments.active);
            segments.sealed.push_back(sealed);
        }
    }

    /// The oldest sealed segment.
    pub(super) fn oldest_sealed(&self) -> Option<Arc<Segment>> {
        self.segments.read().sealed.front().cloned()
    }

    /// Lets the oldest sealed segment go, which was merged. Giving its memory back takes a while: that is
    /// left to the caller.
    pub(super) fn let_go(&self) -> Option<Arc<Segment>> {
        let segment = self.segments.write().sealed.pop_front()?;
        self.versions
            .fetch_sub(segment.versions(), Ordering::SeqCst);
        Some(segment)
    }

    /// Notes that rows up to this commit are going to be written below.
    pub(super) fn begin_merge(&self, newest: Timestamp) {
        self.merging.fetch_max(newest.get(), Ordering::SeqCst);
    }

    /// Notes that no row above `target` is below any more, after a rollback. Nothing is held then.
    pub(super) fn rewind(&self, target: Timestamp) {
        debug_assert!(self.is_empty(), "everything was merged");
        self.merging.store(target.get(), Ordering::SeqCst);
    }

    /// The newest commit of which rows may be below.
    pub(super) fn merging(&self) -> Timestamp {
        Timestamp::new(self.merging.load(Ordering::SeqCst))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.load(Ordering::SeqCst) == 0
    }

    /// The newest version of a key at a timestamp; `None` where the answer lies below.
    pub(super) fn get(&self, encoded: &[u8], at: Timestamp) -> Option<RecentVersion> {
        if self.is_empty() {
            return None;
        }
        let segments = self.segments.read();
        segments
            .newest_first()
            .find_map(|segment| segment.get(encoded, at))
    }

    /// The versions of a key up to a timestamp, oldest first.
    pub(super) fn versions_of(&self, encoded: &[u8], until: Timestamp) -> Vec<RecentVersion> {
        let mut versions = Vec::new();
        let segments = self.segments.read();
        for segment in segments.sealed.iter().chain([&segments.active]) {
            segment.versions_of(encoded, until, &mut versions);
        }
        versions
    }

    /// The keys of a part at a timestamp, as they are now: what is merged later stays in this view.
    pub(super) fn cursor(
        &self,
        scope: &Scope,
        at: Timestamp,
        direction: Direction,
    ) -> RecentCursor {
        let segments = self.segments.read();
        // A part that ends before it begins has no keys.
        let is_part = scope.end.as_ref().is_none_or(|end| scope.start < *end);
        let segments = segments
            .newest_first()
            .filter(|segment| is_part && !segment.is_empty());
        RecentCursor::new(segments.cloned(), scope, at, direction)
    }

    /// How many versions are held, and the bytes that they take, about.
    pub(super) fn held(&self) -> (u64, u64) {
        let segments = self.segments.read();
        let bytes = segments.newest_first().map(|segment| segment.size_bytes());
        (self.versions.load(Ordering::Relaxed), bytes.sum())
    }
}
