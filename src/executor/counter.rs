//! Integer cells: their bytes, and what the answers given about one say of its value.
//!
//! A cell is an `i128` in 16 bytes, big-endian, two's complement; a key that does not exist is the cell 0.

use std::ops::RangeInclusive;

use crate::{
    error::{Error, Result},
    storage::Value,
};

/// The value that a cell with this number has.
///
/// # Examples
/// ```
/// use sapwood::{decode_cell, encode_cell};
///
/// assert_eq!(decode_cell(Some(&encode_cell(-7)))?, -7);
/// assert_eq!(decode_cell(None)?, 0);
/// assert!(decode_cell(Some(b"seven")).is_err());
/// # Ok::<(), sapwood::Error>(())
/// ```
pub fn encode_cell(number: i128) -> Value {
    Value::copy_from_slice(&number.to_be_bytes())
}

/// The number of a cell; that of a key that does not exist is 0.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) where the value does not have 16 bytes.
pub fn decode_cell(value: Option<&[u8]>) -> Result<i128> {
    let Some(value) = value else { return Ok(0) };
    let bytes = <[u8; 16]>::try_from(value).map_err(|_| {
        Error::invalid(format!(
            "the value has {} bytes and is no integer cell: a cell has 16, big-endian; set it with \
             encode_cell before adding to it",
            value.len()
        ))
    })?;
    Ok(i128::from_be_bytes(bytes))
}

/// The values of a cell for which all answers that a transaction got about it are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) low: i128,
    pub(super) high: i128,
}

impl Allowed {
    pub(super) const ANY: Self = Self {
        low: i128::MIN,
        high: i128::MAX,
    };

    pub(super) fn contains(self, value: i128) -> bool {
        self.low <= value && value <= self.high
    }

    /// `value + sum` was found inside the bounds. Also says what adding blindly relies on: that the
    /// result is a number.
    pub(super) fn inside(&mut self, sum: i128, bounds: &RangeInclusive<i128>) {
        self.low = self.low.max(bounds.start().saturating_sub(sum));
        self.high = self.high.min(bounds.end().saturating_sub(sum));
    }

    /// `value + sum` was found outside of the bounds.
    pub(super) fn outside(&mut self, value: i128, sum: i128, bounds: &RangeInclusive<i128>) {
        let is_below = match value.checked_add(sum) {
            Some(result) => result < *bounds.start(),
            None => sum < 0,
        };
        // One more or less than the bound, put where it cannot run over.
        if is_below {
            let limit = match sum.checked_add(1).filter(|_| sum < 0) {
                Some(sum) => bounds.start().saturating_sub(sum),
                None => bounds.start().saturating_sub(1).saturating_sub(sum),
            };
            self.high = self.high.min(limit);
        } else {
            let limit = match sum.checked_sub(1).filter(|_| sum > 0) {
                Some(sum) => bounds.end().saturating_sub(sum),
                None => bounds.end().saturating_add(1).saturating_sub(sum),
            };
            self.low = self.low.max(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = i128> {
        prop_oneof![
            -6i128..6,
            Just(i128::MIN),
            Just(i128::MAX),
            Just(i128::MIN + 3)
        ]
    }

    proptest! {
        /// What lies in the interval gives the same answers; the value itself lies in it.
        #[test]
        fn allowed_values_give_the_same_answers(
            value in number(),
            tries in proptest::collection::vec((-6i128..6, number(), number()), 0..6),
        ) {
            type Note<'a> = Box<dyn FnMut(bool, i128, &RangeInclusive<i128>) + 'a>;
            let answers = |value: i128, mut note: Note<'_>| {
                let mut sum = 0;
                tries.iter().map(|(delta, low, high)| {
                    let bounds = *low..=*high;
                    let result = value.checked_add(sum + delta);
                    let fits = result.is_some_and(|result| bounds.contains(&result));
                    note(fits, sum + delta, &bounds);
                    sum += if fits { *delta } else { 0 };
                    fits
                }).collect::<Vec<_>>()
            };
            let mut allowed = Allowed::ANY;
            let expected = answers(value, Box::new(|fits, sum, bounds| {
                if fits {
                    allowed.inside(sum, bounds);
                } else if !bounds.is_empty() {
                    allowed.outside(value, sum, bounds);
                }
            }));
            prop_assert!(allowed.contains(value));
            let near = -40..40;
            for other in near.chain([allowed.low, allowed.high]).filter(|v| allowed.contains(*v)) {
                prop_assert_eq!(&answers(other, Box::new(|_, _, _| ())), &expected, "{}", other);
            }
        }
    }
}
