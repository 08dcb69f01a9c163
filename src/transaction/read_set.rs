//! [`ReadSet`]: what a transaction has read, to be checked when it commits.
//!
//! A serializable transaction relies on every key and range in it; another needs none.

use std::collections::HashSet;

use crate::{
    error::{Error, Result},
    limits::TRANSACTION_READS_MAX_BYTES,
    storage::{Key, KeyRange},
    sync::{Arc, Mutex, MutexGuard},
};

/// What an entry takes beyond its bytes, about.
const ENTRY_OVERHEAD_BYTES: usize = 128;

#[derive(Debug)]
pub(super) struct ReadSet {
    /// Whether the transaction relies on what it reads.
    is_tracked: bool,
    points: HashSet<Key>,
    ranges: Vec<RangeRead>,
    tracked_bytes: usize,
}

/// What of a range an iterator has given out, from either end.
#[derive(Debug)]
struct RangeRead {
    range: KeyRange,
    first: Option<Key>,
    last: Option<Key>,
    is_whole: bool,
}

/// How far an iterator has come.
#[derive(Debug)]
pub(super) enum Extent<'k> {
    /// Every key from the start up to this one.
    To(&'k Key),
    /// Every key from this one to the end.
    From(&'k Key),
    /// All.
    Whole,
}

impl ReadSet {
    pub(super) fn new(is_tracked: bool) -> Self {
        Self {
            is_tracked,
            points: HashSet::new(),
            ranges: Vec::new(),
            tracked_bytes: 0,
        }
    }

    /// A key was read, and the transaction relies on it, if on anything.
    pub(super) fn add(&mut self, key: &[u8]) -> Result<()> {
        if !self.is_tracked || self.points.contains(key) {
            return Ok(());
        }
        self.points.insert(Key::copy_from_slice(key));
        self.track(key.len())
    }

    fn track(&mut self, bytes: usize) -> Result<()> {
        self.count(bytes + ENTRY_OVERHEAD_BYTES)
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.tracked_bytes += bytes;
        if self.tracked_bytes > TRANSACTION_READS_MAX_BYTES {
            return Err(Error::too_large(format!(
                "the transaction has read more than it can remember, {TRANSACTION_READS_MAX_BYTES} \
                 bytes of keys; read untracked what need not be checked, or run it at \
                 Isolation::Snapshot"
            )));
        }
        Ok(())
    }

    /// A range is going to be read. Returns its number, where the transaction will rely on it.
    pub(super) fn begin_range(&mut self, range: &KeyRange) -> Result<Option<usize>> {
        if !self.is_tracked || range.is_empty() {
            return Ok(None);
        }
        self.track(range.start.len() + range.end.as_ref().map_or(0, Vec::len))?;
        self.ranges.push(RangeRead {
            range: range.clone(),
            first: None,
            last: None,
            is_whole: false,
        });
        Ok(Some(self.ranges.len() - 1))
    }

    /// A range was read so far.
    pub(super) fn extend_range(&mut self, number: usize, extent: &Extent<'_>) -> Result<()> {
        let Some(read) = self.ranges.get_mut(number) else {
            return Ok(());
        };
        let (bound, key) = match extent {
            Extent::To(key) => (&mut read.first, Key::clone(key)),
            Extent::From(key) => (&mut read.last, Key::clone(key)),
            Extent::Whole => {
                read.is_whole = true;
                return Ok(());
            }
        };
        let growth = key.len().saturating_sub(bound.as_ref().map_or(0, Key::len));
        *bound = Some(key);
        self.count(growth)
    }

    /// The keys and ranges that the transaction relies on. Keys that it writes are checked anyway.
    pub(super) fn into_relied_on(
        self,
        is_written: impl Fn(&Key) -> bool,
    ) -> (Vec<Key>, Vec<KeyRange>) {
        let points = self.points.into_iter().filter(|key| !is_written(key));
        let ranges = self.ranges.into_iter().flat_map(RangeRead::into_parts);
        (points.collect(), ranges.collect())
    }
}

impl RangeRead {
    fn into_parts(self) -> impl Iterator<Item = KeyRange> {
        let Self {
            range,
            first,
            last,
            is_whole,
        } = self;
        if is_whole {
            return [Some(range), None].into_iter().flatten();
        }
        let end = range.end.clone();
        let from_start = first.map(|first| KeyRange::new(range.start.clone()..=Vec::from(first)));
        let to_end = last.map(|last| KeyRange {
            start: last.into(),
            end,
        });
        [from_start, to_end].into_iter().flatten()
    }
}

/// The read set of one transaction, shared with its iterators until the transaction ends.
#[derive(Debug)]
pub(super) struct Reads(SharedReads);

pub(super) type SharedReads = Arc<Mutex<Option<ReadSet>>>;

impl Reads {
    pub(super) fn new(is_tracked: bool) -> Self {
        let reads = ReadSet::new(is_tracked);
        Self(Arc::new(Mutex::new(Some(reads))))
    }

    pub(super) fn share(&self) -> SharedReads {
        Arc::clone(&self.0)
    }

    /// Notes something, while the transaction is open.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut ReadSet) -> Result<T>) -> Result<T> {
        note_in(self.0.lock(), note)
    }

    /// Ends the transaction's reading: its iterators fail from now on.
    pub(super) fn end(&self) -> Option<ReadSet> {
        self.0.lock().take()
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.end();
    }
}

