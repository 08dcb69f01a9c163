//! [`Diff`]: what changed between two states, from both ends.
//!
//! Which keys changed is read from `commits`, in time proportional to the changes; both states are
//! then read for each. Where the keys of commits are gone, because the first state is a pinned one
//! below the floor, the two states are merged instead.

use std::{cmp::Ordering, collections::BTreeSet, collections::btree_set};

use super::{guards::Guard, iter::Iter, key_range::KeyRange, store::Store};
use crate::{
    Key, Value,
    backend::{Access, Keyspace, Scope},
    codec::commit,
    error::{Error, Result},
    sync::Arc,
    timestamp::Timestamp,
};

/// A key whose value differs between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The key.
    pub key: Key,
    /// Its value in the first state; `None` where it did not exist.
    pub old: Option<Value>,
    /// Its value in the second state; `None` where it does not exist.
    pub new: Option<Value>,
}

/// The differences between two states, in key order, from both ends. A key that has the same value
/// in both, or exists in neither, is not among them, whatever happened to it in between.
///
/// While it lives, it holds back pruning at both timestamps. After an error it ends.
#[derive(Debug)]
#[must_use = "iterators do nothing until they are asked"]
pub struct Diff {
    store: Arc<Store>,
    old: Arc<Guard>,
    new: Arc<Guard>,
    keys: Keys,
    done: bool,
}

/// The keys that may differ.
#[derive(Debug)]
enum Keys {
    /// Those that a commit in between changed.
    Changed(btree_set::IntoIter<Vec<u8>>),
    /// Those of the two states, from both ends, each end a merge of its own.
    States {
        front: Option<Box<Merge>>,
        back: Option<Box<Merge>>,
        first: Option<Key>,
        last: Option<Key>,
    },
}

impl Store {
    /// The differences between the states at `old` and `new`.
    pub(crate) fn diff(self: &Arc<Self>, old: Timestamp, new: Timestamp) -> Result<Diff> {
        if old > new {
            return Err(Error::invalid(format!(
                "a difference goes from the older state to the newer; {old} is after {new}"
            )));
        }
        self.in_one_epoch(|| self.diff_once(old, new))
    }

    fn diff_once(self: &Arc<Self>, old: Timestamp, new: Timestamp) -> Result<Diff> {
        let (old, new) = (Arc::new(self.admit(old)?), Arc::new(self.admit(new)?));
        let changed = if old.at() < self.floor() {
            None
        } else {
            let keys = self.changed_keys(old.at(), new.at());
            // A prune that had not seen the guard may have taken keys of commits away meanwhile,
            // parts of a commit too: only now it can be told whether an error is one.
            if old.at() < self.floor() {
                None
            } else {
                Some(keys?)
            }
        };
        let keys = match changed {
            Some(keys) => Keys::Changed(keys.into_iter()),
            None => Keys::States {
                front: None,
                back: None,
                first: None,
                last: None,
            },
        };
        Ok(Diff {
            store: Arc::clone(self),
            old,
            new,
            keys,
            done: false,
        })
    }

