//! Prometheus's text format, version 0.0.4, as far as values go.
//!
//! Our own, since a label may hold anything: the name of a store may be a path with commas and quotes in it.

use std::collections::BTreeMap;

use super::Reading;

/// The values of a text. What cannot be one of its lines is returned.
pub(super) fn parse(text: &str) -> Result<Vec<Reading>, String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| reading(line).ok_or_else(|| line.chars().take(80).collect()))
        .collect()
}

/// `name value`, `name{label="value",...} value`, and perhaps a time behind it.
fn reading(line: &str) -> Option<Reading> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = line.find(|c| !is_of_name(c))?;
    let (name, rest) = line
        .split_at_checked(end)
        .filter(|(name, _)| !name.is_empty())?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    Some(Reading {
        name: name.to_owned(),
        labels,
        // `+Inf`, `-Inf` and `NaN` are read as well.
        value: value.parse().ok()?,
    })
}

/// The labels up to the closing brace, and what comes behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquote(quoted)?;
        labels.insert(name.trim().to_owned(), value);
        rest = behind;
    }
}

/// A value up to its closing quote, and what comes behind it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "whole numbers, which are exact")]
mod tests {
    use super::*;

    #[test]
    fn values_and_labels_are_read_as_they_were_written() {
        let text = "# HELP a what it is\n# TYPE a counter\na 1\n\n\
                    b{store=\"x\",le=\"+Inf\"} 2.5e3 1700000000\n\
                    c{ path=\"a,b=\\\"c\\\\d\\n}\" , } NaN\n";
        let readings = parse(text).unwrap();
        assert_eq!(readings.len(), 3);
        assert_eq!((readings[0].name.as_str(), readings[0].value), ("a", 1.0));
        assert_eq!(readings[1].value, 2500.0);
        assert_eq!(readings[1].labels["le"], "+Inf");
        assert_eq!(readings[2].labels["path"], "a,b=\"c\\d\n}");
        assert!(readings[2].value.is_nan());
    }

    #[test]
    fn what_is_no_value_is_named() {
        for line in ["<html>", "a", "a{b=\"c\" 1", "a{b} 1", "a one", "{} 1"] {
            assert_eq!(parse(line).unwrap_err(), line);
        }
    }
}
