//! The retention policy in `meta`: a list of numbers, each under a tag.
//!
//! ```text
//! retention | tag: 1 | number: 8 | tag: 1 | number: 8 | ...
//! ```
//!
//! Tags rise. What a policy does not say is not there; a policy that keeps everything is empty.

use super::{DecodeError, take_u64};

/// Encodes the numbers of a policy, whose tags must rise.
pub fn encode(numbers: impl IntoIterator<Item = (u8, u64)>) -> Vec<u8> {
    let mut value = Vec::new();
    for (tag, number) in numbers {
        value.push(tag);
        value.extend_from_slice(&number.to_be_bytes());
    }
    value
}

/// Reads the numbers of a policy.
///
/// # Errors
/// Where the value is cut off, or its tags do not rise.
pub fn decode(mut value: &[u8]) -> Result<Vec<(u8, u64)>, DecodeError> {
    let mut numbers: Vec<(u8, u64)> = Vec::new();
    while let Some((tag, rest)) = value.split_first() {
        let (number, rest) = take_u64(rest).ok_or(DecodeError("the policy is cut off"))?;
        if numbers.last().is_some_and(|(last, _)| last >= tag) {
            return Err(DecodeError("the numbers of the policy are not in order"));
        }
        numbers.push((*tag, number));
        value = rest;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_what_they_decode_to_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(numbers) = decode(&bytes) {
                prop_assert_eq!(encode(numbers), bytes);
            }
        }

        #[test]
        fn numbers_come_back(
            numbers in proptest::collection::btree_map(any::<u8>(), any::<u64>(), 0..6),
        ) {
            let numbers: Vec<_> = numbers.into_iter().collect();
            prop_assert_eq!(decode(&encode(numbers.iter().copied())), Ok(numbers));
        }
    }

    #[test]
    fn a_cut_or_unordered_policy_is_refused() {
        let value = encode([(1, 7), (2, 8)]);
        for cut in 0..value.len() {
            assert_eq!(decode(&value[..cut]).is_ok(), cut % 9 == 0, "cut at {cut}");
        }
        assert!(decode(&encode([(2, 8), (1, 7)])).is_err());
        assert!(decode(&encode([(1, 8), (1, 7)])).is_err());
    }
}
