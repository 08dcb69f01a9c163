//! Reads: the newest state, and any retained past one.

use bytes::Bytes;

use super::{
    batch::check_key,
    commit::OldRow,
    guards::Guard,
    iter::Iter,
    key_range::KeyRange,
    lookup::{self, Lookup},
    store::Store,
    visibility,
};
use crate::{
    backend::Keyspace,
    codec::{
        CurrentRow,
        key::{self, KeyBuffer},
    },
    error::{Error, ErrorKind, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// A value, and the row that a commit will find there.
pub(crate) type Observed = (Option<Bytes>, Option<OldRow>);

/// What `current` alone says about the newest state.
enum Newest {
    Decided(Option<Bytes>),
    /// A commit above the visible timestamp may have been at work.
    Undecided,
}

impl Store {
    /// The newest committed value of a key.
    pub(crate) fn get_latest(&self, user_key: &[u8]) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        let visible = self.clock.visible();
        let row = self.backend.get(Keyspace::Current, &encoded)?;
        match self.newest(&encoded, row, visible)? {
            Newest::Decided(value) => Ok(value),
            Newest::Undecided => self.get_visible(user_key),
        }
    }

    /// The newest committed values of some keys, all as of one timestamp.
    pub(crate) fn multi_get_latest(&self, user_keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.check_open()?;
        let visible = self.clock.visible();
        let rows = self.current_rows(user_keys)?;
        let mut values = Vec::with_capacity(user_keys.len());
        for (encoded, row) in rows {
            match self.newest(&encoded, row, visible)? {
                Newest::Decided(value) => values.push(value),
                // A commit is under way, or was made since: read all of them at one timestamp.
                Newest::Undecided => {
                    let guard = self.admit_latest()?;
                    return self.multi_get_guarded(user_keys, &guard);
                }
            }
        }
        Ok(values)
    }

    /// What a row of `current`, read after `visible` was loaded, says about the state at it.
    fn newest(
        &self,
        encoded: &KeyBuffer,
        row: Option<Bytes>,
        visible: Timestamp,
    ) -> Result<Newest> {
        match row {
            Some(row) => {
                let row = lookup::decode_current(encoded, row)?;
                Ok(if row.start <= visible {
                    Newest::Decided(Some(row.value))
                } else {
                    Newest::Undecided
                })
            }
            // Loaded after the read: a commit that could have removed the row had begun by then.
            None if self.clock.started() <= visible => Ok(Newest::Decided(None)),
            None => Ok(Newest::Undecided),
        }
    }

    fn get_visible(&self, user_key: &[u8]) -> Result<Option<Bytes>> {
        loop {
            match self.get_at(user_key, self.clock.visible()) {
                // Commits and a prune went by since the visible timestamp was loaded.
                Err(error) if matches!(error.kind(), ErrorKind::Pruned { .. }) => {}
                answer => return answer,
            }
        }
    }

    /// The value of a key at a timestamp.
    pub(crate) fn get_at(&self, user_key: &[u8], at: Timestamp) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let visible = self.clock.visible();
        if at > visible {
            return Err(Error::not_yet(at, visible));
        }
        let encoded = key::encode(user_key);
        // Above the floor a guard would cost more than it is worth: read, then look at the floor.
        if at >= self.floor() {
            let answer = lookup::lookup(self.backend.as_ref(), &encoded, at)?;
            let floor = self.floor();
            match answer {
                // What was found is right, whatever was pruned meanwhile.
                Lookup::Found(value) => return Ok(Some(value)),
                Lookup::Absent if at >= floor => return Ok(None),
                Lookup::Missing { successor } if at >= floor => {
                    if visibility::is_hole(successor, at, floor) {
                        return Err(lookup::hole(&encoded, at, successor));
                    }
                    return Ok(None);
                }
                Lookup::Absent | Lookup::Missing { .. } => {}
            }
        }
        let guard = self.admit(at)?;
        self.get_guarded(user_key, &guard)
    }

    /// The value of a key at a timestamp that the caller guards.
    pub(crate) fn get_guarded(&self, user_key: &[u8], guard: &Guard) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        let answer = lookup::lookup(self.backend.as_ref(), &encoded, guard.at())?;
        guard.check()?;
        self.conclude(&encoded, guard.at(), answer)
    }

    /// The values of some keys at a timestamp that the caller guards.
    pub(crate) fn multi_get_guarded(
        &self,
        user_keys: &[&[u8]],
        guard: &Guard,
    ) -> Result<Vec<Option<Bytes>>> {
        self.check_open()?;
        let read = |(encoded, row): (KeyBuffer, Option<Bytes>)| {
            let row: Option<CurrentRow> = row
                .map(|row| lookup::decode_current(&encoded, row))
                .transpose()?;
            let answer = lookup::lookup_from(self.backend.as_ref(), &encoded, guard.at(), row)?;
            guard.check()?;
            self.conclude(&encoded, guard.at(), answer)
        };
        self.current_rows(user_keys)?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The value of a key at a timestamp that the caller guards, with the row that a commit will find
    /// there, unless another comes between.
    pub(crate) fn observe_guarded(&self, user_key: &[u8], guard: &Guard) -> Result<Observed> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        let row = self.backend.get(Keyspace::Current, &encoded)?;
        self.observe(&encoded, row, guard)
    }

    /// The same for some keys.
    pub(crate) fn observe_all_guarded(
        &self,
        user_keys: &[&[u8]],
        guard: &Guard,
    ) -> Result<Vec<Observed>> {
        self.check_open()?;
        self.current_rows(user_keys)?
            .into_iter()
            .map(|(encoded, row)| self.observe(&encoded, row, guard))
            .collect()
    }

    fn observe(&self, encoded: &KeyBuffer, row: Option<Bytes>, guard: &Guard) -> Result<Observed> {
        let (answer, old) = lookup::observe(self.backend.as_ref(), encoded, guard.at(), row)?;
        guard.check()?;
        Ok((self.conclude(encoded, guard.at(), answer)?, old))
    }

    /// The rows of `current` for some keys, fetched in key order, given in the order asked for.
    fn current_rows(&self, user_keys: &[&[u8]]) -> Result<Vec<(KeyBuffer, Option<Bytes>)>> {
        user_keys
            .iter()
            .try_for_each(|user_key| check_key(user_key))?;
        let mut rows: Vec<_> = user_keys
            .iter()
            .map(|user_key| (key::encode(user_key), None))
            .collect();
        let mut order: Vec<_> = rows.iter().map(|(encoded, _)| encoded.as_slice()).collect();
        order.sort_unstable();
        order.dedup();
        let found = self.backend.multi_get(Keyspace::Current, &order)?;
        let found: Vec<Option<Bytes>> = rows
            .iter()
            .map(|(encoded, _)| {
                let index = order.binary_search(&encoded.as_slice()).ok()?;
                found.get(index).cloned().flatten()
            })
            .collect();
        for ((_, row), value) in rows.iter_mut().zip(found) {
            *row = value;
        }
        Ok(rows)
    }

    fn conclude(
        &self,
        encoded: &KeyBuffer,
        at: Timestamp,
        answer: Lookup,
    ) -> Result<Option<Bytes>> {
        match answer {
            Lookup::Found(value) => Ok(Some(value)),
            Lookup::Missing { successor } if visibility::is_hole(successor, at, self.floor()) => {
                Err(lookup::hole(encoded, at, successor))
            }
            Lookup::Missing { .. } | Lookup::Absent => Ok(None),
        }
    }

    /// The rows of a range at the newest timestamp.
    pub(crate) fn range_latest(self: &Arc<Self>, range: KeyRange) -> Iter {
        match self.admit_latest() {
            Ok(guard) => Iter::new(self, Arc::new(guard), range),
            Err(error) => Iter::failed(error),
        }
    }

    /// The rows of a range at a timestamp.
    pub(crate) fn range_at(self: &Arc<Self>, range: KeyRange, at: Timestamp) -> Iter {
        match self.admit(at) {
            Ok(guard) => Iter::new(self, Arc::new(guard), range),
            Err(error) => Iter::failed(error),
        }
    }

    /// The rows of a range at a timestamp that a snapshot guards already.
    pub(crate) fn range_guarded(self: &Arc<Self>, range: KeyRange, guard: &Arc<Guard>) -> Iter {
        match self.check_open() {
            Ok(()) => Iter::new(self, Arc::clone(guard), range),
            Err(error) => Iter::failed(error),
        }
    }
}
