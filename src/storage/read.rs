//! Reads: the newest state, and any retained past one.

use bytes::Bytes;

use super::{
    batch::check_key,
    guards::Guard,
    iter::Iter,
    key_range::KeyRange,
    lookup::{self, Lookup},
    recent::RecentVersion,
    store::{Store, was_overtaken},
    visibility,
};
use crate::{
    backend::Keyspace,
    codec::{
        CurrentRow,
        key::{self, KeyBuffer},
    },
    error::{Error, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// What the last commit of a key left: when it wrote or deleted it (0 where none did), and the value.
pub(super) type Newest = (Timestamp, Option<Bytes>);

/// What `current` alone says about the state at a timestamp that was visible before.
enum Answer {
    Decided(Option<Bytes>),
    /// Newer commits may have been merged meanwhile.
    Undecided,
}

/// Where a key was found first.
enum Found {
    /// Among the recent versions, which decide.
    Recent(Option<Bytes>),
    /// Below: its encoded key, and its row of `current`.
    Below(KeyBuffer, Option<Bytes>),
}

impl Found {
    fn below(&self) -> Option<&KeyBuffer> {
        match self {
            Self::Recent(_) => None,
            Self::Below(encoded, _) => Some(encoded),
        }
    }
}

impl Store {
    /// The newest committed value of a key.
    pub(crate) fn get_latest(&self, user_key: &[u8]) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        self.in_one_epoch(|| {
            let visible = self.clock.visible();
            if let Some(version) = self.recent.get(&encoded, visible) {
                return Ok(version.value);
            }
            let row = self.backend.get(Keyspace::Current, &encoded)?;
            match self.in_current(&encoded, row, visible)? {
                Answer::Decided(value) => Ok(value),
                Answer::Undecided => self.get_visible(user_key),
            }
        })
    }

    /// The newest committed values of some keys, all as of one timestamp.
    pub(crate) fn multi_get_latest(&self, user_keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.check_open()?;
        self.in_one_epoch(|| self.multi_get_visible(user_keys))
    }

    fn multi_get_visible(&self, user_keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let visible = self.clock.visible();
        let mut values = Vec::with_capacity(user_keys.len());
        for found in self.current_rows(user_keys, visible)? {
            let answer = match found {
                Found::Recent(value) => Answer::Decided(value),
                Found::Below(encoded, row) => self.in_current(&encoded, row, visible)?,
            };
            match answer {
                Answer::Decided(value) => values.push(value),
                // Newer commits were merged meanwhile: read all of them at one timestamp.
                Answer::Undecided => {
                    let guard = self.admit_latest()?;
                    return self.multi_get_under(user_keys, &guard);
                }
            }
        }
        Ok(values)
    }

    /// What a row of `current` says about the state at `visible`, where no recent version does. Both were
    /// looked up after it was loaded, in that order.
    fn in_current(
        &self,
        encoded: &KeyBuffer,
        row: Option<Bytes>,
        visible: Timestamp,
    ) -> Result<Answer> {
        match row {
            Some(row) => {
                let row = lookup::decode_current(encoded, row)?;
                Ok(if row.start <= visible {
                    Answer::Decided(Some(row.value))
                } else {
                    Answer::Undecided
                })
            }
            // Loaded after the read: a merge that could have removed the row had begun by then.
            None if self.recent.merging() <= visible => Ok(Answer::Decided(None)),
            None => Ok(Answer::Undecided),
        }
    }

    fn get_visible(&self, user_key: &[u8]) -> Result<Option<Bytes>> {
        loop {
            match self.get_at(user_key, self.clock.visible()) {
                Err(error) if was_overtaken(&error) => {}
                answer => return answer,
            }
        }
    }

    /// The value of a key at a timestamp.
    pub(crate) fn get_at(&self, user_key: &[u8], at: Timestamp) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        self.in_one_epoch(|| self.get_encoded(&encoded, at))
    }

    fn get_encoded(&self, encoded: &KeyBuffer, at: Timestamp) -> Result<Option<Bytes>> {
        let visible = self.clock.visible();
        if at > visible {
            return Err(Error::not_yet(at, visible));
        }
        // Above the floor a guard would cost more than it is worth: read, then look at the floor.
        if at >= self.floor() {
            let answer = self.lookup(encoded, at)?;
            let floor = self.floor();
            match answer {
                // What was found is right, whatever was pruned meanwhile.
                Lookup::Found(value) => return Ok(Some(value)),
                Lookup::Absent if at >= floor => return Ok(None),
                Lookup::Missing { successor } if at >= floor => {
                    if visibility::is_hole(successor, at, floor) {
                        return Err(lookup::hole(encoded, at, successor));
                    }
                    return Ok(None);
                }
                Lookup::Absent | Lookup::Missing { .. } => {}
            }
        }
        let guard = self.admit(at)?;
        self.get_under(encoded, &guard)
    }

    /// The value of a key at a timestamp that the caller guards.
    pub(crate) fn get_guarded(&self, user_key: &[u8], guard: &Guard) -> Result<Option<Bytes>> {
        self.check_open()?;
        check_key(user_key)?;
        let encoded = key::encode(user_key);
        self.in_one_epoch(|| self.get_under(&encoded, guard))
    }

    fn get_under(&self, encoded: &KeyBuffer, guard: &Guard) -> Result<Option<Bytes>> {
        let answer = self.lookup(encoded, guard.at())?;
        guard.check()?;
        self.conclude(encoded, guard.at(), answer)
    }

    /// The values of some keys at a timestamp that the caller guards.
    pub(crate) fn multi_get_guarded(
        &self,
        user_keys: &[&[u8]],
        guard: &Guard,
    ) -> Result<Vec<Option<Bytes>>> {
        self.check_open()?;
        self.in_one_epoch(|| self.multi_get_under(user_keys, guard))
    }

    fn multi_get_under(&self, user_keys: &[&[u8]], guard: &Guard) -> Result<Vec<Option<Bytes>>> {
        let read = |found| {
            let (encoded, row) = match found {
                Found::Recent(value) => return Ok(value),
                Found::Below(encoded, row) => (encoded, row),
            };
            let row: Option<CurrentRow> = row
                .map(|row| lookup::decode_current(&encoded, row))
                .transpose()?;
            let answer = lookup::lookup_from(self.backend.as_ref(), &encoded, guard.at(), row)?;
            guard.check()?;
            self.conclude(&encoded, guard.at(), answer)
        };
        let found = self.current_rows(user_keys, guard.at())?;
        guard.check()?;
        found.into_iter().map(read).collect()
    }

    /// Looks a key up at a timestamp: among the recent versions, then below.
    fn lookup(&self, encoded: &KeyBuffer, at: Timestamp) -> Result<Lookup> {
        match self.recent.get(encoded, at) {
            Some(version) => Ok(version.value.map_or(Lookup::Absent, Lookup::Found)),
            None => self.lookup_below(encoded, at),
        }
    }

    fn lookup_below(&self, encoded: &KeyBuffer, at: Timestamp) -> Result<Lookup> {
        let backend = self.backend.as_ref();
        if self.habit.is_history_first()
            && let Some(value) = lookup::from_history(backend, encoded, at)?
        {
            self.habit.note(true);
            return Ok(Lookup::Found(value));
        }
        // What was missing in `history` may have come to it meanwhile: it is asked again, in its turn.
        let (answer, is_history) = lookup::lookup(backend, encoded, at)?;
        self.habit.note(is_history);
        Ok(answer)
    }

    /// What recent versions say about some keys at a timestamp, and the rows of `current` for the others:
    /// fetched in key order, given in the order asked for.
    fn current_rows(&self, user_keys: &[&[u8]], at: Timestamp) -> Result<Vec<Found>> {
        user_keys
            .iter()
            .try_for_each(|user_key| check_key(user_key))?;
        let recent = |user_key: &&[u8]| {
            let encoded = key::encode(user_key);
            match self.recent.get(&encoded, at) {
                Some(version) => Found::Recent(version.value),
                None => Found::Below(encoded, None),
            }
        };
        let mut found: Vec<_> = user_keys.iter().map(recent).collect();
        let mut order: Vec<_> = found.iter().filter_map(Found::below).cloned().collect();
        order.sort_unstable();
        order.dedup();
        let keys: Vec<_> = order.iter().map(KeyBuffer::as_slice).collect();
        let rows = self.backend.multi_get(Keyspace::Current, &keys)?;
        for found in &mut found {
            if let Found::Below(encoded, row) = found
                && let Ok(index) = order.binary_search(encoded)
            {
                *row = rows.get(index).cloned().flatten();
            }
        }
        Ok(found)
    }

    /// What the last commit of a key left. For the holder of the turn: no other can come between.
    pub(super) fn newest(&self, encoded: &KeyBuffer) -> Result<Newest> {
        if let Some(version) = self.recent.get(encoded, Timestamp::MAX) {
            return Ok((version.start, version.value));
        }
        match self.backend.get(Keyspace::Current, encoded)? {
            Some(row) => {
                let row = lookup::decode_current(encoded, row)?;
                Ok((row.start, Some(row.value)))
            }
            None => {
                let row = self.backend.get(Keyspace::Deleted, encoded)?;
                let deleted = row.map(|row| lookup::decode_deleted(encoded, &row));
                Ok((deleted.transpose()?.unwrap_or_default(), None))
            }
        }
    }

    /// Whether keys, which are in order, were live after their last commits.
    pub(super) fn are_live(&self, encoded: &[KeyBuffer]) -> Result<Vec<bool>> {
        let recent = encoded
            .iter()
            .map(|key| self.recent.get(key, Timestamp::MAX));
        let recent: Vec<_> = recent.collect();
        let below = encoded.iter().zip(&recent);
        let below: Vec<_> = below
            .filter(|(_, recent)| recent.is_none())
            .map(|(key, _)| key.as_slice())
            .collect();
        let mut rows = self
            .backend
            .multi_get(Keyspace::Current, &below)?
            .into_iter();
        let is_live = |recent: Option<RecentVersion>| match recent {
            Some(version) => version.value.is_some(),
            None => rows.next().flatten().is_some(),
        };
        Ok(recent.into_iter().map(is_live).collect())
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
