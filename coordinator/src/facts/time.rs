//! Points of time as the two versions of the AWS CLI print them.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Deserializer};

/// RFC 3339 of version 2; version 1 prints seconds since 1970 as a number, which are kept as text.
pub fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Text(String),
        Seconds(f64),
    }
    let time = Option::<Time>::deserialize(deserializer)?;
    Ok(time.map(|time| match time {
        Time::Text(text) => text,
        Time::Seconds(seconds) => seconds.to_string(),
    }))
}

/// Seconds since 1970 of a point of time as either version of the AWS CLI prints it, fractions left out. `None` where it is neither.
pub fn seconds(time: &str) -> Option<u64> {
    let parsed = DateTime::from_str(time, Format::DateTimeWithOffset).ok().map(|time| time.secs());
    let number = || {
        time.parse::<f64>().ok().filter(|seconds| (0.0..4e9).contains(seconds)).map(|seconds| seconds.floor() as i64)
    };
    parsed.or_else(number).and_then(|seconds| u64::try_from(seconds).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        assert_eq!(seconds("2026-11-28T09:00:00Z"), Some(1_795_856_400));
        assert_eq!(seconds("2026-11-28T10:00:00+01:00"), Some(1_795_856_400));
        assert_eq!(seconds("2026-11-28T09:00:00.000Z"), Some(1_795_856_400));
        assert_eq!(seconds("1795856400"), Some(1_795_856_400));
        assert_eq!(seconds("yesterday"), None);
        assert_eq!(seconds("-1"), None);
    }
}
