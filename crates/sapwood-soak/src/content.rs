//! Keys and values: what is stored, and how it is recognised.
//!
//! Every value is written once only: it holds a number that no other has. So a wrong version of a key, or a value
//! of another key, is seen by its hash.

use anyhow::{Context, Result};

/// What each account holds when it is opened.
pub(crate) const OPENING: i64 = 1_000;

/// Begins the keys of accounts.
pub(crate) const ACCOUNTS: &str = "a/";

/// How many keys of each kind there are at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) accounts: u64,
    pub(crate) pairs: u64,
    pub(crate) documents: u64,
    /// Bytes of a document, at most.
    pub(crate) document_bytes: usize,
}

impl Scale {
    pub(crate) const LONG: Self = Self {
        accounts: 2_000,
        pairs: 100,
        documents: 16_000,
        document_bytes: 1_000,
    };
    pub(crate) const SHORT: Self = Self {
        accounts: 100,
        pairs: 10,
        documents: 400,
        document_bytes: 300,
    };
}

pub(crate) fn account(number: u64) -> Vec<u8> {
    format!("{ACCOUNTS}{number:06}").into_bytes()
}

/// One of the two keys of a pair, which together are never below 0.
pub(crate) fn side(pair: u64, is_second: bool) -> Vec<u8> {
    format!("p/{pair:06}/{}", u8::from(is_second)).into_bytes()
}

pub(crate) fn document(number: u64) -> Vec<u8> {
    format!("d/{number:06}").into_bytes()
}

/// The value of an account or of a side; `unique` is in no other value.
pub(crate) fn number_value(amount: i64, unique: u64) -> Vec<u8> {
    [amount.to_be_bytes(), unique.to_be_bytes()].concat()
}

/// What an account or a side holds.
pub(crate) fn amount(value: &[u8]) -> Result<i64> {
    let bytes = value.first_chunk().context("a number is cut off")?;
    Ok(i64::from_be_bytes(*bytes))
}

/// The value of a document. It can be compressed to about a half.
pub(crate) fn document_value(random: &mut fastrand::Rng, unique: u64, most: usize) -> Vec<u8> {
    let length = match random.u32(..20) {
        0 => 8,
        1 => most * 8,
        _ => random.usize(8..most),
    };
    let mut value = unique.to_be_bytes().to_vec();
    while value.len() < length {
        value.extend(random.u64(..).to_be_bytes());
        value.extend([value.len().to_be_bytes()[7]; 8]);
    }
    value.truncate(length);
    value
}

/// Mixes numbers to a seed.
pub(crate) fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9E37_79B9_7F4A_7C15, |sum, number| {
        let sum = (sum ^ number).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (sum ^ (sum >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB)
    })
}

/// A hash that stays the same over builds: it is kept in the state file.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| {
        mix(&[sum, u64::from_be_bytes(*word)])
    });
    mix(&[sum, u64::from_be_bytes(last)])
}

/// A value as the model keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Content {
    pub(crate) hash: u64,
    pub(crate) length: u32,
}

impl Content {
    pub(crate) fn of(value: &[u8]) -> Self {
        Self {
            hash: hash(value),
            length: u32::try_from(value.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The hash of rows, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) u64);

impl Digest {
    pub(crate) fn add(&mut self, key: &[u8], content: Content) {
        self.0 = mix(&[self.0, hash(key), content.hash]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_tells_values_apart() {
        let values: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"12345678", b"12345678\0"];
        let mut hashes: Vec<_> = values.iter().map(|value| hash(value)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), values.len());
    }

    #[test]
    fn a_digest_sees_the_order_and_the_key() {
        let digest = |rows: &[(&str, &str)]| {
            let mut digest = Digest::default();
            for (key, value) in rows {
                digest.add(key.as_bytes(), Content::of(value.as_bytes()));
            }
            digest
        };
        let one = digest(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, digest(&[("a", "1"), ("b", "2")]));
        assert_ne!(one, digest(&[("b", "2"), ("a", "1")]));
        assert_ne!(one, digest(&[("a", "2"), ("b", "1")]));
        assert_ne!(one, digest(&[("a", "1")]));
    }
}
