//! [`Segment`]: the versions of a run of commits, in key order.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    mem,
    ops::Bound,
};

use smallvec::SmallVec;

use crate::{
    arena::Arena,
    codec::key::KeyBuffer,
    storage::{iter::Value, walk::Direction},
    sync::{AtomicU64, Ordering, RwLock},
    timestamp::Timestamp,
};

/// Small values are copied into blocks of memory of this size.
const BLOCK_BYTES: usize = 256 << 10;
/// What a key takes beyond its own bytes, about: its place in the map.
const KEY_OVERHEAD_BYTES: usize = 64;

/// How many versions are added before readers get the lock.
const INSERTED_AT_ONCE: usize = if cfg!(test) { 2 } else { 1024 };

/// An encoded user key, in the map itself where it is not long: comparing it then needs no other memory.
pub(crate) type RecentKey = SmallVec<[u8; 36]>;

/// What a commit did to a key: a value, or `None` where it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecentVersion {
    pub(crate) start: Timestamp,
    pub(crate) value: Option<Value>,
}

/// The versions of one key, oldest first.
pub(crate) type Versions = SmallVec<[RecentVersion; 1]>;

#[derive(Debug, Default)]
pub(crate) struct Segment {
    contents: RwLock<Contents>,
    versions: AtomicU64,
    size_bytes: AtomicU64,
    /// The newest commit.
    newest: AtomicU64,
}

#[derive(Debug, Default)]
struct Contents {
    /// The number of the newest version of each key.
    keys: BTreeMap<RecentKey, usize>,
    /// All versions, oldest first, by their number.
    versions: Vec<Linked>,
    values: Arena<BLOCK_BYTES>,
}

/// A version in the list of its key's. `earlier` leads further back, so that a version is found in a number of
/// steps logarithmic in how many there are (Myers, "An applicative random-access stack", 1983).
#[derive(Debug)]
struct Linked {
    version: RecentVersion,
    /// The number of the same key's version before this one.
    previous: Option<usize>,
    /// The number of one before that, or of the key's first.
    earlier: usize,
    /// How many versions the key has before this one.
    depth: usize,
}

impl Segment {
    /// Adds what commits did to encoded keys, oldest first. Returns how many versions that are.
    pub(super) fn insert(
        &self,
        commits: impl Iterator<Item = (Timestamp, KeyBuffer, Option<Value>)>,
    ) -> u64 {
        let (mut added, mut added_bytes, mut newest) = (0, 0, Timestamp::ZERO);
        let mut commits = commits.peekable();
        // What is not published yet may be here in part: reads pass it over.
        while commits.peek().is_some() {
            let mut contents = self.contents.write();
            for (start, encoded, value) in commits.by_ref().take(INSERTED_AT_ONCE) {
                added += 1;
                added_bytes += mem::size_of::<Linked>() + value.as_ref().map_or(0, Value::len);
                newest = start;
                if contents.insert(start, &encoded, value) {
                    added_bytes += KEY_OVERHEAD_BYTES + encoded.len();
                }
            }
        }
        let added_bytes = u64::try_from(added_bytes).unwrap_or(u64::MAX);
        self.versions.fetch_add(added, Ordering::Relaxed);
        self.size_bytes.fetch_add(added_bytes, Ordering::Relaxed);
        self.newest.fetch_max(newest.get(), Ordering::Relaxed);
        added
    }

    pub(super) fn versions(&self) -> u64 {
        self.versions.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions() == 0
    }

    /// The memory that it takes, about.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// The newest commit in it.
    pub(crate) fn newest(&self) -> Timestamp {
        Timestamp::new(self.newest.load(Ordering::Relaxed))
    }

    /// The newest version of a key at a timestamp, where one began here by then.
    pub(super) fn get(&self, encoded: &[u8], at: Timestamp) -> Option<RecentVersion> {
        let contents = self.contents.read();
        let newest = *contents.keys.get(encoded)?;
        contents.visible(newest, at).map(apart)
    }

    /// Adds the versions of a key up to a timestamp, oldest first.
    pub(super) fn versions_of(
        &self,
        encoded: &[u8],
        until: Timestamp,
        versions: &mut Vec<RecentVersion>,
    ) {
        let contents = self.contents.read();
        let newest = contents.keys.get(encoded).copied();
        let before = versions.len();
        let older = newest
            .into_iter()
            .flat_map(|newest| contents.versions(newest));
        versions.extend(older.filter(|version| version.start <= until).map(apart));
        if let Some(added) = versions.get_mut(before..) {
            added.reverse();
        }
    }

