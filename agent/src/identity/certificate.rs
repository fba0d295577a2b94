//! The life of a certificate, by the instance's own clock.

use std::time::Duration;

use crate::parse::parse_certificate;

/// From when to when, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub not_before: i64,
    pub not_after: i64,
}

/// Of a certificate in DER; `None` where it is none.
pub fn life_of(der: &[u8]) -> Option<Life> {
    let certificate = parse_certificate(der)?;
    Some(Life { not_before: certificate.not_before, not_after: certificate.not_after })
}

impl Life {
    pub fn has_ended(&self, now: i64) -> bool {
        now >= self.not_after
    }

    /// How long from `now` until half of it has gone; nothing when it has.
    pub fn until_half(&self, now: i64) -> Duration {
        let half = self.not_before.midpoint(self.not_after);
        Duration::from_secs(u64::try_from(half.saturating_sub(now)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_life_is_in_its_middle_and_its_end_is_no_part_of_it() {
        let life = Life { not_before: 1_000, not_after: 2_000 };
        assert_eq!(life.until_half(1_100), Duration::from_secs(400));
        assert_eq!(life.until_half(1_500), Duration::ZERO);
        assert_eq!(life.until_half(9_999), Duration::ZERO);
        assert!(!life.has_ended(1_999) && life.has_ended(2_000));
        // A clock that stands before the beginning: renewed late, never in a loop.
        assert_eq!(life.until_half(0), Duration::from_secs(1_500));
        let odd = Life { not_before: i64::MIN, not_after: i64::MAX };
        assert_eq!(odd.until_half(i64::MAX), Duration::ZERO);
    }

    #[test]
    fn what_is_no_certificate_has_no_life() {
        assert_eq!(life_of(b""), None);
        assert_eq!(life_of(&[0x30; 400]), None);
    }
}
