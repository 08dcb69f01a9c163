//! Values of arguments.

use clap::builder::{OsStringValueParser, TypedValueParser};
use sapwood::Timestamp;

use crate::language::{command::number, text::unescape};

/// Bytes, written with the escapes of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(super) Vec<u8>);

/// Reads [`Text`].
pub(super) fn text() -> impl TypedValueParser<Value = Text> {
    OsStringValueParser::new().try_map(|text| {
        unescape(text.as_encoded_bytes())
            .map(Text)
            .map_err(|failure| failure.message)
    })
}

/// Reads a number, as the shell does.
pub(super) fn count(text: &str) -> Result<u64, String> {
    number(text.as_bytes(), "it").map_err(|failure| failure.message)
}

/// Reads a timestamp.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    number(text.as_bytes(), "a timestamp")
        .map(Timestamp::new)
        .map_err(|failure| failure.message)
}
