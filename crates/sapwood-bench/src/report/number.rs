//! Numbers as documents have them.

/// Large ones with commas and without a fraction; of small ones three digits or so.
pub(crate) fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    match value.abs() {
        size if size >= 100.0 => commas(&format!("{value:.0}")),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with a comma before every three digits.
fn commas(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let all = [
            (0.0, "0.00"),
            (9.876, "9.88"),
            (12.34, "12.3"),
            (123.4, "123"),
            (145_343.2, "145,343"),
            (-1_234.0, "-1,234"),
            (-123.0, "-123"),
            (1_000_000.0, "1,000,000"),
            (f64::NAN, "-"),
        ];
        for (value, text) in all {
            assert_eq!(grouped(value), text);
        }
    }
}
