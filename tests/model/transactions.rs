//! Transactions in the schedule: several open at once, between direct commits, prunes and reads. The
//! reference says exactly which of them must be refused.

use std::collections::BTreeMap;

use rand::{RngExt, seq::IndexedRandom};
use sapwood::{
    ErrorKind, Isolation, KeyRange, ReadView, Savepoint, Transaction, TransactionOptions,
};

use crate::{
    reference::{Key, Reference, Value},
    schedule::{Schedule, at},
};

/// The most that are open at once.
const OPEN_MAX: usize = 4;

type Writes = BTreeMap<Key, Option<Value>>;

pub(crate) struct Open {
    pub(crate) transaction: Transaction,
    isolation: Isolation,
    is_read_only: bool,
    writes: Writes,
    points: Vec<Key>,
    ranges: Vec<KeyRange>,
    savepoints: Vec<(Savepoint, Writes)>,
}

impl Open {
    pub(crate) fn timestamp(&self) -> u64 {
        self.transaction.timestamp().get()
    }

    fn get(&self, reference: &Reference, key: &Key) -> Option<Value> {
        match self.writes.get(key) {
            Some(written) => written.clone(),
            None => reference.get(key, self.timestamp()),
        }
    }

    fn rows(&self, reference: &Reference, range: &KeyRange) -> Vec<(Key, Value)> {
        let mut state = reference.state(self.timestamp());
        for (key, value) in &self.writes {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        state.retain(|key, _| range.contains(key));
        state.into_iter().collect()
    }

    /// Whether a commit since its snapshot changed what it relies on.
    fn is_lost(&self, reference: &Reference) -> bool {
        let relies_on = |key: &Key| {
            let serializable = self.isolation == Isolation::Serializable;
            self.writes.contains_key(key)
                || serializable && self.points.contains(key)
                || serializable && self.ranges.iter().any(|range| range.contains(key))
        };
        let since = reference.written_since(self.timestamp());
        !self.writes.is_empty() && since.into_iter().any(relies_on)
    }
}

impl Schedule {
    pub(crate) fn transact(&mut self) {
        if self.transactions.is_empty()
            || self.transactions.len() < OPEN_MAX && self.random.random_bool(0.1)
        {
            self.begin();
            return;
        }
        let index = self.random.random_range(0..self.transactions.len());
        let mut open = self.transactions.swap_remove(index);
        self.note(format!("of the transaction at {}:", open.timestamp()));
        match self.random.random_range(0..20) {
            0..=4 => self.read_in(&mut open),
            5..=8 => self.scan_in(&mut open),
            9..=13 => self.write_in(&mut open),
            14 => self.save_in(&mut open),
            15 => self.roll_back_in(&mut open),
            16 => {
                self.note("roll back".to_owned());
                open.transaction.rollback();
                return;
            }
            _ => {
                self.commit_open(open);
                return;
            }
        }
        self.transactions.push(open);
    }

    fn begin(&mut self) {
        let isolation = *[Isolation::Snapshot, Isolation::Serializable]
            .choose(&mut self.random)
            .unwrap();
        let mut options = TransactionOptions::default().isolation(isolation);
        let is_read_only = self.random.random_bool(0.2);
        if is_read_only && self.random.random() {
            options = options.at(at(self.readable()));
        } else if is_read_only {
            options = options.read_only();
        }
        self.note(format!("begin {options:?}"));
        let transaction = self.engine().begin_with(options).unwrap();
        let expected = options.at.unwrap_or(at(self.reference.visible));
        self.same(transaction.timestamp(), expected, "the snapshot");
        self.transactions.push(Open {
            transaction,
            isolation,
            is_read_only,
            writes: Writes::new(),
            points: Vec::new(),
            ranges: Vec::new(),
            savepoints: Vec::new(),
        });
    }

    fn read_in(&mut self, open: &mut Open) {
        let keys: Vec<_> = (0..3).map(|_| self.key()).collect();
        let expected: Vec<_> = keys
            .iter()
            .map(|key| open.get(&self.reference, key))
            .collect();
        let bytes = |value: Option<sapwood::Value>| value.map(|value| value.to_vec());
        let found: Vec<_> = match self.random.random_range(0..3) {
            0 => {
                self.note(format!("read {keys:?} untracked"));
                let get = |key: &Key| bytes(open.transaction.get_untracked(key).unwrap());
                keys.iter().map(get).collect()
            }
            1 => {
                self.note(format!("multi_get {keys:?}"));
                let values = open.transaction.multi_get(&keys).unwrap();
                self.rely_on(open, &keys);
                values.into_iter().map(bytes).collect()
            }
            _ => {
                self.note(format!("read {keys:?}"));
                let get = |key: &Key| bytes(open.transaction.get(key).unwrap());
                let values = keys.iter().map(get).collect();
                self.rely_on(open, &keys);
                values
            }
        };
        self.same(found, expected, &format!("{keys:?} in a transaction"));
    }

