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

#[cfg(all(test, not(any(loom, shuttle))))]
pub(super) mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Two keys that cannot be told apart by their hashes: among so many that there are some.
    pub(in crate::executor) fn keys_that_meet(hasher: &KeyHasher) -> [[u8; 8]; 2] {
        let mut found = HashMap::new();
        (0_u64..)
            .map(u64::to_be_bytes)
            .find_map(|key| {
                let hash = KeyHash::of(hasher, &key);
                found.insert(hash.0, key).map(|other| [other, key])
            })
            .unwrap()
    }

    #[test]
    fn hashes_differ_in_their_parts_and_in_what_tables_look_at() {
        let hasher = KeyHasher::default();
        let of_keys: Vec<_> = (0..4_096_u32)
            .map(|key| KeyHash::of(&hasher, &key.to_be_bytes()))
            .collect();
        let count = |of: fn(&KeyHash) -> u64| {
            let values: std::collections::HashSet<_> = of_keys.iter().map(of).collect();
            values.len()
        };
        // By chance fewer are as good as impossible: 4,096 into 64 and into 128.
        assert_eq!(count(|hash| hash.part(64) as u64), 64);
        assert_eq!(count(|hash| hash.spread() >> 57), 128);
        assert_eq!(count(|hash| hash.spread() & 127), 128);
    }
}
