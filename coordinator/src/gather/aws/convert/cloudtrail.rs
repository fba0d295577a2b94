//! `LookupEvents`.

use aws_sdk_cloudtrail::types as sdk;

use super::time;
use crate::facts::{TrailEvent, TrailRecord};

/// A record that cannot be read tells nothing of any instance; the others stand.
pub fn trail_event(from: sdk::Event) -> TrailEvent {
    let record = from.cloud_trail_event.as_deref().and_then(|text| TrailRecord::of(text).ok());
    TrailEvent { event_name: from.event_name, event_time: time(from.event_time), record: record.unwrap_or_default() }
}
