//! The records of commits.
//!
//! A commit at `ts` writes one record in `commits`: what it did to which keys, values included. Its
//! versions go into [`Recent`](crate::storage::recent::Recent) once that is written, and below from there.
//!
//! A delete of a key that is not live does nothing, and is not in the record.

use std::collections::HashMap;

use crate::{
    backend::{Keyspace, WriteBatch},
    codec::{commit, key},
    error::{Error, Result},
    limits::COMMIT_MAX_BYTES,
    storage::{Key, batch::Write, read::Newest, store::Store},
    timestamp::Timestamp,
};

/// One commit: its timestamp, and what it did to each key.
pub(super) type Commit = (Timestamp, Vec<Write>);

/// The records of the commits of a group, as one batch.
#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: WriteBatch,
    /// What this batch leaves for each key that it writes; only kept where other commits follow.
    left: HashMap<Key, Newest>,
    /// The commits, without deletes that do nothing.
    commits: Vec<Commit>,
}

impl Rows {
    pub(super) fn size_bytes(&self) -> usize {
        self.batch.size_bytes()
    }

    /// What the last commit of a key left, those of the group included.
    pub(super) fn newest(&self, store: &Store, user_key: &[u8]) -> Result<Newest> {
        match self.left.get(user_key) {
            Some(newest) => Ok(newest.clone()),
            None => store.newest(&key::encode(user_key)),
        }
    }

    /// Adds a commit, or refuses it and stays as it was. Of deletes only those that `do_something`, one flag
    /// for each delete, in order. `others_follow` in this batch.
    pub(super) fn add(
        &mut self,
        timestamp: Timestamp,
        time_ms: u64,
        mut writes: Vec<Write>,
        do_something: &[bool],
        others_follow: bool,
    ) -> Result<()> {
        let mut do_something = do_something.iter();
        writes.retain(|(_, value)| value.is_some() || do_something.next().is_none_or(|does| *does));
        let begun = self.batch.mark();
        let changes = writes.iter();
        let changes = changes.map(|(key, value)| (key.as_ref(), value.as_deref()));
        for (part, value) in (0..).zip(commit::encode_parts(time_ms, changes)) {
            self.batch.put(
                Keyspace::Commits,
                &[&commit::encode_key(timestamp, part)],
                &[&value],
            );
        }
        if let Err(error) = check_size(self.batch.size_bytes() - begun.size_bytes()) {
            self.batch.cut(begun);
            return Err(error);
        }
        if others_follow {
            let left = |(key, value): &Write| (key.clone(), (timestamp, value.clone()));
            self.left.extend(writes.iter().map(left));
        }
        self.commits.push((timestamp, writes));
        Ok(())
    }

    /// Whether the deletes among writes, which are in key order, find something to delete.
    pub(super) fn live(&self, store: &Store, writes: &[Write]) -> Result<Vec<bool>> {
        let deletes = writes.iter().filter(|(_, value)| value.is_none());
        let known = deletes.clone().map(|(key, _)| self.left.get(key));
        let known: Vec<_> = known
            .map(|left| left.map(|(_, value)| value.is_some()))
            .collect();
        let keys: Vec<_> = deletes.map(|(key, _)| key.as_ref()).collect();
        live(store, &keys, known)
    }

    /// The batch, and the commits in it.
    pub(super) fn finish(self) -> (WriteBatch, Vec<Commit>) {
        (self.batch, self.commits)
    }
}

/// Whether keys, which are in order, are live: where it is not known, by what was committed last.
pub(super) fn live(
    store: &Store,
    user_keys: &[&[u8]],
    known: Vec<Option<bool>>,
) -> Result<Vec<bool>> {
    let unknown = user_keys.iter().zip(&known);
    let unknown = unknown.filter(|(_, known)| known.is_none());
    let encoded: Vec<_> = unknown.map(|(key, _)| key::encode(key)).collect();
    let mut found = store.are_live(&encoded)?.into_iter();
    let live = known
        .into_iter()
        .map(|known| known.or_else(|| found.next()));
    Ok(live.flatten().collect())
}

pub(super) fn check_size(size_bytes: usize) -> Result<()> {
    if size_bytes > COMMIT_MAX_BYTES {
        return Err(Error::too_large(format!(
            "the commit would write {size_bytes} bytes; at most {COMMIT_MAX_BYTES} are allowed: split it"
        )));
    }
    Ok(())
}
