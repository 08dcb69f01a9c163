//! Bytes as text: `\n \t \\ \" \xNN` when read; when written, UTF-8 with `\\` for a backslash and
//! `\xnn` for each byte that is not UTF-8.

use std::fmt::Write as _;

use crate::failure::{Failure, Result};

/// The bytes that `text` means. What is not an escape stands for itself.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'\\' {
            bytes.push(escaped(&mut rest)?);
        } else {
            bytes.push(byte);
        }
    }
    Ok(bytes)
}

/// The byte of an escape whose backslash has been read; moves `rest` behind it.
pub(crate) fn escaped(rest: &mut &[u8]) -> Result<u8> {
    let (byte, tail) = match rest {
        [b'n', tail @ ..] => (b'\n', tail),
        [b't', tail @ ..] => (b'\t', tail),
        [b'\\', tail @ ..] => (b'\\', tail),
        [b'"', tail @ ..] => (b'"', tail),
        [b'x', high, low, tail @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
            let value = hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low);
            (value.unwrap_or_default(), tail)
        }
        [b'x', ..] => {
            return Err(Failure::invalid("\\x needs two hexadecimal digits"));
        }
        [] => {
            return Err(Failure::invalid(
                "a backslash at the end; write \\\\ for it",
            ));
        }
        [other, ..] => {
            return Err(Failure::invalid(format!(
                "unknown escape \\{}; there are \\n \\t \\\\ \\\" \\xNN",
                other.escape_ascii()
            )));
        }
    };
    *rest = tail;
    Ok(byte)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The text that stands for `bytes`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '\\' {
                text.push('\\');
            }
            text.push(letter);
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The same for people, with control characters escaped too, so that a line stays a line.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for letter in escape(bytes).chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() => {
                let mut utf8 = [0; 4];
                for byte in control.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(
            unescape(br#"a\n\t\\\"\x00\xFf"#).unwrap(),
            b"a\n\t\\\"\x00\xff"
        );
        for wrong in [&br"\"[..], br"\x1", br"\xg0", br"\r", br"\X41", br"a\"] {
            assert_eq!(unescape(wrong).unwrap_err().kind, "invalid", "{wrong:?}");
        }
    }

    #[test]
    fn text_is_written_as_utf8() {
        assert_eq!(escape("\u{e9}\\".as_bytes()), "\u{e9}\\\\");
        assert_eq!(escape(b"a\xff\xc3b\n"), "a\\xff\\xc3b\n");
        assert_eq!(printable(b"a\n\x01\xc2\x85"), "a\\n\\x01\\xc2\\x85");
    }

    #[test]
    fn what_is_written_reads_back() {
        for bytes in [&b"\\x41"[..], b"\xf0\x9f\x98", b"\\\\", b"", b"\n\"#"] {
            assert_eq!(unescape(escape(bytes).as_bytes()).unwrap(), bytes);
            assert_eq!(unescape(printable(bytes).as_bytes()).unwrap(), bytes);
        }
    }
}
