//! Values of arguments.

use clap::builder::{OsStringValueParser, TypedValueParser};
use sapwood::{Position, Timestamp};

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

/// A timestamp of the present, or a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Timestamp(Timestamp),
    Position(Position),
}

/// Reads a [`Place`].
pub(super) fn place(text: &str) -> Result<Place, String> {
    if text.contains('@') {
        let position = text.parse().map(Place::Position);
        return position.map_err(|error: sapwood::Error| error.to_string());
    }
    timestamp(text).map(Place::Timestamp)
}
