//! [`Table`]: a list that grows at its end while others read it, without locks and without moving.

use std::sync::OnceLock;

use crate::sync::{AtomicU32, Ordering};

/// Items of the first bucket; each further one has twice as many.
const FIRST: u32 = 64;
const BUCKETS: usize = 26;

type Bucket<T> = OnceLock<Box<[OnceLock<T>]>>;

#[derive(Debug)]
pub(in crate::executor) struct Table<T> {
    buckets: [Bucket<T>; BUCKETS],
    len: AtomicU32,
}

/// The bucket of an item, and its place there.
fn place_of(number: u32) -> (usize, usize) {
    let shifted = u64::from(number) + u64::from(FIRST);
    let bucket = shifted.ilog2() - FIRST.ilog2();
    let start = u64::from(FIRST) << bucket;
    (
        bucket as usize,
        usize::try_from(shifted - start).unwrap_or(usize::MAX),
    )
}

impl<T> Table<T> {
    pub(in crate::executor) fn new() -> Self {
        Self {
            buckets: [const { OnceLock::new() }; BUCKETS],
            len: AtomicU32::new(0),
        }
    }

    /// Adds an item. Returns its number, unless the list is full.
    pub(in crate::executor) fn push(&self, item: T) -> Option<u32> {
        let number = self.len.fetch_add(1, Ordering::Relaxed);
        let (bucket, place) = place_of(number);
        let items = self.buckets.get(bucket)?.get_or_init(|| {
            let count = (FIRST as usize) << bucket;
            std::iter::repeat_with(OnceLock::new).take(count).collect()
        });
        items.get(place)?.set(item).ok()?;
        Some(number)
    }

    pub(in crate::executor) fn get(&self, number: u32) -> Option<&T> {
        let (bucket, place) = place_of(number);
        self.buckets.get(bucket)?.get()?.get(place)?.get()
    }

    /// Drops the items; their memory stays.
    pub(in crate::executor) fn clear(&mut self) {
        let mut left =
            std::mem::replace(&mut self.len, AtomicU32::new(0)).load(Ordering::Relaxed) as usize;
        for items in self.buckets.iter_mut().filter_map(OnceLock::get_mut) {
            let (used, _) = items.split_at_mut(left.min(items.len()));
            left -= used.len();
            for item in used {
                // Taken out, it would be moved first.
                *item = OnceLock::new();
            }
        }
    }

    /// How many items there are, with those that are still being added.
    pub(in crate::executor) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// The items so far, in order; `None` for one that is still being added.
    pub(in crate::executor) fn iter(&self) -> impl Iterator<Item = Option<&T>> {
        (0..self.len()).map(|number| self.get(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_each_other() {
        let mut expected = (0, 0);
        for number in 0..10_000 {
            assert_eq!(place_of(number), expected);
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(place_of(u32::MAX).0 <= BUCKETS);
    }
}
