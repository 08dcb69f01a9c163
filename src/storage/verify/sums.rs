//! [`Sums`]: whether two multitudes of changes are the same, in little memory.
//!
//! What the versions tell (this key was set, was deleted, at this timestamp) and what the records of commits
//! tell is too much to hold, and lies in two orders: by key, and by timestamp. Looking up each of one in the other
//! would be a random read for each version. So each change is hashed to a place, and to a number which
//! is added there for the versions and subtracted for the records. Where they agree all places are 0 again,
//! and two walks in order were enough; a change at any other place is looked up exactly. The hashes are keyed by
//! chance: that a difference cancels out has one chance in 2^64.

use std::hash::{BuildHasher, RandomState};

use crate::{codec::commit::Operation, timestamp::Timestamp};

const PLACES: usize = if cfg!(test) { 4 } else { 1 << 16 };

#[derive(Debug)]
pub(super) struct Sums {
    which: RandomState,
    number: RandomState,
    places: Vec<u64>,
}

/// A change of a key, by its encoded form.
pub(super) type Told<'a> = (&'a [u8], Timestamp, Operation);

impl Sums {
    pub(super) fn new() -> Self {
        Self {
            which: RandomState::new(),
            number: RandomState::new(),
            places: vec![0; PLACES],
        }
    }

    /// A version tells of it.
    pub(super) fn add(&mut self, told: Told<'_>) {
        let number = hash(&self.number, told);
        if let Some(sum) = self.sum(told) {
            *sum = sum.wrapping_add(number);
        }
    }

    /// A record tells of it.
    pub(super) fn subtract(&mut self, told: Told<'_>) {
        let number = hash(&self.number, told);
        if let Some(sum) = self.sum(told) {
            *sum = sum.wrapping_sub(number);
        }
    }

    /// Whether both told the same everywhere.
    pub(super) fn agree(&self) -> bool {
        self.places.iter().all(|sum| *sum == 0)
    }

    /// Whether a change is one of those about which they may disagree.
    pub(super) fn disagree_at(&mut self, told: Told<'_>) -> bool {
        self.sum(told).is_none_or(|sum| *sum != 0)
    }

    fn sum(&mut self, told: Told<'_>) -> Option<&mut u64> {
        let hash = hash(&self.which, told);
        let place = usize::try_from(hash % PLACES as u64).ok()?;
        self.places.get_mut(place)
    }
}

fn hash(state: &RandomState, (encoded, at, operation): Told<'_>) -> u64 {
    state.hash_one((encoded, at.get(), operation == Operation::Set))
}
