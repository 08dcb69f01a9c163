//! Times of day and sizes as text.

use std::time::SystemTime;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The last moment that RFC 3339 can write.
const LAST: &str = "9999-12-31T23:59:59Z";

/// A time as RFC 3339; `None` where its year has more than four digits.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let nanoseconds = i128::try_from(since.as_nanos()).ok()?;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    time.format(&Rfc3339).ok()
}

/// A time as RFC 3339, the last one where it lies beyond.
pub(crate) fn expiry(time: SystemTime) -> String {
    rfc3339(time).unwrap_or_else(|| LAST.to_owned())
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_rfc3339() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(rfc3339(at(1_700_000_000)).unwrap(), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(at(253_402_300_799)).unwrap(), LAST);
        assert_eq!(rfc3339(at(253_402_300_800)), None);
        assert_eq!(expiry(at(1 << 60)), LAST);
    }
}
