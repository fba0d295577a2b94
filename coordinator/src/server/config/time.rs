//! Durations of the configuration.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A duration with its unit: `90s`, `6h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_time(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format_args!("{text:?} is not a time such as 90s, 6h or 30d")))
    }
}

/// At most ten years.
fn parse_time(text: &str) -> Option<Duration> {
    let border = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(border)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=315_360_000).contains(&total).then(|| Duration::from_secs(total))
}