/// Notes something in a shared read set.
pub(super) fn note_in<T>(
    mut reads: MutexGuard<'_, Option<ReadSet>>,
    note: impl FnOnce(&mut ReadSet) -> Result<T>,
) -> Result<T> {
    match reads.as_mut() {
        Some(reads) => note(reads),
        None => Err(Error::invalid(
            "the transaction of this iterator has ended; begin another",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::copy_from_slice(text.as_bytes())
    }

    fn relied_on(reads: ReadSet) -> (Vec<Key>, Vec<KeyRange>) {
        let (mut points, ranges) = reads.into_relied_on(|_| false);
        points.sort();
        (points, ranges)
    }

    #[test]
    fn a_range_is_relied_on_as_far_as_it_was_read() {
        let mut reads = ReadSet::new(true);
        let letters = KeyRange::new(b"a".to_vec()..b"z".to_vec());
        let digits = KeyRange::new(b"0".to_vec()..b"9".to_vec());
        let signs = KeyRange::new(b"!".to_vec()..b"/".to_vec());
        let numbers = [&letters, &letters, &digits, &signs]
            .map(|range| reads.begin_range(range).unwrap().unwrap());
        reads
            .extend_range(numbers[0], &Extent::To(&key("b")))
            .unwrap();
        reads
            .extend_range(numbers[0], &Extent::To(&key("c")))
            .unwrap();
        reads
            .extend_range(numbers[1], &Extent::From(&key("x")))
            .unwrap();
        reads
            .extend_range(numbers[1], &Extent::To(&key("b")))
            .unwrap();
        reads.extend_range(numbers[2], &Extent::Whole).unwrap();
        let ranges = [
            KeyRange::new(b"a".to_vec()..=b"c".to_vec()),
            KeyRange::new(b"a".to_vec()..=b"b".to_vec()),
            KeyRange::new(b"x".to_vec()..b"z".to_vec()),
            digits,
        ];
        assert_eq!(relied_on(reads), (vec![], ranges.to_vec()));
    }

    #[test]
    fn keys_are_relied_on_where_the_transaction_is_tracked() {
        let mut reads = ReadSet::new(true);
        for name in [b"a", b"c", b"a"] {
            reads.add(name).unwrap();
        }
        assert_eq!(relied_on(reads).0, [key("a"), key("c")]);

        let mut reads = ReadSet::new(false);
        reads.add(b"a").unwrap();
        assert!(reads.points.is_empty());
        assert_eq!(relied_on(reads).0, Vec::<Key>::new());
    }

    #[test]
    fn a_key_that_is_read_often_is_remembered_once() {
        let mut reads = ReadSet::new(true);
        let big = vec![0; 60 << 20];
        for _ in 0..10 {
            reads.add(&big).unwrap();
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut reads = ReadSet::new(true);
        let big = vec![0; 60 << 20];
        let mut read = |tail: u8| reads.add(&[&big[..], &[tail]].concat());
        let error = (0..5).find_map(|tail| read(tail).err()).unwrap();
        assert_eq!(error.kind().name(), "too_large");
    }

    #[test]
    fn bounds_of_ranges_count() {
        let mut reads = ReadSet::new(true);
        let number = reads.begin_range(&KeyRange::all()).unwrap().unwrap();
        let far = Key::from(vec![1; TRANSACTION_READS_MAX_BYTES]);
        assert!(reads.extend_range(number, &Extent::To(&key("a"))).is_ok());
        assert!(reads.extend_range(number, &Extent::To(&far)).is_err());
    }
}
