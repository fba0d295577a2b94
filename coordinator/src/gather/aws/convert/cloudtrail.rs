//! `LookupEvents`.

use aws_sdk_cloudtrail::types as sdk;

use super::time;
use crate::facts::{TrailEvent, TrailRecord};

pub fn trail_event(from: sdk::Event) -> Result<TrailEvent, String> {
    Ok(TrailEvent {
        event_name: from.event_name,
        event_time: time(from.event_time),
        record: from.cloud_trail_event.as_deref().map(TrailRecord::of).transpose()?.unwrap_or_default(),
    })
}
