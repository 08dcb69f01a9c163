//! [`Chain`]: what the transactions of a block have written to one key.

use smallvec::SmallVec;

use super::super::{
    counter::{decode_cell, encode_cell},
    frame::{Own, Seen},
};
use crate::storage::Value;

/// The entries of one key, by transaction; at most one each.
#[derive(Debug, Default)]
pub(in crate::executor) struct Chain {
    /// What a committed transaction left and what one ahead of it does: mostly there are no more.
    entries: SmallVec<[Entry; 2]>,
}

#[derive(Debug)]
struct Entry {
    txn: u32,
    incarnation: u32,
    /// Its transaction will run again, and probably write here again.
    is_estimate: bool,
    own: Own,
}

/// What a transaction sees of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::executor) enum Found<'c> {
    /// The base's value, and what is to be added to it.
    Base { sum: Option<i128> },
    Value {
        seen: Seen,
        value: Option<&'c Value>,
        sum: Option<i128>,
    },
    /// It will change when this transaction runs again.
    Estimate(u32),
    /// Sums that do not fit: cannot be, once all below is committed.
    Nonsense,
}

impl Chain {
    fn position(&self, txn: u32) -> Result<usize, usize> {
        // Mostly it comes last.
        match self.entries.last() {
            Some(last) if last.txn < txn => Err(self.entries.len()),
            None => Err(0),
            _ => self.entries.binary_search_by_key(&txn, |entry| entry.txn),
        }
    }

    /// What a transaction sees: what lies below it.
    pub(in crate::executor) fn below(&self, txn: u32) -> Found<'_> {
        let (Ok(end) | Err(end)) = self.position(txn);
        let mut sum = None;
        for entry in self.entries.get(..end).unwrap_or_default().iter().rev() {
            if entry.is_estimate {
                return Found::Estimate(entry.txn);
            }
            match &entry.own {
                Own::Value(value) => {
                    let seen = Seen {
                        txn: entry.txn,
                        incarnation: entry.incarnation,
                    };
                    return Found::Value {
                        seen,
                        value: value.as_ref(),
                        sum,
                    };
                }
                Own::Added(_) => return Found::Nonsense,
                Own::Delta(delta) => match sum.unwrap_or(0i128).checked_add(delta.get()) {
                    Some(total) => sum = Some(total),
                    None => return Found::Nonsense,
                },
            }
        }
        Found::Base { sum }
    }

    /// Puts a transaction's write in, for the one of its previous run.
    pub(in crate::executor) fn put(&mut self, txn: u32, incarnation: u32, own: Own) {
        let entry = Entry {
            txn,
            incarnation,
            is_estimate: false,
            own,
        };
        match self.position(txn) {
            Ok(position) => {
                if let Some(old) = self.entries.get_mut(position) {
                    *old = entry;
                }
            }
            Err(position) => self.entries.insert(position, entry),
        }
    }

    /// Drops what nobody sees any more, with everything below `committed` committed: all of that but the newest.
    pub(in crate::executor) fn forget_below(&mut self, committed: u32) {
        let is_settled = |entry: &&Entry| entry.txn < committed;
        let settled = self.entries.iter().take_while(is_settled).count();
        // Not one by one where many follow.
        if settled > 1 && settled * 2 >= self.entries.len() {
            self.entries.drain(..settled - 1);
        }
    }

    pub(in crate::executor) fn remove(&mut self, txn: u32) {
        if let Ok(position) = self.position(txn) {
            self.entries.remove(position);
        }
    }

    /// Those above wait for the transaction instead of reading what will not last.
    pub(in crate::executor) fn mark_estimate(&mut self, txn: u32) {
        if let Ok(position) = self.position(txn)
            && let Some(entry) = self.entries.get_mut(position)
        {
            entry.is_estimate = true;
        }
    }

    /// Puts the number in place of a committed delta, so that no sum reaches below it again. Everything below
    /// is committed. Returns whether that was possible.
    pub(in crate::executor) fn settle(&mut self, txn: u32, base: Option<&[u8]>) -> bool {
        let Ok(position) = self.position(txn) else {
            return false;
        };
        let below = match self.below(txn) {
            Found::Base { sum: None } => decode_cell(base),
            Found::Value {
                value, sum: None, ..
            } => decode_cell(value.map(|value| &value[..])),
            _ => return false,
        };
        let Some(entry) = self.entries.get_mut(position) else {
            return false;
        };
        if let (Own::Delta(delta), Ok(below)) = (&entry.own, below)
            && let Some(total) = below.checked_add(delta.get())
        {
            entry.own = Own::Value(Some(encode_cell(total)));
            return true;
        }
        matches!(entry.own, Own::Value(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &'static str) -> Own {
        Own::Value(Some(Value::from_static(text.as_bytes())))
    }

    #[test]
    fn a_transaction_sees_the_nearest_write_below_it() {
        let mut chain = Chain::default();
        for (txn, text) in [(5, "five"), (1, "one"), (3, "three")] {
            chain.put(txn, 0, value(text));
        }
        let seen = |txn| match chain.below(txn) {
            Found::Value {
                seen, sum: None, ..
            } => Some(seen.txn),
            Found::Base { sum: None } => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 6].map(seen),
            [None, None, Some(1), Some(1), Some(3), Some(3), Some(5)]
        );
    }

    #[test]
    fn what_lies_below_the_newest_committed_entry_is_forgotten() {
        let mut chain = Chain::default();
        for txn in 1..=4 {
            chain.put(txn, 0, value("v"));
        }
        chain.forget_below(3);
        assert!(matches!(chain.below(3), Found::Value { seen, .. } if seen.txn == 2));
        assert_eq!(chain.below(2), Found::Base { sum: None }, "1 is gone");
        chain.put(5, 0, value("v"));
        chain.put(6, 0, value("v"));
        chain.forget_below(3);
        assert!(matches!(chain.below(3), Found::Value { seen, .. } if seen.txn == 2));
    }

    #[test]
    fn sums_reach_down_to_a_value_and_end_at_an_estimate() {
        let mut chain = Chain::default();
        chain.put(1, 0, Own::Delta(1.into()));
        chain.put(4, 2, Own::Delta(10.into()));
        assert_eq!(chain.below(5), Found::Base { sum: Some(11) });
        chain.put(2, 0, Own::Value(None));
        let expected = Seen {
            txn: 2,
            incarnation: 0,
        };
        assert!(
            matches!(chain.below(5), Found::Value { seen, value: None, sum: Some(10) } if seen == expected)
        );
        chain.mark_estimate(2);
        assert_eq!(chain.below(5), Found::Estimate(2));
        assert_eq!(chain.below(2), Found::Base { sum: Some(1) });
        chain.remove(2);
        assert_eq!(chain.below(5), Found::Base { sum: Some(11) });
        chain.put(4, 3, Own::Delta(i128::MAX.into()));
        assert_eq!(chain.below(5), Found::Nonsense);
    }

    #[test]
    fn a_settled_delta_is_a_value() {
        let mut chain = Chain::default();
        chain.put(1, 0, Own::Delta(1.into()));
        chain.put(2, 0, Own::Delta(2.into()));
        assert!(!chain.settle(2, None), "what lies below is not settled");
        assert!(chain.settle(1, Some(&encode_cell(40))) && chain.settle(2, None));
        let expected = encode_cell(43);
        assert!(
            matches!(chain.below(3), Found::Value { value: Some(value), sum: None, .. } if *value == expected)
        );
        chain.put(3, 0, Own::Delta(i128::MAX.into()));
        assert!(!chain.settle(3, None));
    }
}
