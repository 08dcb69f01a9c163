//! [`Timestamp`]: the logical time that every version is numbered by.
//!
//! Bottom layer: depends on nothing. It deliberately knows no wall clock; the time of day is only
//! ever metadata of a commit.

use std::fmt;

/// A logical point in time: the number of a commit.
///
/// Commits have strictly increasing timestamps, starting at 1. [`Timestamp::ZERO`] is before
/// everything: reading at it finds nothing. The largest timestamp that a commit may have is
/// [`Timestamp::MAX`] = 2^64 - 2; the value above it is never a timestamp, so that "the next one"
/// always fits in 64 bits.
///
/// # Examples
/// ```
/// use sapwood::Timestamp;
///
/// let height = Timestamp::new(42);
/// assert_eq!(height.next(), Some(Timestamp::new(43)));
/// assert!(Timestamp::ZERO < height && height < Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before every commit.
    pub const ZERO: Self = Self(0);
    /// The largest timestamp that a commit may have: 2^64 - 2.
    pub const MAX: Self = Self(u64::MAX - 1);

    /// The timestamp with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of this timestamp.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The timestamp directly after this one; `None` at [`Timestamp::MAX`] and above.
    pub fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_end_one_below_the_largest_u64() {
        assert_eq!(Timestamp::MAX.get(), u64::MAX - 1);
        assert_eq!(Timestamp::MAX.next(), None);
        assert_eq!(Timestamp::new(u64::MAX - 2).next(), Some(Timestamp::MAX));
    }
}
