//! `LookupEvents`.

use aws_sdk_cloudtrail::types as sdk;

use super::time;
use crate::facts::{TrailEvent, TrailRecord};

/// A record that cannot be read may be about any instance, so that nothing can be said without it.
pub fn trail_event(from: sdk::Event) -> Result<TrailEvent, String> {
    let record = from.cloud_trail_event.as_deref().map(TrailRecord::of).transpose()?.unwrap_or_default();
    Ok(TrailEvent { event_name: from.event_name, event_time: time(from.event_time), record })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_read_is_not_taken_for_one_that_says_nothing() {
        let event = |record: &str| sdk::Event::builder().cloud_trail_event(record).build();
        assert!(trail_event(event("{")).unwrap_err().starts_with("a record of CloudTrail"));
        assert!(trail_event(event(r#"{"errorCode": "AccessDenied"}"#)).unwrap().record.error_code.is_some());
    }
}
