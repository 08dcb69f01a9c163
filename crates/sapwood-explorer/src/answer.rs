//! What answers are made of: timestamps, times of day and previews of values.

use std::time::{SystemTime, UNIX_EPOCH};

use sapwood::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::hexadecimal::Hexadecimal;

/// A timestamp as a string of decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(pub(crate) Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_plain.then(|| digits.parse::<u64>().ok()).flatten();
        let number = number.filter(|number| *number <= Timestamp::MAX.get());
        number
            .map(|number| Self(Timestamp::new(number)))
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "a timestamp is written as decimal digits, such as 42, up to {}; {digits:?} is none",
                    Timestamp::MAX
                ))
            })
    }
}

/// Milliseconds since 1970; 0 for what lies before.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A value, of which a long one is not there in full.
#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    /// Its whole length, in bytes.
    pub(crate) size: usize,
    /// Its first bytes.
    pub(crate) head: Hexadecimal,
}

impl Preview {
    pub(crate) fn new(value: &[u8], length: usize) -> Self {
        let head = value.get(..length).unwrap_or(value);
        Self {
            size: value.len(),
            head: Hexadecimal(head.to_vec()),
        }
    }
}
