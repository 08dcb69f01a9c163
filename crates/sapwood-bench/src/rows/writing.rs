//! What the rows of writes share: what their stores must hold afterwards.

use anyhow::Result;
use sapwood::ReadView;

use crate::{
    data::stamp,
    stores::{Ours, Raw, Seen},
};

/// What a scan must see where each key has the version that `versions` says.
pub(super) fn expected(versions: &[u32]) -> Seen {
    let stamps = (0..)
        .zip(versions)
        .map(|(id, version)| stamp(id, *version))
        .fold(0, u64::wrapping_add);
    Seen {
        rows: crate::convert::count(versions.len()),
        stamps,
    }
}

/// Whether both stores hold the same rows, byte by byte, in the same order.
pub(super) fn hold_the_same(ours: &Ours, raw: &Raw) -> Result<bool> {
    let mut theirs = raw.db.raw_iterator();
    theirs.seek_to_first();
    for row in ours.engine.range(..) {
        let (key, value) = row?;
        if theirs.item() != Some((&key[..], &value[..])) {
            return Ok(false);
        }
        theirs.next();
    }
    theirs.status()?;
    Ok(!theirs.valid())
}
