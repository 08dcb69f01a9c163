//! Compacting: files into their most compact form, all of them or those of a range of keys.
//!
//! It changes no answer of any read, takes no lock, and drops no row but such as the prune rule lets go anyway.

use super::{key_range::KeyRange, store::Store};
use crate::{
    backend::{Keyspace, Progress, Scope},
    error::Result,
    metrics::Timed,
    trace,
};

/// What [`Engine::compact_with`](crate::Engine::compact_with) and
/// [`Engine::compact_range`](crate::Engine::compact_range) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes that all keyspaces took before, by the backend's count of its files.
    pub bytes_before: u64,
    /// Bytes that they take now.
    pub bytes_after: u64,
}

impl Store {
    /// Rewrites the files that hold a range of keys into their most compact form; for all keys, all files.
    pub(crate) fn compact_range(
        &self,
        range: &KeyRange,
        progress: Progress<'_>,
    ) -> Result<CompactReport> {
        let _timing = self.meter.time(Timed::Compact);
        let span = trace::compact().entered();
        let report = self.compact_files(range, progress)?;
        span.record("bytes_before", report.bytes_before);
        span.record("bytes_after", report.bytes_after);
        Ok(report)
    }

    fn compact_files(&self, range: &KeyRange, progress: Progress<'_>) -> Result<CompactReport> {
        self.check_open()?;
        self.check_not_read_only()?;
        self.merge_all()?;
        let mut report = CompactReport {
            bytes_before: self.size_bytes(&Keyspace::ALL)?,
            ..CompactReport::default()
        };
        // What commits and the store's own state are about is no range of keys.
        let keyspaces: &[Keyspace] = if *range == KeyRange::all() {
            &Keyspace::ALL
        } else if range.is_empty() {
            &[]
        } else {
            &[Keyspace::Current, Keyspace::History, Keyspace::Deleted]
        };
        let scope = if *range == KeyRange::all() {
            Scope::default()
        } else {
            range.scope()
        };
        let whole = self.size_bytes(keyspaces)?.max(1);
        let mut done = 0;
        for keyspace in keyspaces {
            self.check_open()?;
            let size = self.backend.size_bytes(*keyspace)?;
            let name = keyspace.name();
            #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
            let mut tell = |part: f64| {
                progress((done as f64 + part * size as f64) / whole as f64, name);
            };
            tell(0.0);
            self.backend.compact(*keyspace, &scope, &mut tell)?;
            done += size;
        }
        progress(1.0, "");
        report.bytes_after = self.size_bytes(&Keyspace::ALL)?;
        Ok(report)
    }

    fn size_bytes(&self, keyspaces: &[Keyspace]) -> Result<u64> {
        let sizes = keyspaces.iter();
        sizes
            .map(|keyspace| self.backend.size_bytes(*keyspace))
            .sum()
    }
}
