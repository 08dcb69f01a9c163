//! [`Hexadecimal`]: bytes as digits, in requests and answers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Bytes, written as two hexadecimal digits each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hexadecimal(pub(crate) Vec<u8>);

impl Serialize for Hexadecimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hexadecimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let bytes = hex::decode(&digits).map_err(|error| {
            D::Error::custom(format!(
                "keys and values are written as hexadecimal digits, such as 6b6579 for key: {error}"
            ))
        })?;
        Ok(Self(bytes))
    }
}
