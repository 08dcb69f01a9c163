//! Compacting a part of a keyspace, piece by piece, so that it can be told how far it is.
//!
//! A piece is a run of files of the last level that lie side by side, with all that lies above them. All of it is written
//! anew, once ([`rewrite`]). Files are cut within their piece, so a piece is large beside the size at which files are
//! cut. What is left above the last level (keys that came meanwhile) is pushed down at the end, without writing the last
//! level again.

use rocksdb::{LiveFile, WaitForCompactOptions};

use super::{
    RocksDBBackend, convert,
    rewrite::{self, Older},
};
use crate::{
    backend::{Keyspace, Scope},
    error::Result,
};

/// A piece is at least this part of all.
const PIECES: usize = 50;
/// A piece is at least so many times as large as a file.
const FILES: usize = 4;
/// Behind a key that is made smaller by one: no key is expected to go on like this.
const PADDING: [u8; 16] = [0xFF; 16];

pub(super) fn compact(
    backend: &RocksDBBackend,
    keyspace: Keyspace,
    scope: &Scope,
    tell: &mut dyn FnMut(f64),
) -> Result<()> {
    let (older, files) = Older::see(backend, keyspace)?;
    let target_file_size = backend.online.lock().target_file_size();
    let cuts = cuts(files, keyspace, scope, target_file_size);
    let first = (!scope.start.is_empty()).then_some(scope.start.as_slice());
    let last = scope.end.as_deref();
    let mut start = first;
    let ends = cuts.iter().map(|cut| Some(cut.as_slice())).chain([None]);
    for (done, end) in ends.enumerate() {
        let span = (
            start.map(<[u8]>::to_vec),
            end.map(before).or_else(|| last.map(<[u8]>::to_vec)),
        );
        let is_inside = |from: &[u8], to: &[u8]| {
            start.is_none_or(|start| to >= start) && end.or(last).is_none_or(|end| from < end)
        };
        older.rewrite(backend, keyspace, &[span], is_inside, &mut |_| {})?;
        start = end;
        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        tell((done + 1) as f64 / (cuts.len() + 1) as f64);
    }
    if !cuts.is_empty() {
        rewrite::settle(backend, keyspace, first, last);
    }
    // Says whether anything has failed.
    let db = backend.database.db();
    db.wait_for_compact(&WaitForCompactOptions::default())
        .map_err(|e| convert(&e))
}

/// The keys at which pieces begin, in order, without the first.
fn cuts(
    mut files: Vec<LiveFile>,
    keyspace: Keyspace,
    scope: &Scope,
    target_file_size: u64,
) -> Vec<Vec<u8>> {
    files.retain(|file| file.column_family_name == keyspace.name());
    let last_level = files.iter().map(|file| file.level).max().unwrap_or(0);
    files.retain(|file| file.level == last_level && last_level > 0);
    let mut files: Vec<(Vec<u8>, usize)> = files
        .into_iter()
        .filter_map(|file| Some((file.start_key?, file.size)))
        .filter(|(start, _)| {
            let is_before = scope.end.as_ref().is_none_or(|end| start < end);
            is_before && *start > scope.start
        })
        .collect();
    files.sort_unstable();
    let all: usize = files.iter().map(|(_, size)| size).sum();
    let file_size = usize::try_from(target_file_size).unwrap_or(usize::MAX);
    let piece = (all / PIECES).max(file_size.saturating_mul(FILES));
    let mut cuts = Vec::new();
    let mut size = 0usize;
    for (start, file) in files {
        if size >= piece {
            cuts.push(start);
            size = 0;
        }
        size = size.saturating_add(file);
    }
    cuts
}

/// A key right before another; keys between the two, if there are any, are pushed down at the end.
pub(super) fn before(key: &[u8]) -> Vec<u8> {
    let mut before = key.to_vec();
    match before.pop() {
        None | Some(0) => {}
        Some(last) => {
            before.push(last - 1);
            before.extend_from_slice(&PADDING);
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_before_a_key_is_smaller_than_it() {
        for key in [&b"a"[..], b"\0", b"a\0", b"\0\x01", b"ab\xFF"] {
            assert!(before(key).as_slice() < key, "{key:?}");
        }
        assert_eq!(before(b"a\0"), b"a");
        assert!(before(b"b").as_slice() > b"a\xFF".as_slice());
    }
}
