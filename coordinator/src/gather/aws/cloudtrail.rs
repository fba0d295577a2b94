//! AWS CloudTrail.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};

use super::{Clients, convert};
use crate::facts::TrailEvent;
use crate::gather::operations::LookupEvents;
use crate::gather::refused::{Answer, Refused, RefusedKind};

/// How far back: whoever cannot log in has tried today.
const LOOK_BACK: Duration = Duration::from_hours(24);
/// Of fifty events each. AWS answers two lookups a second in an account and Region.
const PAGES: usize = 2;

impl LookupEvents for Clients {
    async fn lookup_events(&self, event_name: &str, instance_id: &str) -> Answer<Vec<TrailEvent>> {
        let action = <Self as LookupEvents>::ACTION;
        let attribute = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::EventName)
            .attribute_value(event_name)
            .build()
            .map_err(|error| Refused::new(action, RefusedKind::Ill, error.to_string()))?;
        let since = SystemTime::now().checked_sub(LOOK_BACK).map(Into::into);
        let mut events = Vec::new();
        let mut token = None;
        for _ in 0..PAGES {
            let request = self
                .cloudtrail
                .lookup_events()
                .lookup_attributes(attribute.clone())
                .set_start_time(since)
                .set_next_token(token.take());
            let page = self.call(action, request.send()).await?;
            for event in page.events.unwrap_or_default() {
                let event = convert::trail_event(event);
                events.push(event.map_err(|error| Refused::new(action, RefusedKind::Ill, error))?);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            // The newest come first, so that the instance's last one is among these or older.
            if token.is_none() || events.iter().any(|event: &TrailEvent| event.is_about(instance_id)) {
                break;
            }
        }
        Ok(events)
    }
}
