//! [`Keys`]: the keys of a part of a block, by number.

use crate::storage::Key;

/// Keys in shares of so many each, as they were collected: putting them side by side would take as long as
/// collecting them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    shares: Vec<Vec<Key>>,
    /// How many keys each share has; the last may have fewer.
    each: usize,
}

impl Keys {
    /// All shares but the last have `each` keys.
    pub(super) fn new(shares: Vec<Vec<Key>>, each: usize) -> Self {
        Self { shares, each }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Key> {
        let number = number as usize;
        let share = self.shares.get(number.checked_div(self.each)?)?;
        share.get(number % self.each)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.shares.iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.shares.iter().map(Vec::len).sum()
    }
}

impl From<Vec<Key>> for Keys {
    fn from(keys: Vec<Key>) -> Self {
        let each = keys.len();
        Self::new(vec![keys], each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_share() {
        let key = |byte: u8| Key::copy_from_slice(&[byte]);
        let keys = Keys::new(vec![vec![key(0), key(1)], vec![key(2)]], 2);
        let found: Vec<_> = (0..4).map(|number| keys.get(number).cloned()).collect();
        assert_eq!(found, [Some(key(0)), Some(key(1)), Some(key(2)), None]);
        assert_eq!((keys.len(), keys.iter().count()), (3, 3));
        assert_eq!(Keys::from(vec![key(7)]).get(0), Some(&key(7)));
        assert_eq!(Keys::from(Vec::new()).get(0), None);
        assert_eq!(Keys::default().get(0), None);
    }
}
