//! [`RowCache`]: single rows of one keyspace, kept in memory in front of a backend's reads.
//!
//! A row that a backend has to look for in blocks, filters and indexes is found here by its key's hash. That a key
//! has no row is kept, too. Keys are spread over small sets, each with a lock, a bound in bytes and a
//! clock of its own: what was not asked for since the hand came by goes first.
//!
//! **Invariant:** a row that is here is the one that the backend would give. Before a key is written, its set forgets
//! it, and takes no row in before the write has ended; a row that was read before that is refused by the
//! set's generation. So a reader that has met anything of a write, anywhere, does not meet what was before it here.
//! The row that was written comes in at the write's end, where the set was left alone by other writes: in place of
//! the one that was here, or where there is room.

#[cfg(all(test, loom))]
mod loom_tests;

use std::hash::BuildHasher;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::sync::{CachePadded, Mutex};

/// Rows of a set.
const WAYS: usize = 16;
/// Bytes of the rows of a set, with what surrounds them.
const SET_BYTES: usize = 4 << 10;
/// What an entry takes beside its key and its row.
const ENTRY_BYTES: usize = 64;
/// Larger entries would push out too many others.
const ENTRY_MAX_BYTES: usize = SET_BYTES / 4;

#[cfg(not(any(loom, shuttle)))]
type Hasher = hashbrown::DefaultHashBuilder;
/// A model runs the same execution again.
#[cfg(any(loom, shuttle))]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

pub(crate) struct RowCache {
    hasher: Hasher,
    sets: Box<[CachePadded<Mutex<Set>>]>,
}

/// What is known of a row.
#[derive(Debug)]
pub(crate) enum Known {
    Row(Option<Bytes>),
    /// The backend has to be asked; what it says may be kept.
    Unknown(Ticket),
}

/// Says since when a key is looked for.
#[derive(Debug)]
#[must_use = "what the backend says is to be kept"]
pub(crate) struct Ticket {
    hash: u64,
    /// None where a write is under way.
    generation: Option<u64>,
}

/// Keys that are being written. Their sets take no rows in while it lives.
#[derive(Debug)]
pub(crate) struct Writing<'r> {
    rows: &'r RowCache,
    forgotten: SmallVec<[Forgotten; 16]>,
}

/// A key that was forgotten.
#[derive(Debug)]
struct Forgotten {
    hash: u64,
    /// Of its set, since; none where another write was under way, which may have come after this one.
    generation: Option<u64>,
    was_known: bool,
}

