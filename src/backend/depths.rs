//! [`Depths`]: how many versions lie how deep below the newest ended one of their key.

/// The deepest that counts under each bound; what is deeper counts last.
const BOUNDS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
/// How many counts there are.
pub(crate) const DEPTHS: usize = BOUNDS.len() + 1;

/// Counts rows of `history` by their depth: 1 for the newest ended version of a key that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depths {
    counts: [u64; DEPTHS],
    /// The key of the last row, and how deep that was.
    key: Vec<u8>,
    depth: u64,
}

impl Depths {
    /// Counts the next row in the order of `history`, by its encoded key: newest versions first.
    pub(crate) fn see(&mut self, encoded: &[u8]) {
        // Before the first, no key is known, not the empty one.
        if self.depth > 0 && self.key == encoded {
            self.depth += 1;
        } else {
            self.key.clear();
            self.key.extend_from_slice(encoded);
            self.depth = 1;
        }
        let place = BOUNDS.partition_point(|bound| *bound < self.depth);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
    }

    /// Rows by depth: 1, 2, 3 to 4, 5 to 8 and so on.
    pub(crate) fn counts(&self) -> [u64; DEPTHS] {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_by_how_many_of_their_key_came_before() {
        let mut depths = Depths::default();
        depths.see(b"");
        (0..5).for_each(|_| depths.see(b"a"));
        (0..100).for_each(|_| depths.see(b"b"));
        depths.see(b"a");
        assert_eq!(depths.counts(), [4, 2, 4, 5, 8, 16, 32, 36]);
        assert_eq!(depths.counts().iter().sum::<u64>(), 1 + 5 + 100 + 1);
    }
}