    /// Keys that it has written itself are not read.
    #[expect(clippy::unused_self, reason = "reads like the others")]
    fn rely_on(&self, open: &mut Open, keys: &[Key]) {
        let read = keys.iter().filter(|key| !open.writes.contains_key(*key));
        open.points.extend(read.cloned());
    }

    /// Takes some rows of a range from either end: that far the range counts as read.
    fn scan_in(&mut self, open: &mut Open) {
        let range = self.range();
        let mut rows = open.rows(&self.reference, &range);
        self.note(format!("scan {range:?}"));
        let mut iter = open.transaction.range(range.clone());
        let (mut first, mut last) = (None, None);
        let mut whole = false;
        for _ in 0..self.random.random_range(0..8) {
            let front: bool = self.random.random();
            let (found, expected) = if front {
                (iter.next(), (!rows.is_empty()).then(|| rows.remove(0)))
            } else {
                (iter.next_back(), rows.pop())
            };
            let found = found.map(|row| {
                let (key, value) = row.unwrap();
                (key.to_vec(), value.to_vec())
            });
            self.note(format!("front {front}: {found:?}"));
            match &found {
                None => whole = true,
                Some((key, _)) if front => first = Some(key.clone()),
                Some((key, _)) => last = Some(key.clone()),
            }
            self.same(found, expected, "a row in a transaction");
            if whole {
                break;
            }
        }
        if whole {
            open.ranges.push(range);
            return;
        }
        let up_to = first.map(|first| KeyRange::new(..=first));
        let down_to = last.map(|last| KeyRange::new(last..));
        let parts = up_to.into_iter().chain(down_to);
        open.ranges
            .extend(parts.map(|part| part.intersection(range.clone())));
    }

    fn write_in(&mut self, open: &mut Open) {
        let (key, value) = (self.key(), self.value());
        let value = self.random.random_bool(0.7).then_some(value);
        self.note(format!("write {key:?}: {value:?}"));
        let done = match &value {
            Some(value) => open.transaction.set(&key, value),
            None => open.transaction.delete(&key),
        };
        if open.is_read_only {
            let kind = done.unwrap_err().kind().clone();
            self.same(kind, ErrorKind::ReadOnly, "a write in a read-only one");
        } else {
            done.unwrap();
            open.writes.insert(key, value);
        }
    }

    fn save_in(&mut self, open: &mut Open) {
        self.note("savepoint".to_owned());
        let savepoint = open.transaction.savepoint();
        open.savepoints.push((savepoint, open.writes.clone()));
    }

    fn roll_back_in(&mut self, open: &mut Open) {
        if open.savepoints.is_empty() {
            return;
        }
        let index = self.random.random_range(0..open.savepoints.len());
        self.note(format!("roll back to savepoint {index}"));
        for (index_of, (savepoint, writes)) in open.savepoints.iter().enumerate() {
            if index_of == index {
                open.transaction.rollback_to(savepoint).unwrap();
                open.writes.clone_from(writes);
            } else if index_of > index {
                let done = open.transaction.rollback_to(savepoint);
                self.same(done.is_ok(), false, "back to a later savepoint");
            }
        }
        open.savepoints.truncate(index + 1);
    }

    fn commit_open(&mut self, open: Open) {
        let lost = open.is_lost(&self.reference);
        let (timestamp, visible) = (open.timestamp(), self.reference.visible);
        self.note(format!("commit, lost: {lost}"));
        let Open {
            transaction,
            writes,
            ..
        } = open;
        match transaction.commit() {
            Ok(info) if writes.is_empty() => {
                self.same((info.timestamp.get(), info.writes), (timestamp, 0), "empty");
            }
            Ok(info) => {
                self.same(lost, false, "a transaction that lost was committed");
                let found = (info.timestamp.get(), info.writes);
                self.same(found, (visible + 1, writes.len()), "its commit");
                let writes: Vec<_> = writes.into_iter().collect();
                self.reference.commit(visible + 1, &writes);
            }
            Err(error) => {
                self.same(lost, true, &format!("a transaction was refused: {error}"));
                let conflict = matches!(error.kind(), ErrorKind::Conflict { read, committed, .. }
                    if *read == at(timestamp) && *committed > *read);
                self.same(conflict, true, &format!("what it was told: {error:?}"));
            }
        }
        if self.transactions.iter().all(|open| open.is_read_only) {
            let stats = self.engine().stats();
            let left = (stats.open_transactions, stats.conflict_keys);
            self.same(left, (0, 0), "what ended transactions leave");
        }
    }
}
