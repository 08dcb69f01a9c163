//! Keys and values that every reader can check without keeping them.
//!
//! A key is 32 bytes that look hashed. A value begins with a stamp of 8 bytes that only this key
//! and this version have; the rest of its first half is random, its second half is filler, so that
//! it compresses to about a half, as state does. Both are functions of `(id, version)`, so a reader
//! knows what it should see.

/// A key as written.
pub(crate) type Key = [u8; 32];

const FILLER: u8 = b'.';

/// Writes made up before the clock runs: ids and their new values.
pub(crate) type Writes = Vec<(u32, Vec<u8>)>;

/// The keys of a data set, and the length of its values.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) keys: Vec<Key>,
    pub(crate) value_bytes: usize,
}

impl Data {
    /// The first `keys` keys.
    pub(crate) fn new(keys: u32, value_bytes: usize) -> Self {
        Self {
            keys: (0..keys).map(key).collect(),
            value_bytes,
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    /// The key of an id below [`len`](Self::len).
    pub(crate) fn key(&self, id: u32) -> &[u8] {
        self.keys.get(id as usize).map_or(&[], |key| key.as_slice())
    }

    /// The value of a version of a key.
    pub(crate) fn value(&self, id: u32, version: u32) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.value_bytes + 8);
        let mut word = stamp(id, version);
        while value.len() < self.value_bytes / 2 {
            value.extend_from_slice(&word.to_le_bytes());
            word = mix(word);
        }
        value.truncate(self.value_bytes / 2);
        value.resize(self.value_bytes, FILLER);
        value
    }

    /// Writes of a version of some keys.
    pub(crate) fn writes(&self, ids: impl IntoIterator<Item = u32>, version: u32) -> Writes {
        ids.into_iter()
            .map(|id| (id, self.value(id, version)))
            .collect()
    }

    /// Writes as the stores take them: keys and values.
    pub(crate) fn rows<'a>(
        &'a self,
        writes: &'a [(u32, Vec<u8>)],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        writes
            .iter()
            .map(|(id, value)| (self.key(*id), value.as_slice()))
    }

    /// Bytes of one row as its reader gets it: key and value.
    pub(crate) fn row_bytes(&self) -> u64 {
        crate::convert::count(size_of::<Key>() + self.value_bytes)
    }
}

/// What the value of a version begins with.
pub(crate) fn stamp(id: u32, version: u32) -> u64 {
    mix((u64::from(id) << 32) | u64::from(version))
}

/// What a value begins with; 0, which is no stamp, where it is too short.
pub(crate) fn stamp_of(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |head| u64::from_le_bytes(*head))
}

fn key(id: u32) -> Key {
    let mut key = [0; 32];
    let mut word = mix(u64::from(id) ^ 0x5EED);
    for piece in key.chunks_exact_mut(8) {
        piece.copy_from_slice(&word.to_le_bytes());
        word = mix(word);
    }
    key
}

/// One step of splitmix64: every input has an output of its own.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_whose_it_is() {
        let data = Data::new(3, 100);
        let value = data.value(2, 7);
        assert_eq!((value.len(), stamp_of(&value)), (100, stamp(2, 7)));
        assert_ne!(stamp(2, 7), stamp(7, 2));
        assert_eq!(&value[50..], [FILLER; 50]);
        assert_eq!(
            data.keys
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            3
        );
    }
}