    /// The keys that the commits in `(after, until]` changed.
    fn changed_keys(&self, after: Timestamp, until: Timestamp) -> Result<BTreeSet<Vec<u8>>> {
        let scope = Scope {
            start: commit::encode_key(after, u32::MAX).to_vec(),
            end: Some(commit::encode_key(until, u32::MAX).to_vec()),
        };
        let mut cursor = self
            .backend
            .cursor(Keyspace::Commits, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        let mut keys = BTreeSet::new();
        let mut expected: Option<(Timestamp, u32)> = None;
        while let Some((key, value)) = cursor.row() {
            let corrupt = |what: &str| {
                Error::corrupt(format!("the row {} in commits", key.escape_ascii()), what)
            };
            let (timestamp, part) = commit::decode_key(key).map_err(|error| corrupt(error.0))?;
            if expected.unwrap_or((timestamp, 0)) != (timestamp, part) {
                return Err(corrupt("a part of a commit is missing before it"));
            }
            let read = commit::decode_part(part, value).map_err(|error| corrupt(error.0))?;
            keys.extend(read.changes().map(|change| change.key.to_vec()));
            expected = (!read.last).then_some((timestamp, part + 1));
            cursor.next()?;
        }
        match expected {
            None => Ok(keys),
            Some((timestamp, part)) => Err(Error::corrupt(
                format!("the commit {timestamp} in commits"),
                format!("its part {part} is missing"),
            )),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Front,
    Back,
}

impl Diff {
    fn step(&mut self, end: End) -> Option<Result<Change>> {
        if self.done {
            return None;
        }
        let result = loop {
            match self.next_pair(end) {
                Ok(Some(change)) if change.old == change.new => {}
                other => break other.transpose(),
            }
        };
        self.done = !matches!(result, Some(Ok(_)));
        result
    }

    /// The next key and its two values, which may be equal.
    fn next_pair(&mut self, end: End) -> Result<Option<Change>> {
        match &mut self.keys {
            Keys::Changed(keys) => {
                let key = match end {
                    End::Front => keys.next(),
                    End::Back => keys.next_back(),
                };
                let Some(key) = key else { return Ok(None) };
                let old = self.store.get_guarded(&key, &self.old)?;
                let new = self.store.get_guarded(&key, &self.new)?;
                Ok(Some(Change {
                    key: key.into(),
                    old,
                    new,
                }))
            }
            Keys::States {
                front,
                back,
                first,
                last,
            } => {
                let merge = match end {
                    End::Front => front,
                    End::Back => back,
                };
                let merge = merge.get_or_insert_with(|| {
                    let state = |guard| self.store.range_guarded(KeyRange::all(), guard);
                    Box::new(Merge {
                        old: state(&self.old),
                        new: state(&self.new),
                        next: (None, None),
                        end,
                    })
                });
                let Some(change) = merge.step()? else {
                    return Ok(None);
                };
                let passed = match end {
                    End::Front => last.as_ref().is_some_and(|last| change.key >= *last),
                    End::Back => first.as_ref().is_some_and(|first| change.key <= *first),
                };
                if passed {
                    return Ok(None);
                }
                match end {
                    End::Front => *first = Some(change.key.clone()),
                    End::Back => *last = Some(change.key.clone()),
                }
                Ok(Some(change))
            }
        }
    }
}

type Row = (Key, Value);

/// Two states walked side by side, from one end.
#[derive(Debug)]
struct Merge {
    old: Iter,
    new: Iter,
    next: (Option<Row>, Option<Row>),
    end: End,
}

impl Merge {
    fn step(&mut self) -> Result<Option<Change>> {
        let pull = |iter: &mut Iter| match self.end {
            End::Front => iter.next().transpose(),
            End::Back => iter.next_back().transpose(),
        };
        if self.next.0.is_none() {
            self.next.0 = pull(&mut self.old)?;
        }
        if self.next.1.is_none() {
            self.next.1 = pull(&mut self.new)?;
        }
        let order = match (&self.next.0, &self.next.1) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => match self.end {
                End::Front => old.cmp(new),
                End::Back => new.cmp(old),
            },
        };
        let old = if order.is_le() {
            self.next.0.take()
        } else {
            None
        };
        let new = if order.is_ge() {
            self.next.1.take()
        } else {
            None
        };
        let key = old.as_ref().or(new.as_ref()).map(|(key, _)| key.clone());
        Ok(key.map(|key| Change {
            key,
            old: old.map(|(_, value)| value),
            new: new.map(|(_, value)| value),
        }))
    }
}

impl Iterator for Diff {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(End::Front)
    }
}

impl DoubleEndedIterator for Diff {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(End::Back)
    }
}

impl std::iter::FusedIterator for Diff {}
