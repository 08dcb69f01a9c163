//! Lines to words.
//!
//! Words are separated by spaces. Double quotes enclose a whole word or an option's value; `#`
//! starts a comment where a word would start. A word remembers how it was written: only what was
//! written plainly, without quotes and escapes, can be a command, a flag or an option's name, so
//! that every byte string can be written as data.

use super::text;
use crate::failure::{Failure, Result};

/// The names that an unquoted word can begin with to be an option.
pub(crate) const OPTIONS: [&str; 6] = ["ts", "from", "to", "limit", "prefix", "ttl"];

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// What it means, escapes resolved.
    pub(crate) bytes: Vec<u8>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Without quotes; this many bytes at its beginning were written without escapes.
    Plain { literal: usize },
    /// In quotes: always data.
    Quoted,
    /// An option whose value is in quotes: never data.
    QuotedValue,
}

impl Word {
    /// Whether this is the plainly written word `name`: a command, a flag, `;`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name() == Some(name)
    }

    /// The word itself, where it was written plainly.
    pub(crate) fn name(&self) -> Option<&str> {
        match self.form {
            Form::Plain { literal } if literal == self.bytes.len() => {
                std::str::from_utf8(&self.bytes).ok()
            }
            _ => None,
        }
    }

    /// The value, where this is written as the option `name`.
    pub(crate) fn option(&self, name: &str) -> Option<&[u8]> {
        let value = self
            .bytes
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")?;
        match self.form {
            Form::Plain { literal } => (literal > name.len()).then_some(value),
            Form::Quoted => None,
            Form::QuotedValue => Some(value),
        }
    }

    /// The bytes, where this can be data.
    pub(crate) fn into_data(self) -> Result<Vec<u8>> {
        match self.form {
            Form::Plain { .. } | Form::Quoted => Ok(self.bytes),
            Form::QuotedValue => Err(Failure::invalid(format!(
                "this command has no option {}; to mean data, put the whole word in quotes",
                text::printable(&self.bytes)
            ))),
        }
    }
}

/// The words of a line; none for a blank line or a comment.
pub(crate) fn split(line: &[u8]) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] | [b'#', ..] => return Ok(words),
            [b' ', tail @ ..] => rest = tail,
            [b'"', tail @ ..] => {
                rest = tail;
                let mut bytes = Vec::new();
                quoted(&mut rest, &mut bytes)?;
                words.push(Word {
                    bytes,
                    form: Form::Quoted,
                });
            }
            _ => words.push(unquoted(&mut rest)?),
        }
    }
}

fn unquoted(rest: &mut &[u8]) -> Result<Word> {
    let mut bytes = Vec::new();
    let mut literal = None;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b' ' => break,
            b'\\' => {
                literal.get_or_insert(bytes.len());
                *rest = tail;
                bytes.push(text::escaped(rest)?);
            }
            b'"' if literal.is_none() && is_option_name(&bytes) => {
                *rest = tail;
                quoted(rest, &mut bytes)?;
                return Ok(Word {
                    bytes,
                    form: Form::QuotedValue,
                });
            }
            b'"' => {
                return Err(Failure::invalid(
                    "quotes enclose a whole word or an option's value; write \\\" inside a word",
                ));
            }
            _ => {
                *rest = tail;
                bytes.push(byte);
            }
        }
    }
    let literal = literal.unwrap_or(bytes.len());
    Ok(Word {
        bytes,
        form: Form::Plain { literal },
    })
}

/// Reads to the closing quote, behind which a space or the line's end must follow.
fn quoted(rest: &mut &[u8], bytes: &mut Vec<u8>) -> Result<()> {
    while let Some((&byte, tail)) = rest.split_first() {
        *rest = tail;
        match byte {
            b'\\' => bytes.push(text::escaped(rest)?),
            b'"' if matches!(rest, [] | [b' ', ..]) => return Ok(()),
            b'"' => {
                return Err(Failure::invalid(
                    "a closing quote ends its word: put a space behind it, or write \\\"",
                ));
            }
            _ => bytes.push(byte),
        }
    }
    Err(Failure::invalid("a quote is open at the end of the line"))
}

fn is_option_name(bytes: &[u8]) -> bool {
    OPTIONS
        .iter()
        .any(|name| bytes.strip_prefix(name.as_bytes()) == Some(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(line: &str) -> Vec<String> {
        let words = split(line.as_bytes()).unwrap();
        words
            .into_iter()
            .map(|word| text::escape(&word.bytes))
            .collect()
    }

    fn refused(line: &str) -> bool {
        split(line.as_bytes()).is_err_and(|failure| failure.kind == "invalid")
    }

    #[test]
    fn spaces_separate() {
        assert_eq!(data("  set  a   b "), ["set", "a", "b"]);
        assert_eq!(data(""), Vec::<String>::new());
        assert_eq!(data("a\tb"), ["a\tb"]);
    }

    #[test]
    fn quotes_enclose_a_whole_word() {
        assert_eq!(data(r#"set "a b" """#), ["set", "a b", ""]);
        assert_eq!(data(r#""\"" a\"b"#), ["\"", "a\"b"]);
        for line in [
            r#"get "a"#,
            r#"get a"b""#,
            r#"get "a"b"#,
            r#"get "a""b""#,
            r#"scan prefix="a"#,
        ] {
            assert!(refused(line), "{line}");
        }
    }

    #[test]
    fn a_comment_starts_where_a_word_would() {
        assert_eq!(data("get a # b"), ["get", "a"]);
        assert_eq!(data("get a#b"), ["get", "a#b"]);
        assert_eq!(data(r##"get "#" \x23"##), ["get", "#", "#"]);
        assert_eq!(data("# get \"a"), Vec::<String>::new());
    }

    #[test]
    fn options_and_names_are_written_plainly() {
        let words = split(br#"ts=5 "ts=5" ts\x3d5 prefix="a b" prefix=\x61 \x74s=5"#).unwrap();
        let option = |index: usize, name| words[index].option(name).map(<[u8]>::to_vec);
        assert_eq!(option(0, "ts").as_deref(), Some(&b"5"[..]));
        assert_eq!(option(0, "t"), None);
        assert_eq!(option(1, "ts"), None);
        assert_eq!(option(2, "ts"), None);
        assert_eq!(option(3, "prefix").as_deref(), Some(&b"a b"[..]));
        assert_eq!(option(4, "prefix").as_deref(), Some(&b"a"[..]));
        assert_eq!(option(5, "ts"), None);
        assert!(words[3].clone().into_data().is_err());
        let words = split(br#"get "get" \x67et ;"#).unwrap();
        let plain: Vec<_> = words.iter().map(|word| word.is("get")).collect();
        assert_eq!(plain, [true, false, false, false]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_data() {
        let words = split(b"get \xff\xfe").unwrap();
        assert_eq!(words[1].bytes, b"\xff\xfe");
        assert_eq!(words[1].name(), None);
    }
}
