//! [`KeyHash`] and [`Place`]: how keys are found in tables.

use std::hash::BuildHasher;

/// How keys are hashed: with a seed of each executor's own, so that nobody can make keys that meet.
#[cfg(not(any(loom, shuttle)))]
pub(super) type KeyHasher = hashbrown::DefaultHashBuilder;
/// A model runs the same execution again.
#[cfg(any(loom, shuttle))]
pub(super) type KeyHasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// Half of a key's hash: enough to find it, and small enough to lie in the table beside what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyHash(u32);

impl KeyHash {
    pub(super) fn of(hasher: &KeyHasher, key: &[u8]) -> Self {
        let hash = hasher.hash_one(key);
        // Neither half alone is spread well.
        let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
        Self(u32::try_from(folded).unwrap_or(0))
    }

    /// For a table, which looks at the highest bits and the lowest.
    pub(super) fn spread(self) -> u64 {
        let half = u64::from(self.0);
        half << 32 | half
    }

    /// One of so many parts of a table: by bits that the parts do not look at.
    pub(super) fn part(self, count: usize) -> usize {
        (self.0 >> 16) as usize % count
    }
}

/// An entry of a table: what the key's number is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) hash: KeyHash,
    pub(super) number: u32,
}

impl Place {
    pub(super) fn spread(self) -> u64 {
        self.hash.spread()
    }
}
