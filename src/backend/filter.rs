//! What a filter decides of one stored row: the prune rule applied to bytes.

use super::Keyspace;
use crate::{
    codec::{DecodeError, HistoryRow, commit, deleted, key},
    prune_rule::PruneRule,
};

/// Whether the rule lets a row of `keyspace` go.
///
/// # Errors
/// Where the row cannot be decoded. Such a row must be kept, and counted.
pub(crate) fn drops(
    rule: &PruneRule,
    keyspace: Keyspace,
    key: &[u8],
    value: &[u8],
) -> Result<bool, DecodeError> {
    match keyspace {
        Keyspace::Current | Keyspace::Meta => Ok(false),
        Keyspace::History => {
            let (_, start) = key::split_version(key)?;
            Ok(rule.drops_history(start, HistoryRow::peek(start, value)?.end))
        }
        Keyspace::Deleted => Ok(rule.drops_deleted(deleted::decode(value)?)),
        Keyspace::Commits => Ok(rule.drops_commit(commit::decode_key(key)?.0)),
    }
}