impl Writing<'_> {
    /// Ends it, after the write has succeeded. The rows are those that it began with, in the same order.
    pub(crate) fn written<'k>(mut self, rows: impl Iterator<Item = (&'k [u8], Option<&'k [u8]>)>) {
        let forgotten = std::mem::take(&mut self.forgotten);
        for (forgotten, (key, row)) in forgotten.into_iter().zip(rows) {
            if let Some(set) = self.rows.set(forgotten.hash) {
                let mut set = set.lock();
                set.writes -= 1;
                set.take_in(&forgotten, key, row);
            }
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        for forgotten in &self.forgotten {
            if let Some(set) = self.rows.set(forgotten.hash) {
                set.lock().writes -= 1;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Set {
    /// Parts of hashes, side by side, so that most look-ups touch one entry at most.
    tags: [u32; WAYS],
    entries: Vec<Entry>,
    bytes: usize,
    /// Bit by bit: whether an entry was asked for since the hand came by.
    asked: u16,
    hand: usize,
    /// Grows with each key that is forgotten.
    generation: u64,
    /// Keys of this set that are being written.
    writes: u32,
}

/// A key and its row.
#[derive(Debug)]
struct Entry {
    key_bytes: usize,
    has_row: bool,
    /// The key, then the row.
    bytes: Bytes,
}

impl Entry {
    fn size_of(key: &[u8], row: Option<&[u8]>) -> usize {
        key.len() + row.map_or(0, <[u8]>::len) + ENTRY_BYTES
    }

    /// None for what is too large.
    fn new(key: &[u8], row: Option<&[u8]>) -> Option<Self> {
        (Self::size_of(key, row) <= ENTRY_MAX_BYTES).then(|| Self {
            key_bytes: key.len(),
            has_row: row.is_some(),
            bytes: [key, row.unwrap_or_default()].concat().into(),
        })
    }

    fn is_of(&self, key: &[u8]) -> bool {
        self.bytes.get(..self.key_bytes) == Some(key)
    }

    fn row(&self) -> Option<Bytes> {
        self.has_row.then(|| self.bytes.slice(self.key_bytes..))
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

fn tag_of(hash: u64) -> u32 {
    // Sets are chosen by the other half.
    u32::try_from(hash >> 32).unwrap_or_default()
}

impl RowCache {
    /// For so many bytes, about. None where that is too little to be of use.
    pub(crate) fn new(size_bytes: usize) -> Option<Self> {
        let sets = size_bytes / SET_BYTES;
        (sets > 0).then(|| Self {
            hasher: Hasher::default(),
            sets: std::iter::repeat_with(CachePadded::default)
                .take(sets)
                .collect(),
        })
    }

    fn set(&self, hash: u64) -> Option<&Mutex<Set>> {
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default();
        let set = self.sets.get(low % self.sets.len().max(1))?;
        Some(set)
    }

    /// The row of a key, or that it has none, if that is known.
    pub(crate) fn get(&self, key: &[u8]) -> Known {
        let hash = self.hasher.hash_one(key);
        let unknown = |generation| Known::Unknown(Ticket { hash, generation });
        let Some(set) = self.set(hash) else {
            return unknown(None);
        };
        let mut set = set.lock();
        if let Some(number) = set.find(hash, |entry| entry.is_of(key))
            && let Some(entry) = set.entries.get(number)
        {
            let row = entry.row();
            set.asked |= 1 << number;
            return Known::Row(row);
        }
        unknown((set.writes == 0).then_some(set.generation))
    }

    /// Keeps what the backend said of a key since the ticket was given, if no write came between. Returns
    /// the row.
    pub(crate) fn keep(&self, ticket: &Ticket, key: &[u8], row: Option<&[u8]>) -> Option<Bytes> {
        let Some((generation, entry)) = ticket.generation.zip(Entry::new(key, row)) else {
            return row.map(Bytes::copy_from_slice);
        };
        let row = entry.row();
        if let Some(set) = self.set(ticket.hash) {
            set.lock().insert(ticket.hash, generation, entry);
        }
        row
    }

    /// Forgets keys that are going to be written, until the write has ended.
    pub(crate) fn write<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Writing<'_> {
        let mut writing = Writing {
            rows: self,
            forgotten: SmallVec::new(),
        };
        for key in keys {
            let hash = self.hasher.hash_one(key);
            let (mut generation, mut was_known) = (None, false);
            if let Some(set) = self.set(hash) {
                let mut set = set.lock();
                set.generation += 1;
                generation = (set.writes == 0).then_some(set.generation);
                set.writes += 1;
                was_known = set.find(hash, |entry| entry.is_of(key)).is_some();
                // Whatever looks like it: the row comes back when it is asked for.
                while let Some(number) = set.find(hash, |_| true) {
                    set.remove(number);
                }
            }
            writing.forgotten.push(Forgotten {
                hash,
                generation,
                was_known,
            });
        }
        writing
    }
}

impl std::fmt::Debug for RowCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCache")
            .field("sets", &self.sets.len())
            .finish_non_exhaustive()
    }
}

impl Set {
    fn find(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
        let tag = tag_of(hash);
        let tags = self.tags.iter().zip(&self.entries).enumerate();
        let mut alike = tags.filter(|(_, (other, _))| **other == tag);
        alike
            .find(|(_, (_, entry))| is_it(entry))
            .map(|(number, _)| number)
    }

    fn insert(&mut self, hash: u64, generation: u64, entry: Entry) {
        if !self.is_unwritten_since(generation) {
            return;
        }
        let key = entry.bytes.get(..entry.key_bytes).unwrap_or_default();
        if self.find(hash, |other| other.is_of(key)).is_some() {
            return;
        }
        while !self.entries.is_empty()
            && (self.entries.len() >= WAYS || self.bytes + entry.size_bytes() > SET_BYTES)
        {
            self.push_out();
        }
        if let Some(tag) = self.tags.get_mut(self.entries.len()) {
            *tag = tag_of(hash);
            self.bytes += entry.size_bytes();
            self.entries.push(entry);
        }
    }

    fn is_unwritten_since(&self, generation: u64) -> bool {
        self.writes == 0 && self.generation == generation
    }

    /// Takes in a row that was written, where it was known before, or where that pushes nothing out.
    fn take_in(&mut self, forgotten: &Forgotten, key: &[u8], row: Option<&[u8]>) {
        let Some(generation) = forgotten.generation else {
            return;
        };
        if !self.is_unwritten_since(generation) {
            return;
        }
        let size = Entry::size_of(key, row);
        let has_room = self.entries.len() < WAYS && self.bytes + size <= SET_BYTES;
        if (forgotten.was_known || has_room)
            && let Some(entry) = Entry::new(key, row)
        {
            self.insert(forgotten.hash, generation, entry);
        }
    }

    /// Makes room: the next that was not asked for since the hand came by goes.
    fn push_out(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.entries.len().max(1);
            let bit = 1 << self.hand;
            if self.asked & bit == 0 {
                self.remove(self.hand);
                return;
            }
            self.asked &= !bit;
        }
    }

    /// Takes an entry out; the last one takes its place.
    fn remove(&mut self, number: usize) {
        if number >= self.entries.len() {
            return;
        }
        let entry = self.entries.swap_remove(number);
        self.bytes -= entry.size_bytes();
        let last = self.entries.len();
        self.tags.swap(number, last);
        let is_asked = self.asked >> last & 1;
        self.asked &= !(1 << last);
        self.asked = self.asked & !(1 << number) | is_asked << number;
        if number == last {
            self.asked &= !(1 << number);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Reads through the cache, as a backend does.
    fn read(cache: &RowCache, stored: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]) -> Option<Bytes> {
        match cache.get(key) {
            Known::Row(row) => row,
            Known::Unknown(ticket) => cache.keep(&ticket, key, stored.get(key).map(Vec::as_slice)),
        }
    }

    fn is_known(cache: &RowCache, key: &[u8]) -> bool {
        matches!(cache.get(key), Known::Row(_))
    }

    #[test]
    fn what_is_read_is_what_is_stored_under_any_writes() {
        for seed in 0..20 {
            let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let cache = RowCache::new(8 * SET_BYTES).unwrap();
            let mut stored = BTreeMap::new();
            let mut hits = 0;
            for step in 0..5_000 {
                let key = vec![b'k'; random.random_range(1..3)]
                    .into_iter()
                    .chain([random.random_range(0..200)])
                    .collect::<Vec<u8>>();
                if random.random_ratio(1, 10) {
                    let writing = cache.write([&key[..]].into_iter());
                    if random.random() {
                        let size = random.random_range(0..2_000);
                        stored.insert(key.clone(), vec![random.random(); size]);
                    } else {
                        stored.remove(&key);
                    }
                    if random.random() {
                        let row = stored.get(&key).map(Vec::as_slice);
                        writing.written([(&key[..], row)].into_iter());
                    }
                }
                hits += u32::from(is_known(&cache, &key));
                let row = read(&cache, &stored, &key);
                assert_eq!(
                    row.as_deref(),
                    stored.get(&key).map(Vec::as_slice),
                    "{seed} {step}"
                );
            }
            assert!(hits > 1_000, "{hits} of seed {seed}");
            for set in &cache.sets {
                let set = set.lock();
                let bytes: usize = set.entries.iter().map(Entry::size_bytes).sum();
                assert_eq!(set.bytes, bytes);
                assert!(bytes <= SET_BYTES && set.entries.len() <= WAYS && set.writes == 0);
            }
        }
    }

    #[test]
    fn absent_keys_are_known_too_and_empty_rows_are_not_absent() {
        let cache = RowCache::new(SET_BYTES).unwrap();
        let stored = BTreeMap::from([(b"empty".to_vec(), Vec::new())]);
        for _ in 0..2 {
            assert_eq!(read(&cache, &stored, b"empty"), Some(Bytes::new()));
            assert_eq!(read(&cache, &stored, b"none"), None);
        }
        assert!(is_known(&cache, b"empty") && is_known(&cache, b"none"));
        assert!(!is_known(&cache, b"nonesuch"));
    }

    #[test]
    fn what_is_asked_for_stays_and_large_rows_stay_out() {
        let cache = RowCache::new(SET_BYTES).unwrap();
        let stored: BTreeMap<_, _> = (0..200_u8).map(|key| (vec![key], vec![key])).collect();
        for key in 1..200 {
            read(&cache, &stored, &[0]);
            read(&cache, &stored, &[key]);
        }
        assert!(is_known(&cache, &[0]) && !is_known(&cache, &[1]));
        let large = BTreeMap::from([(b"large".to_vec(), vec![1; ENTRY_MAX_BYTES])]);
        assert_eq!(
            read(&cache, &large, b"large").unwrap().len(),
            ENTRY_MAX_BYTES
        );
        assert!(!is_known(&cache, b"large") && is_known(&cache, &[0]));
    }

    #[test]
    fn what_was_written_is_known_where_it_was_before_or_there_is_room() {
        let cache = RowCache::new(SET_BYTES).unwrap();
        let write = |key: &[u8], row: Option<&[u8]>| {
            let writing = cache.write([key].into_iter());
            assert!(!is_known(&cache, key));
            writing.written([(key, row)].into_iter());
        };
        let known = |key: &[u8]| match cache.get(key) {
            Known::Row(row) => row,
            Known::Unknown(_) => panic!("{key:?} is not known"),
        };
        for key in 0..16 {
            write(&[key], Some(&[key]));
            assert_eq!(known(&[key]).unwrap()[..], [key]);
        }
        write(&[99], Some(b"one too many"));
        assert!(!is_known(&cache, &[99]));
        write(&[3], Some(b"again"));
        assert_eq!(known(&[3]).unwrap(), "again");
        write(&[3], None);
        assert_eq!(known(&[3]), None);
        let stored = BTreeMap::from([(vec![99], b"read".to_vec())]);
        read(&cache, &stored, &[99]);
        assert!(is_known(&cache, &[99]), "what is read pushes others out");
        assert!(cache.sets.iter().all(|set| set.lock().writes == 0));

        // Another write of the set, a failed one too, leaves nothing that could be wrong.
        let first = cache.write([&[3][..]].into_iter());
        drop(cache.write([&[4][..]].into_iter()));
        first.written([(&[3][..], Some(&b"late"[..]))].into_iter());
        assert!(!is_known(&cache, &[3]) && !is_known(&cache, &[4]));
        // Of two writes at once, which of them came last is not known here.
        let first = cache.write([&[5][..]].into_iter());
        let second = cache.write([&[5][..]].into_iter());
        first.written([(&[5][..], Some(&b"1"[..]))].into_iter());
        second.written([(&[5][..], Some(&b"2"[..]))].into_iter());
        assert!(!is_known(&cache, &[5]));
    }

    #[test]
    fn while_a_key_is_written_nothing_of_its_set_is_kept() {
        let cache = RowCache::new(SET_BYTES).unwrap();
        let Known::Unknown(before) = cache.get(b"key") else {
            panic!("it is empty")
        };
        let writing = cache.write([&b"key"[..]].into_iter());
        assert_eq!(cache.keep(&before, b"key", Some(b"old")).unwrap(), "old");
        assert!(!is_known(&cache, b"key"));
        let Known::Unknown(within) = cache.get(b"key") else {
            panic!("it is being written")
        };
        drop(writing);
        cache.keep(&before, b"key", Some(b"old"));
        cache.keep(&within, b"key", Some(b"old"));
        assert!(!is_known(&cache, b"key"));
        assert!(RowCache::new(SET_BYTES - 1).is_none());
    }
}
