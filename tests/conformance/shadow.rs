//! A transaction's reference: what it must read, what it relies on, and whether it may commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sapwood::{Isolation, KeyRange, Timestamp};

use crate::support::{Row, bytes};

pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Applies writes to a state.
pub(crate) fn apply(state: &mut State, writes: &Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

/// What one transaction has seen and done.
#[derive(Debug)]
pub(crate) struct Shadow {
    isolation: Isolation,
    snapshot: State,
    pub(crate) writes: Writes,
    points: BTreeSet<Vec<u8>>,
    scans: Vec<Scan>,
    /// The writes at each savepoint, in the order in which they were made; taken back where absent.
    savepoints: Vec<Option<Writes>>,
    /// What others committed since the snapshot.
    others: BTreeSet<(Vec<u8>, Timestamp)>,
}

/// What an iterator has given out.
#[derive(Debug)]
struct Scan {
    range: KeyRange,
    rows: VecDeque<Row>,
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    is_whole: bool,
}

impl Shadow {
    pub(crate) fn new(isolation: Isolation, snapshot: State) -> Self {
        Self {
            isolation,
            snapshot,
            writes: Writes::new(),
            points: BTreeSet::new(),
            scans: Vec::new(),
            savepoints: Vec::new(),
            others: BTreeSet::new(),
        }
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if !self.writes.contains_key(key) {
            self.points.insert(key.to_vec());
        }
        self.get_untracked(key)
    }

    pub(crate) fn get_untracked(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(written) => written.clone(),
            None => self.snapshot.get(key).cloned(),
        }
    }

    /// A range is going to be read. Returns its number.
    pub(crate) fn scan(&mut self, range: KeyRange) -> usize {
        let mut state = self.snapshot.clone();
        apply(&mut state, &self.writes);
        let rows = state.into_iter().filter(|(key, _)| range.contains(key));
        self.scans.push(Scan {
            rows: rows.collect(),
            range,
            first: None,
            last: None,
            is_whole: false,
        });
        self.scans.len() - 1
    }

    /// The next row at an end of a range that was begun.
    pub(crate) fn step(&mut self, number: usize, is_front: bool) -> Option<Row> {
        let scan = &mut self.scans[number];
        let row = if is_front {
            scan.rows.pop_front()
        } else {
            scan.rows.pop_back()
        };
        match &row {
            Some((key, _)) if is_front => scan.first = Some(key.clone()),
            Some((key, _)) => scan.last = Some(key.clone()),
            None => scan.is_whole = true,
        }
        row
    }

    pub(crate) fn savepoint(&mut self) {
        self.savepoints.push(Some(self.writes.clone()));
    }

    /// Whether there is such a savepoint, to which the writes have gone back now.
    pub(crate) fn rollback_to(&mut self, number: usize) -> bool {
        let Some(writes) = self.savepoints[number].clone() else {
            return false;
        };
        self.writes = writes;
        self.savepoints[number + 1..].fill(None);
        true
    }

    /// Another committed these writes.
    pub(crate) fn other(&mut self, writes: &Writes, timestamp: Timestamp) {
        let keys = writes.keys().map(|key| (key.clone(), timestamp));
        self.others.extend(keys);
    }

    /// The keys that it relies on and that others committed since, and when; each is a reason to
    /// refuse it.
    pub(crate) fn reasons(&self) -> BTreeSet<(Vec<u8>, Timestamp)> {
        if self.writes.is_empty() {
            return BTreeSet::new();
        }
        let is_read = |key: &[u8]| {
            self.points.contains(key) || self.scans.iter().any(|scan| scan.has_passed(key))
        };
        let is_serializable = self.isolation == Isolation::Serializable;
        let relies_on =
            |key: &Vec<u8>| self.writes.contains_key(key) || is_serializable && is_read(key);
        let reasons = self.others.iter().filter(|(key, _)| relies_on(key));
        reasons.cloned().collect()
    }
}

impl Scan {
    /// Whether the iterator has told whether this key is there.
    fn has_passed(&self, key: &[u8]) -> bool {
        let first = self.first.as_ref();
        let last = self.last.as_ref();
        self.range.contains(key)
            && (self.is_whole
                || first.is_some_and(|first| key <= first.as_slice())
                || last.is_some_and(|last| key >= last.as_slice()))
    }
}

/// Some keys that are easily confused, in order.
pub(crate) fn keys() -> [Vec<u8>; 8] {
    [&b""[..], b"\0", b"a", b"a\0", b"ab", b"b", b"b\xFF", b"c"].map(bytes)
}
