//! Numbers as the shapes store them: decimal text.

/// A number as a value.
pub(super) fn text(number: u64) -> String {
    number.to_string()
}

/// The number that a value is; the largest where it is none, which no check lets pass.
pub(super) fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX)
}