    /// The next keys with all their versions, for a segment that does not change any more: those after
    /// `after`, as many as fit into `limit_bytes` of values, but at least one and at most `limit`.
    pub(crate) fn next_keys(
        &self,
        after: Option<&RecentKey>,
        limit: usize,
        limit_bytes: usize,
    ) -> Vec<(RecentKey, Versions)> {
        let contents = self.contents.read();
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_slice()));
        let rows = contents.keys.range::<[u8], _>((from, Bound::Unbounded));
        let (mut found, mut bytes) = (Vec::new(), 0);
        for (key, newest) in rows.take(limit) {
            if bytes >= limit_bytes && !found.is_empty() {
                break;
            }
            let mut versions: Versions = contents.versions(*newest).cloned().collect();
            versions.reverse();
            let values = versions.iter().filter_map(|version| version.value.as_ref());
            bytes += values.map(Value::len).sum::<usize>();
            found.push((key.clone(), versions));
        }
        found
    }

    /// The next keys of a part that have a version at a timestamp, and its value: at most `limit`, from
    /// the end of the part that the direction begins at.
    pub(super) fn next_values(
        &self,
        part: (Bound<&[u8]>, Bound<&[u8]>),
        at: Timestamp,
        direction: Direction,
        limit: usize,
    ) -> Vec<(RecentKey, Option<Value>)> {
        let contents = self.contents.read();
        let value = |(key, newest): (&RecentKey, &usize)| {
            let version = contents.visible(*newest, at)?;
            Some((key.clone(), apart(version).value))
        };
        let rows = contents.keys.range::<[u8], _>(part);
        match direction {
            Direction::Forward => rows.filter_map(value).take(limit).collect(),
            Direction::Backward => rows.rev().filter_map(value).take(limit).collect(),
        }
    }
}

impl Contents {
    /// Adds a version. Returns whether it is the first of its key.
    fn insert(&mut self, start: Timestamp, encoded: &[u8], value: Option<Value>) -> bool {
        let number = self.versions.len();
        let value = value.map(|value| self.values.keep(&value));
        let previous = match self.keys.entry(RecentKey::from_slice(encoded)) {
            Entry::Occupied(mut newest) => Some(mem::replace(newest.get_mut(), number)),
            Entry::Vacant(place) => {
                place.insert(number);
                None
            }
        };
        let version = RecentVersion { start, value };
        let (earlier, depth) = self.earlier(number, previous);
        self.versions.push(Linked {
            version,
            previous,
            earlier,
            depth,
        });
        previous.is_none()
    }

    /// Where version `number`, behind `previous`, leads back to, and its depth.
    fn earlier(&self, number: usize, previous: Option<usize>) -> (usize, usize) {
        let linked = |number: usize| self.versions.get(number);
        let Some((at, before)) = previous.and_then(|at| Some((at, linked(at)?))) else {
            return (number, 0);
        };
        // Two jumps of the same length become one.
        let jump = linked(before.earlier).filter(|jump| {
            let next = linked(jump.earlier).map_or(0, |next| next.depth);
            before.depth - jump.depth == jump.depth - next
        });
        (jump.map_or(at, |jump| jump.earlier), before.depth + 1)
    }

    /// The versions of a key from this one on, newest first.
    fn versions(&self, newest: usize) -> impl Iterator<Item = &RecentVersion> {
        let linked = |number: usize| self.versions.get(number);
        let newest = linked(newest);
        let older = std::iter::successors(newest, move |version| linked(version.previous?));
        older.map(|linked| &linked.version)
    }

    /// The newest version at or below a timestamp.
    fn visible(&self, newest: usize, at: Timestamp) -> Option<&RecentVersion> {
        let mut linked = self.versions.get(newest)?;
        while linked.version.start > at {
            let earlier = self.versions.get(linked.earlier)?;
            linked = if earlier.version.start > at && linked.depth > earlier.depth {
                earlier
            } else {
                self.versions.get(linked.previous?)?
            };
        }
        Some(&linked.version)
    }
}

/// A version for a caller who may keep it: a small value is not to hold the block that it was copied into.
fn apart(version: &RecentVersion) -> RecentVersion {
    RecentVersion {
        start: version.start,
        value: version.value.as_ref().map(Arena::<BLOCK_BYTES>::apart),
    }
}
