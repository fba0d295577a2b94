//! Points of time as the two versions of the AWS CLI print them.

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
